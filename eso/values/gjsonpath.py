"""The grammar of GJSON paths: one step of a path, queries, multipaths and pipes, each cut off the front of the text.

Neighbours: gjson.py walks documents by these steps. Nothing here looks at a document; a malformed path is never an
error, it names nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MODIFIERS: Final = frozenset(
    (
        b"pretty",
        b"ugly",
        b"reverse",
        b"this",
        b"flatten",
        b"join",
        b"valid",
        b"keys",
        b"values",
        b"tostr",
        b"fromstr",
        b"group",
        b"dig",
    )
)
_BLANKS: Final = bytes(range(33))
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_OPERATOR: Final = re.compile(rb"==?|!=|!%|<=|>=|[<>%!]")


@dataclass(frozen=True, slots=True)
class MemberStep:
    """One member of an object: `name` to compare, or a glob when `wild`. `rest` goes on below it; `pipe` goes on with
    the result."""

    name: bytes
    wild: bool = False
    rest: bytes | None = None
    pipe: bytes | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """`#(path operator value)`: the first element that holds it, or `every` one."""

    path: bytes = b""
    operator: bytes = b""
    value: bytes = b""
    every: bool = False


@dataclass(frozen=True, slots=True)
class ElementStep:
    """One element of an array, by `index`; or, with a `#`, a query, a path for `each` element, or (`counts`) the number
    of elements."""

    index: int | None = None
    counts: bool = False
    each: bytes | None = None
    query: Query | None = None
    rest: bytes | None = None
    pipe: bytes | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """One part of a multipath; `name` is empty where none was written."""

    name: bytes
    path: bytes


def member_step(path: bytes) -> MemberStep:
    name, wild, escaped, at = bytearray(), False, False, 0
    while at < len(path):
        byte = path[at : at + 1]
        if byte == b"|":
            return MemberStep(bytes(name), wild, pipe=path[at + 1 :])
        if byte == b".":
            rest = path[at + 1 :]
            return (
                MemberStep(bytes(name), wild, pipe=rest)
                if _starts_anew(rest)
                else MemberStep(bytes(name), wild, rest=rest)
            )
        if byte == b"\\":
            at, escaped = at + 1, True
            byte = path[at : at + 1]
        elif byte in (b"*", b"?"):
            wild = True
        name += byte
        at += 1
    return MemberStep(bytes(name) if escaped else path, wild)


def element_step(path: bytes) -> ElementStep:
    hashed, query, each, at = False, None, None, 0
    while at < len(path):
        byte = path[at : at + 1]
        if byte in (b"|", b"."):
            rest = path[at + 1 :]
            piped = byte == b"|" or (not hashed and _starts_anew(rest))
            return _element(path[:at], hashed, query, each, rest=None if piped else rest, pipe=rest if piped else None)
        if byte == b"#":
            hashed = True
            if at == 0 and path[1:2] == b".":
                each = path[2:]
            elif at == 0 and path[1:2] in (b"(", b"["):
                parsed = _query(path)
                if parsed is None:
                    return ElementStep(query=Query())
                query, at = parsed
                continue
        at += 1
    return _element(path, hashed, query, each)


def split_pipe(path: bytes) -> tuple[bytes, bytes | None]:
    """What stands before and behind the first pipe of `path`, queries and escapes left whole; None without a pipe."""
    if b"|" not in path:
        return path, None
    if path.startswith(b"{"):
        end = balanced(path, 0)
        return (path[:end], path[end + 1 :]) if path[end : end + 1] == b"|" else (path, None)
    at = 0
    while at < len(path):
        byte = path[at : at + 1]
        if byte == b"|":
            return path[:at], path[at + 1 :]
        if byte == b"." and path[at + 1 : at + 2] == b"#" and path[at + 2 : at + 3] in (b"(", b"["):
            at = balanced(path, at + 2)
        elif byte == b"." and path[at + 1 : at + 2] == b"#":
            at += 3
        else:
            at += 2 if byte == b"\\" else 1
    return path, None


def selections(path: bytes) -> tuple[list[Selection], bytes] | None:
    """The parts of a multipath `[a,b]` or `{"name":a,b}` at the front of `path`, and what follows; None when it is not
    closed."""
    found: list[Selection] = []
    depth, start, colon, modified, at = 1, 1, 0, False, 1
    while at < len(path):
        byte = path[at : at + 1]
        if byte == b"\\":
            at += 1
        elif byte == b"@" and path[at - 1 : at] in (b".", b"|"):
            modified = True
        elif byte == b":" and not modified and not colon and depth == 1:
            colon = at
        elif byte == b'"':
            at = string_end(path, at) - 1
        elif byte in (b"[", b"(", b"{"):
            depth += 1
        elif byte in (b"]", b")", b"}"):
            depth -= 1
        if (byte == b"," and depth == 1) or (depth == 0 and byte != b"\\"):
            found.append(Selection(path[start:colon] if colon else b"", path[colon + 1 if colon else start : at]))
            if depth == 0:
                return found, path[at + 1 :]
            start, colon, modified = at + 1, 0, False
        at += 1
    return None


def last_name(path: bytes) -> bytes:
    """The last component, by which a part of an object multipath without a name is called; `_` when it is not a plain
    one."""
    end = len(path)
    for at in range(len(path) - 1, -1, -1):
        if path[at : at + 1] in (b"|", b".") and (at == 0 or path[at - 1 : at] != b"\\"):
            name = path[at + 1 : end]
            break
    else:
        name = path
    return b"_" if any(byte < 0x20 or byte in b"[]{}()#|!" for byte in name) else name


def modifier(path: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Name, argument and the rest of the path of `@name:argument` at the front; None when there is no such modifier."""
    name, sign, rest = _up_to(path[1:], b":|.")
    if name not in MODIFIERS:
        return None
    if sign != b":":
        return name, b"", sign + rest
    if rest[:1] in (b"{", b"[", b'"'):
        end = balanced(rest, 0)
        return name, rest[:end], rest[end:]
    at = 0
    while at < len(rest) and rest[at : at + 1] != b"|":
        at = balanced(rest, at) if rest[at : at + 1] in (b"{", b"[", b'"', b"(") else at + 1
    return name, rest[:at], rest[at:]


