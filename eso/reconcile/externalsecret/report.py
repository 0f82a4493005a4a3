"""What happened → status, condition, Events, Outcome: the only module that words a condition.

Neighbours: reconcile.py publishes the Report. Condition messages are the reference's, to the letter; the cause goes
into the Event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from eso.api.conditions import set_condition
from eso.api.externalsecret import ExternalSecret, ExternalSecretStatus
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition, rfc3339
from eso.errors import EsoError
from eso.reconcile.externalsecret.assemble import FetchFailed
from eso.reconcile.externalsecret.desired import (
    CannotDelete,
    Change,
    Create,
    Delete,
    DeleteFailed,
    Immutable,
    Nothing,
    OrphanCleanupFailed,
    Owned,
    OwnershipRefused,
    Patch,
    Raced,
)
from eso.reconcile.externalsecret.manifest import ManifestFailed, ManifestRefused, TargetUnreadable
from eso.reconcile.externalsecret.refresh import UnreadableSpec
from eso.reconcile.kit.conditions import condition_json, stamped
from eso.reconcile.kit.event import Event
from eso.runtime.outcome import Done, Fatal, Outcome, Parked, Retry
from eso.stores.gate import GateClosed

FETCH_FAILED = "could not get secret data from provider"


@dataclass(frozen=True, slots=True)
class Words:
    """Reasons and messages that differ between a Secret and any other kind of target."""

    synced: str
    failed: str
    deleted: str
    missing: str
    not_created: str
    not_deleted: str


SECRET = Words(
    "SecretSynced",
    "SecretSyncedError",
    "SecretDeleted",
    "SecretMissing",
    "secret will not be created due to CreationPolicy=Merge",
    "could not delete secret",
)
RESOURCE = Words(
    "ResourceSynced",
    "ResourceSyncedError",
    "ResourceDeleted",
    "ResourceMissing",
    "resource will not be created due to CreationPolicy=Merge",
    "could not delete resource",
)


def words(es: ExternalSecret) -> Words:
    return SECRET if es.spec.target.manifest is None else RESOURCE


@dataclass(frozen=True, slots=True)
class Report:
    """What to publish. `condition` None leaves the status alone; `synced` moves refreshTime and the synced version."""

    outcome: Outcome
    condition: Condition | None = None
    events: tuple[Event, ...] = ()
    synced: bool = False
    wrote: bool = False
    binding: str = ""
    error: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What the pass did before it ended, for Events: orphans removed, entries proven missing, whether the target was
    there to delete."""

    orphans: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    existed: bool = False

    @property
    def events(self) -> tuple[Event, ...]:
        orphans = tuple(Event("Normal", "Deleted", "secret deleted because it was orphaned") for _ in self.orphans)
        return tuple(Event("Normal", "MissingProviderSecret", text) for text in self.missing) + orphans


def succeeded(es: ExternalSecret, change: Change, told: Told, outcome: Outcome) -> Report:
    say, message, binding = words(es), "secret synced", ""
    reason, events = say.synced, told.events
    manifest = es.spec.target.manifest
    match change:
        case Create():
            events = (
                *events,
                Event(
                    "Normal", "Created", f"Created {manifest.kind} {es.target_name}" if manifest else "secret created"
                ),
            )
        case Patch():
            events = (
                *events,
                Event(
                    "Normal", "Updated", f"Updated {manifest.kind} {es.target_name}" if manifest else "secret updated"
                ),
            )
        case Delete():
            reason, message = say.deleted, "secret deleted due to DeletionPolicy=Delete"
            text = f"Deleted {manifest.kind} {es.target_name}" if manifest else message
            events = (*events, Event("Normal", "Deleted", text)) if told.existed else events
        case Nothing("retained"):
            message = "secret retained due to DeletionPolicy=Retain"
        case Nothing("missing"):
            reason, message = say.missing, say.not_created
    if manifest is None and (
        isinstance(change, Create | Patch) or (change == Nothing() and es.spec.target.creation_policy != "None")
    ):
        binding = es.target_name
    wrote = isinstance(change, Create | Patch | Delete)
    return Report(outcome, Condition("Ready", "True", reason, message), events, True, wrote, binding)


def failed(es: ExternalSecret, error: EsoError, told: Told) -> Report:
    """The condition for `error`; only a few say that nothing but an edit or an event can help."""
    message, outcome = verdict(es, error)
    if message is None:
        return Report(outcome)
    text = str(error) if not error.fix else f"{error} ({error.fix})"
    updating = (
        told.existed
        and es.spec.target.manifest is None
        and not isinstance(error, FetchFailed | CannotDelete | DeleteFailed | OrphanCleanupFailed)
    )
    binding = es.target_name if updating else ""
    reason = SECRET.failed if isinstance(error, ManifestRefused) else words(es).failed
    return Report(
        outcome,
        Condition("Ready", "False", reason, message),
        (*told.events, Event("Warning", "UpdateFailed", text, isinstance(outcome, Retry))),
        binding=binding,
        error=True,
    )


