"""What most function modules need: a value as text, a list's elements, sizes for the budget, unbiased random choices.

Neighbours: every module of this package; gofmt.py prints values, bounds.py keeps count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eso.template import gofmt
from eso.template.bounds import BIG, Budget
from eso.template.values import ByteList, FunctionError, GoInt, Int64, Opaque, Value, is_integer, kind, text_of

ELEMENT = 8
"""Bytes that one element of a list or map counts."""


def text(budget: Budget, value: Value) -> bytes:
    """A string as it is, everything else as `%v` prints it (`<nil>` for nil); bytes of a byte list are text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, ByteList):
        return bytes(value)
    if isinstance(value, GoInt | Opaque):
        budget.spend(gofmt.NAMED)
    own = text_of(value)
    return own if own is not None else gofmt.plain(budget, value)


def texts(budget: Budget, value: Value) -> list[bytes]:
    """A list's non-nil elements as text; nothing for nil; one text for everything else."""
    if isinstance(value, list):
        budget.spend(len(value))
        return [text(budget, element) for element in value if element is not None]
    return [] if value is None else [text(budget, value)]


def elements(value: Value, complaint: str) -> list[Value]:
    """The value as a list of any kind. Raises FunctionError with `complaint`, whose `{}` becomes the kind."""
    if isinstance(value, list):
        return value
    if value is None:
        raise FunctionError("runtime error: invalid memory address or nil pointer dereference")
    raise FunctionError(complaint.format(kind(value)))


def joined(budget: Budget, separator: bytes, parts: Sequence[bytes]) -> bytes:
    """The parts with `separator` between them, paid for before they are put together."""
    budget.spend(len(parts))
    afford(budget, sum(map(len, parts)) + len(separator) * max(len(parts) - 1, 0))
    return separator.join(parts)


class Tally:
    """Texts that are made one by one and put together at the end: all of them are affordable before the next is."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size = budget, 0

    def add(self, size: int) -> None:
        self._size += size
        self._budget.afford(self._size)


def make_list(budget: Budget, values: Iterable[Value]) -> list[Value]:
    made = list(values)
    budget.spend(len(made) // 8)
    afford(budget, ELEMENT * len(made))
    return made


def is_plain_int(value: Value) -> bool:
    """Of Go type int or int64, the two that functions of dates accept as seconds."""
    return is_integer(value) and (not isinstance(value, GoInt) or isinstance(value, Int64))


def below(budget: Budget, bound: int) -> int:
    """A random integer, 0 ≤ n < bound, without bias."""
    bits = max(bound - 1, 1).bit_length()
    while True:
        number = int.from_bytes(budget.world.random((bits + 7) // 8), "big") >> (-bits % 8)
        if number < bound:
            return number


def choices(budget: Budget, alphabet: bytes, count: int) -> bytes:
    """`count` random characters of `alphabet`, each equally likely."""
    limit = 256 - 256 % len(alphabet)
    out = bytearray()
    while len(out) < count:
        budget.spend(16)
        out += bytes(
            alphabet[byte % len(alphabet)]
            for byte in budget.world.random(min(2 * (count - len(out)), 4096))
            if byte < limit
        )
    return bytes(out[:count])


def book(budget: Budget, size: int) -> None:
    """Counts a result of `size` bytes, unless it is so large that the evaluator counts it when it is there."""
    if size < BIG:
        budget.check_size(size)
    else:
        afford(budget, size)


def afford(budget: Budget, size: int) -> None:
    """Refuses a result of `size` bytes that does not fit any more; the evaluator books it when it is there."""
    budget.afford(size)
