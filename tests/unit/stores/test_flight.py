"""Shared calls: who joins, who is told what, and who may give up."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from eso.errors import EsoError
from eso.runtime.memory import PATIENCE, Memory, NoMemory, TooMuchMemory, holding, reserve, take
from eso.stores.flight import MOST_BYTES, Flight, Flights, weight
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle


class Far:
    """A backend that answers when told."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = 0
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return number


async def test_equal_reads_share_one_call() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():
        tasks = [asyncio.ensure_future(flights.fly("k", far)) for _ in range(50)]
        await settle()
        far.answer.set()
        assert [await task for task in tasks] == [1] * 50
    assert flights.shared == 49


async def test_different_reads_do_not() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    far.answer.set()
    async with flights.open():
        assert await flights.fly("a", far) == 1
        assert await flights.fly("b", far) == 2


async def test_nothing_is_kept_once_the_answer_is_there() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    far.answer.set()
    async with flights.open():
        assert await flights.fly("k", far) == 1
        assert await flights.fly("k", far) == 2


@pytest.mark.parametrize(
    ("since", "joined"),
    [
        pytest.param(None, True, id="a timer joins any flight"),
        pytest.param(9.0, True, id="a trigger joins a flight that started after it"),
        pytest.param(10.0, True, id="at the same moment counts as after"),
        pytest.param(10.5, False, id="a flight older than the trigger may bring the old value"),
    ],
)
async def test_a_trigger_joins_only_what_started_after_it(since: float | None, joined: bool) -> None:
    far, now = Far(), [10.0]
    flights = Flights(lambda: now[0])
    async with flights.open():
        first = asyncio.ensure_future(flights.fly("k", far))
        await settle()
        now[0] = 11.0
        second = asyncio.ensure_future(flights.fly("k", far, since))
        await settle()
        far.answer.set()
        assert await first == 1
        assert await second == (1 if joined else 2)


async def test_a_newer_flight_is_the_one_to_join() -> None:
    far, now = Far(), [10.0]
    flights = Flights(lambda: now[0])
    async with flights.open():
        old = asyncio.ensure_future(flights.fly("k", far))
        await settle()
        now[0] = 20.0
        new = [asyncio.ensure_future(flights.fly("k", far, 15.0)) for _ in range(3)]
        await settle()
        far.answer.set()
        assert [await old, *[await task for task in new]] == [1, 2, 2, 2]


async def test_everybody_is_told_the_error() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    far.error = EsoError("backend says no")
    async with flights.open():
        tasks = [asyncio.ensure_future(flights.fly("k", far)) for _ in range(3)]
        await settle()
        far.answer.set()
        await asyncio.wait(tasks)
        assert [str(task.exception()) for task in tasks] == ["backend says no"] * 3


