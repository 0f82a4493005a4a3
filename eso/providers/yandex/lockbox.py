"""The provider `yandexlockbox`: entries of secrets.

Neighbours: stores.registry makes the Connector; connect.py logs in, codec.py has the messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.connected import Connected
from eso.providers.kit.entries import Entries
from eso.providers.kit.grpc import GrpcConnection
from eso.providers.yandex import codec, connect, refusal
from eso.providers.yandex.spec import folder

LABEL: Final = "Yandex/Lockbox"
BY_ID: Final = "/yandex.cloud.lockbox.v1.PayloadService/Get"
BY_NAME: Final = "/yandex.cloud.lockbox.v1.PayloadService/GetEx"


class Client(Connected[GrpcConnection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        return codec.Asked(ref.key, folder(self.store.provider_spec), ref.version)

    async def fetch(self, request: Hashable) -> Entries:
        assert isinstance(request, codec.Asked)
        method, decode = (BY_NAME, codec.named_payload_of) if request.folder else (BY_ID, codec.payload_of)
        reply = await self.connection.api.unary("GetPayload", method, request.message)
        return await self.decoded(reply, decode)

    def value(self, payload: Entries, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: Entries, ref: RemoteRef) -> dict[str, bytes]:
        """Every entry, whatever the property."""
        return payload.all()

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not implemented for Yandex Lockbox")
        yield {}  # it is a search all the same


class Connector(connect.Connector[Client]):
    label, service = LABEL, "lockbox-payload"
    refuse, client = staticmethod(refusal.of_secret), Client
