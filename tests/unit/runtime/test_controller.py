"""The controller: passes side by side, outcomes back to the queue, an orderly end."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from functools import partial

import pytest

from eso.errors import EsoError, Terminal
from eso.observe import log
from eso.runtime.controller import TOGETHER, Controller, lend_slot, result_of
from eso.runtime.deadline import deadline
from eso.runtime.memory import Memory, reserve
from eso.runtime.outcome import After, Done, Fatal, Lane, Outcome, Parked, Retry, Wake
from eso.runtime.workqueue import WorkQueue
from tests.fakes.clock import VirtualClock, settle
from tests.fakes.logs import Captured, restored
from tests.harness.inprocess import Log

A, B = ("shop", "a"), ("shop", "b")
VALUE = "Planted-7f3a-value"


@pytest.fixture(autouse=True)
def hooks():
    with restored():
        yield


class Counting:
    def __init__(self):
        self.results, self.failures = [], []

    def passed(self, result, seconds):
        self.results.append((result, seconds))

    def failed(self, *, terminal=False, panic=False):
        self.failures.append((terminal, panic))


class Bench:
    def __init__(self, workers=10):
        self.clock, self.meter, self.stop = VirtualClock(), Counting(), asyncio.Event()
        self.log = Captured("debug")
        self.queue = WorkQueue(self.clock, gate_epoch=lambda gate: 0)
        self.passes = []  # (key, wake, now)
        self.answer = lambda key: Done()
        named = {
            "pass_seconds": 240.0,
            "log": log.get("controllers.ExternalSecret"),
            "meter": self.meter,
            "kind": "ExternalSecret",
        }
        self.controller = Controller(
            "externalsecret", self.queue, self.reconcile, self.clock, workers, grace_seconds=20, **named
        )

    async def reconcile(self, key, wake, now):
        self.passes.append((key, wake, now))
        answer = self.answer(key)
        if isinstance(answer, BaseException):
            raise answer
        return await answer if asyncio.isfuture(answer) or asyncio.iscoroutine(answer) else answer

    async def __aenter__(self):
        self.running = asyncio.ensure_future(self.controller.run(self.stop))
        await settle()
        return self

    async def __aexit__(self, *exc):
        self.stop.set()
        await self.clock.advance(60)
        await self.running


async def test_a_pass_gets_the_key_why_it_woke_and_the_time():
    async with Bench() as bench:
        bench.queue.add(A, Lane.NEW, "edited")
        await bench.clock.advance(0)
        assert bench.passes == [(A, Wake(frozenset({"edited"})), bench.clock.now())]


@pytest.mark.parametrize(
    ("outcome", "result", "failures"),
    [
        pytest.param(Done(), "success", [], id="done is a success"),
        pytest.param(After(30), "requeue_after", [], id="after is a timed requeue"),
        pytest.param(Retry(), "requeue", [], id="a plain retry is a requeue"),
        pytest.param(Retry(EsoError("no")), "error", [(False, False)], id="a retry with an error is an error"),
        pytest.param(Parked("vault", 0), "parked", [], id="parking is no error"),
        pytest.param(Fatal(EsoError("no")), "error", [(True, False)], id="fatal is a terminal error"),
        pytest.param(EsoError("no"), "error", [(False, False)], id="a raised error that can pass is retried"),
        pytest.param(Terminal("no"), "error", [(True, False)], id="a raised error that cannot pass is terminal"),
        pytest.param(KeyError("no"), "error", [(False, True)], id="anything else is a bug"),
    ],
)
async def test_every_end_of_a_pass_is_counted(outcome, result, failures):
    async with Bench() as bench:
        bench.answer = lambda key: outcome
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(0)
        assert [each for each, _ in bench.meter.results] == [result]
        assert bench.meter.failures == failures


@pytest.mark.parametrize(
    ("outcome", "passes"),
    [
        pytest.param(EsoError("no"), 3, id="errors come back after 1 and 2 seconds"),
        pytest.param(KeyError("no"), 3, id="so do bugs"),
        pytest.param(Terminal("no"), 1, id="terminal errors do not come back"),
    ],
)
async def test_failures_back_off(outcome, passes):
    async with Bench() as bench:
        bench.answer = lambda key: outcome
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(3)
        assert len(bench.passes) == passes


async def test_passes_that_are_due_together_begin_a_few_in_each_turn_of_the_loop():
    """What many large objects compute before their first wait would hold up everybody in one turn."""
    loop, turn, begun = asyncio.get_running_loop(), 0, []

    def count():
        nonlocal turn
        turn += 1
        loop.call_soon(count)

    async with Bench() as bench:
        bench.answer = lambda key: begun.append(turn) or Done()
        for n in range(8 * TOGETHER):
            bench.queue.add(("shop", f"{n}"), Lane.NEW)
        count()
        await settle()
        assert len(begun) == 8 * TOGETHER and max(Counter(begun).values()) <= TOGETHER
        count = lambda: None  # noqa: E731  # the counting ends with the test


async def test_no_more_passes_are_in_flight_than_allowed_and_the_best_key_gets_the_free_place():
    async with Bench(workers=2) as bench:
        gates = {}
        bench.answer = lambda key: gates.setdefault(key, asyncio.get_running_loop().create_future())
        for n in range(4):
            bench.queue.add(("shop", str(n)), Lane.PERIODIC)
        await settle()
        assert bench.controller.in_flight == 2
        bench.queue.add(A, Lane.NEW)
        gates["shop", "0"].set_result(Done())
        await settle()
        assert [key for key, _, _ in bench.passes] == [("shop", "0"), ("shop", "1"), A]
        bench.answer = lambda key: Done()
        gates["shop", "1"].set_result(Done())
        gates[A].set_result(Done())
        await settle()
        assert len(bench.passes) == 5


async def test_a_pass_is_timed():
    async with Bench() as bench:
        bench.answer = lambda key: slow(bench)
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(10)
        assert bench.meter.results == [("success", 3)]


async def slow(bench, seconds=3):
    await bench.clock.sleep(seconds)
    return Done()


async def test_stopping_lets_the_pass_in_hand_finish_and_starts_no_other():
    async with Bench(workers=1) as bench:
        bench.answer = lambda key: slow(bench, 19)
        bench.queue.add(A, Lane.NEW)
        bench.queue.add(B, Lane.NEW)
        await settle()
        bench.stop.set()
        await bench.clock.advance(18.9)
        assert not bench.running.done()
        await bench.clock.advance(0.1)
        assert bench.running.done()
        assert [result for result, _ in bench.meter.results] == ["success"]
        assert len(bench.passes) == 1


async def test_a_pass_that_outlives_the_grace_is_cut_off():
    async with Bench() as bench:
        bench.answer = lambda key: slow(bench, 1000)
        bench.queue.add(A, Lane.NEW)
        await settle()
        bench.stop.set()
        await bench.clock.advance(19.9)
        assert not bench.running.done()
        await bench.clock.advance(0.1)
        assert bench.running.done()
        assert bench.running.exception() is None
        assert bench.clock.timers == 0
        assert bench.meter.failures == [], "a pass that was cut off is no bug of the pass"
        assert [line["msg"] for line in bench.log.lines()] == [
            "passes still in hand after the grace period are cut off"
        ]


async def test_an_idle_controller_stops_at_once():
    async with Bench() as bench:
        bench.stop.set()
        await settle()
        assert bench.running.done()


async def test_cancelling_the_controller_cancels_its_passes():
    bench = Bench()
    async with bench:
        ended = []

        async def watched():
            try:
                await bench.clock.sleep(1000)
            finally:
                ended.append(True)

        bench.answer = lambda key: watched()
        bench.queue.add(A, Lane.NEW)
        await settle()
        bench.running.cancel()
        await settle()
        assert ended == [True]
        assert bench.running.cancelled()
        bench.running = asyncio.ensure_future(asyncio.sleep(0))


async def test_a_cancellation_from_inside_does_not_lose_the_key():
    async with Bench() as bench:
        bench.answer = lambda key: asyncio.CancelledError()
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(1)
        assert len(bench.passes) == 2
        assert bench.meter.failures == [(False, True)] * 2


@pytest.mark.parametrize("outcome", [Done(), Retry(EsoError("no")), Fatal(EsoError("no")), ValueError("a bug")])
async def test_a_meter_that_raises_ends_nothing_and_loses_no_key(outcome):
    async with Bench() as bench:
        bench.meter.passed = bench.meter.failed = lambda *_, **__: {}["hunter2"]
        bench.answer = lambda key: outcome
        bench.queue.add(A, Lane.NEW)
        await settle()
        bench.answer = lambda key: Done()
        bench.queue.add(B, Lane.NEW)
        await bench.clock.advance(1)
        assert {key for key, _, _ in bench.passes} == {A, B}
        assert not bench.running.done()
        assert len(bench.queue) == 0
        assert "hunter2" not in bench.log


async def test_a_queue_that_fails_is_asked_again_and_does_not_spin():
    async with Bench() as bench:
        taken, asked = bench.queue.get, 0

        async def get():
            nonlocal asked
            asked += 1
            if asked < 4:
                raise KeyError("hunter2")
            return await taken()

        bench.queue.get = get
        bench.queue.add(A, Lane.NEW)
        bench.queue.add(B, Lane.NEW)
        await settle()  # the first key went to the real method, which was waiting
        await bench.clock.advance(0.5)
        assert asked == 1
        await bench.clock.advance(10)
        assert [key for key, _, _ in bench.passes] == [A, B]
        told = [line for line in bench.log.lines() if line["msg"] == "the work queue failed and is asked again"]
        assert [line["error"] for line in told] == ["KeyError"] * 3


async def test_admission_that_raises_lets_the_pass_tell():
    bench = Bench()
    bench.queue = WorkQueue(bench.clock, gate_epoch=lambda gate: 0, admit=lambda key: {}["hunter2"])
    bench.controller.queue = bench.queue
    async with bench:
        bench.queue.add(A, Lane.PERIODIC)
        await settle()
        assert [key for key, _, _ in bench.passes] == [A]
        assert not bench.running.done()


async def test_a_failed_pass_is_told_with_everything_that_names_it():
    async with Bench() as bench:
        bench.answer = lambda key: EsoError("cannot read kv/data/a: permission denied")
        bench.queue.add(A, Lane.NEW)
        await settle()
        (line,) = bench.log.lines()
        assert line.pop("ts") > 0
        assert len(line.pop("reconcileID")) == 36
        assert line == {
            "level": "error",
            "logger": "controllers.ExternalSecret",
            "msg": "Reconciler error",
            "controller": "externalsecret",
            "controllerGroup": "external-secrets.io",
            "controllerKind": "ExternalSecret",
            "ExternalSecret": {"name": "a", "namespace": "shop"},
            "namespace": "shop",
            "name": "a",
            "error": "cannot read kv/data/a: permission denied",
        }


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: KeyError(VALUE), id="a bug"),
        pytest.param(lambda: Retry(ValueError(VALUE)), id="a foreign error handed back"),
        pytest.param(lambda: Fatal(ValueError(VALUE)), id="a foreign error that ends it"),
        pytest.param(
            lambda: EsoError(f"cannot log in at https://user:{VALUE}@vault"), id="a credential in our own text"
        ),
    ],
)
async def test_no_value_gets_into_the_log(make):
    async with Bench() as bench:
        bench.answer = lambda key: make()
        bench.queue.add(A, Lane.NEW)
        await settle()
        assert len(bench.log.lines()) == 1
        assert VALUE not in bench.log


async def test_a_bug_is_told_with_the_way_there():
    async with Bench() as bench:
        bench.answer = lambda key: ZeroDivisionError(VALUE)
        bench.queue.add(A, Lane.NEW)
        await settle()
        (line,) = bench.log.lines()
        assert line["error"] == "ZeroDivisionError"
        assert "test_controller.py" in line["stacktrace"]
        assert "reconcile" in line["stacktrace"]


def test_every_outcome_has_a_result():
    assert {
        result_of(o) for o in (Done(), After(1), Retry(), Retry(EsoError("x")), Parked("g", 0), Fatal(EsoError("x")))
    } == {*("success", "requeue_after", "requeue", "error", "parked")}


async def test_a_pass_that_never_ends_is_ended_and_runs_again():
    async with Bench(workers=1) as bench:
        bench.answer = lambda key: asyncio.get_running_loop().create_future()
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(239)
        assert (bench.controller.in_flight, bench.meter.results) == (1, [])
        await bench.clock.advance(2)
        assert (bench.meter.results, bench.meter.failures) == ([("error", 240.0)], [(False, False)])
        assert len(bench.passes) == 2


async def test_what_a_pass_holds_in_memory_is_given_back_however_it_ends():
    memory = Memory(64 << 20, VirtualClock())
    for end in (Done(), EsoError("no"), ValueError(VALUE), asyncio.CancelledError()):
        async with Bench() as bench:
            bench.controller._memory = memory

            async def holds(key, wake, now, end=end):
                await reserve(1000)
                assert memory.held_by("shop") == 1000
                if isinstance(end, BaseException):
                    raise end
                return end

            bench.controller.reconcile = holds
            bench.queue.add(A, Lane.NEW)
            await bench.clock.advance(0)
            assert (memory.used, memory.peak) == (0, 1000)


@pytest.mark.parametrize("returned", [True, False], ids=["returned", "raised"])
@pytest.mark.parametrize("kind", [EsoError, Terminal], ids=["to be tried again", "final"])
async def test_an_error_that_the_queue_gets_holds_nothing_of_the_pass(kind, returned):
    async with Bench() as bench:
        values, given = list[weakref.ref[bytearray]](), list[Outcome]()

        class Value(bytearray):
            pass

        async def fails(key, wake, now):
            value = Value(b"value")
            values.append(weakref.ref(value))
            try:
                raise kind("no")
            except EsoError as error:
                if returned:
                    return Retry(error) if error.retryable else Fatal(error)
                raise

        bench.controller.reconcile = fails
        done = bench.queue.done
        bench.queue.done = lambda key, outcome: (given.append(outcome), done(key, outcome))
        bench.queue.add(A, Lane.NEW)
        await bench.clock.advance(0)
        assert [type(one.error) for one in given] == [kind]
        assert values[0]() is None


async def test_passes_that_wait_for_long_give_up_their_slots_to_others():
    async with Bench(workers=4) as bench:
        bench.queue._lanes._workers = 4  # as the controller's
        ends = asyncio.Event()

        async def waits():
            await ends.wait()
            return Done()

        bench.answer = lambda key: waits() if key != A else Done()
        for n in range(4):
            bench.queue.add((f"slow-{n}", "x"), Lane.NEW)
        bench.queue.add(A, Lane.PERIODIC)
        await bench.clock.advance(4)
        assert A not in [key for key, _, _ in bench.passes]
        await bench.clock.advance(2)
        assert A in [key for key, _, _ in bench.passes]
        assert bench.controller.in_flight == 4
        ends.set()
        await bench.clock.advance(1)
        assert bench.controller.in_flight == 0
        assert bench.controller._slots._value == 3, "the dispatcher waits with one, and no slot was made or lost"
        assert bench.controller._lent == set()
    assert bench.clock.timers == 0


async def test_a_pass_whose_rest_can_wait_lends_its_slot_at_once_and_none_is_made_or_lost():
    async with Bench(workers=1) as bench:
        bench.queue._lanes._workers = 1  # as the controller's
        ends, lent = asyncio.Event(), []

        async def waits():
            lent.append((lend_slot(), lend_slot()))
            await ends.wait()
            return Done()

        bench.answer = lambda key: waits()
        for n in range(10):
            bench.queue.add((f"namespace-{n}", "x"), Lane.NEW)
        await bench.clock.advance()
        assert lent[0] == (True, True) and lent[-1] == (False, False), "and no number of them runs on without one"
        assert 1 < bench.controller.in_flight < 10
        ends.set()
        await bench.clock.advance(1)
        assert len(lent) == 10 and bench.controller.in_flight == 0
        assert bench.controller._slots._value == 0 and bench.controller._lent == set()  # the dispatcher has the one
    assert not lend_slot(), "there is no slot outside of a pass"


async def test_a_pass_that_is_cut_off_before_it_began_holds_up_no_end():
    bench = Bench(workers=1)
    running = asyncio.ensure_future(bench.controller.run(bench.stop))
    await settle()
    bench.queue.add(A, Lane.EVENT)
    while not bench.controller.in_flight:  # noqa: ASYNC110  # then it is dispatched, and its pass had no turn yet
        await asyncio.sleep(0)
    assert bench.passes == []
    bench.stop.set()
    bench.controller.cut_off()
    await asyncio.wait_for(running, 60)


@pytest.mark.parametrize("tenants", [6, 40])
async def test_a_namespace_without_any_pass_finds_a_place_beside_many_whose_passes_hang(tenants):
    """Those whose passes have lent their places are no newcomers, for whom the last places are kept."""
    clock, waited, due = VirtualClock(), [], {}

    async def reconcile(key, wake, now):
        if key in due:
            waited.append(clock.monotonic() - due[key])
            return Done()
        async with deadline(clock, 120.0):
            await asyncio.Event().wait()
        raise AssertionError

    queue = WorkQueue(clock, gate_epoch=lambda gate: 0, workers=16)
    controller = Controller("externalsecret", queue, reconcile, clock, 16, log=Log())
    running = asyncio.ensure_future(controller.run(asyncio.Event()))
    for number in range(6):
        for n in range(tenants):
            queue.add((f"greedy-{n}", str(number)), Lane.NEW)

    def arrives(key):
        due[key] = clock.monotonic()
        queue.add(key, Lane.PERIODIC)

    for n in range(30):
        clock.call_later(10.0 + 7 * n, partial(arrives, (f"team-{n % 5}", str(n))))
    await clock.advance(300.0)
    running.cancel()
    await asyncio.wait([running])
    assert waited == [0.0] * 30
