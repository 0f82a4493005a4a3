"""The provider `yandexcertificatemanager`: certificates with their chains and keys.

Neighbours: stores.registry makes the Connector; connect.py logs in, codec.py has the messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.contract import Find, InvalidConfig, RemoteRef, Validation
from eso.providers.kit.connected import Connected
from eso.providers.kit.grpc import GrpcConnection
from eso.providers.yandex import codec, connect, refusal
from eso.providers.yandex.spec import folder

LABEL: Final = "Yandex/CertificateManager"
BY_ID: Final = "/yandex.cloud.certificatemanager.v1.CertificateContentService/Get"
BY_NAME: Final = "/yandex.cloud.certificatemanager.v1.CertificateContentService/GetEx"


class Client(Connected[GrpcConnection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a certificate."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        return codec.Asked(ref.key, folder(self.store.provider_spec), ref.version)

    async def fetch(self, request: Hashable) -> codec.Certificate:
        assert isinstance(request, codec.Asked)
        method = BY_NAME if request.folder else BY_ID
        reply = await self.connection.api.unary("GetCertificateContent", method, request.message)
        return await self.decoded(reply, codec.certificate_of)

    def value(self, payload: codec.Certificate, ref: RemoteRef) -> bytes:
        return codec.certificate_part(payload, ref.property)

    def mapping(self, payload: codec.Certificate, ref: RemoteRef) -> dict[str, bytes]:
        """Chain and key, whatever the property."""
        return codec.certificate_parts(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not implemented for Yandex Certificate Manager")
        yield {}  # it is a search all the same


class Connector(connect.Connector[Client]):
    label, service = LABEL, "certificate-manager-data"
    refuse, client = staticmethod(refusal.of_certificate), Client