async def test_one_who_gives_up_leaves_the_others_alone() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():
        first, second = (asyncio.ensure_future(flights.fly("k", far)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        far.answer.set()
        assert await second == 1
        assert first.cancelled()
        assert far.cancelled == 0


async def test_the_last_one_who_gives_up_takes_the_call_along() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():
        tasks = [asyncio.ensure_future(flights.fly("k", far)) for _ in range(2)]
        await settle()
        for task in tasks:
            task.cancel()
        await settle()
        assert far.cancelled == 1
        far.answer.set()
        assert await flights.fly("k", far) == 2


async def test_a_call_that_is_being_given_up_is_joined_by_no_newcomer() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():
        first = asyncio.ensure_future(flights.fly("k", far))
        await settle()
        first.cancel()
        second = asyncio.ensure_future(flights.fly("k", far))  # runs before the first call has noticed its end
        await settle()
        far.answer.set()
        assert await second == 2


async def test_an_error_that_many_wait_for_does_not_collect_their_stacks() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    far.error = EsoError("backend says no")
    async with flights.open():
        tasks = [asyncio.ensure_future(flights.fly("k", far)) for _ in range(50)]
        await settle()
        far.answer.set()
        await asyncio.wait(tasks)
        error = tasks[0].exception()
        assert error is not None
        assert len(list(traceback.walk_tb(error.__traceback__))) < 5


async def test_without_an_owner_every_caller_makes_its_own_call() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    far.answer.set()
    assert await flights.fly("k", far) == 1
    assert flights.shared == 0


async def test_when_the_owner_goes_calls_on_their_way_end() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():
        task = asyncio.ensure_future(flights.fly("k", far))
        await settle()
    await asyncio.wait([task])
    assert task.cancelled()
    assert far.cancelled == 1


async def test_every_await_may_be_cancelled() -> None:
    far, flights = Far(), Flights(lambda: 10.0)
    async with flights.open():

        async def caller() -> int:
            asyncio.get_running_loop().call_soon(far.answer.set)
            return await flights.fly("k", far)

        async for _ in every_await(caller):
            await settle()
            far.answer.clear()
        assert far.calls - far.cancelled >= 1


async def test_the_memory_of_an_answer_is_held_until_the_last_pass_that_got_it_has_ended() -> None:
    far, flights, memory = Far(), Flights(lambda: 10.0), Memory(64 << 20, VirtualClock())

    async def counted() -> int:
        await reserve(1000)
        return await far()

    async def one(ends: asyncio.Event) -> None:
        with holding(memory.open("ns")):
            await flights.fly("key", counted)
            await ends.wait()

    async with flights.open():
        ends = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.ensure_future(one(end)) for end in ends]
        await settle()
        far.answer.set()
        await settle()
        assert (far.calls, memory.used) == (1, 1000)
        ends[0].set()
        await tasks[0]
        assert memory.used == 1000
        ends[1].set()
        await tasks[1]
        assert memory.used == 0


async def test_a_flight_that_fails_or_is_given_up_holds_no_memory() -> None:
    far, flights, memory = Far(), Flights(lambda: 10.0), Memory(64 << 20, VirtualClock())

    async def counted() -> int:
        await reserve(1000)
        return await far()

    async def one() -> None:
        with holding(memory.open("ns")):
            await flights.fly("key", counted)

    async with flights.open():
        async for _ in every_await(one):
            await settle()
            assert memory.used == 0
            far.answer.set()
        far.error = EsoError("no")
        with pytest.raises(EsoError):
            await one()
        assert memory.used == 0


class Kept:
    """Flights with a clock of their own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.flights = Flights(self.clock.monotonic, self.clock.call_later)
        self.far = Far()
        self.far.answer.set()

    async def fly(self, since: float | None = None, key: str = "k") -> int:
        return await self.flights.fly(key, self.far, since)


async def test_an_answer_serves_all_whom_the_same_trigger_woke() -> None:
    """They may be more than run at once."""
    kept = Kept()
    since = kept.clock.monotonic()
    async with kept.flights.open():
        assert [await kept.fly(since) for _ in range(20)] == [1] * 20
        await kept.clock.advance(1.5)
        assert await kept.fly(since) == 1
        await kept.clock.advance(1.5)  # it was asked for meanwhile
        assert await kept.fly(since) == 1


async def test_a_later_trigger_makes_a_call_of_its_own() -> None:
    kept = Kept()
    async with kept.flights.open():
        assert await kept.fly(kept.clock.monotonic()) == 1
        await kept.clock.advance(0.5)
        assert await kept.fly(kept.clock.monotonic()) == 2
        assert await kept.fly(kept.clock.monotonic()) == 2


async def test_an_answer_goes_when_nobody_asks_for_it_any_more() -> None:
    kept = Kept()
    since = kept.clock.monotonic()
    async with kept.flights.open():
        assert await kept.fly(since) == 1
        await kept.clock.advance(2.0)
        assert not kept.flights._kept and kept.flights._kept_bytes == 0
        assert await kept.fly(since) == 2


async def test_an_answer_goes_in_the_end_however_often_it_is_asked_for() -> None:
    kept = Kept()
    since = kept.clock.monotonic()
    async with kept.flights.open():
        for _ in range(40):
            assert await kept.fly(since) in (1, 2)
            await kept.clock.advance(1.0)
        assert kept.far.calls == 2


async def test_a_reader_without_a_trigger_gets_no_kept_answer_and_leaves_none() -> None:
    kept = Kept()
    async with kept.flights.open():
        assert await kept.fly(None) == 1
        assert not kept.flights._kept
        assert await kept.fly(kept.clock.monotonic()) == 2
        assert await kept.fly(None) == 3


async def test_a_failure_is_not_kept() -> None:
    kept = Kept()
    kept.far.error = EsoError("no")
    async with kept.flights.open():
        for _ in range(2):
            with pytest.raises(EsoError):
                await kept.fly(kept.clock.monotonic())
        assert kept.far.calls == 2 and not kept.flights._kept


async def test_a_call_that_its_last_reader_gives_up_leaves_nothing() -> None:
    kept = Kept()
    kept.far.answer.clear()
    async with kept.flights.open():
        reader = asyncio.ensure_future(kept.fly(kept.clock.monotonic()))
        await settle()
        reader.cancel()
        await settle()
        assert reader.cancelled() and not kept.flights._kept


async def test_what_is_kept_is_bounded() -> None:
    clock = VirtualClock()
    flights = Flights(clock.monotonic, clock.call_later)
    since = clock.monotonic()

    async def large() -> dict[str, bytes]:
        return {"value": b"x" * (1 << 20)}

    async with flights.open():
        for n in range(20):
            await flights.fly(n, large, since)
        assert 0 < len(flights._kept) < 9 and flights._kept_bytes <= MOST_BYTES
        await clock.advance(2.0)
        assert flights._kept_bytes == 0


async def test_what_is_kept_counts_as_much_as_it_holds_of_the_memory_budget() -> None:
    clock = VirtualClock()
    flights, memory = Flights(clock.monotonic, clock.call_later), Memory(256 << 20, clock)
    since = clock.monotonic()

    async def counted() -> bytes:
        await reserve(MOST_BYTES // 4)  # a reply, and what it may be decoded to
        return b"answer"

    async with flights.open():
        for key in range(10):
            with holding(memory.open("ns")):
                await flights.fly(key, counted, since)
        assert memory.used == MOST_BYTES
        await clock.advance(2.0)
        assert memory.used == 0


async def test_nothing_is_kept_once_the_flights_are_over() -> None:
    kept = Kept()
    async with kept.flights.open():
        await kept.fly(kept.clock.monotonic())
    assert not kept.flights._kept and kept.flights._kept_bytes == 0
    await kept.clock.advance(5.0)


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        pytest.param(b"x" * 5000, 5000, id="bytes"),
        pytest.param({"a": b"x" * 5000, "b": ["y" * 5000]}, 10_000, id="a map"),
        pytest.param(Flight, 256, id="anything else"),
    ],
)
def test_an_answer_is_weighed(answer: object, least: int) -> None:
    assert least <= weight(answer) <= least + 3000


async def test_an_answer_whose_last_reader_gave_up_as_it_came_is_not_kept() -> None:
    """Its memory is given back with the reader."""
    clock = VirtualClock()
    flights, memory, far = Flights(clock.monotonic, clock.call_later), Memory(64 << 20, clock), Far()
    far.answer.set()
    since = clock.monotonic()

    async def counted() -> int:
        await reserve(1000)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(reader.cancel)
        await asyncio.sleep(0)
        return await far()

    async def one() -> int:
        with holding(memory.open("ns")):
            return await flights.fly("key", counted, since)

    async with flights.open():
        reader = asyncio.ensure_future(one())
        await settle()
        assert (reader.cancelled(), memory.used) == (True, 0)
        reader = asyncio.ensure_future(one())
        await settle()
        assert far.calls == 2


@pytest.mark.parametrize("others", ["a", "b"])
async def test_what_another_pass_may_not_hold_fails_that_pass_alone(others: str) -> None:
    flights, memory, far = Flights(lambda: 10.0), Memory(64 << 20, VirtualClock()), Far()
    far.answer.set()

    async def counted() -> int:
        await asyncio.sleep(0)
        try:
            await reserve(9 << 20)
        except TooMuchMemory as error:
            raise EsoError("the reply needs too much memory") from error
        return await far()

    async def one(namespace: str, has: int) -> int:
        with holding(memory.open(namespace)):
            take(has)
            return await flights.fly("key", counted)

    async with flights.open():
        large, small = asyncio.ensure_future(one("a", memory.most)), asyncio.ensure_future(one(others, 0))
        await settle()
        with pytest.raises(EsoError, match="too much memory"):
            large.result()
        assert small.result() == 1
        assert memory.used == 0


async def test_a_namespace_without_memory_fails_no_reader_of_another_one() -> None:
    clock = VirtualClock()
    flights, memory, far = Flights(lambda: 10.0), Memory(64 << 20, clock), Far()
    far.answer.set()

    async def counted() -> int:
        await reserve(1 << 20)
        return await far()

    async def one(namespace: str) -> int:
        with holding(memory.open(namespace)):
            take(1)
            return await flights.fly("key", counted)

    busy = memory.open("a")
    await busy.reserve(memory.most - 1)
    await busy.reserve(1 << 20)
    async with flights.open():
        readers = [asyncio.ensure_future(one(namespace)) for namespace in ("a", "a", "b", "b")]
        await clock.advance(PATIENCE)
        assert [type(reader.exception()) for reader in readers] == [NoMemory, NoMemory, type(None), type(None)]
        assert far.calls == 1


async def test_a_call_that_waits_for_the_memory_of_its_own_namespace_alone_waits_on() -> None:
    clock = VirtualClock()
    flights, memory, far = Flights(lambda: 10.0), Memory(64 << 20, clock), Far()
    far.answer.set()

    async def counted() -> int:
        await reserve(1 << 20)
        return await far()

    async def one(namespace: str) -> int:
        with holding(memory.open(namespace)):
            return await flights.fly("key", counted)

    busy = memory.open("a")
    await busy.reserve(memory.most - 1)
    await busy.reserve(1 << 20)
    async with flights.open():
        readers = [asyncio.ensure_future(one("a")) for _ in range(2)]
        await clock.advance(10 * PATIENCE)
        assert not any(reader.done() for reader in readers)
        busy.close()
        await asyncio.wait(readers)
        assert far.calls == 1


async def test_a_reader_that_makes_the_call_within_its_own_memory_may_be_cancelled_at_any_await() -> None:
    flights, memory = Flights(lambda: 10.0), Memory(64 << 20, VirtualClock())

    async def counted() -> int:
        await asyncio.sleep(0)
        await reserve(9 << 20)
        return 1

    async def one(namespace: str, has: int) -> int:
        with holding(memory.open(namespace)):
            take(has)
            return await flights.fly("key", counted)

    async def joins(namespace: str) -> int:
        large = asyncio.ensure_future(one("a", memory.most))
        await asyncio.sleep(0)
        try:
            return await one(namespace, 0)
        finally:
            await asyncio.wait([large])
            assert isinstance(large.exception(), TooMuchMemory)

    async with flights.open():
        for namespace in ("a", "b"):
            async for _ in every_await(lambda namespace=namespace: joins(namespace)):  # type: ignore[misc]
                await settle()
                assert (memory.used, memory.waiting) == (0, 0)


async def test_an_answer_that_is_kept_holds_its_memory_until_it_goes() -> None:
    clock = VirtualClock()
    flights, memory = Flights(clock.monotonic, clock.call_later), Memory(64 << 20, clock)
    since = clock.monotonic()

    async def counted() -> bytes:
        await reserve(1000)
        return b"answer"

    async def one() -> None:
        with holding(memory.open("ns")):
            assert await flights.fly("key", counted, since) == b"answer"

    async with flights.open():
        await one()
        await one()
        assert memory.used == 1000
        await clock.advance(2.0)
        assert memory.used == 0
        await one()
        assert memory.used == 1000
    assert memory.used == 0
