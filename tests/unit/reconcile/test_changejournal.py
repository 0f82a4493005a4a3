"""What a ChangeSource has heard: bounded, written before it is promised, and never forgotten on the way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import (
    CHANGE_SOURCES,
    MOST_EVENT_BYTES,
    MOST_PENDING,
    MOST_PENDING_BYTES,
    Change,
    ChangeSource,
    ChangeSourceStatus,
    Full,
    PendingChange,
    Place,
    Taken,
    Unwritten,
    decode_change_source,
)
from eso.api.meta import Condition
from eso.notify.formats import MOST_CHANGES
from eso.reconcile.changesource.books import Book
from eso.reconcile.changesource.journal import GRACE, MOST_WAITING, WOKEN, Journal
from eso.reconcile.kit.changes import REASON, Changes
from eso.reconcile.kit.record import ChangeRecord, Ended, PassRecord
from eso.reconcile.kit.trust import EVENTS, STRETCH, Trust
from eso.runtime.outcome import Wake
from tests.fakes.apiserver import FakeApiServer, Late, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import START, VirtualClock, until
from tests.harness.inprocess import Log

SOURCE = ("team", "source")
STORE = ("SecretStore", "team", "store")
OBJECT = ("team", "es")
CHANGE = Change("key")


class Desk:
    """A journal with one source; `readers` are the objects that read a key."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.clock, self.changes = api, VirtualClock(), Changes(on=True)
        self.readers: dict[str, tuple[tuple[str, str], ...]] = {"key": (OBJECT,)}
        self.woken: list[Change] = []
        self.written: list[float] = []
        self.missed: list[Any] = []
        self.changes.connect(self.wake)
        self.rest = api.rest()
        self.journal = Journal(self.rest, self.changes, self.clock, self, Log())

    def wake(self, store: Any, change: Change, within: str, at: Any) -> tuple[tuple[str, str], ...]:
        self.woken.append(change)
        return self.readers.get(change.key, ())

    def change_written(self, seconds: float) -> None:
        self.written.append(seconds)

    def change_missed(self, source: Any) -> None:
        self.missed.append(source)

    def source(self) -> ChangeSource:
        found = decode_change_source(orjson.dumps(self.api.get(CHANGE_SOURCES, *SOURCE)))
        assert isinstance(found, ChangeSource)
        return found

    def pending(self) -> list[str]:
        status = (self.api.get(CHANGE_SOURCES, *SOURCE) or {}).get("status") or {}
        return [one["key"] for one in status.get("pending", ())]

    async def take(self, *changes: Change) -> Any:
        """With the time going on."""
        taking = asyncio.ensure_future(self.journal.take(SOURCE, changes or (CHANGE,), self.clock.now()))
        return await self.later(taking)

    async def later(self, task: asyncio.Future[Any]) -> Any:
        await self.when(task.done)
        return task.result()

    async def when(self, what: Callable[[], Any]) -> None:
        """Until the condition holds, while the time goes on."""
        async with asyncio.timeout(60):
            while not what():
                await self.clock.advance(0.1)
                await asyncio.sleep(0.001)

    def passed(self, ended: Ended = Ended.SYNCED, seconds: float = 0.0, key: tuple[str, str] = OBJECT) -> None:
        """A pass that was woken so many seconds from now."""
        at = self.clock.now() + timedelta(seconds=seconds)
        wake = Wake(frozenset(("change event",)), at, 0.0)
        self.changes.passed(PassRecord("ExternalSecret", key, wake, at, 0.1, ended))


@asynccontextmanager
async def opened(api: FakeApiServer) -> AsyncIterator[Desk]:
    api.put(CHANGE_SOURCES, {"metadata": {"name": "source", "namespace": "team"}, "spec": {"webhook": {"auth": {}}}})
    desk = Desk(api)
    running = asyncio.ensure_future(desk.journal.run())
    try:
        await asyncio.sleep(0)
        await desk.journal.open(desk.source(), (Place(STORE, "team"),), 0.0)
        assert await desk.later(
            asyncio.ensure_future(desk.journal.tell(SOURCE, Condition("Ready", "True", "Listening")))
        )
        yield desk
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await desk.rest.access.close()  # type: ignore[attr-defined]  # a FixedAccess


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with FakeApiServer() as api, opened(api) as made:
        yield made


async def test_a_change_is_taken_once_it_is_written(desk: Desk):
    desk.api.fail(Late(), method="PATCH", path="changesources")
    taking = asyncio.ensure_future(desk.journal.take(SOURCE, (CHANGE,), desk.clock.now()))
    await until(lambda: desk.woken == [CHANGE])
    for _ in range(20):
        await desk.clock.advance(0.1)
    assert not taking.done() and desk.pending() == []
    desk.api.release()
    assert await desk.later(taking) == Taken(1) and desk.pending() == ["key"]


