"""Base 64 and base 32 as Go's decoders read them: CR and LF ignored, padding required, errors that name the byte.

Neighbours: values.decode for decoding strategies, template functions for `b64dec` and `b32dec`. Non-zero trailing bits
are accepted.
"""

from __future__ import annotations

import base64 as stdlib
import binascii
import re
from typing import Final

from eso.errors import Terminal

_NEWLINES: Final = b"\r\n"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_STANDARD: Final = rb"[A-Za-z0-9+/]"
_URL: Final = rb"[A-Za-z0-9_-]"


def _shape(letter: bytes, padded: bool) -> re.Pattern[bytes]:
    tail = rb"(?:%b{2}==|%b{3}=)?" if padded else rb"(?:%b{2}|%b{3})?"
    return re.compile(rb"(?:%b{4})*+" % letter + tail % (letter, letter))


_SHAPES: Final = {
    (url, padded): _shape(_URL if url else _STANDARD, padded) for url in (False, True) for padded in (False, True)
}
_LETTERS: Final = {
    url: frozenset(b for b in range(256) if re.fullmatch(_URL if url else _STANDARD, bytes([b])))
    for url in (False, True)
}
_WHOLE: Final = re.compile(rb"(?:(?:[\r\n]*+%b){4})*+[\r\n]*+" % _STANDARD)
_WHOLE_URL: Final = re.compile(rb"(?:(?:[\r\n]*+%b){4})*+[\r\n]*+" % _URL)
"""The groups of four in front that are right: the place of a fault may be megabytes behind the start."""
_LETTERS32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Base64Error(Terminal, ValueError):
    """`illegal base64 data at input byte <n>` (or base32): tells the place, never the data."""

    def __init__(self, offset: int, name: str = "base64") -> None:
        super().__init__(f"illegal {name} data at input byte {offset}")
        self.offset = offset


def encode(data: bytes, *, url: bool = False, padded: bool = True) -> bytes:
    text = stdlib.urlsafe_b64encode(data) if url else stdlib.b64encode(data)
    return text if padded else text.rstrip(b"=")


def decode(text: bytes, *, url: bool = False, padded: bool = True) -> bytes:
    """The bytes behind `text`; `url`: the alphabet with `-` and `_`; not `padded`: no `=` at the end. Raises
    Base64Error."""
    clean = text.translate(None, _NEWLINES) if b"\n" in text or b"\r" in text else text
    if not _SHAPES[url, padded].fullmatch(clean):
        raise Base64Error(_bad_byte(text, _LETTERS[url], padded))
    if url:
        clean = clean.translate(_TO_STANDARD)
    return binascii.a2b_base64(clean if padded else clean + b"=" * (-len(clean) % 4))


def encode32(data: bytes) -> bytes:
    return stdlib.b32encode(data)


def decode32(text: bytes) -> bytes:
    """Standard alphabet, upper case, padded. Raises Base64Error."""
    clean = text.translate(None, _NEWLINES)
    letters = bytearray()
    for offset, byte in enumerate(clean):
        place, left = offset % 8, len(clean) - offset - 1
        if byte == 0x3D and place >= 2 and left < 8:
            _check_padding32(clean, offset)
            break
        if byte not in _LETTERS32:
            raise Base64Error(offset, "base32")
        letters.append(byte)
    else:
        if len(clean) % 8:
            raise Base64Error(len(clean) - len(clean) % 8, "base32")
    return stdlib.b32decode(bytes(letters) + b"A" * (-len(letters) % 8))[: len(letters) * 5 // 8]


def _check_padding32(clean: bytes, offset: int) -> None:
    """`offset` holds the first `=`; what stands behind a complete quantum is ignored."""
    place, left = offset % 8, len(clean) - offset - 1
    if left < 7 - place:
        raise Base64Error(len(clean), "base32")
    for k in range(7 - place):
        if clean[offset + 1 + k] != 0x3D:
            raise Base64Error(offset + k, "base32")
    if place in (3, 6):
        raise Base64Error(offset, "base32")


def _bad_byte(text: bytes, letters: frozenset[int], padded: bool) -> int:
    """Where Go stops. `place` counts the letters of the current group of four; newlines do not count."""
    whole = (_WHOLE_URL if 0x5F in letters else _WHOLE).match(text)
    assert whole is not None
    place = 0
    for offset in range(whole.end(), len(text)):
        byte = text[offset]
        if byte in letters:
            place = (place + 1) % 4
        elif byte in _NEWLINES:
            continue
        elif byte != 0x3D or not padded or place < 2:
            return offset
        else:
            return _bad_padding(text, offset, place)
    return len(text) - place


def _bad_padding(text: bytes, offset: int, place: int) -> int:
    """`offset` holds the first `=`: the second may be missing or wrong, or something follows."""
    rest = _skip_newlines(text, offset + 1)
    if place == 2:
        if rest == len(text):
            return rest
        if text[rest] != 0x3D:
            return rest - 1
        rest = _skip_newlines(text, rest + 1)
    return rest


def _skip_newlines(text: bytes, offset: int) -> int:
    while offset < len(text) and text[offset] in _NEWLINES:
        offset += 1
    return offset
