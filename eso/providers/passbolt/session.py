"""A session at Passbolt: the challenge that only the holder of a private key can answer, and the cookies it brings.

Neighbours: connect.py starts it, client.py asks through it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from eso.errors import EsoError
from eso.net.http import Reply, Timeouts
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed
from eso.providers.kit.http import Api, decoded
from eso.providers.passbolt import codec
from eso.providers.passbolt.apart import Apart
from eso.providers.passbolt.pgp import Key
from eso.providers.passbolt.refusal import body_of
from eso.runtime.offload import Offload

LOGIN: Final = "/auth/login.json"
CHALLENGE: Final = "X-GPGAuth-User-Auth-Token"
SESSION: Final = frozenset({"passbolt_session", "CAKEPHP", "PHPSESSID"})
CSRF: Final = "csrfToken"
KEPT: Final = SESSION | {CSRF, "passbolt_mfa"}
COOKIE: Final = re.compile(
    r"\s*([A-Za-z0-9_]{1,32})=([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,4096})\s*(?:;|$)", re.ASCII
)
REFUSED: Final = frozenset({400, 401, 403, 404, 422})  # with these a challenge comes, or none does
PARTING: Final = Timeouts(total=5.0, connect=3.0)


@dataclass(slots=True)
class Session:
    """One user. `cookies` change as the server says. `text_types`: by type of resource, whether its secrets are nothing
    but a password. `keys`: of the metadata that the user shares with others. Both are learned as they are needed and
    end with the session."""

    api: Api
    offload: Offload
    apart: Apart
    key: Key = field(repr=False)
    lifetime: float | None = None
    user: str = ""
    cookies: dict[str, str] = field(default_factory=dict, repr=False)
    text_types: dict[str, bool] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict, repr=False)

    async def log_in(self) -> None:
        """Raises AuthRejected for a key that the server does not know, and for a user with a second factor."""
        question: dict[str, Any] = {"keyid": await self.apart.fingerprint(self.key)}
        asked = await self._post({"gpg_auth": question})
        challenge = asked.headers.get(CHALLENGE, "")
        if not challenge:
            raise AuthRejected(
                "Passbolt does not know the key, or its user is not active", fix="is it the key of a user of this host?"
            )
        token = token_of(await self.apart.one(self.key, unquote_plus(challenge).replace("\\ ", " ").encode()))
        answered = await self._post({"gpg_auth": question | {"user_token_result": token}})
        if answered.status in REFUSED or not SESSION & set(self.cookies):
            raise AuthRejected("Passbolt refuses the answer to its challenge", fix="try again, or look into its logs")
        try:
            self.user = codec.id_in(await self.get("GetMe", "/users/me.json"))
        except (AuthExpired, Denied) as error:
            raise AuthRejected(f"Passbolt refuses the session: {error}", fix=error.fix) from error

    async def get(self, call: str, path: str) -> Any:
        """The body of the envelope."""
        reply = await self.api.send(call, "GET", path, headers=self._headers())
        self._keep(reply)
        return await decoded(self.offload, self.apart.namespace, reply.body, lambda _: body_of(reply))

    async def close(self) -> None:
        """Logs out. A server that is gone ends the session by itself."""
        try:
            if SESSION & set(self.cookies):
                with suppress(EsoError):
                    api = replace(self.api, timeouts=PARTING)
                    await api.send("Logout", "POST", "/auth/logout.json", headers=self._headers())
        finally:
            await self.api.close()

    async def _post(self, body: Mapping[str, Any]) -> Reply:
        reply = await self.api.send("Login", "POST", LOGIN, json=body, headers=self._headers(), ok=REFUSED)
        self._keep(reply)
        return reply

    def _headers(self) -> dict[str, str]:
        """A cookie goes back as it came; the server compares the token with what the cookie means."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        token = self.cookies.get(CSRF)
        return ({"Cookie": cookies} if cookies else {}) | ({"X-CSRF-Token": unquote(token)} if token else {})

    def _keep(self, reply: Reply) -> None:
        """Cookies of these names only; one that is emptied is dropped."""
        for line in lines(reply.headers, "Set-Cookie"):
            found = COOKIE.match(line)
            if found is None or found[1] not in KEPT:
                continue
            if found[2]:
                self.cookies[found[1]] = found[2]
            else:
                self.cookies.pop(found[1], None)


def lines(headers: Mapping[str, str], name: str) -> list[str]:
    """Every header of this name."""
    every = getattr(headers, "getall", None)
    return list(every(name, ())) if every is not None else [headers[name]] if name in headers else []


def token_of(plain: bytes) -> str:
    """`gpgauthv1.3.0|36|UUID|gpgauthv1.3.0`. What is no such token is not sent back: it may be a secret that somebody
    wants decrypted. Raises Malformed."""
    text = plain.decode("utf-8", "replace")
    match text.split("|"):
        case [first, length, token, last] if (
            first == last and first.startswith("gpgauth") and length == str(len(token))
        ):
            return text
    raise Malformed("the server's challenge is not of the form it promises", fix="is host that of Passbolt itself?")
