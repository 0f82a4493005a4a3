"""Yandex Cloud as far as the providers ask: addresses of services, tokens, payloads of secrets, certificates. All of
its services answer at one port."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.providers.kit.protobuf import blob, number, parsed, text
from eso.providers.yandex.lockbox import Connector
from tests.fakes.backend import Asked, Backend
from tests.fakes.env import Detour, Whole
from tests.fakes.grpc import INVALID, NOT_FOUND, UNAUTHENTICATED, GrpcBackend, Refused

KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM: Final = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
NOTE: Final = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <key>\n"
ACCOUNT: Final = "aje-account"
FOLDER: Final = "b1g-folder"
ADDRESSES: Final = {
    "iam": "iam.api.cloud.yandex.net:443",
    "lockbox-payload": "payload.lockbox.api.cloud.yandex.net:443",
    "certificate-manager-data": "data.certificate-manager.api.cloud.yandex.net:443",
}
DISCOVERY: Final = "api.cloud.yandex.net:443"


def key_file(id: str) -> str:
    return json.dumps({"id": id, "service_account_id": ACCOUNT, "key_algorithm": "RSA_2048", "private_key": NOTE + PEM})


class Metadata(Backend):
    """The metadata service of the machine that the operator runs on."""

    status = 200

    async def answer(self, asked: Asked) -> web.StreamResponse:
        assert asked.path == "/computeMetadata/v1/instance/service-accounts/default/token"
        assert asked.headers["Metadata-Flavor"] == "Google"
        told = {"access_token": "t1.machine", "expires_in": 40000, "token_type": "Bearer"}
        return web.json_response(told, status=self.status)


class WholeYandex(Whole):
    """Lockbox, on a machine that has a metadata service."""

    def __init__(self, server: FakeYandex) -> None:
        super().__init__("yandexlockbox", hosts=server.hosts)
        assert isinstance(self.connector, Connector)
        self.connector.direct = lambda: self._direct(server.metadata.address)

    def _direct(self, address: str) -> Detour:
        made = Detour()
        made.hosts = {"169.254.169.254": address}
        return made


@dataclass
class Held:
    """`id` and `name` of a secret or a certificate, and its versions, the last one is the present."""

    id: str
    name: str
    versions: dict[str, Any]


class FakeYandex(GrpcBackend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.keys = {"key-1"}
        self.tokens: set[str] = set()
        self.addresses = dict(ADDRESSES)
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.secrets: dict[str, Held] = {}
        self.certificates: dict[str, Held] = {}
        self.issued = 0
        self.metadata = Metadata()

    async def start(self) -> Self:
        await self.metadata.start()
        return await super().start()

    async def stop(self) -> None:
        await self.metadata.stop()
        await super().stop()

    @property
    def hosts(self) -> dict[str, str]:
        return {host: self.address for host in (DISCOVERY, *ADDRESSES.values())}

    def put(self, id: str, entries: dict[str, str | bytes], *, name: str = "", version: str = "v1") -> None:
        held = self.secrets.setdefault(id, Held(id, name or id, {}))
        held.versions[version] = entries

    def certify(self, id: str, chain: list[str], key: str, *, name: str = "", version: str = "v1") -> None:
        held = self.certificates.setdefault(id, Held(id, name or id, {}))
        held.versions[version] = (chain, key)

    async def called(self, method: str, message: bytes, token: str) -> bytes:
        asked = parsed(message)
        match method:
            case "/yandex.cloud.endpoint.ApiEndpointService/Get":
                if asked.text(1) not in self.addresses:
                    raise Refused(NOT_FOUND)
                return text(1, asked.text(1)) + text(2, self.addresses[asked.text(1)])
            case "/yandex.cloud.iam.v1.IamTokenService/Create":
                return self._token(asked.text(2))
        if token not in self.tokens:
            raise Refused(UNAUTHENTICATED, f"The token {token} is invalid")
        service, _, way = method.rpartition("/")
        found = self._found(service, way, message)
        if service == "/yandex.cloud.lockbox.v1.PayloadService":
            if way == "Get":
                return text(1, "v") + b"".join(blob(2, text(1, key) + entry(value)) for key, value in found.items())
            return text(2, "v") + b"".join(
                blob(3, text(1, key) + blob(2, whole(value))) for key, value in found.items()
            )
        assert service == "/yandex.cloud.certificatemanager.v1.CertificateContentService"
        chain, key = found
        return b"".join(text(3, part) for part in chain) + text(4, key)

    def _found(self, service: str, way: str, message: bytes) -> Any:
        asked = parsed(message)
        held = self.secrets if "lockbox" in service else self.certificates
        if way == "Get":
            one, version = held.get(asked.text(1)), asked.text(2)
        else:
            assert way == "GetEx"
            wanted, version = asked.message(2), asked.text(21)
            named = [one for one in held.values() if one.name == wanted.text(2)]
            one = named[0] if named and wanted.text(1) == FOLDER else None
        if one is None or (version and version not in one.versions):
            raise Refused(NOT_FOUND, "not found")
        return one.versions[version or list(one.versions)[-1]]

    def _token(self, assertion: str) -> bytes:
        head, claims, signature = assertion.split(".")
        told = decoded(head)
        says = decoded(claims)
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        try:
            KEY.public_key().verify(
                base64.urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode(), scheme, hashes.SHA256()
            )
        except InvalidSignature:
            raise Refused(UNAUTHENTICATED, assertion) from None
        now = int(self.today().timestamp())
        assert told["alg"] == "PS256"
        assert says["aud"] == "https://iam.api.cloud.yandex.net/iam/v1/tokens"
        if told["kid"] not in self.keys or says["iss"] != ACCOUNT:
            raise Refused(UNAUTHENTICATED, assertion)
        if not says["iat"] - 60 <= now < says["exp"] or says["exp"] - says["iat"] != 3600:
            raise Refused(INVALID, assertion)
        self.issued += 1
        token = f"t1.token-{self.issued}-of-{told['kid']}"
        self.tokens.add(token)
        seconds = int(getattr(self.tokens, "seconds", 12 * 3600))
        return text(1, token) + blob(2, number(1, now + seconds))


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def entry(value: str | bytes) -> bytes:
    return blob(2, value.encode()) if isinstance(value, str) else blob(3, value)


def whole(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
