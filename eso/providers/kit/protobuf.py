"""Messages of Protocol Buffers as bytes: the few fields that a gRPC call needs, by their numbers.

Neighbours: codecs of providers that speak gRPC; a comment there shows the vendor's declaration. Fields that nobody asks
for are skipped, the last of equal ones counts, an absent one is the empty value, as the format says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from eso.providers.contract import InvalidConfig, Malformed

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS: Final = 100_000  # of one message
MOST_NUMBER: Final = (1 << 29) - 1
MOST_TAKEN: Final = 80  # bytes of memory for each byte of a message: many small messages in one; measured, with room
FORM: Final = "the server's reply is not of the form it promises"


def varint(value: int) -> bytes:
    """`value` in groups of seven bits, the lowest first. A negative one as the 64 bits that it has."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def blob(number: int, content: bytes) -> bytes:
    """A field of bytes, or a message in a message."""
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def text(number: int, content: str) -> bytes:
    """A field of text, nothing for an empty one. Raises InvalidConfig for half a character."""
    try:
        return blob(number, content.encode()) if content else b""
    except UnicodeEncodeError:
        raise InvalidConfig("a text of the reference is no Unicode") from None


def number(number: int, value: int) -> bytes:
    """A field of a whole number; zero is written as well, for fields that tell it from an absent one."""
    return varint(number << 3 | VARINT) + varint(value)


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of one message, by number, in their order. Contents never print."""

    fields: dict[int, list[int | bytes]] = field(repr=False)

    def has(self, number: int) -> bool:
        return number in self.fields

    def blobs(self, number: int) -> list[bytes]:
        """Every field of bytes with this number. Raises Malformed for one of another kind."""
        found = self.fields.get(number, [])
        blobs = [one for one in found if isinstance(one, bytes)]
        if len(blobs) != len(found):
            raise Malformed(FORM)
        return blobs

    def blob(self, number: int) -> bytes:
        found = self.blobs(number)
        return found[-1] if found else b""

    def texts(self, number: int) -> list[str]:
        return [_decoded(one) for one in self.blobs(number)]

    def text(self, number: int) -> str:
        return _decoded(self.blob(number))

    def messages(self, number: int) -> list[Message]:
        return [parsed(one) for one in self.blobs(number)]

    def message(self, number: int) -> Message:
        """The message in this field; pieces of it are put together. Raises Malformed."""
        return parsed(b"".join(self.blobs(number)))

    def number(self, number: int) -> int:
        """A whole number of at most 64 bits, with its sign. Raises Malformed for a field of another kind."""
        found: Sequence[int | bytes] = self.fields.get(number, [])
        if not found:
            return 0
        value = found[-1]
        if not isinstance(value, int):
            raise Malformed(FORM)
        return value - (1 << 64) if value >> 63 else value

    def last_of(self, *numbers: int) -> int:
        """Which of these fields was written last: the one that counts where only one may be set. 0: none."""
        return next((number for number in reversed(self.fields) if number in numbers), 0)


def price(raw: bytes) -> int:
    """Bytes that a message may take once it is parsed."""
    return MOST_TAKEN * len(raw)


def parsed(raw: bytes) -> Message:
    """Raises Malformed for what is no message, or has more than MOST_FIELDS fields."""
    fields: dict[int, list[int | bytes]] = {}
    at, count = 0, 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, kind = key >> 3, key & 7
        count += 1
        if not 0 < number <= MOST_NUMBER or count > MOST_FIELDS:
            raise Malformed(FORM)
        value: int | bytes | None = None
        match kind:
            case 0:
                value, at = _varint(raw, at)
            case 2:
                size, at = _varint(raw, at)
                value, at = raw[at : at + size], at + size
            case 1 | 5:
                at += 8 if kind == FIXED64 else 4  # no field that is asked for is of this kind: it is an unknown one
            case _:
                raise Malformed(FORM)  # groups, which no message of today has
        if at > len(raw):
            raise Malformed(FORM)
        if value is None:
            continue
        earlier = fields.pop(number, [])
        earlier.append(value)
        fields[number] = earlier
    return Message(fields)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw) or shift > 63:
            raise Malformed(FORM)
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            if value >> 64:
                raise Malformed(FORM)
            return value, at


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("the server's reply has a text that is no UTF-8") from None
