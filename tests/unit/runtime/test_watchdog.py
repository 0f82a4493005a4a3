"""The watchdog, looked at from outside: a fake monotonic clock, and once the real thread while the loop really stands
still."""

from __future__ import annotations

import asyncio
import threading

import pytest

from eso.runtime.watchdog import BEAT_SECONDS, LOOP, Level, Limit, Reading, Watchdog, judge
from tests.fakes.clock import settle, until


class Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda event, **fields: self.lines.append((level, event, fields))


class Meter:
    def __init__(self):
        self.breaches = []
        self.happened = threading.Event()

    def breached(self, measure):
        self.breaches.append(measure)
        self.happened.set()


class Bench:
    def __init__(self):
        self.time, self.log, self.meter = 0.0, Log(), Meter()
        self.dog = Watchdog(log=self.log, meter=self.meter, loop_lag=Limit(1, 30), monotonic=lambda: self.time)

    def levels(self):
        return [level for level, _, _ in self.log.lines]


@pytest.mark.parametrize(
    ("seconds", "limit", "level"),
    [
        pytest.param(0.9, Limit(1, 30), Level.FINE, id="below both limits"),
        pytest.param(1, Limit(1, 30), Level.SLOW, id="at the first limit"),
        pytest.param(30, Limit(1, 30), Level.STUCK, id="at the second limit"),
        pytest.param(10_000, Limit(1), Level.SLOW, id="without a second limit it is never stuck"),
    ],
)
def test_a_reading_is_judged_by_its_limit(seconds, limit, level):
    assert judge(Reading(seconds), limit) is level


def test_a_loop_that_beats_is_fine():
    bench = Bench()
    for _ in range(100):
        bench.dog.beat()
        bench.time += BEAT_SECONDS
        bench.dog.inspect()
    assert (bench.dog.unhealthy(), bench.log.lines, bench.meter.breaches) == ("", [], [])


def test_before_the_first_beat_nothing_is_judged():
    bench = Bench()
    bench.time = 1000
    bench.dog.inspect()
    assert bench.dog.unhealthy() == ""


def test_a_loop_that_stands_still_is_told_once_then_unhealthy_then_told_when_it_is_back():
    bench = Bench()
    bench.dog.beat()
    bench.time = 5
    bench.dog.inspect()
    bench.dog.inspect()
    assert (bench.levels(), bench.dog.unhealthy(), bench.meter.breaches) == (["warning"], "", [LOOP])
    assert "test_watchdog.py" in bench.log.lines[0][2]["stack"]
    bench.time = 31
    bench.dog.inspect()
    assert bench.levels() == ["warning", "error"]
    assert bench.dog.unhealthy() == "loop lag 31s"
    bench.dog.beat()
    bench.dog.inspect()
    assert (bench.levels(), bench.dog.unhealthy()) == (["warning", "error", "info"], "")


def test_what_is_measured_names_what_is_late():
    bench = Bench()
    age = Reading(0)
    bench.dog.watch("oldest overdue key", lambda: age, Limit(60, 900))
    for seconds in (59, 60, 899, 900):
        age = Reading(seconds, "shop/a")
        bench.dog.beat()
        bench.dog.inspect()
    assert bench.levels() == ["warning", "error"]
    assert bench.dog.unhealthy() == "oldest overdue key 900s shop/a"
    assert bench.dog.readings() == {LOOP: 0.0, "oldest overdue key": 900}


async def test_a_task_that_ended_makes_the_process_unhealthy_until_it_is_not_expected_any_more():
    bench = Bench()
    alive = asyncio.create_task(asyncio.Event().wait(), name="informer")
    dead = asyncio.create_task(asyncio.sleep(0), name="events")
    with bench.dog.expecting(alive, dead):
        assert bench.dog.unhealthy() == ""
        await settle()
        bench.dog.inspect()
        bench.dog.inspect()
        assert bench.dog.unhealthy() == "dead task: events"
        assert bench.levels() == ["error"]
        assert bench.log.lines[0][2]["task"] == "events"
    assert bench.dog.unhealthy() == ""
    alive.cancel()


async def test_the_thread_notices_that_the_loop_stands_still():
    meter, log = Meter(), Log()
    dog = Watchdog(log=log, meter=meter, loop_lag=Limit(0.5, 3600), period_seconds=0.01)
    running = asyncio.ensure_future(dog.run())
    await settle()
    assert meter.happened.wait(120), "the loop stood still right here"
    running.cancel()
    await settle()
    assert running.cancelled()
    assert meter.breaches == [LOOP]
    await until(lambda: bool(log.lines))  # the thread counts first
    assert "test_the_thread_notices_that_the_loop_stands_still" in log.lines[0][2]["stack"]
