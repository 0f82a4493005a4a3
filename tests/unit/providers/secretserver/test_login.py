"""Admission and logins: of users, of the platform, with tokens."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    Quota,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.secretserver.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.secretserver import USER, FakeSecretServer
from tests.unit.providers.secretserver.conftest import PASS, World, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"serverURL": ""}, "serverURL must be set"),
        ({"username": None}, "username must not be empty"),
        ({"password": None}, "password must be set"),
        ({"username": {"value": "x", **PASS}}, "cannot specify both value and reference"),
        ({"password": {}}, "must specify either value or reference"),
        ({"token": {}}, "must specify either value or reference"),
        ({"password": {"secretRef": {"key": "k"}}}, "must specify a secret name"),
        ({"password": {"secretRef": {"name": "n"}}}, "must specify a secret key"),
        ({"password": {"secretRef": {"name": "n", "key": "k", "namespace": "elsewhere"}}}, FOREIGN),
        ({"serverURL": "secrets.example.com"}, "serverURL is no address"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(**block))
    assert str(refused.value) == text


@pytest.mark.parametrize("block", [{}, {"username": None, "password": None, "token": {"value": "t"}}])
def test_admission_accepts_a_user_or_a_token(block: dict[str, Any]) -> None:
    assert SPEC.check(view(**block)) == []
    assert (SPEC.capability, SPEC.maintained) == ("ReadWrite", True)


def test_a_login_is_a_user_or_a_token() -> None:
    plan = SPEC.plan(view())
    assert plan.references == (("Secret", "", "login"),)
    assert (plan.consumer, plan.quota, plan.pace) == (Consumer.NONE, Quota.LOGIN, None)
    assert plan.login != SPEC.plan(view(domain="corp")).login
    assert plan.login != SPEC.plan(view(caBundle="cGVt")).login
    assert SPEC.plan(view(token={"value": "t"})).references == ()
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS


async def test_a_user_of_secret_server_logs_in_with_its_domain(world: World) -> None:
    world.fake.domain = "corp"
    client = await world.open(domain="corp")
    assert client.lifetime == 1140.0
    assert not await client.renew()
    assert await client.validate() is Validation.READY
    assert [asked.path for asked in world.fake.asked] == ["/api/v1/healthcheck", "/oauth2/token", "/api/v1/secrets"]


async def test_a_user_of_the_platform_is_led_to_its_default_vault(world: World) -> None:
    async with FakeSecretServer() as vault:
        world.fake.platform = True
        world.fake.tokens = vault.tokens
        world.fake.vaults = [
            {"isDefault": True, "isActive": False, "connection": {"url": "https://old.example.com"}},
            {"IsDefault": True, "IsActive": True, "Connection": {"Url": f"{vault.address}/"}},
        ]
        client = await world.open()
        assert await client.validate() is Validation.READY
        assert [asked.path for asked in vault.asked] == ["/api/v1/secrets"]


@pytest.mark.parametrize(
    ("vaults", "kind", "text"),
    [
        ([], InvalidConfig, "no configured vault found"),
        (
            [{"isDefault": True, "isActive": True, "connection": {"url": ""}}],
            InvalidConfig,
            "no configured vault found",
        ),
        ([{"isDefault": True, "isActive": True, "connection": {"url": "file:///x"}}], Malformed, "cannot be used"),
        ([{"isDefault": 7, "isActive": True}], Malformed, "no flag in isdefault"),
        ([7], Malformed, "not of the form"),
    ],
)
async def test_a_platform_without_a_usable_vault_is_told(world: World, vaults: Any, kind: type, text: str) -> None:
    world.fake.platform, world.fake.vaults = True, vaults
    error = await refused(world)
    assert isinstance(error, kind)
    assert text in str(error)


async def test_a_token_of_the_store_is_used_as_it_is(world: World) -> None:
    world.fake.tokens.add("planted-own")
    client = await world.open(token={"value": "planted-own"})
    assert await client.validate() is Validation.READY
    assert client.lifetime is None
    assert len(world.fake.asked) == 1
    world.fake.tokens.clear()
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert isinstance(failed.value.__cause__, AuthExpired), "a 403 that speaks of the token is no denial"


async def refused(world: World, kind: str = "SecretStore", **block: Any) -> EsoError:
    with pytest.raises(EsoError) as error:
        await world.open(kind, **block)
    assert all(pool._session is None for pool in world.provider.pools.opened), "nothing stays open"
    return error.value


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(400, path="token", body='{"error":"invalid_grant"}'), AuthRejected, "400 Bad Request: invalid_grant"),
        (Fault(401, path="token", echo=True), AuthRejected, "401 Unauthorized"),
        (Fault(429, path="token", headers={"Retry-After": "3"}), Throttled, "429 Too Many Requests"),
        (Fault(502, path="token", body="<html>"), Unavailable, "502 Bad Gateway"),
        (Fault(200, path="token", body="<html>"), Malformed, "the server's reply is not JSON"),
        (Fault(200, path="token", body='{"access_token":"","expires_in":9}'), Malformed, "no usable access token"),
        (Fault(200, path="token", body='{"access_token":"a"}'), Malformed, "no number in expires_in"),
        (Fault(200, path="token", body='{"access_token":"a","expires_in":-1}'), AuthRejected, "has ended before"),
        (Fault(500, path="health"), Unavailable, "500 Internal Server Error"),
        (Fault(200, path="health", body='{"healthy":false}', times=2), InvalidConfig, "invalid URL"),
        (Fault(200, path="health", body="<html>", times=2), InvalidConfig, "invalid URL"),
        (Fault(404, path="health", times=2), InvalidConfig, "invalid URL"),
        (Fault(401, path="health", times=2), AuthRejected, "invalid URL: its health is not for everybody"),
    ],
)
async def test_a_refused_login_has_its_class(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    error = await refused(world)
    assert type(error) is kind
    assert text in str(error)
    assert "planted" not in str(error)


async def test_a_cluster_store_without_namespaces_is_neither_valid_nor_faulty_by_itself(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    with pytest.raises(InvalidConfig, match="each consumer's namespace"):
        await client.fetch("a")
    await client.close()
    assert world.fake.asked == []


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


async def test_the_stores_authority_is_trusted_instead_of_the_systems(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("secretserver", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with FakeSecretServer(serving) as fake:
        world.credentials.ca = authority.cert.read_bytes()
        assert await (await world.open(serverURL=fake.address)).validate() is Validation.READY
        world.credentials.ca = None
        with pytest.raises(Unavailable, match="cannot trust"):
            await world.open(serverURL=fake.address)
        world.credentials.ca = b"planted"
        with pytest.raises(InvalidConfig, match="cannot use the CA certificates"):
            await world.open(serverURL=fake.address)


async def test_a_vault_in_the_clear_gets_no_token_that_came_over_tls(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("secretserver", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    world.credentials.ca = authority.cert.read_bytes()
    async with FakeSecretServer(serving) as fake:
        fake.platform, fake.users = True, {USER: "planted-password"}
        fake.vaults = [{"isDefault": True, "isActive": True, "connection": {"url": world.fake.address}}]
        with pytest.raises(Malformed, match="at an address that cannot be used"):
            await world.open(serverURL=fake.address)
    assert world.fake.asked == []
