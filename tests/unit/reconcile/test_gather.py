"""Reading together, within bounds."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from eso.errors import MOST_TEXT, EsoError
from eso.providers.contract import SecretNotFound
from eso.reconcile.externalsecret import gather as gather_module
from eso.reconcile.externalsecret.gather import gather
from eso.reconcile.externalsecret.readplan import read_plan
from eso.runtime.memory import Memory, holding, reserve
from eso.secretbytes import SecretBytes
from tests.fakes.clock import VirtualClock
from tests.unit.reconcile.objects import es
from tests.unit.stores.backends import World
from tests.unit.stores.test_reader import running


class Large:
    """Every value has a kilobyte. Counts what is asked for, and how much at a time."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, *_: Any, **__: Any) -> SecretBytes:
        self.asked += 1
        return SecretBytes(b"x" * 1_000)

    async def read_map(self, *_: Any, **__: Any) -> dict[str, SecretBytes]:
        return {"a": await self.read()}

    find = read_map


def entries(count: int) -> list[dict[str, Any]]:
    return [{"secretKey": f"k{n}", "remoteRef": {"key": f"r{n}"}} for n in range(count)]


async def test_results_stand_in_the_order_of_the_plan_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 4)
    plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(10)))
    assert [read for read, _ in await gather(plan, Large(), "ns", None)] == list(plan)


@pytest.mark.parametrize(
    "spec",
    [
        {"data": entries(10)},
        {"dataFrom": [{"extract": {"key": f"k{n}"}} for n in range(10)]},
        {"dataFrom": [{"find": {}}] * 10},
    ],
)
async def test_a_pass_holds_only_so_much_and_asks_for_no_more(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 1)
    monkeypatch.setattr(gather_module, "MOST_BYTES", 4_000)
    reader = Large()
    results = await gather(read_plan(es(secretStoreRef={"name": "s"}, **spec)), reader, "ns", None)
    assert [isinstance(result, EsoError) for _, result in results] == [False] * 3 + [True]
    assert "more than 4000 bytes" in str(results[-1][1])
    assert reader.asked == 4


async def test_the_reads_of_many_large_passes_begin_in_turn() -> None:
    """Thousands that began in one turn of the loop would hold up everybody."""
    loop, turn, begun = asyncio.get_running_loop(), 0, Counter[int]()

    def count() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count)

    class Turns(Large):
        async def read(self, *_: Any, **__: Any) -> SecretBytes:
            begun[turn] += 1
            return await super().read()

    count()
    plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(400)))
    await asyncio.gather(*(gather(plan, Turns(), f"ns-{n % 3}", None) for n in range(20)))
    assert begun.total() == 20 * 400
    assert max(begun.values()) <= 2 * gather_module.TOGETHER


class Failing:
    """Every read fails, with a long text and frames that hold something."""

    def __init__(self, error: type[EsoError] = EsoError) -> None:
        self.asked, self.error = 0, error

    async def read(self, *_: Any, **__: Any) -> SecretBytes:
        self.asked += 1
        try:
            raise ValueError("x" * 100_000)
        except ValueError:
            raise self.error("y" * 100_000) from EsoError("z" * 100_000)

    read_map = find = read


async def test_a_pass_that_has_failed_asks_for_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 10)
    reader = Failing()
    results = await gather(read_plan(es(secretStoreRef={"name": "s"}, data=entries(7_000))), reader, "ns", None)
    assert (reader.asked, len(results)) == (10, 10)


async def test_what_is_proven_missing_is_no_failure_where_it_may_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 10)
    reader = Failing(SecretNotFound)
    plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(25)))
    assert len(await gather(plan, reader, "ns", None, skip_missing=True)) == reader.asked == 25


async def test_errors_of_a_pass_keep_neither_frames_nor_long_texts() -> None:
    results = await gather(read_plan(es(secretStoreRef={"name": "s"}, data=entries(2))), Failing(), "ns", None)
    for _, error in results:
        assert isinstance(error, EsoError) and len(str(error)) == MOST_TEXT
        assert [one.__traceback__ for one in (error, error.__cause__) if one is not None] == [None] * 2
        assert error.__context__ is None
        assert len(str(error.__cause__)) == MOST_TEXT


async def test_reads_on_their_way_are_counted_and_given_back() -> None:
    memory = Memory(64 << 20, VirtualClock())
    hold = memory.open("ns")
    with holding(hold):
        await gather(
            read_plan(es(secretStoreRef={"name": "s"}, data=entries(gather_module.TOGETHER))), Large(), "ns", None
        )
        assert (memory.used, memory.peak) == (0, gather_module.TOGETHER * gather_module.READ)


class Slow(Large):
    """The first value is there at once; the others come when they are told."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.ended = asyncio.Event(), 0

    async def read(self, *args: Any, **rest: Any) -> SecretBytes:
        value = await super().read()
        if self.asked > 1:
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.ended += 1
                raise
        return value


async def test_reads_on_their_way_end_once_the_pass_is_over_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "MOST_BYTES", 10)
    reader = Slow()
    plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(10)))
    with holding(Memory(64 << 20, VirtualClock()).open("ns")):
        ((read, error),) = await asyncio.wait_for(gather(plan, reader, "ns", None), 60)
        assert read is plan[0]
        assert isinstance(error, EsoError)
        assert "more than 10 bytes" in str(error)
        await reserve(1)  # what the pass has to tell, it can


async def test_the_values_of_a_pass_stay_counted_until_it_ends() -> None:
    memory = Memory(64 << 20, VirtualClock())
    async with running(World()) as world:
        world.backend.values |= {"a": b"x" * 5_000, "b": b"y" * 6_000}
        plan = read_plan(
            es(
                secretStoreRef={"name": "main"},
                data=[{"secretKey": key, "remoteRef": {"key": key}} for key in ("a", "b")],
                dataFrom=[{"find": {}}],
            )
        )
        with holding(memory.open("team-a")):
            await gather(plan, world.reader.reads, "team-a", None)
            assert 22_000 <= memory.used < 24_000
        assert memory.used == 0


class Missing(Large):
    async def read(self, *_: Any, **__: Any) -> SecretBytes:
        raise SecretNotFound("no such entry")


async def test_failed_reads_count_until_the_pass_ends() -> None:
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("ns")):
        plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(300)))
        await gather(plan, Missing(), "ns", None, skip_missing=True)
        assert memory.used == 300 * gather_module.ERROR
    assert memory.used == 0
