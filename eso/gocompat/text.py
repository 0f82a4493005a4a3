"""Text as Go shows it: quoting, numbers, one-to-one case mapping, character classes; strings are bytes that need not be
UTF-8.

Neighbours: template functions and printf, values for key rules and numbers, jsonenc.py for floats. An invalid byte
counts as U+FFFD, one byte wide.
"""

from __future__ import annotations

import codecs
import math
import re
import struct
import unicodedata
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final

_SIMPLE_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*")
_SPACES: Final = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(c) for c in range(0x2000, 0x200B)
}
_REPLACEMENT: Final = "\ufffd"


def _one_per_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _REPLACEMENT, error.start + 1


codecs.register_error("eso.one-per-byte", _one_per_byte)


def runes(data: bytes) -> str:
    """The characters of `data`; each invalid byte becomes one U+FFFD, where Python alone would merge some."""
    return data.decode("utf-8", "eso.one-per-byte")


def shown(text: str) -> str:
    """`text` with undecodable parts (surrogates) as U+FFFD, so that it can be encoded into a message."""
    return "".join(_REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text) if not text.isascii() else text


# --- quoting


def quote(data: bytes | str, *, ascii_only: bool = False) -> str:
    """`%q` (`%+q` when `ascii_only`): in double quotes, invalid bytes as `\\xNN`."""
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_escaped(char, '"', ascii_only) for char in text) + '"'


def quote_rune(char: str, *, ascii_only: bool = False) -> str:
    """A character constant: `'x'`, `'\\n'`, `'\\U0001f600'`."""
    return "'" + _escaped(_REPLACEMENT if "\ud800" <= char <= "\udfff" else char, "'", ascii_only) + "'"


def can_backquote(data: bytes | str) -> bool:
    """Whether the text can stand between back quotes unchanged: one line, no control characters but tab, no back quote,
    valid UTF-8."""
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    return not any(c in "`\x7f\ufeff" or (c < " " and c != "\t") or "\ud800" <= c <= "\udfff" for c in text)


def backquote(data: bytes | str) -> str:
    """`%#q`: between back quotes where possible, else as `quote`."""
    if not can_backquote(data):
        return quote(data)
    return f"`{data.decode() if isinstance(data, bytes) else data}`"


def _escaped(char: str, delimiter: str, ascii_only: bool) -> str:
    if char == delimiter:
        return "\\" + char
    if (simple := _SIMPLE_ESCAPES.get(char)) is not None:
        return simple
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # an invalid byte, as `surrogateescape` keeps it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x7F if ascii_only else is_print(char):
        return char if code >= 0x20 else f"\\x{code:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# --- numbers


