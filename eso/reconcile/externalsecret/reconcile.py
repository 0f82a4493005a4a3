"""One secret's story: what a pass over one ExternalSecret does, in the order of the spec.

Neighbours: `runtime.controller` calls it, every other module of this room is one step of it. Values live for one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef
from eso.api.hashing import owner_hash, synced_resource_version
from eso.errors import EsoError
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import NotFound, Rest
from eso.reconcile.externalsecret.assemble import assemble
from eso.reconcile.externalsecret.decide import Idle, LabelTarget, decide
from eso.reconcile.externalsecret.desired import Change, Delete, Json, Nothing, TemplateFailed, desired
from eso.reconcile.externalsecret.gather import Reads, gather
from eso.reconcile.externalsecret.readplan import primary_key, read_plan, stores_of
from eso.reconcile.externalsecret.refresh import Synced, come_back, first_due, slot
from eso.reconcile.externalsecret.report import DeleteFailed, Event, OrphanCleanupFailed, Report, Told, failed, parked, status_patch, succeeded
from eso.reconcile.externalsecret.targets import Key, Targets
from eso.runtime.outcome import Done, Outcome, Retry, Wake
from eso.stores.gate import GateClosed


@dataclass(frozen=True, slots=True)
class PassSettings:
    """The few numbers a pass needs. Seconds."""

    controller_class: str = "default"
    cluster_stores: bool = True
    heartbeat_seconds: float = 300.0


class Cache(Protocol):
    """What the informers know."""

    def external_secret(self, key: Key) -> ExternalSecret | None: ...
    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        """`spec.controller` of the store, None when there is no such store. Raises for an unsupported kind."""


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def errored(self, key: Key) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileExternalSecret:
    """Collaborators come in here; a pass takes the key, why it woke and the time.

    `identity(namespace, store)` names the login behind a store without waiting; `emit(object, event)` queues an Event; `monotonic` is
    the clock for durations, seconds.
    """

    def __init__(
        self,
        cache: Cache,
        targets: Targets,
        reader: Reads,
        rest: Rest,
        settings: PassSettings,
        *,
        identity: Callable[[str, StoreRef], str | None],
        emit: Callable[[ExternalSecret, Event], None],
        meter: Meter,
        monotonic: Callable[[], float],
        log: Any,
    ) -> None:
        self.cache, self.targets, self.reader, self.rest, self.settings = cache, targets, reader, rest, settings
        self.identity, self.emit, self.meter, self.monotonic, self.log = identity, emit, meter, monotonic, log
        self._synced: dict[Key, tuple[str, Synced]] = {}  # uid, what this process knows of the last success
        self._written: dict[Key, datetime] = {}  # last status write, for the heartbeat

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass; counted and timed whatever happens."""
        began = self.monotonic()
        try:
            return await self._pass(key, wake, now)
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
        if not self.ours(es):  # 5, 6
            return Done()
        if es.spec.target.deletion_policy == "Delete":  # 4  only where deletion has work
            await add_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
        synced = self.synced(es, now)
        target = await self.targets.look(es)  # 7-9
        match decide(es, target, synced, wake, now):  # 10-12
            case LabelTarget():
                await self.targets.label(es)
                return Retry()
            case Idle():
                return come_back(es, synced.due, now)
        orphans: tuple[str, ...] = ()
        missing: tuple[str, ...] = ()
        existed = False
        try:
            assembled = assemble(  # 14
                await gather(read_plan(es), self.reader, es.metadata.namespace, wake.triggered),
                skip_missing=es.spec.target.deletion_policy != "Retain",
            )
            missing = assembled.missing
            change, live, inputs = await self.shape(es, assembled.data)  # 15
            existed = live is not None
            if not isinstance(change, Nothing | Delete) and es.spec.target.creation_policy == "Owner":
                orphans = await self.delete_orphans(es)
            await self.act(es, change, live, inputs)  # 16
        except GateClosed as closed:
            report = parked(es, closed, slot_missed=synced.due is not None and synced.due <= now)
        except EsoError as error:
            report = failed(es, error, Told(orphans, missing, existed))
        else:
            due = slot(es, now, self.phase(es), now)
            self._synced[key] = (es.metadata.uid, Synced(synced_resource_version(es.metadata), now.replace(microsecond=0), due))
            report = succeeded(es, change, Told(orphans, missing, existed), come_back(es, due, now))  # 17
        await self.publish(es, report, now)  # 13  status and Events, only if different
        return report.outcome

    async def shape(self, es: ExternalSecret, data: dict[str, bytes]) -> tuple[Change, Json | None, bytes]:
        """The Change, the live object it was computed from, and the digest of what went in. No read when provably nothing changed."""
        if es.spec.target.creation_policy == "None" or (not data and es.spec.target.deletion_policy == "Retain"):
            return desired(es, None, data, {}), None, b""
        try:
            sources = await self.targets.sources(es)
        except EsoError as error:
            raise TemplateFailed(f"could not apply template: error fetching templateFrom data: {error}", fix=error.fix) from error
        inputs = self.targets.inputs(es, data, sources)
        if data and self.targets.unchanged(es, inputs):
            return Nothing(), None, inputs
        known = self.targets.record(es.metadata.namespace, es.target_name)
        live = await self.targets.live(es) if known or not data else None  # an unknown Secret answers the POST with a conflict
        return desired(es, live, data, sources), live, inputs

    async def act(self, es: ExternalSecret, change: Change, live: Json | None, inputs: bytes) -> None:
        try:
            await self.targets.apply(es, change, live, inputs)
        except EsoError as error:
            if isinstance(change, Delete):
                raise DeleteFailed(str(error), fix=error.fix) from error
            raise

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
        last = self._written.get(key) or es.status.refresh_time
        heartbeat_due = last is None or now - last >= timedelta(seconds=self.settings.heartbeat_seconds)
        patch = status_patch(es, report, now, heartbeat_due=heartbeat_due)
        if patch is not None:
            try:
                await self.rest.patch(EXTERNAL_SECRETS, *key, {"metadata": {"uid": es.metadata.uid}, "status": patch}, subresource="status")
            except NotFound:
                return  # deleted meanwhile: the watch tells
            self._written[key] = now
        for event in report.events:
            self.emit(es, event)

    async def clean_up(self, es: ExternalSecret) -> Outcome:
        """Section 4: never needs the backend."""
        if es.spec.target.deletion_policy == "Delete" and es.spec.target.manifest is None and await self.targets.delete_owned(es):
            self.log.debug("deleted managed secret", secret=es.target_name, namespace=es.metadata.namespace, reason="ExternalSecret deleted")
        await remove_finalizer(self.rest, EXTERNAL_SECRETS, es.metadata, wellknown.FINALIZER_EXTERNAL_SECRET)
        return Done()

    def ours(self, es: ExternalSecret) -> bool:
        ref = es.spec.secret_store_ref
        if not self.settings.cluster_stores and ref is not None and ref.kind == "ClusterSecretStore":
            return False
        classes = (self.cache.store_class(es.metadata.namespace, ref) for ref in stores_of(es.spec))
        return all(not name or name == self.settings.controller_class for name in classes)

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
        self.meter.gone(key)
        return Done()


