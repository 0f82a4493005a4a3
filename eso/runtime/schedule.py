"""Keys and the time at which each of them is due: one heap, the earliest first.

Neighbours: workqueue.py keeps its delayed keys here, and the deadlines of its parked keys. Time is an argument.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

Key = tuple[str, str]  # namespace, name
Item = tuple[float, int, Key]  # due, sequence number, key

SLACK: Final = 1024  # stale heap items that are always tolerated


class Schedule:
    """A key has one due time. Setting or dropping it leaves a stale item in the heap, which is skipped when it comes to
    the top: `set` is O(log n), `drop` O(1)."""

    def __init__(self) -> None:
        self._items: dict[Key, Item] = {}  # the one item of each key that counts
        self._heap: list[Item] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._items)

    def set(self, key: Key, due: float) -> None:
        """`key` is due at `due`, instead of any earlier answer."""
        if len(self._heap) > 2 * len(self._items) + SLACK:
            self._heap = list(self._items.values())
            heapq.heapify(self._heap)
        self._sequence += 1
        item = self._items[key] = (due, self._sequence, key)
        heapq.heappush(self._heap, item)

    def drop(self, key: Key) -> None:
        """`key` is not due any more. Harmless for a key without a due time."""
        self._items.pop(key, None)

    def due(self, key: Key) -> float | None:
        """When `key` is due, None when it is not scheduled."""
        item = self._items.get(key)
        return item[0] if item is not None else None

    def next(self) -> float | None:
        """The earliest due time, None for an empty schedule."""
        heap = self._heap
        while heap and self._items.get(heap[0][2]) is not heap[0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take_due(self, now: float) -> Iterator[tuple[Key, float]]:
        """Removes the keys that are due by `now`, in order of their due time."""
        while (due := self.next()) is not None and due <= now:
            key = heapq.heappop(self._heap)[2]
            del self._items[key]
            yield key, due
