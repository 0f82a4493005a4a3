"""One login at Volcengine KMS: secrets read by name and version.

Neighbours: connect.py makes it, codec.py reads replies, refusal.py words what Volcengine refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.connected import Connected, Connection
from eso.providers.volcengine import codec, refusal

LABEL: Final = "Volcengine/KMS"
VERSION: Final = "2021-02-18"
JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret; "" is the current one."""

    name: str
    version: str


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property and metadataPolicy are not part of it."""
        if not ref.key:
            raise InvalidConfig("secret name is empty", fix="write it in the key")
        return Asked(ref.key, ref.version)

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        body = {"SecretName": request.name} | ({"VersionID": request.version} if request.version else {})
        call = "GetSecretValue"
        path = f"/?Action={call}&Version={VERSION}"
        reply = await self.connection.api.send(call, "POST", path, headers=JSON, json=body)
        decoded = await self.decoded(reply.body, lambda body: codec.secret_of(body, request.name))
        if decoded is None:
            raise refusal.of_api(reply)
        return decoded

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("not implemented", fix="name each secret: searches are not supported for this provider")
        yield {}  # it is a search all the same
