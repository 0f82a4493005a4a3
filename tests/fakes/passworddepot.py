"""A Password Depot server as far as the provider asks: tokens, databases, folders in folders, entries."""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

HOST = "depot.test"
USER, PASSWORD, DATABASE = "planted-user", "planted-password", "Shop"


class FakePasswordDepot(Backend):
    """`entries`: by fingerprint; each stands `within` a folder, "" for the top. `closed`: folders that
    the user may not list. It stands for `HOST` at its port."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.users = {USER: PASSWORD}
        self.tokens: set[str] = set()
        self.databases = {"DB-OLD": "Old", "DB-1": DATABASE}
        self.entries: dict[str, dict[str, Any]] = {}
        self.within: dict[str, str] = {}
        self.closed: set[str] = set()
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {f"{HOST}:8714": self.address}

    def put(self, path: str, **fields: Any) -> str:
        """An entry, and the folders on the way to it; its fingerprint."""
        folder = ""
        for name in path.split("."):
            here = (one for one, where in self.within.items() if (where, self.entries[one]["name"]) == (folder, name))
            mark = next(here, "") or f"{{{len(self.entries)}}}"
            self.entries.setdefault(mark, {"name": name, "fingerprint": mark, "itemclass": "0"})
            self.within[mark] = folder
            folder = mark
        self.entries[folder] |= fields
        return folder

    def remove(self, name: str) -> None:
        for mark in [mark for mark, entry in self.entries.items() if entry["name"] == name]:
            del self.entries[mark], self.within[mark]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"error": "down"}, status=503)
        if asked.path == "/v1.0/login":
            if self.users.get(asked.headers.get("user", "")) != asked.headers.get("pass"):
                return web.json_response({"error": "wrong user or password"}, status=401)
            token = f"planted-token-{len(self.asked)}"
            self.tokens.add(token)
            return web.json_response({"client_id": "client", "access_token": token})
        if asked.headers.get("access_token") not in self.tokens or asked.headers.get("client_id") != "client":
            return web.json_response({"error": "no session"}, status=401)
        query = asked.query
        match asked.path:
            case "/v1.0/list" if not query:
                shown = [{"name": name, "fingerprint": mark} for mark, name in self.databases.items()]
                return web.json_response({"databases": shown})
            case "/v1.0/list" if query.get("folder") in self.closed:
                return web.json_response({"error": "not allowed"}, status=403)
            case "/v1.0/list" if query["db"] == "DB-1":
                inside = [mark for mark, where in self.within.items() if where == query.get("folder", "")]
                shown = [{name: self.entries[mark][name] for name in ("name", "fingerprint")} for mark in inside]
                return web.json_response({"entries": shown})
            case "/v1.0/read" if query["db"] == "DB-1" and query["entry"] in self.entries:
                return web.json_response({**self.entries[query["entry"]], "date": "2026-01-01"})
        return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
