"""JSON as Go reads and writes it: sorted keys, HTML escapes, double-precision numbers, Go's error texts; strings are
bytes.

Neighbours: values.jsonmap and values.rewrite, template functions, providers. Well-formed text takes a fast decoder;
what that refuses is read once more here, by Go's rules (invalid UTF-8 and lone surrogates become U+FFFD) and for Go's
error text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

import orjson

from eso.errors import Terminal
from eso.gocompat import text as gotext

MAX_DEPTH: Final = 200


class Number(str):
    """A number kept as its text: written again as it was read."""

    __slots__ = ()


Value: TypeAlias = "bool | int | float | Number | bytes | list[Value] | dict[bytes, Value] | None"


class JsonError(Terminal, ValueError):
    """Go's text. It may quote one character of the input: where the input is a secret, show `redacted` instead."""

    def __init__(self, message: str, redacted: str = "") -> None:
        super().__init__(message)
        self.redacted = redacted or message


def decode(document: bytes, *, keep_numbers: bool = False) -> Value:
    """One JSON value. Numbers are floats, or `Number` where `keep_numbers`; of equal keys the last wins. Raises
    JsonError."""
    try:
        if too_deep(document):
            pass  # the stock decoders would recurse
        elif keep_numbers:
            return _own(
                json.loads(document.decode(), parse_float=Number, parse_int=Number, parse_constant=_no_constant),
                MAX_DEPTH,
            )
        elif not _NEGATIVE_ZERO.search(document):
            return _own(orjson.loads(document), MAX_DEPTH)
    except (ValueError, RecursionError):
        pass
    return _Reader(document, keep_numbers).whole()


def parts(document: bytes) -> int:
    """About how many values the text has, and one for each 64 bytes: what decoding it costs, in microseconds."""
    signs = document.count(b",") + document.count(b"[") + document.count(b"{") + document.count(b"\\") // 2
    return 1 + signs + len(document) // 64


