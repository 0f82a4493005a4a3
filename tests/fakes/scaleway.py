"""Scaleway's Secret Manager as far as the provider asks: lists with filters, versions, their states."""

from __future__ import annotations

import base64
import re
import ssl
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

ACCESS = "SCWPLANTEDACCESSKEY1"
SECRET = "11111111-2222-4333-8444-555555555555"
PROJECT = "99999999-2222-4333-8444-555555555555"
REGION = "fr-par"
BASE = f"/secret-manager/v1beta1/regions/{REGION}/secrets"


@dataclass
class Held:
    """A secret. `versions`: content and whether it is enabled, the first is revision 1."""

    name: str
    path: str = "/"
    tags: tuple[str, ...] = ()
    versions: list[tuple[bytes, bool]] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def shown(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "path": self.path, "tags": list(self.tags), "region": REGION}


class FakeScaleway(Backend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, Held] = {}
        self.key = SECRET
        self.down = False

    def put(self, name: str, value: bytes, path: str = "/", tags: tuple[str, ...] = ()) -> Held:
        for held in self.secrets.values():
            if (held.name, held.path) == (name, path):
                break
        else:
            held = Held(name, path, tags)
            self.secrets[held.id] = held
        held.versions.append((value, True))
        return held

    def remove(self, name: str) -> None:
        self.secrets = {id: held for id, held in self.secrets.items() if held.name != name}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "internal_error")
        if asked.headers.get("X-Auth-Token") != self.key:
            return refusal(401, "denied_authentication")
        if not asked.path.startswith(BASE):
            return refusal(404, "unknown_resource")
        rest = asked.path.removeprefix(BASE)
        match asked.method, rest:
            case "GET", "":
                return self._listed(asked)
            case "POST", "":
                made = Held(asked.body["name"], asked.body["path"])
                assert asked.body["project_id"] == PROJECT
                self.secrets[made.id] = made
                return web.json_response(made.shown)
        found = re.fullmatch(r"/([^/]+)(?:/versions(?:/([^/]+)(/access|/disable)?)?)?", rest)
        held = self.secrets.get(found[1]) if found else None
        if found is None or held is None:
            return refusal(404, "not_found")
        if asked.method == "DELETE":
            del self.secrets[held.id]
            return web.Response(status=204)
        if asked.method == "POST" and found[2] is None:
            held.versions.append((base64.b64decode(asked.body["data"]), True))
            return web.json_response({"revision": len(held.versions), "secret_id": held.id, "status": "enabled"})
        return self._version(held, found[2], found[3] or "")

    def _listed(self, asked: Asked) -> web.Response:
        assert asked.query["project_id"] == PROJECT
        assert asked.query["scheduled_for_deletion"] == "false"
        wanted = asked.query.get("tags")
        found = [
            held
            for held in self.secrets.values()
            if asked.query.get("name") in (None, held.name)
            and asked.query.get("path") in (None, held.path)
            and (wanted is None or wanted in held.tags)
        ]
        size, page = int(asked.query["page_size"]), int(asked.query["page"])
        shown = [held.shown for held in found[(page - 1) * size : page * size]]
        return web.json_response({"secrets": shown, "total_count": len(found)})

    def _version(self, held: Held, revision: str, what: str) -> web.Response:
        enabled = [number for number, (_, on) in enumerate(held.versions, 1) if on]
        match revision:
            case "latest":
                number = len(held.versions)
            case "latest_enabled":
                number = enabled[-1] if enabled else 0
            case _:
                number = int(revision)
        if not 0 < number <= len(held.versions):
            return refusal(404, "not_found")
        content, on = held.versions[number - 1]
        if what == "/disable":
            held.versions[number - 1] = (content, False)
        elif what == "/access":
            if not on:
                return refusal(412, "precondition_failed")
            data = base64.b64encode(content).decode()
            return web.json_response({"secret_id": held.id, "revision": number, "data": data})
        return web.json_response({"revision": number, "secret_id": held.id, "status": "enabled" if on else "disabled"})


def refusal(status: int, kind: str) -> web.Response:
    return web.json_response({"type": kind, "message": "resource is not found"}, status=status)
