"""Which key runs next: de-duplication, lanes, due times, back-off counts, parked keys. The only timer that wakes a key.

Neighbours: triggers and informers add keys, controller.py takes them and brings back outcomes, `stores.gate` releases
what is parked. Belongs to one event loop; no method may be called from another thread. Every operation is O(log n).
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol

from eso.runtime.backoff import backoff
from eso.runtime.clock import Clock, Timer
from eso.runtime.fair import SHARE
from eso.runtime.outcome import After, Done, Fatal, Lane, Outcome, Parked, Retry, Wake

Key = tuple[str, str]  # namespace, name
Item = tuple[float, int, Key]  # due, sequence number, key: what lies in the heaps

AGEING_TURN: Final = 4  # every so many turns …
AGEING_SECONDS: Final = 10.0  # … the oldest key goes first, whatever its lane, once it has waited so long
ADMIT_BATCH: Final = 64  # keys that may be parked in one go before the loop gets a turn


class QueueClosed(Exception):
    """No key will come any more."""


class Meter(Protocol):
    """What is counted as it happens; everything else is in `snapshot()`."""

    def added(self) -> None: ...
    def retried(self) -> None: ...
    def started(self, waited_seconds: float) -> None: ...
    def finished(self, seconds: float) -> None: ...


class NoMeter:
    def added(self) -> None: ...
    def retried(self) -> None: ...
    def started(self, waited_seconds: float) -> None: ...
    def finished(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue at one moment. Parked and scheduled keys are not overdue, whatever their age."""

    ready: dict[Lane, int]
    scheduled: int
    running: int
    parked: dict[str, int] = field(default_factory=dict)
    oldest_overdue_seconds: float = 0.0
    oldest_overdue_key: Key | None = None
    longest_running_seconds: float = 0.0
    longest_running_key: Key | None = None
    unfinished_seconds: float = 0.0
    stalled_seconds: float = 0.0

    @property
    def depth(self) -> int:
        """Keys that could run now."""
        return sum(self.ready.values())


class _State(IntEnum):
    IDLE = 0
    WAITING = 1
    READY = 2
    RUNNING = 3
    PARKED = 4
    HELD = 5  # ready, but its namespace has its share of the workers


class _Entry:
    """All that is known of one key. Exists while the key waits, runs or is parked, or has a failure to remember."""

    __slots__ = (
        "deadline",
        "due",
        "failures",
        "gate",
        "lane",
        "must_run",
        "ran_lane",
        "reasons",
        "sequence",
        "started",
        "state",
        "triggered",
        "wake",
        "was_parked",
    )

    def __init__(self) -> None:
        self.state = _State.IDLE
        self.sequence = 0  # of the one heap item that counts; all others of this key are stale
        self.due: float | None = None  # while RUNNING: set when it must run again
        self.lane = Lane.PERIODIC
        self.reasons: frozenset[str] = frozenset()
        self.triggered: datetime | None = None
        self.must_run = False  # edited or deleted: the pass has something to tell, gate or no gate
        self.was_parked = False  # and has not run since: refused again, it keeps its place
        self.failures = 0
        self.gate = ""
        self.deadline = False  # PARKED, and a timer brings it back
        self.wake = Wake()  # of the pass in hand
        self.ran_lane = Lane.PERIODIC
        self.started = 0.0


def _everybody(key: Key) -> Parked | None:
    return None


