"""One access token at a companion server: secrets of an organization read by id or by name within a project, searched,
pushed, deleted.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.bitwarden import codec
from eso.providers.bitwarden.refusal import refuse
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Validation,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere
from eso.providers.kit.metadata import anywhere
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, Walk, every
from eso.providers.kit.together import each

LABEL: Final = "Bitwarden/SecretsManager"
ONE, MANY = "/rest/api/1/secret", "/rest/api/1/secrets"
AT_ONCE: Final = 4  # secrets of one search


Listed = Sequence[tuple[str, str]]  # id and name of every secret of an organization


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret, by its id or by its name within a project."""

    organization: str
    project: str
    key: str


class Client(Connected[Connection]):
    """A StoreClient with Batches and Writes."""

    most: ClassVar[int] = 50  # names that one list serves

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.organization, self.project = str(block.get("organizationID") or ""), str(block.get("projectID") or "")

    async def validate(self) -> Validation:
        """Nothing is asked, as in the reference."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not used, as in the reference."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the id or the name of a secret")
        return self._asked(ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        """A secret that is missing is an ordinary error, as in the reference."""
        assert isinstance(request, Asked)
        if codec.UUID.fullmatch(request.key):
            return await self._secret(request.key)
        return self._there(request, await self._named(request, await self._listed(request.organization)))

    def batch(self, request: Hashable) -> Hashable | None:
        """Names share the list of their organization; an id needs none."""
        assert isinstance(request, Asked)
        return None if codec.UUID.fullmatch(request.key) else request.organization

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Secret | EsoError]:
        """One list for all names, then the secrets that have them."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        listed = await self._listed(wanted[0].organization)

        async def fetch(asked: Asked) -> codec.Secret:
            return self._there(asked, await self._named(asked, listed))

        return await each(wanted, fetch)

    def _there(self, asked: Asked, found: codec.Secret | None) -> codec.Secret:
        """Raises the reference's error for a name that no secret has."""
        if found is None:
            raise EsoError(
                f"no secret found for project id {asked.project} and name {asked.key}",
                fix="create the secret, or let the machine account see its project",
            )
        return found

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return payload.data

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload.data, ref.key)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Every secret of the organization that the token may see, by its id: criteria are not used, as in the
        reference."""
        listed = await self._listed(self.organization)
        Walk().found(listed)
        volume = Volume()
        for at in range(0, len(listed), AT_ONCE * 8):
            ids = [id for id, _ in listed[at : at + AT_ONCE * 8]]
            secrets = await every(ids, self._secret, AT_ONCE)
            yield {id: volume.counted(secret.data) for id, secret in zip(ids, secrets, strict=True)}

    async def _named(self, asked: Asked, listed: Listed) -> codec.Secret | None:
        """The secret with this name in the project. Raises EsoError for several."""
        found = [one for one in await self._alike(asked.key, listed) if one.project == asked.project]
        if len(found) > 1:
            raise EsoError(
                f"more than one secret found for project {asked.project} with key {asked.key}",
                fix="write the id of the secret",
            )
        return found[0] if found else None

    async def _alike(self, name: str, listed: Listed) -> list[codec.Secret]:
        """All secrets of the organization with this name."""
        return await every([id for id, key in listed if key == name], self._secret, AT_ONCE)

    def _asked(self, key: str) -> Asked:
        return Asked(self.organization, self.project, key)

    # writing

    def place(self, remote: Remote) -> Hashable:
        """Only the server knows which name and which id are one secret: the writes to an organization go one after the
        other."""
        return self.organization

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs, to the entry with the same note and project; entries of other ones are left
        alone."""
        key = entry.remote.key
        if not key:
            raise InvalidConfig("remoteKey must be set")
        missing = f"failed to find secret key in secret with key: {entry.secret_key}"
        value = text_of(pushed(entry, source, missing), "Bitwarden keeps")
        note = anywhere(entry.metadata, "note")
        note = note if isinstance(note, str) else ""
        body = codec.written(key, note, self.organization, self.project, value)
        for live in await self._alike(key, await self._listed(self.organization)):
            if (live.note, live.project) != (note, self.project):
                continue
            if live.data != value.encode():
                await self._send("UpdateSecret", "PUT", ONE, body | {"id": live.id})
            return
        await self._send("CreateSecret", "POST", ONE, body)

    async def delete(self, remote: Remote) -> None:
        id: str | None = remote.key
        if not codec.UUID.fullmatch(remote.key):
            found = await self._named(self._asked(remote.key), await self._listed(self.organization))
            id = None if found is None else found.id
        if id is not None:
            reply = await self._send("DeleteSecret", "DELETE", ONE, {"ids": [id]})
            await self.decoded(reply.body, codec.refuse_failed)

    async def exists(self, remote: Remote) -> bool:
        if not codec.UUID.fullmatch(remote.key):
            return await self._named(self._asked(remote.key), await self._listed(self.organization)) is not None
        await self._secret(remote.key)
        return True

    # requests

    async def _secret(self, id: str) -> codec.Secret:
        reply = await self._send("GetSecret", "GET", ONE, {"id": id})
        return await self.decoded(reply.body, codec.secret_of)

    async def _listed(self, organization: str) -> Listed:
        reply = await self._send("ListSecrets", "GET", MANY, {"organizationID": organization})
        return await self.decoded(reply.body, codec.listed_of)

    async def _send(self, call: str, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        """Every request has a body, a GET too; 200 alone is a success."""
        reply = await self.connection.api.send(call, method, path, json=body)
        if reply.status != 200:
            error = refuse(reply)
            raise error if isinstance(error, NothingThere | Malformed) else Malformed(str(error))
        return reply
