"""One secret's story: what a pass over one ExternalSecret does, in the order of the spec.

Neighbours: `runtime.controller` calls it, every other module of this room is one step of it. `prepare` finds out what
should happen, `act` makes it so, `tell` reports it. Values live for one pass.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from eso.api import wellknown
from eso.api.conditions import condition
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition, Undecodable
from eso.errors import EsoError
from eso.generators.front import Batch, StateNotKept
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import AlreadyExists, ApiError, Conflict, NotFound, Rest
from eso.reconcile.externalsecret import brake, notices
from eso.reconcile.externalsecret.compose import Composer, Offload
from eso.reconcile.externalsecret.decide import Idle, LabelTarget, Sync, decide
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Nothing, Patch
from eso.reconcile.externalsecret.gather import Reads
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.externalsecret.known import Known
from eso.reconcile.externalsecret.meter import Meter, count
from eso.reconcile.externalsecret.readplan import generators_of, primary_key, stores_of
from eso.reconcile.externalsecret.records import Key
from eso.reconcile.externalsecret.refresh import (
    Synced,
    come_back,
    first_due,
    held_by_window,
    interval_seconds,
    polls,
    readable,
    slot,
    unstretched,
)
from eso.reconcile.externalsecret.refusal import refused
from eso.reconcile.externalsecret.report import (
    Report,
    Told,
    failed,
    new_status,
    parked,
    seen_status,
    stage_of,
    succeeded,
    suspended_status,
)
from eso.reconcile.externalsecret.sources import read_sources
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import SECRET, Before, Occasion, Target, kind_of, named
from eso.reconcile.externalsecret.targets import Targets
from eso.reconcile.externalsecret.trail import change_record, read_from
from eso.reconcile.externalsecret.triggers import TARGET_CHANGED
from eso.reconcile.kit.changes import REASON
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.ledger import Ledger
from eso.reconcile.kit.owners import entries
from eso.reconcile.kit.precedence import Precedence
from eso.reconcile.kit.record import ChangeRecord, Ended, PassRecord
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.suspend import awake, suspended_until
from eso.runtime.deadline import TooLate
from eso.runtime.loopshare import in_slices
from eso.runtime.outcome import After, Done, Fatal, Outcome, Retry, Wake
from eso.stores.gate import GateClosed, StoreSuspended, Waiting
from eso.template.apply import DEFAULT_TERMS, Terms

STORES: Final = 1_000  # stores of one object that are looked up in one turn of the loop


@dataclass(frozen=True, slots=True)
class PassSettings:
    """The few numbers a pass needs. Seconds."""

    controller_class: str = "default"
    cluster_stores: bool = True
    generic_targets: bool = False
    heartbeat_seconds: float = 300.0
    event_trust: float = 1.0  # by what trust in events may multiply the interval of an immediate object
    terms: Terms = DEFAULT_TERMS


class Cache(Protocol):
    """What the informers know."""

    def external_secret(self, key: Key) -> ExternalSecret | Undecodable | None: ...
    def learned(self, raw: bytes) -> None:
        """Our own write of an ExternalSecret, from its reply."""

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        """`spec.controller` of the store, None when there is no such store. Raises for an unsupported kind."""


@dataclass(frozen=True, slots=True)
class Held:
    """Two writers fight for the target: the next correction waits so many seconds."""

    seconds: float
    notice: Event


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the pass would do, before it does anything."""

    step: Sync
    target: Target
    before: Before
    change: Change
    data: dict[str, bytes] = field(repr=False)
    told: Told
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """A store may not be called now."""

    gate: GateClosed


@dataclass(frozen=True, slots=True)
class Refused:
    """Something is wrong with the object, its sources or its target."""

    error: EsoError
    told: Told


Next = LabelTarget | Idle | Held | Prepared | Closed | Refused


@dataclass(slots=True)
class Draft:
    """What the record of this pass will say, filled in on the way; and `synced`, the success to remember once it is
    told."""

    synced: Synced | None = None
    ended: Ended = Ended.BROKEN
    uid: str = ""
    generation: int = 0
    read_from: frozenset[tuple[str, str]] = frozenset()
    change: ChangeRecord | None = None
    ready: Condition | None = None
    refreshed: datetime | None = None
    due: datetime | None = None
    missed: int = 0
    drift: bool = False
    changed_by: str = ""
    stage: str = ""
    error: str = ""
    failed: bool = False


