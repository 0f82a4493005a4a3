"""The pause annotation: `extensions.external-secrets.io/suspend: "true"`, or a time until when.

Neighbours: `reconcile.kit.suspend` words the condition, `stores.pauses` keeps reads of a paused store back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from eso.api import wellknown

FOREVER: Final = datetime.max.replace(tzinfo=UTC)


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
