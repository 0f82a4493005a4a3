"""Takes changes in: wakes the objects that read them, writes the changes down, and says when both is done.

Neighbours: the server of change events calls `take`, reconcile.py tells of the sources, `kit.changes` wakes and reports
each pass. The only writer of the status of a ChangeSource: one patch for all that a source heard within PAUSE.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol

from eso.api.changesource import (
    CHANGE_SOURCES,
    Change,
    ChangeSource,
    Full,
    Intake,
    Place,
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
from eso.reconcile.kit.changes import Changes
from eso.reconcile.kit.record import Ended, PassRecord
from eso.reconcile.kit.status import write_status
from eso.runtime.clock import Clock, Timer

PAUSE: Final = 0.1  # seconds of events that one patch writes down
TIDY: Final = 5.0  # seconds after which a change that was carried out goes from the status
TELL: Final = 30.0  # seconds after which the status tells of events that changed nothing
LOOKUPS: Final = 64  # until the loop gets a turn
UNFINISHED: Final = frozenset((Ended.PARKED, Ended.RACED, Ended.BROKEN, Ended.CUT))
OVER: Final = frozenset((Ended.GONE, Ended.DELETED, Ended.FOREIGN))
STORES: Final = frozenset(("SecretStore", "ClusterSecretStore"))

Key = tuple[str, str]


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


class Journal:
    """`run()` must be running for anything to be written."""

    def __init__(self, rest: Rest, changes: Changes, clock: Clock, meter: Meter, log: Log) -> None:
        self._rest, self._changes, self._clock, self._meter, self._log = rest, changes, clock, meter, log
        self._accounts: dict[Key, Account] = {}
        self._waits: dict[Key, set[tuple[Key, Change]]] = {}  # object → what it has to read
        self._asked = asyncio.Event()
        self._running = False
        changes.listen(self.passed)

    async def run(self) -> NoReturn:
        """Writes until cancelled; whoever waits then is told that nothing was written."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as writers:
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
        if not account.book.fits(changes):
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
            account.meta, account.places, account.debounce = meta, tuple(places), debounce
            account.book.source = ", ".join(source.spec.members)
            return
        # The cache may be older than what another process wrote before this one took over.
        raw = await self._rest.get(CHANGE_SOURCES, meta.namespace, meta.name)
        live = decode_change_source(raw) if raw is not None else None
        self.close(key)
        account = self._accounts[key] = Account(meta)
        account.places, account.debounce = tuple(places), debounce
        if isinstance(live, ChangeSource) and live.metadata.uid == meta.uid:
            account.book.load(live.status)
            account.conditions = live.status.conditions
            account.written = account.book.status(account.conditions)
        account.book.source = ", ".join(source.spec.members)
        await self._wake(key, account, tuple(account.book.pending), replayed=True)
        self._later(account, TIDY)

    async def tell(self, key: Key, condition: Condition) -> bool:
        """Puts the condition into the status; False when that did not work."""
        account = self._accounts[key]
        account.conditions = set_condition(account.conditions, condition)
        return account.book.status(account.conditions) == account.written or await self._written(account)

    def conditions(self, key: Key) -> tuple[Condition, ...]:
        """As they were told last."""
        return self._accounts[key].conditions

    def close(self, key: Key) -> None:
        """The source is gone."""
        account = self._accounts.pop(key, None)
        if account is None:
            return
        settle(account.waiting, False)
        for timer in (*account.timers.values(), *([account.tidy] if account.tidy else [])):
            timer.cancel()
        for waits in list(self._waits.values()):
            waits -= {one for one in waits if one[0] == key}
        self._waits = {one: waits for one, waits in self._waits.items() if waits}

    # what happens to the objects

    def passed(self, record: PassRecord) -> None:
        """A pass over an ExternalSecret has ended."""
        if record.kind != "ExternalSecret" or record.ended in UNFINISHED:
            return
        self._count_missed(record)
        over, now = record.ended in OVER, self._clock.now()
        if record.wake.triggered is None and not over:
            return
        for one in list(self._waits.get(record.key, ())):
            key, change = one
            account = self._accounts.get(key)
            seconds = None
            if account is not None:
                triggered = None if over else record.wake.triggered
                seconds = account.book.read(change, record.key, triggered, now)
                if seconds is None and account.book.waits(change, record.key):
                    continue  # the event came in during the pass: the next one reads
                self._later(account, TIDY)
            if seconds is not None and record.ended is Ended.SYNCED:
                self._meter.change_written(seconds)
            self._waits[record.key].discard(one)
        if not self._waits.get(record.key, True):
            del self._waits[record.key]

    def _count_missed(self, record: PassRecord) -> None:
        """A timer alone led to a pass that found other values: no event told of them."""
        change = record.change
        if (
            change is None
            or change.verb != "patch"
            or not (change.added or change.updated or change.removed)
            or record.wake.reasons
            or record.wake.triggered is not None
            or record.drift
            or record.refreshed is None
            or any(read.store_kind not in STORES for read in record.reads)
        ):
            return
        namespace = record.key[0]
        stores = {
            (read.store_kind, namespace if read.store_kind == "SecretStore" else "", read.store)
            for read in record.reads
        }
        for key, account in self._accounts.items():
            if any(place.store in stores and place.within in ("", namespace) for place in account.places):
                self._meter.change_missed(key)

    async def _wake(self, key: Key, account: Account, changes: tuple[Change, ...], *, replayed: bool = False) -> int:
        """How many objects were woken. A change of a source with a debounce waits for more events first."""
        if account.debounce and not replayed:
            for change in changes:
                if change not in account.timers:
                    account.timers[change] = self._clock.call_later(account.debounce, self._debounced(account, change))
            return 0
        objects: set[Key] = set()
        lookups = 0
        for change in changes:
            found: set[Key] = set()
            for place in account.places:
                found |= self._lookup(account, place, change)
                lookups += 1
                if lookups % LOOKUPS == 0:
                    await asyncio.sleep(0)
            self._woken(key, account, change, found)
            objects |= found
        return len(objects)

    def _debounced(self, account: Account, change: Change) -> Callable[[], None]:
        def due() -> None:
            account.timers.pop(change, None)
            found = {key for place in account.places for key in self._lookup(account, place, change)}
            self._woken((account.meta.namespace, account.meta.name), account, change, found)
            self._later(account, TIDY)

        return due

    def _lookup(self, account: Account, place: Place, change: Change) -> set[Key]:
        entry = account.book.pending.get(change)
        if entry is None:
            return set()
        return set(self._changes.wake(place.store, change, place.within, entry.at))

    def _woken(self, key: Key, account: Account, change: Change, found: set[Key]) -> None:
        if not account.book.woken(change, found):
            for one in found:
                self._waits.setdefault(one, set()).add((key, change))

    # the status

    async def _written(self, account: Account) -> bool:
        """Whether everything that the book says now is in the status."""
        if not self._running:
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        account.waiting.append(future)
        self._mark(account)
        return await future

    def _mark(self, account: Account) -> None:
        account.dirty = True
        self._asked.set()

    def _later(self, account: Account, seconds: float) -> None:
        """The status may be behind for so long."""
        if account.tidy is None:
            account.tidy = self._clock.call_later(seconds, lambda: self._tidied(account))

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
        except EsoError as error:
            self._log.warning(
                "change events could not be written down",
                namespace=account.meta.namespace,
                name=account.meta.name,
                error=str(error),
            )
            self._later(account, TIDY)
        finally:
            account.writing = False
            settle(waiting, done)
            if account.dirty:
                self._asked.set()


def settle(waiting: Iterable[asyncio.Future[bool]], answer: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(answer)
