"""What admission refuses, what makes a login, whose client logs in, which certificates are trusted."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.certs import Authority
from eso.providers.contract import AuthRejected, Consumer, InvalidConfig, Malformed, RemoteRef, Unavailable, Validation
from eso.providers.senhasegura.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.senhasegura import CLIENT, FakeSenhasegura
from tests.unit.providers.senhasegura.conftest import AUTH, World, view

HTTPS = "invalid senhasegura URL, must be HTTPS for security reasons"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"url": ""}, "invalid senhasegura URL"),
        ({"url": "senhasegura.test"}, "invalid senhasegura URL"),
        ({"url": "https://[x"}, "invalid senhasegura URL"),
        ({"url": "https://me:secret@x"}, "invalid senhasegura URL"),
        ({"url": "http://senhasegura.test"}, HTTPS),
        ({"url": "ftp://senhasegura.test"}, HTTPS),
        ({"auth": AUTH | {"clientId": ""}}, "missing senhasegura authentication Client ID"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_the_path_of_the_address_does_not_count() -> None:
    foreign = AUTH | {"clientSecretSecretRef": {"name": "n", "key": "k", "namespace": "other"}}
    assert SPEC.check(view(auth=foreign)) == []
    assert SPEC.plan(view(url="https://senhasegura.test:8443/iso/x")).endpoint == "https://senhasegura.test:8443"
    assert SPEC.plan(view()).references == (("Secret", "", "login"),)
    assert SPEC.plan(view(ignoreSslCertificate=True)).login != SPEC.plan(view()).login


@pytest.mark.parametrize("module", ("PAM", "dsm", ""))
def test_another_module_can_never_work(module: str) -> None:
    assert SPEC.check(view(module=module)) == []
    with pytest.raises(InvalidConfig) as error:
        SPEC.plan(view(module=module))
    assert str(error.value) == f"unknown senhasegura Provider Service: {module}"


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    assert world.fake.asked == []
    await client.close()


async def test_the_login_is_a_form_and_its_token_is_used_until_a_minute_before_its_end(world: World) -> None:
    client = await world.open()
    (asked,) = world.fake.asked
    assert (asked.method, asked.path) == ("POST", "/iso/oauth2/token")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.text == f"grant_type=client_credentials&client_id={CLIENT}&client_secret=planted-client-secret"
    assert client.lifetime == 3540
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(401, echo=True), AuthRejected),
        (Fault(400, echo=True), AuthRejected),
        (Fault(503, echo=True), Unavailable),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body='{"expires_in":3600}'), Malformed),
        (Fault(200, body='{"access_token":"","expires_in":3600}'), Malformed),
        (Fault(200, body='{"access_token":"t","expires_in":"soon"}'), Malformed),
    ),
)
async def test_a_login_that_fails_shows_nothing_that_was_sent(world: World, fault: Fault, kind: type) -> None:
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"
    if fault.echo:
        assert str(error.value).startswith("received invalid HTTP code from senhasegura: ")


async def test_only_a_store_that_asks_for_it_trusts_any_certificate(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server("backend", dns=("elsewhere",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    async with FakeSenhasegura(context) as fake:
        world = World(fake)
        for verifying in ({}, {"ignoreSslCertificate": False}, {"ignoreSslCertificate": None}):
            with pytest.raises(Unavailable, match="cannot trust"):
                await world.open(**verifying)
        assert fake.asked == []
        client = await world.open(ignoreSslCertificate=True)
        assert await client.validate() is Validation.READY
        await client.close()
        await world.provider.close()
