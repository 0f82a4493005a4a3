"""One token of Previder Vault: secrets by their id.

Neighbours: connect.py makes it, codec.py reads replies, refusal.py words what the vault refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    RemoteRef,
    SecretNotFound,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment
from eso.providers.previder import codec

LABEL: Final = "Previder/Vault"
PROBE: Final = "external-secrets-validation-check"  # an id that no secret has


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """A token of either type may ask for a secret, and learns that this one is not there."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self.fetch(PROBE)
        except (SecretNotFound, InvalidConfig):  # the token was taken; what it asked for is none
            pass
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy have no effect."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the id of a secret")
        segment(ref.key)
        return ref.key

    async def fetch(self, request: Hashable) -> codec.Secret:
        key = str(request)
        try:
            reply = await self.connection.api.send("DecryptSecret", "GET", f"/secret/{segment(key)}/decrypt")
        except NothingThere as missing:
            await self._prove(key, missing)
            raise SecretNotFound() from None
        return await self.decoded(reply.body, codec.secret_of)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return payload.value

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        """The one value, under the key that was asked for."""
        return {ref.key: payload.value}

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("GetAllSecrets not implemented")
        yield {}  # it is a search all the same

    async def _prove(self, key: str, missing: NothingThere) -> None:
        """The server knows the path of its secrets, and lists none with this name; a ReadOnly token is refused the list
        by the vault itself. A mistyped address answers 404 to that as well. Raises `missing`."""
        try:
            reply = await self.connection.api.send("ListSecrets", "GET", "/secret")
        except NothingThere:
            raise missing from None
        except (AuthExpired, Denied):
            return
        if await self.decoded(reply.body, lambda body: codec.names(body, key)):
            raise missing
