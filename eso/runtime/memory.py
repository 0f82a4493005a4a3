"""One budget of bytes for what all passes hold: replies, what they are decoded to, template sources, results.

Neighbours: controller.py opens a Hold for each pass, `net.http` reserves replies, `stores.flight` what several passes
share, the reconcile rooms their results. Bytes are reserved before they are read, and given back at the latest when the
pass ends. Owners are namespaces, or groups of them. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Final, TypeVar

from eso.errors import EsoError
from eso.runtime.aside import without
from eso.runtime.clock import Clock, Timer
from eso.runtime.fair import SHARE, Group, alone

T = TypeVar("T")
PATIENCE: Final = 20.0  # seconds that a hold waits for more, until it gives up what it has
LITTLE: Final = 64 << 10  # bytes that a pass may hold without being in the way: it waits for as long as it lasts
AGED: Final = 5.0  # seconds after which nobody who would then hold more goes before the one that waits longest …
ANCIENT: Final = 30.0  # … and nobody else but for what is kept back
SMALL: Final = 512 << 10  # bytes that an owner may have out of what is kept back for newcomers
ENTRY: Final = 256  # bytes of a key and its value beside their text: objects, and a place in a map
READ: Final = 8 << 10  # bytes of one read on its way: tasks, frames, headers
_MARK: Final = 100  # bytes of decoded JSON for each of its marks; measured, with room
_MARKS: Final = b"{}[],:"
_OBJECT: Final = 128  # bytes of the outermost one


class NoMemory(EsoError):
    """The budget had no room for too long: others hold it, or the same pass does."""


class TooMuchMemory(EsoError):
    """More than one pass may ever hold at a time."""


class Memory:
    """`total` bytes.

    A quarter is kept back: for owners that hold little, so that a newcomer always finds room, and half of it for one
    pass at a time, the eldest of those that wait when it is free, so that passes which wait for each other come to an
    end. An owner has at most three quarters of the rest, and less as other owners come. Much is rarely free at once: a
    hold that has waited for long goes before those of owners who would then hold more, and in the end before all.
    """

    def __init__(self, total: int, clock: Clock, group: Group = alone) -> None:
        self.total, self.clock, self.group = total, clock, group
        self.used = self.peak = self.refused = 0
        self._held: dict[str, int] = {}
        self._waiting: OrderedDict[str, _Queue] = OrderedDict()
        self._births = itertools.count()
        self._first: Hold | None = None  # what may use what is kept back, until it closes …
        self._extra = 0  # … and how much of it has

    @property
    def most(self) -> int:
        """Bytes that one owner may hold while nobody else holds any."""
        return (self.total - self.total // 4) * SHARE // (SHARE + 1)

    @property
    def _little(self) -> int:
        """Bytes that an owner may have out of what is kept back for newcomers."""
        return min(SMALL, self.total // 8)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def held_by(self, owner: str) -> int:
        return self._held.get(owner, 0)

    def open(self, namespace: str) -> Hold:
        """The hold of a pass. It lives until `close`."""
        birth = next(self._births)
        return Hold(self, self.group(namespace), (birth, birth))

    # what holds do

    def _sibling(self, hold: Hold) -> Hold:
        return Hold(self, hold.owner, (hold.birth[0], next(self._births)), hold.root)

    async def _reserve(self, hold: Hold, size: int) -> None:
        """Raises TooMuchMemory at once; NoMemory after PATIENCE, for a pass that holds something already."""
        owner = hold.owner
        if hold.root.family + size > self.most + self.total // 8:
            raise TooMuchMemory(
                f"{hold.root.family + size} bytes of memory are more than one pass may ever have",
                fix="read less at a time, or let the operator have more memory (--memory-budget)",
            )
        if self._reserve_now(hold, size):
            return
        waiter = _Waiter(hold, size, self.clock.monotonic())
        queue = self._waiting.setdefault(owner, _Queue())
        queue.add(waiter)
        self._arm(waiter)
        try:
            self._serve()  # it may be the eldest of all
            if not waiter.turn.done():
                async with without():
                    await waiter.turn
        except asyncio.CancelledError:
            if waiter.served:
                hold.give_back(size)  # served and cancelled in one turn of the loop, perhaps after it was closed
            raise
        except NoMemory:
            self.refused += 1
            raise
        finally:
            waiter.timer.cancel()
            queue.remove(waiter)
            if not queue and self._waiting.get(owner) is queue:
                del self._waiting[owner]
            self._serve()

    def _reserve_now(self, hold: Hold, size: int) -> bool:
        free = hold.root.family + size <= self.most + self.total // 8
        owner = hold.owner
        if free and owner not in self._waiting and self._fits(owner, size) and self._is_turn_of(owner, size):
            self._take(hold, size)
            return True
        return False

    def _arm(self, waiter: _Waiter) -> None:
        waiter.timer = self.clock.call_later(PATIENCE, lambda: self._out_of_patience(waiter))

    def _out_of_patience(self, waiter: _Waiter) -> None:
        """A pass that holds little keeps nobody waiting, so it may wait for as long as it likes."""
        if waiter.hold.root.family > LITTLE or waiter.hold.shared:
            waiter.give_up()
        else:
            self._arm(waiter)

    def _take(self, hold: Hold, size: int) -> None:
        hold.size += size
        hold.root.family += size
        self.used += size
        self.peak = max(self.peak, self.used)
        self._held[hold.owner] = self._held.get(hold.owner, 0) + size

    def _give(self, hold: Hold, size: int) -> None:
        hold.size -= size
        hold.root.family -= size
        self.used -= size
        left = self._held[hold.owner] - size
        if left:
            self._held[hold.owner] = left
        else:
            del self._held[hold.owner]
        self._serve()

    def _closed(self, hold: Hold) -> None:
        if self._first is hold:
            self._first, self._extra = None, 0
            self._serve()

    def _fits(self, owner: str, size: int) -> bool:
        return self._lacks(owner, size) <= 0

    def _lacks(self, owner: str, size: int) -> int:
        """Bytes of what is kept back that `size` more take, beside those that the first one has already."""
        held, free = self._held.get(owner, 0) + size, self.total - self.used - size
        if held <= self._little:
            return -free
        free -= self.total // 4 - self._extra
        if self._first is not None and self._first.owner == owner:
            held -= self._extra
        return min(size, max(-free, -((SHARE * free - held) // (SHARE + 1)) if owner else 0))

    def _serve(self) -> None:
        """Lets in who fits now: the eldest hold of all first, then the owners in turn."""
        served = True
        while served and self._waiting:
            served = False
            heads = [head for queue in self._waiting.values() if (head := queue.head()) is not None]
            if not heads:
                return
            eldest = min(
                (head for head in heads if head.hold.lead is not None),
                key=lambda waiter: (waiter.hold.lead is not self._first, waiter.hold.birth),
                default=None,
            )
            if eldest is not None and self._first in (None, eldest.hold.lead):
                lacks = self._lacks(eldest.hold.owner, eldest.size)
                if 0 < lacks <= self.total // 8 - self._extra:
                    self._first, self._extra = eldest.hold.lead, self._extra + lacks
                    self._let_in(eldest)
                    served = True
                    continue
            for head in heads:
                if self._fits(head.hold.owner, head.size) and self._is_turn_of(head.hold.owner, head.size):
                    self._let_in(head)
                    self._waiting.move_to_end(head.hold.owner)
                    served = True

    def _let_in(self, waiter: _Waiter) -> None:
        self._take(waiter.hold, waiter.size)
        waiter.served = True
        waiter.turn.set_result(None)

    def _is_turn_of(self, owner: str, size: int) -> bool:
        """Whether nobody else has waited for so long that it goes first."""
        if not self._waiting or self._held.get(owner, 0) + size <= self._little:
            return True
        first = min(
            (one for queue in self._waiting.values() if (one := queue.first()) and self._waits_for_others(one)),
            key=_since,
            default=None,
        )
        if first is None or first.hold.owner == owner:
            return True
        mine, theirs = self._held.get(owner, 0) + size, self._held.get(first.hold.owner, 0) + first.size
        return goes_first(self.clock.monotonic() - first.since, mine, theirs)

    def _waits_for_others(self, waiter: _Waiter) -> bool:
        """Whether there would be room if nobody else held any. Who waits for its own passes holds up nobody."""
        held = self._held.get(waiter.hold.owner, 0)
        return not held or held + waiter.size <= self.most


def goes_first(waited: float, mine: int, theirs: int) -> bool:
    """Whether one that would then hold `mine` bytes may go before one that has waited for seconds, and would then hold
    `theirs`."""
    return waited < AGED or (waited < ANCIENT and mine <= theirs)


class _Queue:
    """What waits for memory of one owner. Served ones stay until they remove themselves, and are passed over."""

    def __init__(self) -> None:
        self._arrived: dict[_Waiter, None] = {}
        self._born: list[tuple[tuple[int, int], int, _Waiter]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._arrived)

    def add(self, waiter: _Waiter) -> None:
        self._arrived[waiter] = None
        heapq.heappush(self._born, (waiter.hold.birth, next(self._count), waiter))

    def remove(self, waiter: _Waiter) -> None:
        del self._arrived[waiter]

    def head(self) -> _Waiter | None:
        """The eldest of the holds."""
        while self._born and (self._born[0][2].turn.done() or self._born[0][2] not in self._arrived):
            heapq.heappop(self._born)
        return self._born[0][2] if self._born else None

    def first(self) -> _Waiter | None:
        """The one that has waited longest."""
        return next((waiter for waiter in self._arrived if not waiter.turn.done()), None)


def _since(waiter: _Waiter) -> float:
    return waiter.since


class _Waiter:
    __slots__ = ("hold", "served", "since", "size", "timer", "turn")
    timer: Timer

    def __init__(self, hold: Hold, size: int, since: float) -> None:
        self.hold, self.size, self.since, self.served = hold, size, since, False
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        if not self.turn.done():
            self.turn.set_exception(
                NoMemory(
                    f"no memory for {self.size} more bytes: the passes of this namespace hold what it may have",
                    fix="read less at a time, or let the operator have more memory (--memory-budget)",
                )
            )


class Hold:
    """What one pass, one step of it, or one shared call keeps in memory.

    `birth`: the pass's and its own place in time. A hold is open for as long as it has users; the one that made it is
    the first. `shared`: passes of other owners wait for the call.
    """

    __slots__ = ("_kept", "_users", "birth", "family", "memory", "owner", "root", "shared", "size")

    def __init__(self, memory: Memory, owner: str, birth: tuple[int, int], root: Hold | None = None) -> None:
        self.memory, self.owner, self.birth, self.root = memory, owner, birth, root or self
        self.size = self.family = 0  # `family`: of the whole pass, counted at its root
        self._users, self._kept, self.shared = 1, list[Hold](), False

    @property
    def lead(self) -> Hold | None:
        """The hold of the pass; of a call that outlives the pass, its own; None where both are closed."""
        return self.root if self.root._users else self if self._users else None

    async def reserve(self, size: int) -> None:
        """Waits for `size` more bytes. Raises NoMemory or TooMuchMemory."""
        if not self._users:
            return
        if size > 0:
            await self.memory._reserve(self, size)
            if not self._users:
                self.give_back(size)  # closed while it waited

    def reserve_now(self, size: int) -> bool:
        """The same where nothing has to be waited for. False where something has."""
        return not self._users or size <= 0 or self.memory._reserve_now(self, size)

    def take(self, size: int) -> None:
        """The same for what is there already: over the limit if it must be, so that nobody waits."""
        if self._users:
            self.memory._take(self, size)

    def give_back(self, size: int) -> None:
        if (given := min(size, self.size)) > 0:
            self.memory._give(self, given)

    def hand_over(self, size: int, to: Hold) -> None:
        """What was reserved here is `to`'s from now on."""
        moved = min(size, self.size)
        if to._users:
            self.size -= moved
            to.size += moved

    def sibling(self) -> Hold:
        """A hold of the same pass with a life of its own."""
        return self.memory._sibling(self)

    def keep(self, other: Hold) -> None:
        """What `other` holds is used here too: it stays until both have closed it."""
        if self._users and other is not self and other._users:
            other._users += 1
            self._kept.append(other)

    def close(self) -> None:
        """One user less; with the last one everything is given back."""
        if not self._users:
            return
        self._users -= 1
        if not self._users:
            self.memory._closed(self)
            if self.size:
                self.give_back(self.size)
            kept, self._kept = self._kept, []
            for other in kept:
                other.close()


