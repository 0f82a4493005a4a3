"""An HTTP service as a webhook asks it: JSON under paths, behind a token; and one that logs connections in by NTLM.

Neighbours: tests/contract and the unit tests of the provider and the generator.
"""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any

from aiohttp import web
from spnego._ntlm_raw.crypto import hmac_md5, ntowfv1, ntowfv2
from spnego._ntlm_raw.messages import Authenticate, AvId, Challenge, NegotiateFlags, TargetInfo

from tests.fakes.backend import Asked, Backend

TOKEN = "planted-webhook-token"
Json = dict[str, Any]


class FakeService(Backend):
    """`documents`: path → what a GET answers, as it is sent. POST and PUT keep the body, DELETE forgets it. `token`:
    what a request has to show, "" for nothing."""

    def __init__(self, tls: ssl.SSLContext | None = None, token: str = TOKEN) -> None:
        super().__init__(tls)
        self.documents: dict[str, str] = {}
        self.token = token
        self.down = False

    def put(self, path: str, document: Any) -> None:
        self.documents[path] = document if isinstance(document, str) else json.dumps(document)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503, text="unavailable")
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="who are you?")
        if asked.method in ("POST", "PUT"):
            self.documents[asked.path] = asked.text
            return web.Response(text="done")
        if asked.path not in self.documents:
            return web.Response(status=404, text="nothing here")
        if asked.method == "DELETE":
            del self.documents[asked.path]
            return web.Response(status=204)
        return web.Response(text=self.documents[asked.path], content_type="application/json")


class NtlmService(Backend):
    """Answers only on a connection that has logged in. `user`, `password`: whom it lets in. `offers`: schemes that a
    401 names."""

    def __init__(self, user: str, password: str, offers: tuple[str, ...] = ("NTLM",)) -> None:
        super().__init__()
        self.user, self.password, self.offers = user, password, offers
        self.contexts: dict[int, Any] = {}
        self.logged_in: set[int] = set()
        self.body = json.dumps({"v": "behind ntlm"})

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.connection = id(request.transport)
        return await super()._serve(request)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.connection in self.logged_in:
            return web.Response(text=self.body)
        scheme, _, sent = asked.headers.get("Authorization", "").partition(" ")
        if scheme not in ("NTLM", "Negotiate") or scheme not in self.offers:
            refused = web.Response(status=401)
            for offer in self.offers:
                refused.headers.add("WWW-Authenticate", offer)
            return refused
        message = base64.b64decode(sent)
        if message[8] == 1:
            self.contexts[self.connection] = Acceptor(self.user, self.password)
            return challenged(scheme, self.contexts[self.connection].challenge(message))
        if not self.contexts[self.connection].accepts(message):
            return web.Response(status=401, headers={"WWW-Authenticate": scheme})
        self.logged_in.add(self.connection)
        return web.Response(text=self.body)


def challenged(scheme: str, token: bytes) -> web.Response:
    return web.Response(status=401, headers={"WWW-Authenticate": f"{scheme} {base64.b64encode(token).decode()}"})


class Acceptor:
    """The server's side of one handshake: checks the proof with the password it knows."""

    def __init__(self, user: str, password: str) -> None:
        self.user, self.server_challenge = user, b"\x01\x23\x45\x67\x89\xab\xcd\xef"
        domain, _, name = user.rpartition("\\")
        self.name, self.domain = name, domain
        self.key = ntowfv2(name, ntowfv1(password), domain)

    def challenge(self, message: bytes) -> bytes:
        info = TargetInfo()
        info[AvId.nb_computer_name] = "SERVER"
        flags = (
            NegotiateFlags.unicode
            | NegotiateFlags.request_target
            | NegotiateFlags.ntlm
            | NegotiateFlags.always_sign
            | NegotiateFlags.extended_session_security
            | NegotiateFlags.target_info
            | NegotiateFlags.key_128
        )
        made = Challenge(flags, self.server_challenge, target_name="SERVER", target_info=info)
        return bytes(made.pack())

    def accepts(self, message: bytes) -> bool:
        found = Authenticate.unpack(message)
        response = found.nt_challenge_response or b""
        return found.user_name == self.name and response[:16] == hmac_md5(
            self.key, self.server_challenge + response[16:]
        )
