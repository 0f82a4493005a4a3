"""A room as the process sees it: one kind with its queue, its passes and the informers it starts with.

Neighbours: each room's room.py builds its Rooms from a Shared; `app.wiring` makes the Shared and loops over the Rooms,
`app.lifecycle` runs them. Listeners, indexes and gauges are added while a room is built.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from eso.api.meta import ObjectMeta, Resource
from eso.generators.front import Generators
from eso.kube.catalogue import Catalogue
from eso.kube.events import Recorder
from eso.kube.informer import Informer
from eso.kube.rest import Rest
from eso.observe.log import Log
from eso.observe.metrics import ControllerMeter, Metrics
from eso.reconcile.kit.changes import Changes
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.storewatch import StoreWatch
from eso.runtime.backoff import backoff
from eso.runtime.clock import Clock
from eso.runtime.controller import Controller, Reconcile
from eso.runtime.deadline import deadline
from eso.runtime.fair import Group, alone
from eso.runtime.memory import Memory
from eso.runtime.outcome import Parked
from eso.runtime.pool import Pool
from eso.runtime.queuestate import KeyState
from eso.runtime.workqueue import WorkQueue
from eso.stores.front import Stores
from eso.stores.gate import Gates

Key = tuple[str, str]  # namespace, name
WRITES: Final = 2  # times the time before it writes: when a pass that still writes, or tells, is ended


@dataclass(frozen=True, slots=True)
class Shared:
    """What every room may use. One per process."""

    clock: Clock
    log: Log
    rest: Rest
    catalogue: Catalogue
    watch: StoreWatch
    gates: Gates
    stores: Stores
    generators: Generators
    recorder: Recorder
    metrics: Metrics
    compute: Pool
    memory: Memory | None = None
    pass_seconds: float = 120.0
    changes: Changes = field(default_factory=Changes)
    group: Group = alone

    def limit(self) -> AbstractAsyncContextManager[None]:
        """The time that a pass has before it writes. Raises TooLate."""
        return deadline(self.clock, self.pass_seconds)

    def work(self, resource: Resource, workers: int, admit: Callable[[Key], Parked | None]) -> Work:
        """The queue of a kind. `admit(key)` names the closed gate at which a key should wait instead of running."""
        name = resource.kind.lower()
        meter = self.metrics.controller(name, workers)
        queue = WorkQueue(
            self.clock,
            gate_epoch=self.gates.epoch,
            admit=admit,
            meter=meter,
            workers=workers,
            group=self.group,
            log=self.log,
        )
        return Work(self, resource, workers, queue, meter)


@dataclass(frozen=True, slots=True)
class Work:
    """The queue of one kind, and what becomes of it once the passes are there. Triggers add to `queue`."""

    shared: Shared
    resource: Resource
    workers: int
    queue: WorkQueue
    meter: ControllerMeter

    def emit(self, component: str, meta: ObjectMeta, event: Event) -> None:
        """Queues an Event about an object of this kind."""
        again = timedelta(seconds=backoff(self.queue.failures((meta.namespace, meta.name)))) if event.again else None
        self.shared.recorder.emit(
            component,
            self.resource,
            meta,
            event.type,
            event.reason,
            event.message,
            next_attempt=self.shared.clock.now() + again if again is not None else None,
        )

    def room(
        self,
        reconcile: Reconcile,
        *,
        needs: tuple[Informer[Any], ...],
        heeds: tuple[Informer[Any], ...] = (),
        background: tuple[Callable[[], Awaitable[Any]], ...] = (),
    ) -> Room:
        shared, name = self.shared, self.resource.kind.lower()
        controller = Controller(
            name,
            self.queue,
            reconcile,
            shared.clock,
            self.workers,
            log=shared.log,
            meter=self.meter,
            kind=self.resource.kind,
            group=self.resource.group,
            memory=shared.memory,
            pass_seconds=WRITES * shared.pass_seconds,
        )
        self.meter.observe(self.queue.snapshot, lambda: controller.in_flight)
        return Room(name, controller, needs, heeds, background)


@dataclass(frozen=True, slots=True)
class Room:
    """One kind at work. It starts when every informer in `needs` has synced and the API server has answered for those
    in `heeds`: an optional resource that is not installed holds nobody up. `background` runs while the room does.
    `started` is set when passes may run."""

    name: str
    controller: Controller
    needs: tuple[Informer[Any], ...]
    heeds: tuple[Informer[Any], ...] = ()
    background: tuple[Callable[[], Awaitable[Any]], ...] = ()
    started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def queue(self) -> WorkQueue:
        return self.controller.queue

    def release(self, gate: str, count: int) -> int:
        """Lets at most `count` keys out of `gate`; how many it found."""
        return self.queue.release(gate, count)

    def explain(self, key: Key) -> KeyState:
        """Where the key stands, and what it waits for."""
        return self.queue.explain(key)
