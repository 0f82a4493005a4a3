"""A login ends with the credential, the account or the store that it was made for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from tests.fakes.clock import settle
from tests.unit.stores.backends import ScriptedProvider, World, store
from tests.unit.stores.test_reader import GRACE, read, running


def gone(world: World, namespace: str = "team-a", name: str = "token") -> None:
    del world.rest.objects[f"secrets/{namespace}/{name}"]
    world.reader.credential_changed("Secret", namespace, name, gone=True)


async def test_a_deleted_credential_ends_its_login_at_once() -> None:
    async with running(World()) as world:
        await read(world)
        gone(world)
        await settle()
        assert world.backend.closed == ["t-1"]
        with pytest.raises(EsoError, match="cannot get Kubernetes secret"):
            await read(world)


async def test_a_login_that_another_credential_holds_goes_on() -> None:
    async with running(World()) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-1")
        await read(world)
        await read(world, "team-b")
        gone(world)
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == []
        assert await read(world, "team-b") == b"hunter2"
        gone(world, "team-b")
        await settle()
        assert world.backend.closed == ["t-1"]


async def test_a_call_in_hand_ends_before_its_login_does_and_nothing_waits_for_the_grace() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        gone(world)
        await world.clock.advance(2.0)
        assert world.backend.closed == []
        world.backend.hold.set()
        await asyncio.wait([task])
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]


async def test_a_store_that_goes_while_it_is_read_ends_its_login_with_the_read() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        del world.stores["SecretStore", "team-a", "main"]
        world.reader.store_changed("SecretStore", "team-a", "main")
        world.backend.hold.set()
        await asyncio.wait([task])
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]


async def test_a_credential_that_goes_while_it_logs_in_leaves_no_login() -> None:
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        gone(world)
        world.backend.hold.set()
        await asyncio.wait([task])
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]
        assert world.reader.sessions._sessions == {}


async def test_a_credential_that_is_edited_while_it_logs_in_leaves_no_login_of_the_old_one() -> None:
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        world.rest.secret("team-a", "token", token="t-2")
        world.reader.credential_changed("Secret", "team-a", "token")
        world.backend.hold.set()
        await asyncio.wait([task])
        await read(world)
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == ["t-1"]
        assert len(world.reader.sessions._sessions) == 1


async def test_a_renewal_finds_out_what_no_watch_told() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        world.rest.secret("team-a", "token", token="t-2")
        await world.clock.advance(45.0)
        assert (world.backend.renewals, world.backend.closed) == (0, ["t-1"])
        await read(world)
        assert world.backend.logins == ["t-1", "t-2"]


async def test_a_renewal_whose_credential_cannot_be_read_is_made() -> None:
    """An API server that is away proves nothing about a credential."""
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        world.rest.failure = EsoError("the API server is away")
        await world.clock.advance(45.0)
        assert (world.backend.renewals, world.backend.closed) == (1, [])


async def test_a_renewal_for_a_store_that_has_another_credential_by_now_goes_on_for_the_others() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        world.add(store("second", namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-1")
        await read(world)
        await read(world, "team-b", ref=StoreRef(name="second"))
        world.rest.secret("team-a", "token", token="t-2")
        await world.clock.advance(45.0)
        assert world.backend.renewals == 1
        assert await read(world, "team-b", ref=StoreRef(name="second")) == b"hunter2"
        assert world.backend.logins == ["t-1"]


async def test_a_secret_that_no_spec_names_ends_the_login_that_was_made_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old kind of an account's token lies in a Secret that only the account names."""
    plan = ScriptedProvider.plan
    monkeypatch.setattr(ScriptedProvider, "plan", lambda self, view: replace(plan(self, view), references=()))
    async with running(World()) as world:
        await read(world)
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == []
        gone(world)
        await settle()
        assert world.backend.closed == ["t-1"]
        with pytest.raises(EsoError, match="cannot get Kubernetes secret"):
            await read(world)


async def test_a_secret_that_no_spec_names_and_that_goes_meanwhile_leaves_no_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = ScriptedProvider.plan
    monkeypatch.setattr(ScriptedProvider, "plan", lambda self, view: replace(plan(self, view), references=()))
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        gone(world)
        world.backend.hold.set()
        await asyncio.wait([task])
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]
        assert world.reader.sessions._sessions == {}
