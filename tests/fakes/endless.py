"""A server that talks without end, in all the ways in which a reply can go on without becoming longer."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from typing import Final, Self

OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"


# what comes first, and what comes after it for as long as somebody reads
ENDLESS: Final[dict[str, tuple[bytes, bytes]]] = {
    "one header": (OK + b"X: ", b"a" * 65536),
    "headers": (OK, b"X-A: b\r\n" * 8000),
    "a cookie": (OK + b"Set-Cookie: a=", b"x" * 65536),
    "a reason": (b"HTTP/1.1 200 ", b"a" * 65536),
    "a status": (b"HTTP/1.1 2", b"0" * 65536),
    "interim replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "early hints": (b"", (b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </a>\r\n" * 60 + b"\r\n") * 80),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n" * 10000),
    "the extension of a chunk": (CHUNKED + b"1;", b"a=b;" * 16000),
    "an extension of each chunk": (CHUNKED, (b"1;" + b"a" * 4000 + b"\r\nx\r\n") * 16),
    "the size of a chunk": (CHUNKED, b"0" * 65536),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n" * 8000),
    "one trailer": (CHUNKED + b"0\r\nX: ", b"a" * 65536),
    "a body until the end": (OK + b"\r\n", b"a" * 65536),
    "a body of no length": (OK + b"Content-Length: 99999999999\r\n\r\n", b"{" * 65536),
}


def packed(body: bytes) -> bytes:
    """A reply that says it is packed with gzip."""
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


BOMB: Final = gzip.compress(bytes(64 << 20))

# replies that are read in two ways, or in none
PACKED: Final = gzip.compress(b"hello" * 100)
BENT: Final[dict[str, bytes]] = {
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
    "one length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks in something else": OK + b"Transfer-Encoding: chunked, foo\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "an unknown framing": OK + b"Transfer-Encoding: foo\r\nConnection: close\r\n\r\nhello",
    "packed, and cut": packed(PACKED[:20]),
    "packed in part": packed(PACKED + b"hello"),
    "packed with a wrong sum": packed(PACKED[:-8] + bytes(8)),
    "packed in a thousand pieces": packed(1000 * PACKED),
    "not packed as it says": packed(b"hello"),
    "a length below zero": OK + b"Content-Length: -5\r\n\r\nhello",
    "a length of no number": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "deflate": OK + b"Content-Encoding: deflate\r\nContent-Length: 8\r\n\r\n" + zlib.compress(b"hello")[:8],
    "brotli": OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
    "zstd": OK + b"Content-Encoding: zstd\r\nContent-Length: 5\r\n\r\nhello",
    "a bomb": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "a zero in a header": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a hundred thousand headers": OK + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
}


class Endless:
    """`async with Endless((first, then)) as server`: answers each request with `first`, then `then` for ever."""

    def __init__(self, talk: tuple[bytes, bytes], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._first, self._then = talk
        self._tls, self._port = tls, port
        self.sent, self.connections, self.address = 0, 0, ""
        self._talking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self._port, ssl=self._tls)
        self.address = f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    async def hung_up(self) -> None:
        """Nobody listens any more."""
        while self._talking:
            await asyncio.wait(self._talking)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self._say(writer, self._first)
                while self._then:
                    await self._say(writer, self._then)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side hung up
        finally:
            self._talking.discard(task)
            writer.transport.abort()

    async def _say(self, writer: asyncio.StreamWriter, what: bytes) -> None:
        writer.write(what)
        await writer.drain()
        self.sent += len(what)
