"""Takes changes in: wakes the objects that read them, writes the changes down, and says when both is done.

Neighbours: the server of change events calls `take`, reconcile.py tells of the sources, `kit.changes` wakes and reports
each pass. The only writer of the status of a ChangeSource: one patch for all that a source heard within PAUSE.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol
from weakref import WeakKeyDictionary

from eso.api.changesource import (
    CHANGE_SOURCES,
    Change,
    ChangeSource,
    Full,
    Intake,
    Place,
    StoreKey,
    Taken,
    Unwritten,
    decode_change_source,
)
from eso.api.conditions import set_condition
from eso.api.meta import Condition, ObjectMeta
from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.observe.log import Log
from eso.reconcile.changesource.books import Book
from eso.reconcile.kit.changes import REASON, Changes
from eso.reconcile.kit.record import Ended, PassRecord
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.trust import Health, Heard, Lost, Missed, Signal, Trust, advance, factor
from eso.runtime.clock import Clock, Timer
from eso.runtime.loopshare import Shares, share_of

PAUSE: Final = 0.1  # seconds of events that one patch writes down
TIDY: Final = 5.0  # seconds after which a change that was carried out goes from the status
TELL: Final = 30.0  # seconds after which the status tells of events that changed nothing
WOKEN: Final = 500  # objects until the loop gets a turn
LOOKUP: Final = 8  # objects that the lookup of a key costs as much as
# Changes of all sources of a namespace that wait for a pass, counted once for each object. With more, nothing new is
# taken: sources times keys times objects would be millions.
MOST_WAITING: Final = 20_000
GRACE: Final = 10.0  # seconds by which an event may be later than the reading that found its change
LOST: Final = frozenset(("full", "late", "limited", "unjudged", "unreadable", "unwritten", "too_large"))
"""Outcomes after which an event of the right sender may never come again."""
UNFINISHED: Final = frozenset((Ended.PARKED, Ended.RACED, Ended.BROKEN, Ended.CUT))
OVER: Final = frozenset((Ended.GONE, Ended.DELETED, Ended.FOREIGN))
STORES: Final = frozenset(("SecretStore", "ClusterSecretStore"))

Key = tuple[str, str]

# Sources wake objects in turn, by namespace: an event may name 256 keys, and thousands of objects may read each.
_turns: Final[Shares] = WeakKeyDictionary()


class Meter(Protocol):
    def change_written(self, seconds: float) -> None: ...
    def change_missed(self, source: Key) -> None: ...


class Account:
    """One source at work. `written`: the status as the API server has it."""

    def __init__(self, meta: ObjectMeta) -> None:
        self.meta, self.book = meta, Book()
        self.places: tuple[Place, ...] = ()
        self.debounce = 0.0
        self.conditions: tuple[Condition, ...] = ()
        self.written: dict[str, Any] = {}
        self.dirty = self.writing = False
        self.waiting: list[asyncio.Future[bool]] = []
        self.timers: dict[Change, Timer] = {}  # of changes that wait for more events
        self.tidy: Timer | None = None
        self.due = 0.0  # when it fires, monotonic seconds
        self.trust = Trust()
        self.events = False  # somebody else tells of changes: the source is no poll


class Journal:
    """`run()` must be running for anything to be written."""

    def __init__(self, rest: Rest, changes: Changes, clock: Clock, meter: Meter, log: Log) -> None:
        self._rest, self._changes, self._clock, self._meter, self._log = rest, changes, clock, meter, log
        self._accounts: dict[Key, Account] = {}
        self._waits: dict[Key, set[tuple[Key, Change]]] = {}  # object → what it has to read
        self._waiting: Counter[str] = Counter()  # namespace of sources → entries of `_waits`
        self._debounces: deque[tuple[Account, Change]] = deque()  # that have waited for long enough
        self._ripe = asyncio.Event()
        self._asked = asyncio.Event()
        self._running = False
        self._covering: dict[StoreKey, set[Key]] = {}  # store → sources
        self._told: dict[Key, datetime] = {}  # object → when an event last woke it
        self._suspects: set[Key] = set()  # objects that found a change of which no event has told so far
        changes.listen(self.passed)
        changes.judge(self.trusted)

    async def run(self) -> NoReturn:
        """Writes until cancelled; whoever waits then is told that nothing was written."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as writers:
                writers.create_task(self._end_debounces(), name="journal-debounces")
                while True:
                    await self._asked.wait()
                    await self._clock.sleep(PAUSE)
                    self._asked.clear()
                    for account in list(self._accounts.values()):
                        if account.dirty and not account.writing:
                            account.writing = True
                            writers.create_task(self._write(account), name=f"journal-{account.meta.name}")
        finally:
            self._running = False
            for account in self._accounts.values():
                settle(account.waiting, False)
        raise AssertionError("the journal ends by a cancellation only")

    # what the server calls

    async def take(self, key: Key, changes: tuple[Change, ...], at: datetime) -> Intake:
        """Full: the book takes none of them. Taken only when the objects are on the queue and the book is written."""
        account = self._accounts.get(key)
        if account is None or not self._running:
            return Unwritten()
        if not account.book.fits(changes) or self._waiting[key[0]] > MOST_WAITING:
            return Full()
        account.book.put(changes, at)
        account.book.accept(at)
        objects = await self._wake(key, account, changes)
        if not account.debounce and not any(change in account.book.pending for change in changes):
            self._later(account, TELL)
            return Taken(objects)  # nobody reads these keys: there is nothing that could get lost
        return Taken(objects) if await self._written(account) else Unwritten()

    def heard(self, key: Key, outcome: str) -> None:
        """What became of an event of the source."""
        account = self._accounts.get(key)
        if account is not None and outcome != "accepted":
            account.book.heard(outcome, self._clock.now())
            self._later(account, TELL)
            if outcome in LOST:
                self._signal(account, Lost())

    def recall(self, key: Key) -> tuple[str, ...]:
        """What a poll has seen, also before this process began."""
        account = self._accounts.get(key)
        return account.book.seen if account is not None else ()

    def remember(self, key: Key, seen: tuple[str, ...]) -> None:
        account = self._accounts.get(key)
        if account is not None and account.book.seen != seen:
            account.book.seen = seen
            self._later(account, TIDY)

    # what the pass of a source calls

    async def open(self, source: ChangeSource, places: Iterable[Place], debounce: float) -> None:
        """The source is as `source` says. One that is met for the first time continues with what its status has. Raises
        ApiError."""
        meta, key = source.metadata, (source.namespace, source.name)
        account = self._accounts.get(key)
        if account is not None and account.meta.uid == meta.uid:
            if account.meta.generation != meta.generation:
                self._signal(account, Missed())  # what was heard in one way proves nothing of another
            account.meta, account.debounce = meta, debounce
            self._cover(key, account, source, tuple(places))
            return
        # The cache may be older than what another process wrote before this one took over.
        raw = await self._rest.get(CHANGE_SOURCES, meta.namespace, meta.name)
        live = decode_change_source(raw) if raw is not None else None
        self.close(key)
        account = self._accounts[key] = Account(meta)
        account.debounce = debounce
        if isinstance(live, ChangeSource) and live.metadata.uid == meta.uid:
            account.book.load(live.status, self._clock.now())
            account.conditions = live.status.conditions
            account.written = account.book.status(account.conditions)
        self._cover(key, account, source, tuple(places))
        await self._wake(key, account, tuple(account.book.pending), replayed=True)
        self._later(account, TIDY)

    async def tell(self, key: Key, condition: Condition) -> bool:
        """Puts the condition into the status; False when that did not work."""
        account = self._accounts[key]
        account.conditions = set_condition(account.conditions, condition)
        if condition.status != "Unknown":  # after a start, nothing is known yet
            self._signal(account, Health(condition.status == "True"))
        return account.book.status(account.conditions) == account.written or await self._written(account)

    def conditions(self, key: Key) -> tuple[Condition, ...]:
        """As they were told last."""
        return self._accounts[key].conditions

    def close(self, key: Key) -> None:
        """The source is gone."""
        account = self._accounts.pop(key, None)
        if account is None:
            return
        self._uncover(key, account)
        settle(account.waiting, False)
        for timer in (*account.timers.values(), *([account.tidy] if account.tidy else [])):
            timer.cancel()
        for change, entry in account.book.pending.items():
            for one in entry.waiting or ():
                waits = self._waits.get(one, set())
                if (key, change) in waits:
                    waits.discard((key, change))
                    self._waiting[key[0]] -= 1
                    if not waits:
                        del self._waits[one]

    # what happens to the objects

    def passed(self, record: PassRecord) -> None:
        """A pass over an ExternalSecret has ended."""
        if record.kind != "ExternalSecret" or record.ended in UNFINISHED:
            return
        over, now = record.ended in OVER, self._clock.now()
        if over:
            self._told.pop(record.key, None)
        heard = self._read(record, over, now) if record.wake.triggered is not None or over else {}
        if not changed(record):
            return
        if any(account.events for account in heard):
            for account, proved in heard.items():
                if account.events and proved:
                    self._signal(account, Heard(now))
        elif (heard and record.wake.reasons == {REASON}) or by_time_alone(record):
            self._suspect(record)

    def _read(self, record: PassRecord, over: bool, now: datetime) -> dict[Account, bool]:
        """The sources whose changes the pass has taken in, and whether it is the first that found another value."""
        heard: dict[Account, bool] = {}
        for one in list(self._waits.get(record.key, ())):
            key, change = one
            account = self._accounts.get(key)
            seconds = None
            if account is not None:
                triggered = None if over else record.wake.triggered
                first = changed(record) and account.book.proves(change, triggered)
                seconds = account.book.read(change, record.key, triggered, now)
                if seconds is None and account.book.waits(change, record.key):
                    continue  # the event came in during the pass: the next one reads
                heard[account] = heard.get(account, False) or first
                self._later(account, TIDY)
            if seconds is not None and record.ended is Ended.SYNCED:
                self._meter.change_written(seconds)
            self._waits[record.key].discard(one)
            self._waiting[key[0]] -= 1
        if not self._waits.get(record.key, True):
            del self._waits[record.key]
        return heard

    def _suspect(self, record: PassRecord) -> None:
        """The event may be on its way: whether it was missed is known a little later."""
        object_, at = record.key, self._clock.now()
        if object_ in self._suspects:
            return
        stores = stores_read(record)

        def due() -> None:
            self._suspects.discard(object_)
            told = self._told.get(object_)
            if told is not None and (at - told).total_seconds() <= GRACE:
                return
            for key in sorted({key for store in stores for key in self._covering.get(store, ())}):
                account = self._accounts[key]
                if account.events and any(covers(place, stores, object_[0]) for place in account.places):
                    self._meter.change_missed(key)
                    self._signal(account, Missed())

        self._suspects.add(object_)
        self._clock.call_later(GRACE, due)

    # how far events are trusted

    def trusted(self, store: StoreKey, namespace: str) -> float:
        """By what the refresh interval of objects of the namespace may be multiplied that read from the store."""
        now, found = self._clock.now(), 1.0
        for key in self._covering.get(store, ()):
            account = self._accounts[key]
            if account.events and any(covers(place, (store,), namespace) for place in account.places):
                found = max(found, factor(account.trust, self._changes.most, now))
        return found

    def _signal(self, account: Account, signal: Signal) -> None:
        now = self._clock.now()
        before = factor(account.trust, self._changes.most, now)
        account.trust = advance(account.trust, signal)
        if factor(account.trust, self._changes.most, now) < before:
            for place in account.places:
                self._changes.fallen(place.store, place.within)

    def _cover(self, key: Key, account: Account, source: ChangeSource, places: tuple[Place, ...]) -> None:
        """The source names these stores from now on."""
        member = ", ".join(source.spec.members)
        if account.places != places or account.book.source != member:
            self._uncover(key, account)
            account.places, account.book.source = places, member
            account.events = member != "poll"
            if account.events:
                account.book.seen = ()
            for place in places:
                self._covering.setdefault(place.store, set()).add(key)

    def _uncover(self, key: Key, account: Account) -> None:
        """What was heard of other stores proves nothing for the next ones."""
        for place in account.places:
            sources = self._covering.get(place.store, set())
            sources.discard(key)
            if not sources:
                self._covering.pop(place.store, None)
        self._signal(account, Missed())

    async def _wake(self, key: Key, account: Account, changes: tuple[Change, ...], *, replayed: bool = False) -> int:
        """How many objects were woken. A change of a source with a debounce waits for more events first."""
        if account.debounce and not replayed:
            for change in changes:
                if change not in account.timers:
                    account.timers[change] = self._clock.call_later(account.debounce, self._debounced(account, change))
            return 0
        objects: set[Key] = set()
        work = 0
        for change in changes:
            found: set[Key] = set()
            for place in account.places:
                if work >= WOKEN:
                    await share_of(_turns).step(key[0])
                    work = 0
                some = self._lookup(account, place, change)
                work += LOOKUP + len(some)
                found |= some
            self._woken(key, account, change, found)
            objects |= found
        return len(objects)

    def _debounced(self, account: Account, change: Change) -> Callable[[], None]:
        def due() -> None:
            account.timers.pop(change, None)
            self._debounces.append((account, change))
            self._ripe.set()

        return due

    async def _end_debounces(self) -> NoReturn:
        """Many end in one moment, and each may wake many objects."""
        while True:
            await self._ripe.wait()
            self._ripe.clear()
            while self._debounces:
                account, change = self._debounces.popleft()
                key = (account.meta.namespace, account.meta.name)
                if self._accounts.get(key) is account:
                    await share_of(_turns).step(key[0])
                    await self._wake(key, account, (change,), replayed=True)
                    self._later(account, TIDY)

    def _lookup(self, account: Account, place: Place, change: Change) -> set[Key]:
        entry = account.book.pending.get(change)
        if entry is None:
            return set()
        found = set(self._changes.wake(place.store, change, place.within, entry.at))
        if account.events:
            self._told.update(dict.fromkeys(found, self._clock.now()))
        return found

    def _woken(self, key: Key, account: Account, change: Change, found: set[Key]) -> None:
        if account.book.woken(change, found):
            return
        entry = (key, change)  # one for all of them
        for one in found:
            waits = self._waits.setdefault(one, set())
            self._waiting[key[0]] += entry not in waits
            waits.add(entry)

    # the status

    async def _written(self, account: Account) -> bool:
        """Whether everything that the book says now is in the status."""
        if not self._running or self._accounts.get((account.meta.namespace, account.meta.name)) is not account:
            return False  # nobody writes for a source that is gone
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        account.waiting.append(future)
        self._mark(account)
        return await future

    def _mark(self, account: Account) -> None:
        account.dirty = True
        self._asked.set()

    def _later(self, account: Account, seconds: float) -> None:
        """The status may be behind for so long, and no longer than was said before."""
        due = self._clock.monotonic() + seconds
        if account.tidy is not None:
            if account.due <= due:
                return
            account.tidy.cancel()
        account.due, account.tidy = due, self._clock.call_later(seconds, lambda: self._tidied(account))

    def _tidied(self, account: Account) -> None:
        account.tidy = None
        self._mark(account)

    async def _write(self, account: Account) -> None:
        waiting, account.waiting, account.dirty = account.waiting, [], False
        done = False
        try:
            status = account.book.status(account.conditions)
            if status != account.written:
                done = await write_status(self._rest, CHANGE_SOURCES, account.meta, status) is not None
                if done:
                    account.written = status
            else:
                done = True
        except Exception as error:  # of one source: the others go on
            self._log.warning(
                "change events could not be written down",
                namespace=account.meta.namespace,
                name=account.meta.name,
                error=str(error) if isinstance(error, EsoError) else type(error).__name__,
            )
            self._later(account, TIDY)
        finally:
            account.writing = False
            settle(waiting, done)
            if account.dirty:
                self._asked.set()


def changed(record: PassRecord) -> bool:
    """Whether the pass found other values than it had written before."""
    change = record.change
    return (
        record.ended is Ended.SYNCED
        and change is not None
        and change.verb == "patch"
        and bool(change.added or change.updated or change.removed)
        and not record.drift
        and record.refreshed is not None
    )


def by_time_alone(record: PassRecord) -> bool:
    """A timer alone led to the pass, and it read from stores only."""
    quiet = not record.wake.reasons and record.wake.triggered is None
    return quiet and all(kind in STORES for kind, _ in record.read_from)


def stores_read(record: PassRecord) -> frozenset[StoreKey]:
    namespace = record.key[0]
    return frozenset((kind, namespace if kind == "SecretStore" else "", name) for kind, name in record.read_from)


def covers(place: Place, stores: Collection[StoreKey], namespace: str) -> bool:
    return place.store in stores and place.within in ("", namespace)


def settle(waiting: Iterable[asyncio.Future[bool]], answer: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(answer)
