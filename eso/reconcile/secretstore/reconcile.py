"""A pass over one SecretStore or ClusterSecretStore: can we log in, and what may the store do?

Neighbours: `stores.reader` validates behind the same gates as the reads; report.py words the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from eso.api import wellknown
from eso.api.meta import Resource
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.gocompat.duration import DurationError
from eso.kube.rest import JSON_PATCH, Invalid, NotFound, Rest
from eso.providers.contract import Validation
from eso.reconcile.secretstore.report import Event, Report, invalid, new_status, parked, valid
from eso.runtime.outcome import Done, Outcome, Retry, Wake
from eso.stores.gate import GateClosed

Key = tuple[str, str]


class Validator(Protocol):
    """The front door of `stores`, as far as a store's own pass needs it."""

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        """(READY or UNKNOWN, capability). Raises ValidationFailed, or the error that kept the client from being
        built."""

    def maintained(self, store: SecretStore) -> bool: ...


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileStore:
    """One instance per kind. `lookup(key)` reads the informer; `requeue_seconds` is the re-validation period of stores
    without their own."""

    def __init__(
        self,
        resource: Resource,
        lookup: Callable[[Key], SecretStore | None],
        validator: Validator,
        rest: Rest,
        *,
        controller_class: str,
        requeue_seconds: float,
        emit: Callable[[SecretStore, Event], None],
        meter: Meter,
        monotonic: Callable[[], float],
        log: Any,
    ) -> None:
        self.resource, self.lookup, self.validator, self.rest = resource, lookup, validator, rest
        self.controller_class, self.requeue_seconds = controller_class, requeue_seconds
        self.emit, self.meter, self.monotonic, self.log = emit, meter, monotonic, log
        self._told: dict[Key, int] = {}  # the generation told last

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        began = self.monotonic()
        store = self.lookup(key)
        if store is None:  # 1
            self.meter.gone(key)
            self._told.pop(key, None)
            return Done()
        if store.spec.controller and store.spec.controller != self.controller_class:  # 2
            return Done()
        try:
            interval = store.spec.refresh_interval_seconds or self.requeue_seconds  # 4
        except DurationError as error:
            return Retry(
                EsoError(f"invalid refreshInterval: {error}", fix="write a Go duration such as 5m, or seconds")
            )
        try:
            result, capability = await self.validator.validate(store)  # 6
        except GateClosed as closed:
            report = parked(store, closed)
        except EsoError as error:
            report = invalid(error, interval)
        else:
            # 7, 8
            report = valid(
                result, capability, interval, maintained=self.validator.maintained(store) or self.silenced(store)
            )
        told = await self.publish(store, report, now)  # 5
        self.meter.passed(key, self.monotonic() - began)
        return report.outcome if told else Retry()

    def silenced(self, store: SecretStore) -> bool:
        return wellknown.ANNOTATION_IGNORE_MAINTENANCE in store.metadata.annotations

    async def publish(self, store: SecretStore, report: Report, now: datetime) -> bool:
        """False when the status could not be written: everybody who waits for it would wait until the next
        validation."""
        meta = store.metadata
        key = (meta.namespace, meta.name)
        self.meter.ready(key, report.condition.status)
        status = new_status(store, report, now, self._told.get(key, 0))
        if status is None:
            return True  # told before: an Event per validation would only be noise
        # A merge patch of a custom resource's status does not look at metadata.uid; the test does, and so spares a
        # recreated store.
        body = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            await self.rest.patch(self.resource, *key, body, subresource="status", content_type=JSON_PATCH)
        except (NotFound, Invalid):
            return True  # gone, or another one by now
        except EsoError as error:
            self.log.error(
                "could not write the store's status", store=meta.name, namespace=meta.namespace, error=str(error)
            )
            return False
        self._told[key] = meta.generation
        for event in report.events:
            self.emit(store, event)
        return True
