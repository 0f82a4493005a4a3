"""Previder Vault as far as the provider asks: secrets decrypted by id, listed for tokens of one type."""

from __future__ import annotations

import ssl
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "planted-previder-token"


class FakePrevider(Backend):
    """`secrets`: by id. `lists`: the token is of the type ReadWrite, which may list. `base`: path of the API."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, str] = {}
        self.token = TOKEN
        self.lists = True
        self.down = False

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"message": "down"}, status=503)
        if asked.headers.get("X-API-Key") != self.token:
            return web.json_response({"message": "not authorized"}, status=401)
        steps = asked.path.strip("/").split("/")
        match asked.method, steps:
            case "GET", ["secret"]:
                if not self.lists:
                    return web.json_response({"message": "not authorized"}, status=401)
                return web.json_response([{"id": id, "description": f"of {id}"} for id in self.secrets])
            case "GET", ["secret", id, "decrypt"] if unquote(id) in self.secrets:
                return web.json_response({"secret": self.secrets[unquote(id)]})
        return web.json_response({"message": "not found"}, status=404)
