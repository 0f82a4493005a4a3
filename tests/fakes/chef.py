"""A Chef Infra Server as far as the provider asks: data bags of one organisation. Every signature is verified."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.backend import Asked, Backend

USER = "reader"
ORGANISATION = "/organizations/shop"
SKEW = 900.0  # seconds


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """One for each name; making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def pem(name: str = USER, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> str:
    return key(name).private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def opened(public: rsa.RSAPublicNumbers, signature: bytes) -> bytes:
    """What was padded and signed, b"" where the padding is another one."""
    size = (public.n.bit_length() + 7) // 8
    block = pow(int.from_bytes(signature, "big"), public.e, public.n).to_bytes(size, "big")
    found = re.fullmatch(rb"\x00\x01\xff{8,}\x00(.*)", block, re.DOTALL)
    return found[1] if found else b""


class FakeChef(Backend):
    """`bags`: items by their names. `key`: the name of the user's key."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.bags: dict[str, dict[str, Any]] = {}
        self.key = USER
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.down = False

    @property
    def url(self) -> str:
        return f"{self.address}{ORGANISATION}/"

    def put(self, bag: str, item: str, **members: Any) -> None:
        self.bags.setdefault(bag, {})[item] = {"id": item} | members

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "down")
        if not self._verified(asked):
            return refusal(401, "Invalid signature for user or client 'planted'")
        found = re.fullmatch(rf"{ORGANISATION}/(data|users)/([^/]+)(?:/([^/]+))?", asked.path)
        if found is None:
            return refusal(404, "organization 'planted' does not exist.")
        kind, name, item = found.groups()
        if kind == "users":
            return web.json_response({"username": name}) if name == USER else refusal(404, "user not found")
        bag = self.bags.get(name)
        if item is None:
            if bag is None:
                return refusal(404, f"Cannot load data bag {name}")
            return web.json_response({one: f"{self.url}data/{name}/{one}" for one in bag})
        if bag is None or item not in bag:
            return refusal(404, f"Cannot load data bag item {item} for data bag {name}")
        return web.json_response(bag[item])

    def _verified(self, asked: Asked) -> bool:
        sent = asked.headers
        if sent.get("X-Ops-Sign") != "algorithm=sha1;version=1.0" or sent.get("X-Ops-UserId") != USER:
            return False
        assert (sent["X-Chef-Version"], sent["X-Ops-Server-API-Version"]) == ("14.0.0", "1")
        assert (sent["Method"], sent["X-Ops-Request-Source"]) == (asked.method, "")
        signed_at = datetime.strptime(sent["X-Ops-Timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs((signed_at - self.now()).total_seconds()) > SKEW:
            return False
        lines = []
        for at in count(1):
            if f"X-Ops-Authorization-{at}" not in sent:
                break
            lines.append(sent[f"X-Ops-Authorization-{at}"])
        assert all(len(line) == 60 for line in lines[:-1])
        digest, path = sha1(asked.text), sha1(urlsplit(asked.target).path)
        text = (
            f"Method:{asked.method}\nHashed Path:{path}\nX-Ops-Content-Hash:{digest}\n"
            f"X-Ops-Timestamp:{sent['X-Ops-Timestamp']}\nX-Ops-UserId:{USER}"
        )
        public = key(self.key).public_key().public_numbers()
        fits = opened(public, base64.b64decode("".join(lines))) == text.encode()
        return fits and sent["X-Ops-Content-Hash"] == digest


def sha1(text: str) -> str:
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def refusal(status: int, words: str) -> web.Response:
    return web.json_response({"error": [words]}, status=status)
