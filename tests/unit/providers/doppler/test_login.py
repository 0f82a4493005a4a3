"""Tokens from Secrets, tokens exchanged for an account's, the operator's own settings."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.doppler.connect import Connector, base_of, moment, verifies
from eso.providers.doppler.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.doppler import IDENTITY, TOKEN, FakeDoppler, authorization
from tests.fakes.env import env
from tests.unit.providers.doppler.conftest import BY_TOKEN, World, view


def by_account(**config: Any) -> dict[str, Any]:
    return {"oidcConfig": {"identity": IDENTITY, "serviceAccountRef": {"name": "app"}, **config}}


async def test_a_token_is_sent_as_the_name_of_a_user_and_does_not_end(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    asked = world.fake.asked[0]
    assert asked.headers["Authorization"] == authorization(TOKEN)
    assert asked.headers["User-Agent"] == "doppler-external-secrets"
    assert client.lifetime is None
    assert not await client.renew()


async def test_a_token_that_ends_in_a_line_break_is_named_as_such(world: World) -> None:
    world.credentials.secrets["login/dopplerToken"] = f"{TOKEN}\n"
    with pytest.raises(InvalidConfig, match="the Doppler token ends in a line break"):
        await world.open()


async def test_an_account_token_is_exchanged_and_ends_before_doppler_says(world: World) -> None:
    world.fake.subjects.add("account-token")
    client = await world.open(auth=by_account())
    assert await client.validate() is Validation.READY
    assert world.credentials.audiences == [("https://api.doppler.com", "secretStore:team-a:store")]
    assert world.fake.asked[0].body == {"identity": IDENTITY, "token": "account-token"}
    assert "Authorization" not in world.fake.asked[0].headers
    assert client.lifetime is not None
    assert 3500 < client.lifetime <= 3540


async def test_audiences_of_the_selector_stand_for_the_address(world: World) -> None:
    world.fake.subjects.add("account-token")
    account = {"name": "app", "audiences": ["a", "b"], "namespace": "eso"}
    await world.open("ClusterSecretStore", auth=by_account(serviceAccountRef=account))
    assert world.credentials.audiences == [("a", "b", "clusterSecretStore:store")]


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(401), AuthRejected, "Doppler OIDC auth failed with status 401"),
        (Fault(404), AuthRejected, "Doppler OIDC auth failed with status 404"),
        (Fault(201, body="{}"), Malformed, "Doppler OIDC auth failed with status 201"),
        (Fault(429, headers={"Retry-After": "3"}), Throttled, "Doppler OIDC auth failed with status 429"),
        (Fault(502), Unavailable, "Doppler OIDC auth failed with status 502"),
        (Fault(200, body='{"success":false}'), AuthRejected, "Doppler OIDC auth failed"),
        (Fault(200, body='{"success":true,"token":"t"}'), Malformed, "the server's reply has no text in expires_at"),
        (
            Fault(200, body='{"success":true,"token":"t","expires_at":"soon"}'),
            Malformed,
            "the server's reply has no time in expires_at",
        ),
        (
            Fault(200, body='{"success":true,"token":"t","expires_at":"2001-01-01T00:00:00Z"}'),
            Malformed,
            "Doppler's token has ended already",
        ),
        (
            Fault(200, body='{"success":true,"token":7,"expires_at":"2999-01-01T00:00:00Z"}'),
            Malformed,
            "the server's reply has no text in token",
        ),
    ],
)
async def test_a_refused_exchange_has_its_class(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    with pytest.raises(EsoError) as refused:
        await world.open(auth=by_account())
    assert type(refused.value) is kind
    assert str(refused.value) == f"failed to get OIDC token: {text}"
    assert world.provider.pools.opened[-1]._session is None


async def test_every_await_of_an_exchange_may_be_cancelled(world: World) -> None:
    world.fake.subjects.add("account-token")

    async def opened() -> None:
        await (await world.open(auth=by_account())).close()

    async for _ in every_await(opened):
        continue
    await opened()


async def test_a_server_of_the_operators_own_is_asked_and_trusted_as_the_environment_says(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server("doppler", dns=("localhost",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    credentials = StaticCredentials({"login/dopplerToken": TOKEN})
    store = view(auth=BY_TOKEN)
    async with FakeDoppler(context) as fake:
        for verify, ready in (("false", True), ("true", False)):
            settings = {"DOPPLER_BASE_URL": f"{fake.address}/", "DOPPLER_VERIFY_TLS": verify}
            client = await Connector(replace(env(), environ=settings)).open(store, SPEC.plan(store), credentials)
            if ready:
                assert await client.validate() is Validation.READY
            else:
                with pytest.raises(ValidationFailed, match="cannot trust"):
                    await client.validate()
            await client.close()
        assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("", "https://api.doppler.com"),
        ("https://doppler.internal/", "https://doppler.internal"),
        ("doppler.internal:8443", "https://doppler.internal:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_operator_chooses_the_server(text: str, base: str) -> None:
    assert base_of({"DOPPLER_BASE_URL": text} if text else {}) == base


@pytest.mark.parametrize("text", ["ftp://host", "https://", "https://me@host", "https://host?x=1", "https://[::bad"])
def test_an_address_that_is_none_is_told(text: str) -> None:
    with pytest.raises(InvalidConfig, match="DOPPLER_BASE_URL of the operator is no address"):
        base_of({"DOPPLER_BASE_URL": text})


def test_certificates_are_verified_unless_the_operator_says_otherwise() -> None:
    assert verifies({})
    assert verifies({"DOPPLER_VERIFY_TLS": "T"})
    assert not verifies({"DOPPLER_VERIFY_TLS": "0"})
    with pytest.raises(InvalidConfig, match="neither true nor false"):
        verifies({"DOPPLER_VERIFY_TLS": "no"})


def test_a_time_without_a_zone_is_utc() -> None:
    assert (
        moment("2030-01-01T00:00:00.5Z")
        == moment("2030-01-01T00:00:00.5")
        == datetime(2030, 1, 1, 0, 0, 0, 500_000, UTC)
    )
