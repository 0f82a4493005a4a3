"""What is seen of the process from outside: /healthz, /readyz, the watchdog's measures, gauges.

Neighbours: wiring.py builds one over all rooms and informers; lifecycle.py serves it. Nothing here knows a kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from eso.kube.catalogue import Catalogue
from eso.kube.informer import Informer
from eso.kube.lease import Lease
from eso.kube.standing import Missing, Refused
from eso.observe.health import Health
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.reconcile.kit.room import Room
from eso.runtime.watchdog import Limit, Reading, Watchdog
from eso.stores.gate import Gates

QUEUE_LIMIT: Final = Limit(60.0, 600.0)  # a dispatch that stands still for so long is logged, then unhealthy
WATCH_LIMIT: Final = Limit(600.0)  # an API server that is away is no reason to restart


class Vitals:
    def __init__(
        self,
        rooms: Sequence[Room],
        catalogue: Catalogue,
        gates: Gates,
        lease: Lease | None,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.rooms, self.catalogue, self.lease = rooms, catalogue, lease
        self.watchdog, self.health = Watchdog(log=log, meter=metrics), Health()
        for room in rooms:
            self.watchdog.watch(f"queue {room.name}", partial(self.overdue, room), QUEUE_LIMIT)
        for informer in catalogue.informers:
            self.watchdog.watch(f"watch {informer.resource.plural}", partial(silence, informer), WATCH_LIMIT)
        metrics.gates(gates.states)
        metrics.watchdog(self.watchdog.readings)
        metrics.watches(lambda: {informer.resource.plural: informer.age() for informer in catalogue.informers})
        metrics.running(lambda: {room.name: room.started.is_set() for room in rooms})
        self.health.live("watchdog", self.watchdog.unhealthy)
        self.health.ready("caches", catalogue.unready)
        self.health.note("degraded", catalogue.degraded)

    def overdue(self, room: Room) -> Reading:
        """A standby's queue fills, and so does that of a room that waits for its resources: no key is late there."""
        if not room.started.is_set() or (self.lease is not None and not self.lease.leading):
            return Reading()
        state = room.queue.snapshot()
        return Reading(state.stalled_seconds, "/".join(state.oldest_overdue_key or ()))


def silence(informer: Informer[Any]) -> Reading:
    """How long the watch was silent. A resource that the API server does not serve has nothing to say."""
    return Reading() if isinstance(informer.standing(), Missing | Refused) else Reading(informer.age())
