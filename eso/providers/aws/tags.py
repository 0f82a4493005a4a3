"""Tags of what a push writes: the mark that says whose it is, and what has to change.

Neighbours: the pushes of all three services. AWS returns tags as a list of {Key, Value}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eso.providers.contract import InvalidConfig

MANAGED_BY, OURS = "managed-by", "external-secrets"
DESCRIPTION: Final = "secret 'managed-by:external-secrets'"
NOT_MANAGED: Final = "secret not managed by external-secrets"


@dataclass(frozen=True, slots=True)
class Difference:
    """`removed`: keys; `written`: the whole desired set if any of it is new or changed, else nothing."""

    removed: tuple[str, ...]
    written: Mapping[str, str]


def desired(given: Mapping[str, str]) -> dict[str, str]:
    """What `metadata` asks for, with our mark. Raises InvalidConfig where the mark is among it."""
    if MANAGED_BY in given:
        raise InvalidConfig(f"error parsing tags in metadata: Cannot specify a '{MANAGED_BY}' tag")
    return {**given, MANAGED_BY: OURS}


def read(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {str(tag.get("Key") or ""): str(tag.get("Value") or "") for tag in tags or ()}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def managed(tags: Mapping[str, str]) -> bool:
    return tags.get(MANAGED_BY) == OURS


def difference(live: Mapping[str, str], wanted: Mapping[str, str]) -> Difference:
    """Foreign tags go as well, once a push sets tags at all."""
    removed = tuple(sorted(live.keys() - wanted.keys()))
    changed = any(live.get(key) != value for key, value in wanted.items() if key != MANAGED_BY)
    return Difference(removed, dict(wanted) if changed else {})
