"""A Connect server as far as the provider asks it: vaults, summaries without fields, items, contents of files."""

from __future__ import annotations

import copy
import re
import ssl
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "planted-connect-token"
VAULT = "a" * 26
TITLE = re.compile(r'title eq "((?:[^"\\]|\\.)*)"')
Json = dict[str, Any]


class FakeConnect(Backend):
    """`vaults`: id → title. `items`: (vault, id) → item. `contents`: by the file's id. `listed_files`: a list shows the
    files of an item, too. `refuses`: a method that is forbidden."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.vaults = {VAULT: "Shop"}
        self.items: dict[tuple[str, str], Json] = {}
        self.contents: dict[str, bytes] = {}
        self.token = TOKEN
        self.listed_files = False
        self.down = False
        self.made = 0
        self.refuses = ""

    def put(self, title: str, fields: Mapping[str, str], vault: str = VAULT, **others: Any) -> Json:
        """Adds an item, or replaces the one with this title."""
        self.remove(title, vault)
        entries = [{"id": label, "label": label, "value": value, "type": "STRING"} for label, value in fields.items()]
        return self._store(vault, {"title": title, "category": "LOGIN", "fields": entries, **others})

    def remove(self, title: str, vault: str = VAULT) -> None:
        for place in [place for place, item in self.items.items() if (place[0], item["title"]) == (vault, title)]:
            del self.items[place]

    def file(self, name: str, content: bytes) -> Json:
        """A file for the `files` of an item."""
        self.contents[f"file-{name}"] = content
        return {"id": f"file-{name}", "name": name, "size": len(content), "content_path": "http://elsewhere/"}

    def fields(self, title: str) -> dict[str, str]:
        item = next(item for item in self.items.values() if item["title"] == title)
        return {entry["label"]: entry["value"] for entry in item["fields"]}

    def _store(self, vault: str, item: Json) -> Json:
        self.made += 1
        item = {"id": f"{self.made:026d}", **item, "vault": {"id": vault}}
        self.items[vault, item["id"]] = item
        return item

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "Internal Server Error")
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Invalid token signature")
        if asked.method == self.refuses:
            return refusal(403, "not authorized")
        parts = asked.path.strip("/").split("/")[2:]
        if not parts:
            return web.json_response([{"id": vault, "name": name} for vault, name in self._titled(asked.query)])
        if parts[0] not in self.vaults:
            return refusal(404, "vault not found")
        match parts:
            case [vault]:
                return web.json_response({"id": vault, "name": self.vaults[vault]})
            case [vault, "items"] if asked.method == "GET":
                return web.json_response(self._summaries(vault, asked.query))
            case [vault, "items"]:
                return web.json_response(self._store(vault, asked.body))
            case [vault, "items", item, *rest] if (vault, item) in self.items:
                return self._one(asked, vault, item, rest)
        return refusal(404, "item not found")

    def _one(self, asked: Asked, vault: str, item: str, rest: list[str]) -> web.Response:
        match asked.method, rest:
            case "GET", []:
                return web.json_response(self.items[vault, item])
            case "PUT", []:
                self.items[vault, item] = asked.body
                return web.json_response(asked.body)
            case "DELETE", []:
                del self.items[vault, item]
                return web.Response(status=204)
            case "GET", ["files", file, "content"]:
                return web.Response(body=self.contents[file])
        return refusal(405, "not found")

    def _titled(self, query: Mapping[str, str]) -> list[tuple[str, str]]:
        title = wanted(query)
        return [(vault, name) for vault, name in self.vaults.items() if title in (None, name)]

    def _summaries(self, vault: str, query: Mapping[str, str]) -> list[Json]:
        title = wanted(query)
        found = [item for (where, _), item in self.items.items() if where == vault and title in (None, item["title"])]
        hidden = {"fields"} if self.listed_files else {"fields", "files"}
        return [{name: value for name, value in copy.deepcopy(item).items() if name not in hidden} for item in found]


def wanted(query: Mapping[str, str]) -> str | None:
    """The title that a filter names."""
    if "filter" not in query:
        return None
    found = TITLE.fullmatch(query["filter"])
    assert found is not None, query
    return re.sub(r"\\(.)", r"\1", found[1])


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status)
