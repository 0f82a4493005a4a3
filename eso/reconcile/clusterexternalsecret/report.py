"""What became of each namespace → status and Outcome: the only module of this room that words a condition.

Neighbours: reconcile.py collects the results and publishes the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from eso.api.clusterexternalsecret import ClusterExternalSecret
from eso.errors import EsoError
from eso.gocompat.duration import DurationError
from eso.reconcile.kit.children import reasons
from eso.reconcile.kit.insistence import CONTESTED
from eso.reconcile.kit.suspend import words
from eso.runtime.outcome import After, Done, Outcome, Retry

FAILED = "one or more namespaces failed"
INTERVAL = 3600.0  # seconds, without spec.refreshTime
UNKNOWN = "unknown"  # the namespace of a failure that concerns all of them


@dataclass(slots=True)
class Results:
    """One pass. `again`: a failure that may pass by itself. `later`: seconds until a write that waits."""

    provisioned: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # namespace → reason
    again: EsoError | None = None
    later: float | None = None

    def hold(self, namespace: str, seconds: float) -> None:
        """The child waits so long for its next correction."""
        self.failed[namespace] = CONTESTED
        self.later = seconds if self.later is None else min(self.later, seconds)

    def fail(self, namespace: str, reason: str, error: EsoError | None = None) -> None:
        self.failed[namespace] = reason
        if error is not None and error.retryable:
            self.again = error


def status(ces: ClusterExternalSecret, results: Results) -> dict[str, Any] | None:
    """The whole status, None when it is as it stands."""
    wanted: dict[str, Any] = {"externalSecretName": ces.child_name}
    if results.provisioned:
        wanted["provisionedNamespaces"] = sorted(results.provisioned)
    if results.failed:
        wanted["failedNamespaces"] = reasons(results.failed)
    ready: Mapping[str, str] = (
        {"type": "Ready", "status": "False", "message": FAILED}
        if results.failed
        else {"type": "Ready", "status": "True"}
    )
    others = [msgspec.to_builtins(one) for one in ces.status.conditions if one.type != "Ready"]
    wanted["conditions"] = [*others, ready]
    return None if wanted == stands(ces) else wanted


def paused(ces: ClusterExternalSecret, until: datetime) -> dict[str, Any] | None:
    """The annotation pauses the object: its condition says until when, and keeps what was true. None when it says so
    already."""
    old = stands(ces)
    ready = next((one for one in ces.status.conditions if one.type == "Ready"), None)
    message = words(ces.metadata.annotations, until)
    told = {"type": "Ready", "status": ready.status if ready is not None else "Unknown", "message": message}
    others = [msgspec.to_builtins(one) for one in ces.status.conditions if one.type != "Ready"]
    wanted = old | {"conditions": [*others, told]}
    return None if wanted == old else wanted


def stands(ces: ClusterExternalSecret) -> dict[str, Any]:
    """The status in the cluster, without members that are empty."""
    found: dict[str, Any] = msgspec.to_builtins(ces.status)
    found["conditions"] = [msgspec.to_builtins(one) for one in ces.status.conditions]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value}


def outcome(ces: ClusterExternalSecret, results: Results) -> Outcome:
    """A failure that may pass by itself is tried again with back-off; all others wait for the interval or an event."""
    if results.again is not None:
        return Retry(results.again)
    try:
        interval = ces.spec.refresh_seconds
    except DurationError as error:
        return Retry(EsoError(f"invalid refreshTime: {error}", fix="write a Go duration such as 1h"))
    seconds = INTERVAL if interval is None else interval
    if results.later is not None:
        return After(min(results.later, seconds) if seconds > 0 else results.later)
    return After(seconds) if seconds > 0 else Done()
