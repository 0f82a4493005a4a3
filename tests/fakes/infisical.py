"""Infisical as far as the provider asks: logins of machine identities, secrets in folders with imports, both paths to a
project."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

CLIENT, PASSWORD = "client-id", "planted-client-secret"
PROJECT = "11111111-2222-4333-8444-555555555555"
MASK = "<hidden-by-infisical>"
Folder = dict[str, str]


@dataclass
class Environment:
    """`folders`: path → secrets. `imports`: path → the folders that are imported there, in their order."""

    folders: dict[str, Folder] = field(default_factory=lambda: {"/": {}})
    imports: dict[str, list[str]] = field(default_factory=dict)


class FakeInfisical(Backend):
    """`identities`: path of a login → the bodies that it takes, without an organization. `hidden`: names of secrets
    that the identity may not read; `vanishing`: names of secrets that go once they were read. `old`: an older server,
    without /v1/projects."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.environments = {"dev": Environment()}
        self.identities: dict[str, list[dict[str, Any]]] = {
            "universal-auth": [{"clientId": CLIENT, "clientSecret": PASSWORD}]
        }
        self.tokens: set[str] = set()
        self.seconds: float = 7200
        self.renewable = True
        self.hidden: set[str] = set()
        self.vanishing: set[str] = set()
        self.old = self.down = False
        self.organizations: list[str | None] = []
        self.wrote: list[tuple[str, dict[str, Any]]] = []

    @property
    def api(self) -> str:
        return f"{self.address}/api"

    @property
    def secrets(self) -> Folder:
        return self.environments["dev"].folders["/"]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "Internal Server Error")
        path = asked.path.removeprefix("/api")
        if path.startswith("/v1/auth/") and path.endswith("/login"):
            return self._login(path.split("/")[3], dict(asked.body))
        if path == "/v1/auth/token/renew":
            return self._renewed(asked.body["accessToken"])
        if path == "/v1/auth/token/revoke":
            self.tokens.discard(asked.body["accessToken"])
            return web.json_response({"message": "Successfully revoked access token"})
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "Token expired")
        if path.startswith(("/v1/projects/slug/", "/v1/workspace/slug/")):
            return self._project(path)
        if path == "/v3/secrets/raw" or path.startswith("/v3/secrets/raw/"):
            return self._secrets(asked, path.removeprefix("/v3/secrets/raw").removeprefix("/"))
        return refusal(404, f"Route {asked.method}:{asked.path} not found", "Not Found")

    # logins

    def issued(self) -> dict[str, Any]:
        token = f"planted-access-{len(self.asked)}"
        self.tokens.add(token)
        return {"accessToken": token, "expiresIn": self.seconds, "accessTokenMaxTTL": 86400, "tokenType": "Bearer"}

    def _login(self, way: str, body: dict[str, Any]) -> web.Response:
        self.organizations.append(body.pop("organizationSlug", None))
        if body not in self.identities.get(way, []):
            return refusal(401, "Invalid credentials")
        return web.json_response(self.issued())

    def _renewed(self, token: str) -> web.Response:
        if token not in self.tokens or not self.renewable:
            return refusal(401, "Max TTL exceeded")
        return web.json_response(self.issued())

    # secrets

    def _project(self, path: str) -> web.Response:
        if path == "/v1/projects/slug/shop" and not self.old:
            return web.json_response({"id": PROJECT, "slug": "shop"})
        if path == "/v1/workspace/slug/shop" and self.old:
            return web.json_response({"workspace": {"id": PROJECT, "slug": "shop"}})
        return refusal(404, "Project with slug '?' not found")

    def _secrets(self, asked: Asked, name: str) -> web.Response:
        scope: Mapping[str, Any] = asked.query if asked.method == "GET" else asked.body
        if asked.method == "GET" and scope["workspaceSlug"] != "shop":
            return refusal(404, "Project with slug '?' not found")
        if asked.method != "GET" and scope["workspaceId"] != PROJECT:
            return refusal(404, "Project with id '?' not found")
        environment, folder = self.environments.get(scope["environment"]), scope["secretPath"]
        if environment is None or folder not in environment.folders:
            return refusal(404, f"Folder with path '{folder}' in environment with slug '?' not found", "GetSecret")
        secrets = environment.folders[folder]
        if asked.method != "GET":
            return self._written(asked, secrets, name)
        imports = environment.imports.get(folder, []) if scope["include_imports"] == "true" else []
        if not name:
            return self._listed(environment, folder, imports, scope)
        for place in (folder, *reversed(imports)):
            if name in environment.folders[place]:
                shown = self.shown(environment, place, name, scope)
                if name in self.vanishing:
                    del environment.folders[place][name]
                return web.json_response({"secret": shown})
        return refusal(404, f"Secret with name '{name}' not found", "GetSecretByName")

    def _listed(
        self, environment: Environment, folder: str, imports: list[str], scope: Mapping[str, Any]
    ) -> web.Response:
        below = [path for path in environment.folders if scope["recursive"] == "true" and path.startswith(folder)]
        places = below or [folder]
        secrets = [
            self.shown(environment, place, name, scope) for place in places for name in environment.folders[place]
        ]
        imported = [
            {
                "secretPath": place,
                "environment": scope["environment"],
                "secrets": [self.shown(environment, place, name, scope) for name in environment.folders[place]],
            }
            for place in imports
        ]
        return web.json_response({"secrets": secrets, "imports": imported})

    def shown(self, environment: Environment, place: str, name: str, scope: Mapping[str, Any]) -> dict[str, Any]:
        value = environment.folders[place][name]
        if scope["expandSecretReferences"] == "true":
            for other, text in environment.folders[place].items():
                value = value.replace(f"${{{other}}}", text)
        hidden = name in self.hidden or scope.get("viewSecretValue") == "false"
        return {
            "secretKey": name,
            "secretValue": MASK if hidden else value,
            "secretValueHidden": hidden,
            "secretPath": place,
            "type": "shared",
        }

    def _written(self, asked: Asked, secrets: Folder, name: str) -> web.Response:
        body = asked.body
        self.wrote.append((asked.method, body))
        there = name in secrets
        if asked.method == "POST" and there:
            return refusal(400, "Secret already exist", "CreateSecret")
        if asked.method != "POST" and not there:
            return refusal(404, f"Secret with name '{name}' not found", "UpdateSecret")
        if asked.method == "DELETE":
            del secrets[name]
        else:
            assert body["skipMultilineEncoding"] is True
            secrets[name] = body["secretValue"]
        return web.json_response({"secret": {"secretKey": name}})


def refusal(status: int, message: str, name: str = "NotFound") -> web.Response:
    return web.json_response({"reqId": "req-1", "statusCode": status, "message": message, "error": name}, status=status)


def question(body: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Body and headers of the request that a login by `aws` asks Infisical to make."""
    return (
        base64.b64decode(body["iamRequestBody"]).decode(),
        json.loads(base64.b64decode(body["iamRequestHeaders"])),
    )
