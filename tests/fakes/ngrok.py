"""ngrok's API as far as the provider asks: vaults and their secrets, filtered by name, page by page."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.fakes.backend import Asked, Backend

KEY = "planted-ngrok-api-key"


@dataclass
class Held:
    id: str
    name: str
    vault: str
    value: str
    metadata: str
    description: str
    updated: int


class FakeNgrok(Backend):
    """`vaults`: id → name. `size`: entries of a page."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.vaults = {"vault_1": "other", "vault_2": "shop"}
        self.secrets: dict[str, Held] = {}
        self.key = KEY
        self.size = 100
        self.moment = 0
        self.down = False

    def put(self, name: str, value: str, vault: str = "vault_2") -> Held:
        self.moment += 1
        held = Held(f"secret_{self.moment}", name, vault, value, "", "", self.moment)
        self.secrets[held.id] = held
        return held

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, 100)
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return refusal(401, 206)
        assert asked.headers["Ngrok-Version"] == "2"
        match asked.method, asked.path:
            case "GET", "/vaults":
                return self._page("vaults", [{"id": id, "name": name} for id, name in self.vaults.items()], asked)
            case "GET", "/vault_secrets":
                return self._page("secrets", [shown(held) for held in self.secrets.values()], asked)
            case "POST", "/vault_secrets":
                body = asked.body
                assert body["vault_id"] in self.vaults
                return web.json_response(shown(self._written(self.put(body["name"], "", body["vault_id"]), body)))
        held = self.secrets.get(asked.path.removeprefix("/vault_secrets/"))
        if held is None:
            return refusal(404, 2108)
        if asked.method == "DELETE":
            del self.secrets[held.id]
            return web.Response(status=204)
        return web.json_response(shown(self._written(held, asked.body)))

    def _written(self, held: Held, body: Any) -> Held:
        self.moment += 1
        held.value, held.metadata, held.description = body["value"], body["metadata"], body["description"]
        held.updated = self.moment
        return held

    def _page(self, member: str, entries: list[dict[str, Any]], asked: Asked) -> web.Response:
        wanted = asked.query.get("filter", "")
        if wanted:
            name = json.loads(wanted.removeprefix("obj.name == "))
            entries = [entry for entry in entries if entry["name"] == name]
        start = int(asked.query.get("before_id") or 0)
        end = start + self.size
        following = None
        if end < len(entries):
            kept = {"before_id": str(end)} | ({"filter": wanted} if wanted else {})
            following = f"https://api.ngrok.com{asked.path}?{urlencode(kept)}"  # another host than this one
        return web.json_response({member: entries[start:end], "uri": asked.path, "next_page_uri": following})


def shown(held: Held) -> dict[str, Any]:
    return {
        "id": held.id,
        "name": held.name,
        "vault": {"id": held.vault, "uri": ""},
        "metadata": held.metadata,
        "description": held.description,
        "updated_at": f"2026-01-01T00:00:{held.updated:02}Z",
    }


def refusal(status: int, code: int) -> web.Response:
    body = {"error_code": f"ERR_NGROK_{code}", "status_code": status, "msg": "It failed.", "details": {}}
    return web.json_response(body, status=status)
