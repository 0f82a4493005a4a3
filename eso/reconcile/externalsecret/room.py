"""The room of ExternalSecret: informers, index, triggers, queue and passes put together.

Neighbours: `app.wiring` calls `room`; triggers.py decides what runs, reconcile.py is the pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from eso.api.changesource import Change
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef
from eso.api.meta import CONFIG_MAPS, SECRETS, ObjectMeta, Undecodable
from eso.api.secretstore import SecretStore
from eso.generators.states import Owner
from eso.kube.catalogue import Phase, Watched
from eso.kube.informer import Informer
from eso.reconcile.externalsecret.apart import Apart
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.externalsecret.readplan import Extract, One, read_plan, stores_of
from eso.reconcile.externalsecret.reconcile import PassSettings, ReconcileExternalSecret
from eso.reconcile.externalsecret.records import Sight, TargetRecord, target_record
from eso.reconcile.externalsecret.refresh import forced_by_trigger
from eso.reconcile.externalsecret.remoteindex import Block, RemoteIndex, store_key
from eso.reconcile.externalsecret.targets import Targets
from eso.reconcile.externalsecret.triggers import SOURCE_CHANGED, SOURCE_REWRITTEN, Key, Triggers
from eso.reconcile.kit.changes import Changes
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.index import ReverseIndex
from eso.reconcile.kit.precedence import Precedence
from eso.reconcile.kit.room import Room, Shared
from eso.reconcile.kit.storewatch import StoreKey, StoreRecord, StoreWatch
from eso.reconcile.kit.watched import WATCHED_EXTERNAL_SECRETS
from eso.runtime.outcome import Parked

COMPONENT: Final = "external-secrets"
OWNER: Final = "owner"  # index of Secrets by the ExternalSecret that made them
ASKED: Final = 200  # stores of one object whose gates are asked before it runs

Record = ExternalSecret | Undecodable


class ConfigMapRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a ConfigMap that something refers to."""

    namespace: str
    name: str
    resource_version: str


class _Object(msgspec.Struct):
    metadata: ObjectMeta


_object = msgspec.json.Decoder(_Object)


def config_map_record(raw: msgspec.Raw) -> ConfigMapRecord:
    meta = _object.decode(raw).metadata
    return ConfigMapRecord(meta.namespace, meta.name, meta.resource_version)


