"""A pass over one PushSecret: what is due, what is read, what is sent, what is deleted, what is told.

Neighbours: look.py finds out what there is to send, push.py sends and deletes, report.py words what happened. Values
live for one pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import orjson

from eso.api.hashing import synced_resource_version
from eso.api.meta import NAMESPACES, ObjectMeta, Resource, Undecodable
from eso.api.pushsecret import FINALIZER, PUSH_SECRETS, PushSecret, SyncedMap, decode_push_secret
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore
from eso.errors import EsoError
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import Conflict, Forbidden, Rest
from eso.providers.contract import Busy, NotYet, Throttled, Timeout, Unavailable
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.ledger import Ledger
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.suspend import suspended_until
from eso.reconcile.pushsecret.books import Stale, is_found, merge, stale, without
from eso.reconcile.pushsecret.known import Claims, Known
from eso.reconcile.pushsecret.look import Failed, Looked, Looker, Offload, PushSettings, SourceGone, no_source
from eso.reconcile.pushsecret.push import Backends, Cleaned, Pusher, Result, There, Turns, side_by_side
from eso.reconcile.pushsecret.refresh import (
    BURST,
    FULL,
    BadInterval,
    Due,
    Pace,
    Seen,
    as_recorded,
    by_itself,
    come_back,
    rests,
    waits_for_edits,
)
from eso.reconcile.pushsecret.report import (
    CLEANING,
    SOON,
    SOURCE_DELETED,
    Report,
    failed,
    failing,
    intent,
    left_behind,
    new_status,
    not_deleted,
    not_pushed,
    parked,
    paused,
    ready_of,
    source_deleted,
    succeeded,
    too_many_changes,
)
from eso.reconcile.pushsecret.select import store_key
from eso.reconcile.pushsecret.sources import NoSource, Reader
from eso.runtime.deadline import TooLate
from eso.runtime.outcome import After, Done, Fatal, Outcome, Retry, Wake
from eso.stores.gate import GateClosed

Key = tuple[str, str]
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
LAST_TRY: Final = 20.0  # seconds for which a namespace that goes is held, and that a clean-up in it may take


class Cache(Protocol):
    """What the informers know."""

    def push_secret(self, key: Key) -> PushSecret | Undecodable | None: ...
    def learned(self, raw: bytes) -> None:
        """Our own write of a PushSecret, from its reply."""

    def store(self, kind: str, namespace: str, name: str) -> SecretStore | None: ...
    def stores(self, kind: str, namespace: str) -> Iterable[SecretStore]: ...


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What this process knows of one object. `version`, `since`: since when its entries must have been compared for the
    version that is being pushed. `held`: there is news, and the pace holds it back."""

    seen: Seen | None = None
    version: str = ""
    since: datetime = LONG_AGO
    pace: Pace = FULL
    held: bool = False


