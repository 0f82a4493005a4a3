"""Pulumi ESC as far as the provider asks: one environment, opened sessions, definitions, exchanged tokens."""

from __future__ import annotations

import json
import re
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "pul-planted-access-token"
ORGANIZATION, PROJECT, ENVIRONMENT = "shop", "api", "prod"
BASE = f"/api/esc/environments/{ORGANIZATION}/{PROJECT}/{ENVIRONMENT}"


class FakePulumi(Backend):
    """`values`: of the environment, evaluated. `double`: whether one property is read below a second slash.
    `subjects`: tokens of ServiceAccounts that the organization trusts."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.values: dict[str, Any] = {}
        self.tokens: set[str] = {TOKEN}
        self.subjects: set[str] = set()
        self.seconds = 3600.0
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.sessions: set[str] = set()
        self.double = True
        self.down = False

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "unavailable")
        if asked.path == "/api/oauth/token":
            return self._exchanged(asked.body)
        if not any(asked.headers.get("Authorization") == f"token {token}" for token in self.tokens):
            return refusal(401, "Unauthorized: no credentials provided or are invalid.")
        if not asked.path.startswith(BASE):
            return refusal(404, "Not Found: environment")
        match asked.method, asked.path.removeprefix(BASE):
            case "POST", "/open":
                session = uuid.uuid4().hex
                self.sessions.add(session)
                return web.json_response({"id": session})
            case "PATCH", "":
                assert asked.headers["Content-Type"] == "application/x-yaml"
                self.values = evaluated(json.loads(asked.text)["values"])
                return web.json_response({})
            case "GET", str(rest):
                return self._read(rest, asked.query.get("property"))
        return refusal(405, "Method Not Allowed")

    def _exchanged(self, body: Any) -> web.Response:
        assert body["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        if body["audience"] != f"urn:pulumi:org:{ORGANIZATION}" or body["subject_token"] not in self.subjects:
            return web.json_response({"error": "invalid_grant", "error_description": "no policy"}, status=400)
        token = f"pul-{uuid.uuid4()}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": self.seconds})

    def _read(self, rest: str, property: str | None) -> web.Response:
        found = re.fullmatch(r"/open(//?)([^/]+)", rest)
        if found is None or found[2] not in self.sessions:
            return refusal(404, "Not Found: session")
        if property is None:
            return web.json_response({"properties": {name: wrapped(value) for name, value in self.values.items()}})
        if (found[1] == "//") is not self.double:
            return refusal(404, "Not Found: no such path")
        value: Any = self.values
        for name in re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', property):
            key: Any = name[0] or name[2] or int(name[1])
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return refusal(404, "Not Found: unknown property")
        return web.json_response(wrapped(value))


def wrapped(value: Any) -> dict[str, Any]:
    """A value as the service shows it."""
    match value:
        case dict():
            value = {name: wrapped(inner) for name, inner in value.items()}
        case list():
            value = [wrapped(inner) for inner in value]
    return {"value": value, "trace": {"def": {"environment": ENVIRONMENT}}}


def evaluated(value: Any) -> Any:
    """What a definition comes to: `$$` is a dollar sign, and there are no references here."""
    match value:
        case dict():
            return {name: evaluated(inner) for name, inner in value.items()}
        case list():
            return [evaluated(inner) for inner in value]
        case str():
            assert "${" not in value.replace("$$", ""), "a reference"
            return value.replace("$$", "$")
    return value


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)
