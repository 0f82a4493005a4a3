"""One login at a DevOps Secrets Vault: secrets read by their path.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what the vault refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.delinea import codec
from eso.providers.delinea.spec import address, path_of
from eso.providers.kit.connected import Connected, Connection

LABEL: Final = "Delinea/DevOpsSecretsVault"


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        if ref.version:
            raise InvalidConfig("specifying a version is not yet supported", fix="leave remoteRef.version out")
        return path_of(ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        url = address(self.store.provider_spec, "secrets", str(request))
        reply = await self.connection.api.send("GetSecret", "GET", url)
        return await self.decoded(reply.body, codec.secret_of)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """Every member, whatever the property."""
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not supported by Delinea DevOps Secrets Vault")
        yield {}  # it is a search all the same
