"""One login at a Vault server: its connections and its token, and the few requests that everything is made of.

Neighbours: connect.py and openbao.py log in and make one; clients look through it. Stores that share the login share
the Connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import hvac.exceptions
import requests

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import AuthExpired, Denied, InvalidConfig, prefixed
from eso.providers.kit.http import decoded
from eso.providers.vault import codec
from eso.providers.vault.bridge import LoopSession, drive
from eso.providers.vault.login import Login, blocking
from eso.providers.vault.paths import url_path
from eso.providers.vault.refusal import safe_messages, text
from eso.runtime.offload import Offload

T = TypeVar("T")
READ_FAILED: Final = "cannot read secret data from Vault: "


@dataclass(slots=True)
class Connection:
    """One login: its connections, its token, what was learnt on the way. `server` is the base URL."""

    server: str
    pool: Pool
    session: LoopSession
    namespace: str
    login_namespace: str
    login: Login = field(repr=False)
    offload: Offload = field(repr=False)
    mounts: dict[str, str] = field(default_factory=dict)  # configured mount → the one that has the data
    proved: bool = False  # the token was good once
    clients: dict[str, Any] = field(default_factory=dict, repr=False)  # hvac's, by namespace

    async def get(self, path: str, **params: str) -> bytes | None:
        """The body of a reply with data, None when the engine proved that nothing is at `path`. Raises the typed
        refusals."""
        try:
            reply = await self.call(
                lambda client: client.adapter.get(url_path(path), params=params or None, raise_exception=False)
            )
        except Denied as error:
            if await self._ended():
                raise AuthExpired(str(error)) from error
            raise
        self.proved = True
        if reply.status_code < 400 or codec.has_data(reply.content):
            return reply.content
        if told := safe_messages(reply.content):
            # The mount is not there (any more): that proves nothing about the secret, and what is proven absent may be
            # deleted.
            shown = text("get", reply.url, self.namespace, reply.status_code, told)
            raise InvalidConfig(shown, fix="check the path of the mount, and the namespace")
        return None

    async def list(self, path: str) -> list[str]:
        """Names below `path`, folders end in a slash; empty when there is nothing."""
        body = await self.get(path, list="true")
        return await decoded(self.offload, self.namespace, body, codec.names) if body is not None else []

    async def put(self, path: str, body: bytes) -> None:
        """Writes JSON to `path`. Raises the typed refusals, AuthExpired only where nothing was written."""
        await self._change(path, lambda client: client.adapter.put(url_path(path), data=body, raise_exception=False))

    async def delete(self, path: str) -> None:
        await self._change(path, lambda client: client.adapter.delete(url_path(path), raise_exception=False))

    async def _change(self, path: str, request: Callable[[Any], requests.Response]) -> None:
        try:
            reply = await self.call(request)
        except Denied as error:
            if await self._ended():
                raise AuthExpired(str(error)) from error
            raise
        self.proved = True
        if reply.status_code == 404:
            shown = text("put", reply.url, self.namespace, 404, safe_messages(reply.content))
            raise InvalidConfig(shown, fix="check the path of the mount, and the namespace")

    async def call(
        self, function: Callable[[Any], requests.Response], *, namespace: str | None = None
    ) -> requests.Response:
        where = self.namespace if namespace is None else namespace
        client = self.clients.get(where)
        if client is None:  # kept: building one costs more than a request through it
            client = self.clients[where] = blocking(self.server, self.session, where, self.login.token)
        return await drive(lambda: function(client))

    async def look_up(self) -> Any:
        """What the server says about our token. Raises AuthExpired when it answered before and now refuses."""
        try:
            reply = await self.call(lambda client: client.auth.token.lookup_self())
        except Denied as error:
            if self.proved:
                raise AuthExpired(str(error)) from error
            raise
        self.proved = True
        return codec.member(reply.content, "data")

    async def _ended(self) -> bool:
        """Servers answer a path that may not be read and a token that has ended alike. A good token can always look
        itself up."""
        if not self.proved:
            return False
        try:
            await self.look_up()
        except AuthExpired:
            return True
        except EsoError:
            return False
        return False

    async def renew(self) -> bool:
        if not (self.login.owned and self.login.renewable):
            return False
        try:
            reply = await self.call(lambda client: client.auth.token.renew_self(), namespace=self.login_namespace)
            auth = codec.member(reply.content, "auth")
            seconds = float(str(auth.get(b"lease_duration") or 0)) if isinstance(auth, dict) else 0.0
        except (ValueError, hvac.exceptions.VaultError):
            return False  # no token endpoint, or a duration that is none
        # Close to its maximal age a token is renewed for shorter and shorter times. Below half of its first lifetime a
        # new login is made instead.
        return seconds >= (self.login.lifetime or 0.0) / 2

    async def close(self) -> None:
        try:
            if self.login.token and self.login.owned:
                await self.call(lambda client: client.auth.token.revoke_self(), namespace=self.login_namespace)
        except (EsoError, hvac.exceptions.VaultError):
            pass  # the token ends by itself; a server that is gone must not hold up the close
        finally:
            await self.pool.close()


async def worded(prefix: str, call: Awaitable[T]) -> T:
    """The result of `call`; its error has the reference's words before it."""
    try:
        return await call
    except EsoError as error:
        raise prefixed(prefix, error) from error
