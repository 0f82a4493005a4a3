"""One session at Password Safe: secrets of Secrets Safe read and made, credentials of managed accounts requested.

Neighbours: connect.py signs in, codec.py reads keys and replies, pushing.py has the bodies of pushes.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import TransportError
from eso.providers.beyondtrust import codec, pushing, spec
from eso.providers.beyondtrust.session import Session
from eso.providers.contract import (
    Denied,
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import NothingThere, Reply, typed, worded
from eso.providers.kit.payload import pushed

DIAL: Final = 15.0
FAILED: Final = "error getting secret/managed account: "
MINUTES: Final = 5  # that a requested credential may be read
REASON: Final = "External Secrets Operator"


@dataclass(frozen=True, slots=True)
class Asked:
    """`how`: of a secret, what the store says about reading it."""

    place: codec.Place
    how: tuple[tuple[str, str], ...] = ()


class Client(Connected[Session]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Session | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.safe, self.separator, self.version = spec.safe(block), spec.separator(block), spec.version(block)
        self.decrypt = (block.get("server") or {}).get("decrypt") is not False

    async def validate(self) -> Validation:
        """The server's port is dialled; whoever is signed in already was let in."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._connection.pools.dial(self._connection.api.base, DIAL)
        except TransportError as error:
            raise ValidationFailed(f"error accessing external store: {error}", fix=error.fix) from typed(error)
        return Validation.READY

    async def close(self) -> None:
        if self._connection is not None:
            try:
                with suppress(EsoError):
                    await self._connection.sign_out()
            finally:
                await super().close()

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy have no effect, as in the reference."""
        if ref.members:
            raise InvalidConfig("GetSecretMap not implemented", fix="use data instead of dataFrom.extract")
        place = codec.place_of(ref.key, self.separator, safe=self.safe)
        if isinstance(place, codec.Managed):
            return Asked(place)
        how = {"separator": self.separator, "decrypt": str(self.decrypt).lower()} | self._versioned
        return Asked(place, tuple(how.items()))

    async def fetch(self, request: Hashable) -> codec.Value:
        assert isinstance(request, Asked)
        if isinstance(request.place, codec.Managed):
            return await worded(FAILED, self._requested(request.place))
        return await worded(FAILED, self._secret(request.place, dict(request.how)))

    def value(self, payload: codec.Value, ref: RemoteRef) -> bytes:
        return payload.data

    def mapping(self, payload: codec.Value, ref: RemoteRef) -> dict[str, bytes]:
        raise InvalidConfig("GetSecretMap not implemented")

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("GetAllSecrets not implemented", fix="name each secret in data")
        yield {}  # it is a search all the same

    async def _secret(self, place: codec.InSafe, how: Mapping[str, str]) -> codec.Value:
        query = {"path": place.path, "title": place.title} | dict(how)
        reply = await self._send("GetSecret", "GET", "/secrets-safe/secrets", query=query)
        secret = await self.decoded(reply.body, codec.first_of)
        return await self._file(secret) if secret.kind == codec.FILE else codec.password_of(secret)

    async def _file(self, secret: codec.Listed) -> codec.Value:
        path = f"/secrets-safe/secrets/{secret.id}/file/download"
        return codec.Value((await self._send("DownloadFile", "GET", path, query=self._versioned)).body)

    async def _requested(self, place: codec.Managed) -> codec.Value:
        """A request that is there already is used again; one that is not given back ends in minutes."""
        query = {"systemName": place.system, "accountName": place.account}
        reply = await self._send("GetManagedAccount", "GET", "/ManagedAccounts", query=query)
        system, account = await self.decoded(reply.body, codec.account_of)
        body = {
            "SystemID": system,
            "AccountID": account,
            "DurationMinutes": MINUTES,
            "Reason": REASON,
            "ConflictOption": "reuse",
        }
        reply = await self._send("CreateRequest", "POST", "/Requests", json=body)
        id = await self.decoded(reply.body, codec.request_of)
        try:
            reply = await self._send("GetCredential", "GET", f"/Credentials/{id}")
            value = await self.decoded(reply.body, codec.credential_of)
        except EsoError:
            await self._given_back(id)
            raise
        await self._given_back(id)
        return value

    async def _given_back(self, id: str) -> None:
        with suppress(EsoError):  # it ends by itself
            await self._send("CheckinRequest", "PUT", f"/Requests/{id}/checkin", json={})

    # writing

    def place(self, remote: Remote) -> Hashable:
        """The metadata of a push says where it goes, so the writes of a login go one after the other."""
        return "secrets-safe"

    async def push(self, entry: Push, source: Source) -> None:
        """Makes a secret, unless the folder has one with this title and this value. Nothing is changed, as in the
        reference. remoteKey and property have no effect."""
        missing = f"failed to find secret key in secret with key: {entry.secret_key}"
        wanted = pushing.wanted(entry.metadata, pushed(entry, source, missing))
        body = pushing.body_of(wanted, self.connection.user, self.version)
        reply = await self._send("GetFolders", "GET", "/secrets-safe/folders/", query=self._versioned)
        folder = await self.decoded(reply.body, partial(codec.folder_in, name=wanted.folder))
        if await self._there(wanted, folder):
            return
        path = f"/secrets-safe/folders/{folder}/secrets{pushing.PATHS[wanted.kind]}"
        options: dict[str, Any] = {"json": body}
        if wanted.kind == codec.FILE:
            boundary = randomness.token_hex(16)
            content = pushing.multipart(body, str(wanted.given["file_name"]), wanted.value, boundary)
            options = {
                "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
                "body": content,
            }
        await self._send("CreateSecret", "POST", path, query=self._versioned, **options)

    async def delete(self, remote: Remote) -> None:
        raise InvalidConfig("DeleteSecret not implemented", fix="set deletionPolicy: None")

    async def exists(self, remote: Remote) -> bool:
        """By the title that a push writes, in any folder."""
        query = {"title": pushing.title_of(remote.metadata, remote.key), "decrypt": "false"}
        try:
            reply = await self._send("FindSecret", "GET", "/secrets-safe/secrets", query=query)
        except NothingThere:
            return False
        return bool(await self.decoded(reply.body, codec.secrets_of))

    async def _there(self, wanted: pushing.Wanted, folder: str) -> bool:
        """Whether a secret with this title and this value is in the folder. One that may not be read is not known."""
        query = {"title": wanted.title, "decrypt": "true"} | self._versioned
        try:
            reply = await self._send("FindSecret", "GET", "/secrets-safe/secrets", query=query)
        except (Denied, NothingThere):
            return False
        for found in await self.decoded(reply.body, codec.secrets_of):
            if (found.title, found.kind, found.folder) != (wanted.title, wanted.kind, folder.lower()):
                continue
            held = await self._readable(found)
            if held is not None and held.data == wanted.value:
                return True
        return False

    async def _readable(self, found: codec.Listed) -> codec.Value | None:
        """Its value; None for one that may not be read, which hides no other of its title."""
        if found.kind != codec.FILE:
            return None if found.password is None else codec.password_of(found)
        try:
            return await self._file(found)
        except (Denied, NothingThere):
            return None

    # requests

    @property
    def _versioned(self) -> dict[str, str]:
        return {"version": self.version} if self.version else {}

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        return await self.connection.api.send(call, method, path, **options)