async def test_a_change_that_was_carried_out_before_it_could_be_written_needs_no_line(desk: Desk):
    taking = asyncio.ensure_future(desk.journal.take(SOURCE, (CHANGE,), desk.clock.now()))
    await until(lambda: desk.woken == [CHANGE])
    desk.passed()
    assert await desk.later(taking) == Taken(1) and desk.pending() == []


async def test_a_pass_that_began_before_the_event_does_not_count(desk: Desk):
    await desk.take()
    desk.passed(seconds=-60)
    await desk.clock.advance(20)
    assert desk.pending() == ["key"] and desk.written == []
    desk.passed()
    await desk.when(lambda: not desk.pending())
    assert len(desk.written) == 1


@pytest.mark.parametrize(
    ("ended", "over"),
    [
        (Ended.SYNCED, True),
        (Ended.IDLE, True),
        (Ended.FAILED, True),
        (Ended.SUSPENDED, True),
        (Ended.GONE, True),
        (Ended.DELETED, True),
        (Ended.FOREIGN, True),
        (Ended.PARKED, False),
        (Ended.RACED, False),
        (Ended.BROKEN, False),
        (Ended.CUT, False),
    ],
)
async def test_which_ends_of_a_pass_settle_a_change(desk: Desk, ended: Ended, over: bool):
    """A failure is in the status of the object, which is read again because of it; a parked read is nowhere."""
    await desk.take()
    desk.passed(ended)
    assert (CHANGE in desk.journal._accounts[SOURCE].book.pending) is not over
    assert len(desk.written) == (ended is Ended.SYNCED)
    assert bool(desk.journal._waits) is not over


async def test_every_reader_has_to_have_it(desk: Desk):
    desk.readers["key"] = (OBJECT, ("team", "other"))
    await desk.take()
    desk.passed()
    assert CHANGE in desk.journal._accounts[SOURCE].book.pending
    desk.passed(key=("team", "other"))
    assert desk.journal._accounts[SOURCE].book.pending == {}


async def test_a_status_that_cannot_be_written_is_told_and_tried_again(desk: Desk):
    desk.api.fail(Status(500), method="PATCH", path="changesources")
    assert await desk.take() == Unwritten()
    await desk.when(desk.pending)
    assert desk.pending() == ["key"]


async def test_a_source_of_another_uid_gets_nothing_of_the_old_one(desk: Desk):
    await desk.take()
    desk.api.remove(CHANGE_SOURCES, *SOURCE)
    desk.api.put(
        CHANGE_SOURCES, {"metadata": {"name": "source", "namespace": "team"}, "spec": {"webhook": {"auth": {}}}}
    )
    assert await desk.take(Change("second")) == Taken(0)
    desk.readers["third"] = (OBJECT,)
    assert await desk.take(Change("third")) == Unwritten(), "the write is for the object that is gone"
    await desk.journal.open(desk.source(), (Place(STORE, "team"),), 0.0)
    assert desk.journal._accounts[SOURCE].book.pending == {} and desk.journal._waits == {}


async def test_whoever_waits_when_the_journal_ends_is_told_that_nothing_was_written():
    async with FakeApiServer() as api:
        async with opened(api) as desk:
            api.fail(Late(), method="PATCH", path="changesources")
            taking = asyncio.ensure_future(desk.journal.take(SOURCE, (CHANGE,), desk.clock.now()))
            await until(lambda: desk.woken == [CHANGE])
        assert await taking == Unwritten()
        assert await desk.journal.take(SOURCE, (CHANGE,), desk.clock.now()) == Unwritten()


async def test_a_sender_may_hang_up_at_any_moment(desk: Desk):
    """Whatever was put into the book before is written all the same, and nothing waits for ever."""

    ticking = asyncio.ensure_future(desk.when(lambda: False))
    try:
        async for _ in every_await(lambda: desk.journal.take(SOURCE, (CHANGE,), desk.clock.now())):
            assert len(desk.journal._accounts[SOURCE].book.pending) <= 1
    finally:
        ticking.cancel()
    await desk.when(desk.pending)
    assert desk.pending() == ["key"] and desk.journal._accounts[SOURCE].waiting == []


