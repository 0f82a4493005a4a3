"""key → pass → outcome: runs passes side by side and brings each outcome back to the queue.

Neighbours: workqueue.py says which key is next, the reconcile rooms are the pass, lifecycle.py starts and stops it.
Never looks inside a pass. No exception of a pass, a meter or the queue ends it.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from eso.errors import EsoError, bare
from eso.observe import redact
from eso.observe.log import Log
from eso.observe.meter import UNCOUNTED
from eso.runtime.clock import Clock, Timer
from eso.runtime.deadline import deadline
from eso.runtime.fence import Fence
from eso.runtime.memory import Memory, holding
from eso.runtime.outcome import After, Done, Fatal, Outcome, Parked, Retry, Wake
from eso.runtime.schedule import Key
from eso.runtime.workqueue import QueueClosed, WorkQueue

Reconcile = Callable[[Key, Wake, datetime], Awaitable[Outcome]]

SLOW: Final = 5.0  # seconds from which on a pass keeps no slot that others could use
LOOK: Final = 1.0  # seconds between two looks for such passes
# Passes that begin in one turn of the loop: what large objects ask for before their first wait adds up, and with fewer
# those that are due later wait for a turn for each of thousands before them.
TOGETHER: Final = 4
QUEUE_PAUSE: Final = 1.0  # seconds after the queue itself failed: a bug that stays must not spin


LEND: ContextVar[Callable[[], bool] | None] = ContextVar("lend", default=None)


def lend_slot() -> bool:
    """The pass that calls this goes on without its slot: the rest of it can wait for others. False when it has to keep
    the slot, and outside of a pass."""
    lend = LEND.get()
    return lend is not None and lend()


class Meter(Protocol):
    def passed(self, result: str, seconds: float) -> None:
        """`result`: success, requeue_after, requeue, error; or parked, which the reference does not know."""

    def failed(self, *, terminal: bool = False, panic: bool = False) -> None: ...


class Controller:
    """At most `workers` passes are in flight, and a few times as many that have been so for long and only wait.

    `kind` and `group` name the objects in log lines. `memory`: the budget that passes spend; None where nobody counts.
    `pass_seconds`: after which a pass is ended, wherever it is.
    """

    def __init__(
        self,
        name: str,
        queue: WorkQueue,
        reconcile: Reconcile,
        clock: Clock,
        workers: int,
        *,
        log: Log,
        meter: Meter = UNCOUNTED,
        kind: str = "",
        group: str = "external-secrets.io",
        grace_seconds: float = 20.0,
        memory: Memory | None = None,
        pass_seconds: float = math.inf,
    ) -> None:
        self.name, self.queue, self.workers, self.grace_seconds = name, queue, workers, grace_seconds
        self.reconcile, self._clock, self._log, self._meter = reconcile, clock, log, meter
        self._kind, self._group, self._memory = kind or name, group, memory
        self._pass_seconds = pass_seconds
        self._fence = Fence(name, log)
        self._slots = asyncio.Semaphore(workers)
        self._in_hand: set[asyncio.Task[None]] = set()
        self._lent: set[Key] = set()  # keys whose passes have given up their slots
        self._look: Timer | None = None

    @property
    def in_flight(self) -> int:
        """Passes that run now."""
        return len(self._in_hand)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set and the passes in hand have ended: by themselves within the grace, then by
        cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dispatch(group), name=f"{self.name}-dispatch")
            await stop.wait()
            self.queue.close()  # no new keys; a pass in hand may finish, because half a write is worse than a late exit
            cut = self._clock.call_later(self.grace_seconds, self.cut_off)
        cut.cancel()
        if self._look is not None:
            self._look.cancel()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        begun = 0
        while True:
            # First the slot, then the key: while a key waits in the queue, a better one can overtake it.
            await self._slots.acquire()
            try:
                key, wake = await self._next()
            except QueueClosed:
                return
            task = group.create_task(self._pass(key, wake), name=f"{self.name}-{key[0]}/{key[1]}")
            self._in_hand.add(task)
            if self._look is None:
                self._look = self._clock.call_later(LOOK, self._lend)
            task.add_done_callback(partial(self._over, key))
            begun += 1
            if begun % TOGETHER == 0:
                await asyncio.sleep(0)

    def _over(self, key: Key, task: asyncio.Task[None]) -> None:
        """Gives the slot back. Not in a `finally` of the pass: one that is cut off before it began runs none."""
        self._in_hand.discard(task)
        if key in self._lent:
            self._lent.discard(key)
        else:
            self._slots.release()

    def _lend(self) -> None:
        """A pass that takes long waits for something: its slot goes to another one meanwhile."""
        for key in self.queue.lend(SLOW):
            self._lent.add(key)
            self._slots.release()
        self._look = self._clock.call_later(LOOK, self._lend) if self._in_hand else None

    def _lend_one(self, key: Key) -> bool:
        if key in self._lent:
            return True
        if not self.queue.lend_one(key):
            return False
        self._lent.add(key)
        self._slots.release()
        return True

    async def _next(self) -> tuple[Key, Wake]:
        """The next key, however often the queue itself fails. Raises QueueClosed."""
        while True:
            try:
                return await self.queue.get()
            except QueueClosed:
                raise
            except Exception as error:
                self._log.error(
                    "the work queue failed and is asked again",
                    controller=self.name,
                    error=type(error).__name__,
                    stacktrace=redact.stack(error),
                )
                await self._clock.sleep(QUEUE_PAUSE)

    async def _pass(self, key: Key, wake: Wake) -> None:
        began = self._clock.monotonic()
        outcome: Outcome = Retry()
        LEND.set(partial(self._lend_one, key))  # the task's own context
        try:
            outcome = await self._outcome(key, wake)
        finally:
            self.queue.done(key, outcome)
        self._fence.ask(None, self._meter.passed, result_of(outcome), self._clock.monotonic() - began)

    async def _outcome(self, key: Key, wake: Wake) -> Outcome:
        try:
            with holding(self._memory.open(key[0]) if self._memory is not None else None):
                outcome = await self._in_time(key, wake)
        except EsoError as error:
            outcome = Retry(error) if error.retryable else Fatal(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._unexpected(key, error)  # a task inside the pass was cancelled, not the pass
        except Exception as error:
            return self._unexpected(key, error)
        match outcome:
            case Retry(error=cause) if cause is not None:
                self._fence.ask(None, self._meter.failed)
                self._tell(key, bare(cause))
            case Fatal(error=cause):
                self._fence.ask(None, self._meter.failed, terminal=True)
                self._tell(key, bare(cause))
        return outcome

    async def _in_time(self, key: Key, wake: Wake) -> Outcome:
        if self._pass_seconds == math.inf:
            return await self.reconcile(key, wake, self._clock.now())
        async with deadline(self._clock, self._pass_seconds):
            return await self.reconcile(key, wake, self._clock.now())

    def _tell(self, key: Key, error: Exception) -> None:
        # Only the text of our own errors is known to hold no value.
        text = str(error) if isinstance(error, EsoError) else type(error).__name__
        self._log.error("Reconciler error", **self._who(key), error=redact.scrub(text))

    def _unexpected(self, key: Key, error: BaseException) -> Outcome:
        """A bug in our code: logged with its type and its stack, without any value. The key runs again, because its
        object is not to blame."""
        self._fence.ask(None, self._meter.failed, panic=True)
        self._log.error(
            "Observed a panic", **self._who(key), error=type(error).__name__, stacktrace=redact.stack(error)
        )
        return Retry(EsoError(f"unexpected {type(error).__name__}"))

    def _who(self, key: Key) -> dict[str, Any]:
        namespace, name = key
        return {
            "controller": self.name,
            "controllerGroup": self._group,
            "controllerKind": self._kind,
            self._kind: {"name": name, "namespace": namespace},
            "namespace": namespace,
            "name": name,
            "reconcileID": str(uuid.uuid4()),
        }

    def cut_off(self) -> None:
        """Cancels the passes in hand."""
        if self._in_hand:
            self._log.warning(
                "passes still in hand after the grace period are cut off",
                controller=self.name,
                passes=len(self._in_hand),
            )
        for task in self._in_hand:
            task.cancel()


def result_of(outcome: Outcome) -> str:
    match outcome:
        case Done():
            return "success"
        case After():
            return "requeue_after"
        case Retry(error=None):
            return "requeue"
        case Parked():
            return "parked"
        case _:
            return "error"
