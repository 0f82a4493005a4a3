"""Matching and bounds of one search."""

from __future__ import annotations

import asyncio
import pickle

import msgspec
import pytest

from eso.app.calls import CALLS
from eso.errors import EsoError
from eso.gocompat.regexp import TooCostly
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed
from eso.providers.kit import search
from eso.runtime.clock import SystemClock
from eso.runtime.pool import OutOfTime, Pool
from tests.fakes.cancel import every_await


async def test_a_name_is_searched_not_matched_whole() -> None:
    assert await search.by_name(Find(name_regexp="db$")).among(("prod-db", "db-prod", "db")) == ["prod-db", "db"]
    assert await search.by_name(Find()).among(["anything"]) == ["anything"]


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


class Apart:
    """A worker's calls without its process. `asked`: by whom, and how many names at a time."""

    def __init__(self, reply: bytes | EsoError | None = None) -> None:
        self.reply, self.asked = reply, list[tuple[str, int]]()

    async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes:
        self.asked.append((namespace, len(pickle.loads(body)[1])))
        if isinstance(self.reply, EsoError):
            raise self.reply
        return CALLS[name](body) if self.reply is None else self.reply


async def test_cheap_names_are_matched_where_they_are_dear_ones_elsewhere() -> None:
    served = Apart()
    with search.apart(served, "team-a"):
        wanted = search.by_name(Find(name_regexp="7$"))
        assert await wanted.among(["17", "18"]) == ["17"]
        assert served.asked == []
        names = [str(number) for number in range(3000)]
        assert await wanted.among(names) == [name for name in names if name[-1] == "7"]
        assert served.asked == [("team-a", 3000)]
        dear = search.by_name(Find(name_regexp="(?:a?b?){600}$"))
        assert await dear.these(["a" * 200]) == {"a" * 200}
        assert served.asked == [("team-a", 3000), ("team-a", 1)]
        assert await search.by_name(Find()).among(names) == names
    assert len(served.asked) == 2
    assert await dear.among(["b" * 200]) == ["b" * 200], "without processes it is matched in place"


async def test_one_name_and_one_search_cost_no_more_than_they_may() -> None:
    dear = "(?:x?y?){1000}"
    with search.apart(Apart(), "team-a"):
        with pytest.raises(TooCostly, match="5000 steps"):
            await search.by_name(Find(name_regexp=dear)).among(["x" * 10_000])
        wanted = search.by_name(Find(name_regexp=dear))
        with pytest.raises(TooCostly, match="4000000 steps"):
            for _ in range(1000):
                await wanted.among(["x" * 100] * 2)


@pytest.mark.parametrize(
    "name",
    ["é", "\udcff", "\ud800", "\ud800\udc00", "a\x00b", "€" * 300],
    ids=["not ASCII", "a byte that is no text", "half a pair", "both halves", "a zero byte", "wide"],
)
async def test_a_name_of_any_kind_is_matched_here_and_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await search.by_name(Find(name_regexp="(?s)^.")).among([name]) == [name]
    monkeypatch.setattr(search, "CHEAP", -1)
    with search.apart(Apart(), "team-a"):
        assert await search.by_name(Find(name_regexp="(?s)^.")).among([name]) == [name]


@pytest.mark.parametrize(
    "reply",
    [b"", b"\xff", msgspec.msgpack.encode([2]), msgspec.msgpack.encode([-1]), msgspec.msgpack.encode(["0"])],
    ids=["nothing", "another form", "a place behind the last", "a place before the first", "a text"],
)
async def test_a_worker_that_was_taken_over_names_nothing_that_was_not_asked(
    reply: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CHEAP", -1)
    with search.apart(Apart(reply), "team-a"), pytest.raises(Malformed):
        await search.by_name(Find(name_regexp=".")).among(["a", "b"])


async def test_a_search_that_takes_too_long_fails_with_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CHEAP", -1)
    late = OutOfTime("the computation takes longer than 10 s")
    with search.apart(Apart(late), "team-a"), pytest.raises(InvalidConfig, match="longer than 10 s"):
        await search.by_name(Find(name_regexp=".")).among(["a"])


async def test_a_real_process_matches() -> None:
    pool = Pool("eso.app.calls", SystemClock())
    names = [f"team/app-{number}" for number in range(5000)]
    try:
        with search.apart(pool, "team-a"):
            wanted = search.by_name(Find(name_regexp="app-.*99$"))
            assert await wanted.among(names) == [name for name in names if name.endswith("99")]
    finally:
        pool.close()