class ReconcileExternalSecret:
    """Collaborators come in here; a pass takes the key, why it woke and the time.

    `identity(namespace, store)` names the login behind a store without waiting; `batch(object)` is what its generators
    make in one pass; `emit(object, event)` queues an Event; `monotonic` is the clock for durations, seconds;
    `sharing(es)` are the keys of the objects with the same target; `record(record)` gets the record of each pass;
    `limit()` bounds the time before the write and raises TooLate.
    """

    def __init__(
        self,
        cache: Cache,
        targets: Targets,
        generic: GenericTargets,
        reader: Reads,
        rest: Rest,
        settings: PassSettings,
        *,
        identity: Callable[[str, StoreRef], str | None],
        batch: Callable[[ExternalSecret], Batch],
        emit: Callable[[ExternalSecret | Undecodable, Event], None],
        meter: Meter,
        offload: Offload,
        monotonic: Callable[[], float],
        log: Any,
        sharing: Callable[[ExternalSecret], Iterable[Key]] = lambda es: (),
        record: Callable[[PassRecord], None] = lambda record: None,
        limit: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        stretch: Callable[[ExternalSecret], float] = lambda es: 1.0,
        precedence: Precedence | None = None,
    ) -> None:
        self.cache, self.targets, self.generic, self.rest, self.settings = cache, targets, generic, rest, settings
        self.identity, self.emit, self.meter, self.monotonic, self.log = identity, emit, meter, monotonic, log
        self.batch = batch
        self.sharing, self.record, self.limit, self.stretch = sharing, record, limit, stretch
        self.precedence = precedence
        self.composer = Composer(
            reader, lambda es: read_sources(rest, es), offload, settings.terms, secrets.token_bytes(32)
        )
        self._ledger: Ledger[Known | None] = Ledger(None)

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass; counted and timed whatever happens."""
        began, draft, outcome = self.monotonic(), Draft(), None
        try:
            outcome = await self._pass(key, wake, now, draft)
            return outcome
        except Conflict:
            draft.ended, outcome = Ended.RACED, Retry()  # somebody was faster: nothing to tell
            return outcome
        except asyncio.CancelledError:
            draft.ended = Ended.CUT
            raise
        except EsoError as error:
            draft.failed, draft.error = True, type(error).__name__
            raise
        finally:
            record = made(draft, key, wake, now, self.monotonic() - began, outcome)
            count(self.meter, record)
            self.record(record)
            if self.precedence is not None and REASON in wake.reasons:
                self.precedence.over(key)

    async def _pass(self, key: Key, wake: Wake, now: datetime, draft: Draft) -> Outcome:
        """Numbers are the steps of the spec's top-level order."""
        es = self.cache.external_secret(key)
        if es is None:  # 2  gone
            return self.forget(key, draft)
        draft.uid, draft.generation = es.metadata.uid, es.metadata.generation
        if es.metadata.deletion_timestamp is not None:  # 3
            draft.ended = Ended.DELETED
            return await self.clean_up(es)
        if isinstance(es, Undecodable):
            return self.refuse_unreadable(es, draft)
        if (until := suspended_until(es.metadata.annotations, now)) is not None:
            draft.ended = Ended.SUSPENDED
            return await self.pause(es, until, now)
        if not await self.ours(es):  # 5, 6
            draft.ended = Ended.FOREIGN
            return Done()
        async with self.batch(es) as batch:
            if await batch.foreign(generators_of(es.spec), self.settings.controller_class):
                draft.ended = Ended.FOREIGN
                return Done()
            return await self._serve(es, wake, now, draft, batch)

    async def _serve(self, es: ExternalSecret, wake: Wake, now: datetime, draft: Draft, batch: Batch) -> Outcome:
        wake = brake.recalled(self.known(es).fight, wake)
        match await self.prepare_in_time(es, wake, now, draft, batch):  # 4, 7-15
            case LabelTarget():
                known = self.known(es)
                if seconds := known.labels.held(es, now):
                    self.notice(es, (notices.contested(es, "another writer"),))
                    draft.ended = Ended.IDLE
                    return After(seconds)
                await self.targets.label(es)
                known.labels = known.labels.again(now)
                draft.ended = Ended.RACED
                return Retry()
            case Idle():
                return await self.rest_until_due(es, now, draft)
            case Held(seconds, notice):
                self.notice(es, (notice,))
                outcome = await self.rest_until_due(es, now, draft)
                return outcome if isinstance(outcome, After) and outcome.seconds <= seconds else After(seconds)
            case Closed(gate):
                draft.ended = Ended.PARKED
                report = self.park(es, gate, now)
            case Refused(error, told):
                report = self.refuse(es, error, told, draft)
            case Prepared() as prepared:
                report = await self.carry_out(es, prepared, wake, now, draft, batch)
                if self.precedence is not None and REASON in wake.reasons:
                    await self.precedence.yielding((es.namespace, es.name))
        await self.tell(es, report, now, draft)  # 13, 17  status and Events, only if different
        return report.outcome

    # --- prepare: what should happen

    async def prepare_in_time(self, es: ExternalSecret, wake: Wake, now: datetime, draft: Draft, batch: Batch) -> Next:
        """`prepare`, ended at its deadline: nothing is written by then, so nothing is half written."""
        try:
            async with self.limit():
                return await self.prepare(es, wake, now, draft, batch)
        except TooLate as late:
            return Refused(Failed(Stage.FETCH, str(late), fix=late.fix), Told())

    async def prepare(self, es: ExternalSecret, wake: Wake, now: datetime, draft: Draft, batch: Batch) -> Next:
        """Everything up to the Change; writes nothing but the finalizer. Raises the API's errors: nothing is decided
        then, so there is no condition."""
        if es.spec.target.deletion_policy == "Delete":  # 4  only where deletion has work
            await self.hold_on(es, now)
        told = Told()
        try:
            readable(es)
            synced, known, target = self.synced(es, now), self.known(es), self.target_of(es)
            self.count_missed(es, synced, now, draft)
            seen = await target.look(es)  # 7-9
            if why := target.unwatched(es):
                self.emit(es, Event("Warning", "TargetUnwatched", why))
            step = decide(es, seen, synced, wake, now)  # 10-12
            if not isinstance(step, LabelTarget):
                known.labels = brake.UNMARKED
            if not isinstance(step, Sync):
                if held_by_window(es, synced, wake, now):
                    known.synced = replace(synced, due=now)
                return step
            changed_by = seen.changed_by if seen else "deleted"
            if step.drift and TARGET_CHANGED in wake.reasons:
                draft.drift, draft.changed_by = True, changed_by
            if seconds := brake.holds_until(known.fight, es, step, wake, now):
                known.fight = brake.hold(known.fight, now, wake)
                writer = (changed_by or "another writer") if step.drift else ""
                return Held(seconds, notices.contested(es, writer, slowly=brake.slows(known.fight, step, wake)))
            urgent = step.edited or synced.refreshed is None  # a periodic read may wait for others of its batch
            results = await self.composer.read(  # 14
                es, wake.since, urgent=urgent, make=lambda read: batch.generate(read.ref, str(read.index))
            )
            draft.read_from = read_from(results)
            limits = self.composer.limits()
            assembled = await self.composer.assemble(es, results, limits)
            told = Told(missing=assembled.missing, notices=self.oddities(es, assembled.lost))
            occasion = Occasion(step.due or step.edited, known.inputs, wake.triggered is not None)
            before, sources = await self.composer.before(es, target, assembled.data, occasion)
            told = replace(told, existed=before.live is not None)
            change = await self.composer.change(es, before, assembled.data, sources, limits)  # 15
        except GateClosed as closed:
            return Closed(closed)
        except ApiError:
            raise
        except EsoError as error:
            return Refused(error, told)
        return Prepared(step, target, before, change, assembled.data, told, changed_by)

    async def hold_on(self, es: ExternalSecret, now: datetime) -> None:
        """Puts the finalizer on, or back on. Without it the target still goes, if its owner reference is ours."""
        known = self.known(es)
        if wellknown.FINALIZER_EXTERNAL_SECRET in es.metadata.finalizers:
            known.finalizers = known.finalizers.found(es, now)
        elif known.finalizers.held(es, now):
            self.notice(es, (notices.unheld(es),))
        else:
            await add_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
            known.finalizers = known.finalizers.again(now)

    def target_of(self, es: ExternalSecret) -> Target:
        if kind_of(es) is SECRET:
            self.generic.release((es.metadata.namespace, es.metadata.name))  # it may have had another target
            return self.targets
        return self.generic

    def oddities(self, es: ExternalSecret, lost: tuple[str, ...]) -> tuple[Event, ...]:
        """Events about what is probably a mistake, though nothing fails."""
        orphan = es.spec.target.creation_policy == "Orphan"
        if not lost and not orphan:
            return ()
        found = [notices.lost_keys(text) for text in lost]
        if orphan and kind_of(es) is SECRET:
            others = (self.cache.external_secret(key) for key in self.sharing(es))
            found += notices.shared(es, [other for other in others if isinstance(other, ExternalSecret)])
        return tuple(found)

    def count_missed(self, es: ExternalSecret, synced: Synced, now: datetime, draft: Draft) -> None:
        """A parked key has no timer: the slots that it missed are counted when it comes back."""
        draft.refreshed, draft.due = synced.refreshed, synced.due
        known = self.known(es)
        if not known.parked:
            return
        known.parked = False
        if synced.due is not None and polls(es):
            draft.missed = max(0, int((now - synced.due).total_seconds() // interval_seconds(es)))

    # --- act: make it so

    async def carry_out(
        self, es: ExternalSecret, prepared: Prepared, wake: Wake, now: datetime, draft: Draft, batch: Batch
    ) -> Report:
        """16: the write, and what it led to."""
        told, change = prepared.told, prepared.change
        try:
            await batch.keep()
            told = replace(told, orphans=await self.act(es, prepared))
            await batch.settle(str(i) for i in range(len(es.spec.data_from)))
        except StateNotKept as error:
            return self.refuse(es, Failed(Stage.FETCH, str(error), fix=error.fix), told, draft)
        except EsoError as error:
            return self.refuse(es, error, told, draft)
        draft.ended, draft.change = Ended.SYNCED, change_record(es, change)
        self.note(es, change, told)
        phase = self.phase(es)
        due = slot(es, now, phase, now, self.stretch(es))
        draft.synced = Synced(synced_resource_version(es.metadata), now.replace(microsecond=0), due)
        known = self.known(es)
        wrote, inputs = isinstance(change, Create | Patch), prepared.before.inputs
        same = bool(inputs) and inputs == known.inputs and not prepared.before.rolls
        writer = prepared.changed_by or other_writer(es, prepared.before.live)
        known.undone = brake.undone(known.undone, prepared.step, writer, same=same, wrote=wrote)
        if known.undone >= brake.MOST:
            self.notice(es, (notices.contested(es, writer),))
        known.inputs = inputs or known.inputs
        known.fight = brake.after(known.fight, es, prepared.step, wake, now, wrote=wrote)
        return succeeded(es, change, told, come_back(es, due, now, phase))  # 17

    async def act(self, es: ExternalSecret, prepared: Prepared) -> tuple[str, ...]:
        """One write at most, after the clean-up of targets of an earlier name, which it returns. Raises Failed."""
        target, change, words = prepared.target, prepared.change, kind_of(es).words
        orphans: tuple[str, ...] = ()
        if not isinstance(change, Nothing | Delete):
            orphans = await self.delete_orphans(es, target)
        try:
            await target.apply(es, change, prepared.before)
        except EsoError as error:
            went = isinstance(error, NotFound) and isinstance(change, Patch)
            if went or isinstance(error, Conflict | AlreadyExists):
                target.lost(es)
                raise Failed(Stage.RACE, str(error)) from error
            if isinstance(change, Delete):
                raise Failed(Stage.DELETE, str(error), fix=error.fix) from error
            prefix = named(words.update_failed, es) if isinstance(change, Patch) else ""
            why = await refused(es, error, change, prepared.data)
            raise Failed(Stage.WRITE, prefix + why, fix=error.fix) from None
        return orphans

    async def delete_orphans(self, es: ExternalSecret, target: Target) -> tuple[str, ...]:
        try:
            gone = await target.delete_orphans(es)
        except EsoError as error:
            raise Failed(Stage.ORPHANS, str(error), fix=error.fix) from error
        for name in gone:
            self.log.debug("deleted orphaned secret", secret=name, namespace=es.metadata.namespace)
        return tuple(gone)

    def note(self, es: ExternalSecret, change: Change, told: Told) -> None:
        """Lines that operators alert on. Key names only."""
        where = {"secret": es.target_name, "namespace": es.metadata.namespace}
        match change:
            case Patch(added=added, updated=updated, removed=removed, emptied=emptied) if added or updated or removed:
                self.log.debug(
                    "secret data keys changed", **where, added=added, updated=updated, removed=removed, emptied=emptied
                )
            case Delete() if told.existed:
                self.log.debug("deleted secret", **where, reason="DeletionPolicy=Delete and provider returned no data")

    # --- tell: what happened

    def refuse(self, es: ExternalSecret, error: EsoError, told: Told, draft: Draft) -> Report:
        draft.stage, draft.error = stage_of(error).value, type(error.__cause__ or error).__name__
        draft.ended = Ended.RACED if stage_of(error) is Stage.RACE else Ended.FAILED
        return failed(es, error, told)

    def park(self, es: ExternalSecret, closed: GateClosed, now: datetime) -> Report:
        self.known(es).parked = not isinstance(closed, Waiting | StoreSuspended)
        due = self.synced(es, now).due
        return parked(es, closed, slot_in=(due - now).total_seconds() if due is not None else None)

    async def tell(self, es: ExternalSecret, report: Report, now: datetime, draft: Draft) -> None:
        known = self.known(es)
        draft.failed = report.error
        if report.condition is not None:
            draft.ready = report.condition
            self.announce(es, report.condition)
        last = known.status_at or es.status.refresh_time
        # A time in the future, from a clock that was wrong, is put right at once.
        heartbeat_due = last is None or not timedelta(0) <= now - last < timedelta(
            seconds=self.settings.heartbeat_seconds
        )
        status = new_status(
            es,
            report,
            now,
            # After a restart, the status alone says when a generator is due again.
            heartbeat_due=heartbeat_due or es.spec.uses_generators,
            told_generation=known.generation,
            version=draft.synced.version if draft.synced else "",
        )
        if await self.say(es, status):
            if status is not None:
                known.status_at = now
            for event in report.events:
                self.emit(es, event)
            self.notice(es, report.notices)
        if draft.synced is not None:  # only after the status write: a retry of that must not find its work done
            known.synced = draft.synced

    def announce(self, es: ExternalSecret, now: Condition) -> None:
        """Success is news when it was something else before."""
        if now.status == "True":
            before = condition(es.status.conditions, now.type)
            news = before is None or (before.status, before.reason) != (now.status, now.reason)
            text = "deleted secret" if now.reason == kind_of(es).words.deleted else "reconciled secret"
            (self.log.info if news else self.log.debug)(text, namespace=es.metadata.namespace, name=es.metadata.name)

    async def say(self, es: ExternalSecret, status: dict[str, Any] | None) -> bool:
        """Writes the status, if there is something to write. False when the object is gone: the watch will tell."""
        if status is not None:
            raw = await write_status(self.rest, EXTERNAL_SECRETS, es.metadata, status)
            if raw is None:
                return False
            self.known(es).generation = es.metadata.generation
            self.cache.learned(raw)
        return True

    def notice(self, es: ExternalSecret, events: tuple[Event, ...]) -> None:
        """Emits what was not emitted before for this generation."""
        if not events:
            return
        known = self.known(es)
        before = known.notices if known.noticed_at == es.metadata.generation else frozenset[int]()
        for event in events:
            if hash(event) not in before:
                self.emit(es, event)
        known.notices, known.noticed_at = before | {hash(event) for event in events}, es.metadata.generation

    async def rest_until_due(self, es: ExternalSecret, now: datetime, draft: Draft) -> Outcome:
        draft.ended = Ended.IDLE
        self.log.debug("skipping refresh", namespace=es.metadata.namespace, name=es.metadata.name)
        await self.say(es, seen_status(es, self.known(es).generation))
        return come_back(es, self.synced(es, now).due, now, self.phase(es))

    async def pause(self, es: ExternalSecret, until: datetime, now: datetime) -> Outcome:
        """Nothing is read, written or corrected; the status says until when."""
        self.known(es).parked = False  # slots of a pause are not missed
        await self.say(es, suspended_status(es, until, now))
        return awake(until, now)

    # --- the end of an object

    async def clean_up(self, es: ExternalSecret | Undecodable) -> Outcome:
        """Section 4: never needs the backend. An object that cannot be read names no target: it just goes."""
        if isinstance(es, ExternalSecret) and es.spec.target.deletion_policy == "Delete":
            await self.delete_target(es)
        self.generic.release((es.metadata.namespace, es.metadata.name))
        await remove_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
        return Done()

    async def delete_target(self, es: ExternalSecret) -> None:
        if not await self.target_of(es).delete_owned(es):
            return
        self.log.debug(
            "deleted managed secret",
            secret=es.target_name,
            namespace=es.metadata.namespace,
            reason="ExternalSecret deleted",
        )
        if text := kind_of(es).words.cleaned_up:
            self.emit(es, Event("Normal", "Deleted", named(text, es)))

    def refuse_unreadable(self, es: Undecodable, draft: Draft) -> Outcome:
        """Only an edit can help. An Event tells so, because no status could be written without losing some of it."""
        error = EsoError(f"cannot read the object: {es.error}", fix="correct the named field")
        self.emit(es, Event("Warning", "UpdateFailed", f"{error} ({error.fix})"))
        draft.ended, draft.failed, draft.stage = Ended.FAILED, True, Stage.SPEC.value
        return Fatal(error)

    def forget(self, key: Key, draft: Draft) -> Outcome:
        draft.ended = Ended.GONE
        self._ledger.forget(key)
        self.generic.release(key)
        return Done()

    # --- whose it is, and what is known of it

    async def ours(self, es: ExternalSecret) -> bool:
        where = {"namespace": es.metadata.namespace, "name": es.metadata.name}
        ref = es.spec.secret_store_ref
        if not self.settings.cluster_stores and ref is not None and ref.kind == "ClusterSecretStore":
            self.log.debug("skipping ExternalSecret, ClusterSecretStore feature is disabled", **where)
            return False
        async for some in in_slices(stores_of(es.spec), STORES):
            classes = (self.cache.store_class(es.metadata.namespace, ref) for ref in some)
            if any(name and name != self.settings.controller_class for name in classes):
                self.log.debug("skipping ExternalSecret, uses unmanaged SecretStore", **where)
                return False
        return True

    def known(self, es: ExternalSecret) -> Known:
        key = (es.metadata.namespace, es.metadata.name)
        known = self._ledger.read(key, es.metadata.uid)
        if known is None:
            known = Known()
            self._ledger.write(key, es.metadata.uid, known)
        return known

    def synced(self, es: ExternalSecret, now: datetime) -> Synced:
        """The last success. Of an object that is met for the first time, the status tells."""
        known = self.known(es)
        if known.synced is None:
            most = self.settings.event_trust if es.spec.target.immediate else 1.0
            due = first_due(es, self.phase(es), self.settings.heartbeat_seconds, now, most)
            known.synced = Synced(es.status.synced_resource_version, es.status.refresh_time, due)
        elif self.settings.event_trust > 1 and es.spec.target.immediate and self.stretch(es) <= 1:
            known.synced = unstretched(es, known.synced, self.phase(es), now)
        return known.synced

    def phase(self, es: ExternalSecret) -> str:
        """Objects that read the same key under the same login fall due together."""
        stores = stores_of(es.spec)
        identity = self.identity(es.metadata.namespace, stores[0]) if stores else None
        return f"{identity or es.metadata.uid}|{primary_key(es)}"


def other_writer(es: ExternalSecret, live: Json | None) -> str:
    """The field manager that wrote the target last, and not before we did; "" when it was nobody else. Times are kept
    in seconds."""
    found = list(entries(live["metadata"])) if live is not None else []
    times = {str(entry.get("manager", "")): str(entry.get("time") or "") for entry in found}
    ours = times.pop(es.field_manager, "")
    latest = max(times, key=lambda manager: times[manager], default="")
    return latest if latest and times[latest] >= ours else ""


def made(draft: Draft, key: Key, wake: Wake, began: datetime, seconds: float, outcome: Outcome | None) -> PassRecord:
    """The record of a pass that has ended."""
    return PassRecord(
        "ExternalSecret",
        key,
        wake,
        began,
        seconds,
        draft.ended,
        outcome,
        draft.uid,
        draft.generation,
        draft.read_from,
        draft.change,
        draft.ready,
        draft.refreshed,
        draft.due,
        draft.missed,
        draft.drift,
        draft.changed_by,
        draft.stage,
        draft.error,
        draft.failed,
    )
