"""What happened → status, condition, Events, Outcome: the only module that words a condition.

Neighbours: reconcile.py publishes the Report. Condition messages are the reference's, to the letter; the cause goes
into the Event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec

from eso.api.conditions import condition, set_condition
from eso.api.externalsecret import ExternalSecret, ExternalSecretStatus
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition, rfc3339
from eso.errors import EsoError
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Nothing, Patch
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import FETCH_FAILED, SECRET, kind_of, named
from eso.reconcile.kit.conditions import condition_json, stamped
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.suspend import SUSPENDED, before_pause, suspended
from eso.runtime.outcome import Done, Fatal, Outcome, Parked, Retry
from eso.stores.gate import GateClosed, StoreSuspended, Waiting


class Then(Enum):
    """What follows a failure."""

    AGAIN = "again"  # with back-off
    STOP = "stop"  # no error of the queue; only an event brings the key back
    GIVE_UP = "give up"  # an error of the queue; only an event brings the key back
    BY_CAUSE = "by cause"  # AGAIN or GIVE_UP, as the cause of the failed read says


THEN: Mapping[Stage, Then] = {
    Stage.SPEC: Then.GIVE_UP,
    Stage.TARGET: Then.STOP,
    Stage.LOOK: Then.AGAIN,
    Stage.FETCH: Then.BY_CAUSE,
    Stage.RENDER: Then.AGAIN,
    Stage.KEEP: Then.STOP,
    Stage.OWN: Then.STOP,
    Stage.CLAIM: Then.STOP,
    Stage.FREEZE: Then.STOP,
    Stage.TYPE: Then.AGAIN,
    Stage.ORPHANS: Then.AGAIN,
    Stage.WRITE: Then.AGAIN,
    Stage.DELETE: Then.AGAIN,
}
"""The outcome of a failure at each stage; its words are in `target.Words.said`."""
UNBOUND = frozenset({Stage.FETCH, Stage.KEEP, Stage.DELETE, Stage.ORPHANS})
"""Failures at these stages say nothing about whether the target is ours."""


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
    notices: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What the pass did before it ended, for Events: orphans removed, entries proven missing, whether the target was
    there. `notices` are Events about something odd, told once."""

    orphans: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    existed: bool = False
    notices: tuple[Event, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        orphans = tuple(Event("Normal", "Deleted", "secret deleted because it was orphaned") for _ in self.orphans)
        return tuple(Event("Normal", "MissingProviderSecret", text) for text in self.missing) + orphans


def succeeded(es: ExternalSecret, change: Change, told: Told, outcome: Outcome) -> Report:
    kind, events = kind_of(es), told.events
    words, message, binding = kind.words, "secret synced", ""
    reason = words.synced
    match change:
        case Create():
            events = (*events, Event("Normal", "Created", named(words.did_create, es)))
        case Patch():
            events = (*events, Event("Normal", "Updated", named(words.did_update, es)))
        case Delete():
            reason, message = words.deleted, "secret deleted due to DeletionPolicy=Delete"
            deleted = Event("Normal", "Deleted", named(words.did_delete, es))
            events = (*events, deleted) if told.existed else events
        case Nothing("retained"):
            message = "secret retained due to DeletionPolicy=Retain"
        case Nothing("missing"):
            reason, message = words.missing, words.not_created
    if kind.binds and (
        isinstance(change, Create | Patch) or (change == Nothing() and es.spec.target.creation_policy != "None")
    ):
        binding = es.target_name
    wrote = isinstance(change, Create | Patch | Delete)
    return Report(
        outcome, Condition("Ready", "True", reason, message), events, True, wrote, binding, notices=told.notices
    )


def failed(es: ExternalSecret, error: EsoError, told: Told) -> Report:
    """The condition for `error`; after most failures the pass is tried again."""
    stage = stage_of(error)
    if stage is Stage.RACE:
        return Report(Retry())
    kind = kind_of(es)
    outcome: Outcome
    match THEN[stage]:
        case Then.STOP:
            outcome = Done()
        case Then.GIVE_UP:
            outcome = Fatal(error)
        case Then.BY_CAUSE if not error.retryable:
            outcome = Fatal(error)
        case _:
            outcome = Retry(error)
    text = str(error) if not error.fix else f"{error} ({error.fix})"
    binding = es.target_name if told.existed and kind.binds and stage not in UNBOUND else ""
    reason = SECRET.words.failed if stage is Stage.TARGET else kind.words.failed
    event, once = Event("Warning", "UpdateFailed", text, isinstance(outcome, Retry)), stage is Stage.TYPE
    return Report(
        outcome,
        Condition("Ready", "False", reason, kind.words.said[stage]),
        told.events if once else (*told.events, event),
        binding=binding,
        error=True,
        notices=(*told.notices, event) if once else told.notices,
    )


def stage_of(error: EsoError) -> Stage:
    """An error that no module of this room has raised came from the write."""
    return error.stage if isinstance(error, Failed) else Stage.WRITE


def parked(es: ExternalSecret, closed: GateClosed, slot_in: float | None) -> Report:
    """A store may not be called now. One that waits for its first validation has nothing to tell: the key just parks.

    Otherwise it is the backend's limit. A never-synced object is told once; a synced one when its slot is missed or its
    spec is another, once per outage.

    `slot_in`: seconds until its slot, negative when it is missed, None without one. Until then an object that is fine
    waits, and comes back to tell.

    The condition stays as it is, with the current generation, unless the spec was edited: that spec is not synced.
    """
    outcome = Parked(closed.gate, closed.epoch)
    if isinstance(closed, Waiting):
        return Report(outcome)
    if isinstance(closed, StoreSuspended):
        slot_in = None  # on purpose: a slot of the pause is not missed
    slot_missed = slot_in is not None and slot_in <= 0
    shown = condition(es.status.conditions, "Ready")
    ready = before_pause(shown) if shown is not None else None
    generation, version = es.metadata.generation, es.status.synced_resource_version
    edited = bool(version) and version.partition("-")[0] != str(generation)
    if ready is not None and (ready.status == "False" or not (slot_missed or edited)):
        if ready.status == "True":
            outcome = Parked(closed.gate, closed.epoch, slot_in)
        same = ready == shown and ready.observed_generation == generation
        return Report(outcome, None if same else ready, error=slot_missed)
    event = Event("Warning", "UpdateFailed", f"{closed.store}: {closed}" if closed.store else str(closed))
    return Report(outcome, Condition("Ready", "False", kind_of(es).words.failed, FETCH_FAILED), (event,), error=True)


def new_status(
    es: ExternalSecret,
    report: Report,
    start: datetime,
    *,
    heartbeat_due: bool,
    told_generation: int = 0,
    version: str = "",
) -> dict[str, Any] | None:
    """The whole new status, or None when nothing that users rely on would change.

    `version`: the synced version, where it is known already. `told_generation`: what this process wrote last; the CRDs
    of the reference have no member for it and drop it, which is no reason to write again.
    """
    if report.condition is None:
        return None
    status, generation = es.status, es.metadata.generation
    pruned = told_generation == generation and status.observed_generation == 0
    wanted = stamped(report.condition, start, 0 if pruned else generation)
    conditions = set_condition(status.conditions, wanted)
    version = (version or synced_resource_version(es.metadata)) if report.synced else status.synced_resource_version
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
    """The status after a pass that had nothing to do: it records once that this generation was seen, or that a pause
    has ended."""
    generation, status = es.metadata.generation, es.status
    paused = any(c.reason == SUSPENDED for c in status.conditions)
    if (generation in (status.observed_generation, told_generation) or not status.conditions) and not paused:
        return None
    seen = (before_pause(c) for c in status.conditions)
    conditions = [msgspec.structs.replace(c, observed_generation=generation) for c in seen if c is not None]
    return status_json(
        status, conditions, status.refresh_time, status.binding.name if status.binding else "", generation
    )


def suspended_status(es: ExternalSecret, until: datetime, now: datetime) -> dict[str, Any] | None:
    """The status of a paused object, None when it says so already."""
    status = es.status
    wanted = suspended(condition(status.conditions, "Ready"), es.metadata.annotations, until, now)
    conditions = set_condition(status.conditions, wanted)
    if tuple(conditions) == tuple(status.conditions):
        return None
    binding = status.binding.name if status.binding else ""
    return status_json(status, conditions, status.refresh_time, binding, status.observed_generation)
