"""Certificates by id and by name, their parts and versions, and replies that are none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, SecretNotFound
from eso.providers.kit.protobuf import blob, number, text
from eso.providers.yandex.spec import CERTIFICATES, LOCKBOX
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.fakes.grpc import DENIED, framed, refused
from tests.fakes.yandex import FOLDER, FakeYandex
from tests.unit.providers.yandex.conftest import World, extract, read, view

PLANTED = "planted-7f3a9c"
BY_NAME = {"byName": {"folderID": FOLDER}}


@pytest.fixture
async def certificates(fake: FakeYandex) -> AsyncIterator[World]:
    world = World(fake, "yandexcertificatemanager")
    yield world
    await world.provider.close()


@pytest.mark.parametrize(("key", "fetching"), (("fpq", {"byID": {}}), ("shop", BY_NAME)))
async def test_the_parts_of_a_certificate(certificates: World, key: str, fetching: dict[str, object]) -> None:
    certificates.fake.certify("fpq", ["\n leaf \n", "middle\n", "root"], " key\n\n", name="shop")
    client = await certificates.open(fetching=fetching)
    both = b"leaf\nmiddle\nroot\nkey\n"
    assert [await read(client, key, name) for name in ("", "chainAndPrivateKey")] == [both, both]
    assert await read(client, key, "chain") == b"leaf\nmiddle\nroot\n"
    assert await read(client, key, "privateKey") == b"key\n"
    assert await extract(client, key) == {"chain": b"\n leaf \n\nmiddle\n\nroot", "privateKey": b" key\n\n"}
    with pytest.raises(InvalidConfig) as error:
        await read(client, key, "chains")
    assert str(error.value) == "unsupported property 'chains'"
    await client.close()


async def test_a_version_is_read_where_one_is_named(certificates: World) -> None:
    certificates.fake.certify("fpq", ["old"], "k", version="v1")
    certificates.fake.certify("fpq", ["new"], "k", version="v2")
    client = await certificates.open()
    assert [await read(client, "fpq", "chain", version) for version in ("", "v1")] == [b"new\n", b"old\n"]
    await client.close()


async def test_a_certificate_that_is_not_there_is_an_ordinary_error_and_one_that_is_denied_names_the_role(
    certificates: World,
) -> None:
    client = await certificates.open()
    with pytest.raises(EsoError) as error:
        await read(client, "gone")
    assert not isinstance(error.value, SecretNotFound)
    assert str(error.value) == "unable to request certificate content to get secret: rpc error: code = NotFound"
    certificates.fake.fail(refused(DENIED))
    with pytest.raises(Denied) as denied:
        await read(client, "gone")
    assert "certificate-manager.certificates.downloader" in denied.value.fix
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="."))
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        pytest.param(b"", id="neither chain nor key"),
        pytest.param(number(3, 1), id="a chain that is a number"),
        pytest.param(blob(3, b"\xff" + PLANTED.encode()), id="a chain that is no text"),
        pytest.param(text(3, "c") + number(4, 1), id="a key that is a number"),
        pytest.param(text(3, PLANTED) + blob(4, b"\xff"), id="a key that is no text"),
    ),
)
async def test_a_reply_of_another_form_is_malformed_and_shows_nothing(certificates: World, reply: bytes) -> None:
    client = await certificates.open()
    certificates.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises(Malformed) as error:
        await read(client, "fpq")
    assert PLANTED not in str(error.value)
    await client.close()


def test_admission_names_the_service_and_each_service_has_a_login_of_its_own() -> None:
    with pytest.raises(InvalidConfig) as error:
        CERTIFICATES.check(view(fetching={}))
    words = "invalid Yandex Certificate Manager SecretStore: requires either 'byName' or 'byID' policy"
    assert str(error.value) == words
    assert CERTIFICATES.plan(view()) != LOCKBOX.plan(view())
