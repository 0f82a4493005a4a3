"""Random lives of a work queue against a model that looks at everything every time and remembers nothing twice.

The model knows no heaps, no sequence numbers and no stale items: per key a dict, per question a scan.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eso.runtime.backoff import backoff
from eso.runtime.lanes import AGEING_SECONDS, AGEING_TURN
from eso.runtime.outcome import After, Done, Fatal, Lane, Parked, Retry, Wake
from eso.runtime.workqueue import WorkQueue
from tests.fakes.clock import VirtualClock

KEYS = [("ns", name) for name in "abcd"]
GATES = ["vault", "aws"]
keys, gates, lanes = st.sampled_from(KEYS), st.sampled_from(GATES), st.sampled_from(list(Lane))
seconds = st.sampled_from([0, 0.5, 1, 2, 5, 30, 600])
triggers = st.none() | st.integers(0, 100).map(lambda n: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=n))


@dataclass
class Life:
    """One key as the model sees it. `due` None: nothing pending. `gate`: parked there. `run`: what the pass in hand was
    given."""

    due: float | None = None
    lane: Lane = Lane.PERIODIC
    wake: Wake = field(default_factory=Wake)
    must: bool = False
    failures: int = 0
    gate: str = ""
    run: tuple[Wake, Lane] | None = None

    def want(self, due, lane):
        self.lane = lane if self.due is None else min(self.lane, lane)
        self.due = due if self.due is None else min(self.due, due)

    def learn(self, wake):
        times = [t for t in (self.wake.triggered, wake.triggered) if t]
        since = [s for s in (self.wake.since, wake.since) if s is not None]
        self.wake = Wake(self.wake.reasons | wake.reasons, max(times, default=None), max(since, default=None))


class QueueMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.clock = VirtualClock()
        self.epochs = dict.fromkeys(GATES, 0)
        self.refusing = {}  # key -> gate
        self.queue = WorkQueue(self.clock, gate_epoch=self.epochs.__getitem__, admit=self.admit, workers=10 * len(KEYS))
        self.lives = {key: Life() for key in KEYS}
        self.line = {gate: [] for gate in GATES}  # parked keys, longest first
        self.ran_since_parked = dict.fromkeys(KEYS, True)
        self.turn = 0
        self.arrivals = {}  # the order in which keys became ready, which decides between equal due times
        put = self.queue._lanes._put

        def noted(key, lane, due):
            self.arrivals[key] = next(self.count)
            put(key, lane, due)

        self.count = itertools.count()
        self.queue._lanes._put = noted

    def admit(self, key):
        gate = self.refusing.get(key)
        return Parked(gate, self.epochs[gate]) if gate else None

    # what happens to the queue

    @rule(
        several=st.lists(keys, min_size=1, unique=True),
        lane=lanes,
        reason=st.sampled_from(["", "edit", "store", "drift"]),
        triggered=triggers,
    )
    def add(self, several, lane, reason, triggered):
        for key in several:
            self.add_one(key, lane, reason, triggered)

    def add_one(self, key, lane, reason, triggered):
        self.queue.add(key, lane, reason, triggered)
        life = self.lives[key]
        life.learn(Wake(frozenset({reason} - {""}), triggered, self.clock.monotonic() if triggered else None))
        life.must = life.must or lane is Lane.NEW
        self.leave(key)
        life.want(self.clock.monotonic(), lane)

    @rule(delay=seconds)
    def advance(self, delay):
        self.clock.jump(delay)

    @rule(key=keys, gate=gates)
    def close_gate_for(self, key, gate):
        self.refusing[key] = gate

    @rule(key=keys)
    def open_gate_for(self, key):
        self.refusing.pop(key, None)

    @rule(gate=gates)
    def move_gate(self, gate):
        self.epochs[gate] += 1

    @rule(gate=gates, count=st.integers(0, 4))
    def release(self, gate, count):
        expected = sorted(self.line[gate], key=lambda key: self.lives[key].lane)[:count]
        assert self.queue.release(gate, count) == len(expected)
        for key in expected:
            lane = self.lives[key].lane
            self.leave(key)
            self.lives[key].want(self.clock.monotonic(), lane)

    @rule()
    def get(self):
        now = self.clock.monotonic()
        taken = self.queue._take(now)
        while (chosen := self.choose(now)) is not None:
            life = self.lives[chosen]
            gate = self.refusing.get(chosen)
            if gate and not life.must:
                self.park(chosen, gate, life.lane)
                continue
            assert taken == (chosen, life.wake)
            life.run, life.due, life.wake, life.must = (life.wake, life.lane), None, Wake(), False
            self.ran_since_parked[chosen] = True
            return
        assert taken is None

    @precondition(lambda self: any(life.run for life in self.lives.values()))
    @rule(
        data=st.data(),
        outcome=st.one_of(
            st.just(Done()),
            st.just(Fatal(ValueError())),
            st.just(Retry()),
            st.builds(After, seconds, lanes),
            st.builds(Parked, gates, st.sampled_from([0, -1])),
        ),
    )
    def done(self, data, outcome):
        key = data.draw(st.sampled_from([key for key, life in self.lives.items() if life.run]))
        life, now = self.lives[key], self.clock.monotonic()
        if isinstance(outcome, Parked):
            outcome = replace(outcome, epoch=self.epochs[outcome.gate] + outcome.epoch)  # up to date, or one behind
        self.queue.done(key, outcome)
        wake, lane = life.run
        life.run = None
        match outcome:
            case Done() | Fatal():
                life.failures = 0
            case After(seconds=delay, lane=into):
                life.failures = 0
                life.want(now + delay, into)
            case Retry():
                life.learn(wake)
                life.want(now + backoff(life.failures), lane)
                life.failures += 1
            case Parked(gate=gate, epoch=epoch):
                life.learn(wake)
                if life.due is None and epoch == self.epochs[gate]:
                    self.park(key, gate, lane)
                else:
                    life.want(now, lane)

    # the model's own housekeeping

    def park(self, key, gate, lane):
        life = self.lives[key]
        life.gate, life.lane, life.due = gate, lane, None
        if self.ran_since_parked[key]:
            self.line[gate].append(key)
        else:
            self.line[gate].insert(0, key)

    def leave(self, key):
        life = self.lives[key]
        if life.gate:
            self.line[life.gate].remove(key)
            self.ran_since_parked[key] = False
            life.gate = ""

    def choose(self, now):
        """The key whose turn it is; ties of the due time are left to the queue."""
        ready = [key for key in KEYS if self.due_now(key, now)]
        if not ready:
            return None
        self.turn += 1
        best = min(self.lives[key].lane for key in ready)
        candidates = [key for key in ready if self.lives[key].lane is best]
        oldest = min(self.lives[key].due for key in ready)
        several = len({self.lives[key].lane for key in ready}) > 1
        if self.turn % AGEING_TURN == 0 and several and now - oldest >= AGEING_SECONDS:
            candidates = ready
        first = min(self.lives[key].due for key in candidates)
        tied = [key for key in candidates if self.lives[key].due == first]
        return min(tied, key=self.arrival)

    def arrival(self, key):
        return self.arrivals[key]

    def due_now(self, key, now):
        life = self.lives[key]
        return life.run is None and not life.gate and life.due is not None and life.due <= now

    # what always holds

    @invariant()
    def the_counts_agree(self):
        now = self.clock.monotonic()
        seen = self.queue.snapshot()
        lives = self.lives.values()
        assert seen.running == sum(life.run is not None for life in lives)
        assert seen.parked == {gate: len(line) for gate, line in self.line.items() if line}
        ready = [key for key in KEYS if self.due_now(key, now)]
        assert seen.ready == {lane: sum(self.lives[key].lane is lane for key in ready) for lane in Lane}
        assert seen.scheduled == sum(life.run is None and life.due is not None and life.due > now for life in lives)
        assert seen.oldest_overdue_seconds == max((now - self.lives[key].due for key in ready), default=0)

    @invariant()
    def nothing_is_remembered_without_need(self):
        assert len(self.queue) == sum(
            bool(life.run or life.gate or life.due is not None) for life in self.lives.values()
        )

    @invariant()
    def failures_agree(self):
        for key, life in self.lives.items():
            if life.run or life.gate or life.due is not None:
                assert self.queue.failures(key) == life.failures
            else:
                assert life.failures == 0


TestQueueAgainstModel = QueueMachine.TestCase
TestQueueAgainstModel.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
