"""Devolutions Server as far as the provider asks: applications, vaults and entries in pages, updates, deletions."""

from __future__ import annotations

import ssl
import uuid
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.backend import Asked, Backend

APP, SECRET = "planted-app-id", "planted-app-secret"
VAULT, VAULT_ID = "Shop", "99999999-2222-4333-8444-555555555555"


class FakeDvls(Backend):
    """`vaults`: name by id. `entries`: by id, as the server shows them; each is `within` a vault. `per_page`: of lists.
    `mute`: a login that has ended is answered with 403."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.apps = {APP: SECRET}
        self.tokens: set[str] = set()
        self.vaults = {VAULT_ID: VAULT}
        self.entries: dict[str, dict[str, Any]] = {}
        self.within: dict[str, str] = {}
        self.per_page = 20
        self.mute = self.down = False

    def put(self, name: str, kind: str = "Default", path: str = "", vault: str = VAULT_ID, **data: Any) -> str:
        """Adds an entry, or replaces the one with this name and path; its id."""
        same = (id for id, one in self.entries.items() if (one["name"], one["path"]) == (name, path))
        id = next(same, "") or str(uuid.uuid4())
        entry = {"id": id, "name": name, "path": path, "type": "Credential", "subType": kind, "data": data}
        self.entries[id], self.within[id] = {**entry, "description": "kept", "tags": ["one"]}, vault
        return id

    def remove(self, name: str) -> None:
        self.entries = {id: entry for id, entry in self.entries.items() if entry["name"] != name}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"message": "down"}, status=503)
        if (asked.method, asked.path) == ("POST", "/api/v1/login"):
            form = {name: values[0] for name, values in parse_qs(asked.text).items()}
            if self.apps.get(form["AppKey"]) != form["AppSecret"]:
                return web.json_response({"message": f"no {form['AppSecret']}"}, status=401)
            token = f"planted-token-{len(self.asked)}"
            self.tokens.add(token)
            return web.json_response({"result": 1, "tokenId": token})
        known = asked.headers.get("tokenId") in self.tokens
        if asked.path == "/api/is-logged":
            return web.json_response(known)
        if not known:
            return web.json_response({"message": "no session"}, status=403 if self.mute else 401)
        return self._answer(asked, asked.path.removeprefix("/api/v1/").split("/"))

    def _answer(self, asked: Asked, steps: list[str]) -> web.Response:
        match asked.method, steps:
            case "POST", ["logout"]:
                self.tokens.discard(asked.headers["tokenId"])
                return web.Response()
            case "GET", ["vault"]:
                return self._page(asked, [{"id": id, "name": name} for id, name in self.vaults.items()])
            case "GET", ["vault", vault, "entry"] if vault in self.vaults:
                return self._page(asked, [self._shown(id) for id in self.entries if self._wanted(id, vault, asked)])
            case method, ["vault", vault, "entry", id] if id in self.entries and self.within[id] == vault:
                return self._entry(method, id, asked)
        return web.Response(status=404)

    def _wanted(self, id: str, vault: str, asked: Asked) -> bool:
        entry = self.entries[id]
        named = asked.query.get("name") in (None, entry["name"])
        return named and self.within[id] == vault and entry["path"].startswith(asked.query.get("path", ""))

    def _shown(self, id: str) -> dict[str, Any]:
        return {name: value for name, value in self.entries[id].items() if name != "data"}

    def _page(self, asked: Asked, found: list[dict[str, Any]]) -> web.Response:
        page = int(asked.query["page"])
        shown = found[(page - 1) * self.per_page : page * self.per_page]
        total = max(1, -(-len(found) // self.per_page))
        return web.json_response({"result": 1, "data": shown, "currentPage": page, "totalPage": total})

    def _entry(self, method: str, id: str, asked: Asked) -> web.Response:
        if method == "DELETE":
            del self.entries[id]
            return web.Response()
        if method == "PUT":
            self.entries[id] |= asked.body
        return web.json_response(self.entries[id])
