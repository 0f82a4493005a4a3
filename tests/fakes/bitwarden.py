"""The companion server of Bitwarden Secrets Manager, as far as the provider asks."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web

from e2e.harness.certs import Authority
from tests.fakes.backend import Asked, Backend

TOKEN = "0.planted-access-token"
ORGANIZATION, PROJECT = "organization", "project"


def stranger() -> str:
    """The certificate of an authority that signed nothing here."""
    with tempfile.TemporaryDirectory() as folder:
        return Authority(Path(folder)).cert.read_text()


STRANGER = stranger()


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


class FakeBitwarden(Backend):
    """`secrets`: by id. `stubborn`: ids that are not deleted."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.tokens = {TOKEN}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.stubborn: set[str] = set()
        self.down = False
        self.made = 0

    def put(self, key: str, value: str, project: str | None = PROJECT, note: str = "") -> str:
        self.made += 1
        id = uuid(self.made)
        self.secrets[id] = {
            "id": id,
            "key": key,
            "value": value,
            "note": note,
            "organizationId": ORGANIZATION,
            "projectId": project,
        }
        return id

    def replace(self, key: str, value: str) -> None:
        for one in self.secrets.values():
            if one["key"] == key:
                one["value"] = value
                return
        self.put(key, value)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503, text="down")
        if not asked.headers.get("Warden-Access-Token"):
            return web.Response(status=401, text="Missing token")
        if asked.headers["Warden-Access-Token"] not in self.tokens:
            return web.Response(status=400, text='failed to login: {"error":"invalid_client"}')
        body = asked.body
        match asked.method, asked.path:
            case "GET", "/rest/api/1/secrets":
                listed = [
                    {"id": one["id"], "key": one["key"], "organizationId": ORGANIZATION}
                    for one in self.secrets.values()
                    if body["organizationID"] == ORGANIZATION
                ]
                return web.json_response({"data": listed})
            case "GET", "/rest/api/1/secret":
                if body["id"] not in self.secrets:
                    return web.Response(
                        status=400, text='failed to get secret: [404 Not Found] {"message":"Resource not found."}'
                    )
                return web.json_response(self.secrets[body["id"]])
            case "POST", "/rest/api/1/secret":
                id = self.put(body["key"], body["value"], body["projectIds"][0], body["note"])
                return web.json_response(self.secrets[id])
            case "PUT", "/rest/api/1/secret":
                known = self.secrets[body["id"]]
                known |= {"value": body["value"], "note": body["note"], "projectId": body["projectIds"][0]}
                return web.json_response(known)
            case "DELETE", "/rest/api/1/secret":
                told = [{"id": id} | ({"error": "planted"} if id in self.stubborn else {}) for id in body["ids"]]
                for id in set(body["ids"]) - self.stubborn:
                    self.secrets.pop(id, None)
                return web.json_response({"data": told})
        return web.Response(status=404, text="404 page not found")
