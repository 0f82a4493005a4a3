"""What happened → status, condition, Events, Outcome: the only module of this room that words a condition.

Neighbours: reconcile.py publishes the Report. Condition messages are the reference's, to the letter; what was and
was not written by a push that failed part-way stands in the Event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eso.api.conditions import condition, set_condition
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition, rfc3339
from eso.api.pushsecret import PushData, PushSecret, SyncedMap
from eso.errors import EsoError
from eso.reconcile.kit.conditions import condition_json, stamped
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.suspend import SUSPENDED, awake, before_pause, suspended
from eso.reconcile.pushsecret.books import Stale, books_json, is_found
from eso.reconcile.pushsecret.push import Result
from eso.reconcile.pushsecret.refresh import Due, next_time
from eso.runtime.outcome import Done, Fatal, Outcome, Parked, Retry
from eso.stores.gate import GateClosed, StoreSuspended, Waiting

SYNCED, ERRORED, SOURCE_DELETED = "Synced", "Errored", "SourceDeleted"
NO_SOURCE = "could not get source secret"
SOURCE_GONE = "source secret deleted; provider secrets cleaned up"
CLEANING = "Failed to Delete Secrets from Provider: "
LOOK_AGAIN = 60.0  # seconds after which a deletion that waits at a gate asks whether its namespace goes
SOON = 5.0  # the same, where the namespace goes
MOST_NAMES = 20
Books = Mapping[str, Mapping[str, PushData]]


@dataclass(frozen=True, slots=True)
class Report:
    """What to publish. `condition` None leaves the conditions, `books` None what is recorded; `synced` moves
    refreshTime and the synced version."""

    outcome: Outcome
    condition: Condition | None = None
    events: tuple[Event, ...] = ()
    books: SyncedMap | None = None
    synced: bool = False

    @property
    def ready(self) -> str:
        return self.condition.status if self.condition is not None else ""


def succeeded(ps: PushSecret, books: SyncedMap, due: Due) -> Report:
    message = "PushSecret synced successfully"
    if ps.spec.update_policy == "IfNotExists":
        message += ". Existing secrets in providers unchanged."
    ready = Condition("Ready", "True", SYNCED, message)
    before = ready_of(ps)
    told = before is not None and (before.status, before.message) == ("True", message)
    # At its interval an object that stays as it was tells nothing new.
    events = () if told and due is Due.INTERVAL else (Event("Normal", SYNCED, message),)
    return Report(next_time(ps), ready, events, books, synced=True)


def failed(message: str, error: EsoError, books: SyncedMap | None = None, detail: str = "") -> Report:
    """`detail` is for the Event only."""
    hint = f" ({error.fix})" if error.fix else ""
    outcome: Outcome = Retry(error) if error.retryable else Fatal(error)
    event = Event("Warning", ERRORED, f"{message}{detail}{hint}", isinstance(outcome, Retry))
    return Report(outcome, Condition("Ready", "False", ERRORED, message), (event,), books)


def not_pushed(results: Sequence[Result], books: SyncedMap) -> Report | None:
    """The report of the first store that failed, None when none did."""
    for result in results:
        if result.failed is not None:
            return failed(f"set secret failed: {result.failed}", result.failed, books, in_and_out(results))
    return None


def in_and_out(results: Iterable[Result]) -> str:
    """Which entries are in and which are not; "" where there is only one. What was there before us is neither."""
    if sum(len(result.done) + len(result.left) for result in results) < 2:
        return ""
    inside = [
        f"{result.store}: {key}"
        for result in results
        for key, data in sorted(result.done.items())
        if not is_found(data)
    ]
    outside = [f"{result.store}: {key}" for result in results for key in result.left]
    parts = [f"written: {names(inside)}"] if inside else []
    parts += [f"not written: {names(outside)}"] if outside else []
    return f" [{'; '.join(parts)}]" if parts else ""


def too_many_changes() -> Event:
    """Sources change all the time."""
    text = "sources or stores change all the time, and are pushed every 10 s now"
    return Event("Warning", "TooManyChanges", f"{text} (look whether a push changes its own source)")


def names(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else ""
    return ", ".join(texts[:MOST_NAMES]) + more


def source_deleted(ps: PushSecret) -> Report:
    """The remote secrets are gone with their source. The event of its return brings the key back."""
    ready = Condition("Ready", "False", SOURCE_DELETED, SOURCE_GONE)
    return Report(Done(), ready, (Event("Normal", SOURCE_DELETED, SOURCE_GONE),), {})


def parked(ps: PushSecret, closed: GateClosed, message: str, due: Due, books: SyncedMap | None = None) -> Report:
    """The backend's limit: told once, when an object that was never synced, or was edited, cannot be pushed; one
    that was synced tells it once when a push is due."""
    outcome = Parked(closed.gate, closed.epoch)
    ready = ready_of(ps)
    if isinstance(closed, Waiting) or (ready is not None and ready.status == "False"):
        return Report(outcome, books=books)
    if isinstance(closed, StoreSuspended) and ready is not None and due is not Due.EDITED:
        return Report(outcome, books=books)  # on purpose: what was true stays
    event = Event("Warning", ERRORED, message)
    return Report(outcome, Condition("Ready", "False", ERRORED, message), (event,), books)


def not_deleted(ps: PushSecret, closed: GateClosed, message: str, books: SyncedMap, *, going: bool) -> Report:
    """A deletion that waits at a gate. `going`: its namespace cannot wait for long."""
    outcome = Parked(closed.gate, closed.epoch, SOON if going else LOOK_AGAIN)
    wanted = Condition("Ready", "False", ERRORED, message)
    ready = ready_of(ps)
    if ready is not None and ready.status == "False" and ready.message.startswith(CLEANING):
        return Report(outcome, books=books)  # the text of a closed gate differs from outage to outage
    return Report(outcome, wanted, (Event("Warning", ERRORED, message),), books)


def paused(ps: PushSecret, until: datetime, now: datetime) -> Report:
    """The annotation pauses the object: its condition says until when, and keeps what was true."""
    ready = condition(ps.status.conditions, "Ready")
    return Report(awake(until, now), suspended(ready, ps.metadata.annotations, until, now))


def left_behind(namespace: str, stale: Iterable[Stale], cause: str) -> Event:
    """A namespace goes, and what was pushed from it stays."""
    keys = [f"{one.store}: {one.key}" for one in stale]
    text = f"namespace {namespace} is being deleted, and these remote secrets stay: {names(keys)}: {cause}"
    return Event("Warning", "RemoteSecretsLeft", text)


def new_status(ps: PushSecret, report: Report, now: datetime) -> dict[str, Any] | None:
    """The whole new status, None when nothing would change."""
    old, status = ps.status.conditions, ps.status
    conditions = told_before(ps)
    if report.condition is not None:
        conditions = set_condition(old, stamped(report.condition, now, 0))
    books = status.synced_push_secrets if report.books is None else report.books
    same = tuple(conditions) == tuple(old) and books_json(books) == books_json(status.synced_push_secrets)
    if same and not report.synced:
        return None
    refreshed = now if report.synced else status.refresh_time
    version = synced_resource_version(ps.metadata) if report.synced else status.synced_resource_version
    return status_json(conditions, books, refreshed, version)


def ready_of(ps: PushSecret) -> Condition | None:
    """What the object said of itself last, apart from a pause."""
    ready = condition(ps.status.conditions, "Ready")
    return before_pause(ready) if ready is not None else None


def failing(ps: PushSecret) -> bool:
    ready = ready_of(ps)
    return ready is not None and ready.status == "False"


def told_before(ps: PushSecret) -> tuple[Condition, ...]:
    """The conditions without what a pause that has ended made of them."""
    ready = condition(ps.status.conditions, "Ready")
    if ready is None or ready.reason != SUSPENDED:
        return ps.status.conditions
    before = before_pause(ready)
    others = tuple(c for c in ps.status.conditions if c.type != "Ready")
    return (*others, before) if before is not None else others


def status_json(
    conditions: Iterable[Condition], books: Books, refreshed: datetime | None, version: str
) -> dict[str, Any]:
    """Members that are empty are left out, as in the reference."""
    body: dict[str, Any] = {}
    if told := [condition_json(one) for one in conditions]:
        body["conditions"] = told
    if refreshed is not None:
        body["refreshTime"] = rfc3339(refreshed)
    if books:
        body["syncedPushSecrets"] = books_json(books)
    if version:
        body["syncedResourceVersion"] = version
    return body


def intent(ps: PushSecret, books: SyncedMap) -> dict[str, Any]:
    """The status with what is about to be sent: should the process end before it can tell, a later deletion still knows
    of it."""
    status = ps.status
    return status_json(status.conditions, books, status.refresh_time, status.synced_resource_version)
