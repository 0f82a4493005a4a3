"""What a paused object says of itself, in its Ready condition.

Neighbours: each room's reconcile.py asks `suspended_until` before it reads or writes anything. The deletion of an
object is not paused. A condition of another type would be refused by the reference's CRDs, and the column Status shows
the reason of this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from eso.api import wellknown
from eso.api.meta import Condition, rfc3339
from eso.api.suspend import FOREVER, suspended_until
from eso.runtime.outcome import After, Done, Outcome

SUSPENDED: Final = "Suspended"
BEFORE: Final = "; before: "


def awake(until: datetime, now: datetime) -> Outcome:
    """When the object runs again by itself. The end of a pause without a time is an edit."""
    return Done() if until == FOREVER else After((until - now).total_seconds())


def words(annotations: Mapping[str, str], until: datetime) -> str:
    """Until when the pause lasts; a text that cannot be read is quoted."""
    if until != FOREVER:
        return f"suspended until {rfc3339(until)}"
    text = annotations.get(wellknown.ANNOTATION_SUSPEND, "").strip()
    unclear = "" if text.lower() == "true" else f' ("{text[:64]}" is neither "true" nor an RFC 3339 time)'
    return f"suspended until the annotation {wellknown.ANNOTATION_SUSPEND} is removed{unclear}"


def suspended(
    ready: Condition | None, annotations: Mapping[str, str], until: datetime, now: datetime, type: str = "Ready"
) -> Condition:
    """The condition of a paused object: it keeps its status, and says until when, and what it said before. `ready` is
    the present one."""
    before = before_pause(ready) if ready is not None else None
    message = words(annotations, until)
    return Condition(
        type,
        before.status if before else "Unknown",
        SUSPENDED,
        f"{message}{BEFORE}{before.reason}, {before.message}" if before else message,
        now.replace(microsecond=0),
        before.observed_generation if before else 0,
    )


def before_pause(c: Condition) -> Condition | None:
    """What a condition said before a pause; itself when there is none, None when nothing was said yet."""
    if c.reason != SUSPENDED:
        return c
    _, found, text = c.message.rpartition(BEFORE)
    reason, _, message = text.partition(", ")
    return msgspec.structs.replace(c, reason=reason, message=message) if found else None


__all__ = ["SUSPENDED", "awake", "before_pause", "suspended", "suspended_until", "words"]