class ReconcilePushSecret:
    """`emit(resource, metadata, event)` queues an Event; `monotonic` is the clock for durations, seconds;
    `limit()` bounds the time of a pass and raises TooLate."""

    def __init__(
        self,
        cache: Cache,
        rest: Rest,
        stores: Backends,
        reader: Reader,
        settings: PushSettings,
        *,
        known: Known,
        claims: Claims,
        emit: Callable[[Resource, ObjectMeta, Event], None],
        offload: Offload,
        meter: Meter,
        monotonic: Callable[[], float],
        log: Any,
        limit: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self.limit = limit
        self.cache, self.rest = cache, rest
        self.looker = Looker(cache, reader, offload, settings)
        self.pusher = Pusher(stores, known, claims, log)
        self.claims, self.emit = claims, emit
        self.meter, self.monotonic, self.log = meter, monotonic, log
        self._ledger: Ledger[Entry] = Ledger(Entry())

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass; timed whatever happens."""
        began = self.monotonic()
        ps = self.cache.push_secret(key)
        if ps is None:  # 1
            self._ledger.forget(key)
            self.meter.gone(key)
            return Done()
        try:
            return await self._in_time(ps, wake, now)
        except Conflict:
            return Retry()  # the informer is behind: nothing to tell
        finally:
            self.claims.flying(key, {})
            self.meter.passed(key, self.monotonic() - began)

    async def _in_time(self, ps: PushSecret | Undecodable, wake: Wake, now: datetime) -> Outcome:
        """The pass, ended at its deadline. What was about to be sent is on record, whether or not it arrived."""
        try:
            async with self.limit():
                return await self._pass(ps, wake, now)
        except TooLate as late:
            if isinstance(ps, Undecodable):
                raise
            latest = self.cache.push_secret((ps.namespace, ps.name))  # it may have told on the way what it sends
            return await self.publish(latest if isinstance(latest, PushSecret) else ps, failed(str(late), late), now)

    async def _pass(self, ps: PushSecret | Undecodable, wake: Wake, now: datetime) -> Outcome:
        """Numbers are the steps of the spec."""
        if ps.metadata.deletion_timestamp is not None:  # 4
            return await self.end(ps, now)
        if isinstance(ps, Undecodable):
            return Fatal(EsoError(f"cannot read the object: {ps.error}", fix="edit it into the form of its schema"))
        if (until := suspended_until(ps.metadata.annotations, now)) is not None:
            return await self.publish(ps, paused(ps, until, now), now)
        if ps.spec.deletes:
            await add_finalizer(self.rest, PUSH_SECRETS, ps.metadata, FINALIZER)
        elif FINALIZER in ps.metadata.finalizers:
            await remove_finalizer(self.rest, PUSH_SECRETS, ps.metadata, FINALIZER)
        key = (ps.namespace, ps.name)
        try:
            due = self.due(ps, now)  # 5
            entry = self._ledger.read(key, ps.metadata.uid)
            old_news = wake.triggered is None and entry.seen is not None and not entry.held
            if due is Due.NO and (rests(ps) or old_news):
                return await self.publish(ps, Report(come_back(ps, now)), now)
            if due is Due.NEWS and entry.pace.wait(now) > 0:  # before a generator is asked
                return self.hold(ps, entry, now)
            if ps.spec.selector.generator_ref is not None and (refused := await self.refused(ps)):
                report = await self.settle(ps, ps.status.synced_push_secrets, {}, refused, due)
                return await self.publish(ps, report, now)
            looked = await self.looker.look(ps)  # 6-12
            if looked is None:
                return Done()  # 11
            seen = Seen(looked.situation, synced_resource_version(ps.metadata))
            if due is Due.NO:
                if unchanged(ps, entry, looked):
                    self._ledger.write(key, ps.metadata.uid, replace(entry, seen=seen))
                    return await self.publish(ps, Report(come_back(ps, now)), now)
                due = Due.NEWS
                if entry.pace.wait(now) > 0:
                    return self.hold(ps, entry, now)
            ps, report, sent = await self.push(ps, looked, due, self.since(ps, due, wake, now), now)  # 13, 14
            self.follow(ps, due, sent, now)
        except Failed as error:
            return await self.publish(ps, error.report, now)
        except SourceGone as gone:
            return await self.publish(ps, await self.source_gone(ps, gone.error), now)
        if report.synced and ps.spec.selector.generator_ref is None:
            await self.looker.reader.values.superseded(ps)
        outcome = await self.publish(ps, report, now)
        if report.synced:  # not before it is told: a pass that could not write the status must not find its work done
            entry = self._ledger.read(key, ps.metadata.uid)
            self._ledger.write(key, ps.metadata.uid, replace(entry, seen=seen))
        return outcome

    async def refused(self, ps: PushSecret) -> list[Result]:
        """Why no store takes anything now, before a value is made that none of them could get; [] where one does, or
        where there is none. Raises Failed."""
        stores = self.looker.targets(ps) or ()
        results = await side_by_side([self.pusher.reached(ps, store) for store in stores])
        return results if all(result.refused for result in results) else []

    def hold(self, ps: PushSecret, entry: Entry, now: datetime) -> Outcome:
        """The news waits; told once."""
        if not entry.held:
            self.emit(PUSH_SECRETS, ps.metadata, too_many_changes())
            self._ledger.write((ps.namespace, ps.name), ps.metadata.uid, replace(entry, held=True))
        return After(entry.pace.wait(now))

    def follow(self, ps: PushSecret, due: Due, sent: int, now: datetime) -> None:
        """The news was followed. It stays told until the pace is full again."""
        key = (ps.namespace, ps.name)
        entry = self._ledger.read(key, ps.metadata.uid)
        pace = entry.pace.spent(now) if due is Due.NEWS and sent else entry.pace
        held = entry.held and pace.now(now) < BURST - 1
        self._ledger.write(key, ps.metadata.uid, replace(entry, pace=pace, held=held))

    def due(self, ps: PushSecret, now: datetime) -> Due:
        """What fails is due until it succeeds. Raises Failed."""
        try:
            due = by_itself(ps, now)
            if due is Due.NO and failing(ps) and not waits_for_edits(ps):
                return Due.NEWS
            return due
        except BadInterval as error:
            raise Failed(failed(str(error), error)) from error

    def since(self, ps: PushSecret, due: Due, wake: Wake, now: datetime) -> datetime:
        """From when on a proof that a value is there counts. An edit wants every value compared once, and so does the
        interval; another object that pushes the same may have had it compared meanwhile."""
        if due is Due.NEWS:
            return LONG_AGO
        if due is Due.INTERVAL and ps.status.refresh_time is not None:
            return ps.status.refresh_time + timedelta(seconds=1)
        key, version = (ps.namespace, ps.name), synced_resource_version(ps.metadata)
        entry = self._ledger.read(key, ps.metadata.uid)
        if entry.version != version:
            entry = replace(entry, version=version, since=wake.triggered or now)
            self._ledger.write(key, ps.metadata.uid, entry)
        return entry.since

    async def source_gone(self, ps: PushSecret, error: NoSource) -> Report:
        """5.2: the remote secrets go with their source."""
        recorded, ready = ps.status.synced_push_secrets, ready_of(ps)
        if not any(recorded.values()):
            told = ready is not None and ready.reason == SOURCE_DELETED
            same = ps.status.synced_resource_version == synced_resource_version(ps.metadata)
            return Report(Done()) if told and same else no_source(error)
        cleaned = Cleaned()
        await self.pusher.clean(ps, stale({}, recorded), {}, cleaned)
        books = without(recorded, cleaned.gone, ())
        if cleaned.failed is not None:
            return failed(f"failed to cleanup provider secrets: {cleaned.failed}", cleaned.failed, books)
        if cleaned.closed is not None:
            text = f"failed to cleanup provider secrets: {cleaned.closed}"
            return parked(ps, cleaned.closed, text, Due.NEWS, books)
        return source_deleted(ps)

    # sending

    async def push(
        self, ps: PushSecret, looked: Looked, due: Due, since: datetime, now: datetime
    ) -> tuple[PushSecret, Report, int]:
        """The object as it stands after what was written meanwhile, what to tell, and how many entries were sent."""
        recorded = ps.status.synced_push_secrets
        wanted = {store: {job[0].key: job[0].data for job in jobs} for store, jobs in looked.jobs.items()}
        self.claims.flying((ps.namespace, ps.name), wanted)
        # without a source no store is visited
        stores = [one for one in looked.stores if looked.sources and store_key(one) not in looked.failed]
        there: dict[str, There] = {}
        if ps.spec.deletes:
            if ps.spec.update_policy == "IfNotExists":
                found = await side_by_side(
                    [self.pusher.found_there(ps, store, looked.jobs[store_key(store)]) for store in stores]
                )
                there = {store_key(store): answers for store, answers in zip(stores, found, strict=True)}
                wanted = {
                    store: {key: data for key, data in entries.items() if there.get(store, {}).get(key) is False}
                    for store, entries in wanted.items()
                }
            ps = await self.announce(ps, wanted, there)
        turns = Turns.of(looked.jobs[store_key(store)] for store in stores)
        results = await side_by_side(
            [
                self.pusher.push(
                    ps, store, looked.jobs[store_key(store)], since, now, there.get(store_key(store), {}), turns
                )
                for store in stores
            ]
        )
        wrong = [Result(store, failed=error) for store, error in looked.failed.items()]
        order = {store_key(store): place for place, store in enumerate(looked.stores)}
        results = sorted([*results, *wrong], key=lambda result: order[result.store])
        synced: SyncedMap = {result.store: result.done for result in results} if looked.sources else {}
        sent = sum(result.sent for result in results)
        return ps, await self.settle(ps, recorded, synced, results, due), sent

    async def announce(self, ps: PushSecret, wanted: SyncedMap, there: Mapping[str, There]) -> PushSecret:
        """Writes down what is about to be sent for the first time: should the process end before it can tell, a later
        deletion still knows of it. An entry of somebody else that is not `there` any more is ours then."""
        recorded = {
            store: {key: data for key, data in entries.items() if there.get(store, {}).get(key) is not False}
            for store, entries in ps.status.synced_push_secrets.items()
        }
        if not stale(recorded, wanted):
            return ps
        raw = await write_status(self.rest, PUSH_SECRETS, ps.metadata, intent(ps, merge(wanted, recorded)))
        if raw is None:
            return ps
        self.cache.learned(raw)
        written = decode_push_secret(raw)
        return written if isinstance(written, PushSecret) else ps

    async def settle(
        self, ps: PushSecret, recorded: SyncedMap, synced: SyncedMap, results: Sequence[Result], due: Due
    ) -> Report:
        """Tells of the first failure, or deletes what is no longer wanted and tells of the success."""
        books = ahead(synced, recorded, results)
        if (report := not_pushed(results, books)) is not None:
            return report
        if any(result.busy for result in results):
            return Report(Retry(), books=books)
        for result in results:
            if result.closed is not None:
                name = result.store.partition("/")[2]
                text = f"set secret failed: could not get secrets client for store {name}: {result.closed}"
                return parked(ps, result.closed, text, due, books)
        if ps.spec.deletes:
            cleaned = Cleaned()
            await self.pusher.clean(ps, stale(synced, recorded), synced, cleaned)
            books = without(books, cleaned.gone, synced)
            if cleaned.failed is not None:
                return failed(f"{CLEANING}{cleaned.failed}", cleaned.failed, books)
            if cleaned.closed is not None:
                return parked(ps, cleaned.closed, f"{CLEANING}{cleaned.closed}", due, books)
        return succeeded(ps, synced, due)

    # the end of an object

    async def end(self, ps: PushSecret | Undecodable, now: datetime) -> Outcome:
        """Removes what was pushed, then the finalizer. An object without it has stopped pushing."""
        if FINALIZER not in ps.metadata.finalizers:
            return Done()
        if isinstance(ps, Undecodable):
            text = f"cannot read the object, so what it pushed stays: {ps.error}"
            self.emit(PUSH_SECRETS, ps.metadata, Event("Warning", "Errored", text))
        elif ps.spec.deletes:
            report = await self.clean_up(ps, now)
            if report is not None:
                return await self.publish(ps, report, now)
        await remove_finalizer(self.rest, PUSH_SECRETS, ps.metadata, FINALIZER)
        return Done()

    async def clean_up(self, ps: PushSecret, now: datetime) -> Report | None:
        """None when nothing holds the object any more: all is deleted, or its namespace goes and cannot wait longer."""
        recorded, cleaned = ps.status.synced_push_secrets, Cleaned()
        everything = stale({}, recorded)
        if not everything:
            return None
        goes = await self.namespace_goes(ps.namespace)
        try:
            async with asyncio.timeout(LAST_TRY if goes is not None else None):
                await self.pusher.clean(ps, everything, {}, cleaned)
        except TimeoutError:
            cleaned.failed = Timeout("the backend did not answer in time")
        cause = cleaned.failed or cleaned.closed
        if cause is None:
            return None
        if goes is not None and not (may_pass(cause) and (now - goes).total_seconds() < LAST_TRY):
            self.tell_left(ps, [one for one in everything if one not in cleaned.gone], cause)
            return None
        books = without(recorded, cleaned.gone, ())
        if cleaned.failed is not None:
            report = failed(f"{CLEANING}{cause}", cause, books)
            # Many failures may have gone before, and the namespace does not wait for a long back-off.
            return replace(report, outcome=After(SOON)) if goes is not None else report
        assert cleaned.closed is not None
        return not_deleted(ps, cleaned.closed, f"{CLEANING}{cause}", books, going=goes is not None)

    async def namespace_goes(self, namespace: str) -> datetime | None:
        """Since when the namespace is being deleted, as the API server says; None when it is not."""
        try:
            raw = await self.rest.get(NAMESPACES, "", namespace)
        except Forbidden:
            return None
        if raw is None:
            return LONG_AGO
        time = orjson.loads(raw)["metadata"].get("deletionTimestamp")
        return datetime.fromisoformat(time) if time else None

    def tell_left(self, ps: PushSecret, left: Sequence[Stale], cause: EsoError) -> None:
        """Names what stays. A namespace that goes takes no new Events, so the Namespace itself gets one, which is kept
        elsewhere, and so does a ClusterSecretStore."""
        event = left_behind(ps.namespace, left, str(cause))
        self.emit(PUSH_SECRETS, ps.metadata, event)
        self.emit(NAMESPACES, ObjectMeta(name=ps.namespace), event)
        for store in sorted({one.store for one in left}):
            kind, _, name = store.partition("/")
            record = self.cache.store(kind, "" if kind == "ClusterSecretStore" else ps.namespace, name)
            if record is not None:
                resource = CLUSTER_SECRET_STORES if kind == "ClusterSecretStore" else SECRET_STORES
                own = [one for one in left if one.store == store]
                self.emit(resource, record.metadata, left_behind(ps.namespace, own, str(cause)))

    # telling

    async def publish(self, ps: PushSecret, report: Report, now: datetime) -> Outcome:
        status = new_status(ps, report, now)
        if status is not None:
            raw = await write_status(self.rest, PUSH_SECRETS, ps.metadata, status)
            if raw is None:
                return Done()  # the object is gone; its event brings the next pass
            self.cache.learned(raw)
        if report.ready:
            self.meter.ready((ps.namespace, ps.name), report.ready)
        for event in report.events:
            self.emit(PUSH_SECRETS, ps.metadata, event)
        return report.outcome


def may_pass(error: EsoError) -> bool:
    """Whether the backend may take it in a moment. A login that is refused or missing stays so: in a namespace that
    goes, rights and credentials do not come back."""
    return isinstance(error, Unavailable | Throttled | NotYet | Busy | GateClosed)


def unchanged(ps: PushSecret, entry: Entry, looked: Looked) -> bool:
    """Nothing is due by itself: did sources, stores or the entries change since the last success?"""
    if looked.failed:
        return False
    if entry.seen is not None:
        return entry.seen.situation == looked.situation
    jobs = looked.jobs.items() if looked.sources else ()
    wanted = {store: sorted(job[0].key for job in entries) for store, entries in jobs}
    recorded = {store: sorted(entries) for store, entries in ps.status.synced_push_secrets.items()}
    return wanted == recorded and as_recorded(ps, looked.newest)


def ahead(synced: SyncedMap, recorded: SyncedMap, results: Sequence[Result]) -> SyncedMap:
    """What is recorded while something failed: nothing is forgotten. An entry that we have written since it was found
    becomes ours, and one that may have arrived counts as written."""
    doubtful = {result.store: result.doubtful for result in results if result.doubtful}
    books = merge(merge(synced, doubtful), recorded)
    for store, entries in synced.items():
        for key, data in entries.items():
            if not is_found(data) and is_found(books[store][key]):
                books[store][key] = data
    return books
