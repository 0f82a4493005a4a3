"""Whose turn it is to compute."""

from __future__ import annotations

import asyncio

import pytest

from eso.runtime.turns import FORGIVEN, Turns
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle


class Bench:
    def __init__(self, total: int = 2) -> None:
        self.clock = VirtualClock()
        self.turns = Turns(total, self.clock.monotonic)
        self.running: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, name: str, *, long: bool = False, doubtful: bool = False) -> None:
        """`name`: the owner, and what tells its calls apart after a dash."""

        async def call() -> None:
            async with self.turns.turn(name.partition("-")[0], long=long, doubtful=doubtful):
                self.running.append(name)
                try:
                    await self.ends.setdefault(name, asyncio.Event()).wait()
                finally:
                    self.running.remove(name)

        self.tasks.append(asyncio.ensure_future(call()))
        await settle()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await settle()


async def test_long_calls_leave_a_place_for_short_ones() -> None:
    bench = Bench()
    await bench.start("a-1", long=True)
    await bench.start("b-1", long=True)
    assert bench.running == ["a-1"]
    await bench.start("c-1")
    assert bench.running == ["a-1", "c-1"]
    await bench.end("a-1")
    assert bench.running == ["c-1", "b-1"]


async def test_offenders_leave_a_place_for_others_whatever_they_say_their_calls_are() -> None:
    bench = Bench()
    bench.turns.offended("bad")
    bench.turns.offended("worse")
    for name in ("bad-1", "worse-1", "bad-2"):
        await bench.start(name)
    assert bench.running == ["bad-1"]
    await bench.start("good-1")
    assert bench.running == ["bad-1", "good-1"]
    await bench.clock.advance(FORGIVEN)
    await bench.end("good-1")
    assert len(bench.running) == 2
    for name in ("bad-1", "worse-1", "bad-2"):
        await bench.end(name) if name in bench.ends else None
    assert bench.turns._taken_long == 0


async def test_what_failed_before_comes_behind_what_did_not_and_leaves_it_a_place() -> None:
    bench = Bench()
    for name in ("a-1", "b-1", "c-1"):
        await bench.start(name, doubtful=True)
    assert bench.running == ["a-1"]
    await bench.start("good-1")
    await bench.start("good-2")
    assert bench.running == ["a-1", "good-1"]
    await bench.end("a-1")
    assert bench.running == ["good-1", "good-2"]
    await bench.end("good-2")
    assert bench.running == ["good-1", "b-1"]


async def test_after_a_restart_hundreds_of_objects_that_were_ended_are_tried_behind_all_others() -> None:
    """Of many namespaces, or many of one: nothing is remembered but what their conditions say."""
    bench = Bench()
    for n in range(300):
        await bench.start(f"bad{n % 200}-{n}", doubtful=True)
    for n in range(5):
        await bench.start(f"good-{n}")
        assert bench.running[-1] == f"good-{n}"
        await bench.end(f"good-{n}")


async def test_offenders_come_behind_what_failed_before() -> None:
    bench = Bench(1)
    bench.turns.offended("bad")
    for name in ("now-1", "bad-1"):
        await bench.start(name)
    await bench.start("some-1", doubtful=True)
    await bench.end("now-1")
    assert bench.running == ["some-1"]


async def test_one_place_is_for_all() -> None:
    bench = Bench(1)
    await bench.start("a-1", long=True)
    assert bench.running == ["a-1"]


async def test_owners_are_served_in_turn() -> None:
    bench = Bench(1)
    for name in ("a-1", "a-2", "a-3", "b-1"):
        await bench.start(name)
    for name in ("a-1", "b-1", "a-2", "a-3"):
        assert bench.running == [name]
        await bench.end(name)


async def test_hundreds_of_owners_that_nobody_knows_hold_up_one_that_is_known_for_one_call_each_time() -> None:
    """Each of them has an endless first call: half a second each, one hundred and fifty in a row."""
    bench = Bench(1)
    bench.turns.proved("known")
    for n in range(300):
        await bench.start(f"new{n}-1")
    for n in range(20):
        await bench.start(f"known-{n}")
        (running,) = bench.running
        assert running == f"new{n}-1"
        bench.turns.offended(f"new{n}")
        await bench.end(running)
        assert bench.running == [f"known-{n}"]
        await bench.end(f"known-{n}")


async def test_owners_that_nobody_knows_are_served_in_turn_among_each_other_and_are_not_starved() -> None:
    bench = Bench(1)
    bench.turns.proved("known")
    for name in ("known-1", "known-2", "known-3", "x-1", "x-2", "y-1", "known-4"):
        await bench.start(name)
    for name in ("known-1", "x-1", "known-2", "y-1", "known-3", "x-2", "known-4"):
        assert bench.running == [name]
        await bench.end(name)


async def test_the_last_offender_comes_last_until_it_is_forgiven() -> None:
    bench = Bench(1)
    bench.turns.offended("bad")
    await bench.clock.advance(1)
    bench.turns.offended("worse")
    await bench.start("first-1")
    for name in ("worse-1", "bad-1", "good-1", "good-2", "fine-1"):
        await bench.start(name)
    for name in ("first-1", "good-1", "fine-1", "good-2", "bad-1", "worse-1"):
        assert bench.running == [name]
        await bench.end(name)
    await bench.clock.advance(FORGIVEN)
    for name in ("good-3", "good-4", "bad-2"):
        await bench.start(name)
    await bench.end("good-3")
    assert bench.running == ["bad-2"]


@pytest.mark.parametrize("long", [False, True])
async def test_a_cancelled_call_leaves_its_place_and_its_turn(long: bool) -> None:
    turns = Turns(1, VirtualClock().monotonic)

    async def waits() -> None:
        busy = turns.turn("a", long=False)
        await busy.__aenter__()
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.create_task(busy.__aexit__(None, None, None)))  # type: ignore[arg-type]
        async with turns.turn("b", long=long):
            await asyncio.sleep(0)

    count = 0
    async for _ in every_await(waits):
        count += 1
        await settle()
        assert (turns.taken, turns._taken_long, turns._waiting) == (0, 0, [])
    assert count == 6
