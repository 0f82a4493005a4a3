"""What a JSONPath names in a decoded JSON document: the one value of a definite path, a list of all hits of any other.

Neighbours: jsonpathparse.py has the grammar. The answers are those of the reference's library; hits in an object come
in the order of the document. The work of one look-up is counted, because a path comes from a user and can ask for every
pair of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.template import gofmt
from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.world import WORLD
from eso.values.jsonpathparse import (
    Below,
    Called,
    Compared,
    Const,
    Every,
    Expression,
    Filter,
    Member,
    Negated,
    Path,
    Range,
    Script,
    Several,
    Step,
    Variable,
    as_number,
    parse,
    printed,
)

Value = jsonenc.Value
WORK_LIMIT: Final = 1_000_000
"""Values that one look-up may visit or compare, a microsecond each, beside one for each byte of the document."""
HIDDEN: Final = "***"
SELECTABLE: Final = "map[string]interface{} or []interface{}"
_PLAIN: Final = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z_0-9]*|\[(?:[0-9]+|\"[^\"\\]*\")\])*")


class PathFailed(EsoError):
    """The path finds nothing, or cannot be followed in this document. The text quotes the path, never the document."""


class PathRefused(EsoError):
    """The path asks for more work than a look-up may take; this is no "not found"."""


def plain(path: str) -> bool:
    """Whether following the path takes no longer than it is long: names and indices alone."""
    return _PLAIN.fullmatch(path) is not None


def get(document: Value, path: str, size: int) -> Value:
    """What `path` names. `size`: of the document, in bytes. Raises PathInvalid, PathFailed, PathRefused."""
    expression = parse(path)
    try:
        return _Look(document, WORK_LIMIT + size).value(expression, None)
    except RecursionError:
        raise PathRefused("the path or the document is nested too deeply") from None


class _Look:
    """One look-up. `left`: how much work it may still do."""

    def __init__(self, root: Value, left: int) -> None:
        self.root, self.left = root, left

    def spend(self, size: int = 1) -> None:
        self.left -= size
        if self.left < 0:
            raise PathRefused("the path asks for too much work", fix="name the value by a plainer path")

    def value(self, expression: Expression, current: Value) -> Value:
        """Raises PathFailed."""
        self.spend()
        match expression:
            case Const(value):
                return value
            case Path():
                return self.follow(expression, current)
            case Compared(left, right, equal):
                return self.same(self.value(left, current), self.value(right, current)) == equal
            case Negated(of):
                return -self.number(of, current, "unexpected {}({}) expected number")
            case Variable():
                return self.variable(expression, current)
            case Called(name, of):
                try:
                    found = self.variable(of, current)
                except PathFailed as error:
                    raise PathFailed(f"could not call function: {error}") from error
                raise PathFailed(f"could not call '{name}' type {go_type(found)}")

    # paths

    def follow(self, path: Path, current: Value) -> Value:
        """Where any step may hit many, what fails is left out, wherever it fails."""
        value = current if path.current else self.root
        if not all(isinstance(step, Member | Script) for step in path.steps):
            return self.hits([value], path.steps)
        for step in path.steps:
            assert isinstance(step, Member | Script)
            value = self.one(step, value)
        return value

    def hits(self, found: list[Value], steps: Iterable[Step]) -> list[Value]:
        for step in steps:
            hits: list[Value] = []
            for value in found:
                self.spend()
                if isinstance(step, Member | Script):
                    try:
                        hits.append(self.one(step, value))
                    except PathFailed:
                        continue
                else:
                    self.expand(step, value, hits)
            found = hits
        return found

    def one(self, step: Member | Script, value: Value) -> Value:
        return self.value(step.of, value) if isinstance(step, Script) else self.member(step.key, value)

    def expand(self, step: Step, value: Value, hits: list[Value]) -> None:
        match step:
            case Every():
                hits += self.children(value)
            case Below():
                self.descend(value, hits)
            case Several(keys):
                for key in keys:
                    try:
                        hits.append(self.member(key, value))
                    except PathFailed:
                        continue
            case Filter(condition):
                hits += [child for child in self.children(value) if self.holds(condition, child)]
            case Range() if isinstance(value, list):
                hits += self.between(step, value)

    def children(self, value: Value) -> list[Value]:
        found = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        self.spend(len(found))
        return found

    def descend(self, value: Value, hits: list[Value]) -> None:
        """The value, then what is in it, from the outside in."""
        waiting = [value]
        while waiting:
            value = waiting.pop()
            hits.append(value)
            waiting += reversed(self.children(value))

    def member(self, key: Expression, value: Value) -> Value:
        self.spend()
        match value:
            case list():
                index = whole(self.key_number(key, value))
                if not 0 <= index < len(value):
                    raise PathFailed(f"index {index if constant(key) else HIDDEN} out of bounds")
                return value[index]
            case dict():
                name = self.text(key, value)
                if name not in value:
                    raise PathFailed(f"unknown key {name.decode('utf-8', 'replace') if constant(key) else HIDDEN}")
                return value[name]
        raise PathFailed(f"unsupported value type {go_type(value)} for select, expected {SELECTABLE}")

    def key_number(self, key: Expression, current: Value) -> float:
        try:
            return self.number(key, current)
        except PathFailed as error:
            raise PathFailed(f"could not select value, invalid key: {error}") from error

    def between(self, step: Range, value: list[Value]) -> list[Value]:
        try:
            start, stop, by = (whole(self.number(part, value)) for part in (step.start, step.stop, step.step))
        except PathFailed:
            return []
        if start > stop:
            return []
        start, stop = within(start, len(value)), within(stop, len(value))
        found = value[start:stop:by] if by > 0 else value[start:stop][:: by or 1]
        self.spend(stop - start if stop > start else 0)
        return found

    # expressions

    def holds(self, condition: Expression, current: Value) -> bool:
        """Whether the condition is true, or a text or number that says so; anything else does not hold."""
        try:
            value = self.value(condition, current)
        except PathFailed:
            return False
        if value in (b"true", b"TRUE") or value is True:
            return True
        if value is None or value is False or value in (b"false", b"FALSE"):
            return False
        found = as_number(value)
        return found is not None and found != 0

    def number(self, expression: Expression, current: Value, fault: str = "expected number but got {} ({})") -> float:
        value = self.value(expression, current)
        found = as_number(value)
        if found is None:
            shown = printed(value) if constant(expression) else HIDDEN
            raise PathFailed(fault.format(shown, go_type(value)))
        return found

    def text(self, expression: Expression, current: Value) -> bytes:
        """A value as Go prints it."""
        try:
            value = self.value(expression, current)
        except PathFailed as error:
            raise PathFailed(f"could not select value, invalid key: {error}") from error
        return self.as_text(value)

    def as_text(self, value: Value) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            made = gofmt.plain(Budget(PRINTING, WORLD), value)
        except BoundsExceeded as error:
            raise PathRefused("the path makes a key of a value that is too large") from error
        self.spend(len(made))
        return made

    def variable(self, variable: Variable, current: Value) -> Value:
        names = [self.as_text(self.value(key, current)) for key in variable.keys]
        value = self.root
        for at, name in enumerate(names):
            match value:
                case dict():
                    value = value.get(name)
                case list():
                    if (index := decimal(name)) is not None and index < len(value):
                        value = value[index]
                case _:
                    shown = [
                        word.decode("utf-8", "replace") if constant(key) else HIDDEN
                        for word, key in zip(names[: at + 1], variable.keys, strict=False)
                    ]
                    raise PathFailed(f"unknown parameter {'.'.join(shown)}")
        return value

    def same(self, left: Value, right: Value) -> bool:
        """Equal in type and value, all the way down."""
        self.spend()
        match left, right:
            case list(), list():
                return len(left) == len(right) and all(map(self.same, left, right))
            case dict(), dict():
                return left.keys() == right.keys() and all(self.same(left[name], right[name]) for name in left)
            case bytes(), bytes():
                self.spend(len(left) >> 8)
                return left == right
        return type(left) is type(right) and left == right


PRINTING: Final = Limits(steps=100_000, output_bytes=1 << 20)


def constant(expression: Expression) -> bool:
    """Whether a text may quote its value: it stands in the path as it is."""
    return isinstance(expression, Const)


def whole(number: float) -> int:
    """Go's conversion: what does not fit becomes the smallest integer."""
    return int(number) if -(2.0**63) <= number < 2.0**63 else -(1 << 63)


def within(index: int, length: int) -> int:
    return max(0, length + index) if index < 0 else min(index, length)


def decimal(name: bytes) -> int | None:
    return int(name) if re.fullmatch(rb"\+?[0-9]{1,18}", name) else None


def go_type(value: Value) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case bytes():
            return "string"
        case list():
            return "[]interface {}"
        case dict():
            return "map[string]interface {}"
    return "float64"
