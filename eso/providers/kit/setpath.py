"""Writes one text into a JSON document, or takes one member out, and leaves the rest of it as it is written.

Neighbours: a client's `push` and `delete` with a `property`; property.py reads. The path language is SJSON's: dots
separate, `\\` escapes, numbers index arrays, `-1` appends, a leading `:` makes a number a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig
from eso.values.gjsonpath import balanced
from eso.values.gjsonscan import STRING, VALUE, value_at

WILD: Final = b"|#@*?"
BLANKS: Final = bytes(range(0x21))
MOST_PADDING: Final = 1_000  # elements that a write may put before the one it sets
DEEPEST: Final = 64  # steps of a path
QUOTED: Final = re.compile(rb"[^\x20-\x7f]|[\"\\]")


@dataclass(frozen=True, slots=True)
class Step:
    name: bytes
    literal: bool = False  # a leading colon: what is made for it is a member, never an element

    @property
    def number(self) -> int | None:
        """The element that this step finds in an array; an empty step is 0."""
        return None if self.name.translate(None, b"0123456789") else int(self.name[:18] or b"0")

    @property
    def index(self) -> int | None:
        """The element that is made for this step."""
        return None if self.literal else self.number

    @property
    def last(self) -> bool:
        return self.name == b"-1" and not self.literal


def set_text(document: bytes, path: str, value: bytes) -> bytes:
    """`document` with the JSON string `value` at `path`; parents that are missing are made. An empty document becomes
    an object. Raises InvalidConfig for a path that cannot be written to."""
    steps = parsed(path)
    return _set(document, steps, quoted(value))


def remove(document: bytes, path: str) -> bytes | None:
    """`document` without what is at `path`; None when nothing is there. Raises InvalidConfig."""
    return _remove(document, parsed(path))


def parsed(path: str) -> list[Step]:
    """The steps of a path. Raises InvalidConfig for wildcards, queries and pipes: they name no place to write to."""
    if not path:
        raise InvalidConfig("path cannot be empty")
    rest = path.encode("utf-8", "surrogateescape")
    steps: list[Step] = []
    more = True
    while more:
        literal = rest.startswith(b":")
        name, rest, more = _step(rest[1:] if literal else rest, path)
        steps.append(Step(name, literal))
        if len(steps) > DEEPEST:
            raise InvalidConfig(f"the property has more than {DEEPEST} steps", fix="name the value by a shorter path")
    return steps


def _step(path: bytes, shown: str) -> tuple[bytes, bytes, bool]:
    """The first step's name, what follows it, and whether another step follows."""
    name = bytearray()
    at = 0
    while at < len(path):
        sign = path[at : at + 1]
        if sign == b".":
            return bytes(name), path[at + 1 :], True
        if sign in WILD:
            raise InvalidConfig(
                f"cannot write to the property {shown}: wildcard characters are not allowed in it",
                fix="put a backslash before the sign",
            )
        if sign == b"\\":
            at += 1
            sign = path[at : at + 1]
        name += sign
        at += 1
    return bytes(name), b"", False


def quoted(value: bytes) -> bytes:
    """A JSON string. HTML signs are escaped only beside something else that has to be, as in the reference."""
    return jsonenc.encode_string(value) if QUOTED.search(value) else b'"' + value + b'"'


def _set(document: bytes, steps: list[Step], text: bytes) -> bytes:
    found = located(document, steps[0])
    if found is not None:
        start, end = found
        inner = _set(document[start:end], steps[1:], text) if len(steps) > 1 else text
        return document[:start] + inner + document[end:]
    index = steps[0].index
    body = document.strip(BLANKS)
    if not body:
        return _padded(steps, text) if index is not None else b"{" + _built(steps, text, in_array=False) + b"}"
    if body[:1] == b"{":
        head = _open(body, b"}")
        comma = b"" if head[1:].strip(BLANKS) == b"" else b","
        return head + comma + _built(steps, text, in_array=False) + b"}"
    if body[:1] != b"[":  # a scalar is replaced
        return _set(b"[]" if index is not None else b"{}", steps, text)
    if index is None and not steps[0].last:
        name = steps[0].name.decode("utf-8", "replace")
        raise InvalidConfig(f"cannot set array element for non-numeric key '{name}'")
    if index is None:
        head = _open(body, b"]")
        comma = b"" if head[1:].strip(BLANKS) == b"" else b","
        return head + comma + _built(steps, text, in_array=True) + b"]"
    sources = [body[start:end] for _, start, end in _items(body)]
    sources += [b"null"] * (_bounded(index) - len(sources))
    return b"[" + b",".join([*sources, _built(steps, text, in_array=True)]) + b"]"


