"""`find`: matching names and tags, and the bounds of one search.

Neighbours: a client's `find` uses these; `stores.reads` bounds the pages once more. A backend may invent folders,
names and bytes without end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from eso.errors import EsoError
from eso.gocompat import regexp
from eso.providers.contract import Find, InvalidConfig

MOST_STEPS: Final = 1_000_000  # of matching in one search: 50,000 names with twenty each
S = TypeVar("S")
T = TypeVar("T")
SLICE: Final = 0.005  # seconds of matching between two turns of the loop
AT_ONCE: Final = 8  # requests of one search
MOST_NAMES, MOST_FOLDERS, DEEPEST = 50_000, 2_000, 64
MOST_BYTES: Final = 32 << 20  # of all values of one search; a Secret takes 1 MiB


def compiled(pattern: str) -> regexp.Regexp:
    """`find.name.regexp`: RE2, unanchored, for one search. Raises InvalidConfig with the reference's text."""
    try:
        return regexp.compile(pattern).within(MOST_STEPS)
    except regexp.RegexpError as error:
        raise InvalidConfig(
            f"could not compile find.name.regexp [{pattern}]: {error}", fix="write an RE2 expression"
        ) from error


def by_name(find: Find) -> Callable[[str], bool]:
    """Whether a name is one that `find` asks for; every name where it does not say. Raises InvalidConfig."""
    if find.name_regexp is None:
        return lambda name: True
    matcher = compiled(find.name_regexp)
    return lambda name: matcher.matches(name.encode("utf-8", "surrogateescape"))


async def matching(names: Iterable[str], wanted: Callable[[str], bool]) -> list[str]:
    """The names that are wanted, in their order. There may be tens of thousands, in hundreds of searches: between two
    slices, whoever's they are, the loop has its turn."""
    found, left = list[str](), iter(names)
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    while True:
        async with turn:
            until = time.monotonic() + SLICE
            for name in left:
                if wanted(name):
                    found.append(name)
                if time.monotonic() > until:
                    break
            else:
                return found
            await asyncio.sleep(0)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def tagged(wanted: Sequence[tuple[str, str]] | None, tags: Mapping[str, str]) -> bool:
    """Whether `tags` has every wanted tag with exactly its value."""
    return all(tags.get(name) == value for name, value in wanted or ())


class Walk:
    """How far one search may go."""

    def __init__(self) -> None:
        self.names = self.folders = 0

    def enter(self, prefix: str = "") -> None:
        """One more folder, or page, is read. Raises InvalidConfig."""
        self.folders += 1
        if self.folders > MOST_FOLDERS or prefix.count("/") > DEEPEST:
            raise InvalidConfig(
                f"the search looks into more than {MOST_FOLDERS} folders, or deeper than {DEEPEST}", fix="set find.path"
            )

    def found(self, names: Sequence[object]) -> None:
        """So many more names were listed. Raises InvalidConfig."""
        self.names += len(names)
        if self.names > MOST_NAMES:
            raise InvalidConfig(f"the search lists more than {MOST_NAMES} names", fix="set find.path")


class Volume:
    """How much one search may bring home."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def counted(self, value: bytes) -> bytes:
        """`value`, once it is counted. Raises InvalidConfig."""
        self.left -= len(value)
        if self.left < 0:
            raise InvalidConfig(f"the search finds more than {MOST_BYTES} bytes", fix="narrow find.name or find.path")
        return value


async def every(items: Sequence[S], ask: Callable[[S], Awaitable[T]], at_once: int = AT_ONCE) -> list[T]:
    """The answers in order, `at_once` at a time; the first error ends it."""
    answers: dict[int, T] = {}
    waiting = iter(enumerate(items))
    failed: EsoError | None = None

    async def work() -> None:
        for place, item in waiting:
            answers[place] = await ask(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(work(), name="find")
    except* EsoError as errors:
        failed = first(errors)
    if failed is not None:
        raise failed
    return [answers[place] for place in range(len(items))]


def first(errors: BaseExceptionGroup[EsoError]) -> EsoError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EsoError)
    return error
