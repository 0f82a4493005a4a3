"""Runs stock hvac, which blocks, on the event loop: each of its requests switches to the loop and comes back with the
reply.

Neighbours: login.py and client.py drive hvac through here; `net.http` sends. The greenlet is as short-lived as the
call.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

import greenlet
import orjson
import requests

from eso.net.http import Pool, Reply, Timeouts, origin
from eso.providers.contract import Malformed, Unavailable, turn
from eso.providers.kit import http
from eso.providers.vault.refusal import refusal

T = TypeVar("T")
TIMEOUTS: Final = Timeouts(total=60.0)
MAX_REPLY: Final = 4 << 20  # bytes; the server keeps entries of 1 MiB, a Secret no more than that
INDEX, INCONSISTENT = "X-Vault-Index", "X-Vault-Inconsistent"
TOKEN_CALLS: Final = {"lookup-self": "LookupSelf", "renew-self": "RenewSelf", "revoke-self": "RevokeSelf"}
LEADER: Final = "/v1/sys/leader"
WRITE_CALLS: Final = {"POST": "Login", "PUT": "WriteSecretData", "DELETE": "DeleteSecret"}
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


class Answer(requests.Response):
    """A reply as hvac reads it. It carries no headers: by the content type hvac would look for error texts in the body,
    and trip over what is none."""

    def __init__(self, reply: Reply, url: str) -> None:
        super().__init__()
        self.status_code, self.url, self._content = reply.status, url, reply.body

    def json(self, **ignored: Any) -> Any:
        """Raises ValueError, for JSON that is nested too deeply as well."""
        return orjson.loads(self.content)


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
        data: bytes | None = None,
        **ignored: Any,
    ) -> requests.Response:
        """One exchange. A 404 is returned, every other failure raised as a typed error: no error body reaches hvac's
        exceptions."""
        sent = {**(headers or {}), **self.headers}
        if self.sticky and self._indexes:
            sent[INDEX] = ",".join(self._indexes)
        if self.forward:
            sent[INCONSISTENT] = "forward-active-node"
        body = data if json is None else orjson.dumps(json)
        if body is not None:
            sent["Content-Type"] = "application/json"
        query = {name: str(value) for name, value in (params or {}).items()}
        reply = switch(self._exchange(method.upper(), url, sent, query, body))
        if self.sticky and (index := reply.headers.get(INDEX)) and index not in self._indexes:
            self._indexes = [*self._indexes, index][-INDEXES:]
        return Answer(reply, url)

    def close(self) -> None:
        """The Connection that opened the pool closes it."""

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """Follows one redirect: of the server to itself, or of a standby to the node that the cluster calls active."""
        async with turn(self.label, call_name(method, url, query)):
            reply = await self._once(method, url, headers, query, body)
            if reply.status in http.MOVED:
                target = http.urljoined(url, reply.headers.get("Location", ""))
                if not http.same_origin(url, target):
                    target = await self._on_active(url, target)
                reply = await self._once(method, target, headers, {} if urlsplit(target).query else query, body)
                if 300 <= reply.status < 400:
                    raise Unavailable(f"{origin(url)} redirects too often", answered=True)
            if reply.status >= 400 and reply.status != 404:
                plain = http.without_user(url)
                shown = f"{plain}?{'&'.join(f'{name}={value}' for name, value in query.items())}" if query else plain
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

    async def _on_active(self, url: str, target: str) -> str:
        """`url` on the node that the cluster behind it calls active, if `target` is the same path there. The question
        carries neither token nor body; a redirect from https to http leads nowhere. Raises Unavailable."""
        asked, there = urlsplit(url), urlsplit(target)
        if there.path == asked.path and not (asked.scheme == "https" and there.scheme != "https"):
            answer = await self._once("GET", urljoin(url, LEADER), {}, {}, None)
            with suppress(Malformed):
                named = http.object_of(answer.body).get("leader_address") if answer.status == 200 else ""
                if http.same_origin(str(named or ""), target):
                    return urlunsplit((there.scheme, there.netloc, asked.path, asked.query, ""))
        raise Unavailable(
            f"{origin(url)} redirects to a server that is not the active node of its cluster: not followed",
            answered=True,
            fix="write the address of the active node, or let standby nodes forward requests",
        )

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes | None
    ) -> Reply:
        return await http.exchanged(self.pool, method, url, headers, query, body, TIMEOUTS, MAX_REPLY)


def call_name(method: str, url: str, query: Mapping[str, str]) -> str:
    """The metric's name of a request."""
    last = url.rsplit("/", 1)[-1]
    if last in TOKEN_CALLS:
        return TOKEN_CALLS[last]
    if method in WRITE_CALLS:
        return WRITE_CALLS[method]
    return "ListSecrets" if "list" in query else "ReadSecretData"
