"""Fortanix DSM as far as the provider asks: objects by name, exports by id."""

from __future__ import annotations

import base64
import ssl
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

KEY = "cGxhbnRlZC1hcHA6cGxhbnRlZC1zZWNyZXQ="


class FakeFortanix(Backend):
    """`objects`: by name, as the server describes them; `values` of those that are exported, by kid."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.objects: dict[str, dict[str, Any]] = {}
        self.values: dict[str, bytes] = {}
        self.key = KEY
        self.down = False

    def put(self, name: str, value: bytes) -> None:
        """A secret, which only an export shows."""
        kid = f"kid-of-{name}"
        self.objects[name], self.values[kid] = {"kid": kid, "obj_type": "SECRET", "name": name}, value

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503, text="down")
        if asked.headers.get("Authorization") != f"Basic {self.key}":
            return web.Response(status=401, text="Invalid credentials")
        match asked.method, asked.path:
            case "POST", "/crypto/v1/keys/info" if asked.body["name"] in self.objects:
                return web.json_response(self.objects[asked.body["name"]])
            case "POST", "/crypto/v1/keys/export" if asked.body["kid"] in self.values:
                value = base64.b64encode(self.values[asked.body["kid"]]).decode()
                return web.json_response({"kid": asked.body["kid"], "obj_type": "SECRET", "value": value})
        return web.Response(status=404, text="sobject does not exist")
