"""The manifest of docs/providers/azurekv.md, applied through the front door of stores; a day of tokens that end."""

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
from tests.fakes.azurekv import CLIENT
from tests.fakes.clock import VirtualClock, settle
from tests.fakes.env import env
from tests.fakes.front import Calls, Front, manifests
from tests.unit.providers.azurekv.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "azurekv.md"


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    """The store of the page, in a cluster that has its account."""
    front = Front(world.provider, manifests(PAGE))
    notes = {"azure.workload.identity/client-id": CLIENT}
    front.rest.objects["serviceaccounts/team-a/app"] = {"metadata": {"name": "app", "uid": "u", "annotations": notes}}
    world.fake.put("database", '{"password":"secret"}')
    world.fake.assertions["token-of-team-a-app"] = CLIENT
    async with front.running():
        yield front


async def test_the_manifest_of_the_page_is_served_with_one_request_per_refresh(front: Front) -> None:
    assert await front.read() == await front.read() == b"secret"
    assert front.rest.tokens == [{"namespace": "team-a", "name": "app", "audiences": ["api://AzureADTokenExchange"]}]
    assert [call for _, call, _ in front.calls.seen] == ["GetToken", "GetSecret", "GetSecret"]


async def test_every_request_goes_through_a_gate(world: World, front: Front) -> None:
    await front.stores.push("team-a", front.store, Push(Remote("pushed"), "k"), Source({"k": b"v"}))
    assert await front.stores.exists("team-a", front.store, Remote("pushed"))
    await front.stores.delete("team-a", front.store, Remote("pushed"))
    assert {call for _, call, _ in front.calls.seen} == {"GetToken", "GetSecret", "SetSecret", "DeleteSecret"}
    assert {provider for provider, _, _ in front.calls.seen} == {"Azure/KeyVault"}
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World, front: Front) -> None:
    for _ in range(5):
        world.fake.tokens.clear()
        assert await front.read() == b"secret"
    assert world.fake.count("oauth2") == 5


async def test_an_account_that_names_another_client_logs_in_as_that_one(world: World, front: Front) -> None:
    assert await front.read() == b"secret"
    world.fake.assertions["token-of-team-a-app"] = "client-2"
    notes = {"azure.workload.identity/client-id": "client-2"}
    front.rest.objects["serviceaccounts/team-a/app"]["metadata"]["annotations"] = notes
    front.stores.credential_changed("ServiceAccount", "team-a", "app")
    world.fake.tokens.clear()
    assert await front.read() == b"secret"
    assert "client-2" in world.fake.asked[-2].text


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
            stores.read("team-a", StoreRef(name="azure"), RemoteRef("database", "password"))
        )
        while not reading.done():  # the gate's pace waits for this clock, the sockets for the real one
            await clock.advance(0.01)
            await asyncio.wait([reading], timeout=0.001)
        assert reading.result().reveal() == b"secret"
    assert {status for _, _, status in calls.seen} == {"success"}
    assert 24 <= world.fake.count("oauth2") <= 48
    running.cancel()
    await asyncio.wait([running])
