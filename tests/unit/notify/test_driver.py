"""What asks driven sources: one task each, bounded, and no failure of one reaches another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from eso.api.changesource import ChangeSourceSpec, Driven, Failing, Poll, Starting, Working
from eso.notify.driver import FULL, GOODBYE, LONGEST_PAUSE, MOST, MOST_OF_NAMESPACE, Driver, Key
from eso.providers.contract import AuthExpired, Throttled, Unavailable
from eso.runtime.memory import Memory, holding, reserve
from tests.fakes.clock import VirtualClock
from tests.harness.inprocess import Log

SPEC = ChangeSourceSpec(poll=Poll())
KEY = ("team", "source")


class Steps:
    """Ends a step with the next of `script`; with 60 s when there is none."""

    def __init__(self, script: list[float | Exception]) -> None:
        self.script, self.steps, self.closed, self.slow = script, 0, 0, False

    async def step(self) -> float:
        self.steps += 1
        answer = self.script.pop(0) if self.script else 60.0
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed += 1
        if self.slow:
            await asyncio.Event().wait()


class Desk:
    def __init__(self) -> None:
        self.clock, self.told, self.log = VirtualClock(), list[Key](), Log()
        self.begun: list[tuple[Key, Driven, Steps]] = []
        self.scripts: dict[Key, list[float | Exception]] = {}
        self.driver = Driver({"poll": self.begin}, self.told.append, self.clock, self.log)

    def begin(self, key: Key, driven: Driven) -> Steps:
        steps = Steps(self.scripts.get(key, []))
        self.begun.append((key, driven, steps))
        return steps

    def put(self, key: Key = KEY, uid: str = "uid", edits: int = 0) -> None:
        self.driver.put(key, Driven(uid, SPEC, (), edits))

    @property
    def steps(self) -> Steps:
        return self.begun[-1][2]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    running = asyncio.ensure_future(made.driver.run())
    await made.clock.advance()
    yield made
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(steps.closed == 1 for _, _, steps in made.begun)


async def test_a_source_is_asked_for_as_long_as_it_is_there(desk: Desk):
    desk.put()
    assert isinstance(desk.driver.health(KEY), Starting)
    await desk.clock.advance(130)
    assert desk.steps.steps == 3 and desk.driver.health(KEY) == Working() and desk.told == [KEY]
    desk.driver.end(KEY)
    await desk.clock.advance(130)
    assert (desk.steps.steps, desk.steps.closed) == (3, 1)


async def test_what_a_step_reads_is_counted_as_its_namespace_s():
    clock = VirtualClock()
    memory, counted = Memory(64 << 20, clock), list[str]()

    class Reading(Steps):
        async def step(self) -> float:
            await reserve(100)
            counted.append(f"{[memory.held_by(name) for name in ('team', 'other')]}")
            return await super().step()

    driver = Driver(
        {"poll": lambda key, driven: Reading([])},
        lambda key: None,
        clock,
        Log(),
        lambda namespace: holding(memory.open(namespace)),
    )
    driver.put(KEY, Driven("uid", SPEC, (), 0))
    running = asyncio.ensure_future(driver.run())
    await clock.advance()
    assert (counted, memory.used) == (["[100, 0]"], 0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_was_put_in_before_the_start_is_asked_after_it():
    made = Desk()
    made.put()
    running = asyncio.ensure_future(made.driver.run())
    await made.clock.advance()
    assert made.steps.steps == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert made.steps.closed == 1


async def test_the_same_source_again_changes_nothing_and_an_edited_one_is_opened_anew(desk: Desk):
    desk.put()
    await desk.clock.advance()
    desk.put()
    assert len(desk.begun) == 1
    desk.put(edits=1)
    await desk.clock.advance()
    assert [steps.closed for _, _, steps in desk.begun] == [1, 0]


async def test_the_source_as_it_was_is_closed_before_it_is_opened_as_it_is(desk: Desk):
    desk.put()
    await desk.clock.advance()
    desk.steps.slow = True
    desk.put(edits=1)
    await desk.clock.advance(1)
    assert len(desk.begun) == 1
    await desk.clock.advance(5)  # a goodbye takes no longer
    assert len(desk.begun) == 2


async def test_a_failure_is_told_once_and_tried_again_later_and_later(desk: Desk):
    desk.scripts[KEY] = [Unavailable("away")] * 4
    desk.put()
    await desk.clock.advance()
    assert desk.driver.health(KEY) == Failing("SourceFailed", "away")
    await desk.clock.advance(1 + 2)
    assert desk.steps.steps == 3 and desk.told == [KEY]
    await desk.clock.advance(3.9)
    assert desk.steps.steps == 3
    await desk.clock.advance(0.1 + 8)
    assert desk.driver.health(KEY) == Working() and desk.told == [KEY, KEY]


async def test_a_server_that_asks_for_a_pause_gets_it_within_bounds(desk: Desk):
    desk.scripts[KEY] = [Throttled("slow down", retry_after=40.0), Throttled("slow down", retry_after=1e9)]
    desk.put()
    await desk.clock.advance(39)
    assert desk.steps.steps == 1
    await desk.clock.advance(1)
    assert desk.steps.steps == 2
    await desk.clock.advance(LONGEST_PAUSE)
    assert desk.steps.steps == 3


async def test_a_login_that_ran_out_is_made_again_at_once_and_is_no_failure_the_first_time(desk: Desk):
    desk.scripts[KEY] = [AuthExpired("over")]
    desk.put()
    await desk.clock.advance()
    assert desk.steps.steps == 2 and desk.driver.health(KEY) == Working()


async def test_a_bug_in_one_source_is_its_own_and_shows_no_text(desk: Desk):
    desk.scripts[KEY] = [ValueError("hunter2")]
    desk.put()
    desk.put(("team", "other"))
    await desk.clock.advance()
    assert desk.driver.health(KEY) == Failing("SourceFailed", "internal error: ValueError")
    assert desk.driver.health(("team", "other")) == Working()
    assert "hunter2" not in str(desk.log.lines)


async def test_a_kind_without_code_is_told(desk: Desk):
    desk.driver.put(KEY, Driven("uid", ChangeSourceSpec(sqs={}), ()))
    assert desk.driver.health(KEY) == Failing("Unsupported", "this version has no source sqs")


async def test_one_namespace_has_its_share_of_sources_and_a_place_that_is_free_is_taken(desk: Desk):
    keys = [("team", f"source-{n}") for n in range(MOST_OF_NAMESPACE + 1)]
    for key in keys:
        desk.put(key)
    desk.put(("other", "source"))
    await desk.clock.advance()
    late = desk.driver.health(keys[-1])
    assert isinstance(late, Failing) and late.reason == "TooMany"
    assert desk.driver.health(("other", "source")) == Working()
    desk.driver.end(keys[0])
    await desk.clock.advance()
    assert desk.driver.health(keys[-1]) == Working()


async def test_the_process_asks_a_bounded_number_of_sources(desk: Desk):
    for n in range(MOST + 10):
        desk.put((f"namespace-{n}", "source"))
    await desk.clock.advance()
    assert len(desk.begun) == MOST


async def test_an_edit_of_a_source_that_waits_for_a_place_does_not_push_in(desk: Desk):
    keys = [("team", f"source-{n}") for n in range(MOST_OF_NAMESPACE + 1)]
    for key in keys:
        desk.put(key)
    await desk.clock.advance()
    desk.put(keys[-1], edits=1)
    await desk.clock.advance()
    assert len(desk.begun) == MOST_OF_NAMESPACE
    assert replace(desk.begun[0][1], edits=1) != desk.begun[0][1]


async def test_edits_in_quick_succession_leave_one_login_at_a_time(desk: Desk):
    """Whatever became of the source meanwhile, the next one waits for all that are on their way out."""
    desk.put()
    await desk.clock.advance()
    desk.steps.slow = True
    for edits in (1, 2):
        desk.put(edits=edits)
        await desk.clock.advance()
    desk.driver.end(KEY)
    desk.put(edits=3)
    await desk.clock.advance()
    assert len(desk.begun) == 1, "the first is not closed yet"
    await desk.clock.advance(GOODBYE)
    assert len(desk.begun) == 2 and desk.steps.steps == 1


async def test_namespaces_that_came_first_leave_room_for_those_that_have_none(desk: Desk):
    """Somebody with a few namespaces could take every place there is."""
    many = [
        (f"namespace-{n}", f"source-{i}") for n in range(MOST // MOST_OF_NAMESPACE) for i in range(MOST_OF_NAMESPACE)
    ]
    for key in many:
        desk.put(key)
    await desk.clock.advance()
    assert len(desk.begun) == MOST
    late = [("late", f"source-{n}") for n in range(MOST_OF_NAMESPACE)]
    for key in late:
        desk.put(key)
    await desk.clock.advance()
    working = [key for key in (*many, *late) if desk.driver.health(key) == Working()]
    waiting = [key for key in (*many, *late) if desk.driver.health(key) == Failing("TooMany", FULL)]
    assert len(working) == MOST and len(waiting) == MOST_OF_NAMESPACE
    assert sum(key[0] == "late" for key in working) >= MOST_OF_NAMESPACE - 2
    desk.driver.end(working[0])
    await desk.clock.advance()
    assert sum(desk.driver.health(key) == Working() for key in (*many, *late)) == MOST


async def test_the_end_of_a_source_that_is_not_driven_looks_at_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """Each pass of a webhook is such an end, and of thousands that wait each was held against all others."""
    for n in range(MOST_OF_NAMESPACE + 3):
        desk.put(("team", f"source-{n}"))
    await desk.clock.advance()
    looked: list[Key] = []
    monkeypatch.setattr(Driver, "_start", lambda self, key, job: looked.append(key))
    desk.driver.end(("team", "webhook"))
    desk.driver.end(("team", f"source-{MOST_OF_NAMESPACE + 2}"))
    assert looked == []
    desk.driver.end(("team", "source-0"))
    assert looked == [("team", f"source-{MOST_OF_NAMESPACE + n}") for n in range(2)]