def format_float(value: float, verb: str = "g", precision: int = -1, bits: int = 64) -> str:
    """`strconv.FormatFloat` for the verbs e E f F g G; `precision` -1 is the shortest text that reads back; `bits` 32
    rounds to single first."""
    value = value if bits == 64 else _single(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    kind = verb.lower()
    sign, digits, exponent = _shortest(value, bits) if precision < 0 else _rounded(value, kind, precision)
    if kind == "g":
        threshold = 6 if precision < 0 else max(precision, 1)
        if precision >= 0 and threshold > len(digits) and len(digits) >= exponent + 1:
            threshold = len(digits)
        if exponent < -4 or exponent >= threshold:
            kind, precision = "e", len(digits) - 1
        else:
            kind, precision = "f", max(len(digits) - exponent - 1, 0)
    if kind == "e":
        precision = len(digits) - 1 if precision < 0 else precision
        text = f"{digits[0]}.{digits[1:]:0<{precision}}" if precision else digits[0]
        text = f"{text}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    else:
        precision = max(len(digits) - exponent - 1, 0) if precision < 0 else precision
        text = _fixed(digits, exponent, precision)
    return sign + (text.upper() if verb.isupper() else text)


def decimal_number(value: float) -> str:
    """Shortest digits, never an exponent: 1e21 is `1000000000000000000000`."""
    return format_float(value, "f")


def _fixed(digits: str, exponent: int, precision: int) -> str:
    if exponent >= 0:
        whole, part = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    else:
        whole, part = "0", "0" * (-exponent - 1) + digits
    return f"{whole}.{part:0<{precision}}" if precision else whole


def _shortest(value: float, bits: int) -> tuple[str, str, int]:
    """Sign, significant digits, decimal exponent of the first digit."""
    if bits == 64:
        return _taken_apart(Decimal(repr(value)))
    exact = Decimal(value)
    for places in range(1, 9):  # nine digits always tell two singles apart
        unit = Decimal((0, (1,), exact.adjusted() - places + 1))
        # Beside a power of two the nearer neighbour may lie outside the single's interval and the farther one inside.
        near = [
            n
            for n in (exact.quantize(unit, ROUND_CEILING), exact.quantize(unit, ROUND_FLOOR))
            if _single(float(n)) == value
        ]
        if near:
            # half to even, but away from the narrow side
            even = Decimal(0) if abs(math.frexp(value)[0]) == 0.5 else unit * 2
            return _taken_apart(min(near, key=lambda n: (abs(n - exact), n % even != 0 if even else -abs(n))))
    return _taken_apart(Decimal(f"{value:.8e}"))


def _rounded(value: float, kind: str, precision: int) -> tuple[str, str, int]:
    """Rounded half to even on the exact binary value, which is how Python's own formatting rounds."""
    places = max(precision, 1) - 1 if kind == "g" else precision
    return _taken_apart(Decimal(f"{value:.{places}{'f' if kind == 'f' else 'e'}}"))


def _taken_apart(number: Decimal) -> tuple[str, str, int]:
    negative, figures, power = number.as_tuple()
    assert isinstance(power, int)
    digits = "".join(map(str, figures)).lstrip("0")
    exponent = len(digits) + power - 1 if digits else 0
    return "-" if negative else "", digits.rstrip("0") or "0", exponent


def _single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


# --- characters


def is_letter(char: str) -> bool:
    """Unicode categories L*; combining marks are not."""
    return unicodedata.category(char)[0] == "L"


def is_number(char: str) -> bool:
    """Unicode categories N*: Nd, Nl, No."""
    return unicodedata.category(char)[0] == "N"


def is_digit(char: str) -> bool:
    return unicodedata.category(char) == "Nd"


def is_punct(char: str) -> bool:
    return unicodedata.category(char)[0] == "P"


def is_upper(char: str) -> bool:
    return unicodedata.category(char) == "Lu"


def is_lower(char: str) -> bool:
    return unicodedata.category(char) == "Ll"


def is_title(char: str) -> bool:
    return unicodedata.category(char) == "Lt"


def is_space(char: str) -> bool:
    """The White_Space property, as Go's `unicode.IsSpace`; not Python's `str.isspace`, which has the separators 0x1c to
    0x1f too."""
    return char in _SPACES


def is_print(char: str) -> bool:
    """Letters, marks, numbers, punctuation, symbols and the blank; no other space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def trim_space(data: bytes) -> bytes:
    """Unicode white space off both ends; inner and invalid bytes stay as they are."""
    text = data.decode("utf-8", "surrogateescape").strip("".join(_SPACES))
    made = text.encode("utf-8", "surrogateescape")
    return data if len(made) == len(data) else made  # unchanged: the same object, which costs its caller no memory


# --- case


def upper(data: bytes) -> bytes:
    """One-to-one upper case: `ß` stays. Invalid bytes become U+FFFD unless all is ASCII."""
    return data.upper() if data.isascii() else "".join(map(upper_rune, runes(data))).encode()


def lower(data: bytes) -> bytes:
    return data.lower() if data.isascii() else "".join(map(lower_rune, runes(data))).encode()


def title(data: bytes) -> bytes:
    """The first letter of every word in title case, the rest untouched; see `is_word_boundary`."""
    previous, out = " ", []
    for char in runes(data):
        out.append(title_rune(char) if is_word_boundary(previous) else char)
        previous = char
    return "".join(out).encode()


def is_word_boundary(char: str) -> bool:
    """ASCII: everything but letters, digits and `_`. Beyond ASCII: only spaces."""
    if char.isascii():
        return not (char.isalnum() or char == "_")
    return not (is_letter(char) or is_digit(char)) and is_space(char)


@lru_cache(maxsize=4096)
def upper_rune(char: str) -> str:
    """Simple mapping of one character: where the full mapping has several characters, the title form counts if it is
    one character."""
    mapped = char.upper()
    return mapped if len(mapped) == 1 else title_rune(char)


@lru_cache(maxsize=4096)
def lower_rune(char: str) -> str:
    return char.lower()[0]  # only `İ` has two: the simple mapping is the first


@lru_cache(maxsize=4096)
def title_rune(char: str) -> str:
    mapped = char.title()
    return mapped if len(mapped) == 1 else char
