"""One login at Scaleway: versions of secrets read by id, name or path, searched, written as new versions, removed.

Neighbours: connect.py makes it, codec.py reads references and replies, refusal.py words what Scaleway refuses.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.payload import pushed
from eso.providers.kit.search import AT_ONCE, Volume, Walk, by_name, every
from eso.providers.scaleway import codec

LABEL: Final = "Scaleway/SecretManager"
PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Scope:
    region: str
    project: str

    @property
    def secrets(self) -> str:
        return f"/secret-manager/v1beta1/regions/{self.region}/secrets"


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret."""

    scope: Scope
    place: codec.Place
    revision: str


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.scope = Scope(str(block.get("region") or ""), str(block.get("projectId") or ""))

    async def validate(self) -> Validation:
        """The secrets of the project may be listed."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._page({}, 1, 1)
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property and metadataPolicy are not part of it."""
        return Asked(self.scope, codec.place_of(ref.key), codec.revision_of(ref.version))

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        id = await self._id(request.place)
        if id is None:
            raise SecretNotFound()
        return await self._version(id, request.revision)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Names and values of the last enabled versions. Of tags only the names count. Of equal names in several
        folders the last wins; a secret without an enabled version is left out."""
        matches, walk, volume = by_name(find), Walk(), Volume()
        query: dict[str, Any] = {} if find.path is None else {"path": find.path}
        if find.tags:
            query["tags"] = [name for name, _ in find.tags]
        page, seen = 1, PER_PAGE
        while seen == PER_PAGE:
            walk.enter()
            listed = await self.decoded((await self._page(query, page, PER_PAGE)).body, codec.listed_of)
            walk.found(listed)
            wanted = await matches.these([secret.name for secret in listed])
            chosen = [secret for secret in listed if secret.name in wanted]
            contents = await every(chosen, self._enabled, AT_ONCE)
            found = zip(chosen, contents, strict=True)
            yield {secret.name: volume.counted(content.data) for secret, content in found if content is not None}
            page, seen = page + 1, len(listed)

    async def _enabled(self, secret: codec.Listed) -> codec.Secret | None:
        try:
            return await self._version(secret.id, codec.LATEST)
        except SecretNotFound:
            return None

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A name may be found in any folder, so writes to one name go one after the other."""
        found = codec.place_of(remote.key)
        return self.scope, found.name if isinstance(found, codec.ByName) else found.id

    async def push(self, entry: Push, source: Source) -> None:
        """A new version, unless the last one has the value; then the one before is disabled. There is no mark of
        ownership."""
        if not entry.secret_key:
            raise InvalidConfig("pushing the whole secret is not yet implemented", fix="set match.secretKey")
        named, value = written(entry.remote), pushed(entry, source)
        id = await self._id(named)
        if id is None:
            await self._add(await self._created(named), value)
            return
        last = await self._last(id)
        if last is not None and (await self._version(id, str(last))).data == value:
            return
        await self._add(id, value)
        if last is not None:
            await self._send("DisableSecretVersion", "POST", f"/{id}/versions/{last}/disable", json={})

    async def delete(self, remote: Remote) -> None:
        id = await self._id(written(remote))
        if id is None:
            return
        try:
            await self._send("DeleteSecret", "DELETE", f"/{id}")
        except SecretNotFound:
            return

    async def exists(self, remote: Remote) -> bool:
        return await self._id(written(remote)) is not None

    async def _created(self, named: codec.ByName) -> str:
        body = {
            "project_id": self.scope.project,
            "name": named.name,
            "tags": None,
            "type": "opaque",
            "path": named.path or "/",
            "protected": False,
        }
        return codec.created_in((await self._send("CreateSecret", "POST", "", json=body)).body)

    async def _add(self, id: str, value: bytes) -> None:
        data = base64.b64encode(value).decode()
        await self._send("CreateSecretVersion", "POST", f"/{id}/versions", json={"data": data})

    async def _last(self, id: str) -> int | None:
        """The number of the last version that can be read, None where there is none."""
        try:
            reply = await self._send("GetSecretVersion", "GET", f"/{id}/versions/{codec.LATEST}")
        except SecretNotFound:
            return None
        return codec.revision_in(reply.body)

    # requests

    async def _id(self, place: codec.Place) -> str | None:
        """The id of a secret; None where the list is empty. Raises Malformed for a list with another secret, which
        proves no absence."""
        if isinstance(place, codec.ById):
            return place.id
        found = codec.listed_of((await self._page(place.query, 1, 1)).body)
        if found and found[0].name != place.name:
            raise Malformed("the server lists another secret than the one that it was asked for")
        return found[0].id if found else None

    async def _version(self, id: str, revision: str) -> codec.Secret:
        reply = await self._send("AccessSecretVersion", "GET", f"/{id}/versions/{revision}/access")
        return await self.decoded(reply.body, codec.secret_of)

    async def _page(self, query: Mapping[str, Any], page: int, size: int) -> Reply:
        given = {"project_id": self.scope.project, "scheduled_for_deletion": "false", "page": page, "page_size": size}
        return await self._send("ListSecrets", "GET", f"?{urlencode(given | dict(query), doseq=True)}")

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        return await self.connection.api.send(call, method, f"{self.scope.secrets}{path}", **options)


def written(remote: Remote) -> codec.ByName:
    """Raises InvalidConfig."""
    found = codec.place_of(remote.key)
    if not isinstance(found, codec.ByName):
        raise InvalidConfig("secrets can only be pushed by name or path", fix="write name:NAME or path:/folder/name")
    return found
