"""BeyondTrust Workload Credentials as far as the provider asks: a session, static secrets in folders."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "planted-workload-token"
SITE = "8d0ab7a4-6a73-4c7f-9a3e-0d9b8a1c2d3e"
HOST = "api.beyondtrust.test"
ADDRESS = f"https://{HOST}/site"
BASE = f"/site/{SITE}/secrets"


class FakeWorkloadCredentials(Backend):
    """`secrets`: path → data. `tags`: of a path; a path without has no metadata."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, dict[str, Any] | None] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.token = TOKEN
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {HOST: self.address}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "unavailable")
        if not asked.path.startswith(BASE):
            return refusal(404, "Not Found")
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Unauthorized")
        assert asked.headers["bt-secrets-api-version"] == "2026-04-28"
        rest = asked.path.removeprefix(BASE)
        if rest == "/session":
            return web.json_response({"valid": True})
        if rest == "/static":
            assert asked.query["recursive"] == "true"
            return self._listed(asked.query.get("path", ""))
        folder = asked.query.get("folder", "")
        name = unquote(rest.removeprefix("/static/"))
        path = f"{folder}/{name}" if folder else name
        if path not in self.secrets:
            return refusal(404, "Secret not found")
        return web.json_response({"secret": self.secrets[path]} | self._shown(path))

    def _listed(self, folder: str) -> web.Response:
        found = [path for path in self.secrets if not folder or path.startswith(f"{folder}/")]
        if folder and not found:
            return refusal(404, "Folder not found")
        return web.json_response({"data": [self._shown(path) for path in found]})

    def _shown(self, path: str) -> dict[str, Any]:
        metadata = {"metadata": {"id": "i", "tags": self.tags[path]}} if path in self.tags else {}
        return {"path": path, "type": "static", "versions": []} | metadata


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message, "message": message, "details": {}}, status=status)