def too_deep(document: bytes) -> bool:
    """Whether objects and arrays are nested deeper than is read here."""
    if document.count(b"[") + document.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _NESTING.finditer(document):
        depth += _STEPS.get(token[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def members(document: bytes) -> dict[bytes, bytes]:
    """The members of the one JSON object in `document`, each with the source text of its value; `null` has none. Raises
    JsonError."""
    return _Reader(document, keep_numbers=True).members()


def encode(
    value: object, *, escape_html: bool = True, indent: str = "", default: Callable[[object], object] | None = None
) -> bytes:
    """Compact JSON, or one item per line where there is an `indent`. `escape_html` writes `<`, `>`, `&` as `\\u003c`
    and so on.

    `default` turns a value of another type into an encodable one. Raises JsonError (NaN, infinities, other types,
    depth).
    """
    out: list[bytes] = []
    try:
        _Writer(out, escape_html, indent.encode(), default).write(value, 0)
    except RecursionError:
        raise JsonError("exceeded max depth") from None
    return b"".join(out)


def encode_string(value: bytes, *, escape_html: bool = True) -> bytes:
    """A JSON string: valid text raw, invalid bytes as `\\ufffd`."""
    safe, special = _HTML if escape_html else _PLAIN
    if safe.fullmatch(value):
        return b'"' + value + b'"'
    return b'"' + special.sub(_escape, value.decode("utf-8", "surrogateescape")).encode() + b'"'


def encode_float(value: float) -> str:
    """Shortest digits; plain from 1e-6 up to 1e21, else with an exponent that has no padding. Raises JsonError for NaN
    and infinities."""
    if math.isfinite(value):
        size = abs(value)
        if value == 0 or 1e-6 <= size < 1e21:
            return gotext.format_float(value, "f") if size >= 1e16 or size < 1e-4 else repr(value).removesuffix(".0")
        return gotext.format_float(value, "e").replace("e-0", "e-")
    raise JsonError(f"json: unsupported value: {gotext.format_float(value)}")


# --- reading

# the fast decoder reads it as the integer 0 and drops the sign
_NEGATIVE_ZERO: Final = re.compile(rb"(?:^|[\[,:\s])-0(?![.\deE])")
_NESTING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_RUN: Final = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX4: Final = re.compile(rb"[0-9a-fA-F]{0,4}")
_ESCAPES: Final = {0x22: '"', 0x5C: "\\", 0x2F: "/", 0x62: "\b", 0x66: "\f", 0x6E: "\n", 0x72: "\r", 0x74: "\t"}
_LITERALS: Final[dict[int, tuple[bytes, bool | None]]] = {
    0x74: (b"true", True),
    0x66: (b"false", False),
    0x6E: (b"null", None),
}


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _own(value: object, depth: int) -> Value:
    """What a stock decoder returned, with bytes for text and floats for numbers."""
    if isinstance(value, str):
        return value if isinstance(value, Number) else value.encode()
    if isinstance(value, dict):
        if not depth:
            raise ValueError("depth")
        return {key.encode(): _own(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        if not depth:
            raise ValueError("depth")
        return [_own(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool):
        return value
    assert isinstance(value, (int, float))
    return float(value)


class _Reader:
    """Reads like Go's scanner: the error is the first byte that cannot be."""

    def __init__(self, document: bytes, keep_numbers: bool) -> None:
        self.document, self.at, self.keep_numbers = document, 0, keep_numbers
        self.out_of_range = False

    def whole(self) -> Value:
        self._skip_space()
        value = self._value(0)
        self._end()
        return value

    def members(self) -> dict[bytes, bytes]:
        self._skip_space()
        found: dict[bytes, bytes] = {}
        if self._peek() == 0x7B:
            self._object(0, found)
            self._end()
            return found
        value = self._value(0)
        self._end()
        if value is None:
            return found
        raise mismatch(value, "map[string]json.RawMessage")

    def _end(self) -> None:
        self._skip_space()
        if self.at < len(self.document):
            raise self._invalid("after top-level value")
        if self.out_of_range:
            raise JsonError("json: cannot unmarshal number into Go value of type float64")

    def _value(self, depth: int) -> Value:
        byte = self._peek()
        if byte == 0x22:
            return self._string()
        if byte == 0x7B:
            return self._object(depth, None)
        if byte == 0x5B:
            return self._array(depth)
        if byte == 0x2D or 0x30 <= byte <= 0x39:
            return self._number()
        if byte in _LITERALS:
            return self._literal(*_LITERALS[byte])
        raise self._invalid("looking for beginning of value")

    def _object(self, depth: int, sources: dict[bytes, bytes] | None) -> dict[bytes, Value]:
        self._enter(depth)
        found: dict[bytes, Value] = {}
        if self._peek() == 0x7D:
            self.at += 1
            return found
        while True:
            if self._peek() != 0x22:
                raise self._invalid("looking for beginning of object key string")
            key = self._string()
            self._skip_space()
            if self._peek() != 0x3A:
                raise self._invalid("after object key")
            self.at += 1
            self._skip_space()
            start = self.at
            found[key] = self._value(depth + 1)
            if sources is not None:
                sources[key] = self.document[start : self.at]
            if self._last(0x7D, "after object key:value pair"):
                return found

    def _array(self, depth: int) -> list[Value]:
        self._enter(depth)
        found: list[Value] = []
        if self._peek() == 0x5D:
            self.at += 1
            return found
        while True:
            found.append(self._value(depth + 1))
            if self._last(0x5D, "after array element"):
                return found

    def _enter(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise JsonError("exceeded max depth")
        self.at += 1
        self._skip_space()

    def _last(self, closing: int, context: str) -> bool:
        """Behind an item: True at the closing bracket; a comma goes on."""
        self._skip_space()
        byte = self._peek()
        if byte not in (closing, 0x2C):
            raise self._invalid(context)
        self.at += 1
        if byte == 0x2C:
            self._skip_space()
        return byte == closing

    def _number(self) -> float | Number:
        found = _NUMBER.match(self.document, self.at)
        if found is None:
            self.at += 1  # a lone minus
            raise self._invalid("in numeric literal")
        self.at = found.end()
        rest = self.document[self.at : self.at + 1]
        if rest == b"." and b"." not in found[0] and not _has_exponent(found[0]):
            self.at += 1
            raise self._invalid("after decimal point in numeric literal")
        if rest in (b"e", b"E") and not _has_exponent(found[0]):
            self.at += 2 if self.document[self.at + 1 : self.at + 2] in (b"+", b"-") else 1
            raise self._invalid("in exponent of numeric literal")
        if self.keep_numbers:
            return Number(found[0].decode())
        value = float(found[0])
        self.out_of_range |= math.isinf(value)
        return value

    def _literal(self, name: bytes, value: bool | None) -> bool | None:
        for expected in name:
            if self._inside() != expected:
                raise self._invalid(f"in literal {name.decode()} (expecting '{chr(expected)}')")
            self.at += 1
        return value

    def _string(self) -> bytes:
        self.at += 1
        parts: list[str] = []
        while True:
            run = _RUN.match(self.document, self.at)
            assert run is not None
            parts.append(gotext.runes(run[0]))
            self.at = run.end()
            byte = self._peek()
            if byte == 0x22:
                self.at += 1
                return "".join(parts).encode()
            if byte != 0x5C:
                raise self._invalid("in string literal")
            self.at += 1
            parts.append(self._escaped())

    def _escaped(self) -> str:
        byte = self._inside()
        if byte in _ESCAPES:
            self.at += 1
            return _ESCAPES[byte]
        if byte != 0x75:
            raise self._invalid("in string escape code")
        code = self._unit()
        if 0xD800 <= code < 0xDC00 and self.document[self.at : self.at + 2] == b"\\u":
            before = self.at
            self.at += 1
            low = self._unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
            self.at = before
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def _unit(self) -> int:
        """The four digits behind the `u` at the current place."""
        digits = _HEX4.match(self.document, self.at + 1)
        assert digits is not None
        self.at = digits.end()
        if len(digits[0]) < 4:
            raise self._invalid("in \\u hexadecimal character escape")
        return int(digits[0], 16)

    def _skip_space(self) -> None:
        found = _SPACE.match(self.document, self.at)
        assert found is not None
        self.at = found.end()

    def _peek(self) -> int:
        if self.at >= len(self.document):
            raise JsonError("unexpected end of JSON input")
        return self.document[self.at]

    def _inside(self) -> int:
        """The byte at a place where no blank may stand: the end of the input counts as one."""
        return self.document[self.at] if self.at < len(self.document) else 0x20

    def _invalid(self, context: str) -> JsonError:
        char = chr(self._inside())
        shown = {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{gotext.quote(char)[1:-1]}'"
        return JsonError(f"invalid character {shown} {context}", f"invalid character at byte {self.at} {context}")


def _has_exponent(number: bytes) -> bool:
    return b"e" in number or b"E" in number


def mismatch(value: Value, wanted: str) -> JsonError:
    """`json: cannot unmarshal <kind> into Go value of type <wanted>`: tells the kind of `value` only."""
    match value:
        case bool():
            kind = "bool"
        case bytes():
            kind = "string"
        case list():
            kind = "array"
        case dict():
            kind = "object"
        case _:
            kind = "number"
    return JsonError(f"json: cannot unmarshal {kind} into Go value of type {wanted}")


# --- writing

_Escapes: TypeAlias = tuple[re.Pattern[bytes], re.Pattern[str]]
_HTML: Final[_Escapes] = (
    re.compile(rb"[ !#-%'-;=?-\[\]-\x7f]*"),
    re.compile('["\\\\<>&\x00-\x1f\u2028\u2029\udc80-\udcff]'),
)
_PLAIN: Final[_Escapes] = (re.compile(rb"[ !#-\[\]-\x7f]*"), re.compile('["\\\\\x00-\x1f\u2028\u2029\udc80-\udcff]'))
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char >= "\udc80":
        return "\\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


class _Writer:
    __slots__ = ("default", "escape_html", "indent", "out")

    def __init__(
        self, out: list[bytes], escape_html: bool, indent: bytes, default: Callable[[object], object] | None
    ) -> None:
        self.out, self.escape_html, self.indent, self.default = out, escape_html, indent, default

    def write(self, value: object, depth: int) -> None:
        out = self.out
        if isinstance(value, bytes):
            out.append(encode_string(value, escape_html=self.escape_html))
        elif value is None:
            out.append(b"null")
        elif isinstance(value, bool):
            out.append(b"true" if value else b"false")
        elif isinstance(value, (int, Number)):
            out.append(str(value).encode())
        elif isinstance(value, float):
            out.append(encode_float(value).encode())
        elif isinstance(value, str):
            out.append(encode_string(value.encode("utf-8", "surrogatepass"), escape_html=self.escape_html))
        elif isinstance(value, Mapping):
            self._object(value, depth)
        elif isinstance(value, Sequence):
            self._array(value, depth)
        elif self.default is not None:
            self.write(self.default(value), depth)
        else:
            raise JsonError(f"json: unsupported type: {type(value).__name__}")

    def _object(self, value: Mapping[object, object], depth: int) -> None:
        if not value:
            self.out.append(b"{}")
            return
        opening, between, closing = self._frame(b"{", b"}", depth)
        colon = b": " if self.indent else b":"
        for name, item in sorted(((self._name(key), item) for key, item in value.items()), key=itemgetter(0)):
            self.out += (opening, encode_string(name, escape_html=self.escape_html), colon)
            self.write(item, depth + 1)
            opening = between
        self.out.append(closing)

    def _array(self, value: Sequence[object], depth: int) -> None:
        if not value:
            self.out.append(b"[]")
            return
        opening, between, closing = self._frame(b"[", b"]", depth)
        for item in value:
            self.out.append(opening)
            self.write(item, depth + 1)
            opening = between
        self.out.append(closing)

    def _frame(self, opening: bytes, closing: bytes, depth: int) -> tuple[bytes, bytes, bytes]:
        """What stands before the first item, between two, and behind the last."""
        if depth >= MAX_DEPTH:
            raise JsonError("exceeded max depth")
        if not self.indent:
            return opening, b",", closing
        line = b"\n" + self.indent * (depth + 1)
        return opening + line, b"," + line, b"\n" + self.indent * depth + closing

    def _name(self, key: object) -> bytes:
        if isinstance(key, bytes):
            return key
        if isinstance(key, str):
            return key.encode("utf-8", "surrogatepass")
        raise JsonError(f"json: unsupported type: map with keys of type {type(key).__name__}")
