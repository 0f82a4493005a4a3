"""The pause annotation: `extensions.external-secrets.io/suspend: "true"`, or a time until when.

Neighbours: each room's reconcile.py asks before it reads or writes anything. The deletion of an object is not paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from eso.api import wellknown
from eso.api.meta import Condition, rfc3339

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
CONDITION: Final = "Suspended"


def suspended_until(annotations: Mapping[str, str], now: datetime) -> datetime | None:
    """Until when the object is paused: FOREVER until the annotation goes, None when it is not paused.

    A text that is neither `true`, `false` nor a time pauses too: its author wants a pause, and the condition quotes the
    text.
    """
    text = annotations.get(wellknown.ANNOTATION_SUSPEND, "").strip()
    if text.lower() in ("", "false"):
        return None
    until = moment(text)
    if until is None:
        return FOREVER
    return until if until > now else None


def moment(text: str) -> datetime | None:
    """An RFC 3339 time; None for any other text."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def suspended(annotations: Mapping[str, str], until: datetime) -> Condition:
    """The condition of an object that is paused."""
    text = annotations.get(wellknown.ANNOTATION_SUSPEND, "").strip()
    message = f"suspended until {rfc3339(until)}"
    if until == FOREVER:
        unclear = "" if text.lower() == "true" else f' ("{text[:64]}" is neither "true" nor an RFC 3339 time)'
        message = f"suspended until the annotation {wellknown.ANNOTATION_SUSPEND} is removed{unclear}"
    return Condition(CONDITION, "True", "Suspended", message)
