"""One HTTP/2 connection for all exchanges with a server: how it begins and ends, and what a server may not do."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded

from eso.api.hosts import hosts_of
from eso.net import http2
from eso.net.http import (
    Forbidden,
    Pools,
    Proxies,
    TimedOut,
    Timeouts,
    TlsError,
    TooLarge,
    Unreachable,
    Unsendable,
)
from eso.net.http2 import Answer, Channel
from eso.net.reach import Reach
from eso.runtime.memory import Memory, holding
from tests.fakes.backend import Fault, Proxy
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until
from tests.fakes.grpc import GrpcBackend

HEAD = (("te", "trailers"), ("content-type", "application/grpc"))
FRAME = b"\0\0\0\0\0"
PLANTED = "planted-7f3a9c"
PREFACE_OF_SERVER = b"\0\0\0\4\0\0\0\0\0"  # empty SETTINGS


class Echo(GrpcBackend):
    """Answers with what it was sent, or with as many bytes as the method names."""

    async def called(self, method: str, message: bytes, token: str) -> bytes:
        size = method.rpartition("/")[2]
        return b"x" * int(size) if size.isdigit() else message


async def ask(channel: Channel, path: str = "/s/Echo", body: bytes = FRAME, **options: Any) -> Answer:
    given: dict[str, Any] = {"timeouts": Timeouts(), "max_body": 1 << 20} | options
    return await channel.post(path, HEAD, body, **given)


@asynccontextmanager
async def world(server: GrpcBackend | None = None, pools: Pools | None = None) -> AsyncIterator[tuple[Echo, Channel]]:
    async with server or Echo() as backend:
        channel = (pools or Pools()).channel(backend.address)
        yield backend, channel  # type: ignore[misc]  # the tests bring Echo
        await channel.close()


async def test_an_answer_has_its_headers_body_and_trailers_and_prints_none_of_them():
    async with world() as (_, channel):
        answer = await ask(channel, body=b"\0\0\0\0\3abc")
        assert (answer.status, answer.body) == (200, b"\0\0\0\0\3abc")
        assert answer.headers["content-type"] == "application/grpc"
        assert answer.trailers == {"grpc-status": "0"}
        assert "abc" not in repr(answer)


@pytest.mark.parametrize(
    ("server", "authority"),
    [("https://host:443", "host:443"), ("https://host", "host:443"), ("https://[::1]:8443", "[::1]:8443")],
)
async def test_a_server_is_named_with_its_port(server: str, authority: str):
    assert Pools().channel(server).authority == authority


async def test_exchanges_share_one_connection_and_more_than_the_server_takes_wait():
    async with world() as (server, channel):
        server.most = 3
        server.gate = asyncio.Event()
        calls = [asyncio.ensure_future(ask(channel, f"/s/{number}")) for number in range(20)]
        await until(lambda: len(server.asked) == 3)
        calls[5].cancel()
        server.gate.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [len(one.body) - 5 for one in done if isinstance(one, Answer)] == [n for n in range(20) if n != 5]
        assert len(server.connections) == 1


async def test_a_large_request_and_a_large_reply_go_through_small_windows():
    async with world() as (_, channel):
        body = b"\0" + (300_000).to_bytes(4, "big") + b"y" * 300_000
        assert (await ask(channel, body=body)).body == body
        assert len((await ask(channel, "/s/900000")).body) == 900_005


async def test_a_reply_that_is_too_long_ends_there_and_the_connection_goes_on():
    async with world() as (server, channel):
        with pytest.raises(TooLarge):
            await ask(channel, "/s/900000", max_body=100_000)
        assert (await ask(channel)).body == FRAME
        assert len(server.connections) == 1


async def test_a_connection_that_the_server_ends_in_good_order_fails_no_exchange():
    async with world() as (server, channel):
        server.serves = 30

        async def often() -> None:
            for _ in range(50):
                assert (await ask(channel)).body == FRAME

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(often())
        assert len(server.connections) > 1


async def test_a_refused_exchange_is_asked_again_and_on_another_connection_where_all_are_refused():
    async with world() as (server, channel):
        server.refuses = 1
        assert (await ask(channel)).body == FRAME
        assert len(server.connections) == 1
        server.refuses = 2
        assert (await ask(channel)).body == FRAME
        assert len(server.connections) == 2
        server.refuses = 1_000
        with pytest.raises(Unreachable, match="refuses exchanges"):
            await ask(channel)
        server.refuses = 0
        assert (await ask(channel)).body == FRAME


async def test_a_kept_connection_that_the_server_closed_is_replaced():
    async with world() as (server, channel):
        await ask(channel)
        for transport in server.connections:
            transport.abort()  # type: ignore[attr-defined]  # asyncio's
        assert (await ask(channel)).body == FRAME
        await ask(channel)
        server.fail(Fault(drop=True))
        assert (await ask(channel)).body == FRAME


async def test_a_new_connection_that_breaks_is_not_tried_again():
    async with world() as (server, channel):
        server.fail(Fault(drop=True))
        with pytest.raises(Unreachable, match="closed the connection without a reply"):
            await ask(channel)
        assert len(server.asked) == 1


async def test_an_idle_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http2, "KEEP_ALIVE", 0.0)
    async with world() as (server, channel):
        await ask(channel)
        await until(lambda: server.open_connections() == 0)
        assert (await ask(channel)).body == FRAME


async def test_a_connection_that_went_silent_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http2, "SILENCE", 0.0)
    async with world() as (server, channel):
        await ask(channel)
        server.fail(Fault(hang=True))
        with pytest.raises(TimedOut, match="no reply from"):
            await ask(channel, timeouts=Timeouts(total=0.3))
        assert (await ask(channel)).body == FRAME
        assert len(server.connections) == 2


async def test_those_that_wait_on_a_silent_connection_go_to_a_new_one_and_closing_ends_both(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(http2, "SILENCE", 0.0)
    async with world() as (server, channel):
        server.most = 2
        await ask(channel)
        server.fail(Fault(hang=True))
        server.fail(Fault(hang=True))
        hung = asyncio.ensure_future(ask(channel, timeouts=Timeouts(total=None)))
        await until(lambda: len(server.asked) == 2)
        silent = asyncio.ensure_future(ask(channel))
        await until(lambda: len(server.asked) == 3)
        waiting = [asyncio.ensure_future(ask(channel)) for _ in range(4)]
        await asyncio.sleep(0)
        silent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await silent
        assert [one.body for one in await asyncio.gather(*waiting)] == [FRAME] * 4
        assert not hung.done()
        await channel.close()
        with pytest.raises(Unreachable):
            await hung
        await until(lambda: server.open_connections() == 0)


class FullAtFirst(Echo):
    """Takes no exchange on its first connection."""

    @property
    def most(self) -> int:
        return 100 if len(self.connections) > 1 else 0

    @most.setter
    def most(self, value: int) -> None:
        """Fixed."""


async def test_a_connection_that_takes_no_exchange_is_replaced_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http2, "KEEP_ALIVE", 0.0)
    async with world(FullAtFirst()) as (server, channel):
        assert (await ask(channel)).body == FRAME
        assert len(server.connections) == 2


async def test_a_connection_that_ends_as_it_is_flushed_leaves_no_request_waiting_for_room(
    monkeypatch: pytest.MonkeyPatch,
):
    async with world() as (_, channel):
        await ask(channel)
        monkeypatch.setattr(http2, "MOST_UNSENT", -1)
        with pytest.raises(Unreachable, match="does not read what it is sent"):
            await ask(channel, body=b"a" * 200_000)


async def test_every_await_may_be_cancelled_and_leaves_nothing():
    async with world() as (server, channel):
        async for _ in every_await(lambda: ask(channel, "/s/200000")):
            pass
        assert len((await ask(channel, "/s/200000")).body) == 200_005
        await channel.close()
        await until(lambda: server.open_connections() == 0)


async def test_every_await_of_connecting_may_be_cancelled_and_leaves_no_socket(authority: Any):
    async with Echo(authority.tls) as server:
        pools = Pools()

        async def once() -> None:
            channel = pools.channel(server.address, ca=authority.pem)
            try:
                await ask(channel)
            finally:
                await channel.close()

        async for _ in every_await(once):
            pass
        await until(lambda: server.open_connections() == 0)


async def test_closing_fails_what_is_in_flight():
    async with world() as (server, channel):
        server.gate = asyncio.Event()
        call = asyncio.ensure_future(ask(channel))
        await until(lambda: len(server.asked) == 1)
        await channel.close()
        with pytest.raises(Unreachable):
            await call


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, tls: Any = None) -> AsyncIterator[int]:
    """A server that talks like this; its port. Every connection has ended when the block has."""
    made = list[Any]()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer.get_extra_info("socket"))
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await until(lambda: all(one.fileno() < 0 for one in made))


async def drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def test_closing_a_used_connection_fails_what_is_in_flight_or_waits_and_opens_no_other():
    async with world() as (server, channel):
        server.most = 2
        await ask(channel)
        server.gate = asyncio.Event()
        calls = [asyncio.ensure_future(ask(channel)) for _ in range(5)]
        await until(lambda: len(server.asked) == 3)
        await channel.close()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in done] == [Unreachable] * 5
        await until(lambda: server.open_connections() == 0)
        server.gate.set()
        assert (await ask(channel)).body == FRAME, "a new exchange connects again"


async def test_closing_while_a_connection_is_made_leaves_none():
    async with Echo() as server:
        pools, dialled, go = Pools(), asyncio.Event(), asyncio.Event()
        dial = pools.connected

        async def held(*given: Any) -> Any:
            dialled.set()
            await go.wait()
            return await dial(*given)

        pools.connected = held  # type: ignore[method-assign]  # holds
        channel = pools.channel(server.address)
        calls = [asyncio.ensure_future(ask(channel)) for _ in range(3)]
        await dialled.wait()
        await channel.close()
        go.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in done] == [Unreachable] * 3
        await until(lambda: server.open_connections() == 0)


@dataclass
class Trusted:
    tls: Any
    pem: bytes


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    import ssl

    from e2e.harness.certs import Authority

    made = Authority(tmp_path_factory.mktemp("authority"))
    pair = made.server("backend", dns=("localhost",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)
    return Trusted(tls, made.cert.read_bytes())


async def test_tls_is_verified_against_the_given_authority_or_the_systems(authority: Trusted):
    async with Echo(authority.tls) as server:
        stranger = Pools().channel(server.address)
        with pytest.raises(Unreachable, match="cannot trust https://127") as refused:
            await ask(stranger)
        assert not refused.value.sent
        trusting = Pools().channel(server.address, ca=authority.pem)
        assert (await ask(trusting)).body == FRAME
        await trusting.close()
    with pytest.raises(TlsError):
        Pools().channel("https://x", ca=b"no certificate")


async def test_a_server_that_does_not_agree_on_http2_is_told(authority: Trusted):
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drained(reader)

    async with listening(served, authority.tls) as port:
        url = f"https://127.0.0.1:{port}"
        with pytest.raises(Unreachable, match="does not speak HTTP/2") as refused:
            await ask(Pools().channel(url, ca=authority.pem))
        assert not refused.value.sent


async def test_addresses_that_stores_may_not_reach_are_refused_before_anything_is_sent():
    async with Echo() as server:
        for reach, words in (
            (Reach(link_local=False), "a link-local address"),
            (Reach(own_ports=frozenset({server.port})), "a port of the operator itself"),
            (Reach(denied=hosts_of(["127.0.0.0/8"])), "in a network that stores may not reach"),
            (Reach(denied=hosts_of(["localhost"])), "a host that stores may not reach"),
            (Reach(allowed=hosts_of(["vendor.example"])), "not among the hosts"),
        ):
            host = "169.254.169.254" if not reach.link_local else "localhost"
            with pytest.raises(Forbidden, match=words):
                await ask(Pools(reach=reach).channel(f"http://{host}:{server.port}"))
        assert server.asked == []
        assert not server.connections


async def test_nobody_listening_is_told_and_those_that_wait_share_it():
    async with Echo() as server:
        address = server.address
    attempts, all_wait = 0, asyncio.Event()
    pools = Pools()
    dial = pools.connected

    async def counted(*given: Any) -> Any:
        nonlocal attempts
        attempts += 1
        await all_wait.wait()
        return await dial(*given)

    pools.connected = counted  # type: ignore[method-assign]  # counts
    channel = pools.channel(address)
    calls = [asyncio.ensure_future(ask(channel)) for _ in range(100)]
    await until(lambda: len(channel._connecting._waiters or ()) == 99)  # type: ignore[attr-defined]  # those of a lock
    all_wait.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, Unreachable) and not one.sent for one in done)
    assert "connection refused" in str(done[0])
    assert attempts <= 2


async def test_the_proxy_is_asked_to_connect_with_its_login():
    async with Echo() as server, Proxy(server) as proxy:
        address = proxy.address.replace("http://", "http://us%40er:pass@")
        channel = Pools(Proxies(address, address)).channel("http://backend.test:8443")
        assert (await ask(channel)).body == FRAME
        assert proxy.targets == ["backend.test:8443"]
        await channel.close()
    with pytest.raises(Unreachable, match="cannot reach"):
        await ask(channel)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "with status 407"),
        (b"SSH-2.0-x\r\n\r\n", "with status that is none"),
        (b"HTTP/1.1\r\n\r\n", "with status that is none"),
        (f"HTTP/1.1 {PLANTED}\r\n\r\n".encode(), "with status that is none"),
        (b"", "the proxy refused"),
        (b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000, "the proxy refused"),
    ],
)
async def test_a_proxy_that_refuses_or_lies_is_told(said: bytes, words: str):
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert base64.b64encode(b"user:hunter2") in head
        writer.write(said)

    async with listening(served) as port:
        proxy = f"http://user:hunter2@127.0.0.1:{port}"
        channel = Pools(Proxies(proxy, proxy)).channel("https://backend.test:8443")
        with pytest.raises(Unreachable, match=words) as refused:
            await ask(channel)
        assert "hunter2" not in str(refused.value)
        assert PLANTED not in str(refused.value)


async def test_a_proxy_behind_tls_is_refused():
    async with Echo() as server:
        proxy = server.address.replace("http:", "https:")
        with pytest.raises(Unreachable, match="no plain http proxy"):
            await ask(Pools(Proxies(proxy, proxy)).channel("https://backend.test"))


def frames(*wanted: Callable[[H2Connection], None]) -> bytes:
    """What a server sends that begins in good order."""
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    for one in wanted:
        one(server)
    return server.data_to_send()


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


PING = frame(6, 0, 0, b"12345678")
HOSTILE = {
    "a page of HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "settings of a wrong length": frame(4, 0, 0, b"12345"),
    "nothing but an end": b"",
    "a frame longer than is allowed": PREFACE_OF_SERVER + frame(0, 0, 1, b"a" * 20_000),
    "data without headers": PREFACE_OF_SERVER + frame(0, 1, 1, b"a"),
    "headers that cannot be unpacked": PREFACE_OF_SERVER + frame(1, 5, 1, b"\xff" * 20),
    "headers without an end": PREFACE_OF_SERVER + frame(1, 0, 1, b"\x88") + frame(9, 0, 1, b"\x40\1a\1b") * 200,
    "a bomb of headers": PREFACE_OF_SERVER
    + frame(1, 5, 1, b"\x88\x40\x01a\x7f\xa1\x1e" + b"b" * 4000 + b"\xbe" * 12000),
    "a push": PREFACE_OF_SERVER + frame(5, 4, 1, b"\0\0\0\2\x82"),
    "a window that overflows": PREFACE_OF_SERVER + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "headers twice with a status": PREFACE_OF_SERVER + frame(1, 4, 1, b"\x88") * 2,
}


FLOODS = {
    "pings": PING,
    "settings": frame(4, 0, 0, b""),
    "windows": frame(8, 0, 0, b"\0\0\0\1"),
    "empty data": frame(0, 0, 1, b""),
    "data byte by byte": frame(0, 0, 1, b"a"),
    "news before the answer": frame(1, 4, 1, b"\x08\x03100" + b"\x40\1a\x7f\x81\7" + b"b" * 1000),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_of_frames_ends_the_connection_before_it_holds_up_the_loop(
    flood: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http2, "MOST_WORK", 100)

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PREFACE_OF_SERVER)
        sent = b""
        while not sent.endswith(FRAME):  # of the request
            sent += await reader.read(65536)
        answer = b"" if flood[3] else frame(1, 4, 1, b"\x88")
        writer.write(answer + flood * 200)
        await drained(reader)

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            await ask(channel)
    await channel.close()


async def test_answers_take_the_work_of_their_frames_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http2, "MOST_WORK", 100)
    async with world() as (server, channel):
        for _ in range(60):
            await ask(channel)
        assert len((await ask(channel, "/s/900000")).body) == 900_005
        assert len(server.connections) == 1


@pytest.mark.parametrize("status", ["2x0", "-20", "+20", "2_0", "\xb2\xb2\xb2", "20", "2000"])
async def test_an_answer_whose_status_is_no_number_is_an_error_of_the_server(status: str):
    raw = status.encode("latin-1")

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PREFACE_OF_SERVER)
        sent = b""
        while not sent.endswith(FRAME):  # of the request
            sent += await reader.read(65536)
        writer.write(frame(1, 5, 1, b"\x08" + bytes([len(raw)]) + raw))
        await drained(reader)

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            await ask(channel)
        await channel.close()


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_http2_is_an_error_of_the_server_and_leaves_no_connection(said: bytes):
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24 + 9)
        writer.write(said)
        if said:
            await drained(reader)

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            await ask(channel)
        # the connection has ended before the channel is closed, or else the block would not end
    await channel.close()


FLOODS = {
    "pings": PING,
    "answers to pings": frame(6, 1, 0, b"12345678"),
    "settings": PREFACE_OF_SERVER,
    "windows": frame(8, 0, 0, b"\0\0\0\1"),
    "priorities": frame(2, 0, 1, b"\0\0\0\3\1"),
    "frames of an unknown kind": frame(99, 0, 0, b""),
    "interim replies": frame(1, 4, 1, b"\x08\x03103"),
    "data of one byte": frame(0, 0, 1, b"x"),
    "data that is all padding": frame(0, 8, 1, b"\xff" + bytes(255)),
    "no data": frame(0, 0, 1, b""),
    "headers that go on with nothing": frame(9, 0, 1, b""),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_small_frames_without_end_end_the_connection_before_they_are_looked_at(flood: str):
    counted = list[int]()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24 + 9)
        writer.write(PREFACE_OF_SERVER)
        await reader.readuntil(FRAME)
        if "data" in flood:
            writer.write(frame(1, 4, 1, b"\x88"))
        if "go on" in flood:
            writer.write(frame(1, 0, 1, b"\x88"))
        with suppress(OSError):
            for number in range(100_000):
                counted[:] = [number]
                writer.write(FLOODS[flood] * 100)
                await writer.drain()

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            await ask(channel, timeouts=Timeouts(total=None), max_body=1 << 20)
    assert counted[0] < 99_999, "the server was cut off"
    await channel.close()


async def test_a_server_that_pings_at_every_exchange_is_served_for_ever():
    def answered(server: H2Connection, number: int) -> bytes:
        server.send_headers(number, [(":status", "200"), ("content-type", "application/grpc")])
        for part in range(20):
            server.send_data(number, bytes([part]))
        for _ in range(10):
            server.ping(b"12345678")
        server.send_headers(number, [("grpc-status", "0")], end_stream=True)
        return server.data_to_send()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        writer.write(server.data_to_send())
        while part := await reader.read(65536):
            for event in server.receive_data(part):
                if isinstance(event, StreamEnded):
                    assert event.stream_id is not None
                    writer.write(answered(server, event.stream_id))
            writer.write(server.data_to_send())

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        for _ in range(30):
            assert (await ask(channel)).body == bytes(range(20))
        assert channel._attempts == 1
        await channel.close()


async def test_a_server_that_never_speaks_is_a_timeout_of_connecting():
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drained(reader)

    async with listening(served) as port:
        channel = Pools().channel(f"http://127.0.0.1:{port}")
        with pytest.raises(TimedOut, match="cannot connect to"):
            await ask(channel, timeouts=Timeouts(connect=0.1))


async def test_a_server_that_asks_for_ever_and_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http2, "MOST_UNSENT", 1000)

    made = list[Any]()

    class Asking(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            made.append(transport)
            transport.write(PREFACE_OF_SERVER)

        def data_received(self, data: bytes) -> None:
            if data.endswith(FRAME):  # of the request
                self.transport.pause_reading()
                self.transport.write(PING * 100_000)

    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(Asking, sock=deaf)
        async with server:
            channel = Pools().channel(f"http://127.0.0.1:{deaf.getsockname()[1]}")
            channel._dial = small_buffers(channel._dial)
            with pytest.raises(Unreachable, match="does not read what it is sent"):
                await ask(channel)
            await channel.close()
        for transport in made:
            transport.abort()
        await until(lambda: all(one.get_extra_info("socket").fileno() < 0 for one in made))


def small_buffers(dial: Any) -> Any:
    async def dialled(*given: Any) -> socket.socket:
        made: socket.socket = await dial(*given)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return made

    return dialled


async def test_a_server_that_takes_no_exchange_is_a_timeout():
    async with world() as (server, channel):
        server.most = 0
        with pytest.raises(TimedOut):
            await ask(channel, timeouts=Timeouts(total=0.2))


@pytest.mark.parametrize("value", ["a\r\nb", "a\0"])
async def test_a_header_with_a_line_break_is_not_sent(value: str):
    async with world() as (_, channel):
        with pytest.raises(Unsendable) as refused:
            await channel.post("/s/Echo", (*HEAD, ("x", value)), FRAME, timeouts=Timeouts(), max_body=100)
        assert value not in str(refused.value)
        assert (await ask(channel)).body == FRAME


async def test_memory_is_reserved_as_a_reply_arrives_and_given_back_with_the_pass():
    memory = Memory(8 << 20, VirtualClock())
    async with world() as (_, channel):
        with holding(memory.open("ns")):
            await ask(channel, "/s/700000")
            assert memory.used >= 700_000
        assert memory.used == 0
        with holding(memory.open("ns")), pytest.raises(TooLarge, match="more than one pass may ever have"):
            await ask(channel, "/s/9000000", max_body=10 << 20)
        assert memory.used == 0