class WorkQueue:
    """`gate_epoch(gate)` is the gate's epoch now. `admit(key)` is asked before a key is dispatched; both answer without
    waiting.

    `workers`: how many keys run at most (the controller sees to it); no namespace gets them all, however many keys it
    has. 0: not said, no shares.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        gate_epoch: Callable[[str], int],
        admit: Callable[[Key], Parked | None] = _everybody,
        meter: Meter | None = None,
        workers: int = 0,
    ) -> None:
        self._workers = workers
        self._running_in: Counter[str] = Counter()  # by namespace
        # by namespace: what its share does not let in yet
        self._held: dict[str, list[tuple[Lane, float, int, Key]]] = {}
        self._held_in = [0] * len(Lane)
        self._clock, self._gate_epoch, self._admit, self._meter = clock, gate_epoch, admit, meter or NoMeter()
        self._entries: dict[Key, _Entry] = {}
        self._timers: list[Item] = []
        self._scheduled = 0
        self._deadlines = 0  # timers of parked keys
        self._lanes: tuple[list[Item], ...] = tuple([] for _ in Lane)
        self._ready = [0] * len(Lane)
        self._running: OrderedDict[Key, _Entry] = OrderedDict()
        self._parked: dict[str, tuple[OrderedDict[Key, None], ...]] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._armed: tuple[float, Timer] | None = None
        self._sequence = 0
        self._turn = 0
        self._last_dispatch = clock.monotonic()
        self._closed = False

    # -- in
    # -------------------------------------------------------------------------------------------------------------------------

    def add(self, key: Key, lane: Lane, reason: str = "", triggered: datetime | None = None) -> None:
        """Run `key` as soon as its lane's turn comes. Merges with what is known of the key already.

        A parked key is asked in again; in `Lane.NEW` (edited, deleted) it runs even if its gate is closed. A running
        key runs once more.
        """
        entry = self._entry(key)
        self._merge(entry, Wake(frozenset((reason,)) if reason else frozenset(), triggered))
        if lane is Lane.NEW:
            entry.must_run = True
        if entry.state is _State.PARKED:
            self._unpark(key, entry)
        self._schedule(key, entry, self._clock.monotonic(), lane)

    def add_after(self, key: Key, seconds: float, lane: Lane, reason: str = "") -> None:
        """Run `key` in `seconds`, or earlier if it is due earlier. A parked key stays parked: its gate brings it
        back."""
        entry = self._entry(key)
        self._merge(entry, Wake(frozenset((reason,)) if reason else frozenset()))
        if entry.state is not _State.PARKED:
            self._schedule(key, entry, self._clock.monotonic() + seconds, lane)

    def release(self, gate: str, count: int) -> int:
        """Let at most `count` keys out of `gate`, by lane, then the longest parked. Returns how many there were."""
        lanes = self._parked.get(gate)
        released = 0
        for parked in lanes or ():
            while parked and released < count:
                key = next(iter(parked))
                entry = self._entries[key]
                self._unpark(key, entry)
                self._schedule(key, entry, self._clock.monotonic(), entry.lane)
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

    # -- out
    # ------------------------------------------------------------------------------------------------------------------------

    async def get(self) -> tuple[Key, Wake]:
        """The next key and why it runs; the caller owns it until `done`. Raises QueueClosed."""
        while not self._closed:
            taken = self._take(self._clock.monotonic())
            if taken is not None:
                return taken
            if sum(self._ready):
                await asyncio.sleep(0)  # a crowd was parked; others want the loop too
                continue
            await self._wait()
        raise QueueClosed

    def done(self, key: Key, outcome: Outcome) -> None:
        """What came of the pass. Raises LookupError when nobody holds `key`."""
        entry = self._running.pop(key)
        self._running_in[key[0]] -= 1
        if not self._running_in[key[0]]:
            del self._running_in[key[0]]
        now = self._clock.monotonic()
        self._meter.finished(now - entry.started)
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
                self._merge(entry, wake)  # what it was woken for is still to be done
                self._schedule(key, entry, now + backoff(entry.failures), entry.ran_lane)
                entry.failures += 1
                self._meter.retried()
            case Parked(gate=gate, epoch=epoch, seconds=until):
                self._merge(entry, wake)
                if again is None and self._gate_epoch(gate) == epoch:
                    self._park(key, entry, gate, entry.ran_lane)
                    if until is not None:
                        self._set_deadline(key, entry, now + until)
                else:  # the gate moved between its answer and now: whoever it let out, this key was not among them
                    self._schedule(key, entry, now, entry.ran_lane)
        if entry.state is _State.IDLE:
            del self._entries[key]
        self._let_in()

    # -- seen from outside
    # ----------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """For metrics and the watchdog. O(running keys + gates)."""
        now = self._clock.monotonic()
        self._promote(now)
        overdue = min((head for lane in Lane if (head := self._head(lane))), default=None)
        waited = max(0.0, now - overdue[0]) if overdue else 0.0
        longest = next(iter(self._running.items()), None)
        return Snapshot(
            ready={lane: self._ready[lane] + self._held_in[lane] for lane in Lane},
            scheduled=self._scheduled,
            running=len(self._running),
            parked={gate: sum(map(len, lanes)) for gate, lanes in self._parked.items()},
            oldest_overdue_seconds=waited,
            oldest_overdue_key=overdue[2] if overdue else None,
            longest_running_seconds=now - longest[1].started if longest else 0.0,
            longest_running_key=longest[0] if longest else None,
            unfinished_seconds=sum(now - entry.started for entry in self._running.values()),
            stalled_seconds=min(waited, now - self._last_dispatch),
        )

    def parked(self, gate: str) -> int:
        """How many keys wait at `gate`."""
        return sum(map(len, self._parked.get(gate, ())))

    def parked_by_lane(self, gate: str) -> Counter[Lane]:
        return Counter({lane: len(keys) for lane, keys in zip(Lane, self._parked.get(gate, ()), strict=False) if keys})

    def failures(self, key: Key) -> int:
        """Failures in a row."""
        entry = self._entries.get(key)
        return entry.failures if entry else 0

    def __len__(self) -> int:
        """Keys that wait, run or are parked."""
        return len(self._entries)

    # -- one key
    # --------------------------------------------------------------------------------------------------------------------

    def _entry(self, key: Key) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        return entry

    def _merge(self, entry: _Entry, wake: Wake) -> None:
        if wake.reasons:
            entry.reasons = entry.reasons | wake.reasons
        if wake.triggered is not None and (entry.triggered is None or wake.triggered > entry.triggered):
            entry.triggered = wake.triggered

    def _schedule(self, key: Key, entry: _Entry, due: float, lane: Lane) -> None:
        """Earliest due and best lane win."""
        match entry.state:
            case _State.RUNNING:
                if entry.due is None:
                    entry.due, entry.lane = due, lane
                else:
                    entry.due, entry.lane = min(entry.due, due), min(entry.lane, lane)
            case _State.READY:
                if lane < entry.lane:
                    self._ready[entry.lane] -= 1
                    self._push_ready(key, entry, lane)
            case _State.HELD:
                if lane < entry.lane:
                    self._held_in[entry.lane] -= 1
                    self._hold(key, entry, lane)
            case _:
                if entry.due is not None:
                    if due >= entry.due and lane >= entry.lane:
                        return
                    due, lane = min(entry.due, due), min(entry.lane, lane)
                if entry.state is _State.WAITING:
                    self._scheduled -= 1
                entry.due = due
                if due <= self._clock.monotonic():
                    self._make_ready(key, entry, lane)
                else:
                    self._push_timer(key, entry, due, lane)

    def _make_ready(self, key: Key, entry: _Entry, lane: Lane) -> None:
        self._meter.added()
        entry.state = _State.READY
        self._push_ready(key, entry, lane)
        self._wake_getter()

    def _push_ready(self, key: Key, entry: _Entry, lane: Lane) -> None:
        entry.lane = lane
        self._ready[lane] += 1
        assert entry.due is not None
        heapq.heappush(self._lanes[lane], (entry.due, self._stamp(entry), key))

    def _push_timer(self, key: Key, entry: _Entry, due: float, lane: Lane) -> None:
        entry.state, entry.lane = _State.WAITING, lane
        self._scheduled += 1
        self._push_item(key, entry, due)

    def _set_deadline(self, key: Key, entry: _Entry, due: float) -> None:
        entry.deadline = True
        self._deadlines += 1
        self._push_item(key, entry, due)

    def _push_item(self, key: Key, entry: _Entry, due: float) -> None:
        # keys that were woken early leave their old item behind
        if len(self._timers) > 2 * (self._scheduled + self._deadlines) + 1024:
            self._timers = [item for item in self._timers if self._awaited(item)]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (due, self._stamp(entry), key))
        if self._getters:
            self._arm()

    def _stamp(self, entry: _Entry) -> int:
        self._sequence += 1
        entry.sequence = self._sequence
        return self._sequence

    def _fresh(self, item: Item, state: _State) -> bool:
        entry = self._entries.get(item[2])
        return entry is not None and entry.sequence == item[1] and entry.state is state

    def _awaited(self, item: Item) -> bool:
        """Whether this timer still means something."""
        return self._fresh(item, _State.WAITING) or (
            self._fresh(item, _State.PARKED) and self._entries[item[2]].deadline
        )

    def _park(self, key: Key, entry: _Entry, gate: str, lane: Lane) -> None:
        entry.state, entry.gate, entry.lane, entry.due = _State.PARKED, gate, lane, None
        if gate not in self._parked:
            self._parked[gate] = tuple(OrderedDict() for _ in Lane)
        parked = self._parked[gate][lane]
        parked[key] = None
        if entry.was_parked:
            parked.move_to_end(key, last=False)

    def _unpark(self, key: Key, entry: _Entry) -> None:
        lanes = self._parked[entry.gate]
        del lanes[entry.lane][key]
        if not any(lanes):
            del self._parked[entry.gate]
        entry.state, entry.gate, entry.due, entry.was_parked = _State.IDLE, "", None, True
        self._deadlines -= entry.deadline
        entry.deadline = False

    # -- shares of the namespaces
    # ---------------------------------------------------------------------------------------------------

    def _room(self, namespace: str) -> int:
        """How many more keys of `namespace` may run now. What lives in no namespace belongs to those who run the
        cluster."""
        if not self._workers or not namespace:
            return self._workers or 1
        return SHARE * (self._workers - len(self._running)) - self._running_in[namespace]

    def _hold(self, key: Key, entry: _Entry, lane: Lane) -> None:
        assert entry.due is not None
        entry.state, entry.lane = _State.HELD, lane
        self._held_in[lane] += 1
        heapq.heappush(self._held.setdefault(key[0], []), (lane, entry.due, self._stamp(entry), key))

    def _let_in(self) -> None:
        """A worker is free: whose share grew gets the next of its keys back among the ready ones."""
        for namespace in list(self._held):
            held, room = self._held[namespace], self._room(namespace)
            while held and room > 0:
                lane, due, sequence, key = heapq.heappop(held)
                if not self._fresh((due, sequence, key), _State.HELD):
                    continue
                entry, room = self._entries[key], room - 1
                self._held_in[lane] -= 1
                entry.state = _State.READY
                self._push_ready(key, entry, lane)
                self._wake_getter()
            if not held:
                del self._held[namespace]

    # -- who is next
    # ----------------------------------------------------------------------------------------------------------------

    def _take(self, now: float) -> tuple[Key, Wake] | None:
        """The next key that its gate lets through; None when there is none, or when too many were parked in one go."""
        self._promote(now)
        for _ in range(ADMIT_BATCH):
            item = self._pick(now)
            if item is None:
                return None
            due, _, key = item
            entry = self._entries[key]
            self._ready[entry.lane] -= 1
            if self._room(key[0]) <= 0:
                self._hold(key, entry, entry.lane)
                continue
            if not entry.must_run:
                refused = self._admit(key)
                if refused is not None and self._gate_epoch(refused.gate) == refused.epoch:
                    self._park(key, entry, refused.gate, entry.lane)
                    continue
            entry.wake, entry.ran_lane = Wake(entry.reasons, entry.triggered), entry.lane
            entry.reasons, entry.triggered, entry.must_run, entry.was_parked = frozenset(), None, False, False
            entry.state, entry.due, entry.started = _State.RUNNING, None, now
            self._running[key] = entry
            self._running_in[key[0]] += 1
            self._last_dispatch = now
            self._meter.started(now - due)
            return key, entry.wake
        return None

    def _promote(self, now: float) -> None:
        timers = self._timers
        while timers and (timers[0][0] <= now or not self._awaited(timers[0])):
            item = heapq.heappop(timers)
            if not self._awaited(item):
                continue
            due, _, key = item
            entry = self._entries[key]
            if entry.state is _State.PARKED:
                self._unpark(key, entry)
                entry.due, entry.must_run = due, True
            else:
                self._scheduled -= 1
            self._make_ready(key, entry, entry.lane)

    def _pick(self, now: float) -> Item | None:
        """Takes the next ready item out of its heap."""
        heads = [head for lane in Lane if (head := self._head(lane))]
        if not heads:
            return None
        self._turn += 1
        chosen = heads[0]
        if self._turn % AGEING_TURN == 0 and len(heads) > 1:
            oldest = min(heads)
            if now - oldest[0] >= AGEING_SECONDS:
                chosen = oldest
        return heapq.heappop(self._lanes[self._entries[chosen[2]].lane])

    def _head(self, lane: Lane) -> Item | None:
        items = self._lanes[lane]
        while items and not self._current(items[0], lane):
            heapq.heappop(items)
        return items[0] if items else None

    def _current(self, item: Item, lane: Lane) -> bool:
        return self._fresh(item, _State.READY) and self._entries[item[2]].lane is lane

    # -- waiting
    # --------------------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until something may be ready."""
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

    def _arm(self) -> None:
        """One timer for the earliest due time, while somebody waits."""
        while self._timers and not self._awaited(self._timers[0]):
            heapq.heappop(self._timers)
        if not self._timers or (self._armed is not None and self._armed[0] <= self._timers[0][0]):
            return
        if self._armed is not None:
            self._armed[1].cancel()
        due = self._timers[0][0]
        self._armed = due, self._clock.call_later(due - self._clock.monotonic(), self._fired)

    def _fired(self) -> None:
        self._armed = None
        self._wake_getter()