async def test_ten_thousand_events_at_once_stay_bounded(desk: Desk):
    """With one patch for each 100 ms, however many there are."""
    keys = [f"key-{n}" for n in range(10_000)]
    desk.readers = {key: (OBJECT,) for key in keys}
    before = len(desk.api.writes)
    taking = [asyncio.ensure_future(desk.journal.take(SOURCE, (Change(key),), desk.clock.now())) for key in keys]
    done = await desk.later(asyncio.gather(*taking))
    assert done.count(Taken(1)) == MOST_PENDING and done.count(Full()) == 10_000 - MOST_PENDING
    assert len(desk.api.writes) - before == 1
    assert len(desk.pending()) == MOST_PENDING
    again = [
        asyncio.ensure_future(desk.journal.take(SOURCE, (Change("key-0"),), desk.clock.now())) for _ in range(1000)
    ]
    assert set(await desk.later(asyncio.gather(*again))) == {Taken(1)}, "a key that is pending already fits"
    assert len(desk.api.writes) - before == 2


async def test_a_debounce_waits_once_for_all_events_of_a_key(desk: Desk):
    desk.journal._accounts[SOURCE].debounce = 10.0
    for _ in range(5):
        await desk.take()
    assert desk.woken == [] and desk.pending() == ["key"]
    await desk.clock.advance(10)
    assert desk.woken == [CHANGE]


# the book


def test_a_book_is_bounded_in_bytes_as_well():
    book, large = Book(), [Change(f"{n:04}" + "ä" * 1020) for n in range(200)]
    taken = 0
    for change in large:
        if book.fits([change]):
            book.put([change], START)
            taken += 1
    assert 0 < taken < 200 and taken * 2000 <= MOST_PENDING_BYTES


def test_all_of_an_event_fits_or_nothing_of_it():
    book = Book()
    book.put([Change(str(n)) for n in range(MOST_PENDING - 1)], START)
    assert book.fits([Change("a")]) and not book.fits([Change("a"), Change("b")])
    assert book.fits([Change("0"), Change("1"), Change("a")]), "keys that are pending need no room"


def test_beside_an_event_that_stays_pending_another_of_any_size_has_room():
    book = Book()
    book.put([Change(f"old-{n}") for n in range(MOST_CHANGES)], START)
    assert book.fits([Change(f"new-{n}") for n in range(MOST_CHANGES)])
    large = [Change("n" * 1000 + str(n)) for n in range(MOST_EVENT_BYTES // 1100)]
    assert book.fits(large)


@pytest.mark.parametrize("order", [("half a minute", "seconds"), ("seconds", "half a minute")], ids=" first, ".join)
async def test_the_status_is_never_later_than_the_sooner_of_two_says(desk: Desk, order: tuple[str, str]):
    tell = {
        "half a minute": lambda: desk.journal.heard(SOURCE, "late"),
        "seconds": lambda: desk.journal.remember(SOURCE, ("seen",)),
    }
    await desk.clock.advance(40.0)  # nothing is left to be told
    for one in order:
        tell[one]()
    writes, began = len(desk.api.writes), desk.clock.monotonic()
    await desk.when(lambda: len(desk.api.writes) > writes)
    assert desk.clock.monotonic() - began < 10.0


@given(
    st.lists(
        st.builds(
            PendingChange,
            key=st.text(min_size=1, max_size=5),
            time=st.none() | st.just(START),
            version=st.text(max_size=3),
            prefix=st.booleans(),
        ),
        max_size=300,
    ),
    st.dictionaries(st.sampled_from(["late", "forged", "nonsense"]), st.integers(0, 5)),
)
def test_property_a_status_that_is_loaded_is_the_status_that_is_written(pending, rejected):
    book = Book()
    book.load(ChangeSourceStatus(pending=tuple(pending), rejected=rejected, accepted=3), START)
    assert len(book.pending) <= MOST_PENDING
    again = Book()
    again.load(ChangeSourceStatus(pending=tuple(map(back, book.status(())["pending"])) if book.pending else ()), START)
    assert again.pending.keys() == book.pending.keys()
    assert "nonsense" not in book.rejected


def back(entry: dict[str, Any]) -> PendingChange:
    return PendingChange(entry["key"], START, entry.get("version", ""), entry.get("prefix", False))


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("unsigned", False), ("forged", False), ("keyless", False), ("late", True), ("limited", True), ("ignored", True)],
)
def test_a_stranger_does_not_make_a_source_look_alive(outcome: str, told: bool):
    book = Book()
    book.heard(outcome, START)
    assert (book.last_event is not None) is told


