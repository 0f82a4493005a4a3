"""The front door: one login, one call, retries, gates, and what happens when things change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    Find,
    InvalidConfig,
    NotYet,
    RemoteRef,
    Retries,
    SecretNotFound,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
    turn,
)
from eso.runtime.memory import holding
from eso.secretbytes import SecretBytes
from eso.stores.gate import GateClosed, Gates, Retrying, route
from eso.stores.sessions import GRACE
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle
from tests.unit.stores.backends import World, store

MAIN, CLUSTER = StoreRef(name="main"), StoreRef(name="main", kind="ClusterSecretStore")
DB = RemoteRef("db")


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    task = asyncio.ensure_future(world.reader.run())
    await settle()
    try:
        yield world
    finally:
        assert not task.done(), "a background task that dies ends the process"
        task.cancel()
        await asyncio.wait([task])


async def read(world: World, namespace: str = "team-a", ref: StoreRef = MAIN, key: str = "db") -> bytes:
    return (await world.reader.read(namespace, ref, RemoteRef(key))).reveal()


# reading


async def test_a_value_comes_back_hidden() -> None:
    async with running(World()) as world:
        value = await world.reader.read("team-a", MAIN, DB)
        assert value == SecretBytes(b"hunter2")
        assert "hunter2" not in repr(await world.reader.read_map("team-a", MAIN, DB))
        assert (await world.reader.find("team-a", MAIN, Find(name_regexp=".*")))["db"].reveal() == b"hunter2"


async def test_many_reads_are_one_login_one_look_at_the_credential_and_one_call() -> None:
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        tasks = [asyncio.ensure_future(read(world)) for _ in range(100)]
        await settle()
        world.backend.hold.set()
        assert [await task for task in tasks] == [b"hunter2"] * 100
        assert (world.backend.logins, world.backend.calls) == (["t-1"], ["read db"])
        assert await read(world) == b"hunter2"
        assert world.rest.gets == ["secrets/team-a/token"]


async def test_a_large_value_comes_back_like_any_other() -> None:
    async with running(World()) as world:
        world.backend.values["db"] = b"x" * 100_000
        assert await read(world) == b"x" * 100_000
        assert (await world.reader.read_map("team-a", MAIN, DB))["value"].reveal() == b"x" * 100_000


async def test_a_proven_not_found_stays_one() -> None:
    async with running(World()) as world:
        with pytest.raises(SecretNotFound):
            await read(world, key="gone")


@pytest.mark.parametrize(
    ("block", "sessions"),
    [
        pytest.param({"mount": "other"}, 1, id="another mount of the same server is the same login"),
        pytest.param({"server": "b:443"}, 2, id="another server is another login"),
        pytest.param({"role": "admin"}, 2, id="another role is another login"),
    ],
)
async def test_what_makes_a_login(block: dict[str, str], sessions: int) -> None:
    async with running(World()) as world:
        world.add(store("second", block=block))
        await read(world)
        await read(world, ref=StoreRef(name="second"))
        assert len(world.backend.logins) == sessions


async def test_stores_of_two_namespaces_with_one_credential_share_its_login() -> None:
    async with running(World()) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-1")
        await read(world)
        await read(world, "team-b")
        assert world.backend.logins == ["t-1"]


async def test_stores_with_different_credentials_never_share_anything() -> None:
    async with running(World()) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-2")
        world.backend.hold = asyncio.Event()
        tasks = [asyncio.ensure_future(read(world, namespace)) for namespace in ("team-a", "team-b")]
        await settle()
        world.backend.hold.set()
        await asyncio.wait(tasks)
        assert sorted(world.backend.logins) == ["t-1", "t-2"]
        assert world.backend.calls == ["read db", "read db"]


async def test_a_referent_store_logs_in_once_per_namespace_and_not_at_all_for_itself() -> None:
    async with running(World()) as world:
        cluster = store(namespace="")
        world.add(cluster)
        world.rest.secret("team-b", "token", token="t-2")
        await read(world, "team-a", CLUSTER)
        await read(world, "team-b", CLUSTER)
        assert world.backend.logins == ["t-1", "t-2"]
        world.backend.sessions.clear()  # would fail a call
        assert (await world.reader.validate(cluster))[0] is Validation.READY
        assert world.backend.logins == ["t-1", "t-2"]


async def test_a_missing_credential_is_worded_and_closes_nothing() -> None:
    async with running(World()) as world:
        del world.rest.objects["secrets/team-a/token"]
        for _ in range(5):
            with pytest.raises(EsoError, match='cannot get Kubernetes secret "token" from namespace "team-a"'):
                await read(world)
        world.rest.secret("team-a", "token", token="t-1")
        world.reader.credential_changed("Secret", "team-a", "token")
        assert await read(world) == b"hunter2"


# time


@pytest.mark.parametrize(
    ("retries", "settings", "failures", "waited"),
    [
        pytest.param(Retries(2, 1.0), None, [Unavailable("x"), NotYet("x")], 2.0, id="the provider's default"),
        pytest.param(
            Retries(2, 1.0),
            {"maxRetries": 4, "retryInterval": "1s"},
            [NotYet("x")] * 4,
            4.0,
            id="the store's own settings",
        ),
    ],
)
async def test_what_may_pass_by_itself_is_tried_again(
    retries: Retries, settings: dict[str, object] | None, failures: list[EsoError], waited: float
) -> None:
    async with running(World(retries=retries)) as world:
        world.add(store(generation=2, retry_settings=settings))
        await read(world)
        world.backend.failures = list(failures)
        began = world.clock.monotonic()
        task = asyncio.ensure_future(read(world))
        while not task.done():
            await world.clock.advance(1.0)
        assert task.result() == b"hunter2"
        assert world.clock.monotonic() - began in (waited, waited + 1.0)


@pytest.mark.parametrize(
    ("settings", "failures", "error"),
    [
        pytest.param({"maxRetries": 0}, [NotYet("behind")], NotYet, id="settings without retries"),
        pytest.param({}, [NotYet("behind")], NotYet, id="settings that say nothing mean no retries"),
        pytest.param(None, [Denied("no")], Denied, id="a refusal"),
        pytest.param({"retryInterval": "soon"}, [], InvalidConfig, id="settings that cannot be read"),
        pytest.param(
            {"maxRetries": 10**6, "retryInterval": "0s"},
            [NotYet("behind")] * 11,
            NotYet,
            id="what was tried ten times again",
        ),
    ],
)
async def test_what_is_not_tried_again(
    settings: dict[str, object] | None, failures: list[EsoError], error: type[EsoError]
) -> None:
    async with running(World(retries=Retries(2, 1.0))) as world:
        world.add(store(generation=2, retry_settings=settings))
        if failures:
            await read(world)
        world.backend.failures = list(failures)
        before = len(world.backend.calls)
        with pytest.raises(error):
            await read(world)
        assert len(world.backend.calls) - before == len(failures)


SLOW = {"maxRetries": 2, "retryInterval": "60s"}


async def test_a_long_interval_parks_the_caller_and_its_next_call_goes_on_counting() -> None:
    async with running(World()) as world:
        world.add(store(generation=2, retry_settings=SLOW))
        await read(world)
        for _ in range(2):
            world.backend.failures = [NotYet("behind")] * 3
            for _ in range(2):
                world.released.clear()
                with pytest.raises(Retrying, match="behind") as closed:
                    await read(world)
                assert world.gates.epoch(closed.value.gate) == closed.value.epoch
                await world.clock.advance(59.0)
                assert closed.value.gate not in dict(world.released)
                await world.clock.advance(2.0)
                assert closed.value.gate in dict(world.released)
            with pytest.raises(NotYet, match="behind"):
                await read(world)


async def test_another_read_of_the_store_does_not_wait_at_the_retry_of_one() -> None:
    async with running(World()) as world:
        world.add(store(generation=2, retry_settings=SLOW))
        world.backend.values["other"] = b"other"
        await read(world)
        world.backend.failures = [NotYet("behind")]
        with pytest.raises(Retrying):
            await read(world)
        assert await read(world, key="other") == b"other"
        assert await read(world) == b"hunter2"


async def test_who_joined_a_call_that_another_store_tries_again_later_makes_its_own() -> None:
    async with running(World()) as world:
        world.add(store(generation=2, retry_settings=SLOW))
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-1")
        await read(world)
        await read(world, "team-b")
        world.backend.failures, world.backend.hold = [NotYet("behind")], asyncio.Event()
        slow = asyncio.ensure_future(read(world))
        await settle()
        other = asyncio.ensure_future(read(world, "team-b"))
        await settle()
        world.backend.hold.set()
        await settle()
        assert isinstance(slow.exception(), Retrying)
        assert other.result() == b"hunter2"


async def test_where_nobody_tends_the_gates_a_call_waits_in_its_place() -> None:
    world = World()
    world.add(store(generation=2, retry_settings=SLOW))
    world.backend.failures = [NotYet("behind")]
    task = asyncio.ensure_future(read(world))
    await world.clock.advance(61.0)
    assert task.result() == b"hunter2"
    await world.reader.close()


async def test_an_outage_parks_the_caller_as_soon_as_the_gate_closes() -> None:
    async with running(World(retries=Retries(9, 1.0))) as world:
        await read(world)
        world.backend.down = lambda: Unavailable("connection refused")
        task = asyncio.ensure_future(read(world))
        await world.clock.advance(5.0)
        error = task.exception()
        assert isinstance(error, GateClosed)
        assert str(error) == "connection refused"
        assert world.backend.calls.count("read db") == 4
        assert error.gate in world.reader.gates_of("team-a", MAIN)


async def test_a_throttled_backend_parks_at_once_and_is_left_alone_for_as_long_as_it_says() -> None:
    async with running(World(retries=Retries(9, 1.0))) as world:
        await read(world)
        world.backend.failures = [Throttled("slow down", retry_after=20.0)]
        with pytest.raises(GateClosed, match="slow down"):
            await read(world)
        await world.clock.advance(19.0)
        with pytest.raises(GateClosed):
            await read(world)
        assert len(world.backend.calls) == 2
        await world.clock.advance(2.0)
        assert await read(world) == b"hunter2"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([Unavailable("cannot trust a:443")] * 3, id="its connections fail"),
        pytest.param([Throttled("its own quota", retry_after=1e9)], id="it used up its own quota"),
    ],
)
async def test_what_one_namespace_meets_closes_no_gate_of_another(trouble: list[EsoError]) -> None:
    async with running(World(retries=Retries(9, 1.0))) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-2")
        await read(world)
        await read(world, "team-b")
        world.backend.failures = list(trouble)
        task = asyncio.ensure_future(read(world, "team-b"))
        await world.clock.advance(5.0)
        assert isinstance(task.exception(), GateClosed)
        assert world.gates.admit(world.reader.gates_of("team-a", MAIN)) is None
        assert await read(world) == b"hunter2"


@pytest.mark.parametrize("call", ["a search", "a validation"])
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([Throttled("a year", retry_after=1e9)] * 3, id="asked to stay away for years"),
        pytest.param([Throttled("now", retry_after=-5.0)] * 3, id="asked to have come earlier"),
        pytest.param([Unavailable("500", answered=True)] * 9, id="an answer of 500"),
        pytest.param([Unavailable("reset", connected=True)] * 9, id="a reset"),
        pytest.param([AuthRejected("no")] * 9, id="a refused login"),
    ],
)
async def test_no_call_of_one_namespace_closes_a_gate_of_another(trouble: list[EsoError], call: str) -> None:
    async with running(World(retries=Retries(2, 1.0))) as world:
        other = store(namespace="team-b")
        world.add(other)
        world.rest.secret("team-b", "token", token="t-2")
        await read(world)
        await read(world, "team-b")
        world.backend.failures = list(trouble)
        for _ in range(3):
            if call == "a search":
                task = asyncio.ensure_future(world.reader.find("team-b", MAIN, Find()))
            else:
                task = asyncio.ensure_future(world.reader.validate(other))
            await world.clock.advance(3.0)
            task.cancel()
            await asyncio.wait([task])
        closed = [name for name, state in world.gates.states().items() if state != "open"]
        assert closed, "the trouble was met"
        assert not set(closed) & set(world.reader.gates_of("team-a", MAIN))
        world.backend.failures = []
        assert world.gates.admit(world.reader.gates_of("team-a", MAIN)) is None
        assert await read(world) == b"hunter2"
        assert (await world.reader.validate(store()))[0] is Validation.READY


async def test_a_consumer_of_a_cluster_store_closes_neither_its_validation_nor_another_consumer() -> None:
    async with running(World(retries=Retries(9, 1.0))) as world:
        cluster = store(namespace="", block={"token": {"name": "token", "key": "token", "namespace": "team-a"}})
        world.add(cluster)
        await read(world, "team-a", CLUSTER)
        world.backend.failures = [Unavailable("this path ends in a 500")] * 3
        task = asyncio.ensure_future(read(world, "team-b", CLUSTER))
        await world.clock.advance(5.0)
        assert isinstance(task.exception(), GateClosed)
        assert (await world.reader.validate(cluster))[0] is Validation.READY
        assert await read(world, "team-a", CLUSTER) == b"hunter2"


async def test_who_joined_a_call_that_ended_at_another_namespaces_gate_makes_its_own() -> None:
    async with running(World(in_flight=1)) as world:
        world.add(store(namespace="", block={"token": {"name": "token", "key": "token", "namespace": "team-a"}}))
        await read(world, "team-a", CLUSTER)
        await read(world, "team-b", CLUSTER)
        for _ in range(2):
            world.backend.failures = [Unavailable("the path of team-a")]
            with pytest.raises(Unavailable):
                await read(world, "team-a", CLUSTER)
        world.backend.hold, world.backend.failures = asyncio.Event(), [Unavailable("the path of team-a")]
        tasks = []
        # the second waits for a place, the third joins it
        for namespace, key in (("team-a", "other"), ("team-a", "db"), ("team-b", "db")):
            tasks.append(asyncio.ensure_future(read(world, namespace, CLUSTER, key)))
            await settle()
        world.backend.hold.set()
        await asyncio.wait(tasks)
        assert [type(task.exception()) for task in tasks] == [GateClosed, GateClosed, type(None)]
        assert tasks[2].result() == b"hunter2"


async def test_validation_goes_through_the_same_gates() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.failures = [Throttled("slow down")]
        with pytest.raises(GateClosed):
            await read(world)
        with pytest.raises(GateClosed):
            await world.reader.validate(store())
        assert world.reader.gates_of_store(store()) == world.reader.gates_of("team-a", MAIN)


# logins


async def test_a_login_that_ran_out_is_replaced_once_for_all_who_hear_it() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.sessions.clear()
        world.backend.values |= {str(i): b"v" for i in range(20)}
        await asyncio.gather(*(read(world, key=str(i)) for i in range(20)))
        assert world.backend.logins == ["t-1", "t-1"]


async def test_a_login_that_runs_out_at_once_is_refused_in_fact() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.failures = [AuthExpired("token ended"), AuthExpired("token ended")]
        with pytest.raises(AuthRejected, match="token ended"):
            await read(world)
        with pytest.raises(GateClosed, match="token ended"):
            await read(world)


async def test_a_validation_that_fails_because_the_login_is_refused_keeps_its_own_words() -> None:
    async with running(World()) as world:

        def ended() -> EsoError:
            error = ValidationFailed("invalid credentials: token ended")
            error.__cause__ = AuthExpired("token ended")
            return error

        world.backend.down = ended
        with pytest.raises(ValidationFailed, match="invalid credentials: token ended"):
            await world.reader.validate(store())
        with pytest.raises(GateClosed):
            await read(world)


async def test_a_refused_login_closes_only_its_identity_and_a_new_credential_is_tried_at_once() -> None:
    async with running(World()) as world:
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-2")
        world.backend.login_failures = [AuthRejected("invalid secret id")]
        with pytest.raises(AuthRejected):
            await read(world)
        with pytest.raises(GateClosed, match="invalid secret id") as closed:
            await read(world)
        assert await read(world, "team-b") == b"hunter2"
        world.parked[closed.value.gate] = 3
        world.rest.secret("team-a", "token", token="t-3")
        world.reader.credential_changed("Secret", "team-a", "token")
        assert world.parked[closed.value.gate] == 0
        assert await read(world) == b"hunter2"
        assert world.backend.logins == ["t-1", "t-2", "t-3"]


async def test_an_edited_credential_ends_the_old_login_and_a_touched_one_does_not() -> None:
    async with running(World()) as world:
        await read(world)
        world.reader.credential_changed("Secret", "team-a", "token")
        await read(world)
        assert world.backend.logins == ["t-1"]
        world.rest.secret("team-a", "token", token="t-2")
        world.reader.credential_changed("Secret", "team-a", "token")
        await read(world)
        assert world.backend.logins == ["t-1", "t-2"]
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == ["t-1"]


async def test_a_secret_of_somebody_else_costs_nothing() -> None:
    async with running(World()) as world:
        await read(world)
        world.reader.credential_changed("Secret", "team-a", "unrelated")
        world.reader.credential_changed("Secret", "team-b", "token")
        await read(world)
        assert world.rest.gets == ["secrets/team-a/token"]


async def test_a_login_is_renewed_ahead_of_its_end_while_it_is_used() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        for _ in range(20):
            await world.clock.advance(15.0)
            assert await read(world) == b"hunter2"
        assert world.backend.logins == ["t-1"]
        assert 6 <= world.backend.renewals <= 8


async def test_a_login_that_cannot_be_renewed_is_replaced_in_the_background() -> None:
    world = World()
    world.backend.lifetime, world.backend.renewable = 60.0, False
    async with running(world):
        await read(world)
        await world.clock.advance(45.0)
        assert world.backend.logins == ["t-1", "t-1"]
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]


@pytest.mark.parametrize("goes", ["the store", "the credential", "nobody reads"])
async def test_what_a_login_reads_beside_passes_is_counted(goes: str) -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        with holding(world.budget.open("team-a")):
            await read(world)
        await world.clock.advance(45.0)
        assert world.backend.counted == [("renewal", "team-a")]
        with holding(world.budget.open("team-a")):  # a pass, which is over when the logout comes
            if goes == "the store":
                del world.stores["SecretStore", "team-a", "main"]
                world.reader.store_changed("SecretStore", "team-a", "main")
            elif goes == "the credential":
                world.reader.credential_changed("Secret", "team-a", "token", gone=True)
        await world.clock.advance(300.0)
        assert world.backend.counted[-1] == ("logout", "team-a")
        assert world.budget.used == 0


async def test_a_login_that_nobody_uses_is_let_go() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        await world.clock.advance(300.0)
        assert (world.backend.renewals, world.backend.closed) == (1, ["t-1"])
        assert await read(world) == b"hunter2"


async def test_a_failing_renewal_is_tried_again_and_never_harms_reads() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        world.backend.failures = [Unavailable("x"), Unavailable("x")]
        await world.clock.advance(50.0)
        assert await read(world) == b"hunter2"
        assert world.backend.logins == ["t-1"]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(ValueError("abc"), id="at the renewal"),
        pytest.param(AuthExpired("ended"), id="at the login that follows"),
    ],
)
async def test_a_backend_that_answers_a_renewal_with_nonsense_does_not_end_the_process(odd: Exception) -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        world.backend.failures, world.backend.login_failures = [odd], [KeyError("odd")]  # type: ignore[list-item]  # what no provider should raise
        await world.clock.advance(45.0)
        assert world.backend.renewals >= 1


async def test_a_client_that_cannot_log_out_does_not_end_the_process() -> None:
    async with running(World()) as world:
        await read(world)

        async def close() -> None:
            raise ValueError

        for session in world.reader.sessions._sessions.values():
            session.client.close = close  # type: ignore[method-assign]  # what no provider should raise
        del world.stores["SecretStore", "team-a", "main"]
        world.reader.store_changed("SecretStore", "team-a", "main")
        await world.clock.advance(GRACE + 2)


async def test_a_login_made_while_its_credential_was_unreadable_is_shared_with_nobody() -> None:
    """The first look fails, the login's own look succeeds: whoever cannot read the credential at all must not find that
    login."""
    async with running(World()) as world:
        first = world.rest.get

        async def get(*place: object) -> bytes | None:
            world.rest.get = first  # type: ignore[method-assign]  # only the first look is disturbed
            raise Unavailable("the API server is busy")

        world.rest.get = get  # type: ignore[method-assign,assignment]  # see above
        assert await read(world) == b"hunter2"
        world.add(store(namespace="team-b"))
        with pytest.raises(EsoError, match='cannot get Kubernetes secret "token" from namespace "team-b"'):
            await read(world, "team-b")


async def test_a_login_past_its_end_is_never_used() -> None:
    world = World()
    world.backend.lifetime = 60.0
    async with running(world):
        await read(world)
        world.clock.jump(100.0)
        await read(world)
        assert len(world.backend.logins) == 2


async def test_logins_end_with_the_process() -> None:
    async with running(World()) as world:
        await read(world)
    assert world.backend.closed == ["t-1"]


async def test_logins_end_with_their_last_store() -> None:
    async with running(World()) as world:
        world.add(store("second", block={"mount": "x"}))
        await read(world)
        await read(world, ref=StoreRef(name="second"))
        for name, closed in (("main", []), ("second", ["t-1"])):
            del world.stores["SecretStore", "team-a", name]
            world.reader.store_changed("SecretStore", "team-a", name)
            await settle()
            assert world.backend.closed == closed


async def test_an_edited_store_keeps_its_login_where_the_login_is_the_same() -> None:
    async with running(World()) as world:
        await read(world)
        world.add(store(generation=2, block={"mount": "other"}))
        await read(world)
        await world.clock.advance(GRACE + 2)
        assert (world.backend.logins, world.backend.closed) == (["t-1"], [])
        world.add(store(generation=3, block={"role": "admin"}))
        await read(world)
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == ["t-1"]
        assert len(world.backend.logins) == 2


async def test_a_status_written_to_a_store_changes_nothing() -> None:
    async with running(World()) as world:
        await read(world)
        world.add(store())
        await read(world)
        assert world.rest.gets == ["secrets/team-a/token"]


async def test_a_login_in_use_is_closed_only_afterwards() -> None:
    async with running(World()) as world:
        await read(world)
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        del world.stores["SecretStore", "team-a", "main"]
        world.reader.store_changed("SecretStore", "team-a", "main")
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == []
        world.backend.hold.set()
        assert await task == b"hunter2"
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]


async def test_a_login_that_was_replaced_while_in_use_is_closed_only_afterwards() -> None:
    world = World()
    world.backend.lifetime, world.backend.renewable = 60.0, False
    async with running(world):
        await read(world)
        world.backend.hold = hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        world.backend.hold = None
        await world.clock.advance(45.0)
        assert world.backend.logins == ["t-1", "t-1"]
        await world.clock.advance(5.0)
        assert world.backend.closed == [], "the old login still has a read in hand"
        hold.set()
        assert await task == b"hunter2"
        await world.clock.advance(2.0)
        assert world.backend.closed == ["t-1"]


async def test_a_credential_that_changes_while_it_is_read_is_read_again() -> None:
    async with running(World()) as world:
        first = world.rest.get

        async def get(*place: object) -> bytes | None:
            found = await first(*place)  # type: ignore[arg-type]  # handed through
            world.rest.get = first  # type: ignore[method-assign]  # only the first read is disturbed
            world.rest.secret("team-a", "token", token="t-2")
            world.reader.credential_changed("Secret", "team-a", "token")
            return found

        world.rest.get = get  # type: ignore[method-assign,assignment]  # see above
        await read(world)
        assert world.backend.logins == ["t-2"]


async def test_a_store_that_goes_while_it_logs_in_leaves_no_login() -> None:
    async with running(World()) as world:
        world.backend.hold = asyncio.Event()
        task = asyncio.ensure_future(read(world))
        await settle()
        del world.stores["SecretStore", "team-a", "main"]
        world.reader.store_changed("SecretStore", "team-a", "main")
        world.backend.hold.set()
        await asyncio.wait([task])
        await world.clock.advance(GRACE + 2)
        assert world.backend.closed == ["t-1"]


# figures


class Figures:
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def read(self, provider: str, origin: str) -> None:
        self.told.append((provider, origin))

    def auth_failure(self, store: str, namespace: str, kind: str) -> None:
        self.told.append((kind, namespace, store))

    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None:
        self.told.append((provider, call, status))


async def test_reads_are_counted_by_where_the_answer_came_from_and_refused_logins_by_store() -> None:
    figures = Figures()
    world = World(meter=figures)
    async with running(world):
        await read(world)
        world.backend.hold = asyncio.Event()
        tasks = [asyncio.ensure_future(read(world)) for _ in range(2)]
        await settle()
        world.backend.hold.set()
        await asyncio.wait(tasks)
        assert sorted(figures.told) == [("scripted", "call"), ("scripted", "call"), ("scripted", "flight")]
        world.add(store("second", block={"role": "x"}))
        world.backend.login_failures = [AuthRejected("no")]
        with pytest.raises(AuthRejected):
            await read(world, ref=StoreRef(name="second"))
        assert figures.told[-1] == ("SecretStore", "team-a", "second")


async def test_requests_are_counted_with_their_outcome() -> None:
    figures = Figures()
    gates = Gates(World().clock, meter=figures)
    somewhere = route("far", "a", "team-a", "b", "b", None)
    async with gates.call(somewhere), turn("Far", "Read"):
        pass
    with pytest.raises(Denied):
        async with gates.call(somewhere), turn("Far", "Read"):
            raise Denied("no")
    assert figures.told == [("Far", "Read", "success"), ("Far", "Read", "error")]


# names


async def test_the_public_name_of_a_login_needs_no_login_and_survives_restarts_and_readiness() -> None:
    first, second = World(), World()
    second.add(store(ready=False))
    assert first.reader.identity("team-a", MAIN) == second.reader.identity("team-a", MAIN) is not None
    assert first.reader.identity("team-a", StoreRef(name="gone")) is None
    first.add(store(generation=2, block={"role": "admin"}))
    assert first.reader.identity("team-a", MAIN) != second.reader.identity("team-a", MAIN)


async def test_the_gates_of_a_store_are_known_once_a_pass_has_used_it() -> None:
    async with running(World()) as world:
        assert world.reader.gates_of("team-a", MAIN) == ()
        world.backend.login_failures = [Unavailable("down")]
        with pytest.raises(Unavailable):
            await read(world)
        await read(world)
        gates = world.reader.gates_of("team-a", MAIN)
        assert [name.partition(":")[0] for name in gates] == ["endpoint", "service", "use", "identity", "quota"]
        assert gates[0] == "endpoint:scripted:a:443@team-a"
        assert world.reader.gates_of("team-a", StoreRef(name="gone")) == ()
        assert world.reader.gates_of_store(store(generation=2, provider={"elsewhere": {}})) == ()


def test_maintenance_of_a_store() -> None:
    world = World()
    assert world.reader.maintained(store())
    assert world.reader.maintained(store(provider={"elsewhere": {}}))


async def test_every_await_of_a_read_may_be_cancelled_and_nothing_is_left_behind() -> None:
    async with running(World(retries=Retries(1, 1e-9))) as world:
        world.add(store(generation=2, retry_settings={"maxRetries": 1, "retryInterval": "0s"}))

        async def fresh() -> bytes:
            world.backend.failures = [NotYet("behind")]
            return await read(world)

        async for _ in every_await(fresh):
            world.backend.failures = []
            await settle()
            assert world.backend.in_flight == 0
            assert await read(world) == b"hunter2"
        assert all(not session.users for session in world.reader.sessions._sessions.values())


async def test_without_run_a_reader_still_reads_and_closes() -> None:
    world = World()
    assert await read(world) == b"hunter2"
    await world.reader.close()
    assert world.backend.closed == ["t-1"]


async def test_a_refused_login_names_the_credential_that_ends_in_a_line_break() -> None:
    async with running(World()) as world:
        world.rest.secret("team-a", "token", token="t-1\n")
        world.backend.login_failures = [AuthRejected("permission denied", fix="let the role log in")]
        with pytest.raises(AuthRejected) as refused:
            await read(world)
        assert refused.value.fix == (
            'key "token" of secret "token" ends in a line break: store it without; let the role log in'
        )
        assert "t-1" not in f"{refused.value}{refused.value.fix}"


async def test_a_backend_that_is_down_is_no_reason_to_look_at_the_credential() -> None:
    async with running(World()) as world:
        world.rest.secret("team-a", "token", token="t-1\n")
        world.backend.login_failures = [Unavailable("down", answered=True)]
        with pytest.raises(Unavailable) as refused:
            await read(world)
        assert refused.value.fix == ""


async def test_a_token_that_is_refused_when_it_is_used_first_names_its_line_break_and_later_refusals_do_not() -> None:
    async with running(World()) as world:
        world.rest.secret("team-a", "token", token="t-1\n")
        world.backend.failures = [Denied("permission denied"), Denied("permission denied")]
        with pytest.raises(Denied) as refused:
            await read(world)
        assert refused.value.fix == 'key "token" of secret "token" ends in a line break: store it without'
        with pytest.raises(Denied):
            await read(world)
        await read(world)
        world.backend.failures = [Denied("permission denied")]
        with pytest.raises(Denied) as refused:
            await read(world)
        assert refused.value.fix == ""
