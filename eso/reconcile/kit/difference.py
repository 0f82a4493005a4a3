"""Two JSON objects → the merge patch between them.

Neighbours: the desks that compute a Change. Nothing here is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def copied(value: Any) -> Any:
    """A deep copy of plain JSON."""
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


def flat_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """The flat merge patch: changed or added members, None for removed ones."""
    return {k: v for k, v in new.items() if old.get(k) != v} | {k: None for k in old if k not in new}


def merge_patch(old: Json, new: Json) -> Json:
    """The merge patch that makes `new` of `old`; empty when they are equal. Lists are replaced whole."""
    patch: Json = {k: None for k in old if k not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or before != value or type(before) is not type(value):
            patch[key] = value
    return patch
