"""IBM Cloud as far as the provider asks: tokens of IAM, secrets of one Secrets Manager instance."""

from __future__ import annotations

import re
import ssl
import uuid
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

KEY = "planted-api-key"
POD, PROFILE = "planted-token-of-the-pod", "operator"
IAM, INSTANCE = "iam.cloud.ibm.com", "0a1b2c3d.eu-de.secrets-manager.appdomain.cloud"
GRANT = "urn:ibm:params:oauth:grant-type:"
BY_NAME = re.compile(r"/api/v2/secret_groups/([^/]+)/secret_types/([^/]+)/secrets/([^/]+)")


class FakeIbm(Backend):
    """`secrets`: fields by (group, type, name)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.key = KEY
        self.tokens: set[str] = set()
        self.secrets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.seconds: Any = 3600
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        """The vendor's hosts that this server stands for."""
        return {IAM: self.address, INSTANCE: self.address}

    def put(self, type: str, name: str, group: str = "default", **fields: Any) -> str:
        """A secret; its id."""
        common = {"id": str(uuid.uuid4()), "name": name, "secret_type": type, "versions_total": 1, "labels": ["a", "b"]}
        self.secrets[group, type, name] = common | {"secret_group_id": "default"} | fields
        return str(self.secrets[group, type, name]["id"])

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"errors": [{"code": "internal_server_error", "message": "m"}]}, status=503)
        if asked.path == "/identity/token":
            return self._token(asked)
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "unauthorized")
        if asked.method != "GET":
            return refusal(405, "method_not_allowed")
        if asked.path.startswith("/api/v2/secrets/"):
            id = unquote(asked.path.removeprefix("/api/v2/secrets/"))
            found = [fields for fields in self.secrets.values() if fields["id"] == id]
            return web.json_response(found[0]) if found else refusal(404, "not_found")
        named = BY_NAME.fullmatch(asked.path)
        fields = self.secrets.get((named[1], named[2], named[3])) if named else None
        return web.json_response(fields) if fields else refusal(404, "not_found")

    def _token(self, asked: Asked) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(asked.text).items()}
        assert asked.method == "POST"
        by_key = {"grant_type": f"{GRANT}apikey", "response_type": "cloud_iam", "apikey": self.key}
        by_pod = {"grant_type": f"{GRANT}cr-token", "cr_token": POD, "profile_name": PROFILE}
        if form not in (by_key, by_pod):
            told = {"errorCode": "BXNIM0415E", "errorMessage": f"Provided API key could not be found: {asked.text}"}
            return web.json_response(told, status=400)
        token = f"planted-token-{len(self.asked)}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.seconds})


def refusal(status: int, code: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": "planted words"}], "trace": "t"}, status=status)
