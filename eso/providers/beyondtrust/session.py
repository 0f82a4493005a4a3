"""Sessions of Password Safe: one signs in, and a cookie is the credential from then on.

Neighbours: connect.py signs in, client.py holds the session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Pools, Timeouts
from eso.providers.contract import Malformed
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api, Reply, clean, object_of, text_in
from eso.providers.kit.token import checked

LABEL: Final = "BeyondTrust/PasswordSafe"
COOKIE: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256})=([\x21-\x3a\x3c-\x7e]{0,4096})", re.ASCII)
MOST_COOKIES: Final = 16
GOODBYE: Final = Timeouts(total=5.0)


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in; owns what is pushed."""

    id: int
    login: str = ""
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Session(Connection):
    """`pools` dials the server, for which no session is needed."""

    user: User = field(default_factory=lambda: User(0))
    pools: Pools = field(default_factory=Pools, repr=False)

    async def sign_out(self) -> None:
        """Raises EsoError, which nobody has to hear of: a session that is left ends by itself."""
        await sign_out(self.api)


async def sign_out(api: Api) -> None:
    await replace(api, timeouts=GOODBYE).send("Signout", "POST", "/Auth/Signout")


async def signed_in(api: Api, given: Mapping[str, str]) -> tuple[Api, User]:
    """The API with the cookies of the session. `given`: an API key, or id and secret of a client."""
    cookies = dict[str, str]()
    if "apiKey" in given:
        credential = f"PS-Auth key={clean(given['apiKey'], 'API key')}"
    else:
        form = {
            "client_id": given["clientId"],
            "client_secret": given["clientSecret"],
            "grant_type": "client_credentials",
        }
        reply = await api.send("ConnectToken", "POST", "/Auth/connect/token", form=form)
        cookies |= cookies_of(reply)
        credential = f"Bearer {checked(text_in(object_of(reply.body), 'access_token'), 1.0).value}"
    headers = {"Authorization": credential} | header_of(cookies)
    reply = await api.send("SignAppIn", "POST", "/Auth/SignAppIn", headers=headers)
    cookies |= cookies_of(reply)
    signed = api.with_headers(header_of(cookies))
    try:
        return signed, user_of(reply.body)
    except Malformed:
        with suppress(EsoError):  # the session is made, whatever the reply says of its user
            await sign_out(signed)
        raise


def cookies_of(reply: Reply) -> dict[str, str]:
    """Names and values alone: all of them belong to this server."""
    getall = getattr(reply.headers, "getall", None)
    found = getall("Set-Cookie", []) if getall is not None else [reply.headers.get("Set-Cookie", "")]
    matches = [COOKIE.match(text) for text in found[:MOST_COOKIES]]
    return {match[1]: match[2] for match in matches if match is not None}


def header_of(cookies: Mapping[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


def user_of(body: bytes) -> User:
    found: dict[str, Any] = object_of(body)
    id = found.get("UserId")
    if isinstance(id, bool) or not isinstance(id, int):
        raise Malformed("the server's reply has no number in UserId")
    texts = (found.get(name) for name in ("UserName", "Name", "EmailAddress"))
    login, name, email = (text if isinstance(text, str) else "" for text in texts)
    return User(id, login, name, email)
