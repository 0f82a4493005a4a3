"""Onboardbase's public API as far as the provider asks: the secrets of an environment, encrypted with a passcode as
CryptoJS does."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from functools import cache

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.fakes.backend import Asked, Backend

KEY, PASSCODE = "planted-api-key", "planted passcode"
PROJECT, ENVIRONMENT = "shop", "production"


class FakeOnboardbase(Backend):
    """`environments`: secrets by (project, environment). `secrets`: those of one of them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, str] = {}
        self.environments = {(PROJECT, ENVIRONMENT): self.secrets}
        self.key, self.passcode = KEY, PASSCODE
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {"public.onboardbase.com": self.address}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "Service Unavailable")
        if asked.headers.get("api_key") != self.key:
            return refusal(401, "Unauthorized")
        if asked.path == "/api/v1/team/members":
            return web.json_response({"data": {"members": []}, "status": "success", "message": ""})
        if asked.path != "/api/v1/secrets":
            return refusal(404, "Not Found")
        held = self.environments.get((asked.query["project"], asked.query["environment"]))
        if held is None:
            return refusal(404, "environment not found")
        secrets = [
            {"id": str(place), "key": sealed(name, self.passcode), "value": sealed(value, self.passcode)}
            for place, (name, value) in enumerate(held.items())
        ]
        return web.json_response({"data": {"secrets": secrets}, "status": "success", "message": ""})


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"messages": [message]}, status=status)


@cache
def sealed(text: str, passcode: str) -> str:
    """What `CryptoJS.AES.encrypt(text, passcode).toString()` makes."""
    salt = os.urandom(8)
    blocks = [b""]
    for _ in range(3):
        blocks.append(hashlib.md5(blocks[-1] + passcode.encode() + salt).digest())
    stream = b"".join(blocks)
    plain = text.encode()
    missing = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(stream[:32]), modes.CBC(stream[32:])).encryptor()
    body = encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()
    return base64.b64encode(b"Salted__" + salt + body).decode()
