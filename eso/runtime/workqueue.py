"""Which key runs next: de-duplication, due times, back-off counts, parked keys. The only timer that wakes a key.

Neighbours: triggers and informers add keys, controller.py takes them and brings back outcomes, `stores.gate` releases
parked keys. Inside: schedule.py knows when a key is due, lanes.py which ready key goes first, parking.py which key
waits at which gate. Belongs to one event loop; no method may be called from another thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol

from eso.observe.log import SILENT, Log
from eso.observe.meter import UNCOUNTED
from eso.runtime.backoff import backoff
from eso.runtime.clock import Clock, Timer
from eso.runtime.fair import Group, alone
from eso.runtime.fence import Fence
from eso.runtime.lanes import Lanes
from eso.runtime.outcome import After, Done, Fatal, Lane, Outcome, Parked, Retry, Wake
from eso.runtime.parking import Parking
from eso.runtime.queuestate import Absent, AtGate, KeyState, Place, Running, Scheduled, Snapshot, Waiting
from eso.runtime.schedule import Key, Schedule

ADMIT_BATCH: Final = 64  # keys that may be parked in one go before the loop gets a turn
NO_EPOCH: Final = -1  # no gate has it: a key whose gate cannot be asked is not parked


class QueueClosed(Exception):
    """No key will come any more."""


class Meter(Protocol):
    """What is counted as it happens; everything else is in `snapshot()`."""

    def added(self) -> None: ...
    def retried(self) -> None: ...
    def started(self, waited_seconds: float) -> None: ...
    def finished(self, seconds: float) -> None: ...


class _State(IntEnum):
    IDLE = 0
    SCHEDULED = 1
    READY = 2
    RUNNING = 3
    PARKED = 4


class _Entry:
    """All that is known of one key. Exists while the key waits, runs or is parked."""

    __slots__ = (
        "due",
        "failures",
        "lane",
        "must_run",
        "ran_lane",
        "reasons",
        "since",
        "started",
        "state",
        "triggered",
        "wake",
        "was_parked",
    )

    def __init__(self) -> None:
        self.state = _State.IDLE
        self.due: float | None = None  # SCHEDULED, READY: since when or until when; RUNNING: set when it must run again
        self.lane = Lane.PERIODIC
        self.reasons: frozenset[str] = frozenset()
        self.triggered: datetime | None = None
        self.since: float | None = None
        self.must_run = False  # edited or deleted: the pass has something to tell, gate or no gate
        self.was_parked = False  # and has not run since: refused again, it keeps its place
        self.failures = 0
        self.wake = Wake()  # of the pass in hand
        self.ran_lane = Lane.PERIODIC
        self.started = 0.0

    def merge(self, wake: Wake) -> None:
        if wake.reasons:
            self.reasons = self.reasons | wake.reasons
        if wake.triggered is not None and (self.triggered is None or wake.triggered > self.triggered):
            self.triggered = wake.triggered
        if wake.since is not None:
            self.since = wake.since if self.since is None else max(self.since, wake.since)


def _admit_all(key: Key) -> Parked | None:
    return None


class WorkQueue:
    """`gate_epoch(gate)` is the gate's epoch now. `admit(key)` is asked before a key is dispatched, and names the
    closed gate at which the key should wait instead. Both answer without waiting; if one raises, the error goes to
    `log` and the key runs.

    `workers`: how many keys run at most (the controller sees to it); no namespace, and no `group` of them, gets them
    all, however many keys it has. 0: no limit is known, so there are no shares.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        gate_epoch: Callable[[str], int],
        admit: Callable[[Key], Parked | None] = _admit_all,
        meter: Meter = UNCOUNTED,
        workers: int = 0,
        group: Group = alone,
        log: Log = SILENT,
    ) -> None:
        self._clock, self._gate_epoch, self._admit, self._meter = clock, gate_epoch, admit, meter
        self._fence = Fence("work queue", log)
        self._entries: dict[Key, _Entry] = {}
        self._timers = Schedule()
        self._lanes = Lanes(workers, group)
        self._running: OrderedDict[Key, _Entry] = OrderedDict()  # the longest first
        self._parking = Parking()
        self._deadlines = Schedule()  # of parked keys
        self._getters: deque[asyncio.Future[None]] = deque()
        self._armed: tuple[float, Timer] | None = None
        self._last_dispatch = clock.monotonic()
        self._closed = False

    # keys come in

    def add(self, key: Key, lane: Lane, reason: str = "", triggered: datetime | None = None) -> None:
        """Run `key` as soon as its lane's turn comes. Merges with what is known of the key already.

        A parked key is admitted or refused anew; in `Lane.NEW` (edited, deleted) it runs even if its gate is closed. A
        running key runs once more.
        """
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        now = self._clock.monotonic()
        since = None if triggered is None else now
        entry.merge(Wake(frozenset((reason,)) if reason else frozenset(), triggered, since))
        if lane is Lane.NEW:
            entry.must_run = True
        if entry.state is _State.PARKED:
            self._unpark(key, entry)
        self._schedule(key, entry, now, lane)

    def release(self, gate: str, count: int) -> int:
        """Let at most `count` keys out of `gate`, by lane, then the longest parked. Returns how many there were."""
        released = 0
        while released < count and (key := self._parking.next(gate)) is not None:
            entry = self._entries[key]
            self._schedule(key, entry, self._clock.monotonic(), self._unpark(key, entry))
            released += 1
        return released

    def close(self) -> None:
        """Hand out no more keys: every `get` raises QueueClosed. Outcomes are still taken."""
        self._closed = True
        if self._armed is not None:
            self._armed[1].cancel()
            self._armed = None
        for _ in self._getters:
            self._wake_getter()

    # keys go out, outcomes come back

    async def get(self) -> tuple[Key, Wake]:
        """The next key and why it runs; the caller owns it until `done`. Raises QueueClosed."""
        while not self._closed:
            taken = self._take(self._clock.monotonic())
            if taken is not None:
                return taken
            if self._lanes.any_ready():
                await asyncio.sleep(0)  # ADMIT_BATCH keys were parked or held: give the loop a turn
                continue
            await self._wait()
        raise QueueClosed

    def done(self, key: Key, outcome: Outcome) -> None:
        """What came of the pass. Raises LookupError when `key` is not running."""
        entry = self._running.pop(key)
        now = self._clock.monotonic()
        self._fence.ask(None, self._meter.finished, now - entry.started)
        again, lane_again = entry.due, entry.lane
        wake, entry.wake = entry.wake, Wake()
        entry.state, entry.due = _State.IDLE, None
        if again is not None:
            self._schedule(key, entry, again, lane_again)
        match outcome:
            case Done() | Fatal():
                entry.failures = 0
            case After(seconds=seconds, lane=lane):
                entry.failures = 0
                self._schedule(key, entry, now + seconds, lane)
            case Retry():
                self._retry(key, entry, wake, now)
            case Parked(gate=gate, epoch=epoch, seconds=until):
                known = self._fence.ask(NO_EPOCH, self._gate_epoch, gate)
                if known == NO_EPOCH:
                    self._retry(key, entry, wake, now)
                elif again is None and known == epoch:
                    entry.merge(wake)
                    self._park(key, entry, gate, entry.ran_lane)
                    if until is not None:
                        self._deadlines.set(key, now + until)
                        self._arm_if_awaited()
                else:
                    # The gate changed after refusing this key, so its release has already missed the key.
                    entry.merge(wake)
                    self._schedule(key, entry, now, entry.ran_lane)
        if entry.state is _State.IDLE:
            del self._entries[key]
        for _ in range(self._lanes.ended(key)):
            self._wake_getter()

    def lend(self, seconds: float) -> list[Key]:
        """The keys that have run for at least `seconds`, and go on without their workers from now."""
        now, lent = self._clock.monotonic(), list[Key]()
        for key, entry in self._running.items():
            if now - entry.started < seconds:
                break  # the longest come first
            if self.lend_one(key):
                lent.append(key)
        return lent

    def lend_one(self, key: Key) -> bool:
        """`key`, which runs, goes on without its worker. False when it has to keep it."""
        released = self._lanes.lend(key)
        for _ in range(released or 0):
            self._wake_getter()
        return released is not None

    # seen from outside

    def snapshot(self) -> Snapshot:
        """For metrics and the watchdog. O(running keys + gates)."""
        now = self._clock.monotonic()
        self._promote(now)
        overdue = self._lanes.oldest()
        waited = max(0.0, now - overdue.due) if overdue else 0.0
        longest = next(iter(self._running.items()), None)
        return Snapshot(
            ready=self._lanes.counts(),
            scheduled=len(self._timers),
            running=len(self._running),
            parked=self._parking.counts(),
            oldest_overdue_seconds=waited,
            oldest_overdue_key=overdue.key if overdue else None,
            longest_running_seconds=now - longest[1].started if longest else 0.0,
            longest_running_key=longest[0] if longest else None,
            unfinished_seconds=sum(now - entry.started for entry in self._running.values()),
            stalled_seconds=min(waited, now - self._last_dispatch),
        )

    def explain(self, key: Key) -> KeyState:
        """Where `key` stands and what it waits for."""
        now = self._clock.monotonic()
        self._promote(now)
        entry = self._entries.get(key)
        if entry is None:
            return KeyState(Absent())
        place: Place
        match entry.state:
            case _State.RUNNING:
                again = None if entry.due is None else max(0.0, entry.due - now)
                place = Running(now - entry.started, entry.ran_lane, again)
            case _State.PARKED:
                due = self._deadlines.due(key)
                place = AtGate(self._parking.gate_of(key) or "", entry.lane, None if due is None else due - now)
            case _:
                ready = self._lanes.find(key)
                place = (
                    Waiting(now - ready.due, ready.lane, ready.held)
                    if ready is not None
                    else Scheduled((self._timers.due(key) or now) - now, entry.lane)
                )
        return KeyState(place, entry.failures, entry.reasons)

    def parked(self, gate: str) -> int:
        """How many keys wait at `gate`."""
        return self._parking.count(gate)

    def failures(self, key: Key) -> int:
        """Failures in a row."""
        entry = self._entries.get(key)
        return entry.failures if entry else 0

    def __len__(self) -> int:
        """Keys that wait, run or are parked."""
        return len(self._entries)

    # one key moves

    def _schedule(self, key: Key, entry: _Entry, due: float, lane: Lane) -> None:
        """Earliest due and best lane win."""
        if entry.state is _State.READY:
            self._lanes.lift(key, lane)
            return
        if entry.due is not None:
            if due >= entry.due and lane >= entry.lane:
                return
            due, lane = min(entry.due, due), min(entry.lane, lane)
        entry.due, entry.lane = due, lane
        if entry.state is _State.RUNNING:
            return
        if due <= self._clock.monotonic():
            self._timers.drop(key)
            self._make_ready(key, entry)
        else:
            entry.state = _State.SCHEDULED
            self._timers.set(key, due)
            self._arm_if_awaited()

    def _make_ready(self, key: Key, entry: _Entry) -> None:
        assert entry.due is not None
        self._fence.ask(None, self._meter.added)
        entry.state = _State.READY
        self._lanes.push(key, entry.lane, entry.due)
        self._wake_getter()

    def _retry(self, key: Key, entry: _Entry, wake: Wake, now: float) -> None:
        entry.merge(wake)  # the key was woken for this work, and it is still to be done
        self._schedule(key, entry, now + backoff(entry.failures), entry.ran_lane)
        entry.failures += 1
        self._fence.ask(None, self._meter.retried)

    def _park(self, key: Key, entry: _Entry, gate: str, lane: Lane) -> None:
        entry.state, entry.lane, entry.due = _State.PARKED, lane, None
        self._parking.park(key, gate, lane, first=entry.was_parked)

    def _unpark(self, key: Key, entry: _Entry) -> Lane:
        entry.state, entry.due, entry.was_parked = _State.IDLE, None, True
        self._deadlines.drop(key)
        return self._parking.leave(key)

    # the next key

    def _take(self, now: float) -> tuple[Key, Wake] | None:
        """The next key that its gate lets through; None when there is none, or after ADMIT_BATCH refusals."""
        self._promote(now)
        for _ in range(ADMIT_BATCH):
            ready = self._lanes.pick(now)
            if ready is None:
                return None
            if ready.held:
                continue
            key, entry = ready.key, self._entries[ready.key]
            entry.lane = ready.lane
            if not entry.must_run:
                gate = self._refused(key)
                if gate is not None:
                    self._park(key, entry, gate, ready.lane)
                    continue
            entry.wake, entry.ran_lane = Wake(entry.reasons, entry.triggered, entry.since), ready.lane
            entry.reasons, entry.triggered, entry.since = frozenset(), None, None
            entry.must_run, entry.was_parked = False, False
            entry.state, entry.due, entry.started = _State.RUNNING, None, now
            self._running[key] = entry
            self._lanes.began(key)
            self._last_dispatch = now
            self._fence.ask(None, self._meter.started, now - ready.due)
            return key, entry.wake
        return None

    def _refused(self, key: Key) -> str | None:
        """The closed gate at which `key` should wait. None: it runs; also when the gate opened just now."""
        refused = self._fence.ask(None, self._admit, key)
        if refused is None or self._fence.ask(NO_EPOCH, self._gate_epoch, refused.gate) != refused.epoch:
            return None
        return refused.gate

    def _promote(self, now: float) -> None:
        """Moves what is due to the ready keys."""
        for key, due in self._deadlines.take_due(now):
            entry = self._entries[key]
            entry.lane = self._unpark(key, entry)
            entry.due, entry.must_run = due, True
            self._make_ready(key, entry)
        for key, _ in self._timers.take_due(now):
            self._make_ready(key, self._entries[key])

    # waiting for the next key

    async def _wait(self) -> None:
        """Until a key may be ready."""
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        self._arm()
        try:
            await getter
        except asyncio.CancelledError:
            if getter.done() and not getter.cancelled():
                self._wake_getter()  # woken and cancelled in one turn of the loop: the wake-up goes to the next getter
            raise
        finally:
            # Not in `_wake_getter`: a getter that is cancelled in the same turn is still to look for itself here.
            self._getters.remove(getter)

    def _wake_getter(self) -> None:
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)
                return

    def _arm_if_awaited(self) -> None:
        if self._getters:
            self._arm()

    def _arm(self) -> None:
        """One timer for the earliest due time, while a getter waits."""
        due = min((due for due in (self._timers.next(), self._deadlines.next()) if due is not None), default=None)
        if due is None or (self._armed is not None and self._armed[0] <= due):
            return
        if self._armed is not None:
            self._armed[1].cancel()
        self._armed = due, self._clock.call_later(due - self._clock.monotonic(), self._fired)

    def _fired(self) -> None:
        self._armed = None
        self._wake_getter()
