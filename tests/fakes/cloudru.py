"""Cloud.ru as far as the provider asks: the list of services over HTTP; tokens, secrets by id and path, searches over
gRPC, at one port."""

from __future__ import annotations

import re
import ssl
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiohttp import web

from eso.providers.kit.protobuf import Message, blob, number, parsed, text
from tests.fakes.backend import Asked, Backend
from tests.fakes.grpc import NOT_FOUND, UNAUTHENTICATED, GrpcBackend, Refused

PROJECT: Final = "99999999-2222-4333-8444-555555555555"
KEY_ID: Final = "planted-access-key-id"
SECRET: Final = "planted-access-key-secret"
IAM: Final = "iam.api.cloud.ru:443"
MANAGER: Final = "secretmanager.api.cloud.ru:443"


class Discovery(Backend):
    """The list of services."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.endpoints: Any = [
            {"id": "iam", "address": IAM},
            {"id": "secret-manager", "address": MANAGER},
            {"id": "compute", "address": "compute.api.cloud.ru:443"},
        ]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        assert (asked.method, asked.path) == ("GET", "/endpoints")
        return web.json_response({"endpoints": self.endpoints})


@dataclass
class Held:
    """A secret. `versions`: the first is version 1."""

    path: str
    labels: dict[str, str] = field(default_factory=dict)
    versions: list[bytes] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class FakeCloudru(GrpcBackend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.discovery = Discovery(tls)
        self.keys = {KEY_ID: SECRET}
        self.tokens: set[str] = set()
        self.secrets: dict[str, Held] = {}  # by path
        self.issued = 0

    async def start(self) -> Self:
        await super().start()
        await self.discovery.start()
        return self

    async def stop(self) -> None:
        await self.discovery.stop()
        await super().stop()

    @property
    def hosts(self) -> dict[str, str]:
        return {"api.cloud.ru": self.discovery.address, IAM: self.address, MANAGER: self.address}

    def put(self, path: str, value: bytes, **labels: str) -> Held:
        held = self.secrets.setdefault(path, Held(path, labels))
        held.versions.append(value)
        return held

    async def called(self, method: str, message: bytes, token: str) -> bytes:
        asked = parsed(message)
        if method == "/sbercloud.cp.iam.api.v1.auth.AuthService/GetToken":
            return self._token(asked.text(1), asked.text(2))
        if token not in self.tokens:
            raise Refused(UNAUTHENTICATED, f"The token {token} is invalid")
        match method:
            case "/sbercloud.secretmanager.v1.SecretManagerService/AccessSecretVersion":
                held = next((one for one in self.secrets.values() if one.id == asked.text(1)), None)
                wanted = asked.text(2)
                return blob(1, wrapped(content(held, None if wanted == "latest" else int(wanted))))
            case "/cloud.csm.core.v2.SecretService/Access":
                assert asked.text(1) == PROJECT
                held = self.secrets.get(asked.text(2))
                value = content(held, asked.number(3) if asked.has(3) else None)
                assert held is not None
                return blob(1, shown(held)) + blob(3, wrapped(value))
        assert method == "/cloud.csm.core.v2.SecretService/Search"
        return b"".join(blob(1, shown(held)) for held in self._searched(asked))

    def _searched(self, asked: Message) -> list[Held]:
        assert asked.text(1) == PROJECT
        assert asked.number(3) == -1
        labels = {one.text(1): one.text(2) for one in asked.messages(10)}
        return [
            held
            for held in self.secrets.values()
            if held.path.startswith(asked.text(2))
            and labels.items() <= held.labels.items()
            and re.search(asked.text(11), held.name)
        ]

    def _token(self, key: str, secret: str) -> bytes:
        if self.keys.get(key) != secret:
            raise Refused(UNAUTHENTICATED, f"{key} {secret}")
        self.issued += 1
        token = f"token-{self.issued}"
        self.tokens.add(token)
        return text(1, token) + text(2, "id-token") + number(4, int(getattr(self.tokens, "seconds", 3600)))


def content(held: Held | None, version: int | None) -> bytes:
    number = version if version is not None else len(held.versions) if held is not None else 0
    if held is None or not 0 < number <= len(held.versions):
        raise Refused(NOT_FOUND, "not found")
    return held.versions[number - 1]


def shown(held: Held) -> bytes:
    return text(1, held.id) + text(5, held.name) + text(10, held.path) + text(31, PROJECT)


def wrapped(value: bytes) -> bytes:
    """A BytesValue."""
    return blob(1, value) if value else b""
