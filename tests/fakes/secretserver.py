"""Secret Server and the Delinea Platform before it, as far as the provider asks."""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.backend import Asked, Backend

USER, PASSWORD = "eso", "planted-password"
TEMPLATE, FOLDER = 5, 9


@dataclass
class Item:
    slug: str
    value: str = ""
    name: str = ""
    id: int = 1
    file: bytes | None = None
    filename: str = ""

    def shown(self) -> dict[str, Any]:
        return {
            "itemId": 10 + self.id,
            "fieldId": 20 + self.id,
            "fileAttachmentId": 30 if self.file is not None else None,
            "fieldName": self.name or self.slug.capitalize(),
            "slug": self.slug,
            "fieldDescription": "",
            "filename": self.filename or None,
            "itemValue": self.value,
            "isFile": self.file is not None or self.slug == "file",
            "isNotes": False,
            "isPassword": self.slug == "password",
            "isList": False,
        }


@dataclass
class Secret:
    name: str
    items: list[Item]
    folder: int = FOLDER
    more: dict[str, Any] = field(default_factory=dict)


class FakeSecretServer(Backend):
    """`secrets`: by id. `platform`: the Delinea Platform answers, and its vault is at `vault`. `tells_folder`: whether
    a search tells folders."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.users = {USER: PASSWORD}
        self.domain = ""
        self.tokens: set[str] = set()
        self.secrets: dict[int, Secret] = {}
        self.paths: dict[str, int] = {}
        self.platform = self.down = False
        self.vaults: list[dict[str, Any]] = []
        self.seconds: Any = 1200
        self.tells_folder = True
        self.written: list[tuple[str, Any]] = []
        self.next = 100

    def put(self, name: str, *items: Item, folder: int = FOLDER, **more: Any) -> int:
        known = [id for id, one in self.secrets.items() if one.name == name and one.folder == folder]
        id = known[0] if known else self.next
        self.next += 1
        self.secrets[id] = Secret(name, list(items), folder, more)
        return id

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "down")
        match asked.method, asked.path:
            case "GET", "/api/v1/healthcheck":
                return refusal(404, "no such page") if self.platform else web.json_response({"Healthy": True})
            case "GET", "/health":
                return web.Response(text="Healthy") if self.platform else refusal(404, "no such page")
            case "POST", "/oauth2/token":
                return self._token(asked, "username", "password", grant_type="password")
            case "POST", "/identity/api/oauth2/token/xpmplatform":
                return self._token(
                    asked, "client_id", "client_secret", grant_type="client_credentials", scope="xpmheadless"
                )
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(403, "Authentication failed or expired token")
        if asked.path == "/vaultbroker/api/vaults":
            return web.json_response({"vaults": self.vaults})
        if found := re.fullmatch(r"/api/v1/secret-templates/(\d+)", asked.path):
            return self._template(int(found.group(1)))
        if found := re.fullmatch(r"/api/v1/secrets(?:/(\d*))?(?:/(fields/[\w-]+|general))?", asked.path):
            return self._secrets(asked, found.group(1) or "", found.group(2) or "")
        return refusal(404, "no such page")

    def _token(self, asked: Asked, user: str, password: str, **fixed: str) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(asked.text).items()}
        known = self.users.get(form.get(user, "")) == form.get(password)
        if not known or any(form.get(name) != value for name, value in fixed.items()):
            return web.json_response({"error": "invalid_grant"}, status=400)
        if form.get("domain", "") != self.domain:
            return web.json_response({"error": "Login failed."}, status=400)
        token = f"planted-token-{len(self.asked)}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": self.seconds})

    def _template(self, id: int) -> web.Response:
        if id != TEMPLATE:
            return refusal(404, "Template not found")
        fields = [
            {"secretTemplateFieldId": 21, "fieldSlugName": "data", "name": "Data", "isFile": False},
            {"secretTemplateFieldId": 22, "fieldSlugName": "password", "name": "Password", "isFile": False},
        ]
        return web.json_response({"id": id, "name": "Data", "fields": fields})

    def _secrets(self, asked: Asked, id: str, rest: str) -> web.Response:
        if not id and asked.method == "GET":
            return self._search(asked.query)
        if not id:
            return self._create(asked.body)
        number = self.paths.get(asked.query.get("secretPath", ""), -1) if id == "0" else int(id)
        if number not in self.secrets:
            return refusal(400, "The secret was not found.")
        secret = self.secrets[number]
        if rest:
            return self._part(asked, secret, rest)
        if asked.method == "DELETE":
            del self.secrets[number]
            return web.json_response({"id": number})
        if asked.method == "PUT":
            self.written.append(("PUT", asked.body))
            for item in asked.body["Items"]:
                next(one for one in secret.items if one.slug == item["Slug"]).value = item["ItemValue"]
        return web.json_response(self.shown(number))

    def shown(self, id: int) -> dict[str, Any]:
        secret = self.secrets[id]
        items = [item.shown() for item in secret.items]
        whole = {"id": id, "name": secret.name, "folderId": secret.folder, "secretTemplateId": TEMPLATE}
        return whole | {"active": True, "siteId": 1, "items": items} | secret.more

    def _search(self, query: dict[str, str]) -> web.Response:
        assert query["paging.filter.isExactMatch"] == "true"
        found = [id for id, one in self.secrets.items() if one.name == query["paging.filter.searchText"]]
        told = [{"id": id} | ({"folderId": self.secrets[id].folder} if self.tells_folder else {}) for id in found]
        return web.json_response({"records": told, "total": len(found)})

    def _create(self, body: Any) -> web.Response:
        self.written.append(("POST", body))
        slugs = {21: "data", 22: "password"}
        items = [Item(slugs[item["FieldID"]], item["ItemValue"]) for item in body["Items"]]
        return web.json_response(self.shown(self.put(body["Name"], *items, folder=body["FolderID"])))

    def _part(self, asked: Asked, secret: Secret, rest: str) -> web.Response:
        if rest == "general":
            for change in asked.body["data"]["secretFields"]:
                found = next(one for one in secret.items if one.slug == change["slug"])
                found.file, found.filename = None, ""
            return web.json_response({})
        item = next(one for one in secret.items if one.slug == rest.removeprefix("fields/"))
        if asked.method == "PUT":
            head, _, content = asked.text.partition("\r\n\r\n")
            name = re.search(r'filename="([^"]*)"', head)
            assert name is not None
            item.filename, item.file = name.group(1), content.rpartition("\r\n--")[0].encode()
            return web.json_response(True)
        return web.Response(body=item.file or b"")


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message, "errorCode": "API_Error"}, status=status)


def secret_json(**members: Any) -> Item:
    """A first field that holds a JSON object."""
    return Item("data", json.dumps(members, separators=(",", ":")))