async def test_between_the_objects_that_many_keys_wake_the_loop_has_its_turns(desk: Desk) -> None:
    changes = tuple(Change(f"key-{n}") for n in range(8))
    desk.readers = {one.key: tuple(("team", f"{one.key}-{n}") for n in range(WOKEN)) for one in changes}
    taking = asyncio.ensure_future(desk.journal.take(SOURCE, changes, desk.clock.now()))
    turns = list[int]()
    while len(desk.woken) < len(changes):
        await asyncio.sleep(0)
        turns.append(len(desk.woken))
    assert all(later - earlier <= 2 for earlier, later in itertools.pairwise([0, *turns]))
    assert await desk.later(taking) == Taken(len(changes) * WOKEN)


@pytest.mark.parametrize("debounce", [0.0, 10.0])
async def test_nothing_new_is_taken_while_too_much_waits_for_passes(desk: Desk, debounce: float) -> None:
    desk.journal._accounts[SOURCE].debounce = debounce
    objects = tuple(("team", f"es-{n}") for n in range(MOST_WAITING + 1))
    desk.readers["key"] = objects
    await desk.take()
    await desk.when(lambda: desk.journal._waiting["team"])
    assert await desk.take(Change("another")) == Full()
    desk.readers["another"] = (OBJECT,)
    for key in objects[:2]:
        desk.passed(key=key)
    assert isinstance(await desk.take(Change("another")), Taken)
    for key in objects:
        desk.passed(key=key)
    assert desk.journal._waiting["team"] <= 1
    desk.journal.close(SOURCE)
    assert not desk.journal._waiting["team"]


# what no event has told of


def found(desk: Desk, wake: Wake, ended: Ended = Ended.SYNCED) -> None:
    """A pass that found another value."""
    change = ChangeRecord("patch", "Secret", "secret", updated=("x",))
    now, asked = desk.clock.now(), frozenset({("SecretStore", "store")})
    desk.changes.passed(
        PassRecord("ExternalSecret", OBJECT, wake, now, 0.1, ended, read_from=asked, change=change, refreshed=START)
    )


QUIET = Wake(frozenset(), None, 0.0)


async def test_a_change_that_a_refresh_finds_was_missed_unless_its_event_comes_a_moment_later(desk: Desk):
    found(desk, QUIET)
    await desk.take()
    await desk.clock.advance(GRACE + 1)
    assert desk.missed == []
    await desk.clock.advance(60)
    found(desk, QUIET)
    found(desk, QUIET)
    await desk.clock.advance(GRACE - 1)
    assert desk.missed == []
    await desk.clock.advance(2)
    assert desk.missed == [SOURCE], "once, and not for each pass"


@pytest.mark.parametrize(
    ("wake", "ended"),
    [
        pytest.param(Wake(frozenset(("store changed",)), START, 0.0), Ended.SYNCED, id="a store that was edited"),
        pytest.param(QUIET, Ended.FAILED, id="a pass that failed"),
    ],
)
async def test_what_something_else_led_to_was_not_missed(desk: Desk, wake: Wake, ended: Ended):
    found(desk, wake, ended)
    await desk.clock.advance(GRACE + 1)
    assert desk.missed == []


async def test_a_change_that_a_poll_finds_was_missed_by_the_source_beside_it(desk: Desk):
    poll = {"metadata": {"name": "poll", "namespace": "team"}, "spec": {"poll": {}}}
    desk.api.put(CHANGE_SOURCES, poll)
    source = decode_change_source(orjson.dumps(desk.api.get(CHANGE_SOURCES, "team", "poll")))
    assert isinstance(source, ChangeSource)
    await desk.journal.open(source, (Place(STORE, "team"),), 0.0)
    taking = asyncio.ensure_future(desk.journal.take(("team", "poll"), (CHANGE,), desk.clock.now()))
    await desk.later(taking)
    found(desk, Wake(frozenset((REASON,)), desk.clock.now(), 0.0))
    await desk.clock.advance(GRACE + 1)
    assert desk.missed == [SOURCE], "the webhook, not the poll"


async def test_a_change_that_a_poll_finds_after_its_event_was_not_missed(desk: Desk):
    poll = {"metadata": {"name": "poll", "namespace": "team"}, "spec": {"poll": {}}}
    desk.api.put(CHANGE_SOURCES, poll)
    source = decode_change_source(orjson.dumps(desk.api.get(CHANGE_SOURCES, "team", "poll")))
    assert isinstance(source, ChangeSource)
    await desk.journal.open(source, (Place(STORE, "team"),), 0.0)
    await desk.take()
    taking = asyncio.ensure_future(desk.journal.take(("team", "poll"), (CHANGE,), desk.clock.now()))
    await desk.later(taking)
    found(desk, Wake(frozenset((REASON,)), desk.clock.now(), 0.0))
    await desk.clock.advance(GRACE + 1)
    assert desk.missed == []


