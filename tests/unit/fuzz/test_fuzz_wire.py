"""Whatever a server sends over HTTP/2 and gRPC is an answer, or a typed error that does not repeat it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import TransportError
from eso.net.http2 import Answer, Channel, _Connection, _Exchange
from eso.providers.contract import Malformed
from eso.providers.kit import protobuf
from eso.providers.kit.grpc import Grpc
from eso.providers.kit.protobuf import Message, parsed
from tests.unit.fuzz.shapes import Bytes, broken

CANARY = "Zq7kWmXp42TvRn9Lbd"
INNER = protobuf.text(1, CANARY) + protobuf.number(2, -1) + protobuf.blob(3, b"\xff\xfe")
MESSAGES = [
    INNER,
    protobuf.blob(1, INNER) + protobuf.blob(1, INNER) + protobuf.number(536_870_911, (1 << 64) - 1),
    b"\x09" + b"x" * 8 + b"\x15" + b"x" * 4 + protobuf.text(1, CANARY),
    protobuf.number(1, 0) * 300,
    b"\x80" * 20,
]
messages: Bytes = broken(MESSAGES) | st.binary(max_size=40)


def walk(message: Message, depth: int = 0) -> None:
    for number in list(message.fields):
        for read in (message.blobs, message.texts, message.text, message.number, message.message, message.messages):
            with suppress(Malformed):
                found: Any = read(number)
                inner = found if isinstance(found, list) else [found]
                for one in inner:
                    if isinstance(one, Message) and depth < 4:
                        walk(one, depth + 1)
        assert message.last_of(number, number + 1) in message.fields


@given(messages)
def test_fuzz_protobuf(raw: bytes) -> None:
    try:
        found = parsed(raw)
    except Malformed as error:
        assert CANARY[:6] not in f"{error}{error.fix}"
        return
    assert CANARY not in repr(found)
    walk(found)


@given(
    st.dictionaries(st.integers(1, 1 << 28), st.integers(-(1 << 63), (1 << 63) - 1) | st.text(min_size=1), max_size=9)
)
def test_fuzz_protobuf_that_was_written_here_is_read_here(fields: dict[int, int | str]) -> None:
    written = b"".join(
        protobuf.number(key, value) if isinstance(value, int) else protobuf.text(key, value)
        for key, value in fields.items()
        if isinstance(value, int) or value.isprintable()
    )
    found = parsed(written)
    for key, value in fields.items():
        if isinstance(value, int):
            assert found.number(key) == value
        elif value.isprintable():
            assert found.text(key) == value


headers = st.dictionaries(
    st.sampled_from(["content-type", "grpc-status", "grpc-retry-pushback-ms", "retry-after", "date", "grpc-message"]),
    st.sampled_from(["application/grpc", "application/grpc+proto", "0", "5", "16", "99", "-1", "²", "1" * 12, CANARY])
    | st.text(max_size=12),
)
bodies = broken([b"\0" + len(INNER).to_bytes(4, "big") + INNER, b"\1\0\0\0\0", b"\0\0\0\0\0", b""])


@given(st.integers(100, 599), headers, headers, bodies)
def test_fuzz_grpc_answers(status: int, before: dict[str, str], after: dict[str, str], body: bytes) -> None:
    usual = {"content-type": "application/grpc"}
    api = Grpc(Channel("https://grpc.example:443", lambda *_: None, None), "kind")  # type: ignore[arg-type]
    try:
        assert isinstance(api._message(Answer(status, usual | before, body, after)), bytes)
    except EsoError as error:
        assert CANARY[:6] not in f"{error}{error.fix}"


class Wire(asyncio.Transport):
    """A transport that takes everything and says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None

    def write(self, data: Any) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True

    close = abort

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


HEADERS = b"\x88\x5f\x10application/grpc"  # :status 200 and a literal content-type
frames = st.lists(
    st.builds(
        frame,
        st.integers(0, 12),
        st.sampled_from([0, 1, 4, 5, 8, 9, 0x20, 0x2D, 255]),
        st.sampled_from([0, 1, 2, 3, 1 << 31, (1 << 31) - 1]),
        st.sampled_from([b"", b"\0" * 4, b"\0" * 6, b"\0\3\0\0\0\0", HEADERS, b"\0" * 8, b"\x7f\xff\xff\xff"])
        | st.binary(max_size=40),
    ),
    max_size=12,
).map(b"".join)
talk = st.builds(bytes.__add__, st.just(frame(4, 0, 0, b"")), frames) | broken(
    [
        frame(4, 0, 0, b"") + frame(1, 4, 1, HEADERS) + frame(0, 0, 1, b"\0\0\0\0\0") + frame(1, 5, 1, b"\x88"),
        frame(4, 0, 0, b"\0\3\0\0\0\1\0\1\0\0\0\0") + frame(7, 0, 0, b"\0" * 8) + frame(3, 0, 1, b"\0\0\0\7"),
    ]
)


@given(talk, st.integers(1, 40))
def test_fuzz_http2_a_server_ends_its_own_connection_and_nothing_else(data: bytes, pieces: int) -> None:
    async def hear() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = _Connection("https://grpc.example", ours)
            connection.connection_made(Wire())
            exchange = connection._exchanges[1] = _Exchange()
            connection._http2.get_next_available_stream_id()
            with suppress(Exception):
                connection._http2.send_headers(1, [(":method", "POST"), (":path", "/"), (":scheme", "https")])
            for at in range(0, len(data), pieces):
                if connection.lives:
                    connection.data_received(data[at : at + pieces])
            connection.connection_lost(None)
            assert not connection.lives
            assert exchange.ended or isinstance(exchange.failure, TransportError)

    asyncio.run(hear())