CURRENT: Final[ContextVar[Hold | None]] = ContextVar("hold", default=None)
"""The hold of the code that runs; None where nobody counts: informers, the command line."""


def uncounted() -> Context:
    """The context for a task that a pass starts and that outlives it."""
    context = copy_context()
    context.run(CURRENT.set, None)
    return context


@contextmanager
def holding(hold: Hold | None) -> Iterator[None]:
    """`hold` is the current one in the block, and closed at its end."""
    token = CURRENT.set(hold)
    try:
        yield
    finally:
        CURRENT.reset(token)
        if hold is not None:
            hold.close()


@contextmanager
def scratch() -> Iterator[Scratch]:
    """What is reserved in the block is given back at its end, apart from what the block says it keeps."""
    outer = CURRENT.get()
    inner = outer.sibling() if outer is not None else None
    with holding(inner):
        yield Scratch(outer, inner)


class Scratch:
    __slots__ = ("_inner", "_outer")

    def __init__(self, outer: Hold | None, inner: Hold | None) -> None:
        self._outer, self._inner = outer, inner

    def keep(self, size: int) -> None:
        """`size` bytes of what was reserved outlive the block."""
        if self._outer is not None and self._inner is not None:
            self._inner.hand_over(size, self._outer)


async def reserve(size: int) -> None:
    """Waits until the current pass may hold `size` more bytes. Raises NoMemory or TooMuchMemory."""
    hold = CURRENT.get()
    if hold is not None:
        await hold.reserve(size)


