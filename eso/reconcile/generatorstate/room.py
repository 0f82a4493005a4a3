"""The room of GeneratorState: informer, queue and passes put together.

Neighbours: `app.wiring` calls `room`; reconcile.py is the pass. The states come from `generators.states`.
"""

from __future__ import annotations

from typing import Final

from eso.api.generators import GENERATOR_STATES
from eso.api.meta import ObjectMeta, Resource
from eso.generators.states import WATCHED_STATES, StateRecord
from eso.reconcile.generatorstate.reconcile import ReconcileGeneratorState
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.room import Room, Shared
from eso.runtime.outcome import Lane

WORKERS: Final = 16
COMPONENT: Final = "generatorstate"


def room(shared: Shared) -> Room:
    states = shared.catalogue.informer(WATCHED_STATES)
    work = shared.work(GENERATOR_STATES, WORKERS, lambda key: None)

    def changed(old: StateRecord | None, new: StateRecord | None) -> None:
        record = new or old
        assert record is not None
        work.queue.add((record.namespace, record.name), Lane.EVENT, "changed")

    def emit(resource: Resource, meta: ObjectMeta, event: Event) -> None:
        if resource == GENERATOR_STATES:
            work.emit(COMPONENT, meta, event)
        else:
            shared.recorder.emit(COMPONENT, resource, meta, event.type, event.reason, event.message)

    def goes(namespace: str) -> None:
        """A clean-up that waits for its backend does not wait longer."""
        for record in states.values():
            if record.namespace == namespace and record.metadata.deletion_timestamp is not None:
                work.queue.add((namespace, record.name), Lane.EVENT, "namespace goes")

    states.listen(changed)
    shared.watch.going(goes)
    passes = ReconcileGeneratorState(
        states.get,
        shared.generators,
        shared.rest,
        terminating=shared.watch.terminating,
        emit=emit,
        meter=shared.metrics.objects("generatorstate"),
        monotonic=shared.clock.monotonic,
        log=shared.log,
        limit=shared.limit,
    )
    return work.room(passes.reconcile, needs=(states,))
