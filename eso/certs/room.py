"""The two controllers of the process: what they watch, which keys that wakes, when they are ready.

Neighbours: passes.py is one pass, `app.certcontroller` runs what is built here. Only metadata is watched: a pass reads
the object that it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from eso.api.meta import CRDS, SECRETS, Object, ObjectMeta, Resource
from eso.api.wellknown import LABEL_COMPONENT
from eso.certs.inject import Service
from eso.certs.keep import Keeper
from eso.certs.passes import CONFIGURATIONS, ConfigurationPasses, CrdPasses
from eso.kube.events import Recorder
from eso.kube.informer import Informer, key_of
from eso.kube.rest import Rest
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.runtime.clock import Clock
from eso.runtime.controller import Controller, Reconcile
from eso.runtime.offload import Offload
from eso.runtime.outcome import Lane
from eso.runtime.workqueue import WorkQueue

ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
COMPONENT: Final = "validating-webhook-configuration"
OPEN: Final = 0  # no gate is ever closed here
WORKERS: Final = 1
GRACE_SECONDS: Final = 5.0

_object: Final = msgspec.json.Decoder(Object)


class _Conditions(msgspec.Struct):
    ready: bool | None = None


class _Endpoint(msgspec.Struct):
    conditions: _Conditions = msgspec.field(default_factory=_Conditions)


class EndpointSlice(Object, frozen=True):
    endpoints: tuple[_Endpoint, ...] | None = None

    @property
    def ready(self) -> bool:
        """Whether it has an address that takes requests; an endpoint that does not say counts as one."""
        return any(one.conditions.ready is not False for one in self.endpoints or ())


_slice: Final = msgspec.json.Decoder(EndpointSlice)


@dataclass(frozen=True, slots=True)
class CertSettings:
    """Seconds where a time is meant. `partial`: of the CRDs only those that carry our label are watched."""

    service: Service
    secret_namespace: str
    secret_name: str
    crd_names: tuple[str, ...]
    interval: float
    partial: bool


class Certs:
    """Everything that keeps certificates. `leading()`: whether this replica works."""

    def __init__(
        self,
        settings: CertSettings,
        rest: Rest,
        recorder: Recorder,
        metrics: Metrics,
        clock: Clock,
        log: Log,
        *,
        leading: Callable[[], bool],
    ) -> None:
        self._settings, self._clock, self._leading = settings, clock, leading
        self.offload = Offload(threads=1, name="certificates")
        service, interval = settings.service, settings.interval
        keeper = Keeper(
            rest, settings.secret_namespace, settings.secret_name, service.dns_name, clock, self.offload, log
        )

        def told(meta: ObjectMeta, text: str) -> None:
            recorder.emit(COMPONENT, CONFIGURATIONS, meta, "Warning", "UpdateFailed", text)

        self._crds = CrdPasses(rest, keeper, service, interval)
        self._configurations = ConfigurationPasses(rest, keeper, service, interval, told)
        self._queues: dict[str, WorkQueue] = {}
        self.controllers = [
            self._controller(CRDS, self._crds.reconcile, metrics, log),
            self._controller(CONFIGURATIONS, self._configurations.reconcile, metrics, log),
        ]
        label = f"{LABEL_COMPONENT}="
        self._known = Informer(
            rest,
            CONFIGURATIONS,
            _object.decode,
            lambda old, new: self._wake(CONFIGURATIONS, key_of(new or old)[1]),
            label_selector=f"{label}webhook",
            metadata_only=True,
            clock=clock,
            log=log,
        )
        crds = Informer(
            rest,
            CRDS,
            _object.decode,
            lambda old, new: self._crd_changed(key_of(new or old)[1]),
            label_selector=f"{label}controller" if settings.partial else "",
            metadata_only=True,
            clock=clock,
            log=log,
        )
        secret = Informer(
            rest,
            SECRETS,
            _object.decode,
            lambda old, new: self.wake_all(),
            namespace=settings.secret_namespace,
            field_selector=f"metadata.name={settings.secret_name}",
            metadata_only=True,
            clock=clock,
            log=log,
        )
        self._slices: Informer[EndpointSlice] = Informer(
            rest,
            ENDPOINT_SLICES,
            _slice.decode,
            namespace=service.namespace,
            label_selector=f"kubernetes.io/service-name={service.name}",
            clock=clock,
            log=log,
        )
        self.informers: list[Informer[Any]] = [secret, crds, self._known, self._slices]

    def _controller(self, resource: Resource, reconcile: Reconcile, metrics: Metrics, log: Log) -> Controller:
        name = resource.kind.lower()
        meter = metrics.controller(name, WORKERS)
        queue = WorkQueue(self._clock, gate_epoch=lambda gate: OPEN, meter=meter, workers=0, log=log)
        self._queues[name] = queue
        controller = Controller(
            name,
            queue,
            reconcile,
            self._clock,
            WORKERS,
            log=log,
            meter=meter,
            kind=resource.kind,
            group=resource.group,
            grace_seconds=GRACE_SECONDS,
        )
        meter.observe(queue.snapshot, lambda: controller.in_flight)
        return controller

    # what wakes a key

    def _wake(self, resource: Resource, name: str) -> None:
        self._queues[resource.kind.lower()].add(("", name), Lane.EVENT, "changed")

    def _crd_changed(self, name: str) -> None:
        if name in self._settings.crd_names:
            self._wake(CRDS, name)

    def wake_all(self) -> None:
        """All keys: the Secret changed, or the time has come."""
        for name in self._settings.crd_names:
            self._wake(CRDS, name)
        for known in self._known.values():
            self._wake(CONFIGURATIONS, known.name)

    async def remind(self) -> NoReturn:
        """Wakes all keys at the start, and then once per interval while one of them fails: its back-off may be longer
        than that."""
        while True:
            if self.unready_crds() or self.unready_configurations():
                self.wake_all()
            await self._clock.sleep(self._settings.interval)

    # when it is ready

    def crds_ready(self) -> str:
        """Why the CRDs are not ready, "" if they are, and while another replica works."""
        return (self.unready_crds() or self._no_endpoint()) if self._leading() else ""

    def configurations_ready(self) -> str:
        return (self.unready_configurations() or self._no_endpoint()) if self._leading() else ""

    def unready_crds(self) -> str:
        return named("resource not ready: ", set(self._settings.crd_names) - self._crds.done)

    def unready_configurations(self) -> str:
        known = {one.name for one in self._known.values()}
        if not known:
            return f"there is no {CONFIGURATIONS.kind} with the label {LABEL_COMPONENT}=webhook"
        return named("webhook not ready: ", known - self._configurations.done)

    def _no_endpoint(self) -> str:
        service = self._settings.service
        if any(one.ready for one in self._slices.values()):
            return ""
        return f"no address of service {service.namespace}/{service.name} is ready"

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Keys that wake before are kept."""
        async with asyncio.TaskGroup() as group:
            reminding = group.create_task(self.remind())
            async with asyncio.TaskGroup() as controllers:
                for controller in self.controllers:
                    controllers.create_task(controller.run(stop), name=controller.name)
            reminding.cancel()


def named(words: str, names: Iterable[str]) -> str:
    found = ", ".join(sorted(names))
    return f"{words}{found}" if found else ""
