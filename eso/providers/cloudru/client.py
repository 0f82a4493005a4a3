"""One login at Cloud.ru's Secret Manager: versions of secrets read by id or path, searched.

Neighbours: connect.py makes it, codec.py has the messages, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from eso.providers.cloudru import codec, refusal
from eso.providers.contract import Find, RemoteRef, SecretNotFound, StoreView, Validation
from eso.providers.kit.connected import Connected
from eso.providers.kit.grpc import GrpcConnection
from eso.providers.kit.search import AT_ONCE, Volume, Walk, every
from eso.values.convert import convert_keys

LABEL: Final = "Cloud.ru/SecretManager"
BY_ID: Final = "/sbercloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
BY_PATH: Final = "/cloud.csm.core.v2.SecretService/Access"
SEARCH: Final = "/cloud.csm.core.v2.SecretService/Search"


class Client(Connected[GrpcConnection]):
    """A StoreClient."""

    def __init__(self, store: StoreView, connection: GrpcConnection | None) -> None:
        super().__init__(store, connection)
        self.project = str(store.provider_spec.get("projectID") or "")

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """The property is not part of it."""
        return codec.asked_of(self.project, ref.key, ref.version)

    async def fetch(self, request: Hashable) -> codec.Secret:
        if isinstance(request, codec.ById):
            return await self._version(request)
        assert isinstance(request, codec.ByPath)
        reply = await self.connection.api.unary("AccessSecret", BY_PATH, request.message)
        return await self.decoded(reply, codec.secret_of)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """Every member, whatever the property."""
        return dict(codec.mapping(payload))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """The last versions of what the server finds, by their converted paths. Two paths that become one key end the
        search before a value is read; a secret without a version is left out."""
        api = replace(self.connection.api, refuse=refusal.of_search)
        reply = await api.unary("SearchSecret", SEARCH, codec.search(self.project, find))
        found = await self.decoded(reply, codec.found_in)
        Walk().found(list(found))
        names = dict.fromkeys(found, b"")
        offload, volume = self.connection.offload, Volume()
        await offload.run_for(self.store.namespace, partial(convert_keys, names, find.conversion_strategy))
        paths = list(found)
        for at in range(0, len(paths), AT_ONCE):
            part = paths[at : at + AT_ONCE]
            values = await every(part, lambda path: self._last(found[path]), AT_ONCE)
            page = {
                path: volume.counted(value.data) for path, value in zip(part, values, strict=True) if value is not None
            }
            yield convert_keys(page, find.conversion_strategy)

    async def _last(self, id: str) -> codec.Secret | None:
        try:
            return await self._version(codec.ById(id))
        except SecretNotFound:
            return None

    async def _version(self, request: codec.ById) -> codec.Secret:
        reply = await self.connection.api.unary("AccessSecretVersion", BY_ID, request.message)
        return await self.decoded(reply, codec.version_of)
