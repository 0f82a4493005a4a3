"""Just enough DER to read and write PKCS#12 files.

Neighbours: pkcs12.py. Only definite lengths, and no tag above 30, as in the files that the reference reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

INTEGER, OCTETS, NULL, OID, SEQUENCE, SET, BMP = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31, 0x1E
EXPLICIT_0, IMPLICIT_0 = 0xA0, 0x80


class DerError(ValueError):
    """The bytes are not what the structure wants. The text is fixed."""


@dataclass(frozen=True, slots=True)
class Node:
    """One element: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes = field(repr=False)
    whole: bytes = field(repr=False)

    def children(self, *tags: int) -> list[Node]:
        """The elements inside; where `tags` are given, the first ones must have these. Raises DerError."""
        found = list(nodes(self.content))
        if [node.tag for node in found[: len(tags)]] != list(tags):
            raise DerError("asn1: structure error: tags don't match")
        return found

    def integer(self) -> int:
        if self.tag != INTEGER or not self.content:
            raise DerError("asn1: structure error: integer expected")
        return int.from_bytes(self.content, "big", signed=True)

    def oid(self) -> str:
        if self.tag != OID or not self.content or self.content[-1] & 0x80:
            raise DerError("asn1: structure error: object identifier expected")
        numbers, number = [], 0
        for byte in self.content:
            number = number << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(number)
                number = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def nodes(data: bytes) -> Iterator[Node]:
    """The elements of a concatenation. Raises DerError."""
    at = 0
    while at < len(data):
        start = at
        if len(data) - at < 2 or data[at] & 0x1F == 0x1F:
            raise DerError("asn1: syntax error: data truncated")
        tag, length, at = data[at], data[at + 1], at + 2
        if length == 0x80:
            raise DerError("asn1: syntax error: indefinite length found (not DER)")
        if length > 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise DerError("asn1: syntax error: data truncated")
        yield Node(tag, data[at : at + length], data[start : at + length])
        at += length


def single(data: bytes, tag: int) -> Node:
    """The one element that `data` consists of. Raises DerError."""
    found = list(nodes(data))
    if len(found) != 1:
        raise DerError("asn1: syntax error: trailing data" if found else "asn1: syntax error: data truncated")
    if found[0].tag != tag:
        raise DerError("asn1: structure error: tags don't match")
    return found[0]


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    return element(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    return element(SET, *sorted(parts))


def octets(data: bytes) -> bytes:
    return element(OCTETS, data)


def integer(number: int) -> bytes:
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def null() -> bytes:
    return element(NULL)


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for number in (40 * first + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | number & 0x7F)
        out += bytes(reversed(groups))
    return element(OID, bytes(out))


def bmp(text: str) -> bytes:
    return element(BMP, text.encode("utf-16-be"))
