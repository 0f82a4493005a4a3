"""A block that takes too long ends with an error, and any other cancellation stays one."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from eso.runtime.deadline import TooLate, deadline
from tests.fakes.clock import VirtualClock


async def late(clock: VirtualClock) -> str:
    async with deadline(clock, 10.0):
        await asyncio.Event().wait()
    return "never"


async def test_a_block_that_takes_too_long_is_ended_where_it_waits() -> None:
    clock = VirtualClock()
    task = asyncio.ensure_future(late(clock))
    await clock.advance(9.9)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(TooLate, match="longer than 10 s"):
        task.result()
    assert not task.cancelling()


async def test_a_block_that_ends_in_time_leaves_nothing_behind() -> None:
    clock = VirtualClock()
    async with deadline(clock, 10.0):
        await asyncio.sleep(0)
    assert clock.timers == 0
    await clock.advance(20.0)


async def test_a_block_that_ends_in_spite_of_its_deadline_leaves_no_cancellation_behind() -> None:
    """Otherwise a later deadline of the same task would be taken for a cancellation from elsewhere."""
    clock = VirtualClock()

    async def stubborn() -> None:
        async with deadline(clock, 20.0):
            async with deadline(clock, 10.0):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(stubborn())
    await clock.advance(20.0)
    with pytest.raises(TooLate, match="longer than 20 s"):
        task.result()
    assert not task.cancelling()


async def test_a_cancellation_from_elsewhere_goes_on_as_one() -> None:
    clock = VirtualClock()
    task = asyncio.ensure_future(late(clock))
    await clock.advance(1.0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert clock.timers == 0


async def test_a_cancellation_that_comes_together_with_the_deadline_wins() -> None:
    clock = VirtualClock()
    task = asyncio.ensure_future(late(clock))
    await clock.advance(1.0)
    clock.call_later(9.0, task.cancel)
    clock.jump(9.0)
    for _, _, timer in clock._heap:  # both within one turn of the loop
        if timer.callback is not None:
            timer.callback()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_an_error_of_the_block_is_told_even_when_it_is_late() -> None:
    clock = VirtualClock()

    async def fails() -> None:
        async with deadline(clock, 10.0):
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("first")

    task = asyncio.ensure_future(fails())
    await clock.advance(10.0)
    with pytest.raises(ValueError, match="first"):
        task.result()
    assert not task.cancelling()


async def test_the_inner_of_two_deadlines_is_the_inner_ones_error() -> None:
    clock, seen = VirtualClock(), []

    async def both() -> None:
        async with deadline(clock, 20.0):
            try:
                await late(clock)
            except TooLate as error:
                seen.append(str(error))
            await asyncio.Event().wait()

    task = asyncio.ensure_future(both())
    await clock.advance(20.0)
    with pytest.raises(TooLate, match="longer than 20 s"):
        task.result()
    assert seen == ["the pass takes longer than 10 s"]
