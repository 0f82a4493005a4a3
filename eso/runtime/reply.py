"""A worker's reply before it is decoded: MessagePack of so many values and levels, and nothing but plain data.

Neighbours: whoever asks pool.py and decodes what comes back. A worker may have been taken over by what it computes, and
a megabyte of empty maps takes a hundred in the process that decodes it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from eso.errors import EsoError
from eso.runtime.memory import take

MOST: Final = 1 << 20
"""Values of a reply: the keys and values of the largest Secret, before and after."""
DEEPEST: Final = 1_100  # levels: YAML has a thousand at most
WEIGHT: Final = 80  # bytes that a value takes beside its text
HERE: Final = 4 << 10  # bytes that are looked through on the loop

_FIXED: Final = (
    {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8}
    | {0xCC + n: 1 << n for n in range(4)}
    | {0xD0 + n: 1 << n for n in range(4)}
)
"""Type byte → bytes that follow: null, booleans, floats, integers."""
_TEXTS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Type byte → bytes of the length of a text."""
_MANY: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Type byte → bytes of the count of an array or map, and values for each of it."""


class BadReply(EsoError):
    """The reply is none, or more than any computation gives."""


async def checked(reply: bytes) -> bytes:
    """`reply`, which may be decoded. Raises BadReply."""
    count = values(reply) if len(reply) <= HERE else await asyncio.to_thread(values, reply)
    take(WEIGHT * count)
    return reply


def values(reply: bytes) -> int:
    """How many values are in it. Raises BadReply."""
    at, count = 0, 0
    left = [1]  # values that are still to come, on each level
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        count += 1
        if count > MOST:
            raise BadReply(f"the computation gives more than {MOST} values")
        if at >= len(reply):
            raise BadReply("the reply of the computation is none")
        kind = reply[at]
        at += 1
        if kind < 0x80 or kind >= 0xE0:
            continue
        if 0xA0 <= kind < 0xC0:
            at += kind & 0x1F
        elif kind < 0xA0:
            left.append((kind & 0x0F) * (1 if kind >= 0x90 else 2))
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind in _TEXTS:
            size = _TEXTS[kind]
            at += size + int.from_bytes(reply[at : at + size], "big")
        elif kind in _MANY:
            size, each = _MANY[kind]
            left.append(each * int.from_bytes(reply[at : at + size], "big"))
            at += size
        else:
            raise BadReply("the reply of the computation holds no plain data")
        if len(left) > DEEPEST:
            raise BadReply("the reply of the computation is nested too deeply")
    if at != len(reply):
        raise BadReply("the reply of the computation is none")
    return count
