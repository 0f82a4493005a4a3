"""One budget of bytes: reserved before it is read, fair between owners, never a deadlock."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tracemalloc
import weakref
from typing import Any

import orjson
import pytest

from eso.runtime import memory as module
from eso.runtime.aside import without
from eso.runtime.fair import FairSlots
from eso.runtime.memory import (
    AGED,
    ANCIENT,
    CURRENT,
    LITTLE,
    PATIENCE,
    Hold,
    Memory,
    NoMemory,
    TooMuchMemory,
    decoded,
    goes_first,
    holding,
    reserve,
    reserved,
    reserved_for,
    scratch,
    take,
    uncounted,
    volume,
)
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle

MB = 1 << 20


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def memory(clock: VirtualClock) -> Memory:
    return Memory(128 * MB, clock)


async def filled(memory: Memory, owner: str, step: int = MB) -> Hold:
    """A hold that has taken all that its owner gets."""
    hold = memory.open(owner)
    while True:
        asked = asyncio.ensure_future(hold.reserve(step))
        await settle()
        if not asked.done():
            asked.cancel()
            await settle()
            return hold
        try:
            asked.result()
        except TooMuchMemory:
            return hold


async def test_what_was_reserved_is_given_back_with_its_hold(memory: Memory) -> None:
    hold = memory.open("a")
    await hold.reserve(5 * MB)
    assert (memory.used, memory.held_by("a")) == (5 * MB, 5 * MB)
    hold.close()
    hold.close()
    assert (memory.used, memory.held_by("a"), memory.peak) == (0, 0, 5 * MB)


async def test_more_than_one_pass_may_ever_have_is_refused_at_once(memory: Memory) -> None:
    hold = memory.open("a")
    await hold.sibling().reserve(memory.most)
    with pytest.raises(TooMuchMemory, match=f"{memory.most + memory.total // 8 + 1} bytes"):
        await hold.reserve(memory.total // 8 + 1)
    await hold.reserve(memory.total // 8)


@pytest.mark.parametrize("part", [1, 2, 7])
@pytest.mark.parametrize("more", [-1, 0, 1, 3 * MB, 16 * MB])
async def test_all_that_one_pass_may_ever_have_is_served_at_once_where_nobody_else_has_any(
    memory: Memory, more: int, part: int
) -> None:
    hold, size = memory.open("a"), memory.most + more
    for n in range(part):
        await asyncio.wait_for(hold.reserve(size * (n + 1) // part - size * n // part), 60)
    assert hold.size == size
    await asyncio.wait_for(memory.open("b").reserve(module.SMALL), 60)


async def test_what_the_first_lacks_and_no_more_comes_out_of_what_is_kept_back(memory: Memory) -> None:
    elder, younger = memory.open("a"), memory.open("a")
    await elder.reserve(memory.most - MB)
    await elder.reserve(4 * MB)
    assert memory._extra == 3 * MB
    elder.close()
    await younger.reserve(memory.most)
    assert memory._extra == 0


class Large:
    """Something that takes memory for as long as somebody has it."""

    size = 5 * MB


async def test_what_waits_for_memory_is_not_there_meanwhile(memory: Memory) -> None:
    busy, made = await filled(memory, "a"), list[weakref.ref[Large]]()

    async def make() -> Large:
        one = Large()
        made.append(weakref.ref(one))
        return one

    async def wants() -> int:
        with holding(memory.open("a")) as _:
            one = await reserved_for(make, lambda large: large.size)
            return memory.held_by("a") - busy.size if one else 0

    waiting = [asyncio.ensure_future(wants()) for _ in range(20)]
    await settle()
    assert (len(made), memory.waiting) == (20, 20)
    assert not any(one() for one in made)
    busy.close()
    assert {await task >= Large.size for task in waiting} == {True}
    assert (len(made), memory.used) == (40, 0)


async def test_what_finds_room_is_made_once(memory: Memory) -> None:
    made = list[Large]()

    async def make() -> Large:
        made.append(Large())
        return made[-1]

    assert await reserved_for(make, lambda large: large.size) is made[0], "nobody counts"
    with holding(memory.open("a")):
        assert await reserved_for(make, lambda large: large.size) is made[1]
        assert memory.used == Large.size
    assert len(made) == 2


@pytest.mark.parametrize("owners", [1, 3, 10, 30])
async def test_however_many_are_greedy_a_newcomer_finds_room(memory: Memory, owners: int) -> None:
    for owner in range(owners):
        await filled(memory, f"greedy-{owner}")
    assert memory.used <= memory.total
    await asyncio.wait_for(memory.open("newcomer").reserve(MB // 2), 60)


async def test_the_eldest_of_those_that_wait_for_each_other_goes_on(memory: Memory) -> None:
    elder, younger = memory.open("a"), memory.open("a")
    await younger.reserve(36 * MB)
    await elder.reserve(36 * MB)
    later = asyncio.ensure_future(younger.reserve(17 * MB))
    await settle()
    first = asyncio.ensure_future(elder.reserve(10 * MB))
    await settle()
    assert (first.done(), later.done()) == (True, False)
    elder.close()
    await settle()
    assert later.done()


async def test_what_the_eldest_may_have_on_top_leaves_the_shares_of_others(memory: Memory) -> None:
    await filled(memory, "a")
    assert memory.held_by("a") == memory.most + memory.total // 8
    await asyncio.wait_for(memory.open("b").reserve(memory.total // 8), 60)


async def test_one_pass_at_a_time_may_have_more_than_the_share_of_its_owner(memory: Memory) -> None:
    one, other = memory.open("a"), memory.open("a")
    await one.reserve(memory.most)
    await one.reserve(MB)
    asked = asyncio.ensure_future(other.reserve(MB))
    await settle()
    assert not asked.done()
    await one.sibling().reserve(MB)
    one.close()
    await settle()
    assert asked.done()


async def test_a_hold_that_waits_for_too_long_gives_up_unless_its_pass_holds_little(
    memory: Memory, clock: VirtualClock
) -> None:
    busy, some, none = await filled(memory, "a", 4 * MB), memory.open("a"), memory.open("a")
    await filled(memory, "b", 4 * MB)
    some.take(LITTLE + 1)
    none.take(LITTLE)
    waiting = asyncio.ensure_future(some.sibling().reserve(20 * MB)), asyncio.ensure_future(none.reserve(20 * MB))
    await clock.advance(PATIENCE - 1)
    assert not any(task.done() for task in waiting)
    await clock.advance(1)
    with pytest.raises(NoMemory):
        waiting[0].result()
    assert memory.refused == 1
    await clock.advance(10 * PATIENCE)
    assert not waiting[1].done()
    busy.close()
    await settle()
    assert waiting[1].done()
    assert clock.timers == 0


async def test_owners_of_one_group_share(clock: VirtualClock) -> None:
    memory = Memory(128 * MB, clock, lambda namespace: namespace[0])
    await filled(memory, "a-1")
    asked = asyncio.ensure_future(memory.open("a-2").reserve(2 * MB))
    await settle()
    assert not asked.done()
    asked.cancel()


async def test_a_step_gives_back_what_it_does_not_keep(memory: Memory) -> None:
    with holding(memory.open("a")) as _:
        with scratch() as spare:
            await reserve(10)
            take(5)
            spare.keep(4)
            spare.keep(100 - 100)
            assert memory.used == 15
        assert memory.used == 4
        async with reserved(3):
            take(2)
            assert memory.used == 9
        assert memory.used == 6
    assert memory.used == 0
    assert CURRENT.get() is None


async def test_without_a_hold_nobody_counts() -> None:
    with scratch() as spare:
        await reserve(1 << 50)
        take(1 << 50)
        spare.keep(1)
    async with reserved(1 << 50):
        pass


async def test_a_task_that_outlives_its_pass_is_not_counted_as_the_pass(memory: Memory) -> None:
    with holding(memory.open("a")):
        await asyncio.create_task(reserve(5), context=uncounted())
        assert memory.used == 0
        await asyncio.create_task(reserve(5))
        assert memory.used == 5


async def test_what_several_keep_stays_until_the_last_one_lets_go(memory: Memory) -> None:
    shared, one, other = memory.open("a").sibling(), memory.open("a"), memory.open("b")
    await shared.reserve(7)
    one.keep(shared)
    other.keep(shared)
    shared.close()
    one.close()
    assert memory.used == 7
    other.close()
    assert memory.used == 0


async def test_a_hold_that_is_closed_takes_nothing_more(memory: Memory) -> None:
    hold, other = memory.open("a"), memory.open("a")
    hold.close()
    await hold.reserve(5)
    hold.take(5)
    hold.keep(other)
    await other.reserve(3)
    other.hand_over(2, hold)
    other.close()
    assert memory.used == 0


async def test_cancelled_at_any_await_it_holds_and_waits_for_nothing(memory: Memory) -> None:
    await filled(memory, "b")
    rest = await filled(memory, "a")

    async def wants() -> None:
        with holding(memory.open("a")):
            asked = asyncio.ensure_future(reserve(2 * MB))
            asyncio.get_running_loop().call_soon(rest.give_back, 3 * MB)
            try:
                await asked
            finally:
                asked.cancel()

    before = memory.used
    async for _ in every_await(wants):
        await settle()
        assert before - memory.used in (3 * MB, 6 * MB)  # the last run of a way is not cancelled, and not seen here
        assert memory.waiting == 0
        rest.take(before - memory.used)
    await settle()
    assert memory.waiting == 0


async def test_a_shared_call_that_outlives_its_pass_leaves_what_is_kept_back_to_others(memory: Memory) -> None:
    ended, busy, other = memory.open("a"), memory.open("a"), memory.open("b")
    call = ended.sibling()
    await busy.reserve(memory.most)
    await other.reserve(18 * MB)
    ended.close()
    await call.reserve(MB)
    asked = asyncio.ensure_future(other.reserve(MB))
    await settle()
    assert not asked.done()
    call.close()
    await settle()
    assert asked.done()


async def test_a_hold_that_was_closed_while_it_waited_gets_nothing_of_what_is_kept_back(memory: Memory) -> None:
    closed, first, busy, other = (memory.open(owner) for owner in "aaab")
    await busy.reserve(memory.most)
    await other.reserve(18 * MB)
    await first.reserve(MB)
    late = asyncio.ensure_future(closed.reserve(MB))
    await settle()
    closed.close()
    first.close()
    await asyncio.wait_for(other.reserve(MB), 60)
    busy.close()
    other.close()
    await late
    assert memory.used == 0


@pytest.mark.parametrize(
    ("waited", "mine", "theirs", "first"),
    [
        pytest.param(0.0, 9, 1, True, id="nobody has waited for long"),
        pytest.param(AGED, 1, 2, True, id="who would hold less than the one that waits goes first"),
        pytest.param(AGED, 2, 2, True, id="who would hold as much goes first"),
        pytest.param(AGED, 3, 2, False, id="who would hold more lets it go first"),
        pytest.param(ANCIENT, 1, 2, False, id="in the end everybody lets it go first"),
    ],
)
def test_who_goes_before_the_one_that_has_waited_longest(waited: float, mine: int, theirs: int, first: bool) -> None:
    assert goes_first(waited, mine, theirs) is first


@pytest.mark.parametrize("size", [17 * MB, 24 * MB, 40 * MB], ids=lambda size: f"{size // MB} MiB")
@pytest.mark.parametrize("owners", [3, 40])
async def test_who_wants_much_at_once_is_served_however_many_want_a_little_again_and_again(
    size: int, owners: int, memory: Memory, clock: VirtualClock
) -> None:
    async def little(owner: str) -> None:
        while True:
            with holding(memory.open(owner)):
                await reserve(3 * MB)
                await clock.sleep(0.5)

    crowd = [asyncio.ensure_future(little(f"ns-{n % owners}")) for n in range(80)]
    await clock.advance(10)
    wants = asyncio.ensure_future(memory.open("big").reserve(size))
    for _ in range(int(2 * ANCIENT) + 60):
        await clock.advance(1)
        assert memory.used <= memory.total
    assert wants.done()
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)


async def test_a_newcomer_finds_room_beside_one_that_has_waited_for_ever(memory: Memory, clock: VirtualClock) -> None:
    busy = await filled(memory, "a", 4 * MB)
    wants = asyncio.ensure_future(memory.open("b").reserve(60 * MB))
    await clock.advance(10 * ANCIENT)
    assert not wants.done()
    await asyncio.wait_for(memory.open("c").reserve(module.SMALL), 60)
    more = asyncio.ensure_future(memory.open("d").reserve(2 * MB))
    await settle()
    assert not more.done()
    busy.close()
    await settle()
    assert wants.done()


async def test_who_waits_for_its_own_passes_holds_up_nobody_else(memory: Memory, clock: VirtualClock) -> None:
    """Else one namespace with slow backends could keep all others at what is kept back for them."""
    busy = await filled(memory, "a")
    waiting = [asyncio.ensure_future(memory.open("a").reserve(memory.total // 7)) for _ in range(3)]
    await clock.advance(10 * ANCIENT)
    await asyncio.wait_for(memory.open("b").reserve(2 * MB), 60)
    assert busy.size and not all(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


@pytest.mark.parametrize("seed", range(20))
async def test_every_hold_is_served_while_others_end(seed: int, clock: VirtualClock) -> None:
    """Whatever is asked for, by whom and in which order."""
    chance, memory = random.Random(seed), Memory(32 * MB, clock)
    longest = 0.0

    async def one(owner: str) -> None:
        nonlocal longest
        while True:
            with holding(memory.open(owner)):
                began = clock.monotonic()
                await reserve(int(chance.choice((0.1, 1, 5, 10, 18)) * MB * chance.random()) + 1)
                longest = max(longest, clock.monotonic() - began)
                await clock.sleep(chance.random())
            await clock.sleep(chance.random() / 10)

    tasks = [asyncio.ensure_future(one(f"ns-{chance.randrange(12)}")) for _ in range(40)]
    for _ in range(300):
        await clock.advance(1)
        assert memory.used <= memory.total
    waiting = [one.since for queue in memory._waiting.values() for one in queue._arrived]
    longest = max([longest, *(clock.monotonic() - since for since in waiting)])
    assert longest < 3 * ANCIENT
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (memory.used, memory.waiting, clock.timers) == (0, 0, 0)


async def test_a_slot_is_given_back_for_as_long_as_memory_is_waited_for(memory: Memory) -> None:
    slots, busy = FairSlots(1), await filled(memory, "a")
    had = list[str]()

    async def wants(name: str) -> None:
        with holding(memory.open("a")):
            async with slots.slot("a"):
                await reserve(2 * MB)
                had.append(name)

    waiting = asyncio.ensure_future(wants("waited"))
    await settle()
    async with slots.slot("b"):
        busy.give_back(8 * MB)
        await settle()
        assert had == [], "it has its memory, and waits for the slot"
    await waiting
    assert (had, slots.free) == (["waited"], 1)


async def test_a_slot_that_waits_for_memory_may_be_cancelled_at_any_await(memory: Memory) -> None:
    slots, busy = FairSlots(1), await filled(memory, "a")
    taken = memory.used

    async def wants() -> None:
        with holding(memory.open("a")):
            async with slots.slot("a"):
                asyncio.get_running_loop().call_soon(busy.give_back, 3 * MB)
                await reserve(2 * MB)

    async for _ in every_await(wants):
        await settle()
        assert (slots.free, slots._held, memory.waiting) == (1, {}, 0)
        busy.take(taken - memory.used)


async def test_of_several_tasks_of_a_slot_the_last_that_comes_back_takes_it_again(memory: Memory) -> None:
    slots, busy = FairSlots(1), await filled(memory, "a")
    with holding(memory.open("a")):
        async with slots.slot("a"):
            first, second = (asyncio.ensure_future(reserve(2 * MB)) for _ in range(2))
            await settle()
            assert slots.free == 1
            busy.give_back(3 * MB)
            await settle()
            assert (first.done(), second.done(), slots.free) == (True, False, 1)
            busy.give_back(3 * MB)
            await asyncio.wait([second])
            assert slots.free == 0
        assert slots.free == 1


@pytest.mark.parametrize("seed", range(20))
async def test_passes_that_grow_step_by_step_all_come_to_an_end(seed: int, clock: VirtualClock) -> None:
    chance, memory = random.Random(seed), Memory(16 * MB, clock)
    ended = []

    async def one(n: int) -> None:
        while True:
            try:
                with holding(memory.open(f"ns-{n % 5}")):
                    for _ in range(chance.randrange(1, 6)):
                        with scratch() as spare:
                            await reserve(chance.randrange(1, 2 * MB))
                            await clock.sleep(chance.random())
                            spare.keep(chance.randrange(MB))
                ended.append(n)
                return
            except NoMemory:
                await clock.sleep(1 + n / 10)

    tasks = [asyncio.ensure_future(one(n)) for n in range(60)]
    for _ in range(200):
        await clock.advance(10)
        assert memory.used <= memory.total
        if all(task.done() for task in tasks):
            break
    assert len(ended) == 60
    assert (memory.used, memory.waiting, clock.timers) == (0, 0, 0)


SHAPES: dict[str, Any] = {
    "maps of lists": [{"a": []}] * 20_000,
    "maps": [{}] * 20_000,
    "lists": [[]] * 20_000,
    "numbers": [123_456_789 + n for n in range(20_000)],
    "floats": [n + 0.5 for n in range(20_000)],
    "short texts": [f"{n:02}" for n in range(20_000)],
    "members": {f"k{n}": f"v{n}" for n in range(20_000)},
    "nested members": {f"k{n}": {"x": f"v{n}", "y": {"z": n}} for n in range(5_000)},
    "one wide text": "x" * 400_000 + "\U0001f600",
    "one narrow text": "x" * 400_000,
}


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_price_of_a_tree_covers_what_it_takes(shape: str, escaped: bool) -> None:
    body = json.dumps(SHAPES[shape], ensure_ascii=escaped).encode()
    for read in (json.loads, orjson.loads):
        tracemalloc.start()
        tree = read(body)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert taken <= decoded(body), f"{taken / len(body):.1f} bytes for each"
        del tree


def test_the_price_of_a_map_covers_what_it_takes() -> None:
    tracemalloc.start()
    values = {f"key-{n}": b"%d" % n for n in range(50_000)}
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken <= volume(values) < 3 * taken
    assert sys.getsizeof(values) < volume(values)


def test_the_constants_leave_room_for_a_newcomer_in_the_least_budget() -> None:
    assert module.SMALL * 4 <= 32 * MB // 4


async def test_tasks_of_a_slot_that_wait_for_it_at_the_same_time_take_one_slot() -> None:
    slots, had, more, again = FairSlots(4), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def away(begin: asyncio.Event, end: asyncio.Event) -> None:
        await begin.wait()
        async with without():
            await end.wait()

    async def block() -> None:
        async with slots.slot("a"), asyncio.TaskGroup() as group:
            group.create_task(away(had, more))
            group.create_task(away(again, again))

    had.set()
    task = asyncio.ensure_future(block())
    await settle()
    for other in "bcde":
        await slots.acquire(other)
    more.set()
    await settle()
    again.set()
    await settle()
    for other in "bcde":
        slots.release(other)
    await task
    assert (slots.free, slots._held) == (4, {})
