"""Shared places: nobody takes them all, whoever waits gets a turn."""

from __future__ import annotations

import asyncio

import pytest

from eso.runtime.fair import FairSlots, within_share
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle


def most(total: int, owners: int) -> int:
    """How many places each of `owners` greedy owners ends up with."""
    held = [0] * owners
    progress = True
    while progress:
        progress = False
        for owner in range(owners):
            if within_share(held[owner], total - sum(held)):
                held[owner] += 1
                progress = True
    return sum(held)


@pytest.mark.parametrize(("total", "taken"), [(1, 1), (3, 3), (4, 3), (32, 24), (64, 48), (256, 192)])
def test_one_owner_alone_leaves_a_quarter(total: int, taken: int) -> None:
    assert most(total, 1) == taken


@pytest.mark.parametrize("owners", [1, 2, 5, 20])
def test_however_many_are_greedy_a_newcomer_finds_a_place(owners: int) -> None:
    assert most(256, owners) < 256


async def test_owners_take_turns_whatever_the_order_of_arrival() -> None:
    slots, served = FairSlots(1), list[str]()

    async def work(owner: str) -> None:
        async with slots.slot(owner):
            served.append(owner)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for owner in ["greedy"] * 5 + ["late"]:
            group.create_task(work(owner))
    assert served.index("late") == 2, "after the one that had the place and the one that was next"
    assert served.count("greedy") == 5
    assert slots.free == 1


async def test_what_is_held_never_exceeds_the_total() -> None:
    slots = FairSlots(3)
    tasks = [asyncio.ensure_future(slots.acquire(owner)) for owner in "aabbccdd"]
    await settle()
    assert sum(task.done() for task in tasks) == 3
    for task in tasks:
        task.cancel()


async def test_every_await_may_be_cancelled_and_no_place_gets_lost() -> None:
    slots = FairSlots(1)
    answer = asyncio.Event()

    async def holder() -> None:
        async with slots.slot("a"):
            await answer.wait()

    async def waiter() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(answer.set))
        async with slots.slot("b"):
            pass

    async for _ in every_await(waiter):
        answer.clear()
        held = asyncio.ensure_future(holder())
        await settle()
        answer.set()
        await held
    assert slots.free == 1
