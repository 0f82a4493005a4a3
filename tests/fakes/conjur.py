"""Conjur as far as the provider asks: three ways to log in, variables, lists, batches that fail as a whole."""

from __future__ import annotations

import base64
import json
import re
import ssl
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

USER, API_KEY = "host/eso", "planted-api-key"


class FakeConjur(Backend):
    """`keys`: API keys by login; `jwts`: by (service, host); `certified`: logins by certificate that succeed.
    `encodes`: whether values may travel in base64. `annotations`: by name of a variable."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.keys = {USER: API_KEY}
        self.jwts: dict[tuple[str, str], str] = {}
        self.certified: set[tuple[str, str]] = set()
        self.tokens: set[str] = set()
        self.variables: dict[str, bytes] = {}
        self.annotations: dict[str, dict[str, str]] = {}
        self.payload: dict[str, Any] = {"iat": 1_000, "exp": 1_480}
        self.encodes = True
        self.down = False

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503, text="down")
        if asked.method == "POST":
            return self._login(asked)
        if asked.headers.get("Authorization") not in self.tokens:
            return refusal(401, "CONJ00076E", "Unauthorized")
        if asked.path == "/secrets":
            return self._batch(asked)
        if asked.path == "/resources/shop":
            return self._list(asked)
        if found := re.fullmatch(r"/secrets/shop/variable/(.+)", asked.path):
            name = unquote(found.group(1))
            if name not in self.variables:
                return refusal(404, "CONJ00076E", f"Variable shop:variable:{name} is empty or not found.")
            return web.Response(body=self.variables[name])
        return refusal(404, "CONJ00123E", "Resource not found in account")

    def _login(self, asked: Asked) -> web.Response:
        known = False
        if found := re.fullmatch(r"/authn/shop/(.+)/authenticate", asked.path):
            known = self.keys.get(unquote(found.group(1))) == asked.text
        elif found := re.fullmatch(r"/authn-jwt/([^/]+)/shop(?:/(.+))?/authenticate", asked.path):
            known = f"jwt={self.jwts.get((found.group(1), unquote(found.group(2) or '')))}" == asked.text
        elif found := re.fullmatch(r"/authn-cert/([^/]+)/shop(?:/(.+))?/authenticate", asked.path):
            known = (found.group(1), unquote(found.group(2) or "")) in self.certified and not asked.text
        if not known:
            return refusal(401, "CONJ00002E", "Invalid credentials")
        payload = base64.b64encode(json.dumps(self.payload).encode()).decode()
        token = json.dumps({"protected": "e30=", "payload": payload, "signature": f"planted{len(self.asked)}"})
        self.tokens.add(f'Token token="{base64.b64encode(token.encode()).decode()}"')
        return web.Response(text=token, content_type="application/json")

    def _batch(self, asked: Asked) -> web.Response:
        names = [id.removeprefix("shop:variable:") for id in asked.query["variable_ids"].split(",")]
        if missing := [name for name in names if name not in self.variables]:
            return refusal(404, "CONJ00076E", f"Variable shop:variable:{missing[0]} is empty or not found.")
        encodes = self.encodes and asked.headers.get("Accept-Encoding") == "base64"
        values: dict[str, str] = {}
        for name in names:
            value = self.variables[name]
            try:
                values[f"shop:variable:{name}"] = base64.b64encode(value).decode() if encodes else value.decode()
            except UnicodeDecodeError:
                return refusal(406, "CONJ00143E", "not text")
        return web.json_response(values, headers={"Content-Encoding": "base64"} if encodes else {})

    def _list(self, asked: Asked) -> web.Response:
        start, size = int(asked.query.get("offset", "0")), int(asked.query["limit"])
        assert asked.query["kind"] == "variable"
        found = [
            {
                "id": f"shop:variable:{name}",
                "annotations": [
                    {"name": tag, "value": value, "policy": "shop:policy:root"}
                    for tag, value in self.annotations.get(name, {}).items()
                ],
            }
            for name in sorted(self.variables)
        ]
        return web.json_response(found[start : start + size])


def refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": "refused", "message": f"{code} {message}"}}, status=status)
