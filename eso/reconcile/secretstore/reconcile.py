"""A pass over one SecretStore or ClusterSecretStore: can we log in, and what may the store do?

Neighbours: `stores.front` validates behind the same gates as the reads; report.py words the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from eso.api import wellknown
from eso.api.meta import ObjectMeta, Resource
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.gocompat.duration import DurationError
from eso.kube.rest import Rest
from eso.observe import redact
from eso.observe.log import Log
from eso.providers.contract import Validation
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.ledger import Ledger
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.suspend import suspended_until
from eso.reconcile.secretstore.report import AMBIENT, Report, broken, invalid, new_status, parked, paused, valid
from eso.runtime.outcome import Done, Outcome, Retry, Wake
from eso.stores.gate import GateClosed

Key = tuple[str, str]


class Validator(Protocol):
    """The front door of `stores`, as far as a store's own pass needs it."""

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        """(READY or UNKNOWN, capability). Raises ValidationFailed, or the error that kept the client from being
        built."""

    def maintained(self, store: SecretStore) -> bool: ...
    def ambient(self, store: SecretStore) -> bool: ...


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileStore:
    """One instance per kind. `lookup(key)` reads the informer; `requeue_seconds` is the re-validation period of stores
    without their own; `emit(metadata, event)` queues an Event; `limit()` bounds the time of a validation and raises
    TooLate."""

    def __init__(
        self,
        resource: Resource,
        lookup: Callable[[Key], SecretStore | None],
        validator: Validator,
        rest: Rest,
        *,
        controller_class: str,
        requeue_seconds: float,
        emit: Callable[[ObjectMeta, Event], None],
        meter: Meter,
        monotonic: Callable[[], float],
        log: Log,
        limit: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self.limit = limit
        self.resource, self.lookup, self.validator, self.rest = resource, lookup, validator, rest
        self.controller_class, self.requeue_seconds = controller_class, requeue_seconds
        self.emit, self.meter, self.monotonic, self.log = emit, meter, monotonic, log
        self._told: Ledger[int] = Ledger(0)  # the generation told last
        self._ambient: Ledger[bool] = Ledger(False)  # told that it uses the operator's own cloud identity

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass; numbers are the steps of the spec."""
        began = self.monotonic()
        store = self.lookup(key)
        if store is None:  # 1
            self.meter.gone(key)
            self._told.forget(key)
            self._ambient.forget(key)
            return Done()
        if store.spec.controller and store.spec.controller != self.controller_class:  # 2
            return Done()
        if (until := suspended_until(store.metadata.annotations, now)) is not None:
            report = paused(store, until, now)
        else:
            try:
                interval = store.spec.refresh_interval_seconds or self.requeue_seconds  # 4
            except DurationError as error:
                return Retry(
                    EsoError(f"invalid refreshInterval: {error}", fix="write a Go duration such as 5m, or seconds")
                )
            report = await self.validate(store, interval)  # 6-8
            self.meter.ready(key, report.condition.status)
            self.tell_ambient(store, report)
        told = await self.publish(store, report, now)  # 5
        self.meter.passed(key, self.monotonic() - began)
        return report.outcome if told else Retry()

    async def validate(self, store: SecretStore, interval: float) -> Report:
        """Whatever the provider raises is this store's condition, and no other store's."""
        try:
            async with self.limit():
                result, capability = await self.validator.validate(store)
            maintained = self.validator.maintained(store) or self.silenced(store)
        except GateClosed as closed:
            return parked(store, closed)
        except EsoError as error:
            return invalid(error, interval)
        except Exception as error:
            self.log.error(
                "a provider failed unexpectedly",
                store=store.name,
                namespace=store.namespace,
                error=type(error).__name__,
                stacktrace=redact.stack(error),
            )
            return invalid(broken(error), interval)
        return valid(result, capability, interval, maintained=maintained)

    def tell_ambient(self, store: SecretStore, report: Report) -> None:
        """Once for each SecretStore: its author need not be one who may act as the operator. The author of a
        ClusterSecretStore is."""
        meta = store.metadata
        key = (meta.namespace, meta.name)
        if not self.resource.namespaced or report.condition.reason != "Valid" or self._ambient.read(key, meta.uid):
            return
        if self.validator.ambient(store):
            self._ambient.write(key, meta.uid, True)
            self.emit(meta, AMBIENT)

    def silenced(self, store: SecretStore) -> bool:
        return wellknown.ANNOTATION_IGNORE_MAINTENANCE in store.metadata.annotations

    async def publish(self, store: SecretStore, report: Report, now: datetime) -> bool:
        """False when the status could not be written: objects that wait for it would wait until the next validation."""
        meta = store.metadata
        key = (meta.namespace, meta.name)
        status = new_status(store, report, now, self._told.read(key, meta.uid))
        if status is None:
            return True  # told before: an Event per validation would only be noise
        try:
            written = await write_status(self.rest, self.resource, meta, status)
        except EsoError as error:
            self.log.error(
                "could not write the store's status", store=meta.name, namespace=meta.namespace, error=str(error)
            )
            return False
        if written is not None:
            self._told.write(key, meta.uid, meta.generation)
            for event in report.events:
                self.emit(meta, event)
        return True
