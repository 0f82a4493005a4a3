"""The `@` functions of GJSON paths: text in, text out.

Neighbours: gjson.py calls `apply` and lends its look-up to `@dig`. Everything keeps the source text of what it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eso.gocompat import jsonenc
from eso.values import gjsonpath, gjsonscan
from eso.values.gjsonscan import Found, Kind, Work

_BLANKS: Final = bytes(range(33))


Look = Callable[[bytes, bytes, Work], Found]


def apply(name: bytes, document: bytes, argument: bytes, work: Work, look: Look) -> bytes:
    """`name` is one of gjsonpath.MODIFIERS; `look` finds a path in a document. Raises PathRefused."""
    if name == b"dig":
        return _dig(document, argument, work, look)
    return _MODIFIERS[name](document, argument, work)


def _this(document: bytes, _argument: bytes, _work: Work) -> bytes:
    return document


def _valid(document: bytes, _argument: bytes, _work: Work) -> bytes:
    return document if gjsonscan.valid(document) else b""


def _ugly(document: bytes, _argument: bytes, _work: Work) -> bytes:
    """No blanks outside strings."""
    out, at = [], 0
    while at < len(document):
        quote = document.find(b'"', at)
        end = len(document) if quote < 0 else quote
        out.append(document[at:end].translate(None, _BLANKS))
        if quote < 0:
            break
        at = gjsonpath.string_end(document, quote)
        out.append(document[quote:at])
    return b"".join(out)


def _reverse(document: bytes, _argument: bytes, work: Work) -> bytes:
    value = gjsonscan.parse(document)
    if _is(value, b"["):
        return _array([item.raw for _, item in gjsonscan.items(value, work)][::-1])
    if _is(value, b"{"):
        return _object([(key.raw, item.raw) for key, item in gjsonscan.items(value, work)][::-1])
    return document


def _flatten(document: bytes, argument: bytes, work: Work) -> bytes:
    """Arrays inside an array give their elements; with `{"deep":true}` at any depth."""
    value = gjsonscan.parse(document)
    if not _is(value, b"["):
        return document
    deep = _option(argument, b"deep", work)
    out = []
    for _, item in gjsonscan.items(value, work):
        raw = item.raw
        if _is(item, b"["):
            work.spend(len(raw))
            raw = _unwrapped(_flatten(raw, argument, work) if deep else raw)
        if raw := raw.strip(b" \t\n\v\f\r"):
            out.append(raw)
    return _array(out)


def _join(document: bytes, argument: bytes, work: Work) -> bytes:
    """An array of objects as one object; later members win, unless `{"preserve":true}` keeps all."""
    value = gjsonscan.parse(document)
    if not _is(value, b"["):
        return document
    objects = [item for _, item in gjsonscan.items(value, work) if _is(item, b"{")]
    if _option(argument, b"preserve", work):
        return b"{" + b",".join(_unwrapped(item.raw) for item in objects) + b"}"
    members: dict[bytes, tuple[bytes, bytes]] = {}
    for item in objects:
        for key, member in gjsonscan.items(item, work):
            first, _ = members.get(key.string, (key.raw, b""))
            members[key.string] = (first, member.raw)
    return _object(list(members.values()))


def _keys(document: bytes, _argument: bytes, work: Work) -> bytes:
    value = gjsonscan.parse(document)
    named = _is(value, b"{")
    return _array([key.raw if named else b"null" for key, _ in gjsonscan.items(value, work)])


def _values(document: bytes, _argument: bytes, work: Work) -> bytes:
    value = gjsonscan.parse(document)
    return document if _is(value, b"[") else _array([item.raw for _, item in gjsonscan.items(value, work)])


def _to_string(document: bytes, _argument: bytes, _work: Work) -> bytes:
    return jsonenc.encode_string(document)


def _from_string(document: bytes, _argument: bytes, _work: Work) -> bytes:
    return gjsonscan.parse(document).text() if gjsonscan.valid(document) else b""


def _group(document: bytes, _argument: bytes, work: Work) -> bytes:
    """An object of arrays as an array of objects."""
    value = gjsonscan.parse(document)
    if not _is(value, b"{"):
        return b""
    rows: list[list[tuple[bytes, bytes]]] = []
    for key, column in gjsonscan.items(value, work):
        if not _is(column, b"["):
            continue
        for index, (_, item) in enumerate(gjsonscan.items(column, work)):
            work.spend(len(key.raw))
            if index == len(rows):
                rows.append([])
            rows[index].append((key.raw, item.raw))
    return _array([_object(row) for row in rows])


def _dig(document: bytes, argument: bytes, work: Work, look: Look) -> bytes:
    """What the path in the argument names, in the value and in everything below it."""
    found: list[bytes] = []

    def descend(value: Found) -> None:
        hit = look(value.raw, argument, work)
        if hit.exists:
            found.append(hit.raw)
        if value.kind == Kind.JSON:
            for _, item in gjsonscan.items(value, work):
                descend(item)

    descend(gjsonscan.parse(document))
    return _array(found)


@dataclass(frozen=True, slots=True)
class _Style:
    width: int = 80
    prefix: bytes = b""
    indent: bytes = b"  "
    sort_keys: bool = False


def _pretty(document: bytes, argument: bytes, work: Work) -> bytes:
    """One member a line; arrays without objects on one line where they fit."""
    value = gjsonscan.parse(document)
    if value.kind == Kind.JSON:
        value = Found(Kind.JSON, value.raw[: gjsonpath.balanced(value.raw, 0)])  # without what follows it
    style = _style(argument, work)
    text = style.prefix + _laid_out(value, style, 0, len(style.prefix), work)
    return text + b"\n" if text else b""


def _laid_out(value: Found, style: _Style, depth: int, column: int, work: Work) -> bytes:
    if value.kind != Kind.JSON:
        return value.raw
    members = list(gjsonscan.items(value, work))
    opening, closing = (b"{", b"}") if _is(value, b"{") else (b"[", b"]")
    if not members:
        return opening + closing
    room = style.width - column
    if opening == b"[" and style.width > 0 and room > 3 and (line := _on_one_line(value, room, work)) is not None:
        return line
    if opening == b"{" and style.sort_keys:
        members.sort(key=lambda member: member[0].string)
    line_start = b"\n" + style.prefix + style.indent * (depth + 1)
    work.spend(len(line_start) * len(members))
    out = []
    for key, item in members:
        head = line_start + (key.raw + b": " if opening == b"{" else b"")
        out.append(head + _laid_out(item, style, depth + 1, len(head), work))
    return opening + b",".join(out) + b"\n" + style.prefix + style.indent * depth + closing


def _on_one_line(value: Found, room: int, work: Work) -> bytes | None:
    parts, length = [], 2
    if length > room:
        return None
    for _, item in gjsonscan.items(value, work):
        if _is(item, b"{"):
            return None
        part = _on_one_line(item, room - length, work) if item.kind == Kind.JSON else item.raw
        if part is None:
            return None
        parts.append(part)
        length += len(part) + (2 if len(parts) > 1 else 0)
        if length > room:
            return None
    return b"[" + b", ".join(parts) + b"]"


def _style(argument: bytes, work: Work) -> _Style:
    options = {key.string: value for key, value in gjsonscan.items(gjsonscan.parse(argument), work)}
    return _Style(
        width=_integer(options[b"width"].number) if b"width" in options else 80,
        prefix=_only_blanks(options.get(b"prefix"), b""),
        indent=_only_blanks(options.get(b"indent"), b"  "),
        sort_keys=b"sortKeys" in options and gjsonscan.truth(options[b"sortKeys"]),
    )


def _integer(number: float) -> int:
    """Go's conversion: what does not fit becomes the smallest integer."""
    return int(number) if -(2.0**63) <= number < 2.0**63 else -(1 << 63)


def _only_blanks(value: Found | None, otherwise: bytes) -> bytes:
    return otherwise if value is None else bytes(byte for byte in value.text() if byte in b" \t\n\r")


def _option(argument: bytes, name: bytes, work: Work) -> bool:
    return any(
        key.string == name and gjsonscan.truth(value) for key, value in gjsonscan.items(gjsonscan.parse(argument), work)
    )


def _is(value: Found, opening: bytes) -> bool:
    return value.kind == Kind.JSON and value.raw.startswith(opening)


def _unwrapped(raw: bytes) -> bytes:
    raw = raw.strip(_BLANKS)
    return raw[1:-1] if raw[:1] in (b"[", b"{") else raw


def _array(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def _object(members: list[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(key + b":" + value for key, value in members) + b"}"


_MODIFIERS: Final[dict[bytes, Callable[[bytes, bytes, Work], bytes]]] = {
    b"pretty": _pretty,
    b"ugly": _ugly,
    b"reverse": _reverse,
    b"this": _this,
    b"flatten": _flatten,
    b"join": _join,
    b"valid": _valid,
    b"keys": _keys,
    b"values": _values,
    b"tostr": _to_string,
    b"fromstr": _from_string,
    b"group": _group,
}
