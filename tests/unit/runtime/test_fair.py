"""Shared places: nobody takes them all, whoever waits gets a turn."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from eso.runtime.aside import without
from eso.runtime.fair import LENT, FairSlots, room
from eso.runtime.memory import NoMemory
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle


def most(total: int, owners: int) -> int:
    """How many places each of `owners` greedy owners ends up with."""
    held = [0] * owners
    progress = True
    while progress:
        progress = False
        for owner in range(owners):
            if room(held[owner], total - sum(held), total) > 0:
                held[owner] += 1
                progress = True
    return sum(held)


@pytest.mark.parametrize(("total", "taken"), [(1, 1), (3, 3), (4, 3), (32, 24), (64, 48), (256, 192)])
def test_one_owner_alone_leaves_a_quarter(total: int, taken: int) -> None:
    assert most(total, 1) == taken


@pytest.mark.parametrize("owners", [1, 2, 5, 20])
def test_however_many_are_greedy_a_newcomer_finds_a_place(owners: int) -> None:
    assert most(256, owners) < 256


@pytest.mark.parametrize("owners", [6, 20, 30])
def test_owners_that_come_one_after_the_other_do_not_take_the_last_slots(owners: int) -> None:
    free = 256
    for _ in range(owners):
        held = 0
        while room(held, free, 256) > 0:
            held, free = held + 1, free - 1
    assert free > 0
    assert room(0, free, 256) > 0 and room(1, min(free, 32), 256) <= 0


async def test_namespaces_of_one_group_are_one_owner_also_when_the_group_changes_meanwhile() -> None:
    tenants = {"a-1": "a", "a-2": "a", "b-1": "b"}
    slots = FairSlots(4, lambda namespace: tenants[namespace])
    async with slots.slot("a-1"), slots.slot("a-2"), slots.slot("a-1"):
        waiting = asyncio.ensure_future(slots.acquire(slots.owner("a-2")))
        async with slots.slot("b-1"):
            await settle()
            assert not waiting.done()
        tenants["a-1"] = "b"
    await waiting
    slots.release("a")
    assert (slots.free, slots._held) == (4, {})


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

    async def waiter() -> None:
        await slots.acquire("a")
        asyncio.get_running_loop().call_soon(slots.release, "a")
        async with slots.slot("b"):
            pass

    count = 0
    async for _ in every_await(waiter):
        count += 1
        await settle()
        assert slots.free == 1
        assert not slots._waiting, "the waiter has left the queue"
    assert count == 3


async def test_a_waiter_that_is_cancelled_while_its_place_comes_free_leaves_it_to_the_next() -> None:
    slots = FairSlots(1)
    await slots.acquire("a")
    first, second, third = (asyncio.ensure_future(slots.acquire("b")) for _ in range(3))
    await settle()
    first.cancel()
    slots.release("a")  # in the same turn: the first is still in the queue
    await settle()
    assert first.cancelled()
    assert second.done() and not second.cancelled()
    third.cancel()
    await settle()
    assert third.cancelled()
    slots.release("b")
    assert slots.free == 1


async def test_a_place_that_was_given_and_not_wanted_any_more_goes_to_the_next() -> None:
    slots = FairSlots(1)
    await slots.acquire("a")
    first, second = asyncio.ensure_future(slots.acquire("b")), asyncio.ensure_future(slots.acquire("c"))
    await settle()
    slots.release("a")
    first.cancel()  # in the same turn: it has the place and does not know it
    await settle()
    assert first.cancelled() and second.done()
    slots.release("c")
    assert slots.free == 1


async def test_an_owner_whose_waiter_was_served_takes_the_next_free_place_at_once() -> None:
    slots = FairSlots(2)
    await slots.acquire("a")
    await slots.acquire("b")
    waiting = asyncio.ensure_future(slots.acquire("c"))
    await settle()
    slots.release("a")  # c has it, and has not run yet
    slots.release("b")
    await slots.acquire("c")  # at once: the waiter, which is still in the queue, is served already
    await waiting
    assert slots.free == 0


async def test_a_cancelled_waiter_is_reported_as_cancelled_and_a_deadline_as_a_timeout() -> None:
    slots = FairSlots(1)
    await slots.acquire("a")

    async def with_deadline() -> None:
        async with asyncio.timeout(0) as deadline:
            await slots.acquire("b")
        assert deadline.expired()

    waiting = asyncio.ensure_future(with_deadline())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(slots.release, "a")
    with pytest.raises(TimeoutError):
        await waiting


@pytest.mark.parametrize("error", [NoMemory("none"), asyncio.CancelledError()], ids=["no memory", "cancelled"])
async def test_a_block_whose_wait_failed_goes_on_with_its_slot_and_others_wait_for_it(error: BaseException) -> None:
    slots, ended = FairSlots(1), asyncio.Event()

    async def block() -> None:
        async with slots.slot("a"):
            with suppress(NoMemory, asyncio.CancelledError):
                async with without():
                    await slots.acquire("b")  # another one has it meanwhile
                    raise error
            await ended.wait()

    running = asyncio.ensure_future(block())
    await settle()
    assert slots._held == {"a": 1, "b": 1}
    waits = asyncio.ensure_future(slots.acquire("c"))
    slots.release("b")
    await settle()
    assert not waits.done(), "the only slot is that of the block"
    ended.set()
    await running
    await waits
    slots.release("c")
    assert (slots.free, slots._held) == (1, {})


async def test_a_block_may_be_cancelled_at_every_await_of_a_wait_and_no_slot_gets_lost() -> None:
    slots = FairSlots(1)

    async def block() -> None:
        async with slots.slot("a"):
            async with without():
                await slots.acquire("b")
                asyncio.get_running_loop().call_soon(slots.release, "b")
            await asyncio.sleep(0)

    count = 0
    async for _ in every_await(block):
        count += 1
        await settle()
        assert (slots.free, slots._held) == (1, {})
    assert count


async def test_a_slot_whose_user_only_waits_goes_to_an_owner_that_has_none() -> None:
    slots, over = FairSlots(2), asyncio.Event()
    entered = list[str]()

    async def use(owner: str) -> None:
        async with slots.slot(owner) as slot:
            entered.append(owner)
            slot.only_waits()
            await over.wait()

    users = [asyncio.create_task(use(owner)) for owner in ("a", "a", "b", "c", "d", "a")]
    await settle()
    assert entered == ["a", "a", "b", "c", "d"], "the one that waits has slots, or has lent them"
    assert slots.free == 0
    over.set()
    await asyncio.wait(users)
    assert (slots.free, slots._held, slots._lent, slots._offered) == (2, {}, {}, {})


async def test_no_more_is_lent_than_a_few_times_the_slots_and_each_owner_has_a_share_of_it() -> None:
    slots, over = FairSlots(8), asyncio.Event()
    entered = list[str]()

    async def use(owner: str) -> None:
        async with slots.slot(owner) as slot:
            entered.append(owner)
            slot.only_waits()
            await over.wait()

    users = [asyncio.create_task(use(f"owner-{n}")) for n in range(60)]
    await settle()
    assert len(entered) == 8 + LENT * 8
    over.set()
    await asyncio.wait(users)
    assert len(entered) == 60
    assert (slots.free, slots._held, slots._lent, slots._offered) == (8, {}, {}, {})


async def test_a_lent_slot_is_not_taken_again_after_a_wait_for_memory() -> None:
    slots, over = FairSlots(1), asyncio.Event()

    async def waits() -> None:
        async with slots.slot("a") as slot:
            slot.only_waits()
            await over.wait()
            async with without():
                pass
            async with without():
                raise TimeoutError

    first = asyncio.create_task(waits())
    await settle()
    async with slots.slot("b"):
        over.set()
        await asyncio.wait([first])
        assert isinstance(first.exception(), TimeoutError)
        assert slots.free == 0
    assert (slots.free, slots._held, slots._lent) == (1, {}, {})
