"""A reverse proxy on loopback between the operator and the API server: passes everything on, watches too, until a test
tells it to misbehave.

Neighbours: certs.py makes its certificate, cluster.py its kubeconfig. What happens to a request is one value, a Fate,
chosen by `rule`; `replied` is told when the API server has answered and the operator does not know yet. Both run on the
proxy's thread: they must be quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from e2e.harness.certs import Authority
from e2e.harness.cluster import Cluster, Credentials
from e2e.harness.process import free_port

# headers that belong to one connection, not to the message
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "host",
}
TLS_GOODBYE_SECONDS = 0.25  # a closed TLS connection still waits for its peer; the loop must not end before


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. `number` counts from 1 over all requests, `write` over those that are not GET (0 for
    GET)."""

    number: int
    write: int
    method: str
    path: str
    query: str
    authorization: str

    @property
    def watch(self) -> bool:
        return self.method == "GET" and "watch=true" in self.query

    @property
    def what(self) -> str:
        """`PATCH externalsecrets/app/status`; Events without their names, which are new each time."""
        parts = self.path.split("/")
        named = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[-2:]
        return f"{self.method} {'/'.join(named[:1] if named[:1] == ['events'] else named)}"


@dataclass(frozen=True, slots=True)
class Forward:
    """Passed on, `after` so many seconds."""

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Answered here with a Status object; the API server never sees the request."""

    status: int
    reason: str = "InternalError"
    message: str = "injected"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The connection breaks; the API server never sees the request."""


@dataclass(frozen=True, slots=True)
class Lose:
    """The API server does it, and the connection breaks before a byte of the reply."""


@dataclass(frozen=True, slots=True)
class Halve:
    """The API server does it, and the connection breaks in the middle of the reply's body."""


@dataclass(frozen=True, slots=True)
class Expire:
    """A watch that starts well and at once says 410 Gone in its stream, as the API server does for a version it has
    compacted away."""


Fate = Forward | Answer | Refuse | Lose | Halve | Expire
Rule = Callable[[Seen], Fate | None]


def pass_on(_: Seen) -> Fate | None:
    return None


class Proxy:
    """Use as a context manager. `requests` is everything seen so far, oldest first; `clear()` forgets it and counts
    from 1 again."""

    def __init__(self, cluster: Cluster, name: str = "proxy") -> None:
        self.cluster, self._upstream = cluster, cluster.credentials
        self.folder = cluster.folder / name
        authority = Authority(self.folder / "pki")
        pair = authority.server("proxy")
        self.ca = authority.cert
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pair.cert, pair.key)
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.rule: Rule = pass_on
        self.replied: Callable[[Seen, int], None] = lambda seen, status: None
        self.requests: list[Seen] = []
        self._writes = 0
        self._watching: dict[int, web.Request] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._up: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=name, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._up.result(15)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)

    # -- for tests ----------------------------------------------------------------------------------------------------

    def kubeconfig(self, namespace: str, account: str) -> Path:
        """A kubeconfig with a day's token of that ServiceAccount and this proxy as its server."""
        credentials = Credentials(self.server, self.ca.read_bytes(), token=self.cluster.token(namespace, account))
        return credentials.kubeconfig(self.folder / f"{namespace}-{account}.kubeconfig", account, namespace)

    def clear(self) -> None:
        self.requests, self._writes = [], 0

    def calm(self) -> None:
        """From now on everything passes."""
        self.rule, self.replied = pass_on, lambda seen, status: None

    def cut_watches(self) -> int:
        """Breaks every open watch; returns how many there were."""

        async def cut() -> int:
            open_ones = list(self._watching.values())
            for request in open_ones:
                _reset(request)
            return len(open_ones)

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(cut(), self._loop).result(5)

    # -- serving ------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            trust = ssl.create_default_context(cadata=self._upstream.ca.decode())
            connector = aiohttp.TCPConnector(ssl=trust, limit=0)
            # auto_decompress off: bodies travel as they are
            async with aiohttp.ClientSession(
                connector=connector, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                app = web.Application(client_max_size=64 << 20)
                app.router.add_route("*", "/{path:.*}", functools.partial(self._handle, session))
                # a watch whose reader is gone must end here too, or the API server keeps it
                runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
                self._up.set_result(None)
                await self._stop.wait()
                await runner.cleanup()
            await asyncio.sleep(TLS_GOODBYE_SECONDS)
        except BaseException as error:
            if self._up.done():
                raise
            self._up.set_exception(error)

    def _note(self, request: web.Request) -> Seen:
        self._writes += request.method != "GET"
        seen = Seen(
            len(self.requests) + 1,
            self._writes if request.method != "GET" else 0,
            request.method,
            request.path,
            request.query_string,
            request.headers.get("Authorization", ""),
        )
        self.requests.append(seen)
        return seen

    async def _handle(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = self._note(request)
        fate = self.rule(seen) or Forward()
        match fate:
            case Answer():
                return _status(fate)
            case Refuse():
                return _reset(request)
            case Expire():
                gone = {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "status": "Failure",
                    "code": 410,
                    "reason": "Expired",
                    "message": "too old resource version",
                }
                return web.Response(
                    body=orjson.dumps({"type": "ERROR", "object": gone}) + b"\n", content_type="application/json"
                )
            case Forward(after=seconds) if seconds:
                await asyncio.sleep(seconds)
        try:
            return await self._forward(session, request, body, seen, fate)
        except (aiohttp.ClientError, OSError):
            return _reset(request)  # the API server is away, or one of the two connections broke: so does this one

    async def _forward(
        self, session: aiohttp.ClientSession, request: web.Request, body: bytes, seen: Seen, fate: Fate
    ) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = URL(self._upstream.server + request.raw_path, encoded=True)  # as it came: selectors are encoded already
        timeout = aiohttp.ClientTimeout(total=None)
        async with session.request(
            request.method, url, data=body or None, headers=headers, timeout=timeout, allow_redirects=False
        ) as upstream:
            kept = {name: value for name, value in upstream.headers.items() if name.lower() not in HOP_BY_HOP}
            if seen.watch and upstream.status == 200:
                return await self._stream(request, upstream, kept, seen)
            payload = await upstream.read()
            self.replied(seen, upstream.status)
            match fate:
                case Lose():
                    return _reset(request)
                case Halve():
                    response = web.StreamResponse(
                        status=upstream.status, headers=kept | {"Content-Length": str(len(payload))}
                    )
                    await response.prepare(request)
                    await response.write(payload[: len(payload) // 2])
                    return _reset(request, response)
            return web.Response(status=upstream.status, body=payload, headers=kept)

    async def _stream(
        self, request: web.Request, upstream: aiohttp.ClientResponse, headers: dict[str, str], seen: Seen
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            status=200, headers={name: value for name, value in headers.items() if name.lower() != "content-length"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._watching[seen.number] = request
        try:
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        finally:
            self._watching.pop(seen.number, None)
        return response


def _reset(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Breaks the connection without another byte."""
    with contextlib.suppress(AttributeError):  # it may have broken already
        request.transport.abort()  # type: ignore[union-attr]  # None is what is suppressed
    return response or web.Response()


def _status(answer: Answer) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": answer.status,
        "reason": answer.reason,
        "message": answer.message,
    }
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return web.Response(status=answer.status, body=orjson.dumps(body), content_type="application/json", headers=headers)
