"""Notices that the process has stopped doing its work: a thread outside the loop compares ages with their limits.

Neighbours: wiring.py says what to measure; `observe.health` asks `unhealthy`, `observe.metrics` asks `readings`. The
loop's own part is a beat that reads everything that belongs to the loop; when the beat stays out, that is the finding.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol

from eso.observe.log import Log
from eso.observe.meter import UNCOUNTED

BEAT_SECONDS: Final = 0.25
LOOP: Final = "loop lag"
TASKS: Final = "dead task"


@dataclass(frozen=True, slots=True)
class Reading:
    """How late a measure is, in seconds; `detail` names the key, the resource or the task."""

    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """From `slow_seconds` on a reading is logged, from `stuck_seconds` on the process is unhealthy; None: never."""

    slow_seconds: float
    stuck_seconds: float | None = None


class Level(IntEnum):
    FINE = 0
    SLOW = 1
    STUCK = 2


def judge(reading: Reading, limit: Limit) -> Level:
    if limit.stuck_seconds is not None and reading.seconds >= limit.stuck_seconds:
        return Level.STUCK
    return Level.SLOW if reading.seconds >= limit.slow_seconds else Level.FINE


class Meter(Protocol):
    def breached(self, measure: str) -> None: ...


@dataclass(slots=True)
class _Measure:
    read: Callable[[], Reading]
    limit: Limit
    reading: Reading = Reading()
    level: Level = Level.FINE


class Watchdog:
    """`monotonic` must be real time: a loop that stands still cannot tell the time. `log` and `meter` are called from
    the thread."""

    def __init__(
        self,
        *,
        log: Log,
        meter: Meter = UNCOUNTED,
        loop_lag: Limit = Limit(1.0, 30.0),
        period_seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._meter, self._period, self._monotonic = log, meter, period_seconds, monotonic
        self._measures: dict[str, _Measure] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._told: set[str] = set()
        self._lag = _Measure(Reading, loop_lag)
        self._last_beat: float | None = None
        self._loop_thread: int | None = None

    def watch(self, measure: str, read: Callable[[], Reading], limit: Limit) -> None:
        """`read` is called on the loop and must not wait: for example the age of a watch, or the oldest overdue key of
        a queue."""
        self._measures[measure] = _Measure(read, limit)

    @contextmanager
    def expecting(self, *tasks: asyncio.Task[Any]) -> Iterator[None]:
        """The tasks must live for as long as the block lasts. A task that ends is logged with its name and makes the
        process unhealthy.

        For the code that starts the background tasks of the process: enter the block when they run, leave it before
        they are cancelled. A task that ends by an error also ends its TaskGroup; this is about a task that returns, or
        whose group waits for something that never comes.
        """
        self._tasks.update(tasks)
        try:
            yield
        finally:
            self._tasks.difference_update(tasks)

    async def run(self) -> None:
        """Beats on the loop and watches from a thread, until cancelled."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stopped,), name="watchdog", daemon=True)
        self.beat()
        thread.start()
        try:
            while True:
                await asyncio.sleep(BEAT_SECONDS)  # real time, not the Clock: this is about the loop itself
                self.beat()
        finally:
            stopped.set()

    def beat(self) -> None:
        """The loop is alive: note when, and read what belongs to it."""
        self._loop_thread = threading.get_ident()
        for measure in self._measures.values():
            measure.reading = measure.read()
        self._last_beat = self._monotonic()

    def inspect(self) -> None:
        """One look from the thread. Logs each breach once, and its end."""
        if self._last_beat is not None:
            self._lag.reading = Reading(max(0.0, self._monotonic() - self._last_beat - BEAT_SECONDS))
            self._judge(LOOP, self._lag)
        for name, measure in list(self._measures.items()):
            self._judge(name, measure)
        for name in set(self._dead()) - self._told:
            self._told.add(name)
            self._meter.breached(TASKS)
            self._log.error("watchdog: a task that must live has ended", task=name)

    def unhealthy(self) -> str:
        """Why the process should be restarted; "" while there is no reason. Callable from any thread."""
        if dead := self._dead():
            return f"{TASKS}: {', '.join(dead)}"
        stuck = [
            (name, m.reading) for name, m in ((LOOP, self._lag), *self._measures.items()) if m.level is Level.STUCK
        ]
        return "; ".join(f"{name} {reading.seconds:.0f}s {reading.detail}".rstrip() for name, reading in stuck)

    def readings(self) -> dict[str, float]:
        """Measure → seconds, as last seen."""
        return {name: measure.reading.seconds for name, measure in ((LOOP, self._lag), *self._measures.items())}

    def _dead(self) -> list[str]:
        return sorted(task.get_name() for task in list(self._tasks) if task.done())

    def _judge(self, name: str, measure: _Measure) -> None:
        before, measure.level = measure.level, judge(measure.reading, measure.limit)
        if measure.level > before:
            self._meter.breached(name)
            tell = self._log.error if measure.level is Level.STUCK else self._log.warning
            tell(
                "watchdog: too late",
                measure=name,
                seconds=round(measure.reading.seconds, 3),
                detail=measure.reading.detail,
                stack=self._stack(),
            )
        elif measure.level is Level.FINE and before is not Level.FINE:
            self._log.info("watchdog: back to normal", measure=name)

    def _stack(self) -> str:
        """Where the loop's thread is right now: frames only."""
        frame = sys._current_frames().get(self._loop_thread or 0)
        found = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False) if frame else []
        return "".join(f"\n\t{f.filename}:{f.lineno} {f.name}" for f in reversed(found))

    def _watch(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._period):
            self.inspect()