async def test_a_source_that_goes_while_it_is_suspected_is_no_longer_counted(desk: Desk):
    found(desk, QUIET)
    desk.journal.close(SOURCE)
    await desk.clock.advance(GRACE + 1)
    assert desk.missed == []


async def test_what_a_poll_has_seen_is_kept_for_the_next_process_and_goes_with_the_poll(desk: Desk):
    key = ("team", "poll")
    desk.api.put(CHANGE_SOURCES, {"metadata": {"name": "poll", "namespace": "team"}, "spec": {"poll": {}}})

    def source() -> ChangeSource:
        found = decode_change_source(orjson.dumps(desk.api.get(CHANGE_SOURCES, *key)))
        assert isinstance(found, ChangeSource)
        return found

    await desk.journal.open(source(), (Place(STORE, "team"),), 0.0)
    desk.journal.remember(key, ("digest",))
    await desk.when(lambda: source().status.seen == ("digest",))
    desk.journal.close(key)
    assert desk.journal.recall(key) == ()
    await desk.journal.open(source(), (Place(STORE, "team"),), 0.0)
    assert desk.journal.recall(key) == ("digest",)
    webhook = {"metadata": {"name": "poll", "namespace": "team"}, "spec": {"webhook": {"auth": {}}}}
    desk.api.put(CHANGE_SOURCES, {**(desk.api.get(CHANGE_SOURCES, *key) or {}), "spec": webhook["spec"]})
    await desk.journal.open(source(), (Place(STORE, "team"),), 0.0)
    assert desk.journal.recall(key) == ()


async def test_whoever_waits_is_told_when_the_source_is_closed_while_objects_are_looked_up(desk: Desk):
    names = [f"key-{n}" for n in range(MOST_PENDING // 2)]
    desk.readers = dict.fromkeys(names, (OBJECT,))
    taking = asyncio.ensure_future(desk.journal.take(SOURCE, tuple(map(Change, names)), desk.clock.now()))
    await asyncio.sleep(0)
    assert 0 < len(desk.woken) < len(names)
    desk.journal.close(SOURCE)
    assert await desk.later(taking) == Unwritten()


async def test_trust_goes_with_the_spec_that_earned_it(desk: Desk):
    """The next queue has not shown that it hears of everything."""
    desk.changes.most, now = 64.0, desk.clock.now()
    desk.journal._accounts[SOURCE].trust = Trust(now - 2 * STRETCH, now, EVENTS, well=True)
    before = desk.journal.trusted(STORE, "team")
    source = desk.source()
    await desk.journal.open(source, (Place(STORE, "team"),), 0.0)
    assert desk.journal.trusted(STORE, "team") == before > 1.0, "nothing has changed"
    meta = msgspec.structs.replace(source.metadata, generation=source.metadata.generation + 1)
    await desk.journal.open(msgspec.structs.replace(source, metadata=meta), (Place(STORE, "team"),), 0.0)
    assert desk.journal.trusted(STORE, "team") == 1.0


# --- a status that somebody of the namespace has written

EARLY, FUTURE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize("time", [EARLY, FUTURE, "2126-01-01T00:00:00Z"], ids=["before all", "after all", "to come"])
async def test_a_status_with_times_that_are_none_ends_no_journal(time: str):
    status = {
        "pending": [{"key": "key", "time": time}],
        "lastEvent": time,
        "lastAccepted": time,
        "conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "", "lastTransitionTime": time}],
    }
    async with FakeApiServer() as api:
        api.put(
            CHANGE_SOURCES,
            {
                "metadata": {"name": "source", "namespace": "team"},
                "spec": {"webhook": {"auth": {}}},
                "status": status,
            },
        )
        desk = Desk(api)
        running = asyncio.ensure_future(desk.journal.run())
        await asyncio.sleep(0)
        await desk.journal.open(desk.source(), (Place(STORE, "team"),), 0.0)
        telling = asyncio.ensure_future(desk.journal.tell(SOURCE, Condition("Ready", "False", "Listening")))
        assert await desk.later(telling)
        assert await desk.take() == Taken(1)
        desk.passed(seconds=1.0)
        await desk.when(lambda: desk.pending() == [])
        assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await desk.rest.access.close()  # type: ignore[attr-defined]  # a FixedAccess


async def test_a_status_that_cannot_be_made_ends_no_journal(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def broken(self: Book, conditions: Any) -> dict[str, Any]:
        raise OverflowError("date value out of range")

    with monkeypatch.context() as patched:
        patched.setattr(Book, "status", broken)
        assert await desk.take() == Unwritten()
    assert await desk.take(Change("key", "2")) == Taken(1), "other sources, and this one later"
