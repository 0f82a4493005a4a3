"""One login at a DevOps Secrets Vault: secrets read by their path.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what the vault refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, StoreView, Validation
from eso.providers.delinea import codec
from eso.providers.delinea.spec import address, path_of
from eso.providers.kit.http import Api, decoded
from eso.runtime.offload import Offload

LABEL: Final = "Delinea/DevOpsSecretsVault"


@dataclass(frozen=True, slots=True)
class Connection:
    """`lifetime`: seconds that the token can be used."""

    api: Api
    lifetime: float
    offload: Offload


class Client:
    """`connection` None: each consumer logs in by itself and none asks."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        self.store, self._connection = store, connection

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise InvalidConfig("this store logs in with credentials of each consumer's namespace")
        return self._connection

    @property
    def lifetime(self) -> float | None:
        return None if self._connection is None else self._connection.lifetime

    async def renew(self) -> bool:
        """A token cannot be extended, only asked for anew."""
        return False

    def bind(self, store: StoreView) -> Client:
        return self if store is self.store else Client(store, self._connection)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.api.close()

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
        return await decoded(self.connection.offload, self.store.namespace, reply.body, codec.secret_of)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """Every member, whatever the property."""
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not supported by Delinea DevOps Secrets Vault")
        yield {}  # it is a search all the same
