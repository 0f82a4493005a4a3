"""GitHub's API for Actions secrets as far as the provider asks: Apps that log in, secrets that nobody reads, the
repositories of a secret. It decrypts with keys of its own."""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from tests.fakes.backend import Asked, Backend

APP_KEY = rsa.generate_private_key(65537, 2048)
PEM = APP_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
REPOSITORY = 77


@dataclass
class Secret:
    value: bytes
    updated: datetime
    visibility: str = ""
    repositories: list[int] = field(default_factory=list)


class FakeGithub(Backend):
    """`scopes`: secrets by the path that ends in /secrets. `app`, `installation`: who may log in. `prefix`: of an
    Enterprise server. `denied`: scopes that the App does not see."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.app, self.installation, self.prefix = "12", "34", ""
        self.scopes: dict[str, dict[str, Secret]] = {
            "/orgs/shop/actions/secrets": {},
            "/repos/shop/api/actions/secrets": {},
            f"/repositories/{REPOSITORY}/environments/prd/secrets": {},
        }
        self.denied: set[str] = set()
        self.tokens: set[str] = set()
        self.seconds = 3600.0
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.key = PrivateKey.generate()
        self.trusted = APP_KEY.public_key()
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.jwts: list[dict[str, Any]] = []

    def secrets(self, kind: str = "repos") -> dict[str, Secret]:
        return next(found for path, found in self.scopes.items() if path.startswith(f"/{kind}"))

    def put(self, kind: str, name: str, value: bytes, visibility: str = "", *repositories: int) -> None:
        self.now += timedelta(seconds=1)
        self.secrets(kind)[name.upper()] = Secret(value, self.now, visibility, list(repositories))

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if not asked.path.startswith(self.prefix):
            return refusal(404, "Not Found")
        path = asked.path.removeprefix(self.prefix)
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if found := re.fullmatch(r"/app/installations/(.+)/access_tokens", path):
            return self._login(token, found.group(1))
        if token not in self.tokens:
            return refusal(401, "Bad credentials")
        if path == "/repos/shop/api":
            return web.json_response({"id": REPOSITORY, "name": "api"})
        for scope in self.scopes:
            if path == scope or path.startswith(f"{scope}/"):
                if scope in self.denied:
                    return refusal(404, "Not Found")
                return self._secrets(asked, scope, path.removeprefix(scope).removeprefix("/"))
        return refusal(404, "Not Found")

    def _login(self, signed: str, installation: str) -> web.Response:
        text, _, mark = signed.rpartition(".")
        try:
            self.trusted.verify(
                base64.urlsafe_b64decode(mark + "=="), text.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split("."))
        except (InvalidSignature, ValueError):
            return refusal(401, "A JSON web token could not be decoded")
        self.jwts.append(claims)
        if head["alg"] != "RS256" or claims["iss"] != self.app or claims["exp"] - claims["iat"] > 600:
            return refusal(401, "Integration must generate a public key")
        if installation != self.installation:
            return refusal(404, "Not Found")
        token = f"ghs_planted{len(self.asked)}"
        self.tokens.add(token)
        ends = self.today() + timedelta(seconds=self.seconds)
        return web.json_response({"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}, status=201)

    def _secrets(self, asked: Asked, scope: str, rest: str) -> web.Response:
        secrets = self.scopes[scope]
        name, _, more = rest.partition("/")
        if not name:
            return web.json_response({"total_count": len(secrets), "secrets": []})
        if name == "public-key":
            key = base64.b64encode(bytes(self.key.public_key)).decode()
            return web.json_response({"key_id": "key-1", "key": key})
        if asked.method == "PUT":
            return self._put(secrets, name, asked.body)
        if name.upper() not in secrets:
            return refusal(404, "Not Found")
        secret = secrets[name.upper()]
        if more == "repositories":
            size, page = int(asked.query["per_page"]), int(asked.query["page"])
            ids = secret.repositories[(page - 1) * size : page * size]
            found = [{"id": id, "name": f"repository-{id}"} for id in ids]
            return web.json_response({"total_count": len(secret.repositories), "repositories": found})
        if asked.method == "DELETE":
            del secrets[name.upper()]
            return web.Response(status=204)
        shown: dict[str, Any] = {"name": name.upper(), "updated_at": secret.updated.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return web.json_response(shown | ({"visibility": secret.visibility} if secret.visibility else {}))

    def _put(self, secrets: dict[str, Secret], name: str, body: Any) -> web.Response:
        if body["key_id"] != "key-1":
            return refusal(422, "Validation Failed")
        try:
            value = SealedBox(self.key).decrypt(base64.b64decode(body["encrypted_value"]))
        except CryptoError:
            return refusal(422, "Bad request - unable to decrypt")
        there = name.upper() in secrets
        self.now += timedelta(seconds=1)
        visibility, repositories = body.get("visibility", ""), body.get("selected_repository_ids", [])
        secrets[name.upper()] = Secret(value, self.now, visibility, repositories)
        return web.Response(status=204 if there else 201)


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message, "documentation_url": "https://docs.github.com/rest"}, status=status)
