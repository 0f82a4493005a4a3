"""JSON in and out: the walk over template values; sorted keys, types that JSON lacks.

Neighbours: gocompat.jsonenc reads texts and writes strings and floats; yamls.py writes the same tree as YAML. The walk
keeps its own stack, so that deep or cyclic values end in a limit.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from eso.gocompat import jsonenc
from eso.gocompat import text as gotext
from eso.gocompat.jsonenc import JsonError
from eso.template.bounds import Budget
from eso.template.functions.common import ELEMENT
from eso.template.functions.dates import Time
from eso.template.functions.semver import Version
from eso.template.gofmt import NAMED
from eso.template.values import ByteList, FunctionError, Opaque, Param, Table, Value, is_nil, type_name

TABLE = Table()
ANY, STRING = Param.ANY, Param.STRING
_PLAIN = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\<>&\x7f')
"""Bytes that stand for themselves in a JSON string of valid text; others may take six."""


# --- out


def encode(budget: Budget, value: Value, *, html: bool = True, indent: bytes = b"") -> bytes:
    """The JSON text of a value. Raises FunctionError for what JSON cannot hold, BoundsExceeded for what is too deep or
    too large."""
    out: list[bytes] = []
    open_containers: list[tuple[Iterator[Value], dict[bytes, Value] | None]] = []
    _write(budget, out, value, open_containers, html)
    while open_containers:
        items, source = open_containers[-1]
        item = next(items, _END)
        depth = len(open_containers)
        if item is _END:
            open_containers.pop()
            if indent:
                out.append(b"\n" + indent * (depth - 1))
            out.append(b"]" if source is None else b"}")
            continue
        if out[-1] not in (b"[", b"{"):
            out.append(b",")
        if indent:
            budget.check_size(1 + len(indent) * depth)
            out.append(b"\n" + indent * depth)
        if source is not None:
            out.append(_text(budget, item, html) + (b": " if indent else b":"))
            item = source[item]
        budget.deeper(depth)
        _write(budget, out, item, open_containers, html)
    return b"".join(out)


_END: Value = object()


def _write(
    budget: Budget,
    out: list[bytes],
    value: Value,
    open_containers: list[tuple[Iterator[Value], dict[bytes, Value] | None]],
    html: bool,
) -> None:
    """Appends a scalar, or opens a container for the caller to fill."""
    budget.spend()
    budget.check_size(ELEMENT)
    if isinstance(value, dict) and value:
        out.append(b"{")
        open_containers.append((iter(sorted(value)), value))
    elif isinstance(value, dict):
        out.append(b"{}")
    elif is_nil(value):
        out.append(b"null")
    elif isinstance(value, ByteList):
        out.append(b'"' + b64encode(bytes(value)) + b'"')
    elif isinstance(value, list) and value:
        out.append(b"[")
        open_containers.append((iter(value), None))
    elif isinstance(value, list):
        out.append(b"[]")
    elif isinstance(value, Opaque) and not isinstance(value, Time | Version):
        fields = {name.encode(): field for name, field in value.fields()}
        out.append(b"{" if fields else b"{}")
        if fields:
            open_containers.append((iter(fields), fields))
    else:
        out.append(_scalar(budget, value, html))


def _scalar(budget: Budget, value: Value, html: bool) -> bytes:
    match value:
        case bytes():
            return _text(budget, value, html)
        case bool():
            return b"true" if value else b"false"
        case int():
            return b"%d" % value
        case float():
            return _number(value)
        case Time():
            budget.spend(NAMED)
            return b'"' + value.json() + b'"'
        case Version():
            return jsonenc.encode_string(value.text(), escape_html=html)
    raise FunctionError(f"json: unsupported type: {type_name(value)}")


def _number(value: float) -> bytes:
    try:
        return jsonenc.encode_float(value).encode()
    except JsonError as error:
        raise FunctionError(str(error)) from None


def _text(budget: Budget, text: bytes, html: bool) -> bytes:
    special = len(text.translate(None, _PLAIN))
    budget.spend(len(text) // (64 if text.isascii() else 8) + special // 2)
    if not text.isascii() and gotext.runes(text).count("\ufffd"):
        special = len(text)  # each invalid byte becomes six
    budget.check_size(len(text) + 5 * special)
    return jsonenc.encode_string(text, escape_html=html)


@TABLE.function("mustToJson", params=(ANY,), budget=True)
def must_to_json(budget: Budget, value: Value) -> bytes:
    return encode(budget, value)


@TABLE.function("toJson", params=(ANY,), budget=True)
def to_json(budget: Budget, value: Value) -> bytes:
    """Empty for what JSON cannot hold."""
    try:
        return encode(budget, value)
    except FunctionError:
        return b""


@TABLE.function("toRawJson", "mustToRawJson", params=(ANY,), budget=True)
def to_raw_json(budget: Budget, value: Value) -> bytes:
    return encode(budget, value, html=False)


@TABLE.function("mustToPrettyJson", params=(ANY,), budget=True)
def must_to_pretty_json(budget: Budget, value: Value) -> bytes:
    return encode(budget, value, indent=b"  ")


@TABLE.function("toPrettyJson", params=(ANY,), budget=True)
def to_pretty_json(budget: Budget, value: Value) -> bytes:
    try:
        return encode(budget, value, indent=b"  ")
    except FunctionError:
        return b""


# --- in


def decode(budget: Budget, text: bytes) -> Value:
    """The value of a JSON text; every number a float64, the last of equal keys wins. Raises JsonError."""
    # Ahead of the parser: small containers take many times their text.
    budget.spend(jsonenc.parts(text))
    containers = text.count(b",") + text.count(b"[") + text.count(b"{")
    budget.check_size(len(text) + 5 * ELEMENT * containers)
    return jsonenc.decode(text)


@TABLE.function("mustFromJson", params=(STRING,), budget=True)
def must_from_json(budget: Budget, text: bytes) -> Value:
    try:
        return decode(budget, text)
    except JsonError as error:
        raise FunctionError(str(error), told=error.redacted) from None


@TABLE.function("fromJson", params=(STRING,), budget=True)
def from_json(budget: Budget, text: bytes) -> Value:
    """nil for anything malformed."""
    try:
        return decode(budget, text)
    except JsonError:
        return None
