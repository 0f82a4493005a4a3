"""Base 64, base 32, hex, and the hash sums.

Neighbours: gocompat.base64 decodes. The decoders of templates return the error's text as their result instead of
failing, as in the reference.
"""

from __future__ import annotations

import hashlib
import zlib

from eso.gocompat import base64
from eso.template import gofmt
from eso.template.values import Param, Table

TABLE = Table()
STRING = Param.STRING
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


@TABLE.function("b64enc", params=(STRING,), pace=16)
def b64enc(data: bytes) -> bytes:
    return base64.encode(data)


@TABLE.function("b64dec", params=(STRING,), pace=16)
def b64dec(text: bytes) -> bytes:
    try:
        return base64.decode(text)
    except base64.Base64Error as error:
        return str(error).encode()


@TABLE.function("b32enc", params=(STRING,), pace=4)
def b32enc(data: bytes) -> bytes:
    return base64.encode32(data)


@TABLE.function("b32dec", params=(STRING,), pace=4)
def b32dec(text: bytes) -> bytes:
    try:
        return base64.decode32(text)
    except base64.Base64Error as error:
        return str(error).encode()


@TABLE.function("hexdec", params=(STRING,), pace=16)
def hexdec(text: bytes) -> bytes:
    for byte in text:
        if byte not in _HEX_DIGITS:
            shown = b" " + gofmt.quoted_character(byte) if gofmt.printable(chr(byte)) else b""
            return b"encoding/hex: invalid byte: U+%04X" % byte + shown
    if len(text) % 2:
        return b"encoding/hex: odd length hex string"
    return bytes.fromhex(text.decode())


@TABLE.function("sha1sum", params=(STRING,))
def sha1sum(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()


@TABLE.function("sha256sum", params=(STRING,))
def sha256sum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


@TABLE.function("sha512sum", params=(STRING,))
def sha512sum(data: bytes) -> bytes:
    return hashlib.sha512(data).hexdigest().encode()


@TABLE.function("adler32sum", params=(STRING,))
def adler32sum(data: bytes) -> bytes:
    return b"%d" % zlib.adler32(data)
