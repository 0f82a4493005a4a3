from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eso.api.meta import LEASES
from eso.errors import EsoError
from eso.kube.lease import Lease, LeaseLost, LeaseTimes, new_identity
from eso.kube.rest import Rest
from tests.fakes.apiserver import FakeApiServer, Hang, Late, Reset, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until

NAME = ("eso", "external-secrets-controller")


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def rest(api: FakeApiServer):
    rest = api.rest(timeout=5.0, write_timeout=5.0)
    yield rest
    await rest.access.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def candidate(rest: Rest, clock: VirtualClock, told: list[str]):
    def make(identity: str, **options: Any) -> Lease:
        return Lease(
            rest,
            *NAME,
            identity,
            LeaseTimes(),
            **({"clock": clock, "jitter": lambda: 0.0, "told": told.append} | options),
        )

    return make


def spec(api: FakeApiServer) -> dict[str, Any]:
    live = api.get(LEASES, *NAME)
    assert live is not None
    return live["spec"]


async def attempts(api: FakeApiServer, clock: VirtualClock, count: int, seconds: float = 2.0) -> None:
    """Lets `count` retry periods pass, each with the answers of the server."""
    for _ in range(count):
        await until(lambda: clock.timers > 0)
        await clock.advance(seconds)
    await until(lambda: clock.timers > 0)


async def test_the_first_candidate_creates_the_lease_as_client_go_writes_it(api, candidate, told):
    lease = candidate("a")
    await lease.acquire()
    assert spec(api) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2024-01-01T00:00:00.000000Z",
        "renewTime": "2024-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }
    assert (lease.leading, lease.holder, told) == (True, "a", ["a became leader"])


async def test_renewing_moves_the_renew_time_only(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    before = spec(api)
    keeping = asyncio.ensure_future(lease.keep())
    await attempts(api, clock, 3)
    assert spec(api) == before | {"renewTime": "2024-01-01T00:00:06.000000Z"}
    keeping.cancel()


async def test_labels_and_unknown_members_of_the_lease_stay(api, candidate, clock):
    api.put(
        LEASES,
        {
            "metadata": {"namespace": NAME[0], "name": NAME[1], "labels": {"l": "1"}},
            "spec": {"strategy": "OldestEmulationVersion"},
        },
    )
    await candidate("a").acquire()
    live = api.get(LEASES, *NAME)
    assert (live["metadata"]["labels"], live["spec"]["strategy"], live["spec"]["leaseTransitions"]) == (
        {"l": "1"},
        "OldestEmulationVersion",
        1,
    )


async def test_a_second_candidate_waits_while_the_first_renews(api, candidate, clock):
    first, second = candidate("a"), candidate("b")
    await first.acquire()
    keeping, waiting = asyncio.ensure_future(first.keep()), asyncio.ensure_future(second.acquire())
    await attempts(api, clock, 20)
    assert not waiting.done()
    assert (spec(api)["holderIdentity"], second.holder, second.leading) == ("a", "a", False)
    keeping.cancel()
    waiting.cancel()


async def test_a_second_candidate_takes_over_a_duration_after_the_last_renewal_it_saw(api, candidate, clock):
    first, second = candidate("a"), candidate("b")
    await first.acquire()
    waiting = asyncio.ensure_future(second.acquire())
    await attempts(api, clock, 7)  # 14 s
    assert not waiting.done()
    assert first.holds_for(1.0)
    await clock.advance(2.0)
    await waiting
    assert not first.holds_for(0.0), "at no time two of them may write"
    assert (spec(api)["holderIdentity"], spec(api)["leaseTransitions"]) == ("b", 1)


async def test_the_holders_clock_does_not_matter(api, candidate, clock):
    api.put(
        LEASES,
        {
            "metadata": {"namespace": NAME[0], "name": NAME[1]},
            "spec": {
                "holderIdentity": "other",
                "leaseDurationSeconds": 30,
                "renewTime": "1999-01-01T00:00:00.000000Z",
                "leaseTransitions": 4,
            },
        },
    )
    lease = candidate("a")
    waiting = asyncio.ensure_future(lease.acquire())
    await attempts(api, clock, 14)  # 28 s of the holder's 30
    assert not waiting.done()
    await clock.advance(2.0)
    await waiting
    assert spec(api)["leaseTransitions"] == 5


async def test_releasing_lets_the_next_one_in_at_once(api, candidate, clock, told):
    first, second = candidate("a"), candidate("b")
    await first.acquire()
    await first.release()
    assert (spec(api)["holderIdentity"], spec(api)["leaseDurationSeconds"], first.leading) == ("", 1, False)
    await second.acquire()
    assert (spec(api)["holderIdentity"], told) == ("b", ["a became leader", "a stopped leading", "b became leader"])


async def test_a_renewal_in_flight_does_not_take_back_what_is_released(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    keeping = asyncio.ensure_future(lease.keep())
    await until(lambda: clock.timers > 0)
    api.fail(Late(), method="PATCH")
    await clock.advance(2.0)
    await until(lambda: len(api.sent("PATCH")) == 1)
    releasing = asyncio.ensure_future(lease.release())
    await asyncio.sleep(0)
    assert not lease.holds_for(0.0)
    api.release()
    await releasing
    await keeping
    assert spec(api)["holderIdentity"] == ""
    assert spec(api)["holderIdentity"] == ""


async def test_keeping_ends_with_the_release(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    keeping = asyncio.ensure_future(lease.keep())
    await until(lambda: clock.timers > 0)
    await lease.release()
    await clock.advance(2.0)
    await keeping
    assert spec(api)["holderIdentity"] == ""


async def test_releasing_what_one_does_not_hold_writes_nothing(api, candidate):
    await candidate("a").acquire()
    other = candidate("b")
    await other.release()
    assert spec(api)["holderIdentity"] == "a"


async def test_a_release_that_fails_raises_nothing_and_stops_writing_all_the_same(api, candidate):
    lease = candidate("a")
    await lease.acquire()
    api.fail(Status(500, "InternalError"))
    await lease.release()
    assert not lease.holds_for(0.0)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(500, "InternalError"), id="a broken server"),
        pytest.param(Status(403, "Forbidden"), id="a missing permission"),
        pytest.param(Reset(), id="a cut connection"),
    ],
)
async def test_a_lease_not_renewed_in_time_is_lost_before_others_may_take_it(api, candidate, clock, fault):
    lease = candidate("a")
    await lease.acquire()
    api.fail(fault, times=10_000)
    keeping = asyncio.ensure_future(lease.keep())
    await attempts(api, clock, 4)  # 8 s
    assert lease.holds_for(7.0)
    await clock.advance(2.0)
    with pytest.raises(LeaseLost, match="not renewed in time"):
        await keeping
    assert not lease.holds_for(0.0)


