"""OVHcloud's Secret Manager as far as the provider asks: secrets of one OKMS domain, their versions, folders."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

DOMAIN = "734b9b45-8b1a-469c-b140-b10bd6540017"
TOKEN = "planted-token-of-okms"
NOT_FOUND = 17125377


@dataclass
class Held:
    """`versions`: their data, None for one that is not active; the first is version 1."""

    versions: list[dict[str, Any] | None] = field(default_factory=list)


class FakeOvh(Backend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, Held] = {}
        self.token: str | None = TOKEN  # None: the connection's certificate is what counts
        self.cas = False  # whether an update has to name the current version
        self.down = False

    def put(self, path: str, data: dict[str, Any] | None) -> Held:
        held = self.secrets.setdefault(path, Held())
        held.versions.append(data)
        return held

    def remove(self, path: str) -> None:
        del self.secrets[path]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, 1)
        if self.token is not None and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, 2)
        base = f"/api/{DOMAIN}/"
        if not asked.path.startswith(base):
            return refusal(404, 3)
        rest = asked.path.removeprefix(base)
        if rest == "v2/secret":
            return self._created(asked) if asked.method == "POST" else web.json_response(list(self.secrets))
        if rest.startswith("v1/secret/metadata/"):
            assert asked.query == {"list": "true"}
            return self._listed(unquote(rest.removeprefix("v1/secret/metadata/")))
        path = unquote(rest.removeprefix("v2/secret/"))
        held = self.secrets.get(path)
        if held is None:
            return refusal(404, NOT_FOUND)
        match asked.method:
            case "DELETE":
                del self.secrets[path]
                return web.Response(status=204)
            case "PUT":
                if self.cas and asked.query.get("cas") != str(len(held.versions)):
                    return refusal(409, 4)
                held.versions.append(asked.body["version"]["data"])
        return self._shown(path, held, asked)

    def _created(self, asked: Asked) -> web.Response:
        path = asked.body["path"]
        if path in self.secrets:
            return refusal(409, 5)
        return self._shown(path, self.put(path, asked.body["version"]["data"]), asked)

    def _shown(self, path: str, held: Held, asked: Asked) -> web.Response:
        current = len(held.versions)
        number = int(asked.query.get("version") or current)
        if not 0 < number <= current:
            return refusal(404, NOT_FOUND)
        data = held.versions[number - 1]
        version: dict[str, Any] = {"id": number, "state": "ACTIVE" if data is not None else "DEACTIVATED"}
        if asked.query.get("includeData") == "true" and data is not None:
            version["data"] = data
        return web.json_response({"path": path, "metadata": {"currentVersion": current}, "version": version})

    def _listed(self, folder: str) -> web.Response:
        prefix = f"{folder}/" if folder else ""
        below = [path.removeprefix(prefix) for path in self.secrets if path.startswith(prefix)]
        keys = {f"{head}{slash}" for head, slash, _ in (path.partition("/") for path in below)}
        if folder and not keys:
            return refusal(404, NOT_FOUND)
        return web.json_response({"data": {"keys": sorted(keys)}})


def refusal(status: int, code: int) -> web.Response:
    body = {"error_code": code, "error_id": "e", "errors": ["Secret not found"], "request_id": "r"}
    return web.json_response(body, status=status, dumps=json.dumps)
