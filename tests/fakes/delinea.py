"""Delinea DevOps Secrets Vault as far as the provider asks: tokens of clients, secrets by path."""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

CLIENT, PASSWORD = "client-id", "planted-client-secret"


class FakeDelinea(Backend):
    """`secrets`: data by path, as it is written in the address; None is a secret without data."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.clients = {CLIENT: PASSWORD}
        self.tokens: set[str] = set()
        self.secrets: dict[str, Any] = {}
        self.seconds: Any = 3600
        self.down = False

    @property
    def template(self) -> str:
        return f"{self.address}/%s/%s/%s%s"

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"message": "down"}, status=503)
        if asked.path == "/shop/com/token" and asked.method == "POST":
            body = asked.body
            known = self.clients.get(body["client_id"]) == body["client_secret"]
            if not known or body["grant_type"] != "client_credentials":
                return web.json_response({"code": 401, "message": "unable to authenticate"}, status=401)
            token = f"planted-token-{len(self.asked)}"
            self.tokens.add(token)
            return web.json_response({"accessToken": token, "tokenType": "bearer", "expiresIn": self.seconds})
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"code": 401, "message": "invalid token"}, status=401)
        path = asked.path.removeprefix("/shop/com/secrets/")
        if path not in self.secrets:
            return web.json_response(
                {"code": 404, "message": "unable to find item with specified identifier"}, status=404
            )
        return web.json_response(
            {"id": "1", "path": path, "attributes": {}, "data": self.secrets[path], "version": "0"}
        )
