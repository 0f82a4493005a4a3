"""Equal reads that are in flight share one call to the backend.

Neighbours: reads.py asks; batches and logins are shared here too. Nothing is kept once the last caller has its answer,
with one exception: an answer that a trigger asked for serves all whom the same trigger woke. They may be more than run
at once, and none of them needs anything newer. A call that waits for what its own namespace may have (slots of the
server, memory, a probe) is waited for by that namespace: others make their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sized
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

from eso.runtime.aside import keeping
from eso.runtime.clock import Timer
from eso.runtime.memory import CURRENT, Hold, NoMemory, TooMuchMemory
from eso.secretbytes import SecretMap

T = TypeVar("T")
LINGER: Final = 2.0  # seconds that an answer is kept for the next one whom its trigger woke
LONGEST: Final = 30.0  # seconds that it is kept at all
MOST_BYTES: Final = 8 << 20  # of all answers that are kept
SMALLEST: Final = 256  # bytes that an answer counts at least, so that their number is bounded as well
PATIENCE: Final = 1.0  # seconds in line after which other namespaces make a call of their own
Later = Callable[[float, Callable[[], object]], Timer]


class Flight:
    """One call on its way: `started` (monotonic seconds), who waits, the task that makes it, and the memory that its
    answer takes, which every pass that got the answer keeps. `triggered`: somebody waits whom a trigger woke; `used`:
    when the answer was last asked for; `stuck`: done once the call has waited in line for long."""

    __slots__ = ("bytes", "hold", "started", "stuck", "task", "triggered", "used", "waiting")

    def __init__(self, started: float, task: asyncio.Task[Any], hold: Hold | None, stuck: asyncio.Future[None]) -> None:
        self.started, self.task, self.hold, self.stuck, self.waiting = started, task, hold, stuck, 0
        self.triggered, self.used, self.bytes = False, started, 0


class _Line:
    """The place of a call among those of its own namespace. It stands there while it waits for memory as well."""

    def __init__(self, later: Later, stuck: asyncio.Future[None]) -> None:
        self._later, self._stuck = later, stuck
        self._timers: list[Timer] = []

    def give_back(self) -> None:
        self._timers.append(self._later(PATIENCE, self.tell))

    async def take_again(self) -> None:
        self.take_back()

    def take_back(self) -> None:
        self._timers.pop().cancel()

    def tell(self) -> None:
        if not self._stuck.done():
            self._stuck.set_result(None)


LINE: Final[ContextVar[_Line | None]] = ContextVar("line", default=None)


@contextmanager
def in_line() -> Iterator[None]:
    """In the block the call that runs waits for what its own namespace may have."""
    line = LINE.get()
    if line is None:
        yield
        return
    line.give_back()
    try:
        yield
    finally:
        line.take_back()


class Flights:
    """Calls by key. Its tasks live in the group that `open()` holds; outside of it every caller makes its own call.
    `later(seconds, callback)` is a timer; without it no answer is kept."""

    def __init__(self, now: Callable[[], float], later: Later | None = None) -> None:
        self.now, self._later = now, later
        self._kept: dict[Hashable, Flight] = {}
        self._kept_bytes = 0
        self.shared = 0  # answers that cost no call of their own
        self._flights: dict[Hashable, Flight] = {}
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While open, calls are shared. On the way out the calls still on their way are cancelled: nobody is left to
        use them."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                for key in list(self._kept):
                    self._forget(key)
                for flight in self._flights.values():
                    flight.task.cancel()

    async def fly(
        self,
        key: Hashable,
        call: Callable[[], Awaitable[T]],
        since: float | None = None,
        joined: Callable[[], None] = lambda: None,
    ) -> T:
        """The answer of `call`, or of an equal one that started at or after `since` (monotonic seconds) and is
        still on its way.

        `joined` is told when the answer is somebody else's. One caller's cancellation leaves the others alone; the last
        one takes the call with it. Raises what the call raised; but memory that a pass of another namespace lacks, or
        that is more than another pass may have, is no failure of this one, which makes the call within its own.
        """
        flight, mine = self._flights.get(key), CURRENT.get()
        if flight is None and since is not None:
            flight = self._kept.get(key)
        if flight is not None and (since is None or flight.started >= since):
            self.shared += 1
            flight.used = self.now()
            if flight.hold is not None and (mine is None or mine.owner != flight.hold.owner):
                flight.hold.shared = True
            joined()
        elif self._group is None:
            return await call()
        else:
            hold = mine.sibling() if mine is not None else None
            stuck: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line = _Line(self._later, stuck) if self._later is not None else None
            flight = Flight(self.now(), self._group.create_task(outcome(call, hold, line), name="flight"), hold, stuck)
            self._forget(key)
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        flight.triggered = flight.triggered or since is not None
        alone = False
        try:
            await asyncio.wait([flight.task, flight.stuck], return_when=asyncio.FIRST_COMPLETED)
            if not flight.task.done():
                alone = mine is not None and flight.hold is not None and mine.owner != flight.hold.owner
                if not alone:
                    if (line := LINE.get()) is not None:
                        line.tell()  # who waits for this call waits in the same line
                    await asyncio.wait([flight.task])
            if mine is not None and flight.hold is not None and not alone:
                mine.keep(flight.hold)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                if not flight.task.done():
                    flight.task.cancel()
                    self._landed(key, flight.task)  # nobody may join a call that is being given up
                if flight.hold is not None and self._kept.get(key) is not flight:
                    flight.hold.close()
        if alone and mine is not None:
            return await self.fly((mine.owner, key), call, since, joined)
        if flight.task.cancelled():
            raise asyncio.CancelledError  # the owner is going down
        result, error = flight.task.result()
        if error is None:
            return result  # type: ignore[no-any-return]  # equal keys make equal calls
        if flight.hold is not None and (mine is None or flight.hold.root is not mine.root):
            lack = lacking(error)
            if lack is not None and mine is not None and flight.hold.owner != mine.owner:
                return await self.fly((mine.owner, key), call, since, joined)
            if isinstance(lack, TooMuchMemory):
                return await call()
        raise error.with_traceback(None)

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
            # One whose last caller gave up as it came is counted no more, so it is not kept.
            told = flight.waiting and task.done() and not task.cancelled() and task.result()[1] is None
            if flight.triggered and told:
                self._keep(key, flight, task.result()[0])

    def _keep(self, key: Hashable, flight: Flight, answer: Any) -> None:
        flight.bytes = (flight.hold.size if flight.hold is not None else 0) or weight(answer)
        if self._later is None or self._group is None or self._kept_bytes + flight.bytes > MOST_BYTES:
            return
        flight.used = self.now()
        self._kept[key] = flight
        self._kept_bytes += flight.bytes
        self._later(LINGER, lambda: self._expire(key, flight))

    def _expire(self, key: Hashable, flight: Flight) -> None:
        if self._kept.get(key) is not flight:
            return
        now = self.now()
        rest = min(flight.used + LINGER, flight.started + LONGEST) - now
        if rest <= 0 or self._later is None:
            self._forget(key)
        else:
            self._later(rest, lambda: self._expire(key, flight))

    def _forget(self, key: Hashable) -> None:
        flight = self._kept.pop(key, None)
        if flight is not None:
            self._kept_bytes -= flight.bytes
            if flight.hold is not None and flight.waiting == 0:
                flight.hold.close()


def lacking(error: BaseException) -> NoMemory | TooMuchMemory | None:
    """The lack of memory behind `error`, also where it was replaced by another error."""
    seen, left = set[int](), [error]
    while left:
        one = left.pop()
        if isinstance(one, NoMemory | TooMuchMemory):
            return one
        if id(one) not in seen:
            seen.add(id(one))
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
    return None


def weight(answer: Any) -> int:
    """Bytes that an answer takes, roughly, where no hold has counted them."""
    if isinstance(answer, bytes | str):
        return max(SMALLEST, len(answer))
    if isinstance(answer, SecretMap):
        return SMALLEST + answer.size
    if isinstance(answer, dict):
        return SMALLEST + sum(weight(name) + weight(value) for name, value in answer.items())
    if isinstance(answer, list | tuple):
        return SMALLEST + sum(map(weight, answer))
    if is_dataclass(answer):
        return SMALLEST + sum(weight(getattr(answer, one.name)) for one in fields(answer))
    return max(SMALLEST, len(answer) if isinstance(answer, Sized) else 0)


async def outcome(
    call: Callable[[], Awaitable[T]], hold: Hold | None = None, line: _Line | None = None
) -> tuple[T | None, Exception | None]:
    """An error as a value: several callers wait for it, and it must not take the owner's group down."""
    CURRENT.set(hold)  # in the context of this task alone, and so are the next two
    LINE.set(line)
    try:
        with keeping(line) if line is not None else nullcontext():
            return await call(), None
    except Exception as error:
        return None, error
