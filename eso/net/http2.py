"""One HTTP/2 connection to one server, shared by all exchanges that go there: what gRPC travels on.

Neighbours: `Pools.channel` in http.py makes a Channel with its sockets, trust and proxies; the gRPC kit of providers
sends through it. The library is a state machine without I/O; this module moves its bytes. An exchange that the server
left without a sign as it ended a connection is sent again on a new one, so none may change anything; nothing else is
repeated, redirected or decompressed.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from eso.net.http import (
    IN_FLIGHT,
    KEEP_ALIVE,
    Space,
    TimedOut,
    Timeouts,
    TooLarge,
    TransportError,
    Unreachable,
    Unsendable,
    Untrusted,
    beginning,
    origin,
    reason,
)
from eso.runtime.memory import CURRENT, TooMuchMemory, decoded

MOST_AT_ONCE: Final = 100  # exchanges on one connection; what servers allow as a rule
MOST_HEADERS: Final = 64 << 10  # bytes of a reply's headers
MOST_TOLD: Final = 8 << 10  # bytes of a proxy's answer
LONGEST_FRAME: Final = 1 << 14  # bytes; what the protocol allows unless more is agreed on
DATA, HEADERS, SETTINGS, CONTINUATION = 0, 1, 4, 9  # kinds of frames; a server begins with its settings
LITTLE: Final = 1 << 10  # bytes of data that are worth a frame
HEADER_BYTES: Final = 64  # of headers, which cost as much work as a frame
MOST_WORK: Final = 5_000  # frames without much in them between two answers: an eighth of a second of the loop's time
MOST_UNSENT: Final = 1 << 20  # bytes that a server may leave unread before it is given up
ATTEMPTS: Final = 3  # for an exchange that no server looked at: connections end in the middle of a burst
MOST_ATTEMPTS: Final = 10  # for one that found each connection at its end, or was refused
LAST_STREAM: Final = 1 << 30  # a connection's numbers of exchanges end soon after this one
WINDOW: Final = (1 << 16) - 1  # bytes of one reply that may be on their way unread; the protocol's own value
SILENCE: Final = 5.0  # seconds without a byte after which a connection is not trusted any more
Dial = Callable[[str, float], Awaitable[socket.socket]]


class Unprocessed(TransportError):
    """The server has most likely not looked at the request: it is sent again on a new connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. Names of headers are in lower case; the values of equal ones are joined. Bodies never
    print."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    trailers: Mapping[str, str] = field(repr=False)


