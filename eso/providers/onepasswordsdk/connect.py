"""Logs in to 1Password with a service account's token, which also names the server.

Neighbours: stores.registry makes the Connector; spec.py has the rules, native.py the library's thread, client.py makes
the calls. The library connects by itself, so where it goes is decided here, before the login.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable
from typing import Any, Final, cast

import orjson
from onepassword.client import Client as Sdk  # type: ignore[import-untyped]  # the vendor ships no types

from eso.net.reach import Barred
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Plan, StoreView, turn
from eso.providers.env import Env
from eso.providers.kit.selectors import part
from eso.providers.onepasswordsdk.client import LABEL, Client, Connection
from eso.providers.onepasswordsdk.native import Native, released
from eso.providers.onepasswordsdk.spec import TOKEN

PREFIX: Final = "ops_"
HOSTS: Final = re.compile(r"(?:[a-z0-9-]+\.)*1password\.(?:com|ca|eu)", re.ASCII)
NAME, VERSION = "1Password SDK", "v1.0.0"


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env
        self.native = Native()

    async def close(self) -> None:
        await self.native.close()

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        token = (await credentials.secret(part(store.provider_spec, *TOKEN))).decode("utf-8", "replace")
        host = server(token)
        try:
            self.env.pools.reach.check_name(host, proxied=True)  # the library resolves the name, as a proxy would
        except Barred as error:
            raise InvalidConfig(f"the token's server is {error}", fix=error.fix) from None
        told = part(store.provider_spec, "integrationInfo")
        name, version = str(told.get("name") or NAME), str(told.get("version") or VERSION)

        def login() -> Awaitable[Any]:
            return cast(Awaitable[Any], Sdk.authenticate(token, name, version))

        async with turn(LABEL, "Authenticate"):
            sdk = await self.native.made(login, released)
        return Client(store, Connection(self.native, sdk, self.env.offload))


def server(token: str) -> str:
    """The host that a token names: one of 1Password's own, whoever wrote the token. Raises AuthRejected, InvalidConfig.

    A token is `ops_` and base64url of a JSON object; the library connects to its `signInAddress`.
    """
    if token != token.strip():
        raise AuthRejected("the service account token begins or ends with a blank or a newline", fix="store it without")
    try:
        body = token.removeprefix(PREFIX).encode("ascii")
        found = orjson.loads(base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_", validate=True))
        address = found["signInAddress"]
        if not token.startswith(PREFIX) or not isinstance(address, str):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise AuthRejected(
            "the service account token had invalid format", fix="store the whole token: it begins with ops_"
        ) from None
    host = address.removeprefix("https://").removesuffix("/")
    if not HOSTS.fullmatch(host):
        raise InvalidConfig(
            "the service account token names a server that is not 1Password's", fix="use a token that 1Password made"
        )
    return host
