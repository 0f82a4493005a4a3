"""Keystone and Barbican in one server, as far as the provider asks: versions, passwords, a catalog, pages of lists."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

USER, PASSWORD, DOMAIN, PROJECT = "eso", "planted-password", "Default", "shop"
REGION = "RegionOne"


class FakeBarbican(Backend):
    """`secrets`: payload by UUID; `names` of them; `kinds`: content types that are not text/plain. `per_page`: of a
    list. `tokens` that count; each lasts `seconds`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, bytes] = {}
        self.names: dict[str, Any] = {}
        self.kinds: dict[str, str] = {}
        self.password = PASSWORD
        self.tokens: set[str] = set()
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.seconds, self.per_page = 3600, 10
        self.catalog: list[dict[str, Any]] | None = None
        self.versions: list[dict[str, Any]] | None = None
        self.down = False

    def put(self, id: str, payload: bytes, name: Any = None, kind: str = "text/plain") -> None:
        self.secrets[id], self.names[id], self.kinds[id] = payload, name if name is not None else id, kind

    def remove(self, id: str) -> None:
        self.secrets.pop(id, None)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"error": {"code": 503, "message": "down"}}, status=503)
        here = f"http{'s' if self.tls else ''}://{asked.headers['Host']}"
        match asked.method, asked.path:
            case "GET", "/" | "/identity/":
                return web.json_response({"versions": {"values": self._versions(here)}}, status=300)
            case "POST", "/v3/auth/tokens" | "/identity/v3/auth/tokens":
                return self._v3(asked, here)
            case "POST", "/v2.0/tokens":
                return self._v2(asked, here)
        if not asked.path.startswith("/key-manager/v1/secrets"):
            return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
        if asked.headers.get("X-Auth-Token") not in self.tokens:
            return web.json_response({"error": {"code": 401, "title": "Unauthorized"}}, status=401)
        rest = asked.path.removeprefix("/key-manager/v1/secrets")
        return self._listed(asked) if not rest else self._payload(asked, rest.split("/"))

    def _versions(self, here: str) -> list[dict[str, Any]]:
        if self.versions is not None:
            return self.versions
        kinds = (("v3.14", "stable", "/v3/"), ("v2.0", "deprecated", "/v2.0/"))
        return [
            {"id": id, "status": status, "links": [{"rel": "self", "href": f"{here}{path}"}]}
            for id, status, path in kinds
        ]

    def _endpoints(self, here: str) -> list[dict[str, Any]]:
        if self.catalog is not None:
            return self.catalog
        inside = {"interface": "internal", "region": REGION, "region_id": REGION, "url": "http://inside:9311"}
        outside = {"interface": "public", "region": REGION, "region_id": REGION, "url": f"{here}/key-manager"}
        return [
            {"type": "identity", "name": "keystone", "endpoints": [{**outside, "url": here}]},
            {"type": "key-manager", "name": "barbican", "endpoints": [inside, outside]},
        ]

    def _issued(self) -> tuple[str, str, str]:
        token, now = f"planted-token-{len(self.asked)}", self.today()
        self.tokens.add(token)
        return token, now.isoformat(), (now + timedelta(seconds=self.seconds)).isoformat()

    def _v3(self, asked: Asked, here: str) -> web.Response:
        auth = asked.body["auth"]
        user = auth["identity"]["password"]["user"]
        domain = {"name": DOMAIN}
        if auth["identity"]["methods"] != ["password"] or user != {
            "name": USER,
            "password": self.password,
            "domain": domain,
        }:
            return unauthorized()
        token, issued, ends = self._issued()
        body: dict[str, Any] = {"methods": ["password"], "issued_at": issued, "expires_at": ends}
        if auth.get("scope") == {"project": {"name": PROJECT, "domain": domain}}:
            body["catalog"] = self._endpoints(here)
        return web.json_response({"token": body}, status=201, headers={"X-Subject-Token": token})

    def _v2(self, asked: Asked, here: str) -> web.Response:
        auth = asked.body["auth"]
        if auth["passwordCredentials"] != {"username": USER, "password": self.password}:
            return unauthorized()
        token, issued, ends = self._issued()
        body: dict[str, Any] = {"token": {"id": token, "issued_at": issued, "expires": ends}}
        if auth.get("tenantName") == PROJECT:
            endpoint = {"region": REGION, "publicURL": f"{here}/key-manager/v1/"}
            body["serviceCatalog"] = [{"type": "key-manager", "endpoints": [endpoint]}]
        return web.json_response({"access": body})

    def _listed(self, asked: Asked) -> web.Response:
        at = int(asked.query.get("offset", "0"))
        ids = list(self.secrets)
        base = "http://barbican.inside/v1/secrets"  # the address that Barbican thinks it has
        shown = [
            {"name": self.names[id], "secret_ref": f"{base}/{id}", "status": "ACTIVE"}
            for id in ids[at : at + self.per_page]
        ]
        found: dict[str, Any] = {"secrets": shown, "total": len(ids)}
        if at + self.per_page < len(ids):
            found["next"] = f"{base}?limit={self.per_page}&offset={at + self.per_page}"
        return web.json_response(found)

    def _payload(self, asked: Asked, steps: list[str]) -> web.Response:
        _, id, what = steps
        if what != "payload" or id not in self.secrets:
            return refusal(404, "Not Found", "Not Found. Sorry but your secret is in another castle.")
        if self.kinds[id] not in asked.headers.get("Accept", ""):
            return refusal(406, "Not Acceptable", "Secret payload retrieval issue seen - Not Acceptable")
        return web.Response(body=self.secrets[id], content_type=self.kinds[id], charset="utf-8")


def unauthorized() -> web.Response:
    error = {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}
    return web.json_response({"error": error}, status=401)


def refusal(status: int, title: str, description: str) -> web.Response:
    return web.json_response({"code": status, "title": title, "description": description}, status=status)
