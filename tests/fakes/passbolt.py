"""Passbolt's API as far as the provider asks: GPGAuth logins with their cookies, resources of both generations, keys of
the metadata. Everything secret is encrypted for the user with OpenPGP."""

from __future__ import annotations

import json
import re
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from aiohttp import web
from pysequoia import Cert, Tsk, encrypt

from tests.fakes.backend import Asked, Backend

HOST = "passbolt.test"
PASSPHRASE = "planted passphrase"
# gpg --quick-gen-key one@passbolt.test future-default default never, with s2k-count 65536
ONE = """\
-----BEGIN PGP PRIVATE KEY BLOCK-----

lIYEawsVmxYJKwYBBAHaRw8BAQdAa/Fgx1dSB4zixfQIElX1v+y3u6rESJM07Klg
bfPFhoH+BwMCIAjuh21d/gpgnM3FSonAp9mWC8e2yp5qdgt9vdKtY7tcQV/2weg2
4dYcaGkzJ6TA45TkvOlwjk30I42FLZZq27qA4oLoOdMERToNf8XElrQRb25lQHBh
c3Nib2x0LnRlc3SIkAQTFggAOBYhBCCqQelW1cNwUQcny6oMlPa6M+mxBQJrCxWb
AhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEKoMlPa6M+mx3boA/iRP+Iq3
2BbGRSg9okRdexQCOt83uHXbyvRW/sfvySLSAPwNyUafq3RYkrLJMdeH1rpkVCcE
aLxqYRgmA5IzkBUPDJyLBGsLFZsSCisGAQQBl1UBBQEBB0BiD89qTCIC9LhoXGXu
FZKyzbUPy/hyTMU5JZezwzbnOQMBCAf+BwMCmELDOlGT5+1gZfbdM05dRo59AYk9
3Ot2zAThIoYPLrAx8yNKAHAq2GYMRI5zFCTgCwNaPKNe4Xqn4LW0J42x0bnUvu/7
qYl0VgbIC4CMhYh4BBgWCAAgFiEEIKpB6VbVw3BRByfLqgyU9roz6bEFAmsLFZsC
GwwACgkQqgyU9roz6bFeigEAvReCadcwMppV00T0cnX0nRPwsOPMvqj8TQNpnVqs
44IBAI3TMBTIoPKCjhqM0hjxF9XHBJBxb5prMOxPN41bTnMO
=8sC2
-----END PGP PRIVATE KEY BLOCK-----
"""
TWO = """\
-----BEGIN PGP PRIVATE KEY BLOCK-----

lIYEawsVmxYJKwYBBAHaRw8BAQdALuvLqHARMZPg3F5rxlaW50eAtH761/rsHVZc
yyEvrGX+BwMCPaZUw+H+EmRgfpoOJdCGTmjXLCbgOga1OlI1XpCcvM1H4qxfq2Lq
VgAvK3dEl3WtIAokVq7bGNv2ofgCw7zbK4b1NqT6jvc1n4fU640TIbQRdHdvQHBh
c3Nib2x0LnRlc3SIkAQTFggAOBYhBFpborMh3lO6SaRrfEB2sK6RKz9yBQJrCxWb
AhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEEB2sK6RKz9yThYA+wQc+ND9
pHkWkK1B2W3rqeVUr2UXcHfFf1mdjDFdxEnqAP9eJ8mS1uDVEyaNuw6KasX0Cyhb
J1OxQo4/1Tz/KSLWDJyLBGsLFZsSCisGAQQBl1UBBQEBB0A9InPUm4b4yvxaXY5D
1uUNDusK+eo02W+dsISy2aD6OQMBCAf+BwMCn9Vqm2aOEv5gbdAqjXvij+fhUyAM
ArSKHw+qLj8AigfUHw1BB19jBwD0eo3sT4ds6oKPhzO2C7a7qB1s7KDoksIvl25f
FPUdePPAcH1H3oh4BBgWCAAgFiEEWluisyHeU7pJpGt8QHawrpErP3IFAmsLFZsC
GwwACgkQQHawrpErP3JwXQEAxMeNhVPhyYc26znvOnSkzCTA4NCXPGuJxXsUK+xg
KtcA/RDwSJ47Il49rGYNAGhcpFURXEUPnJNVQsVGa3Ixh30H
=aP3b
-----END PGP PRIVATE KEY BLOCK-----
"""
PASSWORD, DESCRIBED, FIFTH = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("password", "described", "v5"))
TYPES: dict[str, Any] = {  # a definition comes as an object, or as a text
    PASSWORD: {"slug": "password-string", "definition": {"resource": {}, "secret": {"type": "string"}}},
    DESCRIBED: {"slug": "password-and-description", "definition": '{"resource":{},"secret":{"type":"object"}}'},
    FIFTH: {"slug": "v5-default", "definition": {"resource": {}, "secret": {"type": "object"}}},
}


@dataclass
class Held:
    """A resource. `shown`: in the clear. `about`: what is encrypted of it, None in the fourth generation; `shared`:
    with the key that several users have, else with the user's own."""

    id: str
    type: str
    secret: bytes = field(repr=False)
    shown: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] | None = None
    shared: bool = True


