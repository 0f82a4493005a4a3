"""Pools, TLS, proxies, timeouts: the only importer of the HTTP client.

Neighbours: `kube.rest` and the providers send through a `Pool`. One Pool per trust domain (who we trust and who we say
we are), so that no credential travels on a connection opened for another. Nothing is redirected, stored as a cookie or
read from the environment here. The library sends a GET, PUT or DELETE once more when its connection ends before an
answer, since a server may close one that is kept just as it is used; nothing else is retried.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import errno
import functools
import ipaddress
import os
import socket
import ssl
import sys
import time
import weakref
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from eso.errors import EsoError
from eso.net import keys, wire
from eso.net.names import lookups
from eso.net.openssl import bounded
from eso.net.reach import EVERYWHERE, Barred, Reach
from eso.net.wire import Exchange, Line
from eso.runtime.loopshare import Shares, on_loop, share_of
from eso.runtime.memory import CURRENT, Hold, TooMuchMemory, decoded

if TYPE_CHECKING:
    from eso.net.http2 import Channel

# The library reads the system's CAs twice when it is imported, 40 ms each, for contexts that are not used here:
# `_start` gives each connector a context of ours. Without CAs these contexts trust nobody.
ssl.SSLContext.set_default_verify_paths = lambda self: None  # type: ignore[method-assign]
try:
    import aiohttp
    import yarl  # comes with it
finally:
    del ssl.SSLContext.set_default_verify_paths

# Each TLS connection has a buffer of this size for as long as it is open, and it is 256 KiB unless told otherwise. One
# record has 16 KiB at most.
asyncio.sslproto.SSLProtocol.max_size = 32 << 10

SocketT = TypeVar("SocketT", bound=socket.socket)
USER_AGENT: Final = "eso"
MAX_BODY: Final = 16 * 1024 * 1024  # bytes, after decompression
# seconds; below the 60 s after which common load balancers drop an idle connection without telling
KEEP_ALIVE: Final = 50.0
SHARED_SECONDS: Final = 600.0
# bytes that a connection may buffer before anybody looks at them: what one read of a socket takes, and a little
IN_FLIGHT: Final = 256 << 10
ATTEMPTS: Final = 3  # for a request that was not written, since its connection was not fit for it
SMALL: Final = 64 << 10  # bytes up to which a reply is counted when it is complete
LONGEST_STEP: Final = 1 << 20  # bytes by which a reply of unknown length grows at a time
UNASKED: Final = frozenset({"br", "zstd", "deflate", "compress"})
GZIP, MOST_MEMBERS = 31, 64  # how zlib is told of it; members of one body
PEM_BYTES: Final = 60_000
# Forward secrecy without finite-field groups: their parameters are the server's choice and may be as long as it likes.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"
HOST: Final[ContextVar[str | None]] = ContextVar("host", default=None)  # of the request that a socket is made for
MOST_AUTHORITIES: Final = 500  # of one bundle; the system's has 150
PAGE: Final = 25  # of them at a time
BEGIN, CERTIFICATE = "-----BEGIN ", "CERTIFICATE-----"
TOO_MANY: Final = f"more than {MOST_AUTHORITIES} certificates"
TOO_LONG: Final = "longer than a certificate can be"


class TransportError(EsoError):
    """No complete reply. `sent` is False only when the server cannot have seen the request.

    The message names the server and the kind of failure, never a header, a query or a body.
    """

    def __init__(self, message: str, *, sent: bool = True, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.sent = sent

    @property
    def connected(self) -> bool:
        """Whether the server may be well for others: they reach it too, but are answered, or trust it."""
        return self.sent


class Unsendable(TransportError):
    """The request cannot be written as it is (a header with a line break, say): it says nothing about the server."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message, sent=False, fix=fix)


class Unreachable(TransportError):
    """No connection, a refused certificate, or a connection that broke before the reply was complete."""


class Untrusted(Unreachable):
    """The server's certificate was refused, by the authorities that one store names, or the server refused ours."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message, sent=False, fix=fix)

    @property
    def connected(self) -> bool:
        return True


class Forbidden(TransportError):
    """The operator may not connect to this address: the store that names it is at fault, nothing was sent."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message, sent=False, fix=fix)


class TimedOut(TransportError):
    """No complete reply in time."""


class TooLarge(TransportError):
    """The reply is longer than the caller wants to keep in memory."""


