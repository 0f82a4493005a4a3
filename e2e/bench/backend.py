"""A server that answers like Vault and means no good: what it does to a request is the mount that is asked.

Neighbours: attacks.py names its mounts in stores. It runs in a thread with a loop of its own, on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from e2e.harness.certs import Authority

FOUR_MB: Final = 4 << 20
SERVERS: Final = 10  # addresses that it can be told apart by
TOKEN: Final = {"data": {"ttl": 3600, "renewable": False, "expire_time": None, "type": "service", "id": "t"}}
Writer = asyncio.StreamWriter


def reply(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
        + body
    )


def value(data: object) -> bytes:
    return json.dumps({"data": {"data": data, "metadata": {"version": 1}}}, separators=(",", ":")).encode()


SMALL_MAPS: Final = value({"x": [{"a": []}] * (FOUR_MB // 9 - 100)})
FEWER_MAPS: Final = value({"x": [{"a": []}] * (FOUR_MB // 90)})
NAMES: Final = json.dumps({"data": {"keys": [f"{'x' * 40}-{n}" for n in range(49_000)]}}).encode()


class HostileBackend:
    """`folder` takes its certificate. Used as a context."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        pair = authority.server("hostile")
        self.ca = authority.cert.read_bytes()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pair.cert, pair.key)
        self._loop = asyncio.new_event_loop()
        self._ports: list[int] = []
        self._tls_port = 0
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()), daemon=True)

    def server(self, name: str) -> str:
        """Its address; a name that ends in a number gets one of several."""
        last = name.rpartition("-")[2]
        return f"http://127.0.0.1:{self._ports[int(last) % SERVERS if last.isdigit() else 0]}"

    @property
    def tls(self) -> str:
        return f"https://127.0.0.1:{self._tls_port}"

    def __enter__(self) -> HostileBackend:
        self._thread.start()
        self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        plain = [await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=1000) for _ in range(SERVERS)]
        secure = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls, backlog=1000)
        self._ports = [one.sockets[0].getsockname()[1] for one in plain]
        self._tls_port = secure.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        for one in (*plain, secure):
            one.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.1)

    async def _talk(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        # cancelled at the end of the bench
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                mode = path.removeprefix("/v1/").partition("/")[0]
                if path.startswith("/v1/auth/") or mode == "sys":
                    writer.write(reply(json.dumps(TOKEN).encode()))
                else:
                    await MODES.get(mode, denied)(method, path, writer)
                await writer.drain()
                if mode == "closing":
                    break
        writer.close()


async def denied(method: str, path: str, writer: Writer) -> None:
    writer.write(reply(b'{"errors":["permission denied"]}', "403 Forbidden"))


async def drip(method: str, path: str, writer: Writer) -> None:
    """All but the last bytes, and then nothing."""
    body = value({"k": "x" * (FOUR_MB - 1000)})
    writer.write(reply(body)[:-10])
    await asyncio.sleep(600)


async def maps(method: str, path: str, writer: Writer) -> None:
    writer.write(reply(SMALL_MAPS))


async def fewmaps(method: str, path: str, writer: Writer) -> None:
    writer.write(reply(FEWER_MAPS))


async def deep(method: str, path: str, writer: Writer) -> None:
    """One more folder, late."""
    await asyncio.sleep(25)
    writer.write(reply(json.dumps({"data": {"keys": ["down/"]}}).encode()))


async def down(method: str, path: str, writer: Writer) -> None:
    """Now and then an answer, so that its gate stays open."""
    if path.endswith("-0"):
        writer.write(reply(value({"k": "v"})))
    else:
        writer.write(reply(b"{}", "412 Precondition Failed"))


async def silent(method: str, path: str, writer: Writer) -> None:
    await asyncio.sleep(600)


async def trickle(method: str, path: str, writer: Writer) -> None:
    """A byte a second."""
    for byte in reply(value({"k": "v"})):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def closing(method: str, path: str, writer: Writer) -> None:
    writer.write(reply(value({"k": "v"}), more="Connection: close\r\n"))


async def names(method: str, path: str, writer: Writer) -> None:
    if "/metadata" in path:
        writer.write(reply(NAMES))
    else:
        writer.write(reply(value({"k": "v"})))


MODES: Final[dict[str, Callable[[str, str, Writer], Awaitable[None]]]] = {
    "drip": drip,
    "maps": maps,
    "fewmaps": fewmaps,
    "deep": deep,
    "down": down,
    "silent": silent,
    "trickle": trickle,
    "closing": closing,
    "names": names,
}
