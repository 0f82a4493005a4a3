"""Logging in: with an authorized key, as the machine, and what stands in the way."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
    Validation,
)
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.grpc import EXHAUSTED, INVALID, NOT_FOUND, UNAUTHENTICATED, UNAVAILABLE, framed, refused
from tests.fakes.yandex import ADDRESSES, PEM, FakeYandex, WholeYandex, key_file
from tests.unit.providers.yandex.conftest import World, read

PLANTED = "planted-7f3a9c"


async def test_a_login_asks_for_two_addresses_and_a_token_that_lasts_twelve_hours(world: World) -> None:
    client = await world.open()
    assert [asked.path.rpartition("/")[2] for asked in world.fake.asked] == ["Get", "Create", "Get"]
    assert client.lifetime is not None
    assert 12 * 3600 - 120 < client.lifetime < 12 * 3600
    assert await client.validate() is Validation.READY
    assert len(world.fake.asked) == 3
    await client.close()


@pytest.mark.parametrize(
    "written",
    (
        "no json",
        "[]",
        "{}",
        json.dumps({"id": "i", "service_account_id": "a"}),
        json.dumps({"id": 7, "service_account_id": "a", "private_key": PLANTED}),
        json.dumps({"id": "i", "service_account_id": "a", "private_key": "\ud800-----BEGIN \ud800"}),
        key_file("key-1")[:-200],
    ),
)
async def test_what_is_no_authorized_key_is_refused_without_showing_it(world: World, written: str) -> None:
    world.credentials.secrets["login/key.json"] = written
    with pytest.raises(InvalidConfig, match="unable to parse authorized key") as error:
        await world.open()
    assert PLANTED not in str(error.value)
    assert world.fake.asked == []


async def test_a_private_key_that_is_none_is_refused_without_showing_it(world: World) -> None:
    told = {"id": "key-1", "service_account_id": "a", "private_key": f"-----BEGIN {PLANTED}"}
    world.credentials.secrets["login/key.json"] = json.dumps(told)
    with pytest.raises(AuthRejected, match="unable to parse the private key of the authorized key: ") as error:
        await world.open()
    assert PLANTED not in str(error.value)


async def test_a_key_without_the_vendors_note_works_too(world: World) -> None:
    told = json.loads(key_file("key-1")) | {"private_key": PEM}
    world.credentials.secrets["login/key.json"] = json.dumps(told)
    await (await world.open()).close()


@pytest.mark.parametrize(
    ("code", "kind"),
    (
        (UNAUTHENTICATED, AuthRejected),
        (INVALID, AuthRejected),
        (NOT_FOUND, AuthRejected),
        (UNAVAILABLE, Unavailable),
        (EXHAUSTED, Throttled),
    ),
)
async def test_a_refused_login_is_told(world: World, code: int, kind: type[EsoError]) -> None:
    for path, words in (("IamTokenService", "unable to create iam token"), ("Endpoint", "unable to get the address")):
        world.fake.fail(replace(refused(code, **{"grpc-message": PLANTED}), path=path))
        with pytest.raises(kind, match=words) as error:
            await world.open()
        assert PLANTED not in str(error.value)


async def test_a_key_that_was_removed_is_rejected(world: World) -> None:
    world.fake.keys.clear()
    with pytest.raises(AuthRejected, match="rpc error: code = Unauthenticated"):
        await world.open()


async def test_a_service_that_the_endpoint_does_not_know_is_told(world: World) -> None:
    del world.fake.addresses["lockbox-payload"]
    with pytest.raises(AuthRejected, match="unable to get the address of the service: rpc error: code = NotFound"):
        await world.open()


@pytest.mark.parametrize("address", ("", "https://evil", "a b:1", f"{PLANTED}/x", "x:99999"))
async def test_an_address_that_is_none_is_malformed(world: World, address: str) -> None:
    world.fake.addresses["iam"] = address
    with pytest.raises(Malformed) as error:
        await world.open()
    assert PLANTED not in str(error.value)


@pytest.mark.parametrize(
    "reply", (b"", b"\x0a\x03a b\x12\x02\x08\x01", b"\x0a\x01a", b"\x0a\x01a\x12\x02\x08\x01", b"\xff")
)
async def test_a_token_that_is_none_or_has_ended_is_told(world: World, reply: bytes) -> None:
    world.fake.fail(Fault(200, body=framed(reply), path="IamTokenService"))
    with pytest.raises((Malformed, AuthRejected)):
        await world.open()


async def test_a_cluster_store_whose_key_belongs_to_each_consumer_validates_without_one(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert world.fake.asked == []
    await client.close()


async def test_without_a_key_the_machine_logs_in(world: World) -> None:
    world.provider = WholeYandex(world.fake)
    world.fake.put("app", {"user": "me"})
    world.fake.tokens.add("t1.machine")
    world.credentials.environ = {}
    client = await world.open(auth={})
    assert await read(client, "app", "user") == b"me"
    assert client.lifetime == 40000 - 60
    await client.close()
    world.fake.metadata.status = 404
    with pytest.raises(AuthRejected, match="the metadata server answered 404"):
        await world.open(auth={})


async def test_the_machines_metadata_service_may_have_another_address(world: World) -> None:
    world.credentials.environ = {"YC_METADATA_ADDR": world.fake.metadata.address.removeprefix("http://")}
    await (await world.open(auth={})).close()
    assert len(world.fake.metadata.asked) == 1


async def test_a_token_of_the_machine_goes_to_the_vendor_alone(world: World) -> None:
    world.provider = WholeYandex(world.fake)
    world.credentials.environ = {}
    world.provider.pools.hosts["api.evil.example:443"] = world.fake.address
    with pytest.raises(InvalidConfig, match="at addresses of Yandex Cloud only"):
        await world.open(auth={}, apiEndpoint="api.evil.example:443")
    world.fake.addresses["lockbox-payload"] = "payload.evil.example:443"
    with pytest.raises(InvalidConfig, match="at addresses of Yandex Cloud only"):
        await world.open(auth={})
    assert world.fake.metadata.asked == []


async def test_where_ambient_credentials_are_refused_the_machine_does_not_log_in(world: World) -> None:
    world.credentials.environ = None
    with pytest.raises(InvalidConfig):
        await world.open(auth={})
    assert world.fake.asked == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_a_private_endpoint_is_trusted_by_the_stores_authority_and_leads_to_its_own_services(
    authority: Authority, tmp_path: Path
) -> None:
    pair = authority.server("backend", dns=("localhost",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)
    async with FakeYandex(tls) as fake:
        world = World(fake, "yandexlockbox")
        world.provider.pools.hosts.clear()
        here = f"127.0.0.1:{fake.port}"
        fake.addresses = dict.fromkeys(ADDRESSES, here)
        fake.put("app", {"user": "me"})
        with pytest.raises(Unavailable, match="cannot trust"):
            await world.open(apiEndpoint=here)
        world.credentials.secrets["ca/ca.crt"] = authority.cert.read_text()
        block = {"apiEndpoint": here, "caProvider": {"certSecretRef": {"name": "ca", "key": "ca.crt"}}}
        client = await world.open(**block)
        assert await read(client, "app", "user") == b"me"
        await client.close()
        world.credentials.secrets["ca/ca.crt"] = "no certificate"
        with pytest.raises(InvalidConfig, match="cannot use the CA certificates"):
            await world.open(**block)
        await world.provider.close()


async def test_a_login_that_may_not_read_is_denied_with_the_role_it_needs(world: World) -> None:
    client = await world.open()
    world.fake.fail(replace(refused(7), path="PayloadService"))
    with pytest.raises(Denied) as error:
        await read(client, "app")
    assert "lockbox.payloadViewer" in error.value.fix
    with pytest.raises(NothingThere):
        await read(client, "gone")
    await client.close()