class TlsError(EsoError):
    """A certificate or a key that cannot be used."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `total` spans everything up to the last byte; `connect` one attempt to connect; `idle` the silence
    between two reads."""

    total: float | None = 30.0
    connect: float = 10.0
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer, whatever its status. Header names compare without case; bodies never print."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxy a URL goes through, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY (either case) say it. Parsed once."""

    http: str = field(default="", repr=False)  # may carry a password
    https: str = field(default="", repr=False)
    direct: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Proxies:
        def value(name: str) -> str:
            return environ.get(name) or environ.get(name.lower()) or ""

        def url(text: str) -> str:
            return text if not text or "://" in text else f"http://{text}"

        direct = tuple(part.strip().lower() for part in value("NO_PROXY").split(",") if part.strip())
        return cls(url(value("HTTP_PROXY")), url(value("HTTPS_PROXY")), direct)

    @property
    def any(self) -> bool:
        """Whether some URL goes through a proxy."""
        return bool(self.http or self.https)

    def for_url(self, url: str) -> str | None:
        """The proxy for `url`, None for a direct connection. The own machine is always reached directly."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        host = (parts.hostname or "").rstrip(".")
        if not proxy or host == "localhost" or self._direct(host, port_of(parts)):
            return None
        return proxy

    def _direct(self, host: str, port: int) -> bool:
        address = _address(host)
        if address is not None and address.is_loopback:
            return True
        return any(_covers(rule, host, port, address) for rule in self.direct)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _covers(rule: str, host: str, port: int, address: _Address | None) -> bool:
    """One NO_PROXY entry: `*`, an address, a network, `.suffix`, `*.suffix` or a name that also covers what lies below;
    `:port` narrows it."""
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    if _address(rule) is None and ":" in rule:
        rule, _, wanted = rule.rpartition(":")
        if wanted != str(port):
            return False
    if (fixed := _address(rule)) is not None:
        return address == fixed
    if rule.startswith("*."):
        rule = rule[1:]
    return host.endswith(rule) if rule.startswith(".") else host == rule or host.endswith(f".{rule}")


def tls_context(
    *,
    ca_file: str | None = None,
    ca_pem: bytes | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    cert_pem: bytes | None = None,
    key_pem: bytes | None = None,
    verify: bool = True,
    beside_system: bool = False,
    protocols: tuple[str, ...] = (),
) -> ssl.SSLContext:
    """A client context. A given CA replaces the system's, or is trusted `beside_system`; without one SSL_CERT_FILE and
    SSL_CERT_DIR apply as OpenSSL reads them. `protocols`: what is spoken on top, the server takes one of them.

    Building one costs milliseconds (the system's CAs are parsed): keep it. Raises TlsError; its text never shows key
    material.
    """
    try:
        # Comments may be in any language; nothing is left out, because no text at all would mean the system's CAs.
        ca = ca_pem.decode("latin-1").encode("ascii", "replace").decode() if ca_pem else None
        pages = authorities(ca) if ca else []
        first = pages.pop(0) if pages and not beside_system else None
        context = ssl.create_default_context(cafile=ca_file, cadata=first)
        for page in pages:
            context.load_verify_locations(cadata=page)
        bounded(context)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        context.options |= ssl.OP_NO_RENEGOTIATION  # a handshake costs milliseconds on the loop: one per connection
        # Private CAs often lack extensions that 3.13's default would insist on; Go clients accept them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    except (OSError, ValueError) as error:
        raise TlsError(f"cannot use the CA certificates: {reason(error)}", fix="give PEM certificates") from None
    try:
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None, password=_no_prompt)
        elif cert_pem and key_pem:
            load_chain(context, cert_pem, key_pem)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"cannot use the client certificate: {reason(error)}",
            fix="give a PEM certificate and its unencrypted PEM key",
        ) from None
    return context


def authorities(pem: str) -> list[str]:
    """`pem` in pages: reading one holds up everybody, and the time grows faster than their number. Raises
    ValueError."""
    if pem.count(BEGIN) > MOST_AUTHORITIES:
        raise ValueError(TOO_MANY)
    blocks = pem.split(BEGIN)
    blocks[1:] = [BEGIN + block for block in blocks[1:]]
    pages = ["".join(blocks[at : at + PAGE]) for at in range(0, len(blocks), PAGE)]
    return [page for page in pages if CERTIFICATE in page] or [pem]


@functools.cache
def system_trust() -> ssl.SSLContext:
    """The context of connections that name no CA."""
    return tls_context()


def _no_prompt() -> str:
    # OpenSSL would ask for the passphrase on the terminal and block the loop.
    raise ValueError(keys.ENCRYPTED)


def load_chain(context: ssl.SSLContext, cert_pem: bytes, key_pem: bytes) -> None:
    """Shows this certificate from now on. Raises OSError or ValueError, which `reason` words. The ssl module takes file
    names only; files that exist in memory alone keep the key off the disk."""
    if max(len(cert_pem), len(key_pem)) > PEM_BYTES:
        raise ValueError(TOO_LONG)
    key = keys.rewritten(key_pem)
    readers: list[int] = []
    try:
        for pem in (cert_pem, key):
            readers.append(_in_memory(pem))
        context.load_cert_chain(f"/dev/fd/{readers[0]}", f"/dev/fd/{readers[1]}", password=_no_prompt)
    finally:
        for reader in readers:
            os.close(reader)


def _in_memory(content: bytes) -> int:
    """A descriptor to read `content` from, once. At most PEM_BYTES: a pipe takes no more without a reader."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        os.write(descriptor, content)
        return descriptor
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return reader


class Pool:
    """Connections of one trust domain. Belongs to the loop it is first used on; `close()` ends it.

    `connections` bounds how many are open at once, 0 = no bound (then the caller bounds its requests). `in_flight`:
    bytes of memory that a request reserves before it is sent; a reply, and what it may be decoded to, is reserved as
    it arrives, for as long as the caller's Hold lasts. Without `in_flight`, only a GET waits for memory.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
        proxy: str = "",
        server_name: str = "",
        connections: int = 0,
        reach: Reach = EVERYWHERE,
        in_flight: int = 0,
    ) -> None:
        self._tls, self._proxies, self._proxy, self._server_name = tls, proxies or Proxies(), proxy, server_name
        self._connections, self._reach, self._in_flight = connections, reach, in_flight
        self._session: aiohttp.ClientSession | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._active = 0
        self._retired = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeouts: Timeouts = Timeouts(),
        max_body: int = MAX_BODY,
    ) -> Reply:
        """One exchange, read to its end; a redirect is the reply. Raises TransportError, and NoMemory when there is no
        room for the reply."""
        server = origin(url)
        # What the API server was told is done: a pass that gave up now would take it for a failure.
        hold = CURRENT.get()
        space = Space(hold, waits=method == "GET" or self._in_flight > 0)
        exchange = Exchange(hold.owner if hold is not None else "")
        token = wire.CURRENT.set(exchange)
        try:
            await space.need(self._in_flight)
            async with asyncio.timeout(timeouts.total) as limit:
                response = await self._answered(exchange, method, url, headers, params, body, timeouts)
                if response.connection is not None and response.connection.protocol is not None:
                    exchange.begin_body(max_body, response.connection.protocol)
                try:
                    check_framing(response.status, response.headers)
                    content = await Stream(response, server, max_body, space, limit, self._packing(response)).read()
                finally:
                    await self._release(response)
            await space.settle(content)
            return Reply(response.status, response.headers, content)
        except TimeoutError as error:
            space.drop()
            raise _too_late(server, error, timeouts) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            space.drop()
            raise _transport(server, error) from None
        except TooMuchMemory as error:
            space.drop()
            raise TooLarge(f"the reply of {server} needs too much memory: {error}", fix=error.fix) from None
        except BaseException:
            space.drop()
            raise
        finally:
            exchange.end()
            wire.CURRENT.reset(token)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeouts: Timeouts = Timeouts(idle=60.0),
        max_body: int = MAX_BODY,
    ) -> AsyncIterator[Stream]:
        """A reply that is read piece by piece; leaving the block closes its connection unless it was read to the end.

        `timeouts.total` bounds the wait for the headers, `idle` each silence after them. Raises TransportError, here
        and while reading.
        """
        server = origin(url)
        try:
            async with asyncio.timeout(timeouts.total):
                response = await self._open(method, url, headers, params, body, timeouts)
        except TimeoutError as error:
            raise _too_late(server, error, timeouts) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _transport(server, error) from None
        try:
            yield Stream(response, server, max_body)
        finally:
            await self._release(response)

    async def close(self) -> None:
        """Closes every connection; requests in flight fail as Unreachable."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await self._hang_up()

    async def _hang_up(self) -> None:
        """Shuts the sockets down that no request owns: one that was cancelled just as its TLS handshake completed
        leaves such a socket behind."""
        for made in (made for made in self._sockets if made.fileno() >= 0):
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)  # reads as the end; the transport then closes the descriptor
        for _ in range(10):  # closing takes four rounds of the loop; a socket that stays open is not waited for
            if all(made.fileno() < 0 for made in self._sockets):
                return
            await asyncio.sleep(0)

    async def retire(self) -> None:
        """Closes once the last request in flight has ended: a new request
        belongs to the successor of this Pool."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._retired and not self._active:
            await self.close()

    def _packing(self, response: aiohttp.ClientResponse) -> Gzip | None:
        """What a body is packed in, where the library leaves it as it is."""
        packed = self._in_flight and response.headers.get("Content-Encoding", "").lower() == "gzip"
        return Gzip() if packed else None

    async def _release(self, response: aiohttp.ClientResponse) -> None:
        connection = response.connection
        if connection is not None and connection.transport is not None:
            # The body was not read to its end. A TLS close_notify would wait for the peer and may outlive the loop.
            connection.transport.abort()
        response.release()
        self._active -= 1
        await self._close_if_done()

    async def _answered(self, exchange: Exchange, method: str, url: str, *request: Any) -> aiohttp.ClientResponse:
        """The answer to this request: one that was there before it is given up with its connection."""
        for _ in range(ATTEMPTS):
            try:
                response = await self._open(method, url, *request)
            except (aiohttp.ClientError, OSError):
                if not exchange.spoiled:
                    raise
            else:
                if not exchange.spoiled:
                    return response
                await self._release(response)
        raise Unreachable(f"{origin(url)} answers what it was not asked", sent=False)

    async def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        body: bytes | None,
        timeouts: Timeouts,
    ) -> aiohttp.ClientResponse:
        if not url[:8].lower().startswith(("http://", "https://")):
            raise aiohttp.InvalidURL(url)  # the library takes one without a scheme, and fails later
        if self._in_flight:
            await beginning()
        if self._session is None:
            self._session = self._start()
        options: dict[str, Any] = (
            {"server_hostname": self._server_name} if self._server_name and url.startswith("https") else {}
        )
        proxy = self._proxy or self._proxies.for_url(url)
        self._active += 1
        try:
            return await self._session.request(
                method,
                url,
                headers=headers,
                params=params,
                data=body,
                proxy=proxy,
                allow_redirects=False,
                trace_request_ctx=proxy is not None,
                # The total is asyncio.timeout's: it costs less, and does not end what reads the stream later.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect, sock_read=timeouts.idle),
                **options,
            )
        except BaseException:
            self._active -= 1
            await self._close_if_done()
            raise

    def _start(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._tls if self._tls is not None else system_trust(),
            limit=self._connections,
            keepalive_timeout=KEEP_ALIVE,
            ttl_dns_cache=10,
            resolver=aiohttp.ThreadedResolver(cast(asyncio.AbstractEventLoop, lookups())),
            socket_factory=self._dial,
            # before, a TLS connection that the other side does not close stays for ever
            enable_cleanup_closed=sys.version_info < (3, 12, 8),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT} | ({"Accept-Encoding": "gzip"} if self._in_flight else {}),
            auto_decompress=not self._in_flight,  # it takes a packed body that is cut for whole
            skip_auto_headers=("Accept", "Content-Type"),  # a caller says what it takes and sends, or says nothing
            trust_env=False,
            read_bufsize=(32 if self._in_flight else 256) * 1024,
            trace_configs=[self._naming()] if self._reach.lists or self._proxy or self._proxies.any else None,
        )

    def _naming(self) -> aiohttp.TraceConfig:
        """Judges the name of each request as the client library reads it, and leaves it where `_dial` finds it: a
        socket is made in the task of its request, or in one that copies the context."""

        async def started(session: Any, context: Any, request: aiohttp.TraceRequestStartParams) -> None:
            proxied, host = context.trace_request_ctx, request.url.raw_host or ""
            self._reach.check_name(host, proxied=proxied, port=request.url.port or 0)
            HOST.set(None if proxied else host)

        config = aiohttp.TraceConfig()
        config.on_request_start.append(started)
        return config

    def _dial(self, info: tuple[Any, ...]) -> socket.socket:
        self._reach.check(info[4], HOST.get() if self._reach.lists else None)
        made = _socket(info, Line if self._in_flight else socket.socket)
        self._sockets.add(made)
        return made


# One request of tenants begins in each turn of the loop, owners in turn: a TLS handshake takes milliseconds on it, and
# a server that closes every connection has one made for each request.
_beginnings: Final[Shares] = weakref.WeakKeyDictionary()


async def beginning() -> None:
    """The turn of a request, or of a connection, among all that begin."""
    hold = CURRENT.get()
    await share_of(_beginnings).step(hold.owner if hold is not None else "")


class Pools:
    """Opens pools for servers that stores name: through the process's proxies, within `reach`. Pools that trust the
    same CA and show no certificate share a TLS context: each one costs 20 ms and a megabyte, and stores can be many."""

    def __init__(self, proxies: Proxies | None = None, reach: Reach = EVERYWHERE) -> None:
        self.proxies, self.reach = proxies or Proxies(), reach
        self._trusting = functools.lru_cache(maxsize=32)(
            lambda ca, beside_system, protocols, _: tls_context(
                ca_pem=ca, beside_system=beside_system, protocols=protocols
            )
        )

    def open(
        self,
        server: str,
        *,
        ca: bytes | None = None,
        certificate: bytes | None = None,
        key: bytes | None = None,
        beside_system: bool = False,
    ) -> Pool:
        """Connections to `server` that trust `ca` (PEM) instead of the system's authorities, or `beside_system`, and
        show `certificate`. Plain ones where `server` is no https URL. Raises TlsError. The caller closes the pool."""
        if not server.startswith("https"):
            return self.pool(tls=None)
        if certificate is not None:
            return self.pool(tls=tls_context(ca_pem=ca, cert_pem=certificate, key_pem=key, beside_system=beside_system))
        # The system's authorities are read again after a while: an image's bundle may be mounted and renewed.
        return self.pool(tls=self._trusting(ca, beside_system, (), int(time.monotonic() // SHARED_SECONDS)))

    def channel(self, server: str, *, ca: bytes | None = None) -> Channel:
        """One connection to `server` that speaks HTTP/2 and trusts `ca` (PEM) instead of the system's authorities.
        Raises TlsError. The caller closes it."""
        from eso.net.http2 import Channel  # imported late: few stores speak it

        tls = None
        if server.startswith("https"):
            tls = self._trusting(ca, False, ("h2",), int(time.monotonic() // SHARED_SECONDS))
        return Channel(server, self.connected, tls, self.proxies.for_url(server))

    async def dial(self, url: str, seconds: float = 15.0) -> None:
        """Connects to the server of `url`, or to the proxy that leads there, and hangs up. Raises TransportError."""
        (await self.connected(url, seconds)).close()

    async def connected(self, url: str, seconds: float = 15.0) -> socket.socket:
        """A connection to the server of `url`, or to the proxy that leads there. Raises TransportError. The caller
        closes it."""
        server = origin(url)
        try:
            through = self.proxies.for_url(url)
            _, host, port = place(url)
            self.reach.check_name(host, proxied=through is not None, port=port)
            if through is not None:
                _, host, port = place(through)
            async with asyncio.timeout(seconds):
                return await self._dial(host, port, through)
        except TimeoutError:
            raise TimedOut(f"cannot connect to {server} within {seconds:g} s", sent=False) from None
        except Barred as error:
            raise _forbidden(server, error) from None
        except ValueError:  # a host that is none cannot be split or encoded
            raise Unreachable(f"cannot use the address {server}", sent=False) from None
        except OSError as error:
            raise Unreachable(f"cannot reach {server}: {reason(error)}", sent=False) from None

    async def _dial(self, host: str, port: int, through: str | None) -> socket.socket:
        loop = asyncio.get_running_loop()
        failed: OSError = OSError(errno.EHOSTUNREACH, "")
        for info in await lookups().getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                if through is None:
                    self.reach.check(info[4], host)
                made = _socket(info, Line)
                made.owner = hold.owner if (hold := CURRENT.get()) is not None else ""
                made.count_elsewhere()
            except OSError as error:
                failed = error
                continue
            try:
                made.setblocking(False)
                await loop.sock_connect(made, info[4])
                return made
            except OSError as error:
                made.close()
                failed = error
            except BaseException:
                made.close()
                raise
        raise failed

    def pool(self, *, tls: ssl.SSLContext | None) -> Pool:
        """Connections that leave the cluster as all of this process do."""
        return Pool(tls=tls, proxies=self.proxies, reach=self.reach, in_flight=IN_FLIGHT)


class Space:
    """The memory of one reply. `hold` None: nobody counts. `waits` False: what has arrived is counted, and waits for
    no room."""

    __slots__ = ("_hold", "_reserved", "_waits")

    def __init__(self, hold: Hold | None, *, waits: bool) -> None:
        self._hold, self._reserved, self._waits = hold, 0, waits

    async def need(self, size: int) -> None:
        if self._hold is not None and size > self._reserved:
            if self._waits:
                await self._hold.reserve(size - self._reserved)
            else:
                self._hold.take(size - self._reserved)
            self._reserved = size

    async def grow(self, size: int, most: int, limit: asyncio.Timeout | None) -> None:
        """`size` bytes have arrived. The wait for more room is not the server's fault: `limit` stands still."""
        if self._hold is None or size <= max(self._reserved, SMALL):
            return
        step = min(max(size, self._reserved + min(self._reserved, LONGEST_STEP)), max(size, most))
        until, now = limit.when() if limit is not None else None, asyncio.get_running_loop().time
        began = now()
        if limit is not None and until is not None:
            limit.reschedule(None)
        try:
            await self.need(step)
        finally:
            if limit is not None and until is not None and not limit.expired():
                limit.reschedule(until + now() - began)

    async def settle(self, content: bytes, price: Callable[[bytes], int] = decoded) -> None:
        """The reply is complete: what is reserved now is its size, and what it may take decoded."""
        if self._hold is not None:
            marks = (
                price(content)
                if len(content) <= SMALL
                else await on_loop(self._hold.owner, functools.partial(price, content))
            )
            size = len(content) + marks
            await self.need(size)
            self._hold.give_back(self._reserved - size)
            self._reserved = size

    def drop(self) -> None:
        if self._hold is not None:
            self._hold.give_back(self._reserved)
            self._reserved = 0


