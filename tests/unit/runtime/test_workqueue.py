"""The work queue, sentence by sentence; test_workqueue_model.py compares it with a naive model."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from eso.errors import EsoError
from eso.runtime.lanes import AGEING_SECONDS, AGEING_TURN
from eso.runtime.outcome import After, Done, Fatal, Lane, Parked, Retry, Wake
from eso.runtime.queuestate import Absent, AtGate, KeyState, Running, Scheduled, Waiting
from eso.runtime.workqueue import QueueClosed, WorkQueue
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle, until

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def triggered(reasons, at=NOON, since=1000.0):
    return Wake(frozenset(reasons), at, since)


class Bench:
    """A queue, its clock and one gate."""

    def __init__(self, **options):
        self.clock = VirtualClock()
        self.epochs = {}
        self.closed = {}  # key -> gate
        self.asked = []
        self.queue = WorkQueue(
            self.clock, gate_epoch=lambda gate: self.epochs.get(gate, 0), admit=self.admit, **options
        )

    def admit(self, key):
        self.asked.append(key)
        gate = self.closed.get(key)
        return Parked(gate, self.epochs.get(gate, 0)) if gate else None

    async def now(self):
        """The key that can be had at this moment, with its wake; None when there is none."""
        getting = asyncio.ensure_future(self.queue.get())
        await settle()
        if getting.done():
            return getting.result()
        getting.cancel()
        await settle()
        return None

    def later(self, key, seconds, lane=Lane.PERIODIC):
        """A pass of `key` ends, and it is to run again in `seconds`."""
        self.queue.add(key, Lane.NEW)
        assert self.queue._take(self.clock.monotonic())[0] == key
        self.queue.done(key, After(seconds, lane))

    async def key(self):
        taken = await self.now()
        return taken and taken[0]

    async def drain(self, outcome=None):
        keys = []
        while (key := await self.key()) is not None:
            keys.append(key)
            self.queue.done(key, outcome or Done())
        return keys


@pytest.fixture
def bench():
    return Bench()


async def test_a_key_that_is_added_twice_runs_once(bench):
    bench.queue.add(A, Lane.NEW)
    bench.queue.add(A, Lane.NEW)
    assert await bench.drain() == [A]


async def test_reasons_merge_and_the_newest_trigger_wins(bench):
    bench.queue.add(A, Lane.EVENT, "store", NOON)
    bench.queue.add(A, Lane.EVENT, "credential", NOON + timedelta(seconds=5))
    bench.queue.add(A, Lane.EVENT, "store", NOON + timedelta(seconds=1))
    assert await bench.now() == (A, triggered({"store", "credential"}, NOON + timedelta(seconds=5)))


async def test_the_newest_trigger_is_the_last_one_that_came_in_whatever_the_wall_clock_says(bench):
    bench.queue.add(A, Lane.EVENT, "store", NOON)
    await bench.clock.advance(2)
    bench.queue.add(A, Lane.EVENT, "store", NOON - timedelta(hours=1))
    await bench.clock.advance(1)
    bench.queue.add(A, Lane.PERIODIC, "timer")
    since = bench.clock.monotonic() - 1
    assert await bench.now() == (A, triggered({"store", "timer"}, NOON, since))


async def test_a_timer_alone_wakes_without_a_reason(bench):
    bench.later(A, 5)
    await bench.clock.advance(5)
    assert await bench.now() == (A, Wake())


async def test_a_running_key_is_in_no_other_worker(bench):
    bench.queue.add(A, Lane.NEW)
    assert await bench.key() == A
    bench.queue.add(A, Lane.NEW)
    assert await bench.key() is None


async def test_a_key_added_while_it_runs_runs_again_with_only_the_new_reason(bench):
    bench.queue.add(A, Lane.NEW, "first")
    await bench.now()
    bench.queue.add(A, Lane.EVENT, "second", NOON)
    bench.queue.done(A, Done())
    assert await bench.now() == (A, triggered({"second"}))


async def test_better_lanes_go_first_and_within_a_lane_the_oldest(bench):
    for lane in reversed(Lane):
        bench.queue.add((lane.name, "first"), lane)
        bench.queue.add((lane.name, "second"), lane)
    assert await bench.drain() == [(lane.name, name) for lane in Lane for name in ("first", "second")]


async def test_a_better_lane_lifts_a_key_that_waits_already(bench):
    bench.queue.add(A, Lane.PERIODIC)
    bench.queue.add(B, Lane.PERIODIC)
    bench.queue.add(B, Lane.NEW)
    assert await bench.drain() == [B, A]


async def test_a_worse_lane_does_not_lower_a_key(bench):
    bench.queue.add(B, Lane.EVENT)
    bench.queue.add(A, Lane.NEW)
    bench.queue.add(A, Lane.PERIODIC)
    assert await bench.drain() == [A, B]


async def test_no_lane_starves_however_many_new_keys_come(bench):
    bench.queue.add(A, Lane.PERIODIC)
    bench.clock.jump(AGEING_SECONDS)
    ran = []
    for n in range(AGEING_TURN):
        bench.queue.add(("flood", str(n)), Lane.NEW)
        bench.queue.add(("flood", f"{n}'"), Lane.NEW)
        ran.append(await bench.key())
        bench.queue.done(ran[-1], Done())
    assert A in ran


async def test_a_new_object_passes_ten_thousand_overdue_refreshes(bench):
    for n in range(10_000):
        bench.queue.add(("old", str(n)), Lane.PERIODIC)
    bench.clock.jump(10 * AGEING_SECONDS)
    bench.queue.add(A, Lane.NEW)
    first, second = await bench.key(), await bench.key()
    assert A in (first, second)


async def test_the_earliest_due_time_wins(bench):
    bench.later(A, 10)
    bench.queue.add(A, Lane.EVENT)
    key = await bench.key()
    bench.queue.add(A, Lane.EVENT)  # now, before the outcome says 60 s
    bench.queue.done(key, After(60))
    assert await bench.drain() == [A]
    await bench.clock.advance(100)
    assert await bench.drain() == [], "the later times were absorbed"


async def test_a_running_key_that_is_added_twice_is_due_since_the_first_time(bench):
    bench.queue.add(A, Lane.EVENT)
    await bench.now()
    bench.queue.add(A, Lane.PERIODIC)
    bench.clock.jump(5)
    bench.queue.add(A, Lane.NEW)
    bench.queue.done(A, Done())
    assert bench.queue.explain(A).place == Waiting(5.0, Lane.NEW, held=False)


async def test_a_key_that_is_to_run_again_is_not_parked(bench):
    bench.queue.add(A, Lane.EVENT)
    await bench.now()
    bench.queue.add(A, Lane.EVENT)
    bench.queue.done(A, Parked("vault", 0))
    assert bench.queue.parked("vault") == 0
    assert await bench.key() == A


async def test_an_event_takes_the_place_of_the_timer(bench):
    bench.later(A, 60)
    bench.queue.add(A, Lane.EVENT)
    assert await bench.drain() == [A]
    await bench.clock.advance(60)
    assert await bench.drain() == []


async def test_a_time_that_was_absorbed_does_not_cut_the_next_one_short(bench):
    bench.later(B, 50)
    bench.later(A, 60)
    bench.queue.add(A, Lane.EVENT)
    bench.queue.done(await bench.key(), After(100))
    await bench.clock.advance(99)
    assert await bench.drain() == [B]
    await bench.clock.advance(1)
    assert await bench.drain() == [A]


async def test_a_success_forgets_the_failures_though_the_key_runs_again(bench):
    bench.queue.add(A, Lane.NEW)
    bench.queue.done(await bench.key(), Retry())
    await bench.clock.advance(1)
    await bench.now()
    bench.queue.add(A, Lane.NEW)
    bench.queue.done(A, Done())
    assert bench.queue.failures(A) == 0


async def test_keys_that_fall_due_while_nobody_waits_come_in_order_of_their_time(bench):
    bench.later(B, 2)
    bench.later(A, 1)
    bench.clock.jump(5)
    bench.queue.add(C, Lane.PERIODIC)
    assert await bench.drain() == [A, B, C]


@pytest.mark.parametrize(
    ("outcomes", "seconds"),
    [
        pytest.param([Retry()], 1, id="the first failure waits one second"),
        pytest.param([Retry(EsoError("no"))] * 3, 4, id="it doubles"),
        pytest.param([Retry()] * 20, 420, id="up to seven minutes"),
        pytest.param([Retry(), Retry(), After(9), Retry()], 1, id="after forgets the failures"),
        pytest.param([Retry(), Retry(), After(9)], 9, id="after is exact"),
        pytest.param([Retry(), Retry(), After(0), Retry()], 1, id="after nothing runs at once"),
    ],
)
async def test_an_outcome_decides_when_the_key_comes_back(bench, outcomes, seconds):
    bench.queue.add(A, Lane.NEW)
    for outcome in outcomes:
        await bench.clock.advance(1000)
        assert await bench.key() == A
        bench.queue.done(A, outcome)
    await bench.clock.advance(seconds - 0.001)
    assert await bench.key() is None
    await bench.clock.advance(0.001)
    assert await bench.key() == A


@pytest.mark.parametrize("outcome", [Done(), Fatal(EsoError("no"))], ids=["done", "fatal"])
async def test_after_done_or_fatal_only_an_event_brings_the_key_back(bench, outcome):
    bench.queue.add(A, Lane.NEW)
    bench.queue.done(await bench.key(), Retry())
    await bench.clock.advance(1)
    bench.queue.done(await bench.key(), outcome)
    await bench.clock.advance(100_000)
    assert await bench.key() is None
    assert len(bench.queue) == 0, "nothing is remembered"
    bench.queue.add(A, Lane.NEW)
    assert await bench.key() == A
    assert bench.queue.failures(A) == 0


@pytest.mark.parametrize("outcome", [Retry(), Parked("vault", 0)], ids=["retry", "parked"])
async def test_what_a_key_was_woken_for_is_kept_until_it_is_done(bench, outcome):
    bench.queue.add(A, Lane.EVENT, "credential", NOON)
    bench.queue.done((await bench.now())[0], outcome)
    await bench.clock.advance(1)
    bench.queue.release("vault", 1)
    assert await bench.now() == (A, triggered({"credential"}))
    bench.queue.done(A, After(1))
    await bench.clock.advance(1)
    assert await bench.now() == (A, Wake())


async def test_the_lane_after_a_pause_is_the_outcomes(bench):
    bench.queue.add(A, Lane.NEW)
    bench.queue.done(await bench.key(), After(5, Lane.DRIFT))
    bench.later(B, 4)
    bench.clock.jump(5)
    assert await bench.drain() == [A, B]


async def test_an_outcome_of_a_key_nobody_holds_is_refused(bench):
    bench.queue.add(A, Lane.NEW)
    with pytest.raises(LookupError):
        bench.queue.done(A, Done())


class TestParked:
    async def park(self, bench, *keys, lane=Lane.PERIODIC, gate="vault"):
        for key in keys:
            bench.queue.add(key, lane)
            assert await bench.key() == key
            bench.queue.done(key, Parked(gate, bench.epochs.get(gate, 0)))

    async def test_a_parked_key_has_no_timer_and_no_failure(self, bench):
        await self.park(bench, A)
        await bench.clock.advance(100_000)
        assert await bench.key() is None
        assert (bench.queue.failures(A), bench.queue.parked("vault"), bench.clock.timers) == (0, 1, 0)

    async def test_the_gate_lets_out_as_many_as_it_says_by_lane_then_the_longest_parked(self, bench):
        await self.park(bench, A, B)
        await self.park(bench, C, lane=Lane.NEW)
        assert bench.queue.release("vault", 2) == 2
        assert await bench.drain() == [C, A]
        assert bench.queue.release("vault", 5) == 1
        assert await bench.drain() == [B]
        assert bench.queue.release("vault", 5) == 0

    async def test_another_gate_lets_nobody_out(self, bench):
        await self.park(bench, A)
        assert bench.queue.release("aws", 5) == 0
        assert await bench.key() is None

    async def test_a_gate_that_moved_meanwhile_requeues_at_once(self, bench):
        bench.queue.add(A, Lane.PERIODIC)
        await bench.now()
        bench.epochs["vault"] = 1
        bench.queue.done(A, Parked("vault", 0))
        assert await bench.key() == A

    async def test_a_gate_that_moved_before_admission_parks_nobody(self, bench):
        bench.queue = WorkQueue(bench.clock, gate_epoch=lambda gate: 2, admit=lambda key: Parked("vault", 1))
        bench.queue.add(A, Lane.PERIODIC)
        assert await bench.key() == A

    async def test_an_edit_during_the_pass_runs_the_key_again_instead_of_parking_it(self, bench):
        bench.queue.add(A, Lane.PERIODIC)
        await bench.now()
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.NEW, "edited")
        bench.queue.done(A, Parked("vault", 0))
        assert await bench.key() == A

    async def test_a_parked_key_with_something_to_tell_comes_back_though_its_gate_is_closed(self, bench):
        bench.queue.add(A, Lane.PERIODIC)
        assert await bench.key() == A
        bench.closed[A] = "vault"
        bench.queue.done(A, Parked("vault", 0, 10.0))
        await bench.clock.advance(9.0)
        assert (await bench.key(), bench.queue.parked("vault")) == (None, 1)
        await bench.clock.advance(1.0)
        assert (await bench.key(), bench.queue.parked("vault")) == (A, 0)

    async def test_a_key_that_its_gate_let_out_is_not_brought_back_by_the_time_it_had_been_given(self, bench):
        bench.queue.add(A, Lane.PERIODIC)
        assert await bench.key() == A
        bench.queue.done(A, Parked("vault", 0, 10.0))
        assert bench.queue.release("vault", 1) == 1
        assert await bench.drain() == [A]
        await bench.clock.advance(20.0)
        assert (await bench.key(), len(bench.queue)) == (None, 0)

    async def test_an_edit_runs_a_parked_key_though_its_gate_is_closed(self, bench):
        await self.park(bench, A)
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.NEW, "edited")
        assert await bench.now() == (A, Wake(frozenset({"edited"})))
        assert bench.queue.parked("vault") == 0

    async def test_the_right_of_an_edit_ends_with_its_pass(self, bench):
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.NEW, "edited")
        assert await bench.key() == A
        bench.queue.done(A, Retry())
        await bench.clock.advance(1)
        assert await bench.key() is None
        assert bench.queue.parked("vault") == 1

    async def test_any_other_event_asks_the_gate_again(self, bench):
        await self.park(bench, A)
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.EVENT, "store")
        assert await bench.key() is None
        bench.closed[A] = "another"
        bench.queue.add(A, Lane.EVENT, "store")
        assert await bench.key() is None
        assert (bench.queue.parked("vault"), bench.queue.parked("another")) == (0, 1)
        del bench.closed[A]
        bench.queue.add(A, Lane.EVENT, "store")
        assert await bench.key() == A

    async def test_a_timer_does_not_unpark(self, bench):
        bench.later(A, 1)
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.EVENT)
        assert await bench.key() is None
        bench.closed.clear()
        await bench.clock.advance(10)
        assert await bench.key() is None

    async def test_no_worker_is_taken_by_a_key_whose_gate_is_closed(self, bench):
        bench.closed[A] = "vault"
        bench.queue.add(A, Lane.PERIODIC)
        bench.queue.add(B, Lane.PERIODIC)
        assert await bench.drain() == [B]
        assert bench.asked == [A, B]
        assert bench.queue.explain(A).place == AtGate("vault", Lane.PERIODIC, None)

    async def test_a_key_let_out_and_refused_again_keeps_its_place(self, bench):
        await self.park(bench, A, B)
        bench.closed[A] = "vault"
        bench.queue.release("vault", 1)
        assert await bench.key() is None
        bench.closed.clear()
        bench.queue.release("vault", 1)
        assert await bench.key() == A

    async def test_a_crowd_at_a_closed_gate_leaves_the_loop_its_turns(self, bench):
        for n in range(1000):
            bench.closed[("crowd", str(n))] = "vault"
            bench.queue.add(("crowd", str(n)), Lane.PERIODIC)
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        getting = asyncio.ensure_future(bench.queue.get())
        await until(lambda: bench.queue.parked("vault") == 1000)
        counting.cancel()
        getting.cancel()
        assert turns >= 10


class TestWaiting:
    @pytest.mark.parametrize(
        "wake",
        [
            pytest.param(lambda b: b.queue.add(A, Lane.NEW), id="an event"),
            pytest.param(lambda b: b.queue.done(B, After(0)), id="a time that has come already"),
            pytest.param(lambda b: b.queue.release("vault", 1), id="a gate that opens"),
            pytest.param(lambda b: b.queue.done(B, Retry()), id="an outcome, after its back-off"),
            pytest.param(lambda b: b.queue.done(B, After(1)), id="a scheduled key"),
        ],
    )
    async def test_a_waiting_worker_is_woken_by(self, bench, wake):
        bench.queue.add(A, Lane.NEW)
        bench.queue.done(await bench.key(), Parked("vault", 0))
        bench.queue.add(B, Lane.NEW)
        await bench.now()
        getting = asyncio.ensure_future(bench.queue.get())
        await settle()
        assert not getting.done()
        wake(bench)
        await bench.clock.advance(1)
        assert getting.done()

    async def test_a_waiting_worker_gets_a_parked_key_at_its_deadline(self, bench):
        bench.queue.add(A, Lane.NEW)
        await bench.now()
        getting = asyncio.ensure_future(bench.queue.get())
        await settle()
        bench.queue.done(A, Parked("vault", 0, seconds=30))
        await bench.clock.advance(29)
        assert not getting.done()
        await bench.clock.advance(1)
        assert getting.result()[0] == A

    async def test_a_waiting_worker_gets_a_key_whose_namespace_was_held(self):
        bench = Bench(workers=1)
        bench.queue.add(A, Lane.NEW)
        bench.queue.add(B, Lane.NEW)
        assert await bench.key() == A
        getting = asyncio.ensure_future(bench.queue.get())
        await settle()
        assert not getting.done()
        bench.queue.done(A, Done())
        await settle()
        assert getting.result()[0] == B

    async def test_one_timer_serves_all_keys_and_only_while_a_worker_waits(self, bench):
        for n in range(100):
            bench.later(("many", str(n)), 50 + n)
        assert bench.clock.timers == 0
        getting = asyncio.ensure_future(bench.queue.get())
        await settle()
        assert bench.clock.timers == 1
        bench.later(A, 10)
        assert bench.clock.timers == 1
        await bench.clock.advance(10)
        assert getting.result()[0] == A

    async def test_several_waiting_workers_get_one_key_each(self, bench):
        workers = [asyncio.ensure_future(bench.queue.get()) for _ in range(3)]
        await settle()
        for key in (A, B, C):
            bench.later(key, 1)
        await bench.clock.advance(1)
        assert {worker.result()[0] for worker in workers} == {A, B, C}

    async def test_a_worker_cancelled_as_it_is_woken_passes_the_key_on(self, bench):
        first, second = asyncio.ensure_future(bench.queue.get()), asyncio.ensure_future(bench.queue.get())
        await settle()
        bench.queue.add(A, Lane.NEW)
        first.cancel()
        await settle()
        assert second.result()[0] == A
        assert first.cancelled()

    async def test_a_worker_cancelled_in_the_turn_of_the_wake_up_ends_as_cancelled(self, bench):
        first, second = asyncio.ensure_future(bench.queue.get()), asyncio.ensure_future(bench.queue.get())
        await settle()
        first.cancel()
        bench.queue.add(A, Lane.NEW)
        await settle()
        assert first.cancelled()
        assert second.result()[0] == A

    async def test_every_wait_may_be_cancelled_and_no_key_gets_lost(self, bench):
        async def worker():
            asyncio.get_running_loop().call_soon(bench.queue.add, A, Lane.NEW)
            bench.queue.done((await bench.queue.get())[0], Done())

        count = 0
        async for _ in every_await(worker):
            count += 1
            await settle()
            assert not bench.queue._getters
            assert await bench.drain() == [A]
        assert count == 3

    async def test_a_cancelled_worker_leaves_nothing_behind(self, bench):
        getting = asyncio.ensure_future(bench.queue.get())
        await settle()
        getting.cancel()
        await settle()
        assert not bench.queue._getters
        bench.queue.add(A, Lane.NEW)
        assert await bench.key() == A

    async def test_a_closed_queue_hands_out_nothing_more(self, bench):
        waiting = asyncio.ensure_future(bench.queue.get())
        await settle()
        bench.queue.close()
        bench.queue.add(A, Lane.NEW)
        with pytest.raises(QueueClosed):
            await waiting
        with pytest.raises(QueueClosed):
            await bench.queue.get()

    async def test_an_outcome_is_taken_after_the_queue_closed(self, bench):
        bench.queue.add(A, Lane.NEW)
        await bench.now()
        bench.queue.close()
        bench.queue.done(A, Done())
        assert len(bench.queue) == 0


class TestSnapshot:
    async def test_it_counts_by_lane_and_place(self, bench):
        bench.queue.add(C, Lane.NEW)
        bench.queue.done(await bench.key(), Parked("vault", 0))
        bench.queue.add(("shop", "running"), Lane.NEW)
        await bench.now()
        bench.queue.add(A, Lane.EVENT)
        bench.later(B, 5)
        seen = bench.queue.snapshot()
        assert (seen.ready[Lane.EVENT], seen.depth, seen.scheduled, seen.running, seen.parked) == (
            1,
            1,
            1,
            1,
            {"vault": 1},
        )

    async def test_the_oldest_overdue_key_counts_from_its_due_time_though_nobody_looked(self, bench):
        bench.later(A, 5)
        bench.clock.jump(12)
        bench.queue.add(B, Lane.NEW)
        seen = bench.queue.snapshot()
        assert (seen.oldest_overdue_key, seen.oldest_overdue_seconds) == (A, 7)

    async def test_parked_and_scheduled_keys_are_never_overdue(self, bench):
        bench.queue.add(A, Lane.NEW)
        bench.queue.done(await bench.key(), Parked("vault", 0))
        bench.later(B, 1000)
        bench.clock.jump(900)
        seen = bench.queue.snapshot()
        assert (seen.oldest_overdue_key, seen.oldest_overdue_seconds, seen.stalled_seconds) == (None, 0, 0)

    async def test_running_passes_are_timed(self, bench):
        bench.queue.add(A, Lane.NEW)
        await bench.now()
        bench.clock.jump(3)
        bench.queue.add(B, Lane.NEW)
        await bench.now()
        bench.clock.jump(2)
        seen = bench.queue.snapshot()
        assert (seen.longest_running_key, seen.longest_running_seconds, seen.unfinished_seconds) == (A, 5, 7)

    async def test_a_queue_that_hands_out_keys_is_late_but_not_stalled(self, bench):
        bench.queue.add(A, Lane.PERIODIC)
        bench.queue.add(B, Lane.NEW)
        bench.clock.jump(60)
        assert bench.queue.snapshot().stalled_seconds == 60
        await bench.now()
        bench.clock.jump(1)
        seen = bench.queue.snapshot()
        assert (seen.oldest_overdue_seconds, seen.stalled_seconds) == (61, 1)

    async def test_woken_keys_do_not_pile_up_stale_timers(self, bench):
        bench.later(B, 1800)
        for _ in range(5000):
            bench.later(A, 3600)
            bench.queue.add(A, Lane.EVENT)
            bench.queue.done(await bench.queue.get() and A, Done())
        assert len(bench.queue._timers._heap) < 1100


async def test_what_happens_is_counted():
    class Meter:
        def __init__(self):
            self.told = []

        def added(self):
            self.told.append("added")

        def retried(self):
            self.told.append("retried")

        def started(self, waited_seconds):
            self.told.append(("started", waited_seconds))

        def finished(self, seconds):
            self.told.append(("finished", seconds))

    meter = Meter()
    bench = Bench(meter=meter)
    bench.queue.add(A, Lane.PERIODIC)
    bench.queue.add(A, Lane.NEW)
    bench.clock.jump(2)
    await bench.now()
    bench.clock.jump(3)
    bench.queue.done(A, Retry())
    assert meter.told == ["added", ("started", 2), ("finished", 3), "retried"]


# a collaborator that raises


class Log:
    def __init__(self):
        self.lines = []

    def error(self, text, **fields):
        self.lines.append((text, fields["call"].rpartition(".")[2], fields["error"]))


async def test_a_key_that_admission_cannot_judge_runs():
    def admit(key):
        if key == A:
            raise KeyError("hunter2")

    log = Log()
    queue = WorkQueue(VirtualClock(), gate_epoch=lambda gate: 0, admit=admit, log=log)
    queue.add(A, Lane.PERIODIC)
    queue.add(B, Lane.PERIODIC)
    assert [(await queue.get())[0], (await queue.get())[0]] == [A, B]
    assert log.lines == [("a call failed and was passed over", "admit", "KeyError")]


async def test_a_key_whose_gate_cannot_be_asked_runs_and_backs_off_after_it_was_refused():
    def epoch(gate):
        raise RuntimeError

    clock = VirtualClock()
    queue = WorkQueue(clock, gate_epoch=epoch, admit=lambda key: Parked("vault", 0), log=Log())
    queue.add(A, Lane.PERIODIC, "store")
    assert (await queue.get())[0] == A
    queue.done(A, Parked("vault", 0))
    assert queue.explain(A) == KeyState(Scheduled(1.0, Lane.PERIODIC), 1, frozenset({"store"}))
    assert queue.parked("vault") == 0


async def test_a_meter_that_raises_costs_no_key():
    class Meter:
        added = started = finished = retried = lambda *_: 1 / 0

    queue = WorkQueue(VirtualClock(), gate_epoch=lambda gate: 0, meter=Meter(), log=(log := Log()))
    queue.add(A, Lane.NEW)
    queue.done((await queue.get())[0], Retry())
    assert queue.failures(A) == 1
    assert len(log.lines) == 4


# what it says about one key


async def test_it_explains_why_a_key_does_not_run(bench):
    assert bench.queue.explain(A) == KeyState(Absent())
    bench.queue.add(A, Lane.EVENT, "edited")
    bench.clock.jump(2)
    assert bench.queue.explain(A) == KeyState(Waiting(2.0, Lane.EVENT, held=False), 0, frozenset({"edited"}))
    await bench.now()
    bench.clock.jump(3)
    assert bench.queue.explain(A) == KeyState(Running(3.0, Lane.EVENT, None))
    bench.queue.add(A, Lane.EVENT, "store")
    assert bench.queue.explain(A) == KeyState(Running(3.0, Lane.EVENT, 0.0), 0, frozenset({"store"}))
    bench.queue.done(A, Done())
    await bench.now()
    bench.queue.done(A, Retry())
    assert bench.queue.explain(A) == KeyState(Scheduled(1.0, Lane.EVENT), 1, frozenset({"store"}))
    await bench.clock.advance(1)
    await bench.now()
    bench.queue.done(A, Parked("vault", 0, seconds=30))
    bench.clock.jump(10)
    assert bench.queue.explain(A) == KeyState(AtGate("vault", Lane.EVENT, 20.0), 1, frozenset({"store"}))


async def test_it_explains_that_the_namespace_has_its_share():
    bench = Bench(workers=4)
    for n in range(4):
        bench.queue.add(("shop", str(n)), Lane.NEW)
    assert [await bench.key() for _ in range(4)][3] is None
    assert bench.queue.explain(("shop", "3")) == KeyState(Waiting(0.0, Lane.NEW, held=True))


# shares of the namespaces


async def running(bench, count):
    """Takes `count` keys, as a controller with free workers does."""
    return [await bench.key() for _ in range(count)]


async def test_a_namespace_with_many_slow_keys_leaves_workers_for_the_others():
    bench = Bench(workers=8)
    for n in range(20):
        bench.queue.add(("greedy", str(n)), Lane.NEW)
    taken = await running(bench, 8)
    assert [key for key in taken if key] == [("greedy", str(n)) for n in range(6)], "three quarters, in order"
    bench.queue.add(A, Lane.PERIODIC)
    assert await bench.key() == A, "in whatever lane"
    assert bench.queue.snapshot().ready[Lane.NEW] == 14


async def test_a_share_shrinks_while_others_work_and_grows_when_they_are_done():
    bench = Bench(workers=32)
    for name in ("one", "two"):
        for n in range(40):
            bench.queue.add((name, str(n)), Lane.NEW)
    taken = [key for key in await running(bench, 64) if key]
    assert sum(namespace == "one" for namespace, _ in taken) == 24
    assert len(taken) < 32, "a third namespace finds a place"
    for key in taken:
        if key[0] == "one":
            bench.queue.done(key, Done())
    more = [key for key in await running(bench, 64) if key]
    assert {namespace for namespace, _ in more} == {"one", "two"}
    assert len({*taken, *more}) == len(taken) + len(more)


async def test_held_keys_run_in_the_order_of_their_lanes_and_every_one_runs_once():
    bench = Bench(workers=2)
    for n in range(50):
        bench.queue.add(("greedy", str(n)), Lane.PERIODIC)
    first = [key for key in await running(bench, 3) if key]
    assert len(first) == 2
    urgent = ("greedy", "49")
    bench.queue.add(urgent, Lane.NEW)
    for key in first:
        bench.queue.done(key, Done())
    rest = await bench.drain()
    assert rest[0] == urgent
    assert sorted([*first, *rest]) == sorted(("greedy", str(n)) for n in range(50))
    assert len(bench.queue) == 0
    assert bench.queue._lanes._held_heaps == {}
    assert bench.queue.snapshot().depth == 0


async def test_tenants_with_many_namespaces_share_like_those_with_one():
    bench = Bench(workers=8, group=lambda namespace: namespace.partition("-")[0])
    for n in range(20):
        bench.queue.add((f"greedy-{n}", "x"), Lane.NEW)
    assert len([key for key in await running(bench, 8) if key]) == 6
    bench.queue.add(A, Lane.PERIODIC)
    assert await bench.key() == A


async def test_a_key_that_runs_for_long_lends_its_worker_and_its_share():
    bench = Bench(workers=8)
    for n in range(100):
        bench.queue.add(("greedy", str(n)), Lane.NEW)
    first = [key for key in await running(bench, 8) if key]
    await bench.clock.advance(4)
    assert bench.queue.lend(5.0) == []
    await bench.clock.advance(1)
    assert bench.queue.lend(5.0) == first
    assert bench.queue.lend(5.0) == [], "once"
    again = [key for key in await running(bench, 8) if key]
    assert len(again) == 6
    for key in first:
        bench.queue.done(key, Done())
    assert [key for key in await running(bench, 8) if key] == [], "the end of a pass without a worker frees none"
    for key in again:
        bench.queue.done(key, Done())
    assert len([key for key in await running(bench, 8) if key]) == 6


async def test_no_namespace_runs_without_workers_as_often_as_it_likes():
    bench = Bench(workers=8)
    for n in range(200):
        bench.queue.add(("greedy", str(n)), Lane.NEW)
    lent = 0
    for _ in range(20):
        await running(bench, 8)
        await bench.clock.advance(5)
        lent += len(bench.queue.lend(5.0))
    assert lent == 24, "three quarters of four times the workers"
    assert len([key for key in bench.queue._running]) == 24 + 6


async def test_what_lives_in_no_namespace_has_no_share():
    bench = Bench(workers=4)
    for n in range(4):
        bench.queue.add(("", str(n)), Lane.NEW)
    assert None not in await running(bench, 4)


async def test_a_namespace_alone_with_one_worker_works():
    bench = Bench(workers=1)
    bench.queue.add(A, Lane.NEW)
    bench.queue.add(B, Lane.NEW)
    assert await bench.drain() == [A, B]
