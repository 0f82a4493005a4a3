"""The manifest of docs/providers/akeyless.md, applied through the front door of stores; a day of tokens that end."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Find, InvalidConfig, Push, Remote, RemoteRef, Source
from eso.runtime.clock import SystemClock
from eso.runtime.memory import Memory, holding
from eso.stores.front import Stores
from eso.stores.gate import Gates
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle
from tests.fakes.env import env
from tests.fakes.front import Calls, Front, manifests
from tests.unit.providers.akeyless.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "akeyless.md"


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    """The store of the page, in a cluster that has its account."""
    front = Front(world.provider, manifests(PAGE))
    front.rest.objects["serviceaccounts/team-a/app"] = {"metadata": {"name": "app", "uid": "u"}}
    world.fake.prefix = "/v2"
    world.fake.put("/team-a/database", '{"password":"secret"}')
    jwt = base64.b64encode(b"token-of-team-a-app").decode()
    world.fake.believed["k8s"] = {"k8s-auth-config-name": "main", "k8s-service-account-token": jwt}
    async with front.running():
        yield front


async def test_the_manifest_of_the_page_is_served_with_two_requests_per_refresh(world: World, front: Front) -> None:
    assert await front.read() == await front.read() == b"secret"
    assert front.rest.tokens == [{"namespace": "team-a", "name": "app", "expirationSeconds": 600}]
    reads = ["DescribeItem", "GetSecretValue"]
    assert [call for _, call, _ in front.calls.seen] == ["FindAPI", "Auth", *reads, *reads]
    assert {provider for provider, _, _ in front.calls.seen} == {"AKEYLESSLESS/SecretsManager"}
    assert len(front.calls.seen) == len(world.fake.asked)


class Passes:
    """Passes of several ExternalSecrets of one namespace."""

    def __init__(self, front: Front) -> None:
        self.front, self.memory = front, Memory(64 << 20, SystemClock())

    async def read(self, *properties: str) -> list[str]:
        """What one pass reads of the dynamic secret, all properties at once."""
        with holding(self.memory.open("team-a")):
            reads = (self.front.read("/team-a/dynamic", name) for name in properties)
            return [value.decode() for value in await asyncio.gather(*reads)]

    async def find(self) -> str:
        """The lease that one pass finds."""
        with holding(self.memory.open("team-a")):
            ref = StoreRef(name=self.front.store.metadata.name)
            found = await self.front.stores.find("team-a", ref, Find(name_regexp="dyn"))
        return found["/team-a/dynamic"].reveal().decode()


async def test_a_dynamic_secret_is_made_for_each_external_secret_and_once_in_its_pass(
    world: World, front: Front
) -> None:
    world.fake.put("/team-a/dynamic", {"user": "u"}, type="DYNAMIC_SECRET")
    passes = Passes(front)
    leases = await asyncio.gather(*(passes.read("lease", "lease", "user") for _ in range(5)))
    assert sorted(leases) == [[str(lease), str(lease), "u"] for lease in range(1, 6)]
    assert world.fake.leases == 5
    assert world.fake.count("describe-item") == 1, "what kind of item it is may be told to all"
    alone = await asyncio.gather(front.read("/team-a/dynamic", "lease"), front.read("/team-a/dynamic", "lease"))
    assert sorted(alone) == [b"6", b"7"], "who reads outside of a pass shares with nobody"


async def test_a_search_makes_a_dynamic_secret_for_each_external_secret(world: World, front: Front) -> None:
    world.fake.put("/team-a/dynamic", {"user": "u"}, type="DYNAMIC_SECRET")
    passes = Passes(front)
    found = await asyncio.gather(*(passes.find() for _ in range(3)))
    assert sorted(found) == [f'{{"lease":{lease},"user":"u"}}' for lease in (1, 2, 3)]
    assert world.fake.count("list-items") == 1


async def test_a_search_makes_some_dynamic_secrets_at_a_time_and_bounds_them(
    world: World, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        world.fake.put(f"/team-a/dynamic-{number}", {"user": "u"}, type="DYNAMIC_SECRET")
    ref = StoreRef(name=front.store.metadata.name)
    found = await front.stores.find("team-a", ref, Find(name_regexp="dyn"))
    assert len({value.reveal() for value in found.values()}) == world.fake.leases == 20
    monkeypatch.setattr("eso.stores.reads.MOST_BYTES", 100)
    with pytest.raises(InvalidConfig, match="the search finds more than 100 bytes"):
        await front.stores.find("team-a", ref, Find(name_regexp="dyn"))


async def test_every_await_of_a_read_that_is_shared_with_nobody_may_be_cancelled(world: World, front: Front) -> None:
    world.fake.put("/team-a/dynamic", {"user": "u"}, type="DYNAMIC_SECRET")
    passes = Passes(front)
    async for _ in every_await(lambda: passes.read("user")):
        continue
    assert await passes.read("user") == ["u"]
    assert passes.memory.held_by("team-a") == 0


async def test_every_request_goes_through_a_gate(world: World, front: Front) -> None:
    await front.stores.push("team-a", front.store, Push(Remote("/pushed"), "k"), Source({"k": b"v"}))
    await front.stores.push("team-a", front.store, Push(Remote("/pushed"), "k"), Source({"k": b"w"}))
    assert await front.stores.exists("team-a", front.store, Remote("/pushed"))
    await front.stores.delete("team-a", front.store, Remote("/pushed"))
    assert {call for _, call, _ in front.calls.seen} == {
        "FindAPI",
        "Auth",
        "DescribeItem",
        "GetSecretValue",
        "CreateSecret",
        "UpdateSecretVal",
        "DeleteItem",
    }
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World, front: Front) -> None:
    for _ in range(5):
        world.fake.tokens.clear()
        assert await front.read() == b"secret"
    assert world.fake.count("/auth") == 5


async def test_a_day_of_tokens_that_end_costs_no_read(world: World, front: Front) -> None:
    clock, calls = VirtualClock(), Calls()
    rest: Any = front.rest
    gates = Gates(clock, meter=calls)
    stores = Stores(front.stores.rules, rest, gates, env(clock, pools=world.provider.world))
    running = asyncio.ensure_future(stores.run())
    await settle()
    for turn in range(24 * 6):
        clock.jump(600.0)
        if turn % 20 == 19:
            world.fake.tokens.clear()  # the auth method's own life is shorter than an hour
        reading = asyncio.ensure_future(
            stores.read("team-a", StoreRef(name="akeyless"), RemoteRef("/team-a/database", "password"))
        )
        while not reading.done():  # a gate's pace waits for this clock, the sockets for the real one
            await clock.advance(0.01)
            await asyncio.wait([reading], timeout=0.001)
        assert reading.result().reveal() == b"secret"
    assert 24 <= world.fake.count("/auth") <= 60
    running.cancel()
    await asyncio.wait([running])