class Foreign(aiohttp.ClientError):
    """The reply is none of HTTP as it is expected."""


def check_framing(status: int, headers: Mapping[str, str]) -> None:
    """Raises Foreign where the body is in a framing, a packing or a protocol that nobody asked for: it would be taken
    for the body, or its cut for its end."""
    framing, packing = (headers.get(name, "").strip().lower() for name in ("Transfer-Encoding", "Content-Encoding"))
    if framing not in ("", "chunked") or packing in UNASKED or status == HTTPStatus.SWITCHING_PROTOCOLS:
        raise Foreign


class Gzip:
    """Unpacks a body piece by piece, however large it becomes."""

    def __init__(self) -> None:
        self._member, self._began, self._members = zlib.decompressobj(GZIP), False, 1

    @property
    def whole(self) -> bool:
        return self._member.eof or not self._began

    def pieces(self, part: bytes) -> Iterator[bytes]:
        """Raises zlib.error, and ValueError for more members than anybody makes."""
        while part:
            if self._member.eof:
                self._member, self._members = zlib.decompressobj(GZIP), self._members + 1
                if self._members > MOST_MEMBERS:
                    raise ValueError
            self._began = True
            piece = self._member.decompress(part, SMALL)
            if piece:
                yield piece
            part = self._member.unused_data if self._member.eof else self._member.unconsumed_tail


