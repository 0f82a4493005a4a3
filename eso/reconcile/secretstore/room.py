"""The rooms of SecretStore and ClusterSecretStore: queue, triggers and passes put together.

Neighbours: `app.wiring` calls `rooms`; triggers.py decides what runs, reconcile.py is the pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eso.api.meta import ObjectMeta
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.room import Key, Room, Shared
from eso.reconcile.kit.storewatch import STORE_KINDS, StoreKey
from eso.reconcile.secretstore.reconcile import ReconcileStore
from eso.reconcile.secretstore.triggers import Triggers
from eso.runtime.outcome import Parked

COMPONENTS = {"SecretStore": "secret-store", "ClusterSecretStore": "cluster-secret-store"}
WORKERS = 32


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`kinds`: the store kinds that are validated. `requeue_seconds`: the period of stores without their own."""

    kinds: tuple[str, ...]
    controller_class: str
    requeue_seconds: float


def rooms(shared: Shared, settings: StoreSettings) -> Iterable[Room]:
    """One room for each kind."""
    return [room(shared, settings, kind) for kind in settings.kinds]


def room(shared: Shared, settings: StoreSettings, kind: str) -> Room:
    resource, informer = STORE_KINDS[kind].resource, shared.watch.informers[kind]

    def admit(key: Key) -> Parked | None:
        """A store whose condition has told that a gate is closed waits there; a probe of the gate is its validation."""
        store = shared.watch.store(kind, *key)
        if store is None or store.ready or not store.status.conditions:
            return None
        closed = shared.gates.admit(shared.stores.gates_of_store(store))
        return Parked(closed.gate, closed.epoch) if closed else None

    work = shared.work(resource, WORKERS, admit)
    triggers = Triggers(work.queue.add)

    def credential(store: StoreKey, within: str) -> None:
        if store[0] == kind:
            triggers.credential(store[1:], within)

    def emit(meta: ObjectMeta, event: Event) -> None:
        work.emit(COMPONENTS[kind], meta, event)

    def labels(key: tuple[str, str]) -> Mapping[str, str] | None:
        found = shared.watch.store(kind, *key)
        return found.metadata.labels if found is not None else None

    informer.listen(triggers.store)
    shared.watch.credential_news(credential)
    passes = ReconcileStore(
        resource,
        lambda key: shared.watch.store(kind, *key),
        shared.stores,
        shared.rest,
        controller_class=settings.controller_class,
        requeue_seconds=settings.requeue_seconds,
        emit=emit,
        meter=shared.metrics.objects(kind.lower(), labels),
        monotonic=shared.clock.monotonic,
        log=shared.log,
        limit=shared.limit,
    )
    return work.room(passes.reconcile, needs=(informer,))
