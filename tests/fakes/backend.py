"""A backend on loopback: what it was asked, faults on a schedule, who is connected.

Neighbours: contract servers of providers derive from `Backend` and write `answer`; tests/contract breaks them in the
same ways for every provider.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(slots=True)
class Fault:
    """`status` with `body` and `headers` instead of an answer, for `times` requests whose path matches `path`.

    `hang` never answers; `drop` closes the connection; `reset` breaks it off in the middle of the body; `drip` sends
    one byte in so many seconds; `echo` answers with all that was sent, as a careless proxy does.
    """

    status: int = 500
    body: str = '{"errors":["internal error"]}'
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""  # regular expression, searched
    times: int = 1
    hang: bool = False
    drop: bool = False
    reset: bool = False
    drip: float = 0.0
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: Any  # compares names without case
    text: str
    raw: bytes = b""  # what was sent, where that is no text
    target: str = ""  # path and query as they were sent

    @property
    def body(self) -> Any:
        """The JSON that was sent, None without one."""
        return json.loads(self.text) if self.text else None


class Backend:
    """`async with Backend() as server`: listens while the block is open. `tls` makes it an https server."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.address = ""
        self.gate: asyncio.Event | None = None  # when set, every answer waits for it
        self.connections: set[asyncio.BaseTransport] = set()
        self._runner: web.ServerRunner | None = None

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """What a request without a fault gets."""
        raise NotImplementedError

    async def start(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio.Server has sockets
        self.address = f"http{'s' if self.tls else ''}://127.0.0.1:{port}"
        return self

    async def stop(self) -> None:
        if self.gate is not None:
            self.gate.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # what a test arranges and looks at

    def fail(self, fault: Fault) -> None:
        """Faults are served first come, first served."""
        self.faults.append(fault)

    def count(self, pattern: str = "", method: str = "") -> int:
        """How many requests had such a path."""
        return sum(bool(re.search(pattern, asked.path)) and method in ("", asked.method) for asked in self.asked)

    def open_connections(self) -> int:
        """Connections that the client has not closed."""
        self.connections = {one for one in self.connections if not one.is_closing()}
        return len(self.connections)

    # the server

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.connections.add(request.transport)
        sent = await request.read()
        text = sent.decode("utf-8", "replace")
        query, target = dict(request.query), request.raw_path
        asked = Asked(request.method, request.path, query, request.headers, text, sent, target)
        self.asked.append(asked)
        if self.gate is not None:
            await self.gate.wait()
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.path, asked.path):
                fault.times -= 1
                return await self._fail(fault, asked, request)
        return await self.answer(asked)

    async def _fail(self, fault: Fault, asked: Asked, request: web.BaseRequest) -> web.StreamResponse:
        if fault.hang:
            await asyncio.Event().wait()
        assert request.transport is not None
        if fault.drop:
            request.transport.close()
            return web.Response()
        body = fault.body.encode()
        if fault.echo:
            sent = f"cannot understand {dict(asked.headers)} {asked.query} {asked.text}"
            body = json.dumps({"errors": [sent], "error": sent, "message": sent}).encode()
        if not (fault.reset or fault.drip):
            return web.Response(status=fault.status, body=body, headers=fault.headers, content_type="application/json")
        response = web.StreamResponse(status=fault.status, headers={**fault.headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        if fault.reset:
            await response.write(body[: len(body) // 2])
            request.transport.abort()
            return response
        for at in range(len(body)):
            await response.write(body[at : at + 1])
            await asyncio.sleep(fault.drip)
        return response


class Proxy:
    """`async with Proxy(server) as proxy`: passes every connection on to `server`, whatever host it was meant for."""

    def __init__(self, server: Backend) -> None:
        self.server = server
        self.targets: list[str] = []  # what was asked for: absolute URLs, or host:port of a CONNECT
        self.address = ""
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.targets.append(target.decode())
        there, back = await asyncio.open_connection("127.0.0.1", int(self.server.address.rpartition(":")[2]))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            back.write(head)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay(reader, back))
                group.create_task(relay(there, writer))
        finally:
            writer.close()
            back.close()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
    except OSError:
        pass  # the other side hung up
