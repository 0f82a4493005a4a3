"""One login at a site of Workload Credentials: static secrets read by name in a folder, and searched.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from eso.errors import EsoError
from eso.providers.beyondtrustworkloadcredentials import codec
from eso.providers.beyondtrustworkloadcredentials.refusal import refuse
from eso.providers.contract import (
    Find,
    InvalidConfig,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import Reply, segment
from eso.providers.kit.search import AT_ONCE, Volume, Walk, by_name, every

LABEL: Final = "BeyondTrust/WorkloadCredentials"


@dataclass(frozen=True, slots=True)
class Asked:
    """A secret; "" is the root folder."""

    folder: str
    name: str


class Client(Connected[Connection]):
    """A StoreClient."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.folder = str(store.provider_spec.get("folderPath") or "")

    async def validate(self) -> Validation:
        """A call that reaches the server is its dial, too."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._session()
        except EsoError as error:
            raise ValidationFailed(f"authentication validation failed: {error}", fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the name of a secret")
        return Asked(self.folder, ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        try:
            return await self._secret(request)
        except SecretNotFound as missing:
            raise await self._proven(missing) from None

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """Every member, whatever the property."""
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Members of the secrets below a folder, under `path/member`. A secret that is gone meanwhile, or has no data,
        is left out. Raises SecretNotFound where nothing is found."""
        matches, walk, volume = by_name(find), Walk(), Volume()
        folder = self.folder if find.path is None else find.path.rstrip("/")
        items = await self._items(folder)
        walk.found(items)
        wanted = await matches.these([item.name for item in items])
        chosen = [item for item in items if item.name and item.name in wanted]
        some = False
        for start in range(0, len(chosen), AT_ONCE):
            some_items = chosen[start : start + AT_ONCE]
            secrets = await every(some_items, lambda item: self._content(item, folder), AT_ONCE)
            page = dict[str, bytes]()
            for item, secret in zip(some_items, secrets, strict=True):
                if secret is not None and secret.data is not None and codec.tagged(secret, find.tags or ()):
                    found = codec.mapping(secret)
                    page |= {f"{item.path}/{name}": volume.counted(value) for name, value in found.items()}
            some = some or bool(page)
            yield page
        if not some:
            raise SecretNotFound()

    async def _content(self, item: codec.Item, folder: str) -> codec.Secret | None:
        try:
            return await self._secret(Asked(item.folder or folder, item.name))
        except SecretNotFound:
            return None

    # requests

    async def _secret(self, asked: Asked) -> codec.Secret:
        query = {"folder": asked.folder} if asked.folder else {}
        path = f"/static/{segment(asked.name)}"
        reply = await self._send("GetSecret", path, query, asked.folder)
        return await self.decoded(reply.body, codec.secret_of)

    async def _items(self, folder: str) -> list[codec.Item]:
        query = ({"path": folder} if folder else {}) | {"recursive": "true"}
        try:
            reply = await self._send("ListSecrets", "/static", query, folder)
        except SecretNotFound as missing:
            raise await self._proven(missing) from None
        return await self.decoded(reply.body, codec.items_of)

    async def _session(self) -> None:
        await self.decoded((await self._send("CheckSession", "/session", {}, "")).body, codec.decoded)

    async def _proven(self, missing: SecretNotFound) -> EsoError:
        """The absence, if the site itself is there: a mistyped address or site answers 404 as well."""
        try:
            await self._session()
        except SecretNotFound:
            shown = f"{missing}; its session is not there either"
            return InvalidConfig(shown, fix="are server.apiUrl and server.siteId right?")
        except EsoError as error:
            return prefixed("cannot tell whether the secret is missing: ", error)
        return SecretNotFound()

    async def _send(self, call: str, path: str, query: Mapping[str, str], folder: str) -> Reply:
        api = replace(self.connection.api, refuse=partial(refuse, folder))
        return await api.send(call, "GET", path, query=query)