def _open(body: bytes, close: bytes) -> bytes:
    """An object or array without its closing bracket."""
    end = body.rfind(close)
    return body[:end] if end > 0 else body


def _padded(steps: list[Step], text: bytes) -> bytes:
    index = steps[0].index or 0
    return b"[" + b"null," * _bounded(index) + _built(steps, text, in_array=True) + b"]"


def _built(steps: list[Step], text: bytes, *, in_array: bool) -> bytes:
    """What stands at the first step: `"name":value` in an object, the value in an array."""
    inner = text
    for step in reversed(steps[1:]):
        index = step.index
        if index is not None or step.last:
            inner = b"[" + b"null," * _bounded(index or 0) + inner + b"]"
        else:
            inner = b"{" + quoted(step.name) + b":" + inner + b"}"
    return inner if in_array else quoted(steps[0].name) + b":" + inner


def _bounded(index: int) -> int:
    if index > MOST_PADDING:
        raise InvalidConfig(f"the property names an element beyond {MOST_PADDING}", fix="write a smaller index")
    return index


def _remove(document: bytes, steps: list[Step]) -> bytes | None:
    step = steps[0]
    found = None
    if step.last and document.lstrip(BLANKS)[:1] == b"[":
        items = list(_items(document))
        found = items[-1][1:] if items else None
    found = found or located(document, step)
    if found is None:
        return None
    start, end = found
    if len(steps) > 1:
        inner = _remove(document[start:end], steps[1:])
        return None if inner is None else document[:start] + inner + document[end:]
    before = _item_start(document, start)
    after = document[end:]
    if before > 0 and document[before - 1 : before] == b",":
        return document[: before - 1] + after
    rest = after.lstrip(BLANKS)
    return document[:before] + (rest[1:] if rest.startswith(b",") else after)


def _item_start(document: bytes, value: int) -> int:
    """Where the item whose value starts at `value` begins: after the comma or brace before it. Blanks before the first
    element of an array stay."""
    for key, start, _ in _items(document):
        if start == value:
            at = start if key is None else key
            head = document[:at].rstrip(BLANKS)
            return at if key is None and not head.endswith(b",") else len(head)
    return value


def located(document: bytes, step: Step) -> tuple[int, int] | None:
    """Where the value of a member, or an element, stands in `document`. Of equal names the first counts."""
    body = document.lstrip(BLANKS)[:1]
    if body == b"{":
        for key, start, end in _items(document):
            assert key is not None
            read = value_at(document, key)
            if read is not None and read[0].string == step.name:
                return start, end
    elif body == b"[" and (index := step.number) is not None and step.name:
        for place, (_, start, end) in enumerate(_items(document)):
            if place == index:
                return start, end
    return None


def _items(document: bytes) -> list[tuple[int | None, int, int]]:
    """Each item of an object or array: where its key starts (None in an array), where its value starts and ends."""
    at = len(document) - len(document.lstrip(BLANKS)) + 1
    is_object = document[at - 1 : at] == b"{"
    document = document[: balanced(document, at - 1)]  # what follows the first value does not count
    found: list[tuple[int | None, int, int]] = []
    while True:
        key = None
        if is_object:
            key = document.find(b'"', at)
            name = STRING.match(document, key) if key >= 0 else None
            if name is None:
                return found
            at = name.end()
        start = VALUE.search(document, at)
        read = value_at(document, start.start()) if start else None
        if start is None or read is None:
            return found
        found.append((key, start.start(), read[1]))
        at = read[1]