async def test_some_failed_renewals_are_no_loss(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    keeping = asyncio.ensure_future(lease.keep())
    for _ in range(5):
        api.fail(Status(500, "InternalError"), times=3)
        await attempts(api, clock, 4)
    assert lease.leading
    keeping.cancel()


async def test_a_lease_that_somebody_else_holds_is_lost_at_once(api, candidate, clock, told):
    lease = candidate("a")
    await lease.acquire()
    api.edit(LEASES, *NAME, {"spec": {"holderIdentity": "thief"}})
    keeping = asyncio.ensure_future(lease.keep())
    await until(lambda: clock.timers > 0)
    await clock.advance(2.0)
    with pytest.raises(LeaseLost, match="lost to thief"):
        await keeping
    assert told == ["a became leader", "a stopped leading"]


async def test_a_touched_lease_is_renewed_at_the_next_attempt(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    api.edit(LEASES, *NAME, {"metadata": {"labels": {"l": "1"}}})
    keeping = asyncio.ensure_future(lease.keep())
    await attempts(api, clock, 2)
    assert spec(api)["renewTime"] == "2024-01-01T00:00:04.000000Z"
    keeping.cancel()


async def test_a_deleted_lease_is_made_again(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    api.remove(LEASES, *NAME)
    keeping = asyncio.ensure_future(lease.keep())
    await attempts(api, clock, 2)
    assert spec(api)["holderIdentity"] == "a"
    assert lease.leading
    keeping.cancel()


async def test_of_two_who_create_at_the_same_time_one_leads(api, candidate, clock):
    first, second = candidate("a"), candidate("b")
    both = [asyncio.ensure_future(one.acquire()) for one in (first, second)]
    await until(lambda: any(one.done() for one in both) and clock.timers > 0)
    assert [first.leading, second.leading].count(True) == 1
    for one in both:
        one.cancel()


async def test_a_renewal_whose_answer_was_lost_counts_as_not_done(api, candidate, clock):
    lease = candidate("a")
    await lease.acquire()
    api.fail(Reset(happened=True), method="PATCH")
    keeping = asyncio.ensure_future(lease.keep())
    await attempts(api, clock, 1)
    assert not lease.holds_for(14.0), "the promise still counts from the first request"
    await attempts(api, clock, 2)
    assert lease.holds_for(14.0)
    keeping.cancel()


async def test_the_promise_counts_from_when_the_renewal_was_sent_not_from_its_answer(clock):
    record = b'{"metadata":{"resourceVersion":"1"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15}}'

    class Slow:
        async def get(self, *_: Any, **__: Any) -> bytes:
            return record

        async def patch(self, *_: Any, **__: Any) -> bytes:
            clock.jump(5.0)
            return record

    lease = Lease(Slow(), *NAME, "a", LeaseTimes(), clock=clock)  # type: ignore[arg-type]  # all that it needs
    await lease.acquire()
    assert lease.holds_for(10.0)
    assert not lease.holds_for(10.1)


@pytest.mark.parametrize(
    ("duration", "recorded", "holds"),
    [
        pytest.param(15.0, 15, 15.0, id="whole seconds"),
        pytest.param(10.4, 10, 10.0, id="rounded down: other candidates wait for ten"),
        pytest.param(10.6, 11, 10.6, id="rounded up: we promise no more than we were told to"),
        pytest.param(0.5, 1, 0.5, id="never zero"),
    ],
)
async def test_we_believe_to_lead_no_longer_than_the_record_tells_others(
    api, candidate, rest, clock, duration, recorded, holds
):
    lease = Lease(rest, *NAME, "a", LeaseTimes(duration, duration * 0.9, duration * 0.1), clock=clock)
    await lease.acquire()
    assert spec(api)["leaseDurationSeconds"] == recorded
    assert lease.holds_for(holds)
    assert not lease.holds_for(holds + 0.01)


async def test_an_api_server_that_does_not_answer_does_not_keep_a_lost_lease(api, clock, candidate):
    lease = candidate("a", clock=clock)
    await lease.acquire()
    clock.jump(9.9)  # a tenth of a real second is left of the deadline
    api.fail(Hang(), times=100)
    keeping = asyncio.ensure_future(lease.keep())
    await until(lambda: clock.timers > 0)
    await clock.advance(2.0)
    with pytest.raises(LeaseLost):
        await keeping


async def test_a_candidate_waits_for_an_api_server_that_is_not_there(api, candidate, clock):
    await api.stop()
    waiting = asyncio.ensure_future(candidate("a").acquire())
    await attempts(api, clock, 3)
    await api.start()
    await clock.advance(2.0)
    await waiting


@pytest.mark.parametrize(
    "times",
    [
        pytest.param((10.0, 10.0, 2.0), id="deadline not below the duration"),
        pytest.param((15.0, 10.0, 8.4), id="retry too close to the deadline"),
        pytest.param((10.4, 10.2, 2.0), id="deadline not below the recorded seconds"),
    ],
)
def test_times_that_cannot_work_are_refused(times):
    with pytest.raises(EsoError):
        LeaseTimes(*times)


def test_two_processes_of_one_host_have_two_identities():
    assert new_identity() != new_identity()


async def test_acquiring_and_renewing_can_be_cancelled_at_every_await(api, rest):
    class Hasty(VirtualClock):
        naps = 0

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)
            self.naps += 1
            if self.naps == 3:
                raise LeaseLost("enough")

    async def story() -> None:
        if api.get(LEASES, *NAME) is not None:
            api.remove(LEASES, *NAME)
        lease = Lease(rest, *NAME, "a", LeaseTimes(), clock=Hasty(), jitter=lambda: 0.0)
        await lease.acquire()
        try:
            await lease.keep()
        except LeaseLost:
            await lease.release()

    count = 0
    async for _ in every_await(story):
        count += 1
    assert count > 5
    await story()
    assert spec(api)["holderIdentity"] == ""
