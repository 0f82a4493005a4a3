"""What a validation showed → condition, Events, Outcome: the only module that words a store's condition.

Neighbours: reconcile.py publishes the Report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eso.api.conditions import condition, set_condition
from eso.api.meta import Condition
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.providers.contract import Validation, ValidationFailed
from eso.reconcile.kit.conditions import condition_json, stamped
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.suspend import awake, suspended
from eso.runtime.outcome import After, Outcome, Parked, Retry
from eso.stores.gate import GateClosed, Retrying

UNMAINTAINED = "store isn't currently maintained. Please plan and prepare accordingly."
AMBIENT = Event(
    "Normal",
    "AmbientCredentials",
    "store uses the operator's own cloud identity; --ambient-credentials says which stores may",
)


@dataclass(frozen=True, slots=True)
class Report:
    outcome: Outcome
    condition: Condition
    events: tuple[Event, ...] = ()
    capability: str = ""


def valid(result: Validation, capability: str, interval_seconds: float, *, maintained: bool) -> Report:
    """No error means valid, whatever the result: a store whose credentials depend on the reader answers UNKNOWN."""
    warnings = () if maintained else (Event("Warning", "StoreUnmaintained", UNMAINTAINED),)
    events = (*warnings, Event("Normal", "Valid", "store validated"))
    return Report(After(interval_seconds), Condition("Ready", "True", "Valid", "store validated"), events, capability)


def invalid(error: EsoError, interval_seconds: float) -> Report:
    text = f"{error} ({error.fix})" if error.fix else str(error)
    if isinstance(error, ValidationFailed) and error.result is Validation.UNKNOWN:
        condition = Condition("Ready", "True", "ValidationUnknown", "could not determine validation status")
        return Report(After(interval_seconds), condition, (Event("Warning", "ValidationUnknown", text),))
    message = "unable to validate store" if isinstance(error, ValidationFailed) else "unable to create client"
    return Report(
        Retry(error),
        Condition("Ready", "False", "InvalidProviderConfig", message),
        (Event("Warning", "InvalidProviderConfig", text),),
    )


def broken(error: Exception) -> EsoError:
    """A bug in a provider, as this store's failure. The text of a foreign exception may quote a value, so only its type
    is told."""
    text = f"the provider failed unexpectedly: {type(error).__name__}"
    return EsoError(text, fix="report this as a bug of the operator; its log has the place")


def parked(store: SecretStore, closed: GateClosed) -> Report:
    """The gate's probe is the next validation: the store waits with everybody else."""
    event = Event("Warning", "InvalidProviderConfig", str(closed))
    message = "unable to create client" if closed.gate.startswith("identity:") else "unable to validate store"
    ready = condition(store.status.conditions, "Ready")
    if ready is not None and isinstance(closed, Retrying):
        return Report(Parked(closed.gate, closed.epoch), ready)  # nothing is told before the last try
    if ready is not None and ready.status == "False" and ready.reason == "InvalidProviderConfig":
        message = ready.message  # the failure that closed the gate knew at which step it was
    return Report(
        Parked(closed.gate, closed.epoch), Condition("Ready", "False", "InvalidProviderConfig", message), (event,)
    )


def paused(store: SecretStore, until: datetime, now: datetime) -> Report:
    """The annotation pauses the store: its condition says until when, and keeps what was true."""
    ready = condition(store.status.conditions, "Ready")
    return Report(awake(until, now), suspended(ready, store.metadata.annotations, until, now))


def new_status(store: SecretStore, report: Report, now: datetime, told_generation: int = 0) -> dict[str, Any] | None:
    """The whole new status, None when nothing would change. Capabilities survive later failures.

    `told_generation`: what this process wrote last; the CRDs of the reference have no member for it and drop it, which
    is no reason to write again.
    """
    old, generation, ready = (
        store.status.conditions,
        store.metadata.generation,
        condition(store.status.conditions, "Ready"),
    )
    pruned = told_generation == generation and ready is not None and ready.observed_generation == 0
    wanted = stamped(report.condition, now, 0 if pruned else generation)
    conditions = set_condition(old, wanted)
    capability = report.capability or store.status.capabilities
    if tuple(conditions) == tuple(old) and capability == store.status.capabilities:
        return None
    body: dict[str, Any] = {"conditions": [condition_json(c) for c in conditions]}
    return body | ({"capabilities": capability} if capability else {})
