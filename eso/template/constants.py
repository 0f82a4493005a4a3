"""Literals of the template language → numbers and byte strings.

Neighbours: parser.py asks, and turns LiteralError into a parse error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)\Z"
)
_DIGITS = r"[0-9](?:_?[0-9])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?\Z")
_HEX_DIGITS = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_HEX_FLOAT = re.compile(rf"[+-]?0[xX](?:_?{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}\Z")

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_HEX_LENGTH = {"x": 2, "u": 4, "U": 8}


class LiteralError(Exception):
    """The literal is wrong; the argument is the text users see."""


@dataclass(frozen=True, slots=True)
class Number:
    """What a constant can be used as: None where it does not fit."""

    text: str
    integer: int | None = None
    unsigned: int | None = None
    floating: float | None = None
    pair: complex | None = None

    @property
    def ideal(self) -> int | float | complex | None:
        """Its value where no type is wanted; None: it overflows int."""
        if self.pair is not None:
            return self.pair
        text = self.text
        hexadecimal = text[:2] in ("0x", "0X") and "p" not in text and "P" not in text
        if self.floating is not None and not hexadecimal and text[0] != "'" and any(c in text for c in ".eEpP"):
            return self.floating
        return self.integer


def integer(text: str) -> int | None:
    """Base prefix rules of Go: `0x`, `0o`, `0b`, leading zero octal, `_` between digits. None: not an integer."""
    if not _INTEGER.match(text):
        return None
    body = text.lstrip("+-").replace("_", "")
    value = int(body, 8) if len(body) > 1 and body[0] == "0" and body[1].isdigit() else int(body, 0)
    return -value if text[0] == "-" else value


def floating(text: str) -> float | None:
    """A float of the language; None: not one, or out of range."""
    if _DECIMAL.match(text):
        value = float(text.replace("_", ""))
    elif _HEX_FLOAT.match(text):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    else:
        return None
    return None if value in (float("inf"), float("-inf")) else value


def number(text: str) -> Number:
    """Raises LiteralError."""
    if text[-1] == "i" and (imaginary := _imaginary(text[:-1])) is not None:
        return _simplified(text, complex(0, imaginary))
    if len(text) > 4300:  # Python refuses to convert longer ones; no such integer fits anyway
        raise LiteralError(f'illegal number syntax: "{text}"')
    whole = integer(text)
    signed = whole if whole is not None and -(1 << 63) <= whole < 1 << 63 else None
    unsigned = whole if whole is not None and 0 <= whole < 1 << 64 and (text[0] not in "+-" or whole == 0) else None
    if signed is not None:
        return Number(text, signed, unsigned, float(signed))
    if unsigned is not None:
        return Number(text, None, unsigned, float(unsigned))
    real = floating(text)
    if real is None:
        raise LiteralError(f'illegal number syntax: "{text}"')
    if not any(c in text for c in ".eEpP"):
        raise LiteralError(f'integer overflow: "{text}"')
    return Number(text, _as_integer(real, -(1 << 63), 1 << 63), _as_integer(real, 0, 1 << 64), real)


def complex_number(text: str) -> Number:
    """`a+bi`, no blanks. Raises LiteralError."""
    body = text[:-1]
    for split in range(len(body) - 1, 0, -1):
        if body[split] in "+-" and (body[split - 1] not in "eEpP"):
            real, imaginary = _imaginary(body[:split]), _imaginary(body[split:])
            if real is not None and imaginary is not None:
                return _simplified(text, complex(real, imaginary))
    raise LiteralError("syntax error scanning complex number")


def _imaginary(text: str) -> float | None:
    real = floating(text)
    if real is not None:
        return real
    whole = integer(text)
    return None if whole is None else float(whole)


def _simplified(text: str, value: complex) -> Number:
    if value.imag != 0:
        return Number(text, pair=value)
    return Number(
        text, _as_integer(value.real, -(1 << 63), 1 << 63), _as_integer(value.real, 0, 1 << 64), value.real, value
    )


def _as_integer(real: float, low: int, high: int) -> int | None:
    return int(real) if real.is_integer() and low <= real < high else None


def character(text: str) -> Number:
    """A quoted character → its code point. Raises LiteralError."""
    inner = text[1:-1]
    if not inner:
        raise LiteralError("invalid syntax")
    if inner[0] == "\\":
        code, end, _ = _escape(inner, 0, "'")
    else:
        code, end = (0xFFFD if "\udc80" <= inner[0] <= "\udcff" else ord(inner[0])), 1
    if end != len(inner):
        raise LiteralError(f"malformed character constant: {text}")
    return Number(text, code, code, float(code))


_NOT_TEXT = re.compile("[\udc80-\udcff]")


def string(text: str) -> bytes:
    """A quoted or raw string constant → bytes. Raises LiteralError."""
    inner = text[1:-1]
    if text[0] == "`":
        return inner.replace("\r", "").encode("utf-8", "surrogateescape")
    inner = _NOT_TEXT.sub("\ufffd", inner)
    if "\\" not in inner:
        return inner.encode("utf-8", "surrogateescape")
    out = bytearray()
    at = 0
    while at < len(inner):
        backslash = inner.find("\\", at)
        if backslash < 0:
            backslash = len(inner)
        out += inner[at:backslash].encode("utf-8", "surrogateescape")
        at = backslash
        if at < len(inner):
            code, at, single = _escape(inner, at, '"')
            out += bytes([code]) if single else chr(code).encode("utf-8")
    return bytes(out)


def _escape(text: str, at: int, quote: str) -> tuple[int, int, bool]:
    """(code, next offset, whether it is one byte) of the escape at `at`."""
    kind = text[at + 1 : at + 2]
    if kind in _SIMPLE and kind:
        return _SIMPLE[kind], at + 2, False
    if kind == quote:
        return ord(quote), at + 2, False
    if kind in _HEX_LENGTH and kind:
        end = at + 2 + _HEX_LENGTH[kind]
        digits = text[at + 2 : end]
        if len(digits) == _HEX_LENGTH[kind] and re.fullmatch("[0-9a-fA-F]+", digits):
            code = int(digits, 16)
            if kind == "x":
                return code, end, True
            if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                return code, end, False
    elif re.fullmatch("[0-7]{3}", text[at + 1 : at + 4]):
        code = int(text[at + 1 : at + 4], 8)
        if code <= 255:
            return code, at + 4, True
    raise LiteralError("invalid syntax")
