"""Keys that are ready to run: which lane goes first, and how many workers an owner may have.

Neighbours: workqueue.py pushes and picks, outcome.py has the lanes, fair.py the rule of the shares. Time is an
argument.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final

from eso.runtime.fair import Group, alone, room
from eso.runtime.outcome import Lane
from eso.runtime.schedule import Item, Key

SLOW: Final = 4  # times the workers: keys that run without one
AGEING_TURN: Final = 4  # every so many picks …
AGEING_SECONDS: Final = 10.0  # … the oldest key goes first, whatever its lane, if it has waited so long
REMEMBERED: Final = 10_000  # owners that are no newcomers


@dataclass(frozen=True, slots=True)
class Ready:
    """A key that waits for a worker since `due`. `held`: its owner has its share of the workers."""

    key: Key
    lane: Lane
    due: float
    held: bool = False


class Lanes:
    """Strict order of the lanes, and within a lane of the due times; ageing keeps the last lane from starving. Owners
    of which no pass has ended yet are newcomers: while keys of others wait in the same lane, theirs get every second
    turn all together, so that thousands of new namespaces hold up nobody else.

    `workers`: how many keys run at most (the controller sees to it). An owner, which is a namespace or the `group` that
    it belongs to, is held when it has its share of them: its keys wait aside until a worker ends. 0: no limit is known,
    so there are no shares. A key that runs for long may lend its worker to others and run on without one: SLOW times as
    many keys do so at most, in shares as well.
    """

    def __init__(self, workers: int = 0, group: Group = alone) -> None:
        self._workers, self._group = workers, group
        self._owners: dict[Key, str] = {}  # of the keys that run
        self._running, self._slow = 0, 0
        self._running_in: Counter[str] = Counter()  # by owner
        self._slow_in: Counter[str] = Counter()
        self._lent: set[Key] = set()
        self._ready: dict[Key, tuple[Lane, Item]] = {}
        self._held: dict[Key, tuple[Lane, Item]] = {}
        self._ready_heaps: tuple[list[Item], ...] = tuple([] for _ in Lane)
        self._new_heaps: tuple[list[Item], ...] = tuple([] for _ in Lane)  # of newcomers
        self._new: dict[str, set[Key]] = {}  # newcomer → its ready keys
        self._new_of: dict[Key, str] = {}  # the other way round: a namespace may change its owner meanwhile
        self._known: OrderedDict[str, None] = OrderedDict()  # owners of which a pass has ended
        self._new_turn = False
        self._held_heaps: dict[str, list[tuple[Lane, Item]]] = {}  # by owner
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
        """Removes and returns the next key. A key whose owner has its share is put aside and returned as held."""
        heads = next((heads for lane in Lane if (heads := self._heads(lane))), None)
        if heads is None:
            return None
        self._picks += 1
        chosen = heads[0]
        if len(heads) > 1:
            chosen, self._new_turn = heads[self._new_turn], not self._new_turn
        if self._picks % AGEING_TURN == 0:
            oldest = self._oldest()
            if oldest is not None and now - oldest[0] >= AGEING_SECONDS:
                chosen = oldest
        due, _, key = chosen
        lane, _ = self._take(key)
        if self._room(self._group(key[0])) <= 0:
            self._hold(key, lane, due)
            return Ready(key, lane, due, held=True)
        self._counts[lane] -= 1
        return Ready(key, lane, due)

    def began(self, key: Key) -> None:
        """A worker runs `key` now."""
        owner = self._owners[key] = self._group(key[0])
        self._running += 1
        self._running_in[owner] += 1

    def lend(self, key: Key) -> int | None:
        """`key`, which runs, goes on without its worker. Returns how many held keys became ready; None when it has to
        keep the worker."""
        owner, slow = self._owners[key], SLOW * self._workers
        if key in self._lent or room(self._slow_in[owner], slow - self._slow, slow) <= 0:
            return None
        self._lent.add(key)
        self._slow += 1
        self._slow_in[owner] += 1
        return self._free(owner)

    def ended(self, key: Key) -> int:
        """`key` runs no more. Returns how many held keys became ready, because a share grew."""
        owner = self._owners.pop(key)
        self._meet(owner)
        if key not in self._lent:
            return self._free(owner)
        self._lent.discard(key)
        self._slow -= 1
        self._slow_in[owner] -= 1
        if not self._slow_in[owner]:
            del self._slow_in[owner]
        return self._let_in(owner) if owner in self._held_heaps else 0

    def _free(self, owner: str) -> int:
        """One worker more."""
        self._running -= 1
        self._running_in[owner] -= 1
        if not self._running_in[owner]:
            del self._running_in[owner]
        return sum(self._let_in(one) for one in list(self._held_heaps))

    def find(self, key: Key) -> Ready | None:
        """Where `key` stands, None when it is neither ready nor held."""
        held = key in self._held
        place = (self._held if held else self._ready).get(key)
        return Ready(key, place[0], place[1][0], held) if place is not None else None

    def oldest(self) -> Ready | None:
        """The ready key that waits longest. A held key waits for others of its owner, so it is not overdue."""
        head = self._oldest()
        return self.find(head[2]) if head is not None else None

    def counts(self) -> dict[Lane, int]:
        """Ready and held keys by lane."""
        return {lane: self._counts[lane] for lane in Lane}

    def any_ready(self) -> bool:
        """Whether `pick` would return a key."""
        return bool(self._ready)

    def _put(self, key: Key, lane: Lane, due: float) -> None:
        if key in self._ready:
            self._take(key)
        item, owner = self._item(key, due), self._group(key[0])
        self._ready[key] = lane, item
        if self._workers and owner and owner not in self._known:
            self._new.setdefault(owner, set()).add(key)
            self._new_of[key] = owner
            heapq.heappush(self._new_heaps[lane], item)
        else:
            heapq.heappush(self._ready_heaps[lane], item)

    def _take(self, key: Key) -> tuple[Lane, Item]:
        """`key` is ready no more. Its place in a heap goes once it is the first there."""
        if (owner := self._new_of.pop(key, None)) is not None:
            self._new[owner].discard(key)
            if not self._new[owner]:
                del self._new[owner]
        return self._ready.pop(key)

    def _meet(self, owner: str) -> None:
        """A pass of `owner` has ended: its keys wait among those of everybody."""
        self._known[owner] = None
        self._known.move_to_end(owner)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        for key in sorted(self._new.pop(owner, ())):
            del self._new_of[key]
            lane, item = self._ready[key]
            again = self._ready[key] = lane, (item[0], item[1], key)  # its place among the newcomers is none any more
            heapq.heappush(self._ready_heaps[lane], again[1])

    def _hold(self, key: Key, lane: Lane, due: float) -> None:
        place = self._held[key] = lane, self._item(key, due)
        heapq.heappush(self._held_heaps.setdefault(self._group(key[0]), []), place)

    def _let_in(self, owner: str) -> int:
        held, most, count = self._held_heaps[owner], self._room(owner), 0
        while held and count < most:
            place = heapq.heappop(held)
            lane, (due, _, key) = place
            if self._held.get(key) is not place:
                continue  # lifted meanwhile: another place of this heap counts
            del self._held[key]
            self._put(key, lane, due)
            count += 1
        if not held:
            del self._held_heaps[owner]
        return count

    def _room(self, owner: str) -> int:
        """How many more keys of `owner` may run now. Keys of no namespace belong to those who run the cluster, and have
        no share."""
        if not self._workers or not owner:
            return self._workers or 1
        held = self._running_in[owner] or min(1, self._slow_in[owner])  # no newcomer, for whom a worker is kept
        return room(held, self._workers - self._running, self._workers)

    def _heads(self, lane: Lane) -> list[Item]:
        """The first key of those that are known, and the first of newcomers."""
        heads = (self._head(self._ready_heaps[lane]), self._head(self._new_heaps[lane]))
        return [head for head in heads if head is not None]

    def _oldest(self) -> Item | None:
        return min((head for lane in Lane for head in self._heads(lane)), default=None)

    def _head(self, heap: list[Item]) -> Item | None:
        while heap:
            place = self._ready.get(heap[0][2])
            if place is not None and place[1] is heap[0]:
                return heap[0]
            heapq.heappop(heap)  # its key is ready no more, or at another place
        return None

    def _item(self, key: Key, due: float) -> Item:
        self._sequence += 1
        return due, self._sequence, key