WATCHED_SECRETS = Watched(SECRETS, target_record, Phase.CONTENTS, essential=True, metadata_only=True)
WATCHED_CONFIG_MAPS = Watched(CONFIG_MAPS, config_map_record, Phase.CONTENTS, metadata_only=True, selective=True)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """`namespace`: the only one that is followed, "" for all."""

    passes: PassSettings
    workers: int
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Cache:
    """What a pass looks up."""

    informer: Informer[Record]
    shared: Shared

    def external_secret(self, key: Key) -> Record | None:
        return self.informer.get(key)

    def learned(self, raw: bytes) -> None:
        self.informer.learned(raw)

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        return self.shared.watch.store_class(namespace, ref)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the metrics ask of the objects."""

    informer: Informer[Record]
    watch: StoreWatch

    def store_name(self, key: Key) -> str:
        es = self.informer.get(key)
        ref = es.spec.secret_store_ref if isinstance(es, ExternalSecret) else None
        if es is None or ref is None or self.watch.referred(es.namespace, ref) is None:
            return ""
        return ref.name

    def labels(self, key: Key) -> Mapping[str, str] | None:
        es = self.informer.get(key)
        return es.metadata.labels if es is not None else None

    def by_provider(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for es in self.informer.values():
            ref = es.spec.secret_store_ref if isinstance(es, ExternalSecret) else None
            found = self.watch.referred(es.namespace, ref) if ref else None
            provider = next(iter(found.spec.provider), "") if found else ""
            counts[provider] = counts.get(provider, 0) + 1
        return counts


def stretch(es: ExternalSecret, changes: Changes) -> float:
    """By what events let the interval grow: as far as every store is trusted that the object reads from. A search may
    find what no event names."""
    if not (es.spec.target.immediate and forced_by_trigger(es)):
        return 1.0
    found: list[float] = []
    for read in read_plan(es):
        if not isinstance(read, One | Extract):
            return 1.0
        found.append(changes.stretch(store_key(es.namespace, read.store), es.namespace))
    return min(found, default=1.0)


def room(shared: Shared, settings: RoomSettings) -> Room:
    catalogue, watch, stores = shared.catalogue, shared.watch, shared.stores
    external_secrets = catalogue.informer(WATCHED_EXTERNAL_SECRETS)
    secrets, config_maps = catalogue.informer(WATCHED_SECRETS), catalogue.informer(WATCHED_CONFIG_MAPS)
    secrets.index(OWNER, lambda record: [(record.namespace, record.created_by)] if record.created_by else [])

    # what runs, and when

    def admit(key: Key) -> Parked | None:
        """A key that would only meet a closed gate waits there, once its condition has told so; until then a pass must
        tell it."""
        es = external_secrets.get(key)
        if (
            not isinstance(es, ExternalSecret)
            or es.metadata.deletion_timestamp is not None
            or triggers.synced(key)
            or not es.status.conditions
        ):
            return None
        asked = stores_of(es.spec)[:ASKED]  # a gate that is not asked here is met by the pass
        names = (name for ref in asked for name in stores.gates_of(es.namespace, ref))
        closed = shared.gates.admit(dict.fromkeys(names))
        return Parked(closed.gate, closed.epoch) if closed else None

    work = shared.work(EXTERNAL_SECRETS, settings.workers, admit)
    index: ReverseIndex[Key] = ReverseIndex()

    def block(key: StoreKey) -> Block | None:
        """What the store says of its provider."""
        found = watch.store(*key)
        return next(iter(found.spec.provider.items()), None) if found is not None else None

    remote = RemoteIndex(block) if shared.changes.on else None
    precedence = Precedence(shared.clock) if shared.changes.on else None
    triggers = Triggers(index, work.queue.add, external_secrets.get, shared.clock.now, remote)

    def told(store: StoreKey, change: Change, within: str, at: datetime) -> tuple[Key, ...]:
        keys = triggers.told(store, change, within, at)
        if precedence is not None:
            precedence.expect(keys)
        return keys

    shared.changes.connect(told, triggers.read_from)
    shared.changes.on_fallen(triggers.fallen)

    # the targets

    def secret_seen(record: TargetRecord, sight: Sight) -> None:
        triggers.secret(record, sight, appeared=False)

    def generic_changed(api_version: str, kind: str, namespace: str, name: str, writer: Key | None) -> None:
        triggers.target(namespace, name, f"{api_version}/{kind}", writer)

    targets = Targets(
        shared.rest,
        lambda namespace, name: secrets.get((namespace, name)),
        lambda namespace, created_by: secrets.by(OWNER, (namespace, created_by)),
        secret_seen,
    )
    generic = GenericTargets(
        shared.rest,
        generic_changed,
        namespace=settings.namespace,
        log=shared.log,
        enabled=settings.passes.generic_targets,
    )

    # what the watches tell

    def external_secret(old: Record | None, new: Record | None) -> None:
        triggers.external_secret(old, new)
        if isinstance(old, ExternalSecret) and ("Target", old.namespace, old.target_name) not in index:
            targets.released((old.namespace, old.target_name))

    def secret(old: TargetRecord | None, new: TargetRecord | None) -> None:
        record = new or old
        assert record is not None
        sight = targets.observed(old, new)
        # The first list is no news: every ExternalSecret gets its pass anyway.
        if sight is None or not secrets.has_synced.is_set():
            return
        if new is None or sight.wrote:
            triggers.secret(record, sight, appeared=old is None)
            return

        def tell(writer: Key | None) -> None:  # a manifest may name the kind Secret
            seen = sight if writer is None else Sight(sight.target, writer, wrote=True)
            triggers.secret(record, seen, appeared=old is None)

        generic.wrote(("v1", "Secret", record.namespace, record.name), record.resource_version, tell)

    def config_map(old: ConfigMapRecord | None, new: ConfigMapRecord | None) -> None:
        record = new or old
        assert record is not None
        token = ("v1", "ConfigMap", record.namespace, record.name)

        def tell(writer: Key | None) -> None:
            reason = SOURCE_CHANGED if writer is None else SOURCE_REWRITTEN
            triggers.depended(*token[1:], reason, seen_by=writer)

        if new is None:
            tell(None)
        else:
            generic.wrote(token, new.resource_version, tell)

    def store(old: StoreRecord | None, new: StoreRecord | None) -> None:
        if isinstance(new, SecretStore):
            triggers.store(old if isinstance(old, SecretStore) else None, new)

    def credential(store: StoreKey, within: str) -> None:
        triggers.depended(*store, "credential changed", within=within)

    external_secrets.listen(external_secret)
    secrets.listen(secret)
    catalogue.news(CONFIG_MAPS, config_map)
    catalogue.want(CONFIG_MAPS, lambda record: ("ConfigMap", record.namespace, record.name) in index)
    watch.credential_news(credential)
    for informer in watch.informers.values():
        informer.listen(store)
    if watch.namespaces is not None:
        watch.namespaces.listen(
            lambda old, new: triggers.namespace(new.name, old.labels, new.labels) if old and new else None
        )

    counted = Counted(external_secrets, watch)
    shared.metrics.secrets(counted.by_provider)

    # the passes

    def emit(es: Record, event: Event) -> None:
        work.emit(COMPONENT, es.metadata, event)

    passes = ReconcileExternalSecret(
        Cache(external_secrets, shared),
        targets,
        generic,
        stores,
        shared.rest,
        settings.passes,
        identity=stores.identity,
        batch=lambda es: shared.generators.batch(
            Owner(EXTERNAL_SECRETS, es.metadata), tracked=shared.generators.tracked
        ),
        emit=emit,
        offload=Apart(shared.compute),
        sharing=triggers.sharing,
        record=shared.changes.passed,
        meter=shared.metrics.external_secrets(store_of=counted.store_name, labels_of=counted.labels),
        monotonic=shared.clock.monotonic,
        log=shared.log,
        limit=shared.limit,
        stretch=lambda es: stretch(es, shared.changes),
        precedence=precedence,
    )
    others = (*watch.informers.values(), *((watch.namespaces,) if watch.namespaces is not None else ()), config_maps)
    return work.room(passes.reconcile, needs=(external_secrets, secrets), heeds=others, background=(generic.run,))
