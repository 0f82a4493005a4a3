"""Replaces a condition by a newer one of its type.

Neighbours: the `report` modules word conditions, this one keeps their transition times.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from eso.api.meta import Condition


def set_condition(conditions: Iterable[Condition], wanted: Condition) -> tuple[Condition, ...]:
    """All conditions of other types, then `wanted`.

    The conditions stay as they are if status, reason, message and generation are equal. `last_transition_time` changes
    only with the status.
    """
    before = tuple(conditions)
    old = condition(before, wanted.type)
    if old is not None and said(old) == said(wanted):
        return before
    if old is not None and old.status == wanted.status:
        wanted = msgspec.structs.replace(wanted, last_transition_time=old.last_transition_time)
    return (*(c for c in before if c.type != wanted.type), wanted)


def said(c: Condition) -> tuple[str, str, str, int]:
    return c.status, c.reason, c.message, c.observed_generation


def condition(conditions: Iterable[Condition], type: str) -> Condition | None:
    return next((c for c in conditions if c.type == type), None)
