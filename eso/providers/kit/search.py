"""`find`: matching names and tags, and the bounds of one search.

Neighbours: a client's `find` uses these; `stores.reads` says where names are matched, and bounds the pages once more.
A backend may invent folders, names and bytes without end, and the author of a search a costly expression.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Final, TypeVar

import msgspec

from eso.errors import EsoError
from eso.gocompat import regexp
from eso.providers.contract import Find, InvalidConfig, Malformed
from eso.providers.env import Compute
from eso.runtime.loopshare import on_loop
from eso.runtime.reply import BadReply, checked

S = TypeVar("S")
T = TypeVar("T")
MATCH: Final = "find: match"
MOST_STEPS: Final = 4_000_000  # of matching in one search: 50,000 names with eighty each
CHEAP: Final = 2_000  # steps of matching that the loop may take at a time: 2 ms
SECONDS: Final = 10.0  # for matching elsewhere
AT_ONCE: Final = 8  # requests of one search
MOST_NAMES, MOST_FOLDERS, DEEPEST = 50_000, 2_000, 64
MOST_BYTES: Final = 32 << 20  # of all values of one search; a Secret takes 1 MiB
SIMPLER: Final = "write a simpler expression, or set find.path"


class Wanted:
    """What `find.name.regexp` matches in one search; every name where there is no expression.

    A search of names costs what the expression may cost at worst. What is cheap is matched here; the rest in a process
    that can be killed, where `apart` names one.
    """

    def __init__(self, expression: regexp.Regexp | None, allowance: regexp.Allowance | None = None) -> None:
        """`allowance`: what this and other expressions of one search may take together."""
        self._expression = expression
        self._allowance = allowance or regexp.Allowance(MOST_STEPS)

    async def among(self, names: Iterable[str]) -> list[str]:
        """The names that are wanted, in their order. Raises TooCostly, InvalidConfig."""
        listed = list(names)
        if self._expression is None:
            return listed
        steps = self._priced(self._expression, listed)
        compute = APART.get()
        if steps <= CHEAP or compute is None:
            found = await on_loop("", partial(places, self._expression, listed))
            return [listed[place] for place in found]
        source = self._expression.pattern.decode("utf-8", "surrogatepass")
        try:
            reply = await compute(MATCH, pickle.dumps((source, listed), protocol=pickle.HIGHEST_PROTOCOL), SECONDS)
        except BadReply:
            raise Malformed("could not match the names: the reply is none") from None
        except EsoError as error:
            raise InvalidConfig(f"could not match the names: {error}", fix=SIMPLER) from error
        return [listed[place] for place in told(reply, len(listed))]

    async def these(self, names: Iterable[str]) -> frozenset[str]:
        """The same as a set."""
        return frozenset(await self.among(names))

    def _priced(self, expression: regexp.Regexp, names: Sequence[str]) -> int:
        """Spends what matching `names` may take at worst. Raises TooCostly."""
        wide = 1 if all(map(str.isascii, names)) else 4
        size, longest = expression.size, wide * max(map(len, names), default=0)
        rest = longest if wide > 1 else 0
        self._allowance.may_take(regexp.price(size, longest) + rest)
        total = wide * sum(map(len, names))
        steps = len(names) + size * (total + len(names)) // regexp.UNITS_PER_STEP + (total if wide > 1 else 0)
        self._allowance.spend(steps)
        return steps


def compiled(pattern: str) -> regexp.Regexp:
    """`find.name.regexp`: RE2, unanchored. Raises InvalidConfig with the reference's text."""
    try:
        return regexp.compile(pattern)
    except regexp.RegexpError as error:
        raise InvalidConfig(
            f"could not compile find.name.regexp [{pattern}]: {error}", fix="write an RE2 expression"
        ) from error


def by_name(find: Find) -> Wanted:
    """The names that `find` asks for; every name where it does not say. Raises InvalidConfig."""
    return Wanted(compiled(find.name_regexp) if find.name_regexp is not None else None)


Apart = Callable[[str, bytes, float], Awaitable[bytes]]
APART: Final[ContextVar[Apart | None]] = ContextVar("apart", default=None)


@contextmanager
def apart(compute: Compute | None, namespace: str) -> Iterator[None]:
    """In the block, names are matched on behalf of `namespace` in a process that can be killed, unless that is cheap.
    Without `compute` they are matched where they are: the command line keeps nobody waiting."""
    if compute is None:
        yield
        return

    async def asked(name: str, body: bytes, seconds: float) -> bytes:
        return await checked(await compute.run(namespace, name, body, seconds))

    token = APART.set(asked)
    try:
        yield
    finally:
        APART.reset(token)


def places(expression: regexp.Regexp, names: Sequence[str]) -> list[int]:
    """Where in `names` those are that match; what that costs was counted before."""
    meter = regexp.Allowance(2 * MOST_STEPS, 2 * MOST_STEPS)
    return [place for place, name in enumerate(names) if expression.matches(encoded(name), meter)]


def encoded(name: str) -> bytes:
    """A name's bytes. A text of JSON may hold halves of pairs, which no UTF-8 has."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


def told(reply: bytes, count: int) -> list[int]:
    """The places that a worker, which is not believed, names. Raises Malformed."""
    try:
        found = msgspec.msgpack.decode(reply, type=list[int])
    except msgspec.MsgspecError:
        raise Malformed("could not match the names: the reply is none") from None
    if any(not 0 <= place < count for place in found):
        raise Malformed("could not match the names: the reply names others")
    return found


def match(body: bytes) -> bytes:
    """On the worker's side. The parent wrote the request, and compiled the expression before."""
    source, names = pickle.loads(body)
    return msgspec.msgpack.encode(places(regexp.compile(source), names))


CALLS: Final = {MATCH: match}


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
