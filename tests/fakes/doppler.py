"""Doppler's API as far as the provider asks: downloads with transformers and formats, updates, logins of accounts."""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "dp.st.planted-doppler-token"
IDENTITY = "00000000-0000-4000-8000-000000000001"
DOWNLOAD = "/v3/configs/config/secrets/download"


class FakeDoppler(Backend):
    """`configs`: secrets by (project, config); ("", "") is the config of a service token. `subjects`: ServiceAccounts'
    tokens that the identity trusts. `refused`: names that a download refuses as no names."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.configs: dict[tuple[str, str], dict[str, Any]] = {("", ""): {}}
        self.tokens = {TOKEN}
        self.subjects: set[str] = set()
        self.seconds = 3600.0
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.refused: set[str] = set()
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {"api.doppler.com": self.address}

    @property
    def secrets(self) -> dict[str, Any]:
        return self.configs["", ""]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "Internal server error")
        if asked.path == "/v3/auth/oidc":
            return self._exchanged(asked.body)
        if asked.headers.get("Authorization") not in map(authorization, self.tokens):
            return refusal(401, "Invalid Auth token")
        if asked.path == "/v3/projects":
            return web.json_response({"projects": [], "success": True})
        body = asked.body if asked.method == "POST" else None
        scope = asked.query if body is None else body
        config = self.configs.get((scope.get("project", ""), scope.get("config", "")))
        if config is None:
            return refusal(404, f"Could not find requested config '{scope.get('config', '')}'")
        match asked.method, asked.path:
            case "GET", str(path) if path == DOWNLOAD:
                return self._downloaded(config, asked.query)
            case "POST", "/v3/configs/config/secrets":
                return updated(config, body)
        return refusal(404, "not found")

    def _downloaded(self, config: Mapping[str, Any], query: Mapping[str, str]) -> web.Response:
        wanted = query["secrets"].split(",") if "secrets" in query else None
        if wanted is not None and self.refused & set(wanted):
            return refusal(400, "Invalid secret name")
        found = {name: value for name, value in sorted(config.items()) if wanted is None or name in wanted}
        transform = TRANSFORMERS[query.get("name_transformer", "")]
        found = {transform(name): value for name, value in found.items()}
        match query.get("format", "json"):
            case "json" | "dotnet-json":
                return web.json_response(found)
            case "env":
                return web.Response(text="".join(f'{name}="{value}"\n' for name, value in found.items()))
            case "docker":
                return web.Response(text="".join(f"{name}={value}\n" for name, value in found.items()))
        return web.Response(text="".join(f"{name}: {json.dumps(value)}\n" for name, value in found.items()))

    def _exchanged(self, body: Any) -> web.Response:
        if body != {"identity": IDENTITY, "token": body.get("token")} or body["token"] not in self.subjects:
            return refusal(401, "Unable to authenticate")
        token = f"dp.said.{len(self.asked)}"
        self.tokens.add(token)
        ends = self.today() + timedelta(seconds=self.seconds)
        shown = ends.isoformat().replace("+00:00", "Z")
        return web.json_response({"success": True, "token": token, "expires_at": shown})


def authorization(token: str) -> str:
    return f"Basic {base64.b64encode(f'{token}:'.encode()).decode()}"


def updated(config: dict[str, Any], body: Any) -> web.Response:
    config |= body.get("secrets") or {}
    for change in body.get("change_requests") or ():
        if change["shouldDelete"] and change["value"] is None and change["name"] == change["originalName"]:
            config.pop(change["name"], None)
    return web.json_response({"success": True})


def refusal(status: int, *messages: str) -> web.Response:
    return web.json_response({"messages": list(messages), "success": False}, status=status)


def words(name: str) -> list[str]:
    return [word for word in re.split("_+", name.lower()) if word]


TRANSFORMERS = {
    "": str,
    "upper-camel": lambda name: "".join(word.capitalize() for word in words(name)),
    "camel": lambda name: "".join(word.capitalize() if at else word for at, word in enumerate(words(name))),
    "lower-snake": str.lower,
    "tf-var": lambda name: f"TF_VAR_{name.lower()}",
    "dotnet-env": lambda name: "__".join(word.capitalize() for word in words(name)),
    "lower-kebab": lambda name: "-".join(words(name)),
}
