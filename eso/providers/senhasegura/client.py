"""One application of senhasegura DSM: its secrets by their identity.

Neighbours: connect.py makes it, codec.py turns the application into values, refusal.py words what senhasegura refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation, ValidationFailed
from eso.providers.kit.connected import Connected, Connection
from eso.providers.senhasegura import codec

LABEL: Final = "Senhasegura/DSM"
NONE: Final = codec.Secret()


class Client(Connected[Connection]):
    """A StoreClient with Batches."""

    most: ClassVar[int] = 1000  # the one call brings every secret, whatever is asked for

    async def validate(self) -> Validation:
        """The application may be read."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._secrets()
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        return ref.key

    def batch(self, request: Hashable) -> Hashable | None:
        return "application"

    async def fetch(self, request: Hashable) -> codec.Secret:
        """No secret is an answer as well: its map is empty."""
        return (await self._secrets()).get(str(request), NONE)

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        found = await self._secrets()
        return {request: found.get(str(request), NONE) for request in requests}

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """Every value, whatever the property."""
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("GetAllSecrets not implemented")
        yield {}  # it is a search all the same

    async def _secrets(self) -> codec.Secrets:
        reply = await self.connection.api.send("GetApplication", "GET", "/iso/dapp/application")
        return await self.decoded(reply.body, codec.secrets_of)
