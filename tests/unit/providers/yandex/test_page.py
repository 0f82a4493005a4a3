"""The manifests of the pages, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.yandex import FakeYandex, key_file
from tests.unit.providers.yandex.conftest import World

PAGES = Path(__file__).parents[4] / "docs" / "providers"


async def test_the_manifest_of_lockbox_is_served_with_one_request_after_the_login(world: World) -> None:
    world.fake.put("e6qetpqfe8vvag9h7jkr", {"password": "secret"})
    front = Front(world.provider, manifests(PAGES / "yandexlockbox.md", AUTHORIZED_KEY=key_file("key-1")))
    async with front.running():
        assert await front.read() == b"secret"
    assert [call for _, call, _ in front.calls.seen] == ["GetEndpoint", "CreateToken", "GetEndpoint", "GetPayload"]
    assert {provider for provider, _, _ in front.calls.seen} == {"Yandex/Lockbox"}


async def test_the_manifest_of_certificates_is_served_with_one_request_for_both_parts(fake: FakeYandex) -> None:
    key = "fpqdcpvlr2r3j1rm6o3d"
    fake.certify(key, [" leaf\n", "root"], "key\n")
    world = World(fake, "yandexcertificatemanager")
    page = PAGES / "yandexcertificatemanager.md"
    front = Front(world.provider, manifests(page, AUTHORIZED_KEY=key_file("key-1")))
    async with front.running():
        async with asyncio.TaskGroup() as group:
            chain, private = (group.create_task(front.read(key, name)) for name in ("chain", "privateKey"))
    assert (chain.result(), private.result()) == (b"leaf\nroot\n", b"key\n")
    calls = [call for _, call, _ in front.calls.seen]
    assert calls == ["GetEndpoint", "CreateToken", "GetEndpoint", "GetCertificateContent"]
    await world.provider.close()
