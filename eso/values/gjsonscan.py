"""JSON values as a GJSON look-up sees them: scanned, not validated, each with its source text.

Neighbours: gjson.py searches, gjsonmodifiers.py rebuilds. Also counts the work of one look-up, because a path comes
from a user and can ask for doubling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.gocompat import text as gotext
from eso.values import gjsonpath

PATH_BYTES: Final = 4 << 10
"""Longest path."""
WORK_LIMIT: Final = 1 << 20
"""Units that one look-up may spend, beside WORK_PER_BYTE for each byte of the document. A unit is what reading a byte
costs where a scan runs in C: some 16 ns."""
WORK_PER_BYTE: Final = 64
LOOK: Final = 64
"""Units of a look at one value, beside its bytes: the interpreter's share."""
TEXT: Final = 8
"""Units of a byte that the interpreter looks at one by one."""


T = TypeVar("T")


class PathRefused(EsoError):
    """The path asks for more work than a look-up may take; this is no "not found"."""


class Kind(IntEnum):
    NULL = 0
    FALSE = 1
    NUMBER = 2
    STRING = 3
    TRUE = 4
    JSON = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A value: its source text and, for strings and numbers, what it means."""

    kind: Kind
    raw: bytes
    string: bytes = b""
    number: float = 0.0

    @property
    def exists(self) -> bool:
        return self.kind != Kind.NULL or bool(self.raw)

    def text(self) -> bytes:
        """Text unescaped, digits as written, other numbers in plain decimal, null empty, objects and arrays as
        written."""
        match self.kind:
            case Kind.NULL:
                return b""
            case Kind.FALSE:
                return b"false"
            case Kind.TRUE:
                return b"true"
            case Kind.STRING:
                return self.string
            case Kind.JSON:
                return self.raw
        return (
            self.raw
            if self.raw.removeprefix(b"-").isdigit() or self.raw == b"-"
            else gotext.decimal_number(self.number).encode()
        )


MISSING: Final = Found(Kind.NULL, b"")


class Work:
    """Counts what one look-up reads and produces, and keeps the parts of the path that are parsed already."""

    __slots__ = ("left", "parsed")

    def __init__(self, document: bytes) -> None:
        self.left = WORK_LIMIT + WORK_PER_BYTE * len(document)
        self.parsed: dict[tuple[Callable[[bytes], Any], bytes], Any] = {}

    def spend(self, size: int) -> None:
        self.left -= size + LOOK
        if self.left < 0:
            raise PathRefused(
                f"property path asks for too much work (more than {WORK_LIMIT} units, and {WORK_PER_BYTE} for each byte"
                " of the document)",
                fix="name the value by a plain path",
            )

    def once(self, parse: Callable[[bytes], T], path: bytes) -> T:
        """`parse(path)`, paid for and done the first time only: every member of a document may ask for it again."""
        key = (parse, path)
        if key not in self.parsed:
            self.spend(TEXT * len(path))
            self.parsed[key] = parse(path)
        made: T = self.parsed[key]
        return made


def parse(document: bytes) -> Found:
    """The first value of the text; an object or array with all that follows it."""
    start = _FIRST.match(document)
    if start is None:
        return MISSING
    if document[start.end() - 1] in b"{[":
        return Found(Kind.JSON, document[start.end() - 1 :])
    found = value_at(document, start.end() - 1)
    if found is not None:
        return found[0]
    inner = document[start.end() :]  # a string that is never closed
    return Found(Kind.STRING, document[start.end() - 1 :], gjsonpath.unescape(inner) if b"\\" in inner else inner)


def items(value: Found, work: Work) -> Iterator[tuple[Found, Found]]:
    """Key and value of each member, or MISSING and value of each element; a scalar is its own only element."""
    if not value.exists:
        return
    if value.kind != Kind.JSON:
        yield MISSING, value
        return
    work.spend(TEXT * len(value.raw))  # each bracket is a turn of the interpreter
    document, at = value.raw, 1
    is_object = document[:1] == b"{"
    while True:
        key = MISSING
        if is_object:
            quote = document.find(b'"', at)
            read = value_at(document, quote) if quote >= 0 else None
            if read is None:
                return
            key, at = read
        start = VALUE.search(document, at)
        read = value_at(document, start.start()) if start else None
        if read is None:
            return
        work.spend(LOOK)
        yield key, read[0]
        at = read[1] + 1


def value_at(document: bytes, at: int) -> tuple[Found, int] | None:
    """The value that starts at `at`, and where it ends; None for a string that is never closed."""
    first = document[at]
    if first in b"{[":
        end = gjsonpath.balanced(document, at)
        return Found(Kind.JSON, document[at:end]), end
    if first == 0x22:
        closed = STRING.match(document, at)
        if closed is None:
            return None
        inner = closed[0][1:-1]
        return Found(Kind.STRING, closed[0], gjsonpath.unescape(inner) if b"\\" in inner else inner), closed.end()
    if first in b"tf" or (first == 0x6E and document[at + 1 : at + 2] in (b"u", b"")):
        word = _WORD.match(document, at)
        assert word is not None
        kind = Kind.TRUE if first == 0x74 else Kind.FALSE if first == 0x66 else Kind.NULL
        return Found(kind, word[0]), word.end()
    number = _NUMBER.match(document, at)
    assert number is not None
    return Found(Kind.NUMBER, number[0], number=to_float(number[0])), number.end()


def to_float(text: bytes) -> float:
    """0 where the text is no number."""
    if _DECIMAL.fullmatch(text):
        return float(text)
    name = text.lstrip(b"+-").lower()
    if name in (b"inf", b"infinity"):
        return float("-inf") if text.startswith(b"-") else float("inf")
    return float("nan") if text.lower() == b"nan" else 0.0


def truth(value: Found) -> bool:
    """True, a number other than 0, or a text that says so."""
    match value.kind:
        case Kind.STRING:
            return value.string.lower() in (b"1", b"t", b"true")
        case Kind.NUMBER:
            return value.number != 0
        case _:
            return value.kind == Kind.TRUE


def valid(text: bytes) -> bool:
    """Whether the whole text is one JSON value."""
    try:
        jsonenc.decode(text, keep_numbers=True)
    except jsonenc.JsonError:
        return False
    return True


STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_WORD: Final = re.compile(rb".[a-z]*", re.DOTALL)
_NUMBER: Final = re.compile(rb".[^\x00-\x20,\]}]*", re.DOTALL)
_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FIRST: Final = re.compile(rb'[\x00-\x20]*["{\[ntf+\-0-9iIN]')
VALUE: Final = re.compile(rb'["{\[ntf+\-0-9iIN]')