def balanced(text: bytes, at: int) -> int:
    """Where the bracket or string that opens at `at` ends; the end of the text when it is never closed."""
    if text[at : at + 1] == b'"':
        return string_end(text, at)
    depth = 0
    for found in _BRACKET.finditer(text, at):
        if found[0][:1] == b'"':
            if len(found[0]) == 1:
                break  # a string that is not closed
            continue
        depth += 1 if found[0] in (b"{", b"[", b"(") else -1
        if depth == 0:
            return found.end()
    return len(text)


def string_end(text: bytes, at: int) -> int:
    found = _STRING.match(text, at)
    return found.end() if found else len(text)


_BRACKET: Final = re.compile(rb'"(?:(?:[^"\\]|\\.)*+")?|[{\[()\]}]', re.DOTALL)


def _element(
    part: bytes,
    hashed: bool,
    query: Query | None,
    each: bytes | None,
    rest: bytes | None = None,
    pipe: bytes | None = None,
) -> ElementStep:
    index = int(part) if not hashed and part.isdigit() and len(part) < 20 else None
    counts = hashed and part == b"#"
    return ElementStep(index, counts, each if counts else None, query, rest, pipe)


def _starts_anew(rest: bytes) -> bool:
    """Behind a dot: a modifier or a multipath takes the result, as behind a pipe."""
    return rest[:1] in (b"[", b"{") or (rest[:1] == b"@" and _up_to(rest[1:], b".|:")[0] in MODIFIERS)


def _query(path: bytes) -> tuple[Query, int] | None:
    """The query at the front of `path`, and where the step goes on."""
    depth, operator, escaped, at = 1, 0, False, 2
    while at < len(path):
        byte = path[at : at + 1]
        if depth == 1 and not operator and byte in (b"!", b"=", b"<", b">", b"%"):
            operator = at
        elif byte == b"\\":
            at += 1
        elif byte in (b"(", b"["):
            depth += 1
        elif byte in (b")", b"]"):
            depth -= 1
            if depth == 0:
                break
        elif byte == b'"':
            end = string_end(path, at)
            escaped |= b"\\" in path[at:end]
            at = end - 1
        at += 1
    if depth:
        return None
    every = path[at + 1 : at + 2] == b"#"
    if not operator:
        return Query(path[2:at].strip(_BLANKS), every=every), at + 1
    right = path[operator:at].strip(_BLANKS)
    sign = _OPERATOR.match(right)
    assert sign is not None
    value = right[sign.end() :].strip(_BLANKS)
    if len(value) >= 2 and value[:1] == b'"' and value[-1:] == b'"':
        value = unescape(value[1:-1]) if escaped else value[1:-1]
    return Query(path[2:operator].strip(_BLANKS), sign[0].replace(b"==", b"="), value, every), at + 1


def _up_to(text: bytes, signs: bytes) -> tuple[bytes, bytes, bytes]:
    for at, byte in enumerate(text):
        if byte in signs:
            return text[:at], text[at : at + 1], text[at + 1 :]
    return text, b"", b""


_ESCAPES: Final = {
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b'"': b'"',
}
_PLAIN_RUN: Final = re.compile(rb"[^\\\x00-\x1f]*")
_HEX: Final = re.compile(rb"[0-9a-fA-F]{4}")


def unescape(text: bytes) -> bytes:
    """The inside of a JSON string; it ends where an escape or a character is not allowed."""
    out, at = [], 0
    while at < len(text):
        run = _PLAIN_RUN.match(text, at)
        assert run is not None
        out.append(run[0])
        at = run.end()
        if text[at : at + 1] != b"\\":
            break
        sign = text[at + 1 : at + 2]
        if sign == b"u" and at + 6 <= len(text):
            code, at = _unit(text, at + 2), at + 6
            if 0xD800 <= code < 0xE000 and text[at : at + 2] == b"\\u" and at + 6 <= len(text):
                code, at = _pair(code, _unit(text, at + 2)), at + 6
            out.append(("\ufffd" if 0xD800 <= code < 0xE000 else chr(code)).encode())
        elif sign in _ESCAPES:
            out.append(_ESCAPES[sign])
            at += 2
        else:
            break
    return b"".join(out)


def _unit(text: bytes, at: int) -> int:
    digits = _HEX.match(text, at)
    return int(digits[0], 16) if digits else 0


def _pair(high: int, low: int) -> int:
    valid = 0xD800 <= high < 0xDC00 <= low < 0xE000
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00) if valid else 0xFFFD
