"""Keys that are ready to run: which lane goes first, and how many workers a namespace may have.

Neighbours: workqueue.py pushes and picks, outcome.py has the lanes, fair.py the rule of the shares. Time is an
argument.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import Final

from eso.runtime.fair import SHARE
from eso.runtime.outcome import Lane
from eso.runtime.schedule import Item, Key

AGEING_TURN: Final = 4  # every so many picks …
AGEING_SECONDS: Final = 10.0  # … the oldest key goes first, whatever its lane, if it has waited so long


@dataclass(frozen=True, slots=True)
class Ready:
    """A key that waits for a worker since `due`. `held`: its namespace has its share of the workers."""

    key: Key
    lane: Lane
    due: float
    held: bool = False


class Lanes:
    """Strict order of the lanes, and within a lane of the due times; ageing keeps the last lane from starving.

    `workers`: how many keys run at most (the controller sees to it). A namespace that has its share of them is held:
    its keys wait aside until a worker ends. 0: no limit is known, so there are no shares.
    """

    def __init__(self, workers: int = 0) -> None:
        self._workers = workers
        self._running = 0
        self._running_in: Counter[str] = Counter()  # by namespace
        self._ready: dict[Key, tuple[Lane, Item]] = {}
        self._held: dict[Key, tuple[Lane, Item]] = {}
        self._ready_heaps: tuple[list[Item], ...] = tuple([] for _ in Lane)
        self._held_heaps: dict[str, list[tuple[Lane, Item]]] = {}  # by namespace
        self._counts = [0] * len(Lane)
        self._sequence = 0
        self._picks = 0

    def push(self, key: Key, lane: Lane, due: float) -> None:
        """`key`, which is not here, becomes ready; it was due at `due`."""
        self._counts[lane] += 1
        self._put(key, lane, due)

    def lift(self, key: Key, lane: Lane) -> None:
        """Moves a ready or held key into `lane`, if that is a better one."""
        held = key in self._held
        before, (due, _, _) = (self._held if held else self._ready)[key]
        if lane >= before:
            return
        self._counts[before] -= 1
        self._counts[lane] += 1
        if held:
            self._hold(key, lane, due)
        else:
            self._put(key, lane, due)

    def pick(self, now: float) -> Ready | None:
        """Removes and returns the next key. A key whose namespace has its share is put aside and returned as held."""
        heads = [head for lane in Lane if (head := self._head(lane)) is not None]
        if not heads:
            return None
        self._picks += 1
        chosen = heads[0]
        if self._picks % AGEING_TURN == 0 and len(heads) > 1:
            oldest = min(heads)
            if now - oldest[0] >= AGEING_SECONDS:
                chosen = oldest
        due, _, key = chosen
        lane, _ = self._ready.pop(key)
        heapq.heappop(self._ready_heaps[lane])
        if self._room(key[0]) <= 0:
            self._hold(key, lane, due)
            return Ready(key, lane, due, held=True)
        self._counts[lane] -= 1
        return Ready(key, lane, due)

    def began(self, key: Key) -> None:
        """A worker runs `key` now."""
        self._running += 1
        self._running_in[key[0]] += 1

    def ended(self, key: Key) -> int:
        """The worker of `key` is free. Returns how many held keys became ready, because a share grew."""
        self._running -= 1
        self._running_in[key[0]] -= 1
        if not self._running_in[key[0]]:
            del self._running_in[key[0]]
        return sum(self._let_in(namespace) for namespace in list(self._held_heaps))

    def find(self, key: Key) -> Ready | None:
        """Where `key` stands, None when it is neither ready nor held."""
        held = key in self._held
        place = (self._held if held else self._ready).get(key)
        return Ready(key, place[0], place[1][0], held) if place is not None else None

    def oldest(self) -> Ready | None:
        """The ready key that waits longest. A held key waits for its own namespace, so it is not overdue."""
        head = min((head for lane in Lane if (head := self._head(lane)) is not None), default=None)
        return self.find(head[2]) if head is not None else None

    def counts(self) -> dict[Lane, int]:
        """Ready and held keys by lane."""
        return {lane: self._counts[lane] for lane in Lane}

    def any_ready(self) -> bool:
        """Whether `pick` would return a key."""
        return bool(self._ready)

    def _put(self, key: Key, lane: Lane, due: float) -> None:
        item = self._item(key, due)
        self._ready[key] = lane, item
        heapq.heappush(self._ready_heaps[lane], item)

    def _hold(self, key: Key, lane: Lane, due: float) -> None:
        place = self._held[key] = lane, self._item(key, due)
        heapq.heappush(self._held_heaps.setdefault(key[0], []), place)

    def _let_in(self, namespace: str) -> int:
        held, room, count = self._held_heaps[namespace], self._room(namespace), 0
        while held and count < room:
            place = heapq.heappop(held)
            lane, (due, _, key) = place
            if self._held.get(key) is not place:
                continue  # lifted meanwhile: another place of this heap counts
            del self._held[key]
            self._put(key, lane, due)
            count += 1
        if not held:
            del self._held_heaps[namespace]
        return count

    def _room(self, namespace: str) -> int:
        """How many more keys of `namespace` may run now. Keys of no namespace belong to those who run the cluster, and
        have no share."""
        if not self._workers or not namespace:
            return self._workers or 1
        return SHARE * (self._workers - self._running) - self._running_in[namespace]

    def _head(self, lane: Lane) -> Item | None:
        heap = self._ready_heaps[lane]
        while heap:
            place = self._ready.get(heap[0][2])
            if place is not None and place[1] is heap[0]:
                return heap[0]
            heapq.heappop(heap)  # its key was lifted into a better lane
        return None

    def _item(self, key: Key, due: float) -> Item:
        self._sequence += 1
        return due, self._sequence, key
