"""BeyondTrust Password Safe as far as the provider asks: sessions by cookie, Secrets Safe, requests for accounts."""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.backend import Asked, Backend

API_KEY = f"planted{'0123456789abcdef' * 8};"
CLIENT_ID = "11111111-2222-4333-8444-555555555555"
CLIENT_SECRET = "planted-client-secret-of-36-signs-xx"
HOST = "pam.beyondtrust.test"
PATH = "/BeyondTrust/api/public/v3"
ADDRESS = f"https://{HOST}{PATH}"
USER = {"UserId": 7, "UserName": "eso", "Name": "ESO", "EmailAddress": "eso@example.com"}


@dataclass
class Held:
    title: str
    password: str
    path: str = "shop"
    kind: str = "TEXT"
    file: bytes = b""
    folder: str = ""
    body: Any = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def shown(self, *, decrypt: bool) -> dict[str, Any]:
        password = {"Password": self.password} if decrypt else {}
        return {"Id": self.id, "Title": self.title, "SecretType": self.kind, "FolderId": self.folder} | password


class FakeBeyondtrust(Backend):
    """`tokens`: cookies of sessions that live. `wrapped`: lists stand in Data, as version 3.2 has them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: list[Held] = []
        self.folders = {"shop": str(uuid.uuid4())}
        self.accounts: dict[tuple[str, str], str] = {}
        self.requests: dict[str, tuple[str, str]] = {}
        self.key, self.client = API_KEY, (CLIENT_ID, CLIENT_SECRET)
        self.bearers: set[str] = set()
        self.tokens: set[str] = set()
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.wrapped = False
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {HOST: self.address}

    def put(self, title: str, password: str, path: str = "shop", kind: str = "TEXT", file: bytes = b"") -> Held:
        self.secrets = [held for held in self.secrets if (held.title, held.path) != (title, path)]
        self.secrets.append(Held(title, password, path, kind, file, self.folders.get(path, "")))
        return self.secrets[-1]

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503)
        path = asked.path.removeprefix(PATH)
        match asked.method, path:
            case "POST", "/Auth/connect/token":
                return self._token(asked)
            case "POST", "/Auth/SignAppIn":
                return self._signed_in(asked)
        cookie = re.search(r"ASP\.NET_SessionId=([^;]+)", asked.headers.get("Cookie", ""))
        if cookie is None or cookie[1] not in self.tokens:
            return web.json_response("Not authenticated", status=401)
        assert "Authorization" not in asked.headers
        if path == "/Auth/Signout":
            self.tokens.discard(cookie[1])
            return web.Response(status=200)
        return self._safe(path, asked) if path.startswith("/secrets-safe/") else self._accounts(path, asked)

    def _token(self, asked: Asked) -> web.Response:
        form = dict(pair.split("=") for pair in asked.text.split("&"))
        if (form["client_id"], form["client_secret"]) != self.client:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.bearers.add(token := uuid.uuid4().hex)
        return web.json_response({"access_token": token, "expires_in": 600, "token_type": "Bearer"})

    def _signed_in(self, asked: Asked) -> web.Response:
        given = asked.headers.get("Authorization", "")
        if given != f"PS-Auth key={self.key}" and given.removeprefix("Bearer ") not in self.bearers:
            return web.json_response("Invalid credentials", status=401)
        session = uuid.uuid4().hex
        self.tokens.add(session)
        response = web.json_response(USER)
        response.headers.add("Set-Cookie", f"ASP.NET_SessionId={session}; path=/; secure; HttpOnly")
        response.headers.add("Set-Cookie", "balancer=b1; path=/")
        return response

    def _safe(self, path: str, asked: Asked) -> web.Response:
        query = asked.query
        if path == "/secrets-safe/secrets":
            found = [
                held.shown(decrypt=query.get("decrypt") == "true")
                for held in self.secrets
                if held.title == query["title"] and query.get("path") in (None, held.path)
            ]
            return web.json_response({"TotalCount": len(found), "Data": found} if self.wrapped else found)
        if path == "/secrets-safe/folders/":
            return web.json_response([{"Id": id, "Name": name} for name, id in self.folders.items()])
        downloaded = re.fullmatch(r"/secrets-safe/secrets/([^/]+)/file/download", path)
        if downloaded:
            (held,) = [held for held in self.secrets if held.id == downloaded[1]]
            return web.Response(body=held.file)
        made = re.fullmatch(r"/secrets-safe/folders/([^/]+)/secrets(|/text|/file)", path)
        if made is None or asked.method != "POST":
            return web.Response(status=404)
        return self._made(made[1], {"": "CREDENTIAL", "/text": "TEXT", "/file": "FILE"}[made[2]], asked)

    def _made(self, folder: str, kind: str, asked: Asked) -> web.Response:
        (name,) = [name for name, id in self.folders.items() if id == folder]
        if kind == "FILE":
            assert asked.headers["Content-Type"].startswith("multipart/form-data; boundary=")
            body: Any = asked.text
            title, file = re.search(r'"Title":"([^"]*)"', asked.text)[1], file_in(asked.text)  # type: ignore[index]
            password = ""
        else:
            body, title, file = asked.body, asked.body["Title"], b""
            password = body["Password" if kind == "CREDENTIAL" else "Text"]
        held = Held(title, password, name, kind, file, folder, body)
        self.secrets.append(held)
        return web.json_response({"Id": held.id, "Title": title, "FolderId": folder}, status=201)

    def _accounts(self, path: str, asked: Asked) -> web.Response:
        if path == "/ManagedAccounts":
            place = asked.query["systemName"], asked.query["accountName"]
            if place not in self.accounts:
                return web.json_response("Managed Account not found", status=404)
            return web.json_response({"SystemId": 1, "AccountId": 1 + list(self.accounts).index(place)})
        if path == "/Requests":
            assert asked.body["ConflictOption"] == "reuse"
            id = str(100 + len(self.requests))
            self.requests[id] = list(self.accounts)[asked.body["AccountID"] - 1]
            return web.json_response(int(id), status=201)
        if (read := re.fullmatch(r"/Credentials/(\d+)", path)) and read[1] in self.requests:
            return web.json_response(self.accounts[self.requests[read[1]]])
        if (back := re.fullmatch(r"/Requests/(\d+)/checkin", path)) and self.requests.pop(back[1], None):
            return web.Response(status=204)
        return web.Response(status=404)


def file_in(text: str) -> bytes:
    found = re.search(r"application/octet-stream\r\n\r\n(.*)\r\n--[0-9a-f]+--\r\n$", text, re.DOTALL)
    assert found is not None
    return found[1].encode()