class Channel:
    """Exchanges with one server. It connects when it is first used, again when the connection has ended, and hangs up
    after KEEP_ALIVE seconds without an exchange. Belongs to the loop it is first used on."""

    def __init__(self, server: str, dial: Dial, tls: ssl.SSLContext | None, proxy: str | None = None) -> None:
        """`dial(url, seconds)`: a socket to the server, or to the `proxy` that leads there."""
        self.url, self.server = server, origin(server)
        self._dial, self._tls, self._proxy = dial, tls, proxy
        parts = urlsplit(server)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._connection: _Connection | None = None
        self._earlier: list[_Connection] = []  # which no exchange begins on; some may still be answered there
        self._connecting = asyncio.Lock()
        self._attempts = self._closes = 0
        self._failed: TransportError | None = None  # of the last attempt

    @property
    def authority(self) -> str:
        """With its port, be it the usual one: so do the libraries that servers of gRPC are tried with."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def post(
        self,
        path: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        timeouts: Timeouts,
        max_body: int,
        price: Callable[[bytes], int] = decoded,
    ) -> Answer:
        """One exchange, read to its end. `price`: bytes that the body may take decoded. Raises TransportError, and
        NoMemory when there is no room for the reply."""
        head = [
            (":method", "POST"),
            (":scheme", self._scheme),
            (":authority", self.authority),
            (":path", path),
            *headers,
        ]
        if not all(value.isascii() and value.isprintable() for _, value in head):
            raise Unsendable(
                f"the request to {self.server} cannot be sent as it is",
                fix="look for a line break in a credential or a header of the store",
            )
        space, closes = Space(CURRENT.get(), waits=True), self._closes
        try:
            await space.need(IN_FLIGHT)
            async with asyncio.timeout(timeouts.total) as limit:
                bound = _Bound(space, limit, max_body, self.server)
                answer = await self._exchanged(head, body, bound, timeouts.connect, closes)
            await space.settle(answer.body, price)
            return answer
        except TimeoutError:
            space.drop()
            raise TimedOut(f"no reply from {self.server} within {timeouts.total or 0:g} s") from None
        except TooMuchMemory as error:
            space.drop()
            raise TooLarge(f"the reply of {self.server} needs too much memory: {error}", fix=error.fix) from None
        except BaseException:
            space.drop()
            raise

    async def close(self) -> None:
        """Closes the connection; exchanges in flight fail as Unreachable."""
        self._closes += 1
        ending = [*self._earlier, *([self._connection] if self._connection is not None else ())]
        self._earlier, self._connection = [], None
        for connection in ending:
            connection.abort()
        for connection in ending:
            await connection.hang_up()

    async def _exchanged(
        self, head: Sequence[tuple[str, str]], body: bytes, bound: _Bound, seconds: float, closes: int
    ) -> Answer:
        await beginning()
        sent = unsent = 0
        while True:
            connection = await self._connected(seconds, closes)
            try:
                return await connection.exchange(head, body, bound)
            except Unprocessed as error:
                sent, unsent = sent + error.sent, unsent + (not error.sent)
                if sent == ATTEMPTS or unsent == MOST_ATTEMPTS:
                    raise Unreachable(str(error), sent=sent > 0) from None

    async def _connected(self, seconds: float, closes: int) -> _Connection:
        """The connection. Of those that wait for one to be made, one makes it; they share its failure. None is made for
        an exchange that began before the channel was closed."""
        self._check_open(closes)
        if self._connection is not None and self._connection.usable:
            return self._connection
        seen = self._attempts
        async with self._connecting:
            self._check_open(closes)
            if self._connection is not None and self._connection.usable:
                return self._connection
            if self._attempts != seen and self._failed is not None:
                raise copy.copy(self._failed)
            self._attempts, self._failed = self._attempts + 1, None
            try:
                made = await self._connect(seconds)
            except TransportError as error:
                self._failed = copy.copy(error)
                raise
            if self._closes != closes:
                await made.hang_up()
            self._check_open(closes)
            if self._connection is not None:
                self._earlier = [one for one in (*self._earlier, self._connection) if one.lives]
            self._connection = made
            return made

    def _check_open(self, closes: int) -> None:
        if self._closes != closes:
            raise Unreachable(f"the connection to {self.server} was closed", sent=False)

    async def _connect(self, seconds: float) -> _Connection:
        try:
            async with asyncio.timeout(seconds):
                made = await self._dial(self.url, seconds)
                return await self._spoken(made)
        except TimeoutError:
            raise TimedOut(f"cannot connect to {self.server} within {seconds:g} s", sent=False) from None
        except ssl.SSLError as error:
            raise Untrusted(
                f"cannot trust {self.server}: {reason(error)}",
                fix="check the CA certificates and the name in the address",
            ) from None
        except OSError as error:
            raise Unreachable(f"cannot reach {self.server}: {reason(error)}", sent=False) from None
        except ValueError:  # a name that no certificate can have
            raise Unreachable(f"cannot use the address {self.server}", sent=False) from None

    async def _spoken(self, made: socket.socket) -> _Connection:
        """The connection on `made`, once the server has said that it speaks HTTP/2. Closes `made` otherwise."""
        loop = asyncio.get_running_loop()
        connection = _Connection(self.server, made)
        try:
            if self._proxy is not None:
                await self._led(loop, made, self._proxy)
            connection.handed = True
            await loop.create_connection(
                lambda: connection,
                sock=made,
                ssl=self._tls,
                server_hostname=self._host.rstrip(".") if self._tls is not None else None,
            )
            await connection.begun()
            return connection
        except BaseException:
            connection.abort()
            raise

    async def _led(self, loop: asyncio.AbstractEventLoop, made: socket.socket, proxy: str) -> None:
        """The proxy connects to the server. Raises Unreachable."""
        parts = urlsplit(proxy)
        if parts.scheme != "http":
            raise Unreachable(f"cannot reach {self.server}: its proxy is no plain http proxy", sent=False)
        lines = [f"CONNECT {self.authority} HTTP/1.1", f"Host: {self.authority}"]
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        await loop.sock_sendall(made, "\r\n".join([*lines, "", ""]).encode())
        told = bytearray()
        while not told.endswith(b"\r\n\r\n"):
            part = await loop.sock_recv(made, 1)  # what follows is the server's
            told += part
            if not part or len(told) > MOST_TOLD:
                raise Unreachable(f"the proxy refused the connection to {self.server}", sent=False)
        words = bytes(told).split(None, 2)
        status = words[1] if told.startswith(b"HTTP/1.") and len(words) > 1 else b""
        if status != b"200":
            shown = status.decode() if len(status) == 3 and status.isdigit() else "that is none"
            raise Unreachable(f"the proxy refused the connection to {self.server} with status {shown}", sent=False)


@dataclass(frozen=True, slots=True)
class _Bound:
    """How much memory a reply may take, and by when it has to be there."""

    space: Space
    limit: asyncio.Timeout
    most: int
    server: str

    async def grow(self, size: int) -> None:
        """`size` bytes have arrived. Raises TooLarge."""
        if size > self.most:
            raise TooLarge(f"the reply of {self.server} is longer than {self.most} bytes")
        await self.space.grow(size, self.most, self.limit)


class _Exchange:
    """What has arrived of one reply."""

    __slots__ = ("ended", "failure", "headers", "parts", "sent", "trailers", "waiter")

    def __init__(self) -> None:
        self.headers: dict[str, str] | None = None
        self.trailers: dict[str, str] = {}
        self.parts: deque[tuple[bytes, int]] = deque()  # with the bytes of the window that they take
        self.sent = self.ended = False  # our side, the server's
        self.failure: TransportError | None = None
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def fail(self, error: TransportError) -> None:
        if not self.ended and self.failure is None:
            self.failure = error
        self.wake()

    async def news(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        try:
            await self.waiter
        finally:
            self.waiter = None


class _Connection(asyncio.Protocol):
    """One connection. `usable`: a new exchange may begin on it."""

    def __init__(self, server: str, made: socket.socket) -> None:
        self.server, self._made, self.handed = server, made, False
        self.usable = False
        self._done = False  # exchanges have been answered on it
        self._head, self._left, self._met = b"", 0, False  # of the frame that arrives; whether there was one
        self._work = 0  # that its frames made since an exchange was answered
        self._refused = 0  # exchanges since one was answered
        self._heard = 0.0  # when the last byte arrived
        self._lost: TransportError | None = None
        self._transport: asyncio.Transport | None = None
        self._exchanges: dict[int, _Exchange] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()  # for a free place
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle: asyncio.TimerHandle | None = None
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_CONCURRENT_STREAMS: MOST_AT_ONCE,
                SettingCodes.MAX_HEADER_LIST_SIZE: MOST_HEADERS,
            },
        )

    # the life of the connection

    @property
    def lives(self) -> bool:
        return self._lost is None

    async def begun(self) -> None:
        """Returns once the server has sent its settings. Raises Unreachable for one that does not speak HTTP/2."""
        await self._begun

    def retire(self) -> None:
        """No new exchange begins; the connection ends with the last one."""
        self.usable = False
        if not self._exchanges:
            self.abort()

    def abort(self) -> None:
        # A TLS close_notify would wait for the peer and may outlive the loop.
        self.usable = False
        if self._idle is not None:
            self._idle.cancel()
        if self._transport is not None:
            self._transport.abort()
        elif not self.handed:
            self._made.close()
        elif self._made.fileno() >= 0:
            with suppress(OSError):
                self._made.shutdown(socket.SHUT_RDWR)  # reads as the end; the transport then closes the descriptor

    async def hang_up(self) -> None:
        self.abort()
        for _ in range(10):  # closing takes a few rounds of the loop; a socket that stays open is not waited for
            if self._made.fileno() < 0:
                return
            await asyncio.sleep(0)

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._end(self._foreign())
            return
        self._http2.initiate_connection()
        self._http2.increment_flow_control_window((MOST_AT_ONCE - 1) * WINDOW)  # no reply keeps others waiting
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        try:
            self._measure(data)
            events = self._http2.receive_data(data)
            for event in events:
                self._take(event)
            if any(isinstance(event, RemoteSettingsChanged | WindowUpdated) for event in events):
                self._stir()
        except (H2Error, ValueError, KeyError, IndexError):
            # The library takes no frame after one that ends the connection, though a server may send some.
            self._end(self._ending() if self._http2.state_machine.state is ConnectionState.CLOSED else self._foreign())
            return
        self._flush()

    def _measure(self, data: bytes) -> None:
        """Raises ValueError for a frame that is too long, before its bytes are kept, which the library does first; and
        for more frames than a server needs: each one costs the loop time."""
        at = 0
        while at < len(data):
            if self._left:
                skipped = min(self._left, len(data) - at)
                self._left, at = self._left - skipped, at + skipped
                continue
            more = data[at : at + 9 - len(self._head)]
            self._head, at = self._head + more, at + len(more)
            if len(self._head) == 9:
                self._left, kind = int.from_bytes(self._head[:3], "big"), self._head[3]
                self._work += worth(kind, self._left)
                if self._left > LONGEST_FRAME or self._work > MOST_WORK or (not self._met and kind != SETTINGS):
                    raise ValueError
                self._head, self._met = b"", True

    def connection_lost(self, error: Exception | None) -> None:
        self._end(Unreachable(f"{self.server} closed the connection without a reply"))

    def _ending(self) -> TransportError:
        """The server ends the connection in good order, after an hour of it, say: what it has not answered is asked
        again. All that is asked here may be."""
        return Unprocessed(f"{self.server} ends the connection")

    def _foreign(self) -> TransportError:
        return Unreachable(
            f"{self.server} does not speak HTTP/2 as expected", fix="is it the address of a gRPC server?"
        )

    def _end(self, error: TransportError) -> None:
        """Every exchange fails. One on a connection that had been kept, and without a sign of an answer, met a server
        that closed it just then."""
        if self._lost is not None:
            return
        self._lost, self.usable = error, False
        if not self._begun.done():
            told = Unreachable(str(error), sent=False, fix=error.fix)
            self._begun.set_exception(told)
            self._begun.exception()  # nobody may be waiting any more
        for exchange in self._exchanges.values():
            if exchange.headers is None:
                exchange.fail(Unprocessed(str(error)) if self._done else copy.copy(error))
            else:
                exchange.fail(type(error)(f"the reply of {self.server} broke off", fix=error.fix))
        self._free(len(self._waiting))
        if self._idle is not None:
            self._idle.cancel()
        self.abort()

    def _take(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                if not self._begun.done():
                    self.usable = True
                    self._begun.set_result(None)
            case ConnectionTerminated():
                self._end(self._ending())
            case ResponseReceived(stream_id=int(number), headers=found):
                if (exchange := self._exchanges.get(number)) is not None:
                    exchange.headers = _plain(found or ())
            case DataReceived(stream_id=int(number), data=bytes(data), flow_controlled_length=int(size)):
                if (exchange := self._exchanges.get(number)) is None or not data:
                    self._acknowledge(number, size)  # no window bounds how many are empty
                else:
                    exchange.parts.append((data, size))
                    exchange.wake()
            case TrailersReceived(stream_id=int(number), headers=found):
                if (exchange := self._exchanges.get(number)) is not None:
                    exchange.trailers = _plain(found or ())
            case StreamEnded(stream_id=int(number)):
                if (exchange := self._exchanges.get(number)) is not None:
                    exchange.ended = True
                    exchange.wake()
            case StreamReset(stream_id=int(number), error_code=code):
                if (exchange := self._exchanges.get(number)) is not None:
                    exchange.sent = True
                    if code == ErrorCodes.REFUSED_STREAM:
                        self._refuses()
                        exchange.fail(Unprocessed(f"{self.server} refuses exchanges", sent=False))
                    else:
                        exchange.fail(Unreachable(f"the reply of {self.server} broke off"))

    def _refuses(self) -> None:
        """The server counts exchanges in another way, or is about to end the connection: then it refuses all."""
        self._refused += 1
        if self._refused > 1:
            self.usable = False
            self._free(len(self._waiting))

    def _stir(self) -> None:
        """There may be room for more: for new exchanges, and for what is left of old ones."""
        self._free(len(self._waiting))
        for exchange in self._exchanges.values():
            exchange.wake()

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        data = self._http2.data_to_send()
        if data:
            self._transport.write(data)
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            self._end(Unreachable(f"{self.server} does not read what it is sent"))

    # exchanges

    async def exchange(self, head: Sequence[tuple[str, str]], body: bytes, bound: _Bound) -> Answer:
        """Raises Unprocessed, Unreachable, TooLarge."""
        await self._place()
        if not self.usable:
            raise Unprocessed(f"the connection to {self.server} has ended", sent=False)
        number, exchange = self._http2.get_next_available_stream_id(), _Exchange()
        if number > LAST_STREAM:
            self.usable = False
        if self._idle is not None:
            self._idle.cancel()
        self._exchanges[number] = exchange
        now = asyncio.get_running_loop().time
        began = now()
        try:
            await self._send(number, exchange, head, body)
            answer = await self._received(number, exchange, bound)
            self._done, self._refused, self._work = True, 0, 0
            return answer
        finally:
            del self._exchanges[number]
            self._finish(number, exchange)
            if self._heard < began < now() - SILENCE:
                self.usable = False  # the next exchange tries a new connection
            self._free(1 if self.usable else len(self._waiting))
            if not self._exchanges:
                self._rest()

    def _rest(self) -> None:
        if self._lost is not None:
            return
        if not self.usable:
            self.abort()
            return
        self._idle = asyncio.get_running_loop().call_later(KEEP_ALIVE, self.retire)

    async def _send(self, number: int, exchange: _Exchange, head: Sequence[tuple[str, str]], body: bytes) -> None:
        self._http2.send_headers(number, head, end_stream=not body)
        while body and not exchange.ended:
            if exchange.failure is not None:
                raise exchange.failure
            room = min(self._http2.local_flow_control_window(number), self._http2.max_outbound_frame_size)
            if room <= 0:
                self._flush()
                if exchange.failure is None:  # the flush may have ended the connection
                    await exchange.news()
                continue
            part, body = body[:room], body[room:]
            self._http2.send_data(number, part, end_stream=not body)
        exchange.sent = exchange.sent or not body
        self._flush()

    async def _received(self, number: int, exchange: _Exchange, bound: _Bound) -> Answer:
        parts, size = list[bytes](), 0
        while True:
            while exchange.parts:
                part, taken = exchange.parts.popleft()
                size += len(part)
                await bound.grow(size)
                parts.append(part)
                self._acknowledge(number, taken)
            if exchange.ended:
                break
            if exchange.failure is not None:
                raise exchange.failure
            await exchange.news()
        headers = exchange.headers or {}
        status = headers.get(":status", "")
        if len(status) != 3 or not (status.isascii() and status.isdigit()):
            raise Unreachable(f"the reply of {self.server} has no status of HTTP")
        return Answer(int(status), headers, b"".join(parts), exchange.trailers)

    def _acknowledge(self, number: int, size: int) -> None:
        """The server may send as much again."""
        try:
            self._http2.acknowledge_received_data(size, number)
        except (H2Error, ValueError):
            return  # it has ended
        self._flush()

    def _finish(self, number: int, exchange: _Exchange) -> None:
        """What is still on its way is not wanted any more."""
        for _, taken in exchange.parts:
            self._acknowledge(number, taken)
        if self._lost is not None or (exchange.sent and (exchange.ended or exchange.failure is not None)):
            return
        try:
            self._http2.reset_stream(number, ErrorCodes.CANCEL)
        except H2Error:
            return  # it has ended on both sides
        self._flush()

    async def _place(self) -> None:
        """Returns once one more exchange may begin, or none any more."""
        first = True
        while self.usable and len(self._exchanges) >= self._most():
            if not self._exchanges and self._idle is None:
                self._rest()  # a server that takes no exchange at first is not waited for without end
            waiting = asyncio.get_running_loop().create_future()
            if first:
                self._waiting.append(waiting)
            else:
                self._waiting.appendleft(waiting)
            first = False
            try:
                await waiting
            except asyncio.CancelledError:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)
                else:
                    self._free(1)
                raise

    def _most(self) -> int:
        return min(self._http2.remote_settings.max_concurrent_streams, MOST_AT_ONCE)

    def _free(self, count: int) -> None:
        """So many of those that wait look again."""
        while count > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                count -= 1


def worth(kind: int, size: int) -> int:
    """How much work a frame makes."""
    if kind in (HEADERS, CONTINUATION):
        return 1 + size // HEADER_BYTES
    return 0 if kind == DATA and size >= LITTLE else 1


def _plain(found: Sequence[tuple[bytes | str, bytes | str]]) -> dict[str, str]:
    told: dict[str, str] = {}
    for name, value in found:
        key, text = _text(name), _text(value)
        told[key] = f"{told[key]},{text}" if key in told else text
    return told


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("latin-1")
