"""What became of each namespace → status, Events and Outcome: the only module of this room that words a condition.

Neighbours: reconcile.py collects the results and publishes the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from eso.api.clusterpushsecret import ClusterPushSecret
from eso.api.meta import Condition, rfc3339
from eso.errors import EsoError
from eso.gocompat.duration import DurationError
from eso.reconcile.kit.children import reasons
from eso.reconcile.kit.insistence import CONTESTED
from eso.reconcile.kit.suspend import SUSPENDED, words
from eso.runtime.outcome import After, Done, Outcome, Retry

FAILED = "one or more namespaces failed"
NO_TARGETS = "failed to get target Namespaces"
ERRORED = "Errored"
INTERVAL = 3600.0  # seconds, without spec.refreshTime


@dataclass(slots=True)
class Results:
    """One pass. `again`: a failure that may pass by itself. `later`: seconds until a write that waits. `broken`: the
    selectors cannot be read, so that nothing is known of the namespaces."""

    provisioned: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # namespace → reason
    again: EsoError | None = None
    later: float | None = None
    broken: EsoError | None = None

    def hold(self, namespace: str, seconds: float) -> None:
        """The child waits so long for its next correction."""
        self.failed[namespace] = CONTESTED
        self.later = seconds if self.later is None else min(self.later, seconds)

    def fail(self, namespace: str, reason: str, error: EsoError | None = None) -> None:
        self.failed[namespace] = reason
        if error is not None and error.retryable:
            self.again = error


def status(cps: ClusterPushSecret, results: Results, now: datetime) -> dict[str, Any] | None:
    """The whole status, None when it is as it stands. As in the reference, a Ready condition has no reason and no time
    unless the selectors are wrong."""
    wanted: dict[str, Any] = {"pushSecretName": cps.child_name}
    provisioned = cps.status.provisioned_namespaces if results.broken else sorted(results.provisioned)
    if provisioned:
        wanted["provisionedNamespaces"] = list(provisioned)
    if results.failed:
        wanted["failedNamespaces"] = reasons(results.failed)
    wanted["conditions"] = [*others(cps), ready(cps, results, now)]
    return None if wanted == stands(cps) else wanted


def ready(cps: ClusterPushSecret, results: Results, now: datetime) -> Mapping[str, str]:
    if results.broken is not None:
        old = next((c for c in cps.status.conditions if c.type == "Ready"), Condition())
        since = old.last_transition_time if old.status == "False" else None
        told = {"type": "Ready", "status": "False", "reason": ERRORED, "message": NO_TARGETS}
        return told | {"lastTransitionTime": rfc3339(since or now)}
    if results.failed:
        return {"type": "Ready", "status": "False", "message": FAILED}
    return {"type": "Ready", "status": "True"}


def paused(cps: ClusterPushSecret, until: datetime) -> dict[str, Any] | None:
    """The status of a paused object: it keeps its status; children stay as they are."""
    before = next((c for c in cps.status.conditions if c.type == "Ready"), None)
    message = words(cps.metadata.annotations, until)
    if before is not None and before.reason == SUSPENDED and before.message == message:
        return None
    state = before.status if before is not None else "Unknown"
    told = {"type": "Ready", "status": state, "reason": SUSPENDED, "message": message}
    return stands(cps) | {"conditions": [*others(cps), told]}


def others(cps: ClusterPushSecret) -> list[Any]:
    return [as_json(one) for one in cps.status.conditions if one.type != "Ready"]


def as_json(one: Condition) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(one, builtin_types=(datetime,))
    if one.last_transition_time is not None:
        body["lastTransitionTime"] = rfc3339(one.last_transition_time)
    return body


def stands(cps: ClusterPushSecret) -> dict[str, Any]:
    """The status in the cluster, without members that are empty."""
    found: dict[str, Any] = msgspec.to_builtins(cps.status, builtin_types=(datetime,))
    found["conditions"] = [as_json(one) for one in cps.status.conditions]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value}


def outcome(cps: ClusterPushSecret, results: Results) -> Outcome:
    """A failure that may pass by itself is tried again with back-off; all others wait for the interval or an event."""
    if results.broken is not None or results.again is not None:
        return Retry(results.broken or results.again)
    try:
        interval = cps.spec.refresh_seconds
    except DurationError as error:
        return Retry(EsoError(f"invalid refreshTime: {error}", fix="write a Go duration such as 1h"))
    seconds = INTERVAL if interval is None else interval
    if results.later is not None:
        return After(min(results.later, seconds) if seconds > 0 else results.later)
    return After(seconds) if seconds > 0 else Done()
