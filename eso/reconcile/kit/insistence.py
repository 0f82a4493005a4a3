"""Something of ours that another writer takes back again and again: three writes are free, then each waits longer.

Neighbours: the rooms of ClusterExternalSecret and ClusterPushSecret ask for each of their children, that of
GeneratorState for its finalizer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

CONTESTED: Final = "it is changed or deleted by another writer again and again: the next correction waits"
MOST: Final = 3
PAUSE: Final = 10.0  # seconds of the first pause; each is twice as long as the one before
LONGEST: Final = 3600.0  # seconds of the longest pause; as long without a write ends the row


@dataclass(frozen=True, slots=True)
class Row:
    """Writes that followed each other. `wanted` is equal while the same was written; `version` is what the last one
    made."""

    wanted: Any
    count: int
    at: datetime
    version: int

    def left(self, now: datetime) -> float:
        if self.count < MOST:
            return 0.0
        pause = min(LONGEST, PAUSE * 2.0 ** min(self.count - MOST, 30))
        return max(0.0, pause - (now - self.at).total_seconds())


def version_of(raw: bytes) -> int:
    """The version in the reply to a write."""
    return int(_version.decode(raw).metadata.resourceVersion or 0)


class _Meta(msgspec.Struct):
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Meta


_version = msgspec.json.Decoder(_Object)


class Insistence:
    """By parent and place. A restart forgets it."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}

    def wait(self, parent: str, place: str, wanted: Any, now: datetime) -> float:
        """Seconds until the next write; 0 for at once."""
        row = self._rows.get(parent, {}).get(place)
        return row.left(now) if row is not None and row.wanted == wanted else 0.0

    def wrote(self, parent: str, place: str, wanted: Any, now: datetime, *, over: int, version: int) -> None:
        """`over`: the version that the write was computed from, 0 where there was nothing. One that is older than our
        last write shows a cache that is behind, and no other writer."""
        rows = self._rows.setdefault(parent, {})
        row = rows.get(place)
        count = 1
        if row is not None and row.wanted == wanted and (now - row.at).total_seconds() < LONGEST:
            count = row.count if 0 < over < row.version else row.count + 1
        rows[place] = Row(wanted, count, now, version)

    def keep(self, parent: str, places: Collection[str]) -> None:
        """Forgets all other places: what comes back there is new."""
        rows = self._rows.get(parent, {})
        for place in [place for place in rows if place not in places]:
            del rows[place]

    def forget(self, parent: str) -> None:
        self._rows.pop(parent, None)
