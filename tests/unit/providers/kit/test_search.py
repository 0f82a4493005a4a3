"""Matching and bounds of one search."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from eso.providers.contract import Denied, Find, InvalidConfig
from eso.providers.kit import search
from tests.fakes.cancel import every_await


def test_a_name_is_searched_not_matched_whole():
    matches = search.by_name(Find(name_regexp="db$"))
    assert [name for name in ("prod-db", "db-prod", "db") if matches(name)] == ["prod-db", "db"]
    assert search.by_name(Find())("anything")


def test_an_expression_beyond_re2_is_refused_in_the_words_of_the_reference():
    with pytest.raises(InvalidConfig, match=r"could not compile find.name.regexp \[\(\?=a\)\]: "):
        search.by_name(Find(name_regexp="(?=a)"))


def test_every_wanted_tag_has_to_be_there_with_its_value():
    tags = {"team": "a", "env": "prod"}
    assert search.tagged((("team", "a"),), tags)
    assert search.tagged((), tags)
    assert search.tagged(None, {})
    assert not search.tagged((("team", "a"), ("env", "dev")), tags)


def test_a_search_ends_somewhere():
    walk = search.Walk()
    with pytest.raises(InvalidConfig, match="deeper than 64"):
        walk.enter("/" * 65)
    walk = search.Walk()
    with pytest.raises(InvalidConfig, match="more than 2000 folders"):
        for _ in range(2001):
            walk.enter()
    with pytest.raises(InvalidConfig, match="more than 50000 names"):
        search.Walk().found(range(50_001))
    volume = search.Volume()
    assert volume.counted(b"x" * (32 << 20)) is not None
    with pytest.raises(InvalidConfig, match="more than 33554432 bytes"):
        volume.counted(b"x")


async def test_answers_come_in_order_a_few_at_a_time():
    running = most = 0

    async def ask(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert await search.every(range(20), ask, 4) == [number * 2 for number in range(20)]
    assert most == 4
    assert await search.every([], ask) == []


async def test_the_first_error_ends_a_search():
    asked: list[int] = []

    async def ask(number: int) -> int:
        asked.append(number)
        await asyncio.sleep(0)
        if number == 1:
            raise Denied("no")
        await asyncio.sleep(0)
        return number

    with pytest.raises(Denied):
        await search.every(range(100), ask, 2)
    assert len(asked) < 10


async def test_every_await_of_a_search_may_be_cancelled():
    async def ask(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async for _ in every_await(lambda: search.every(range(3), ask, 2)):
        assert len(asyncio.all_tasks()) == 1


async def test_the_loop_has_its_turns_while_many_names_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SLICE", -1.0)  # over at once
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    names = [str(n) for n in range(100)]
    assert await search.matching(names, lambda name: name.endswith("7")) == [name for name in names if name[-1] == "7"]
    beside.cancel()
    assert turns >= 100


async def test_slices_of_many_searches_are_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SLICE", -1.0)
    order: list[int] = []

    def of(which: int) -> Callable[[str], bool]:
        def wanted(name: str) -> bool:
            order.append(which)
            return True

        return wanted

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    names = [str(n) for n in range(20)]
    found = await asyncio.gather(*(search.matching(names, of(n)) for n in range(5)))
    beside.cancel()
    assert found == [names] * 5
    assert turns >= len(order) == 100
    assert order[:5] == [0, 1, 2, 3, 4]


async def test_a_search_that_is_cancelled_leaves_the_turn_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SLICE", -1.0)
    async for _ in every_await(lambda: search.matching(["a", "b"], lambda name: True)):
        assert await search.matching(["c"], lambda name: True) == ["c"]
