"""Secrets first: who waits for whom, and never for long."""

from __future__ import annotations

import asyncio

import pytest

from eso.reconcile.kit.precedence import LONGEST, Precedence
from eso.runtime import controller
from tests.fakes.clock import VirtualClock

A, B, C = ("team", "a"), ("team", "b"), ("team", "c")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def waiting(precedence: Precedence, key: tuple[str, str], *, lends: bool = True) -> asyncio.Task[None]:
    async def status() -> None:
        controller.LEND.set(lambda: lends)
        await precedence.yielding(key)

    return asyncio.ensure_future(status())


async def test_statuses_wait_until_every_secret_of_the_event_is_written(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B, C])
    first = waiting(precedence, A)
    await clock.advance()
    second = waiting(precedence, B)
    await clock.advance()
    assert not first.done() and not second.done()
    precedence.over(C)  # its pass ended without a write
    await clock.advance()
    assert first.done() and second.done()


async def test_without_an_event_nothing_waits(clock: VirtualClock):
    one = waiting(Precedence(clock), A)
    await clock.advance()
    assert one.done()


async def test_a_pass_that_has_to_keep_its_slot_does_not_wait(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B])
    one = waiting(precedence, A, lends=False)
    await clock.advance()
    assert one.done()


async def test_an_object_that_does_not_run_holds_nobody_up_for_long(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B])
    one = waiting(precedence, A)
    await clock.advance(LONGEST - 0.1)
    assert not one.done()
    await clock.advance(0.2)
    assert one.done()


async def test_an_object_that_is_woken_again_belongs_to_the_newer_wave_alone(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B])
    first = waiting(precedence, A)
    await clock.advance()
    precedence.expect([B, C])
    await clock.advance()
    assert first.done(), "nothing of its wave is left"
    second = waiting(precedence, C)
    await clock.advance()
    assert not second.done()
    precedence.over(B)
    await clock.advance()
    assert second.done()


async def test_events_that_never_end_hold_up_no_status_of_another_wave(clock: VirtualClock):
    """Somebody keeps sending, and the objects do not run."""
    precedence = Precedence(clock)
    precedence.expect([A, B])
    mine = waiting(precedence, A)
    for _ in range(20):
        precedence.expect([("loud", "x"), ("loud", "y")])
        await clock.advance(LONGEST / 10)
    assert mine.done()
    precedence.expect([A])
    again = waiting(precedence, A)
    await clock.advance()
    assert again.done()
    await clock.advance(LONGEST)
    assert not precedence._waves and clock.timers == 0


async def test_a_cancelled_wait_leaves_the_others_waiting(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B, C])
    cancelled, other = waiting(precedence, A), waiting(precedence, C)
    await clock.advance()
    cancelled.cancel()
    await clock.advance()
    assert cancelled.cancelled() and not other.done()
    precedence.over(B)
    await clock.advance()
    assert other.done()


async def test_events_that_come_all_the_time_hold_no_status_up_for_longer(clock: VirtualClock):
    precedence = Precedence(clock)
    precedence.expect([A, B])
    one = waiting(precedence, A)
    for at in range(10):
        await clock.advance(LONGEST / 10)
        precedence.expect([("other", f"object-{at}")])
    await clock.advance()
    assert one.done()


async def test_many_events_need_one_timer(clock: VirtualClock):
    precedence = Precedence(clock)
    for at in range(1_000):
        precedence.expect([("team", f"object-{at}")])
    assert clock.timers == 1
    await clock.advance(LONGEST)
    assert clock.timers == 0
