"""One application at Devolutions Server: credentials read by id or name, their passwords pushed, entries deleted.

Neighbours: connect.py makes it, codec.py reads references and replies, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from eso.errors import EsoError
from eso.net.http import Reply, Timeouts
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Validation,
)
from eso.providers.dvls import codec, spec
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import Api, NothingThere, decoded
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Walk
from eso.providers.kit.uuids import canonical

T = TypeVar("T")
LABEL: Final = "Devolutions/Server"
VAULTS: Final = "/api/v1/vault"
PARTING: Final = Timeouts(total=5.0)


@dataclass(frozen=True, slots=True)
class Session(Connection):
    """One login. `vault`: the id of the store's, "" where it names none."""

    vault: str = ""


class Client(Connected[Session]):
    """A StoreClient with Writes."""

    async def validate(self) -> Validation:
        """The login, and the vault that it looked up, are all that can be tried without the name of an entry."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    async def close(self) -> None:
        if self._connection is not None:
            await ended(self._connection.api)

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        return self._place(ref.key)

    async def fetch(self, request: Hashable) -> codec.Entry:
        assert isinstance(request, codec.ById | codec.ByName)
        return await self._entry(await self._found(request))

    def value(self, payload: codec.Entry, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Entry, ref: RemoteRef) -> dict[str, bytes]:
        """Every value, whatever the property."""
        return codec.values(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("GetAllSecrets is not implemented")
        yield {}  # it is a search all the same

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A write sends the whole entry, and only the server knows which name and id are one entry: the writes of a
        login go one after the other."""
        return "entries"

    async def push(self, entry: Push, source: Source) -> None:
        """Sets the password of an entry that is there; its other values stay. The property has no effect, and there is
        no mark of ownership."""
        if not entry.secret_key:
            raise InvalidConfig("secretKey is required: a whole Secret cannot be pushed", fix="set match.secretKey")
        value = text_of(pushed(entry, source), "Devolutions Server keeps")
        if not value:
            raise InvalidConfig(
                f'the value of secret key "{entry.secret_key}" is empty', fix="push one that has a value"
            )
        try:
            at = await self._found(self._place(entry.remote.key))
            there = await self._entry(at)
        except SecretNotFound:
            raise InvalidConfig(
                f"entry {entry.remote.key} not found: entry must exist before pushing secrets", fix="create the entry"
            ) from None
        change = codec.changed(there, value)
        if there.data.get(codec.PASSWORD) != value:
            await self._send("UpdateEntry", "PUT", entry_path(at), json=change)

    async def delete(self, remote: Remote) -> None:
        """The whole entry."""
        try:
            at = await self._found(self._place(remote.key))
            await self._of_entry("DeleteEntry", "DELETE", at)
        except SecretNotFound:
            return

    async def exists(self, remote: Remote) -> bool:
        try:
            await self._entry(await self._found(self._place(remote.key)))
        except SecretNotFound:
            return False
        return True

    # requests

    def _place(self, key: str) -> codec.Place:
        """A store without credentials of its own checks the form of a key all the same."""
        vault = "" if self._connection is None else self._connection.vault
        return codec.place_of(key, vault or spec.vault(self.store.provider_spec))

    async def _found(self, place: codec.Place) -> codec.ById:
        """Raises SecretNotFound where the server, at which the login counts, lists no entry with the name."""
        if isinstance(place, codec.ById):
            return place
        query = {"name": place.name} | ({"path": place.path} if place.path else {})
        try:
            listed = await every_page(self._page, f"{VAULTS}/{place.vault}/entry", query, codec.listed_in)
        except NothingThere:
            await self._check_vault()
            raise
        credentials = [one for one in listed if one.kind == codec.CREDENTIAL and one.within(place.path)]
        id = codec.picked(credentials, place)
        if id is None:
            codec.refuse_almost(listed, place)
            await self._check_login()
            raise SecretNotFound()
        return codec.ById(place.vault, id)

    async def _entry(self, at: codec.ById) -> codec.Entry:
        reply = await self._of_entry("GetEntry", "GET", at)
        found = await self.decoded(reply.body, codec.entry_of)
        if found.id != at.id:
            raise Malformed("the server answers with another entry than the one that it was asked for")
        return found

    async def _of_entry(self, call: str, method: str, at: codec.ById) -> Reply:
        """Raises SecretNotFound for a 404 where the server serves the vault, and the login counts there."""
        try:
            return await self._send(call, method, entry_path(at))
        except NothingThere as error:
            try:
                await self._page(f"{VAULTS}/{at.vault}/entry?page=1")
            except NothingThere:
                await self._check_vault()
                raise error from None
            await self._check_login()
            raise SecretNotFound() from None

    async def _check_vault(self) -> None:
        """Raises AuthExpired where the vault's name means another one since the login: a new login looks it up."""
        named = spec.vault(self.store.provider_spec)
        if not named or canonical(named) is not None:
            return
        if await vault_of(self.connection, named, self.store.namespace) != self.connection.vault:
            raise AuthExpired("the vault was replaced")

    async def _check_login(self) -> None:
        """Raises AuthExpired where the server does not take the login for one any more, whatever it answered."""
        reply = await self.connection.api.send("IsLogged", "GET", "/api/is-logged")
        if not codec.logged_in(reply.body):
            raise AuthExpired("the login has ended")

    async def _page(self, path: str) -> codec.Page:
        return await self.decoded((await self._send("ListEntries", "GET", path)).body, codec.page_of)

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        """A server may refuse a login that has ended as it refuses one without rights."""
        try:
            return await self.connection.api.send(call, method, path, **options)
        except Denied as refused:
            try:
                await self._check_login()
            except AuthExpired:
                raise
            except EsoError:
                raise refused from None
            raise


async def ended(api: Api) -> None:
    """Logs out, since the server counts sessions until they are ended, and closes the connections."""
    try:
        with suppress(EsoError):
            await replace(api, timeouts=PARTING).send("Logout", "POST", "/api/v1/logout", body=b"")
    finally:
        await api.close()


def entry_path(at: codec.ById) -> str:
    return f"{VAULTS}/{at.vault}/entry/{at.id}"


async def vault_of(session: Session, named: str, owner: str) -> str:
    """The id of a vault. Raises InvalidConfig for a name that none has, or several."""
    id = canonical(named)
    if id is not None:
        return id

    async def page(path: str) -> codec.Page:
        reply = await session.api.send("ListVaults", "GET", path)
        return await decoded(session.offload, owner, reply.body, codec.page_of)

    found = [id for name, id in await every_page(page, VAULTS, {}, codec.vault_in) if name == named]
    if not found:
        raise InvalidConfig("vault not found", fix="correct vault, or give the application access to it")
    if len(found) > 1:
        raise InvalidConfig(f"{len(found)} vaults have this name", fix="write the id of the vault")
    return found[0]


async def every_page(
    ask: Callable[[str], Awaitable[codec.Page]],
    path: str,
    query: Mapping[str, str],
    read: Callable[[Mapping[str, Any]], T],
) -> list[T]:
    """What all pages of a list have, bounded; once where two pages have the same. Raises Malformed for another page
    than the one that was asked for: a list that is cut proves no absence."""
    walk, found, number, last = Walk(), dict[T, None](), 1, False
    while not last:
        walk.enter()
        page = await ask(f"{path}?{urlencode({**query, 'page': number})}")
        if max(page.number, 1) != number:  # an empty list may be page 0
            raise Malformed("the server answers with another page than the one that it was asked for")
        walk.found(page.entries)
        found |= dict.fromkeys(read(entry) for entry in page.entries)
        number, last = number + 1, page.last
    return list(found)
