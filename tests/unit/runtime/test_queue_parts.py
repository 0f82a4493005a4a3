"""The parts of the work queue, each against a model that scans a plain dict and remembers nothing twice."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eso.runtime.fair import room
from eso.runtime.lanes import AGEING_SECONDS, AGEING_TURN, Lanes, Ready
from eso.runtime.outcome import Lane
from eso.runtime.parking import Parking
from eso.runtime.schedule import SLACK, Schedule

KEYS = [(namespace, name) for namespace in ("one", "two", "") for name in "abcde"]
keys, lanes, gates = st.sampled_from(KEYS), st.sampled_from(list(Lane)), st.sampled_from(["vault", "aws"])
seconds = st.sampled_from([0.0, 1.0, 2.0, 5.0, 30.0])
several = st.lists(keys, min_size=1, unique=True)


class ScheduleMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.schedule, self.model, self.now = Schedule(), {}, 0.0

    @rule(key=keys, delay=seconds)
    def set(self, key, delay):
        self.schedule.set(key, self.now + delay)
        self.model[key] = self.now + delay

    @rule(key=keys)
    def drop(self, key):
        self.schedule.drop(key)
        self.model.pop(key, None)

    @rule(delay=seconds)
    def take(self, delay):
        self.now += delay
        taken = list(self.schedule.take_due(self.now))
        assert [due for _, due in taken] == sorted(due for due in self.model.values() if due <= self.now)
        assert dict(taken) == {key: due for key, due in self.model.items() if due <= self.now}
        for key, _ in taken:
            del self.model[key]

    @invariant()
    def they_agree(self):
        assert len(self.schedule) == len(self.model)
        assert self.schedule.next() == min(self.model.values(), default=None)
        assert [self.schedule.due(key) for key in KEYS] == [self.model.get(key) for key in KEYS]


class LanesMachine(RuleBasedStateMachine):
    """The model keeps (lane, due, arrival, held) of each key."""

    WORKERS = 4

    @initialize()
    def start(self):
        self.lanes, self.model, self.running, self.now, self.picks = Lanes(self.WORKERS), {}, [], 0.0, 0
        self.arrivals = itertools.count()
        self.known, self.new_turn = {""}, False

    @rule(several=several, lane=lanes)
    def push(self, several, lane):
        for key in several:
            if key not in self.model and key not in self.running:
                self.lanes.push(key, lane, self.now)
                self.model[key] = [lane, self.now, next(self.arrivals), False]

    @rule(key=keys, lane=lanes)
    def lift(self, key, lane):
        if key in self.model:
            self.lanes.lift(key, lane)
            if lane < self.model[key][0]:
                self.model[key][0], self.model[key][2] = lane, next(self.arrivals)

    @rule(delay=seconds)
    def wait(self, delay):
        self.now += delay

    @rule(times=st.integers(1, 4))
    def pick(self, times):
        for _ in range(times):
            if self.room("") - len(self.running) > 0:  # as the controller, which has no more workers
                self.pick_one()

    def pick_one(self):
        picked = self.lanes.pick(self.now)
        ready = {key: life for key, life in self.model.items() if not life[3]}
        if not ready:
            assert picked is None
            return
        self.picks += 1
        best = min(life[0] for life in ready.values())
        places = [(key[0] not in self.known, life[1], life[2], key) for key, life in ready.items() if life[0] is best]
        heads = [
            min(place for place in places if place[0] is new)[1:] for new in sorted({place[0] for place in places})
        ]
        expected = heads[0]
        if len(heads) > 1:
            expected, self.new_turn = heads[self.new_turn], not self.new_turn
        aged = min((life[1], life[2], key) for key, life in ready.items())
        if self.picks % AGEING_TURN == 0 and self.now - aged[0] >= AGEING_SECONDS:
            expected = aged
        key = expected[2]
        lane, due, _, _ = self.model[key]
        held = self.room(key[0]) <= 0
        assert picked == Ready(key, lane, due, held)
        if held:
            self.model[key][2:] = [next(self.arrivals), True]
        else:
            del self.model[key]
            self.running.append(key)
            self.lanes.began(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        key = data.draw(st.sampled_from(self.running))
        self.running.remove(key)
        self.known.add(key[0])
        let_in = 0
        for namespace in ("one", "two"):
            mine = [(life[0], life[1], life[2], key) for key, life in self.model.items() if life[3]]
            line = sorted(life for life in mine if life[3][0] == namespace)
            for *_, held in line[: max(0, self.room(namespace))]:
                let_in += 1
                self.model[held][3] = False
        assert self.lanes.ended(key) == let_in
        # The order in which two namespaces are let in decides nothing but ties: take over the real one.
        for item in sorted(item for _, item in self.lanes._ready.values()):
            self.model[item[2]][2] = next(self.arrivals) if item[2] in self.model else None

    def room(self, namespace):
        if not namespace:
            return self.WORKERS
        mine = sum(key[0] == namespace for key in self.running)
        return room(mine, self.WORKERS - len(self.running), self.WORKERS)

    @invariant()
    def they_agree(self):
        assert self.lanes.counts() == {lane: sum(life[0] is lane for life in self.model.values()) for lane in Lane}
        assert self.lanes.any_ready() == any(not life[3] for life in self.model.values())
        for key in KEYS:
            life = self.model.get(key)
            assert self.lanes.find(key) == (Ready(key, life[0], life[1], life[3]) if life else None)
        oldest = self.lanes.oldest()
        assert (oldest and oldest.due) == min((life[1] for life in self.model.values() if not life[3]), default=None)

    @invariant()
    def every_held_key_waits_for_its_share(self):
        for key, life in self.model.items():
            assert not (life[3] and self.room(key[0]) > 0 and not self.running)


class ParkingMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.parking, self.lines = Parking(), {}

    def place(self, key):
        return next((place for place, line in self.lines.items() if key in line), None)

    @rule(key=keys, gate=gates, lane=lanes, first=st.booleans())
    def park(self, key, gate, lane, first):
        if self.place(key) is None:
            self.parking.park(key, gate, lane, first=first)
            self.lines.setdefault((gate, lane), []).insert(0 if first else len(KEYS), key)

    @rule(key=keys)
    def leave(self, key):
        place = self.place(key)
        if place is not None:
            assert self.parking.leave(key) is place[1]
            self.lines[place].remove(key)

    @invariant()
    def they_agree(self):
        for gate in ("vault", "aws"):
            order = [key for lane in Lane for key in self.lines.get((gate, lane), ())]
            assert self.parking.next(gate) == (order[0] if order else None)
            assert self.parking.count(gate) == len(order)
            assert self.parking.counts().get(gate, 0) == len(order)
        for key in KEYS:
            place = self.place(key)
            assert self.parking.gate_of(key) == (place[0] if place else None)

    @invariant()
    def nothing_is_remembered_of_a_gate_without_keys(self):
        assert set(self.parking.counts()) == {gate for (gate, _), line in self.lines.items() if line}


TestScheduleAgainstModel = ScheduleMachine.TestCase
TestLanesAgainstModel = LanesMachine.TestCase
TestParkingAgainstModel = ParkingMachine.TestCase
for case in (TestScheduleAgainstModel, TestLanesAgainstModel, TestParkingAgainstModel):
    case.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def run_one(lanes: Lanes, now: float = 0.0) -> Ready:
    picked = lanes.pick(now)
    assert picked is not None
    if not picked.held:
        lanes.began(picked.key)
    return picked


def test_a_namespace_alone_gets_three_quarters_of_the_workers():
    lanes = Lanes(4)
    for name in "abcd":
        lanes.push(("one", name), Lane.NEW, 0.0)
    assert [run_one(lanes).held for _ in range(4)] == [False, False, False, True]


def test_a_held_key_that_is_lifted_is_let_in_once_and_in_its_new_lane():
    lanes = Lanes(2)
    for name in "abc":
        lanes.push(("one", name), Lane.PERIODIC, 0.0)
    assert [run_one(lanes).held for _ in range(3)] == [False, False, True]
    lanes.lift(("one", "c"), Lane.NEW)
    assert lanes.find(("one", "c")) == Ready(("one", "c"), Lane.NEW, 0.0, held=True)
    assert lanes.ended(("one", "a")) == 1
    assert run_one(lanes) == Ready(("one", "c"), Lane.NEW, 0.0)
    assert lanes.pick(0.0) is None


def test_a_key_that_was_lifted_leaves_nothing_in_its_old_lane():
    lanes = Lanes()
    lanes.push(("one", "a"), Lane.PERIODIC, 0.0)
    lanes.push(("one", "b"), Lane.PERIODIC, 1.0)
    lanes.lift(("one", "a"), Lane.NEW)
    assert run_one(lanes).key == ("one", "a")
    lanes.ended(("one", "a"))
    lanes.push(("one", "a"), Lane.PERIODIC, 5.0)
    assert run_one(lanes).key == ("one", "b"), "it is due before the key that came back"


def test_a_key_that_is_set_again_and_again_leaves_no_pile_of_stale_items():
    schedule = Schedule()
    for n in range(5 * SLACK):
        schedule.set(("a", "b"), float(n))
    assert len(schedule._heap) <= SLACK + 3
    assert list(schedule.take_due(1e9)) == [(("a", "b"), 5.0 * SLACK - 1)]


def test_thousands_of_new_namespaces_hold_up_nobody_else_and_get_every_second_turn():
    lanes = Lanes(100)
    lanes.push(("old", "first"), Lane.NEW, 0.0)
    assert lanes.pick(0.0) is not None
    lanes.began(("old", "first"))
    lanes.ended(("old", "first"))
    for n in range(2_000):
        lanes.push((f"new-{n}", "one"), Lane.NEW, 1.0)
    for n in range(3):
        lanes.push(("old", str(n)), Lane.NEW, 2.0)
    picked = [ready.key[0] for _ in range(8) if (ready := lanes.pick(2.0))]
    assert picked == ["old", "new-0", "old", "new-1", "old", "new-2", "new-3", "new-4"]


def test_a_namespace_that_changes_its_owner_while_its_keys_wait_loses_none():
    owner = {"a": "one", "b": "one"}
    lanes = Lanes(10, lambda namespace: owner.get(namespace, namespace))
    lanes.push(("a", "x"), Lane.NEW, 0.0)
    lanes.push(("b", "x"), Lane.NEW, 0.0)
    assert lanes.pick(0.0) == Ready(("a", "x"), Lane.NEW, 0.0)
    lanes.began(("a", "x"))
    owner["b"] = "two"
    lanes.lift(("b", "x"), Lane.NEW)
    lanes.ended(("a", "x"))
    assert lanes.pick(0.0) == Ready(("b", "x"), Lane.NEW, 0.0)
    assert lanes.pick(0.0) is None and not lanes.any_ready()
