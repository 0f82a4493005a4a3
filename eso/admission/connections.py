"""TLS connections of the webhook: how many there are at once, and which ones end when others want in.

Neighbours: server.py answers what comes over them. Nobody who connects is known to be the API server: one that is slow,
silent or greedy may cost others nothing. The connection that was used longest ago makes room for a new one, so that the
API server, whose requests are new, always gets in.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import gc
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiohttp import web

from eso.runtime.clock import Clock

MOST: Final = 512
READ_BYTES: Final = 32 << 10  # what asyncio sets aside for each TLS connection to read into; 256 KiB by default
BACKLOG: Final = 1024
HANDSHAKE_SECONDS: Final = 5.0
CLOSING_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 10.0  # from the connection to the end of its first request's headers
IDLE_SECONDS: Final = 180.0  # longer than the API server's 90 s: the client closes first, so no request is lost
LINGER_SECONDS: Final = 1.0  # for the rest of a body that nobody reads, so that its sender sees the answer
SWEEP_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.1  # after the machine refused another connection

_silent: Final = logging.Logger("eso.admission", logging.CRITICAL + 1)  # else each malformed request logs a stack


@dataclass(slots=True)
class _Use:
    """`end`: closes at once. `asked`: whether a request came over it."""

    end: Callable[[], Any]
    at: float
    asked: bool = False


class Connections(web.Server):
    """`context()` is the TLS context for a connection that is accepted now, None for none."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        context: Callable[[], ssl.SSLContext | None],
        clock: Clock,
        *,
        most: int = MOST,
    ) -> None:
        super().__init__(
            handler,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,
            logger=_silent,
        )
        self._context, self._clock, self._most = context, clock, most
        self._by_use: OrderedDict[object, _Use] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_use)

    def used(self, protocol: object) -> None:
        """A request came over the connection."""
        if (use := self._by_use.get(protocol)) is not None:
            use.at, use.asked = self._clock.monotonic(), True
            self._by_use.move_to_end(protocol)

    async def accept(self, listener: socket.socket) -> NoReturn:
        """Accepts until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError:  # too many open files, or the client left before its turn
                    self._make_room(len(self._by_use))
                    await self._clock.sleep(PAUSE_SECONDS)
                    continue
                self._make_room(self._most)
                group.create_task(self._open(connection))
        raise AssertionError("ends by a cancellation only")

    async def _open(self, connection: socket.socket) -> None:
        task, context = asyncio.current_task(), self._context()
        if context is None or task is None:
            connection.close()
            return
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # some systems refuse it for a connection that the client has reset
            connection.close()
            return
        self._by_use[task] = _Use(task.cancel, self._clock.monotonic())
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self,
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=CLOSING_SECONDS,
            )
        except (OSError, TimeoutError):
            pass  # the client is gone, or spoke no TLS
        finally:
            self._by_use.pop(task, None)

    def _make_room(self, most: int) -> None:
        """Ends the connections that were used longest ago until there are fewer than `most`."""
        while self._by_use and len(self._by_use) >= most:
            _, use = self._by_use.popitem(last=False)
            use.end()

    async def _sweep(self) -> None:
        """Ends connections over which no request ever came."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            late = self._clock.monotonic() - FIRST_SECONDS
            for key in [key for key, use in self._by_use.items() if not use.asked and use.at < late]:
                self._by_use.pop(key).end()

    # what the library calls

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._by_use[handler] = _Use(transport.abort, self._clock.monotonic())

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._by_use.pop(handler, None)
        super().connection_lost(handler, exc)


def slim() -> None:
    """For a process that strangers may connect to: small buffers, and garbage that is collected soon, since each
    connection is a cycle of objects around its buffer."""
    asyncio.sslproto.SSLProtocol.max_size = READ_BYTES
    gc.collect()
    gc.freeze()
    gc.set_threshold(1000, 5, 5)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; `host` "" for all addresses of both families. Raises OSError."""
    if host or not socket.has_dualstack_ipv6():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    else:
        listener = socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    listener.setblocking(False)
    return listener