class Stream:
    """One open reply. `space`: where it is counted, with the time limit that stands still meanwhile; `packing`: of its
    body."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        server: str,
        max_body: int,
        space: Space | None = None,
        limit: asyncio.Timeout | None = None,
        packing: Gzip | None = None,
    ) -> None:
        self._response, self._server, self._max_body = response, server, max_body
        self._space, self._limit, self._packing = space, limit, packing

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Pieces as they arrive, of any length; ends when the server ends the reply. Raises TransportError."""
        try:
            async for part in self._response.content.iter_any():
                yield part
        except TimeoutError:
            raise TimedOut(f"{self._server} went silent") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _transport(self._server, error) from None

    async def _plain(self) -> AsyncIterator[bytes]:
        """Pieces as they are without their packing."""
        packing = self._packing
        async for part in self.chunks():
            if packing is None:
                yield part
                continue
            try:
                for piece in packing.pieces(part):
                    yield piece
                    await asyncio.sleep(0)  # little that arrives may be much
            except (zlib.error, ValueError):
                raise Unreachable(f"the reply of {self._server} cannot be unpacked") from None
        if packing is not None and not packing.whole:
            raise Unreachable(f"the reply of {self._server} broke off")

    async def read(self) -> bytes:
        """The whole rest, for error replies. Raises TransportError."""
        parts: list[bytes] = []
        length = 0
        async for part in self._plain():
            length += len(part)
            if length > self._max_body:
                raise TooLarge(f"the reply of {self._server} is longer than {self._max_body} bytes")
            if self._space is not None:
                await self._space.grow(length, self._max_body, self._limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _socket(info: tuple[Any, ...], kind: Callable[[int, int, int], SocketT]) -> SocketT:
    """Keep-alive probes find a peer that vanished without a word within a minute, on idle pooled connections and silent
    watches alike."""
    made = kind(info[0], info[1], info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    return made


def target(url: str) -> str:
    """Path and query of a request to `url` exactly as they are sent, which is what a signature covers: the library
    writes some escapes in another way."""
    return yarl.URL(url).raw_path_qs


def place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port that a request to `url` goes to, as the library reads them: what else reads the text may
    find another host in it. Raises ValueError for an address without a host."""
    parts = yarl.URL(url)
    if not parts.raw_host or parts.port is None:
        raise ValueError("no host")
    return parts.scheme, parts.raw_host, parts.port


def port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def origin(url: str) -> str:
    """Scheme, host and port: what may be shown of a URL. User info, path and query may hold secrets."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unusable address"
    return f"{parts.scheme}://{host}{port}"


def _too_late(server: str, error: TimeoutError, timeouts: Timeouts) -> TimedOut:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimedOut(f"cannot connect to {server} within {timeouts.connect:g} s", sent=False)
    seconds = timeouts.idle if isinstance(error, aiohttp.SocketTimeoutError) else timeouts.total
    return TimedOut(f"no reply from {server} within {seconds or 0:g} s")


def _transport(server: str, error: Exception) -> TransportError:
    """Replaces the client's error instead of chaining it: a parser's message quotes the bytes it failed on."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
            return Untrusted(
                f"cannot trust {server}: {reason(inner)}",
                fix="check the CA certificates and the name in the address",
            )
        case aiohttp.ClientProxyConnectionError():
            return Unreachable(f"cannot reach the proxy for {server}: {reason(error.os_error)}", sent=False)
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"cannot reach {server}: no such host", sent=False)
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, Barred):
            return _forbidden(server, error.os_error)
        case aiohttp.ClientConnectorError():
            return Unreachable(f"cannot reach {server}: {reason(error.os_error)}", sent=False)
        case aiohttp.ClientHttpProxyError():
            return Unreachable(f"the proxy refused the connection to {server} with status {error.status}", sent=False)
        case aiohttp.InvalidURL():
            return Unreachable(f"cannot use the address {server}", sent=False)
        case aiohttp.ServerDisconnectedError():
            return Unreachable(f"{server} closed the connection without a reply")
        case aiohttp.ClientPayloadError():
            return Unreachable(f"the reply of {server} broke off")
        case aiohttp.ClientResponseError() | Foreign():
            return Unreachable(f"{server} does not speak HTTP as expected")
        case Barred():
            return _forbidden(server, error)
        case OSError():
            return Unreachable(f"the connection to {server} broke: {reason(error)}")
        case ValueError():
            return Unsendable(
                f"the request to {server} cannot be sent as it is",
                fix="look for a line break in a credential or a header of the store",
            )
    return Unreachable(f"the connection to {server} broke ({type(error).__name__})")


def _forbidden(server: str, error: Barred) -> Forbidden:
    return Forbidden(f"{server} is {error}: the operator does not connect to it", fix=error.fix)


def reason(error: object) -> str:
    """The operating system's or OpenSSL's own words, which hold neither header nor body."""
    match error:
        case ssl.SSLCertVerificationError() if error.verify_message:
            return error.verify_message
        case ssl.SSLError() if error.reason:
            return error.reason.lower().replace("_", " ")
        case socket.gaierror():
            return "no such host"
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()  # asyncio's own text lists addresses instead
        case ValueError() if str(error) in (TOO_LONG, TOO_MANY) or str(error) in keys.TOLD:
            return str(error)
    return type(error).__name__
