"""Runs stock hvac, which blocks, on the event loop: each of its requests switches to the loop and comes back with the
reply.

Neighbours: login.py and client.py drive hvac through here; `net.http` sends. The greenlet is as short-lived as the
call.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import greenlet
import orjson
import requests
from requests.structures import CaseInsensitiveDict

from eso.net.http import Pool, Reply, TimedOut, Timeouts, TooLarge, TransportError, Unsendable
from eso.providers.contract import InvalidConfig, Malformed, Timeout, Unavailable, turn
from eso.providers.vault.refusal import refusal

T = TypeVar("T")
TIMEOUTS: Final = Timeouts(total=60.0)
MAX_REPLY: Final = 4 << 20  # bytes; the server keeps entries of 1 MiB, a Secret no more than that
INDEX, INCONSISTENT = "X-Vault-Index", "X-Vault-Inconsistent"
TOKEN_CALLS: Final = {"lookup-self": "LookupSelf", "renew-self": "RenewSelf", "revoke-self": "RevokeSelf"}
INDEXES: Final = 8  # newest index headers that are remembered; one per cluster that answers would do


async def drive(function: Callable[[], T]) -> T:
    """The result of `function`, which may wait by `switch`. It sees the caller's context variables; a cancellation is
    thrown into it."""
    child = greenlet.greenlet(function)
    child.gr_context = contextvars.copy_context()
    asked = child.switch()
    while not child.dead:
        try:
            answer = await asked
        except BaseException as error:  # cancellation included: the function must see it where it waits
            asked = child.throw(error)
        else:
            asked = child.switch(answer)
    return asked  # type: ignore[no-any-return]  # a dead greenlet's last switch returns the function's result


def switch(awaitable: Awaitable[T]) -> T:
    """Inside `drive`: wait for `awaitable` on the loop."""
    parent = greenlet.getcurrent().parent
    if parent is None:
        raise RuntimeError("a blocking client was called outside of drive()")
    answer: T = parent.switch(awaitable)
    return answer


class LoopSession:
    """What hvac takes for a `requests.Session`. `verify`, `cert` and `proxies` are the pool's business.

    `headers` go with every request; `sticky` remembers index headers and sends them along, `forward` asks for the
    active node as well.
    """

    verify = None
    cert = None
    proxies = None

    def __init__(
        self,
        pool: Pool,
        headers: Mapping[str, str],
        *,
        label: str = "HashiCorp/Vault",
        sticky: bool = False,
        forward: bool = False,
    ) -> None:
        self.label = label
        self.pool, self.headers, self.sticky, self.forward = pool, dict(headers), sticky, forward
        self._indexes: list[str] = []

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        **ignored: Any,
    ) -> requests.Response:
        """One exchange. A 404 is returned, every other failure raised as a typed error: no error body reaches hvac's
        exceptions."""
        sent = {**(headers or {}), **self.headers}
        if self.sticky and self._indexes:
            sent[INDEX] = ",".join(self._indexes)
        if self.forward:
            sent[INCONSISTENT] = "forward-active-node"
        body = None if json is None else orjson.dumps(json)
        if body is not None:
            sent["Content-Type"] = "application/json"
        query = {name: str(value) for name, value in (params or {}).items()}
        reply = switch(self._exchange(method.upper(), url, sent, query, body))
        if self.sticky and (index := reply.headers.get(INDEX)) and index not in self._indexes:
            self._indexes = [*self._indexes, index][-INDEXES:]
        response = requests.Response()
        response.status_code, response.url, response._content = reply.status, url, reply.body
        response.headers = CaseInsensitiveDict(reply.headers)
        return response

    def close(self) -> None:
        """The pool is closed by who opened it."""

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """Follows one redirect (to the active node), never from https to http."""
        try:
            reply = await self._once(method, url, headers, query, body)
            location = reply.headers.get("Location", "")
            if reply.status in (301, 302, 307) and location:
                try:
                    target = urljoin(url, location)
                    scheme, query_there = urlsplit(target).scheme, urlsplit(target).query
                except ValueError:
                    raise Unavailable("the server redirects to an address that is none") from None
                if urlsplit(url).scheme == "https" and scheme != "https":
                    raise Unavailable("the server redirects from https to http: not followed")
                reply = await self._once(method, target, headers, {} if query_there else query, body)
        except TimedOut as error:
            raise Timeout(str(error), fix=error.fix) from error
        except TooLarge as error:
            raise Malformed(str(error)) from error
        except Unsendable as error:
            raise InvalidConfig(str(error), fix=error.fix) from error
        except TransportError as error:
            raise Unavailable(str(error), fix=error.fix) from error
        if 300 <= reply.status < 400:
            raise Unavailable(f"the server redirects (status {reply.status}) where it should answer")
        return reply

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes | None
    ) -> Reply:
        async with turn(self.label, call_name(method, url, query)):
            reply = await self.pool.request(
                method, url, headers=headers, params=query or None, body=body, timeouts=TIMEOUTS, max_body=MAX_REPLY
            )
            if reply.status >= 400 and reply.status != 404:
                shown = f"{url}?{'&'.join(f'{name}={value}' for name, value in query.items())}" if query else url
                namespace = headers.get("X-Vault-Namespace", "")
                raise refusal(
                    method,
                    shown,
                    namespace,
                    reply.status,
                    reply.headers,
                    reply.body,
                    authenticated="X-Vault-Token" in headers,
                )
            return reply


def call_name(method: str, url: str, query: Mapping[str, str]) -> str:
    """The metric's name of a request."""
    last = url.rsplit("/", 1)[-1]
    if last in TOKEN_CALLS:
        return TOKEN_CALLS[last]
    if method == "POST":
        return "Login"
    return "ListSecrets" if "list" in query else "ReadSecretData"