async def reserved_for(make: Callable[[], Awaitable[T]], size: Callable[[T], int]) -> T:
    """What `make` makes, reserved. It is made again where it has to wait for room, so that nothing that waits is
    there."""
    hold = CURRENT.get()
    made = await make()
    if hold is None or hold.reserve_now(wanted := size(made)):
        return made
    del made
    await hold.reserve(wanted)
    made = await make()
    hold.take(max(0, size(made) - wanted))
    return made


@asynccontextmanager
async def reserved(size: int) -> AsyncIterator[None]:
    """`size` bytes for as long as the block lasts; what is counted in it stays counted."""
    hold = CURRENT.get()
    if hold is None:
        yield
        return
    await hold.reserve(size)
    try:
        yield
    finally:
        hold.give_back(size)


def take(size: int) -> None:
    """Counts `size` bytes that are there already."""
    hold = CURRENT.get()
    if hold is not None:
        hold.take(size)


def decoded(body: bytes) -> int:
    """Bytes that a JSON text may take once it is decoded, itself not included.

    Text is as wide as its widest character; every brace, comma and colon may stand for an object of its own.
    """
    wide = 1 if body.isascii() and b"\\u" not in body else 4
    return _OBJECT + wide * len(body) + _MARK * (len(body) - len(body.translate(None, _MARKS)))


def volume(values: Mapping[str, bytes]) -> int:
    """Bytes of a map of values."""
    return ENTRY * len(values) + sum(map(len, values)) + sum(map(len, values.values()))
