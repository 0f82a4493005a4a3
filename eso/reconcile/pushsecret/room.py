"""The room of PushSecret: informers, index, triggers, queue and passes put together.

Neighbours: `app.wiring` calls `rooms`; triggers.py decides what runs, reconcile.py is the pass, guards.py holds stores.
"""

from __future__ import annotations

import secrets as chance
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eso.api.externalsecret import StoreRef
from eso.api.meta import CONFIG_MAPS, SECRETS, ObjectMeta, Resource, Undecodable
from eso.api.pushsecret import PUSH_SECRETS, PushSecret, decode_push_secret
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.kube.catalogue import Phase, Watched
from eso.kube.informer import Informer
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.room import Key, Room, Shared
from eso.reconcile.pushsecret.apart import Apart
from eso.reconcile.pushsecret.guards import Guards
from eso.reconcile.pushsecret.holders import Holders, StoreKey
from eso.reconcile.pushsecret.known import Claims, Known
from eso.reconcile.pushsecret.look import PushSettings
from eso.reconcile.pushsecret.reconcile import ReconcilePushSecret
from eso.reconcile.pushsecret.report import ready_of
from eso.reconcile.pushsecret.sources import Reader, Values
from eso.reconcile.pushsecret.triggers import Triggers
from eso.runtime.outcome import Lane, Parked
from eso.stores.resolve import admitted

COMPONENT: Final = "pushsecret"
NAMESPACE: Final = "namespace"  # index of SecretStores

Record = PushSecret | Undecodable
WATCHED = Watched(PUSH_SECRETS, decode_push_secret, Phase.OBJECTS, rationed=True)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """`enabled`: whether PushSecrets are reconciled here. `namespace`: the only one that is followed, "" for all."""

    passes: PushSettings
    workers: int
    enabled: bool = True
    namespace: str = ""

    def holds(self, store: SecretStore) -> bool:
        """Whether the finalizer of the store is ours to write. A process that sees the PushSecrets of one namespace
        does not know who else needs a ClusterSecretStore."""
        ours = store.spec.controller in ("", self.passes.controller_class)
        return ours and not (self.namespace and store.kind == "ClusterSecretStore")


@dataclass(frozen=True, slots=True)
class Cache:
    """What a pass looks up."""

    informer: Informer[Record]
    shared: Shared

    def push_secret(self, key: Key) -> Record | None:
        return self.informer.get(key)

    def learned(self, raw: bytes) -> None:
        self.informer.learned(raw)

    def store(self, kind: str, namespace: str, name: str) -> SecretStore | None:
        return self.shared.watch.store(kind, namespace, name)

    def stores(self, kind: str, namespace: str) -> Iterable[SecretStore]:
        return stores_of(self.shared, kind, namespace)


def stores_of(shared: Shared, kind: str, namespace: str) -> Iterable[SecretStore]:
    """The stores of the namespace; of all, for ""."""
    informer = shared.watch.informers.get(kind)
    for record in informer.values() if informer is not None else ():
        if isinstance(record, SecretStore) and namespace in ("", record.namespace):
            yield record


def rooms(shared: Shared, settings: RoomSettings, values: Values | None = None) -> list[Room]:
    return [room(shared, settings, values)] if settings.enabled else []


def room(shared: Shared, settings: RoomSettings, values: Values | None = None) -> Room:
    catalogue, watch, stores = shared.catalogue, shared.watch, shared.stores
    push_secrets = catalogue.informer(WATCHED)
    claims = Claims()

    def admit(key: Key) -> Parked | None:
        """A key that fails, and that would only meet closed gates, waits there. One open store is enough to run, and so
        is a deletion: its namespace may be going."""
        ps = push_secrets.get(key)
        if not isinstance(ps, PushSecret) or ps.metadata.deletion_timestamp is not None:
            return None
        ready = ready_of(ps)
        if ready is None or ready.status == "True":
            return None
        closed = []
        for where in ps.status.synced_push_secrets:
            kind, _, store = where.partition("/")
            refusal = shared.gates.admit(stores.gates_of(ps.namespace, StoreRef(store, kind)))
            if refusal is None:
                return None
            closed.append(refusal)
        return Parked(closed[0].gate, closed[0].epoch) if closed else None

    work = shared.work(PUSH_SECRETS, settings.workers, admit)

    # what runs, and when

    def touched(store: StoreKey) -> None:
        guards.touch(store)

    def admits(store: SecretStore, namespace: str) -> bool:
        conditions = store.spec.conditions if store.kind == "ClusterSecretStore" else ()
        try:
            return not conditions or admitted(conditions, namespace, stores.rules.namespace_labels)
        except EsoError:
            return False

    holders = Holders(lambda kind, namespace: stores_of(shared, kind, namespace), admits)
    triggers = Triggers(
        work.queue.add, push_secrets.get, push_secrets.values, claims, holders, touched, shared.clock.now
    )
    guards = Guards(
        shared.rest,
        shared.clock,
        lambda store: watch.store(*store),
        lambda kind: stores_of(shared, kind, ""),
        holders.needed,
        settings.holds,
        shared.log,
    )

    def depended(resource: Resource) -> Any:
        def changed(old: Any, new: Any) -> None:
            record = new if new is not None else old
            triggers.depended(resource.kind, record.namespace, record.name, "source changed")

        return changed

    def goes(namespace: str) -> None:
        """A deletion that waits for its backend does not wait longer."""
        for record in push_secrets.values():
            if record.namespace == namespace and record.metadata.deletion_timestamp is not None:
                work.queue.add((namespace, record.name), Lane.EVENT, "namespace goes")

    push_secrets.listen(triggers.object)
    watch.going(goes)
    catalogue.news(SECRETS, depended(SECRETS))
    catalogue.news(CONFIG_MAPS, depended(CONFIG_MAPS))
    catalogue.want(CONFIG_MAPS, lambda record: ("ConfigMap", record.namespace, record.name) in triggers.index)
    watch.credential_news(triggers.credential)
    for informer in watch.informers.values():
        informer.listen(triggers.store)

    # the passes

    def labels(key: Key) -> Mapping[str, str] | None:
        ps = push_secrets.get(key)
        return ps.metadata.labels if ps is not None else None

    def emit(resource: Resource, meta: ObjectMeta, event: Event) -> None:
        if resource == PUSH_SECRETS:
            work.emit(COMPONENT, meta, event)
        else:
            shared.recorder.emit(COMPONENT, resource, meta, event.type, event.reason, event.message)

    passes = ReconcilePushSecret(
        Cache(push_secrets, shared),
        shared.rest,
        stores,
        Reader(shared.rest, values),
        settings.passes,
        known=Known(chance.token_bytes(32)),
        claims=claims,
        emit=emit,
        offload=Apart(shared.compute),
        meter=shared.metrics.objects("pushsecret", labels),
        monotonic=shared.clock.monotonic,
        log=shared.log,
        limit=shared.limit,
    )
    return work.room(
        passes.reconcile,
        needs=(push_secrets,),
        heeds=tuple(watch.informers.values()),
        background=(guards.run,),
    )