class FakePassbolt(Backend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.resources: dict[str, Held] = {}
        self.tokens: set[str] = set()  # sessions
        self.user = str(uuid.uuid4())
        self.armored = ONE
        self.metadata_key = Tsk.generate("metadata@passbolt.test")
        self.metadata_id = str(uuid.uuid4())
        self.csrf = "csrf/token+of/this/session"
        self.challenges: set[str] = set()
        self.challenge = ""  # instead of an honest one
        self.mfa = self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        return {HOST: self.address}

    @property
    def armored(self) -> str:
        """The user's private key; a server knows the public half alone."""
        return self._armored

    @armored.setter
    def armored(self, armored: str) -> None:
        self._armored = armored
        self.certificate = Cert.from_bytes(armored.encode())

    # what a test arranges

    def put(self, id: str, name: str, password: str, *, type: str = DESCRIBED, **shown: Any) -> Held:
        """Of the fourth generation: what it is called stands in the clear."""
        description = {} if type == PASSWORD else {"description": "of the secret"}
        secret = password if type == PASSWORD else json.dumps({"password": password} | description)
        self.resources[id] = Held(id, type, secret.encode(), {"name": name} | shown)
        return self.resources[id]

    def put_sealed(self, id: str, password: str, *, shared: bool = True, **about: Any) -> Held:
        """Of the fifth generation: all of it is encrypted."""
        secret = json.dumps({"object_type": "PASSBOLT_SECRET_DATA", "password": password, "description": "in secret"})
        self.resources[id] = Held(id, FIFTH, secret.encode(), about=about, shared=shared)
        return self.resources[id]

    def sealed(self, plain: bytes, certificate: Cert | None = None) -> str:
        return sealed(plain, str(certificate or self.certificate))

    # the server

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "Service Unavailable")
        if asked.path == "/auth/login.json":
            return self._login(asked.body["gpg_auth"])
        cookies = dict(part.split("=", 1) for part in asked.headers.get("Cookie", "").split("; ") if part)
        assert set(cookies) <= {"passbolt_session", "csrfToken", "passbolt_mfa"}
        session = cookies.get("passbolt_session", "")
        if session not in self.tokens:
            return refusal(401, "Authentication is required to continue")
        if self.mfa:
            return refusal(403, "MFA authentication is required.", f"https://{HOST}/mfa/verify/error.json")
        if asked.path == "/users/me.json":
            answer = envelope({"id": self.user, "username": "me@passbolt.test"})
            answer.headers.add("Set-Cookie", f"csrfToken={quote(self.csrf, safe='')}; path=/; HttpOnly; SameSite=Lax")
            return answer
        assert unquote(cookies["csrfToken"]) == asked.headers["X-CSRF-Token"] == self.csrf
        if asked.path == "/auth/logout.json":
            assert asked.method == "POST"
            self.tokens.discard(session)
            return envelope(None)
        return self._found(asked)

    def _login(self, given: Mapping[str, str]) -> web.Response:
        if given["keyid"] != self.certificate.fingerprint.upper():
            return refusal(400, "There is no user associated with this key.")
        answered = given.get("user_token_result")
        if answered is None:
            token = f"gpgauthv1.3.0|36|{uuid.uuid4()}|gpgauthv1.3.0"
            self.challenges.add(token)
            # the server's way: every sign that PHP's quotemeta knows gets a backslash
            quoted = re.sub(r"([.\\+*?\[^\]$()])", r"\\\1", quote_plus(self.sealed((self.challenge or token).encode())))
            answer = refusal(200, "The authentication failed.")
            answer.headers["X-GPGAuth-User-Auth-Token"] = quoted
            return answer
        if answered not in self.challenges:
            return refusal(400, "The authentication failed.")
        self.challenges.discard(answered)
        session = uuid.uuid4().hex
        self.tokens.add(session)
        answer = envelope({"id": self.user})
        answer.set_cookie("passbolt_session", session, httponly=True, secure=True)
        answer.set_cookie("tracking", "of no use")
        return answer

    def _found(self, asked: Asked) -> web.Response:
        if asked.path == "/resources.json":
            return envelope([self._shown(one) for one in self.resources.values()])
        if asked.path == "/metadata/keys.json":
            assert asked.query == {"contain[metadata_private_keys]": "1"}
            return envelope([self._key(str(uuid.uuid4()), "other"), self._key(self.metadata_id, self.user)])
        found = re.fullmatch(r"/(resources|resource-types|secrets/resource)/([^/]+)\.json", asked.path)
        kind, id = (found[1], found[2]) if found else ("", "")
        if kind == "resource-types" and id in TYPES:
            return envelope({"id": id} | TYPES[id])
        held = self.resources.get(id)
        if held is None:
            return refusal(404, "The resource does not exist.")
        if kind == "resources":
            return envelope(self._shown(held))
        return envelope({"id": str(uuid.uuid4()), "resource_id": held.id, "data": self.sealed(held.secret)})

    def _shown(self, held: Held) -> dict[str, Any]:
        shown = {"id": held.id, "resource_type_id": held.type} | held.shown
        if held.about is None:
            return shown
        own = self.metadata_key.extract_certificate() if held.shared else self.certificate
        return shown | {
            "metadata": self.sealed(json.dumps(held.about).encode(), own),
            "metadata_key_id": self.metadata_id if held.shared else None,
            "metadata_key_type": "shared_key" if held.shared else "user_key",
        }

    def _key(self, id: str, user: str) -> dict[str, Any]:
        key = json.dumps({"armored_key": str(self.metadata_key), "passphrase": ""})
        halves = [{"user_id": user, "data": self.sealed(key.encode())}]
        return {"id": id, "metadata_private_keys": halves}


@cache
def sealed(plain: bytes, certificate: str) -> str:
    return encrypt(plain, recipients=[Cert.from_bytes(certificate.encode())]).decode()


def envelope(body: Any, status: str = "success", code: int = 200, message: str = "", url: str = "") -> web.Response:
    header = {"id": str(uuid.uuid4()), "status": status, "code": code, "message": message, "url": url}
    return web.json_response({"header": header, "body": body}, status=code)


def refusal(code: int, message: str, url: str = "") -> web.Response:
    return envelope("", "error", code, message, url)
