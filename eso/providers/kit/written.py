"""What this process wrote to a backend that never gives a value back.

Neighbours: clients that only write. What is remembered of a value is a digest under a key of the process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef
from eso.providers.kit.connected import Connected, Connection

MOST: Final = 20_000  # secrets that are remembered, 4 MiB


class Written:
    """What this process wrote last to each place, and when the backend says that it was: only this tells whether a
    value is there already. Forgets the oldest."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def is_there(self, place: str, value: bytes, updated: str) -> bool:
        """Whether `value` was written here, and nothing since."""
        return self._known.get(place) == (self._digest(value), updated)

    def remember(self, place: str, value: bytes, updated: str) -> None:
        self._known[place] = (self._digest(value), updated)
        self._known.move_to_end(place)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def forget(self, place: str) -> None:
        self._known.pop(place, None)

    def _digest(self, value: bytes) -> bytes:
        return hashlib.blake2b(value, key=self._key, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class LoggedIn(Connection):
    """`written`: what was pushed last, by all logins of the process."""

    written: Written = field(default_factory=Written, repr=False)


class OnlyWrites(Connected[LoggedIn]):
    """A StoreClient none of whose secrets can be read. `backend` and `refused`: its name, and the reference's words."""

    backend: ClassVar[str]
    refused: ClassVar[str]

    def request(self, ref: RemoteRef) -> Hashable:
        fix = f"read from where the value comes from: {self.backend} gives no secret back"
        raise InvalidConfig(self.refused, fix=fix)

    async def fetch(self, request: Hashable) -> Any:
        raise InvalidConfig(self.refused)

    def value(self, payload: Any, ref: RemoteRef) -> bytes:
        raise InvalidConfig(self.refused)

    def mapping(self, payload: Any, ref: RemoteRef) -> dict[str, bytes]:
        raise InvalidConfig(self.refused)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig(self.refused)
        yield {}  # it is a search all the same
