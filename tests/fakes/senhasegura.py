"""senhasegura DSM as far as the provider asks: tokens of clients, the one application with its secrets."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.backend import Asked, Backend

HOST = "senhasegura.test"
CLIENT, SECRET = "client-id", "planted-client-secret"


class FakeSenhasegura(Backend):
    """`secrets`: of the application, in order. It stands for `HOST`, whose address is https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.clients = {CLIENT: SECRET}
        self.tokens: set[str] = set()
        self.secrets: list[dict[str, Any]] = []
        self.seconds: Any = 3600
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {HOST: self.address}

    def put(self, identity: str, *data: Any) -> None:
        number = len(self.secrets) + 1
        self.secrets.append({"secret_id": f"{number}", "secret_name": identity, "identity": identity, "data": [*data]})

    def remove(self, identity: str) -> None:
        self.secrets = [secret for secret in self.secrets if secret["identity"] != identity]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.json_response({"response": {"error": True}}, status=503)
        match asked.method, asked.path:
            case "POST", "/iso/oauth2/token":
                return self._token({name: values[0] for name, values in parse_qs(asked.text).items()})
            case "GET", "/iso/dapp/application":
                if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                    return web.json_response({"response": {"status": 401, "error": True}}, status=401)
                application = {"name": "shop", "description": None, "tags": [], "secrets": self.secrets}
                response = {"status": 200, "message": "Application shop", "error": False, "error_code": 0}
                return web.json_response({"response": response, "application": application})
        return web.Response(status=404, text="<html>not here</html>", content_type="text/html")

    def _token(self, form: dict[str, str]) -> web.Response:
        known = self.clients.get(form["client_id"]) == form["client_secret"]
        if not known or form["grant_type"] != "client_credentials":
            return web.json_response({"error": "invalid_client", "message": form["client_secret"]}, status=401)
        token = f"planted-token-{len(self.asked)}"
        self.tokens.add(token)
        return web.json_response({"token_type": "Bearer", "expires_in": self.seconds, "access_token": token})
