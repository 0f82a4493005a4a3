"""One login at IBM Cloud Secrets Manager: secrets read by id, or by group, type and name.

Neighbours: connect.py makes it, codec.py reads keys and replies, refusal.py words what the service refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.ibm import codec
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import segment

LABEL: Final = "IBM/SecretsManager"


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """The version is not part of it."""
        place = codec.place_of(ref.key)
        if place.type in codec.BY_PROPERTY and not (ref.property or ref.members):
            raise InvalidConfig(f"remoteRef.property required for secret type {place.type}", fix="name a field")
        return place

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, codec.Place)
        name = segment(request.name)
        if request.by_id:
            call, path = "GetSecret", f"/api/v2/secrets/{name}"
        else:
            group = segment(request.group)
            call = "GetSecretByNameType"
            path = f"/api/v2/secret_groups/{group}/secret_types/{request.type}/secrets/{name}"
        reply = await self.connection.api.send(call, "GET", path)
        return await self.decoded(reply.body, lambda body: codec.secret_of(body, request))

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref.property, fetch=ref.metadata_policy == "Fetch")

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("not implemented", fix="name each secret: searches are not supported for this provider")
        yield {}  # it is a search all the same
