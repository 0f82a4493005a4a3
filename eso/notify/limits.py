"""How much of what one source sends is looked at in a second.

Neighbours: server.py asks after a sender has proved who it is, so that no stranger can use up the share of another.
Costs are in units of a small event; what takes more of the loop's time costs more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from eso.api.changesource import Change

REQUESTS: Final = (500.0, 1000.0)  # a second, and at once: what is only looked at (audit lines of reads)
EVENTS: Final = (50.0, 200.0)  # the same for events that name keys
NAMESPACE: Final = (200.0, 800.0)  # for the events of all sources of one namespace: it may have many
BYTES: Final = 4096  # of a body that cost as much as a request
LOOKUPS: Final = 64  # of a key in a store that cost as much as an event
PREFIX: Final = 16  # events that a prefix costs: every name of the store is compared with it
MOST_BUCKETS: Final = 10_000


class Bucket:
    """Fills at `rate` a second up to `burst`."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, now

    def has(self, cost: float, now: float) -> bool:
        """What costs more than the burst needs a full bucket."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        return self._left >= min(cost, self._burst)

    def take(self, cost: float) -> None:
        self._left -= min(cost, self._burst)


class Limits:
    """Buckets by uid of a source and by namespace. The one that was quiet longest is forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def request(self, uid: str, size: int, now: float) -> bool:
        """Whether a body of `size` bytes may be read."""
        return self._all([self._of("request", uid, REQUESTS, now)], 1 + size // BYTES, now)

    def event(self, namespace: str, uid: str, cost: float, now: float) -> bool:
        buckets = [self._of("event", uid, EVENTS, now), self._of("namespace", namespace, NAMESPACE, now)]
        return self._all(buckets, cost, now)

    def _all(self, buckets: Sequence[Bucket], cost: float, now: float) -> bool:
        """All of them, or none is charged."""
        if not all([bucket.has(cost, now) for bucket in buckets]):
            return False
        for bucket in buckets:
            bucket.take(cost)
        return True

    def _of(self, kind: str, name: str, rates: tuple[float, float], now: float) -> Bucket:
        bucket = self._buckets.get((kind, name))
        if bucket is None:
            bucket = self._buckets[kind, name] = Bucket(*rates, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end((kind, name))
        return bucket


def cost_of(changes: Sequence[Change], stores: int) -> float:
    """Each key is looked up in each store of the source."""
    prefixes = sum(change.prefix for change in changes)
    return max(1.0, len(changes) * stores / LOOKUPS + prefixes * stores * PREFIX)
