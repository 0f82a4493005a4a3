"""How much is read of what a server sends, at a time and in all, whatever it sends."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from e2e.harness.certs import Authority
from eso.net import wire
from eso.net.http import IN_FLIGHT, Pool, Timeouts, TransportError, Unreachable, tls_context
from eso.net.wire import HEAD, READ, SLICE, Line, Turn
from eso.runtime.memory import Memory, holding
from tests.fakes.clock import VirtualClock
from tests.fakes.endless import BENT, ENDLESS, Endless, packed

LONGEST = 64 << 10
SENT = {"Authorization": "hunter2"}
BRIEF = Timeouts(total=3.0)  # whatever ends it first: the error is one of ours


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("wire"))


@asynccontextmanager
async def pool_for(tls: ssl.SSLContext | None = None) -> AsyncIterator[Pool]:
    pool = Pool(tls=tls, in_flight=IN_FLIGHT)
    yield pool
    await pool.close()


@pytest.mark.parametrize("form", ENDLESS)
async def test_a_reply_without_end_is_read_to_its_bound_and_no_further(form: str) -> None:
    async with Endless(ENDLESS[form]) as server, pool_for() as pool:
        with pytest.raises(TransportError) as failed:
            await pool.request("GET", server.address, headers=SENT, timeouts=BRIEF, max_body=LONGEST)
        assert "hunter2" not in str(failed.value)
        await server.hung_up()
        # what the kernel holds on both sides comes on top of what was read
        assert server.sent < HEAD + wire.FRAMING * LONGEST + HEAD + (16 << 20)


@pytest.mark.parametrize("form", BENT)
async def test_a_reply_that_can_be_read_in_two_ways_is_read_in_none(form: str) -> None:
    async with Endless((BENT[form], b"")) as server, pool_for() as pool:
        with pytest.raises(TransportError) as failed:
            await pool.request("GET", server.address, headers=SENT, max_body=LONGEST)
        assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("members", [0, 1, 3], ids=["empty", "whole", "in three pieces"])
async def test_a_packed_reply_is_unpacked_and_counted_as_it_is_then(members: int) -> None:
    memory, member = Memory(64 << 20, VirtualClock()), b"hello" * 40_000
    async with Endless((packed(members * gzip.compress(member)), b"")) as server, pool_for() as pool:
        with holding(memory.open("team")):
            assert (await pool.request("GET", server.address)).body == members * member
            assert memory.used >= members * len(member)


async def test_a_reply_without_end_over_tls_is_bounded_as_well(authority: Authority) -> None:
    pair = authority.server("backend", dns=("localhost",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    trust = tls_context(ca_pem=authority.cert.read_bytes())
    async with Endless(ENDLESS["interim replies"], context) as server, pool_for(trust) as pool:
        with pytest.raises(Unreachable):
            await pool.request("GET", server.address.replace("127.0.0.1", "localhost"), max_body=LONGEST)
        await server.hung_up()


@pytest.fixture
def long_chain(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """Of a server that shows a thousand certificates."""
    pair, chain = authority.server("chain", dns=("localhost",)), tmp_path / "chain.pem"
    chain.write_bytes(Path(pair.cert).read_bytes() + authority.cert.read_bytes() * 1000)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, pair.key)
    return context


async def test_a_chain_of_a_thousand_certificates_is_not_read(authority: Authority, long_chain: ssl.SSLContext) -> None:
    trust = tls_context(ca_pem=authority.cert.read_bytes())
    async with Endless((b"", b""), long_chain) as server, pool_for(trust) as pool:
        with pytest.raises(Unreachable):
            await pool.request("GET", server.address.replace("127.0.0.1", "localhost"))
        assert server.connections == 0, "no handshake was completed"


async def test_the_longest_body_that_is_wanted_arrives_with_the_framing_of_a_sane_server() -> None:
    chunks = (b"10\r\n" + b"x" * 16 + b"\r\n") * (LONGEST // 16) + b"0\r\n\r\n"
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    async with Endless((reply, b"")) as server, pool_for() as pool:
        for _ in range(3):  # on one connection: each request begins a new count
            assert len((await pool.request("GET", server.address, max_body=LONGEST)).body) == LONGEST
        assert server.connections == 1


async def test_what_is_sent_while_a_body_is_read_begins_no_new_count() -> None:
    with connected() as (line, there):
        line.begin_body(LONGEST)
        assert received(line, there, HEAD + LONGEST) == HEAD + LONGEST
        line.send(b"the rest of a request that was answered early")
        assert received(line, there, LONGEST) == LONGEST
        with pytest.raises(OSError, match="too long"):
            received(line, there, READ)
        wire.CURRENT.set(wire.Exchange("the next one"))  # in the context of this test alone
        line.send(b"the next request")
        assert received(line, there, HEAD) == HEAD
        with pytest.raises(OSError, match="too long"):
            received(line, there, READ)


async def test_the_sockets_of_a_loop_are_read_for_a_slice_between_two_turns() -> None:
    now = 0.0
    turn, line = Turn(lambda: now), Owned()
    assert turn.more(line)
    now += SLICE * 0.9
    assert turn.more(line), "there is time left"
    now += SLICE * 0.2
    assert not turn.more(Owned()), "the slice is used up, whoever used it"
    await asyncio.sleep(0)
    assert turn.more(Owned()), "the next turn has a slice of its own"


class Owned:
    """A line, as far as its turn is concerned."""

    def __init__(self, owner: str = "a") -> None:
        self.owner = owner


async def test_lines_whose_reads_are_dear_take_nobody_s_turn() -> None:
    """The loop names those that are ready in the same order in every turn, and the cheap one last."""
    now, reads = 0.0, Counter[str]()
    turn = Turn(lambda: now)
    lines = {name: Owned() for name in ("dear 1", "dear 2", "dear 3", "cheap")}
    for _ in range(40):
        for name, line in lines.items():
            if turn.more(line):
                reads[name] += 1
                now += SLICE if name.startswith("dear") else SLICE / 100
        await asyncio.sleep(0)
    assert min(reads.values()) >= 40 // len(lines) - 1, reads


@pytest.mark.parametrize("many", [2, 300])
async def test_an_owner_of_many_dear_lines_takes_half_of_the_turns_of_another_at_most(many: int) -> None:
    now, reads, turns = 0.0, Counter[str](), 2 * many + 20
    turn = Turn(lambda: now)
    lines = {**{f"dear {n}": Owned("many") for n in range(many)}, "cheap": Owned("one")}
    for _ in range(turns):
        for name, line in lines.items():
            if turn.more(line):
                reads[name] += 1
                now += SLICE if name.startswith("dear") else SLICE / 100
        await asyncio.sleep(0)
    assert reads["cheap"] >= turns // 2 - 1
    assert set(reads) == set(lines), "the lines of one owner take turns as well"


async def test_owners_and_lines_that_hang_up_are_waited_for_no_longer() -> None:
    now = 0.0
    turn = Turn(lambda: now)
    stays, goes = [Owned("a"), Owned("a")], [Owned("a"), Owned("b")]
    for line in (*stays, *goes):
        turn.more(line)
        now += SLICE
    del goes, line
    for _ in range(3):
        await asyncio.sleep(0)
        found = [turn.more(line) for line in stays]
        now += SLICE
    assert any(found)


async def test_a_line_alone_is_read_in_every_turn() -> None:
    now, line = 0.0, Owned()
    turn = Turn(lambda: now)
    for _ in range(10):
        assert turn.more(line)
        now += 2 * SLICE
        await asyncio.sleep(0)


UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


class Unasked:
    """Answers each request with its path, and says `more` after it: at once, with the end of a body whose head came
    before, or a little later."""

    def __init__(self, when: str, more: bytes = UNASKED, tls: ssl.SSLContext | None = None) -> None:
        self.when, self.more, self.tls, self.connections = when, more, tls, 0
        self.more_sent = asyncio.Event()
        self._writers, self._gone = set[asyncio.StreamWriter](), asyncio.Event()
        self._gone.set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self.tls)
        return f"http{'s' if self.tls else ''}://localhost:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._gone.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        self._gone.clear()
        with suppress(asyncio.IncompleteReadError, OSError):
            await self._answer(reader, writer)
        writer.transport.abort()
        self._writers.discard(writer)
        if not self._writers:
            self._gone.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path)
            if self.when == "with the end of a body":
                writer.write(head + path[:1])
                await asyncio.sleep(0.02)
                writer.write(path[1:] + self.more)
            elif self.when == "at once":
                writer.write(head + path + self.more)
            else:
                writer.write(head + path)
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(self.more)
                self.more_sent.set()
            await writer.drain()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
@pytest.mark.parametrize("when", ["at once", "with the end of a body", "later"])
async def test_what_a_server_sends_unasked_answers_no_request(authority: Authority, when: str, secure: bool) -> None:
    context = trust = None
    if secure:
        pair = authority.server("unasked", dns=("localhost",))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        trust = tls_context(ca_pem=authority.cert.read_bytes())
    server = Unasked(when, tls=context)
    async with server as address, pool_for(trust) as pool:
        for n in range(6):
            path = f"/{n}" + "x" * n
            server.more_sent.clear()
            assert (await pool.request("GET", address + path)).body.decode() == path
            if when == "later":
                await server.more_sent.wait()
                await asyncio.sleep(0.01)  # on its way


async def test_a_connection_is_used_again_where_nothing_is_sent_unasked() -> None:
    server = Unasked("at once", b"")
    async with server as address, pool_for() as pool:
        for n in range(3):
            assert (await pool.request("GET", f"{address}/{n}")).body.decode() == f"/{n}"
    assert server.connections == 1


async def test_connections_that_rest_are_bounded_and_those_of_the_greediest_end_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MOST_RESTING", 4)
    memory, server = Memory(1 << 30, VirtualClock()), Unasked("at once", b"")
    async with server as address, pool_for() as modest, pool_for() as greedy:
        with holding(memory.open("modest")):
            await modest.request("GET", f"{address}/first")
        with holding(memory.open("greedy")):
            for _ in range(3):
                async with asyncio.TaskGroup() as group:
                    for n in range(6):
                        group.create_task(greedy.request("GET", f"{address}/{n}"))
                await asyncio.sleep(0.02)
        made = server.connections
        with holding(memory.open("modest")):
            await modest.request("GET", f"{address}/second")
        assert server.connections == made, "the connection of the modest one is still there"


async def test_a_read_is_short_and_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected() as (line, there):
        there.sendall(b"x" * 4 * READ)
        assert len(line.recv(1 << 20)) <= READ
        assert line.recv_into(bytearray(1 << 20)) <= READ
        monkeypatch.setattr(wire.turn(), "more", lambda line: False)
        with pytest.raises(BlockingIOError):
            line.recv(1 << 20)


@contextmanager
def connected() -> Iterator[tuple[Line, socket.socket]]:
    """A line, and what is at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listening, Line(socket.AF_INET, socket.SOCK_STREAM, 0) as line:
        line.connect(listening.getsockname())
        there, _ = listening.accept()
        with there:
            yield line, there


def received(line: Line, there: socket.socket, size: int) -> int:
    """How many of `size` bytes arrive, all of them unless the line fails."""
    count = 0
    while count < size:
        wire.turn()._renew()
        there.sendall(b"x" * min(READ, size - count))
        count += len(line.recv(min(READ, size - count)))
    return count


def test_a_server_may_not_ask_for_another_handshake() -> None:
    assert tls_context().options & ssl.OP_NO_RENEGOTIATION
