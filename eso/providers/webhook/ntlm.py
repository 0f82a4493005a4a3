"""NTLM: a connection that logs in by three requests, and then is logged in.

Neighbours: client.py sends through this where the store has `auth.ntlm`. A server that asks for Basic is refused: it
would get the password in clear.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.net.http import Pool, Timeouts
from eso.providers.contract import AuthRejected, InvalidConfig, Unavailable, turn
from eso.providers.kit.http import Reply, exchanged

CHALLENGE: Final = re.compile(r"(?:^|,)\s*+(NTLM|Negotiate)(?:\s++([A-Za-z0-9+/=]++))?\s*+(?=,|$)", re.IGNORECASE)
MOST_CHALLENGE: Final = 16 << 10  # characters of a header


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)


class Ntlm:
    """One login. `pool` keeps one connection: NTLM logs connections in, so requests go one after the other."""

    def __init__(self, login: Login, pool: Pool, provider: str) -> None:
        self.login, self.pool, self.provider = login, pool, provider
        self._turn = asyncio.Lock()

    async def send(
        self,
        call: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeouts: Timeouts,
        max_body: int,
    ) -> Reply:
        """Any status is a reply; a 401 is one that no login could help. Raises InvalidConfig, AuthRejected and what an
        exchange raises."""
        sent = {name: text for name, text in headers.items() if name.lower() != "authorization"}

        async def ask(token: str = "") -> Reply:
            given = sent | ({"Authorization": token} if token else {})
            async with turn(self.provider, call):
                return await exchanged(self.pool, method, url, given, None, body, timeouts, max_body)

        async with self._turn:
            reply = await ask()
            if reply.status != 401:
                return reply
            scheme, _ = challenge(reply)
            if not scheme:
                raise AuthRejected(
                    "endpoint gave error 401 Unauthorized: it does not offer NTLM",
                    fix="the password is not sent in clear: use a header with a template for Basic",
                )
            context = await asyncio.get_running_loop().run_in_executor(None, context_of, self.login)
            reply = await ask(f"{scheme} {step(context, None)}")
            _, token = challenge(reply)
            if reply.status != 401 or not token:
                return reply
            return await ask(f"{scheme} {step(context, token)}")

    async def close(self) -> None:
        await self.pool.close()


def challenge(reply: Reply) -> tuple[str, bytes | None]:
    """The scheme that the server offers, "" for none that is known here, and its token. Raises Unavailable."""
    getall = getattr(reply.headers, "getall", None)
    found = getall("WWW-Authenticate", []) if getall is not None else [reply.headers.get("WWW-Authenticate", "")]
    for header in found:
        offered = CHALLENGE.search(header[:MOST_CHALLENGE])
        if offered is not None:
            try:
                token = base64.b64decode(offered[2], validate=True) if offered[2] else None
            except binascii.Error:
                raise Unavailable("the server's NTLM challenge cannot be read", answered=True) from None
            return "NTLM" if offered[1].upper() == "NTLM" else "Negotiate", token
    return "", None


def context_of(login: Login) -> Any:
    """Imports the library: in a thread, once."""
    import spnego

    return spnego.client(login.user, login.password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


def step(context: Any, token: bytes | None) -> str:
    """The next message. Raises InvalidConfig without the library's text, which may quote a message."""
    try:
        made = context.step(token)
    except Exception as error:  # the library's own errors share no base with ValueError and struct.error
        raise InvalidConfig(f"the NTLM handshake failed: {type(error).__name__}") from None
    return base64.b64encode(made or b"").decode()
