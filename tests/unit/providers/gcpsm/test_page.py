"""The manifest of docs/providers/gcpsm.md, applied through the front door of stores; a day of tokens that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Push, Remote, RemoteRef, Source
from eso.stores.front import Stores
from eso.stores.gate import Gates
from tests.fakes.clock import VirtualClock, settle
from tests.fakes.env import env
from tests.fakes.front import Calls, Front, manifests
from tests.unit.providers.gcpsm.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "gcpsm.md"
CLUSTER = "https://container.googleapis.com/v1/projects/shop/locations/europe-west3/clusters/main"


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    """The store of the page, in a cluster that has its account."""
    front = Front(world.provider, manifests(PAGE))
    front.rest.objects["serviceaccounts/team-a/app"] = {"metadata": {"name": "app", "uid": "u"}}
    world.fake.put("database", b'{"password":"secret"}')
    world.fake.subjects["token-of-team-a-app"] = f"identitynamespace:shop.svc.id.goog:{CLUSTER}"
    async with front.running():
        yield front


async def test_the_manifest_of_the_page_is_served_with_one_request_per_refresh(front: Front) -> None:
    assert await front.read() == await front.read() == b"secret"
    assert front.rest.tokens == [
        {"namespace": "team-a", "name": "app", "audiences": ["shop.svc.id.goog"], "expirationSeconds": 900}
    ]
    assert [call for _, call, _ in front.calls.seen] == [
        "GenerateIDBindToken",
        "AccessSecretVersion",
        "AccessSecretVersion",
    ]


async def test_every_request_goes_through_a_gate(world: World, front: Front) -> None:
    await front.stores.push("team-a", front.store, Push(Remote("pushed"), "k"), Source({"k": b"v"}))
    assert await front.stores.exists("team-a", front.store, Remote("pushed"))
    await front.stores.delete("team-a", front.store, Remote("pushed"))
    assert {call for _, call, _ in front.calls.seen} == {
        "GenerateIDBindToken",
        "AccessSecretVersion",
        "GetSecret",
        "CreateSecret",
        "AddSecretVersion",
        "ListSecretVersions",
        "DeleteSecret",
    }
    assert {provider for provider, _, _ in front.calls.seen} == {"GCP/SecretManager"}
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World, front: Front) -> None:
    for _ in range(5):
        world.fake.tokens.clear()
        assert await front.read() == b"secret"
    assert world.fake.count("identitybindingtoken") == 5


async def test_a_day_of_tokens_that_end_costs_no_read_and_no_refusal(world: World, front: Front) -> None:
    clock, calls = VirtualClock(), Calls()
    world.fake.clock = clock.monotonic
    rest: Any = front.rest
    gates = Gates(clock, meter=calls)
    stores = Stores(front.stores.rules, rest, gates, env(clock, pools=world.provider.world))
    running = asyncio.ensure_future(stores.run())
    await settle()
    for _ in range(24 * 6):
        clock.jump(600.0)
        reading = asyncio.ensure_future(
            stores.read("team-a", StoreRef(name="google"), RemoteRef("database", "password"))
        )
        while not reading.done():  # the gate's pace waits for this clock, the sockets for the real one
            await clock.advance(0.01)
            await asyncio.wait([reading], timeout=0.001)
        assert reading.result().reveal() == b"secret"
    assert {status for _, _, status in calls.seen} == {"success"}
    # a token of an hour is renewed after two thirds of it, and now and then at the read after that
    assert 24 <= world.fake.count("identitybindingtoken") <= 40
    running.cancel()
    await asyncio.wait([running])
