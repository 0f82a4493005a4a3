"""One app at Fortanix DSM: secrets read by the name of their object.

Neighbours: connect.py makes it, codec.py turns objects into bytes, refusal.py words what Fortanix refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.fortanix import codec
from eso.providers.kit.connected import Connected, Connection

LABEL: Final = "Fortanix/DSM"


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """Nothing can be tried without the name of an object."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the name of an object")
        return ref.key

    async def fetch(self, request: Hashable) -> bytes:
        """A secret is described by its name and exported by its id; other objects show their value at once."""
        found = await self._object("GetSobject", "info", {"name": str(request)})
        if found.kind == codec.SECRET:
            found = await self._object("ExportSobject", "export", {"kid": found.kid})
        return codec.content(found.value)

    def value(self, payload: bytes, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: bytes, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is currently not supported by Fortanix")
        yield {}  # it is a search all the same

    async def _object(self, call: str, path: str, asked: Mapping[str, str]) -> codec.Described:
        reply = await self.connection.api.send(call, "POST", f"/crypto/v1/keys/{path}", json=asked)
        return await self.decoded(reply.body, codec.described_of)
