"""One secret's story: what a pass over one ExternalSecret does, in the order of the spec.

Neighbours: `runtime.controller` calls it, every other module of this room is one step of it. Values live for one pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from eso.api import wellknown
from eso.api.conditions import condition
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef
from eso.api.hashing import owner_hash, synced_resource_version
from eso.api.meta import Condition, Undecodable
from eso.errors import EsoError
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import AlreadyExists, ApiError, Conflict, Rest
from eso.observe.redact import without
from eso.reconcile.externalsecret.assemble import assemble
from eso.reconcile.externalsecret.decide import Idle, LabelTarget, Seen, Sync, decide
from eso.reconcile.externalsecret.desired import (
    Change,
    Delete,
    DeleteFailed,
    Nothing,
    OrphanCleanupFailed,
    Patch,
    Raced,
    TemplateFailed,
    desired,
)
from eso.reconcile.externalsecret.gather import Reads, gather
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.externalsecret.manifest import ManifestFailed, desired_manifest, refuse
from eso.reconcile.externalsecret.readplan import primary_key, read_plan, stores_of
from eso.reconcile.externalsecret.refresh import Synced, come_back, first_due, interval_seconds, polls, readable, slot
from eso.reconcile.externalsecret.report import (
    Report,
    Told,
    failed,
    new_status,
    parked,
    seen_status,
    succeeded,
    words,
)
from eso.reconcile.externalsecret.targets import Key, Targets
from eso.reconcile.externalsecret.triggers import TARGET_CHANGED
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.status import write_status
from eso.runtime.outcome import Done, Fatal, Outcome, Retry, Wake
from eso.stores.gate import GateClosed
from eso.template import Limits
from eso.template.apply import CHEAP, DEFAULT_TERMS, TELLING, Sources, Terms, costly, out_of_bounds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PassSettings:
    """The few numbers a pass needs. Seconds."""

    controller_class: str = "default"
    cluster_stores: bool = True
    generic_targets: bool = False
    heartbeat_seconds: float = 300.0
    terms: Terms = DEFAULT_TERMS


class Cache(Protocol):
    """What the informers know."""

    def external_secret(self, key: Key) -> ExternalSecret | Undecodable | None: ...
    def learned(self, raw: bytes) -> None:
        """Our own write of an ExternalSecret, from its reply."""

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        """`spec.controller` of the store, None when there is no such store. Raises for an unsupported kind."""


class Offload(Protocol):
    """Runs a desk in a thread, a few at a time, for one namespace after the other."""

    def __call__(self, namespace: str, desk: Callable[[Limits], T], limits: Limits, /) -> Awaitable[T]: ...


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def errored(self, key: Key) -> None: ...
    def missed(self, key: Key, slots: int) -> None: ...
    def drifted(self, key: Key, manager: str) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileExternalSecret:
    """Collaborators come in here; a pass takes the key, why it woke and the time.

    `identity(namespace, store)` names the login behind a store without waiting; `emit(object, event)` queues an Event;
    `monotonic` is the clock for durations, seconds.
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
        emit: Callable[[ExternalSecret | Undecodable, Event], None],
        meter: Meter,
        offload: Offload,
        monotonic: Callable[[], float],
        log: Any,
    ) -> None:
        self.offload = offload
        self.cache, self.targets, self.generic, self.reader, self.rest, self.settings = (
            cache,
            targets,
            generic,
            reader,
            rest,
            settings,
        )
        self.identity, self.emit, self.meter, self.monotonic, self.log = identity, emit, meter, monotonic, log
        self._synced: dict[Key, tuple[str, Synced]] = {}  # uid, what this process knows of the last success
        self._written: dict[Key, datetime] = {}  # last status write, for the heartbeat
        self._told: dict[Key, int] = {}  # the generation told last
        self._parked: set[Key] = set()  # keys whose last pass met a closed gate

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass; counted and timed whatever happens."""
        began = self.monotonic()
        try:
            return await self._pass(key, wake, now)
        except Conflict:
            return Retry()  # somebody was faster: nothing to tell
        except EsoError:
            self.meter.errored(key)
            raise
        finally:
            self.meter.passed(key, self.monotonic() - began)

    async def _pass(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """Numbers are the steps of the spec's top-level order."""
        es = self.cache.external_secret(key)
        if es is None:  # 2  gone
            return self.forget(key)
        if es.metadata.deletion_timestamp is not None:  # 3
            return await self.clean_up(es)
        if isinstance(es, Undecodable):
            return self.refuse_unreadable(es)
        if not self.ours(es):  # 5, 6
            return Done()
        if es.spec.target.deletion_policy == "Delete":  # 4  only where deletion has work
            await add_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
        told = Told()
        try:
            readable(es)
            synced = self.synced(es, now)
            self.count_missed(es, synced, now)
            target = await self.look(es)  # 7-9
            match decide(es, target, synced, wake, now):  # 10-12
                case LabelTarget():
                    await self.targets.label(es)
                    return Retry()
                case Idle():
                    self.log.debug("skipping refresh", namespace=key[0], name=key[1])
                    await self.say(es, seen_status(es, self._told.get(key, 0)))
                    return come_back(es, synced.due, now, self.phase(es))
                case Sync(drift=True) if TARGET_CHANGED in wake.reasons:
                    self.meter.drifted(key, target.changed_by if target else "deleted")
            results = await gather(read_plan(es), self.reader, es.metadata.namespace, wake.triggered)  # 14
            skip_missing = es.spec.target.deletion_policy != "Retain"
            assembled = await self.compute(
                es, lambda limits: assemble(results, skip_missing=skip_missing, limits=limits)
            )
            told = replace(told, missing=assembled.missing)
            live, sources, inputs = await self.before(es, assembled.data)
            told = replace(told, existed=live is not None)
            heavy = costly(es.spec.target.template, sources)
            # 15
            change = await self.compute(
                es, lambda limits: self.shape(es, live, assembled.data, sources, inputs, limits), heavy=heavy
            )
            if (
                not isinstance(change, Nothing | Delete)
                and es.spec.target.creation_policy == "Owner"
                and es.spec.target.manifest is None
            ):
                told = replace(told, orphans=await self.delete_orphans(es))
            await self.act(es, change, live, inputs, assembled.data)  # 16
            self.note(es, change, told)
        except GateClosed as closed:
            self._parked.add(key)
            report = parked(es, closed, slot_in=(synced.due - now).total_seconds() if synced.due is not None else None)
        except EsoError as error:
            if isinstance(error, ApiError):
                raise  # nothing was decided yet: no condition
            report = failed(es, error, told)
        else:
            due = slot(es, now, self.phase(es), now)
            synced = Synced(synced_resource_version(es.metadata), now.replace(microsecond=0), due)
            report = succeeded(es, change, told, come_back(es, due, now, self.phase(es)))  # 17
        await self.publish(es, report, now)  # 13  status and Events, only if different
        if report.synced:  # not before it is told: a pass that could not write the status must not find its work done
            self._synced[key] = (es.metadata.uid, synced)
        return report.outcome

    def count_missed(self, es: ExternalSecret, synced: Synced, now: datetime) -> None:
        """A parked key has no timer: the slots that it missed are counted when it comes back."""
        key = (es.metadata.namespace, es.metadata.name)
        if key in self._parked:
            self._parked.discard(key)
            if (
                synced.due is not None
                and polls(es)
                and (slots := int((now - synced.due).total_seconds() // interval_seconds(es))) > 0
            ):
                self.meter.missed(key, slots)

    async def look(self, es: ExternalSecret) -> Seen | None:
        """What is known of the target; a Secret costs no read when nothing moved since we saw it last."""
        if es.spec.target.manifest is None:
            self.generic.release((es.metadata.namespace, es.metadata.name))
            return await self.targets.look(es)
        refuse(es, enabled=self.settings.generic_targets)
        if es.spec.target.creation_policy == "None":
            return None
        seen = await self.generic.look(es)
        if why := self.generic.unwatched(es):
            self.emit(es, Event("Warning", "TargetUnwatched", why))
        return seen

    async def before(self, es: ExternalSecret, data: dict[str, bytes]) -> tuple[Json | None, Sources, bytes]:
        """What the Change is computed from: the live object, the template's sources, and a digest of what goes in."""
        policy, retained = es.spec.target.creation_policy, not data and es.spec.target.deletion_policy == "Retain"
        if policy == "None" or retained:
            return None, {}, b""
        generic = es.spec.target.manifest is not None
        try:
            sources = await self.targets.sources(es)
        except EsoError as error:
            text = f"error fetching templateFrom data: {error}"
            raise (
                ManifestFailed(text, fix=error.fix)
                if generic
                else TemplateFailed(f"could not apply template: {text}", fix=error.fix)
            ) from error
        if generic:
            return await self.generic.live(es), sources, b""
        inputs = self.targets.inputs(es, data, sources)
        if data and self.targets.unchanged(es, inputs):
            return None, sources, inputs
        # A Secret that nobody knows of answers the POST with a conflict, which costs no more than asking first.
        known = self.targets.record(es.metadata.namespace, es.target_name)
        return (await self.targets.live(es) if known or not data else None), sources, inputs

    async def compute(self, es: ExternalSecret, desk: Callable[[Limits], T], *, heavy: bool = False) -> T:
        """On the loop while it is cheap; what turns out not to be is computed again in a thread, so that nobody else
        waits for it."""
        if not heavy:
            try:
                return desk(CHEAP)
            except EsoError as error:
                if not out_of_bounds(error):
                    raise
        return await self.offload(es.namespace, desk, self.settings.terms.limits)

    def shape(
        self,
        es: ExternalSecret,
        live: Json | None,
        data: dict[str, bytes],
        sources: Sources,
        inputs: bytes,
        limits: Limits,
    ) -> Change:
        """The Change; nothing is computed when the target provably is what these inputs led to."""
        terms = replace(self.settings.terms, limits=limits)
        if es.spec.target.manifest is not None:
            return desired_manifest(es, live, data, sources, terms, self.generic.left(es))
        if live is None and data and es.spec.target.creation_policy != "None" and self.targets.unchanged(es, inputs):
            return Nothing()
        return desired(es, live, data, sources, terms)

    async def act(
        self, es: ExternalSecret, change: Change, live: Json | None, inputs: bytes, data: dict[str, bytes]
    ) -> None:
        try:
            if es.spec.target.manifest is None:
                await self.targets.apply(es, change, live, inputs)
            else:
                await self.generic.apply(es, change, live)
        except (Conflict, AlreadyExists) as error:
            if es.spec.target.manifest is None:
                self.targets.lost(es)
            raise Raced(str(error)) from error
        except EsoError as error:
            if isinstance(change, Delete):
                raise DeleteFailed(str(error), fix=error.fix) from error
            prefix = (
                f"unable to update secret {es.target_name}: "
                if isinstance(change, Patch) and es.spec.target.manifest is None
                else ""
            )
            # The API server may quote what it refuses, and a template may have put a value there.
            raise EsoError(
                prefix + without(str(error), [value for value in data.values() if len(value) >= TELLING]), fix=error.fix
            ) from None

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

    async def delete_orphans(self, es: ExternalSecret) -> tuple[str, ...]:
        try:
            gone = await self.targets.delete_orphans(es, owner_hash(es.metadata.namespace, es.metadata.name))
        except EsoError as error:
            raise OrphanCleanupFailed(str(error), fix=error.fix) from error
        for name in gone:
            self.log.debug("deleted orphaned secret", secret=name, namespace=es.metadata.namespace)
        return tuple(gone)

    async def publish(self, es: ExternalSecret, report: Report, now: datetime) -> None:
        key = (es.metadata.namespace, es.metadata.name)
        if report.error:
            self.meter.errored(key)
        if report.condition is not None:
            self.meter.ready(key, report.condition.status)
            self.announce(es, report.condition)
        last = self._written.get(key) or es.status.refresh_time
        # A time in the future, from a clock that was wrong, is put right at once.
        heartbeat_due = last is None or not timedelta(0) <= now - last < timedelta(
            seconds=self.settings.heartbeat_seconds
        )
        status = new_status(es, report, now, heartbeat_due=heartbeat_due, told_generation=self._told.get(key, 0))
        if not await self.say(es, status):
            return
        if status is not None:
            self._written[key] = now
        for event in report.events:
            self.emit(es, event)

    def announce(self, es: ExternalSecret, now: Condition) -> None:
        """Success is news when it was something else before."""
        if now.status == "True":
            before = condition(es.status.conditions, now.type)
            news = before is None or (before.status, before.reason) != (now.status, now.reason)
            text = "deleted secret" if now.reason == words(es).deleted else "reconciled secret"
            (self.log.info if news else self.log.debug)(text, namespace=es.metadata.namespace, name=es.metadata.name)

    async def say(self, es: ExternalSecret, status: dict[str, Any] | None) -> bool:
        """Writes the status, if there is something to write. False when the object is gone: the watch will tell."""
        key = (es.metadata.namespace, es.metadata.name)
        if status is not None:
            raw = await write_status(self.rest, EXTERNAL_SECRETS, es.metadata, status)
            if raw is None:
                return False
            self._told[key] = es.metadata.generation
            self.cache.learned(raw)
        return True

    async def clean_up(self, es: ExternalSecret | Undecodable) -> Outcome:
        """Section 4: never needs the backend. An object that cannot be read names no target: it just goes."""
        if isinstance(es, ExternalSecret) and es.spec.target.deletion_policy == "Delete":
            await self.delete_target(es)
        self.generic.release((es.metadata.namespace, es.metadata.name))
        await remove_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
        return Done()

    async def delete_target(self, es: ExternalSecret) -> None:
        manifest = es.spec.target.manifest
        if manifest is None:
            if await self.targets.delete_owned(es):
                self.log.debug(
                    "deleted managed secret",
                    secret=es.target_name,
                    namespace=es.metadata.namespace,
                    reason="ExternalSecret deleted",
                )
        elif self.settings.generic_targets and await self.generic.delete_owned(es):
            self.emit(es, Event("Normal", "Deleted", f"Deleted {manifest.kind} {es.target_name}"))

    def refuse_unreadable(self, es: Undecodable) -> Outcome:
        """Only an edit can help: told in an Event, because there is no status that could be written without losing some
        of it."""
        error = EsoError(f"cannot read the object: {es.error}", fix="correct the named field")
        self.emit(es, Event("Warning", "UpdateFailed", f"{error} ({error.fix})"))
        self.meter.errored((es.namespace, es.name))
        return Fatal(error)

    def ours(self, es: ExternalSecret) -> bool:
        where = {"namespace": es.metadata.namespace, "name": es.metadata.name}
        ref = es.spec.secret_store_ref
        if not self.settings.cluster_stores and ref is not None and ref.kind == "ClusterSecretStore":
            self.log.debug("skipping ExternalSecret, ClusterSecretStore feature is disabled", **where)
            return False
        classes = (self.cache.store_class(es.metadata.namespace, ref) for ref in stores_of(es.spec))
        if any(name and name != self.settings.controller_class for name in classes):
            self.log.debug("skipping ExternalSecret, uses unmanaged SecretStore", **where)
            return False
        return True

    def synced(self, es: ExternalSecret, now: datetime) -> Synced:
        key = (es.metadata.namespace, es.metadata.name)
        known = self._synced.get(key)
        if known is not None and known[0] == es.metadata.uid:
            return known[1]
        due = first_due(es, self.phase(es), self.settings.heartbeat_seconds, now)
        met = Synced(es.status.synced_resource_version, es.status.refresh_time, due)
        self._synced[key] = (es.metadata.uid, met)
        return met

    def phase(self, es: ExternalSecret) -> str:
        """Objects that read the same key under the same login fall due together."""
        stores = stores_of(es.spec)
        identity = self.identity(es.metadata.namespace, stores[0]) if stores else None
        return f"{identity or es.metadata.uid}|{primary_key(es)}"

    def forget(self, key: Key) -> Outcome:
        self._synced.pop(key, None)
        self._written.pop(key, None)
        self._told.pop(key, None)
        self._parked.discard(key)
        self.generic.release(key)
        self.meter.gone(key)
        return Done()
