"""Computing on the loop: slices with the loop's own turns between them, owners in turn."""

from __future__ import annotations

import asyncio

import pytest

from eso.runtime.loopshare import SLICE, LoopShare, in_slices, on_loop
from tests.fakes.cancel import every_await


class Work:
    """Computations that take `seconds` each, on a clock of their own. `done`: who had its turn, None for the loop."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.time, self.done = seconds, 0.0, list[str | None]()
        self.share = LoopShare(lambda: self.time)

    async def run(self, owner: str) -> None:
        def compute() -> None:
            self.time += self.seconds
            self.done.append(owner)

        await self.share.run(owner, compute)

    async def all(self, owners: list[str]) -> list[str | None]:
        async def turns() -> None:
            while True:
                self.done.append(None)
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(self.run(owner)) for owner in owners]
        loop = asyncio.ensure_future(turns())
        await asyncio.wait(tasks)
        loop.cancel()
        return self.done


async def test_however_many_are_due_the_loop_has_its_turn_after_each_slice() -> None:
    done = await Work(SLICE).all(["a"] * 50)
    runs, longest = 0, 0
    for one in done:
        runs = runs + 1 if one else 0
        longest = max(longest, runs)
    assert (done.count("a"), longest) == (50, 1)


async def test_small_ones_share_a_slice_and_wait_for_nobody() -> None:
    work = Work(SLICE / 10)
    await work.all(["a"] * 9)
    assert work.done[:9] == ["a"] * 9


async def test_owners_take_turns() -> None:
    done = await Work(SLICE).all(["greedy"] * 20 + ["other"])
    assert [one for one in done if one].index("other") <= 2


async def test_what_fails_or_is_cancelled_holds_up_nobody() -> None:
    work = Work(SLICE)

    def fails() -> None:
        work.time += SLICE
        raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            await work.share.run("a", fails)

    async def one_after_the_other() -> None:
        await work.run("b")
        await work.run("a")

    async for _ in every_await(one_after_the_other):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.wait_for(work.run("b"), 60)
        await asyncio.sleep(0)


async def test_each_loop_has_a_share_of_its_own() -> None:
    assert await on_loop("a", lambda: 1) == 1
    assert await asyncio.to_thread(lambda: asyncio.run(on_loop("a", lambda: 2))) == 2


async def test_in_each_turn_of_the_loop_one_step_begins_and_owners_take_turns() -> None:
    share, began, turns = LoopShare(), list[tuple[int, str]](), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def step(owner: str) -> None:
        await share.step(owner)
        began.append((turns, owner))

    counting = asyncio.ensure_future(count())
    await asyncio.wait([asyncio.ensure_future(step(owner)) for owner in ["greedy"] * 20 + ["other"]])
    counting.cancel()
    assert len({turn for turn, _ in began}) == len(began) == 21
    assert [owner for _, owner in began].index("other") <= 2
    async for _ in every_await(lambda: step("a")):
        await asyncio.sleep(0)
        await asyncio.wait_for(step("b"), 60)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
async def test_between_two_slices_of_a_long_list_the_loop_has_its_turn(length: int) -> None:
    seen, turns = list[list[int]](), 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    async for some in in_slices(range(length), 2):
        seen.append(some)
        assert turns == len(seen) - 1
        asyncio.get_running_loop().call_soon(turn)
    assert [one for some in seen for one in some] == list(range(length))
    assert all(0 < len(some) <= 2 for some in seen)
