"""The room of ClusterExternalSecret: informers, triggers, queue and passes put together.

Neighbours: `app.wiring` calls `room`; triggers.py decides what runs, reconcile.py is the pass. It listens to the
informer of ExternalSecrets, which another room keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from eso.api.clusterexternalsecret import (
    CLUSTER_EXTERNAL_SECRETS,
    ClusterExternalSecret,
    decode_cluster_external_secret,
)
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Undecodable
from eso.kube.catalogue import Phase, Watched
from eso.kube.informer import Informer
from eso.reconcile.clusterexternalsecret.child import FAMILY
from eso.reconcile.clusterexternalsecret.reconcile import ReconcileClusterExternalSecret
from eso.reconcile.clusterexternalsecret.triggers import Triggers
from eso.reconcile.kit.room import Room, Shared
from eso.reconcile.kit.watched import WATCHED_EXTERNAL_SECRETS, WATCHED_NAMESPACES, NamespaceRecord

WATCHED: Final = Watched(CLUSTER_EXTERNAL_SECRETS, decode_cluster_external_secret, Phase.OBJECTS)
WORKERS: Final = 4  # one pass may write to thousands of namespaces by itself
CHILDREN: Final = "cluster external secret"  # index of ExternalSecrets by the name of the one that controls them
NAMED: Final = "child name"  # index of ClusterExternalSecrets

Record = ClusterExternalSecret | Undecodable
Child = ExternalSecret | Undecodable


@dataclass(frozen=True, slots=True)
class Cache:
    """What a pass looks up."""

    objects: Informer[Record]
    spaces: Informer[NamespaceRecord]
    secrets: Informer[Child]

    def get(self, name: str) -> Record | None:
        return self.objects.get(("", name))

    def namespaces(self) -> list[NamespaceRecord]:
        return self.spaces.values()

    def external_secret(self, namespace: str, name: str) -> Child | None:
        return self.secrets.get((namespace, name))

    def children(self, name: str) -> list[Child]:
        return self.secrets.by(CHILDREN, name)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """`enabled`: whether ClusterExternalSecrets are reconciled."""

    enabled: bool = True


def rooms(shared: Shared, settings: RoomSettings) -> Iterable[Room]:
    return [room(shared)] if settings.enabled else []


def room(shared: Shared) -> Room:
    catalogue = shared.catalogue
    objects, spaces = catalogue.informer(WATCHED), catalogue.informer(WATCHED_NAMESPACES)
    secrets = catalogue.informer(WATCHED_EXTERNAL_SECRETS)
    secrets.index(CHILDREN, lambda child: [found.name] if (found := FAMILY.parent(child.metadata)) is not None else [])
    objects.index(NAMED, lambda one: [one.child_name] if isinstance(one, ClusterExternalSecret) else [])

    work = shared.work(CLUSTER_EXTERNAL_SECRETS, WORKERS, lambda key: None)

    def named(child: str) -> Iterable[Record]:
        return objects.by(NAMED, child)

    def labels(key: tuple[str, str]) -> Mapping[str, str] | None:
        found = objects.get(key)
        return found.metadata.labels if found is not None else None

    triggers = Triggers(work.queue.add, objects.values, named)
    objects.listen(triggers.object)
    spaces.listen(triggers.namespace)
    secrets.listen(triggers.child)
    passes = ReconcileClusterExternalSecret(
        Cache(objects, spaces, secrets),
        shared.rest,
        meter=shared.metrics.objects("clusterexternalsecret", labels),
        monotonic=shared.clock.monotonic,
        log=shared.log,
    )
    return work.room(passes.reconcile, needs=(objects, spaces, secrets))
