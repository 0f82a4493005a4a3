"""An answer belongs to the login that asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Denied, NotYet, RemoteRef, Retries, Unavailable
from tests.fakes.clock import settle
from tests.unit.stores.backends import ScriptedClient, World, store
from tests.unit.stores.test_reader import CLUSTER, MAIN, read, running


async def test_a_caller_that_joined_a_login_that_was_replaced_gets_nothing_of_the_new_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Store A's credential is replaced while its read waits for a retry; store B, which still has the old one,
    joined."""
    fetch = ScriptedClient.fetch

    async def guarded(self: ScriptedClient, request: Hashable) -> bytes:
        body = await fetch(self, request)
        if self.token == "t-1":
            raise Denied("permission denied")
        return body

    monkeypatch.setattr(ScriptedClient, "fetch", guarded)
    async with running(World(retries=Retries(3, 5.0))) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-1")
        world.backend.failures = [Unavailable("down for a moment")]
        ours = asyncio.ensure_future(read(world))
        await settle()
        theirs = asyncio.ensure_future(read(world, "team-b"))
        await settle()
        world.rest.secret("team-a", "token", token="t-2")
        world.reader.credential_changed("Secret", "team-a", "token")
        await world.clock.advance(10.0)
        assert ours.result() == b"hunter2"
        assert isinstance(theirs.exception(), Denied)


async def test_a_login_that_is_replaced_again_and_again_ends_the_read() -> None:
    async with running(World()) as world:
        await read(world)
        session = world.reader.sessions.session
        turns = iter(range(100))

        async def replaced(*place: object) -> object:
            found = await session(*place)  # type: ignore[arg-type]  # handed through
            found.digest = f"login-{next(turns)}"
            return found

        world.reader.sessions.session = replaced  # type: ignore[method-assign,assignment]  # see above
        with pytest.raises(NotYet, match="replaced faster than it can be used"):
            await read(world)


@pytest.mark.parametrize(
    ("consumer", "logins"),
    [
        pytest.param("none", 1, id="one login for every consumer"),
        pytest.param("identity", 2, id="a login that names its consumer is one per namespace"),
    ],
)
async def test_a_login_that_names_its_consumer_is_not_shared(consumer: str, logins: int) -> None:
    async with running(World()) as world:
        token = {"name": "token", "key": "token", "namespace": "team-a"}
        world.add(store(namespace="", block={"token": token, "consumer": consumer}))
        for namespace in ("team-a", "team-b", "team-a"):
            assert await read(world, namespace, CLUSTER) == b"hunter2"
        assert len(world.backend.logins) == logins
        names = {world.reader.identity(namespace, CLUSTER) for namespace in ("team-a", "team-b")}
        assert len(names) == logins


async def test_a_credential_of_one_consumers_namespace_logs_nobody_else_in() -> None:
    """A store whose provider does not call it referent, and which names no namespace all the same: a kubeconfig."""
    async with running(World()) as world:
        world.add(store(namespace="", block={"token": {"name": "token", "key": "token"}, "consumer": "none"}))
        for namespace in ("team-a", "team-b"):
            world.rest.secret(namespace, "token", token=f"t-{namespace}")
            assert await read(world, namespace, CLUSTER) == b"hunter2"
        assert world.backend.logins == ["t-team-a", "t-team-b"]
        assert len({world.reader.identity(namespace, CLUSTER) for namespace in ("team-a", "team-b")}) == 2


async def test_names_of_logins_do_not_pile_up_with_namespaces() -> None:
    world = World()
    world.add(store(namespace=""))
    for n in range(200):
        assert world.reader.identity(f"preview-{n}", CLUSTER)
    assert sum(map(len, world.reader._public.values())) == 0
    assert world.reader.identity("team-a", MAIN)
    assert sum(map(len, world.reader._public.values())) == 1


async def test_renewing_a_login_that_cannot_be_renewed_lets_go_of_the_right_binding() -> None:
    """A referent store: the binding that is dropped belongs to the consumer whose credential changed unseen."""
    async with running(World()) as world:
        world.backend.lifetime, world.backend.renewable = 90.0, False
        world.add(store(namespace=""))
        world.rest.secret("team-b", "token", token="t-2")
        await read(world, "team-b", CLUSTER)
        world.rest.secret("team-b", "token", token="t-3")  # the watch has not told yet
        await world.clock.advance(70.0)
        assert await read(world, "team-b", CLUSTER) == b"hunter2"
        assert world.backend.logins == ["t-2", "t-3"]


async def test_another_reference_to_the_same_key_is_the_same_call() -> None:
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        tasks = [
            asyncio.ensure_future(world.reader.read("team-a", StoreRef(name="main"), RemoteRef("db", property=name)))
            for name in ("a", "b")
        ]
        await settle()
        world.backend.hold.set()
        await asyncio.wait(tasks)
        assert world.backend.calls == ["read db"]
