"""The room of ClusterPushSecret: informers, triggers, queue and passes put together.

Neighbours: `app.wiring` calls `rooms`; triggers.py decides what runs, reconcile.py is the pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS, ClusterPushSecret, decode_cluster_push_secret
from eso.api.meta import ObjectMeta, Undecodable
from eso.api.pushsecret import PUSH_SECRETS, decode_push_secret
from eso.kube.catalogue import Phase, Watched
from eso.kube.informer import Informer
from eso.reconcile.clusterpushsecret.child import FAMILY, Child
from eso.reconcile.clusterpushsecret.reconcile import ReconcileClusterPushSecret
from eso.reconcile.clusterpushsecret.triggers import Triggers
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.room import Key, Room, Shared
from eso.reconcile.kit.watched import WATCHED_NAMESPACES, NamespaceRecord

COMPONENT: Final = "external-secrets-controller"
OWNER: Final = "cluster push secret"  # index of PushSecrets
WORKERS: Final = 4

Record = ClusterPushSecret | Undecodable
WATCHED_PUSH_SECRETS = Watched(PUSH_SECRETS, decode_push_secret, Phase.OBJECTS, rationed=True)  # as PushSecret
WATCHED = Watched(CLUSTER_PUSH_SECRETS, decode_cluster_push_secret, Phase.OBJECTS)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """`namespace`: the only one that is followed, "" for all. `enabled`: whether ClusterPushSecrets are reconciled."""

    namespace: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Cache:
    """What a pass looks up."""

    informer: Informer[Record]
    push_secrets: Informer[Child]
    spaces: Informer[NamespaceRecord]
    only: str

    def get(self, name: str) -> Record | None:
        return self.informer.get(("", name))

    def learned(self, raw: bytes) -> None:
        self.informer.learned(raw)

    def namespaces(self) -> Iterable[NamespaceRecord]:
        return [one for one in self.spaces.values() if self.only in ("", one.name)]

    def push_secret(self, namespace: str, name: str) -> Child | None:
        return self.push_secrets.get((namespace, name))

    def children(self, name: str) -> list[Child]:
        return list(self.push_secrets.by(OWNER, name))


def rooms(shared: Shared, settings: RoomSettings) -> list[Room]:
    return [room(shared, settings)] if settings.enabled else []


def room(shared: Shared, settings: RoomSettings) -> Room:
    catalogue = shared.catalogue
    informer, push_secrets = catalogue.informer(WATCHED), catalogue.informer(WATCHED_PUSH_SECRETS)
    spaces = catalogue.informer(WATCHED_NAMESPACES)
    push_secrets.index(OWNER, lambda one: [found.name] if (found := FAMILY.parent(one.metadata)) is not None else [])
    work = shared.work(CLUSTER_PUSH_SECRETS, WORKERS, lambda key: None)
    triggers = Triggers(work.queue.add, informer.values)
    informer.listen(triggers.object)
    push_secrets.listen(triggers.child)
    spaces.listen(triggers.namespace)

    def labels(key: Key) -> Mapping[str, str] | None:
        cps = informer.get(key)
        return cps.metadata.labels if cps is not None else None

    def emit(meta: ObjectMeta, event: Event) -> None:
        work.emit(COMPONENT, meta, event)

    passes = ReconcileClusterPushSecret(
        Cache(informer, push_secrets, spaces, settings.namespace),
        shared.rest,
        emit=emit,
        meter=shared.metrics.objects("clusterpushsecret", labels),
        monotonic=shared.clock.monotonic,
        log=shared.log,
    )
    return work.room(passes.reconcile, needs=(informer, push_secrets, spaces))
