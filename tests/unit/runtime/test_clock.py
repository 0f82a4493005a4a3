"""The two clocks keep the same promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest

from eso.runtime.clock import SystemClock
from tests.fakes.clock import VirtualClock, settle


@pytest.mark.parametrize("make", [SystemClock, VirtualClock])
class TestBoth:
    async def test_now_is_aware_and_utc(self, make):
        assert make().now().tzinfo is UTC

    async def test_a_callback_whose_time_has_come_runs_on_the_loop_and_not_at_once(self, make):
        clock, ran = make(), asyncio.Event()
        clock.call_later(-1, ran.set)
        assert not ran.is_set()
        if isinstance(clock, VirtualClock):
            await clock.advance()
        await ran.wait()

    async def test_a_cancelled_timer_does_not_run(self, make):
        clock, ran, order = make(), asyncio.Event(), []
        clock.call_later(0, lambda: order.append("cancelled")).cancel()
        clock.call_later(0, ran.set)
        if isinstance(clock, VirtualClock):
            await clock.advance()
        await ran.wait()
        assert order == []

    async def test_no_sleep_still_gives_the_loop_a_turn(self, make):
        order = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        await make().sleep(0)
        assert order == ["other"]


async def test_time_stands_still_until_it_is_advanced():
    clock = VirtualClock()
    before = clock.now(), clock.monotonic()
    await settle()
    assert (clock.now(), clock.monotonic()) == before
    await clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (before[0] + timedelta(seconds=90), before[1] + 90)


async def test_timers_run_in_order_and_see_their_own_time():
    clock, seen = VirtualClock(monotonic=0), []
    for seconds in (3, 1, 2, 9):
        clock.call_later(seconds, lambda: seen.append(clock.monotonic()))
    await clock.advance(5)
    assert seen == [1, 2, 3]


async def test_what_a_timer_starts_happens_before_the_next_timer():
    clock, seen = VirtualClock(monotonic=0), []

    async def sleeper():
        for _ in range(3):
            await clock.sleep(1)
            seen.append(clock.monotonic())

    task = asyncio.ensure_future(sleeper())
    await clock.advance(2.5)
    assert seen == [1, 2]
    await clock.advance(0.5)
    assert seen == [1, 2, 3]
    await task


async def test_a_cancelled_sleep_leaves_no_timer():
    clock = VirtualClock()
    task = asyncio.ensure_future(clock.sleep(10))
    await settle()
    assert clock.timers == 1
    task.cancel()
    await settle()
    assert (task.cancelled(), clock.timers) == (True, 0)
