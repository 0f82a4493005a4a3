"""One login at Nebius MysteryBox: versions of secrets read whole, by id.

Neighbours: connect.py makes it, codec.py has the messages, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.connected import Connected
from eso.providers.kit.entries import Entries
from eso.providers.kit.grpc import GrpcConnection
from eso.providers.nebius import codec

LABEL: Final = "Nebius/Mysterybox"
GET: Final = "/nebius.mysterybox.v1.PayloadService/Get"


class Client(Connected[GrpcConnection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the id of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """The whole secret, whatever the property: all of them share one read."""
        return codec.Asked(ref.key, ref.version)

    async def fetch(self, request: Hashable) -> Entries:
        assert isinstance(request, codec.Asked)
        reply = await self.connection.api.unary("GetSecret", GET, request.message)
        return await self.decoded(reply, codec.payload_of)

    def value(self, payload: Entries, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: Entries, ref: RemoteRef) -> dict[str, bytes]:
        """Every entry, whatever the property."""
        return payload.all()

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not implemented for Nebius MysteryBox")
        yield {}  # it is a search all the same
