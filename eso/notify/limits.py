"""How many events of one source are looked at in a second.

Neighbours: server.py asks after a sender has proved who it is, so that no stranger can use up the share of another.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REQUESTS: Final = (500.0, 1000.0)  # a second, and at once: what is only looked at (audit lines of reads)
EVENTS: Final = (50.0, 200.0)  # the same for events that name keys
MOST_SOURCES: Final = 10_000


class Bucket:
    """Fills at `rate` a second up to `burst`."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, now

    def take(self, now: float) -> bool:
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Limits:
    """Two buckets for each source, by its uid. The source that was quiet longest is forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()

    def request(self, uid: str, now: float) -> bool:
        return self._of(uid, now)[0].take(now)

    def event(self, uid: str, now: float) -> bool:
        return self._of(uid, now)[1].take(now)

    def _of(self, uid: str, now: float) -> tuple[Bucket, Bucket]:
        pair = self._buckets.get(uid)
        if pair is None:
            pair = self._buckets[uid] = Bucket(*REQUESTS, now), Bucket(*EVENTS, now)
            if len(self._buckets) > MOST_SOURCES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(uid)
        return pair