def verdict(es: ExternalSecret, error: EsoError) -> tuple[str | None, Outcome]:
    """Condition message and queue outcome; None leaves the condition as it is."""
    match error:
        case FetchFailed():
            return FETCH_FAILED, Retry(error) if error.retryable else Fatal(error)
        case UnreadableSpec():
            return FETCH_FAILED, Fatal(error)
        case Raced():
            return None, Retry()
        case OwnershipRefused():
            return "failed to take ownership of target secret", Done()
        case Owned():
            return "target is owned by another ExternalSecret", Done()
        case Immutable():
            return "could not update secret, target is immutable", Done()
        case CannotDelete():
            return words(es).not_deleted, Done()
        case DeleteFailed():
            return words(es).not_deleted, Retry(error)
        case OrphanCleanupFailed():
            return "could not delete orphaned secrets", Retry(error)
        case ManifestRefused():
            return "invalid generic target", Done()
        case TargetUnreadable():
            return "could not get target resource", Retry(error)
        case ManifestFailed():
            return "could not apply template to manifest", Retry(error)
        case _:
            return "could not update secret", Retry(error)


def parked(es: ExternalSecret, closed: GateClosed, slot_in: float | None) -> Report:
    """The backend's limit. A never-synced object is told once; a synced one when its slot is missed or its spec is
    another, once per outage.

    `slot_in`: seconds until its slot, negative when it is missed, None without one. Until then an object that is fine
    waits, and comes back to tell.

    What was told before stays, for the generation of now: it would not be true of an edited spec that it is synced.
    """
    slot_missed = slot_in is not None and slot_in <= 0
    outcome = Parked(closed.gate, closed.epoch)
    ready = next((c for c in es.status.conditions if c.type == "Ready"), None)
    generation, version = es.metadata.generation, es.status.synced_resource_version
    edited = bool(version) and version.partition("-")[0] != str(generation)
    if ready is not None and (ready.status == "False" or not (slot_missed or edited)):
        if ready.status == "True":
            outcome = Parked(closed.gate, closed.epoch, slot_in)
        return Report(outcome, ready if ready.observed_generation != generation else None, error=slot_missed)
    event = Event("Warning", "UpdateFailed", str(closed))
    return Report(outcome, Condition("Ready", "False", words(es).failed, FETCH_FAILED), (event,), error=True)


def new_status(
    es: ExternalSecret, report: Report, start: datetime, *, heartbeat_due: bool, told_generation: int = 0
) -> dict[str, Any] | None:
    """The whole new status, or None when nothing that users rely on would change.

    `told_generation`: what this process wrote last; the CRDs of the reference have no member for it and drop it, which
    is no reason to write again.
    """
    if report.condition is None:
        return None
    status, generation = es.status, es.metadata.generation
    pruned = told_generation == generation and status.observed_generation == 0
    wanted = stamped(report.condition, start, 0 if pruned else generation)
    conditions = set_condition(status.conditions, wanted)
    version = synced_resource_version(es.metadata) if report.synced else status.synced_resource_version
    binding = report.binding or (status.binding.name if status.binding else "")
    same = (
        tuple(conditions) == tuple(status.conditions)
        and version == status.synced_resource_version
        and status.binding is not None
        and binding == status.binding.name
        and (pruned or generation == status.observed_generation)
    )
    if same and not report.wrote and not (report.synced and heartbeat_due):
        return None
    refreshed = start if report.synced else status.refresh_time
    return status_json(
        msgspec.structs.replace(status, synced_resource_version=version), conditions, refreshed, binding, generation
    )


def status_json(
    status: ExternalSecretStatus,
    conditions: Iterable[Condition],
    refreshed: datetime | None,
    binding: str,
    generation: int,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "conditions": [condition_json(c) for c in conditions],
        "refreshTime": rfc3339(refreshed) if refreshed else None,
        "binding": {"name": binding},
        "observedGeneration": generation,
    }
    return body | ({"syncedResourceVersion": status.synced_resource_version} if status.synced_resource_version else {})


def seen_status(es: ExternalSecret, told_generation: int) -> dict[str, Any] | None:
    """A pass that had nothing to do still has seen this generation: says so, once."""
    generation = es.metadata.generation
    if generation in (es.status.observed_generation, told_generation) or not es.status.conditions:
        return None
    conditions = [msgspec.structs.replace(c, observed_generation=generation) for c in es.status.conditions]
    return status_json(
        es.status, conditions, es.status.refresh_time, es.status.binding.name if es.status.binding else "", generation
    )
