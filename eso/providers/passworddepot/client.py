"""One login at Password Depot: entries of a database by the names on the way to them.

Neighbours: connect.py makes it, codec.py reads replies, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Find, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, decoded
from eso.providers.kit.search import every
from eso.providers.kit.together import each, kept
from eso.providers.passworddepot import codec, spec

LABEL: Final = "PasswordDepot/EnterpriseServer"
FEW: Final = 5_000  # names that may be compared on the loop: half a millisecond
TOP: Final = ""  # of the database, in place of a folder's fingerprint
Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session(Connection):
    """One login. `database`: the fingerprint of what the store calls so."""

    database: str = ""


class Client(Connected[Session]):
    """A StoreClient with Batches. A request is the names of the folders on the way to an entry, and its own."""

    most: ClassVar[int] = 50

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of an entry."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        return codec.steps_of(ref.key)

    def batch(self, request: Hashable) -> Hashable | None:
        """Entries share the lists of their folders."""
        return "entries"

    async def fetch(self, request: Hashable) -> codec.Entry:
        found = (await self.fetch_many((request,)))[request]
        if isinstance(found, EsoError):
            raise found
        assert isinstance(found, codec.Entry)
        return found

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        """Level by level, so that each folder is listed once; then each entry is read."""
        found: dict[Steps, str | EsoError] = {request: TOP for request in requests if isinstance(request, tuple)}
        for level in range(max(map(len, found))):
            on = {steps: mark for steps, mark in found.items() if isinstance(mark, str) and level < len(steps)}
            folders = list(dict.fromkeys(on.values()))
            lists = dict(zip(folders, await every(folders, lambda mark: kept(self._entries(mark))), strict=True))
            found |= await self._descended(on, lists, level)
        entries = await each(dict.fromkeys(mark for mark in found.values() if isinstance(mark, str)), self._entry)
        return {steps: entries[mark] if isinstance(mark, str) else mark for steps, mark in found.items()}

    def value(self, payload: codec.Entry, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Entry, ref: RemoteRef) -> dict[str, bytes]:
        """Every field, empty ones too, whatever the property."""
        return dict(payload.fields)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("GetAllSecrets not implemented")
        yield {}  # it is a search all the same

    async def _descended(
        self, on: Mapping[Steps, str], lists: Mapping[str, list[codec.Named] | EsoError], level: int
    ) -> dict[Steps, str | EsoError]:
        """One level further, in a thread where many names are compared."""
        compared = sum(len(listed) for listed in map(lists.__getitem__, on.values()) if isinstance(listed, list))
        if compared <= FEW:
            return descended(on, lists, level)
        return await self.connection.offload.run_for(self.store.namespace, descended, on, lists, level)

    # requests

    async def _entries(self, folder: str) -> list[codec.Named]:
        """Raises AuthExpired where the database has another fingerprint since the login: a new one looks it up."""
        query = {"db": self.connection.database} | ({"folder": folder} if folder else {})
        try:
            reply = await self.connection.api.send("ListEntries", "GET", "/list", query=query)
        except (InvalidConfig, NothingThere) as error:
            named = spec.database(self.store.provider_spec)
            if await database_of(self.connection, named, self.store.namespace) == self.connection.database:
                raise
            raise AuthExpired("the database was replaced") from error
        return await self.decoded(reply.body, codec.entries_of)

    async def _entry(self, mark: str) -> codec.Entry:
        query = {"db": self.connection.database, "entry": mark}
        reply = await self.connection.api.send("ReadEntry", "GET", "/read", query=query)
        return await self.decoded(reply.body, codec.entry_of)


async def database_of(session: Session, name: str, owner: str) -> str:
    """The fingerprint of a database. Raises InvalidConfig."""
    reply = await session.api.send("ListDatabases", "GET", "/list")
    found = codec.chosen(await decoded(session.offload, owner, reply.body, codec.databases_of), name)
    if found is None:
        raise InvalidConfig("database not found", fix="correct database, or give the user access to it")
    return found


def descended(
    on: Mapping[Steps, str], lists: Mapping[str, list[codec.Named] | EsoError], level: int
) -> dict[Steps, str | EsoError]:
    """Where each look goes on, by the list of the folder that it is in."""
    found: dict[Steps, str | EsoError] = {}
    for steps, mark in on.items():
        listed = lists[mark]
        found[steps] = listed if isinstance(listed, EsoError) else below(listed, steps[level])
    return found


def below(listed: Sequence[codec.Named], step: str) -> str | EsoError:
    """The entry of a folder that a name means. That there is none proves no absence: a list leaves out what the user
    may not see."""
    found = codec.chosen(listed, step)
    if found is None:
        return NothingThere("secret not found", fix="correct remoteRef.key, or give the user access to the entry")
    return found
