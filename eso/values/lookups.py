"""Look-ups of paths that are not cheap: what cannot be found in a few milliseconds is asked for elsewhere.

Neighbours: jsonmap.py looks here before it follows a path; stores.reads computes what is Costly in a process that can
be killed, whose workers import this module for CALLS, and begins again with the answer. Providers see nothing of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import msgspec

from eso.errors import EsoError
from eso.values import gjson
from eso.values.gjsonscan import PATH_BYTES, PathRefused, Work

LOOKUP: Final = "values: look up"
SECONDS: Final = 10.0
LOOP_UNITS: Final = 128 << 10
"""Units of one look-up on an event loop: 2 ms, 5 at worst."""
THREAD_UNITS: Final = 2 << 20
"""Units of one look-up in a thread, which shares its interpreter with the loop."""
MOST: Final = 8  # look-ups of one reading; providers try two ways to read a path


class Costly(Exception):  # no error: the reading goes on once it has the answer
    """`path` in `document` takes longer than may be taken here."""

    def __init__(self, document: bytes, path: bytes) -> None:
        super().__init__("a path takes longer than may be taken here")
        self.document, self.path = document, path


class LookUps:
    """Of the look-ups of one reading. `units`: what each may spend here."""

    def __init__(self, units: int) -> None:
        self.units = units
        self._known: dict[tuple[bytes, bytes], bytes | None] = {}

    def find(self, document: bytes, path: bytes) -> bytes | None:
        """Raises Costly; PathRefused as `jsonmap.get_property`."""
        key = (document, path)
        if key in self._known:
            return self._known[key]
        if len(self._known) >= MOST:
            raise PathRefused("the value takes too many look-ups")
        work = Work(document)
        work.left = min(work.left, self.units)
        try:
            found = gjson.get(document, path, work)
        except PathRefused:
            if len(path) > PATH_BYTES:
                raise
            raise Costly(document, path) from None
        return found.text() if found is not None else None

    def learn(self, asked: Costly, found: bytes | None) -> None:
        self._known[asked.document, asked.path] = found


LOOK_UPS: ContextVar[LookUps | None] = ContextVar("look-ups of one reading", default=None)


@contextmanager
def within(answers: LookUps | None) -> Iterator[None]:
    """Look-ups inside may raise Costly, unless there are no LookUps."""
    token = LOOK_UPS.set(answers)
    try:
        yield
    finally:
        LOOK_UPS.reset(token)


def request(asked: Costly) -> bytes:
    return pickle.dumps((asked.document, asked.path), protocol=pickle.HIGHEST_PROTOCOL)


def answer(reply: bytes) -> bytes | None:
    """What a worker, which is not believed, found. Raises PathRefused where it did, and for a reply that is none."""
    try:
        found, refused, fix = msgspec.msgpack.decode(reply, type=tuple[bytes | None, str, str])
    except msgspec.MsgspecError:
        raise PathRefused("could not follow the property path: the reply is none") from None
    if refused:
        raise PathRefused(refused, fix=fix)
    return found


# on the worker's side


def look_up(body: bytes) -> bytes:
    document, path = pickle.loads(body)
    try:
        found = gjson.get(document, path)
    except EsoError as error:
        return msgspec.msgpack.encode((None, str(error), error.fix))
    return msgspec.msgpack.encode((found.text() if found is not None else None, "", ""))


CALLS: Final = {LOOKUP: look_up}
