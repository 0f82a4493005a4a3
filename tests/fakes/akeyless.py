"""Akeyless on loopback, as the service or as a gateway; beside it the servers that its logins ask.

Neighbours: written from the vendor's API reference, for the bench and the tests of `akeyless`.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.providers.akeyless.connect import Connector
from tests.fakes.backend import Asked, Backend
from tests.fakes.env import RecordingPools, Whole, env

API, GATEWAY = "https://api.akeyless.io", "https://gateway.example.com:8080"
HOSTS = (
    "api.akeyless.io",
    "gateway.example.com:8080",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "169.254.169.254",
    "metadata.google.internal",
    "oauth2.googleapis.com",
)
ACCESS_ID, ACCESS_KEY = "p-1", "key-1"
TAG = "k8s-external-secrets"
KINDS = {"static-secret": "STATIC_SECRET", "dynamic-secret": "DYNAMIC_SECRET", "rotated-secret": "ROTATED_SECRET"}


@dataclass(slots=True)
class Item:
    """`versions`: values of a static secret, else what the value's endpoint answers."""

    type: str = "STATIC_SECRET"
    versions: list[Any] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class FakeAkeyless(Backend):
    """`items`: by name. `slashes`: names get a slash before them, as the real service does it. `believed`: what an
    `auth` body has to hold beside the access id, by access type."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.items: dict[str, Item] = {}
        self.slashes = False
        self.believed: dict[str, dict[str, str]] = {"access_key": {"access-key": ACCESS_KEY}}
        self.assertions: dict[str, str] = {}  # federated token → client that it speaks for
        self.google_key: rsa.RSAPublicKey | None = None
        self.prefix = ""  # before every path: "/v2" of a gateway
        self.greets = False  # a gateway that knows no empty command at its address
        self.token = "t-"
        self.tokens: set[str] = set()
        self.denied: set[str] = set()
        self.page = 1000
        self.leases = self._issued = 0

    @property
    def hosts(self) -> dict[str, str]:
        """Every host that this server stands for."""
        return dict.fromkeys(HOSTS, self.address)

    # what a test arranges

    def put(self, name: str, *values: Any, type: str = "STATIC_SECRET", tags: list[str] | None = None) -> Item:
        """One more version of an item per value."""
        item = self.items.setdefault(self.full(name), Item(type))
        item.versions += values
        item.tags += tags or []
        return item

    def full(self, name: str) -> str:
        return f"/{name.lstrip('/')}" if self.slashes else name

    def value(self, name: str) -> Any:
        return self.items[self.full(name)].versions[-1]

    # the servers

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.path.endswith(("/oauth2/v2.0/token",)):
            return self._entra(asked)
        if asked.path == "/metadata/identity/oauth2/token":
            return web.json_response({"access_token": f"azure-{asked.query.get('object_id', '')}", "expires_in": "99"})
        if asked.path.endswith("/default/identity"):
            return web.Response(text=f"google-{asked.query['audience']}", headers={"Metadata-Flavor": "Google"})
        if asked.path == "/token":
            return self._google(asked)
        if not asked.path.startswith(f"{self.prefix}/") or asked.path == "/":
            known = "unknown command" if self.greets and not self.prefix else "not here"
            return web.json_response({"error": known}, status=404)
        command = asked.path.removeprefix(f"{self.prefix}/")
        if command == "auth":
            return self._auth(asked.body)
        if (asked.body.get("token") or asked.body.get("uid-token")) not in self.tokens:
            return refused(401, "Unauthorized: token has expired")
        assert ("uid-token" in asked.body) is self.token.startswith("u-")
        answer = {
            "describe-item": self._describe,
            "get-secret-value": self._static,
            "get-rotated-secret-value": self._rotated,
            "get-dynamic-secret-value": self._dynamic,
            "get-certificate-value": self._certificate,
            "list-items": self._list,
            "create-secret": self._create,
            "update-secret-val": self._update,
            "delete-item": self._delete,
        }.get(command)
        return answer(asked.body) if answer else refused(404, "")

    def _entra(self, asked: Asked) -> web.Response:
        form = dict(parse_qsl(asked.text))
        if self.assertions.get(form["client_assertion"]) != form["client_id"]:
            return web.json_response({"error": "invalid_client"}, status=401)
        shown = f"azure-{form['client_id']}-{form['scope']}"
        return web.json_response({"access_token": shown, "expires_in": 3599})

    def _google(self, asked: Asked) -> web.Response:
        """A token for the audience that the key of `google_key` signs."""
        form = dict(parse_qsl(asked.text))
        text, _, mark = form["assertion"].rpartition(".")
        try:
            assert self.google_key is not None
            self.google_key.verify(unpadded(mark), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return web.json_response({"error": "invalid_grant", "error_description": text}, status=400)
        claims = json.loads(unpadded(text.partition(".")[2]))
        assert claims["aud"] == "https://oauth2.googleapis.com/token"
        assert claims["exp"] - claims["iat"] == 3600
        shown = f"google-{claims['iss']}-{claims['target_audience']}"
        return web.json_response({"id_token": shown})

    def _auth(self, body: Mapping[str, Any]) -> web.Response:
        wanted = self.believed.get(body.get("access-type", "access_key"))
        if body["access-id"] != ACCESS_ID or wanted is None or not wanted.items() <= body.items():
            return refused(401, f"failed to authenticate: {json.dumps(dict(body))}")
        self._issued += 1
        token = f"{self.token}{self._issued}"
        self.tokens.add(token)
        return web.json_response({"token": token, "creds": {"access_id": ACCESS_ID}})

    def _item(self, name: str) -> Item | None:
        return self.items.get(self.full(name))

    def _describe(self, body: Mapping[str, Any]) -> web.Response:
        item = self._item(body["name"])
        if body["name"] in self.denied:
            return refused(403, f"access denied: planted {body['name']}")
        if item is None:
            return refused(404, f"failed to get item: item {body['name']} not found")
        return web.json_response(self._shown(self.full(body["name"]), item))

    def _shown(self, name: str, item: Item, short: bool = False) -> dict[str, Any]:
        shown = {"item_name": name, "item_id": 7}
        return shown if short else shown | {"item_type": item.type, "item_tags": item.tags or None}

    def _version(self, item: Item, body: Mapping[str, Any]) -> Any:
        number = body.get("version") or len(item.versions)
        return item.versions[number - 1] if 0 < number <= len(item.versions) else None

    def _static(self, body: Mapping[str, Any]) -> web.Response:
        found: dict[str, Any] = {}
        for name in body["names"]:
            item = self._item(name)
            value = self._version(item, body) if item and item.type == "STATIC_SECRET" else None
            if value is None or name in self.denied:
                return refused(404, f"failed to get secret value: {name} not found")
            found[self.full(name)] = value
        return web.json_response(found)

    def _rotated(self, body: Mapping[str, Any]) -> web.Response:
        item = self._item(body["names"])
        assert item is not None
        return web.json_response(self._version(item, body))

    def _dynamic(self, body: Mapping[str, Any]) -> web.Response:
        self.leases += 1
        item = self._item(body["name"])
        assert item is not None
        return web.json_response(item.versions[-1] | {"lease": self.leases})

    def _certificate(self, body: Mapping[str, Any]) -> web.Response:
        item = self._item(body["name"])
        assert item is not None
        return web.json_response(self._version(item, body))

    def _list(self, body: Mapping[str, Any]) -> web.Response:
        kinds = [KINDS[name] for name in body["type"]]
        found = [
            self._shown(name, item, short=body["minimal-view"])
            for name, item in sorted(self.items.items())
            if item.type in kinds
            and body.get("filter", "") in name
            and (not body.get("tag") or body["tag"] in item.tags)
        ]
        start = int(body.get("pagination-token") or 0)
        more = {"next_page": str(start + self.page), "has_next": True} if start + self.page < len(found) else {}
        return web.json_response({"items": found[start : start + self.page] or None, "folders": None, **more})

    def _create(self, body: Mapping[str, Any]) -> web.Response:
        if self._item(body["name"]) is not None:
            return refused(409, "item already exists")
        self.put(body["name"], body["value"], tags=list(body["tags"]))
        return web.json_response({"name": body["name"]})

    def _update(self, body: Mapping[str, Any]) -> web.Response:
        self.put(body["name"], body["value"])
        return web.json_response({"name": body["name"]})

    def _delete(self, body: Mapping[str, Any]) -> web.Response:
        if self.items.pop(self.full(body["name"]), None) is None:
            return refused(404, "item not found")
        return web.json_response({"item_name": body["name"]})


def refused(status: int, message: str) -> web.Response:
    return web.json_response({"error": message} if message else {}, status=status)


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cloud_id(shown: str) -> str:
    return base64.b64encode(shown.encode()).decode()


class WholeAkeyless(Whole):
    """The provider `akeyless`, whose world is the fake."""

    def __init__(self, fake: FakeAkeyless) -> None:
        super().__init__("akeyless")
        self.pools = self.world = RecordingPools(fake.hosts)
        self.connector = self.akeyless = Connector(env(pools=self.world), self.world.direct)
