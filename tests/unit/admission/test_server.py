"""Reviews over real TLS connections on loopback: what is answered, what is turned away, who has to make room."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import eso.admission.server as server_module
from eso.admission.connections import FIRST_SECONDS, listening
from eso.admission.review import Reviewer
from eso.admission.server import DRAIN_SECONDS, MAX_BODY, TOO_LARGE, Server
from eso.observe.health import CannotListen
from eso.observe.metrics import Metrics
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.unit.admission.folder import Watching
from tests.unit.admission.reviews import Answer, external_secret, parsed, path, review

PATH = path("ExternalSecret")
GOOD = json.dumps(review(external_secret())).encode()
BAD = json.dumps(review(external_secret(data=[]))).encode()


class Serving:
    """A server at work, and a client of it."""

    def __init__(self, root: Path) -> None:
        self.watching = Watching(root)
        self.authority = self.watching.mounted.issue()
        self.watching.certificate.look()
        self.metrics = Metrics()
        reviewer = Reviewer()
        self.server = Server(
            reviewer,
            self.watching.certificate,
            self.metrics.webhook(reviewer.paths),
            self.watching.clock,
            self.watching.log,
        )
        self.port = 0

    @property
    def connections(self) -> int:
        return len(self.server.connections)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.cert))

    def url(self, path: str = PATH) -> str:
        return f"https://localhost:{self.port}{path}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust(), server_hostname="localhost")

    async def ask(self, client: aiohttp.ClientSession, body: bytes = GOOD) -> Answer:
        async with client.post(
            self.url(), data=io.BytesIO(body), headers={"Content-Type": "application/json"}
        ) as reply:
            assert reply.status == 200
            return parsed(await reply.read())

    def sample(self, name: str, **labels: str) -> float:
        wanted = "".join(f'{key}="{value}"' for key, value in labels.items())
        lines = [line for line in self.metrics.render().decode().splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines if wanted in line)


@asynccontextmanager
async def at_work(root: Path) -> AsyncIterator[Serving]:
    made = Serving(root)
    async with made.server.serving("127.0.0.1", 0) as made.port:
        yield made


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    async with at_work(tmp_path) as made:
        yield made


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=serving.trust(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def test_reviews_are_answered_and_counted(serving: Serving, client: aiohttp.ClientSession):
    assert (await serving.ask(client)).allowed
    assert (await serving.ask(client, BAD)).message == "either data or dataFrom should be specified"
    assert serving.connections == 1
    assert serving.sample("controller_runtime_webhook_requests_total", webhook=PATH) == 2
    assert serving.sample("controller_runtime_webhook_requests_in_flight") == 0
    assert serving.sample("controller_runtime_webhook_latency_seconds_count", webhook=PATH) == 2


@pytest.mark.parametrize("kind", ["text/plain", "", "application/jsonp", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused(serving: Serving, client: aiohttp.ClientSession, kind: str):
    async with client.post(serving.url(), data=GOOD, headers={"Content-Type": kind}) as reply:
        found = parsed(await reply.read())
    assert (found.code, found.message) == (400, f"contentType={kind}, expected application/json")


async def test_a_content_type_with_parameters_will_do(serving: Serving, client: aiohttp.ClientSession):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with client.post(serving.url(), data=GOOD, headers=headers) as reply:
        assert parsed(await reply.read()).allowed


async def test_an_empty_body_is_refused(serving: Serving, client: aiohttp.ClientSession):
    assert (await serving.ask(client, b"")).message == "request body is empty"


@pytest.mark.parametrize(
    ("method", "where", "status"),
    [
        pytest.param("GET", PATH, 405, id="GET"),
        pytest.param("PUT", PATH, 405, id="PUT"),
        pytest.param("POST", "/", 404, id="no path"),
        pytest.param("POST", "/validate-external-secrets-io-v1-pod", 404, id="another kind"),
        pytest.param("POST", PATH + "/../x", 404, id="a detour"),
    ],
)
async def test_what_is_not_served(
    serving: Serving, client: aiohttp.ClientSession, method: str, where: str, status: int
):
    async with client.request(method, serving.url(where), data=GOOD) as reply:
        assert reply.status == status and reply.headers["Connection"] == "close"
    assert "/pod" not in serving.metrics.render().decode()  # no series for paths that a stranger makes up


async def test_an_object_of_three_mebibytes_is_judged(serving: Serving, client: aiohttp.ClientSession):
    large = external_secret(target={"template": {"data": {"k": "x" * (3 << 20)}}})
    assert (await serving.ask(client, json.dumps(review(large, "UPDATE", oldObject=large)).encode())).allowed


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * (1 << 20)


async def test_a_body_beyond_the_limit_is_refused_whether_its_length_is_known_or_not(
    serving: Serving, client: aiohttp.ClientSession
):
    for data in (io.BytesIO(b"x" * (MAX_BODY + 1)), chunks(9)):
        async with client.post(serving.url(), data=data, headers={"Content-Type": "application/json"}) as reply:
            found = parsed(await reply.read())
        assert (found.code, found.message) == (413, TOO_LARGE)


IN_FLIGHT = "controller_runtime_webhook_requests_in_flight"


async def stalling(serving: Serving, count: int, announced: int, sent: int) -> list[tuple[Any, Any]]:
    """Requests whose bodies do not come to their end."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
    found = [await serving.open() for _ in range(count)]
    for n, (_, writer) in enumerate(found, 1):
        writer.write(head.encode() + b"x" * sent)
        await until(lambda n=n: serving.server._bodies.size == n * sent)  # type: ignore[misc]
    return found


async def test_a_body_that_is_announced_takes_no_room(serving: Serving, client: aiohttp.ClientSession):
    stalled = await stalling(serving, 20, MAX_BODY, 1)
    assert (await serving.ask(client, b"x" * (5 << 20))).code == 400
    assert (await serving.ask(client)).allowed
    for _, writer in stalled:
        writer.close()
    await until(lambda: serving.sample(IN_FLIGHT) == 0)
    assert serving.server._bodies.size == 0


async def test_bodies_that_need_too_much_memory_together_make_room_for_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_module, "MAX_BODIES", 100_000)
    async with at_work(tmp_path) as serving:
        stalled = await stalling(serving, 3, 90_000, 30_000)
        reader, writer = await serving.open()
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 40000\r\n\r\n"
        writer.write(head.encode() + b"x" * 40_000)
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        answer = (await stalled[0][0].readuntil(b"\r\n\r\n")).decode()
        assert answer.startswith("HTTP/1.1 503 ") and "Retry-After: 1\r\n" in answer, "the oldest goes"
        assert serving.server._bodies.size == 60_000
        for _, writer in stalled:
            writer.close()
        await until(lambda: serving.sample(IN_FLIGHT) == 0)


async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.05)
    async with at_work(tmp_path) as serving:
        reader, writer = await serving.open()
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
        assert (await reader.readline()).split()[1] == b"408"
        writer.close()


async def test_a_client_that_leaves_before_its_body_came_is_no_failure_of_ours(serving: Serving):
    _, writer = await serving.open()
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
    await until(lambda: serving.sample("controller_runtime_webhook_requests_in_flight", webhook=PATH) == 1)
    writer.transport.abort()
    await until(lambda: serving.sample("controller_runtime_webhook_requests_in_flight", webhook=PATH) == 0)
    assert serving.sample("controller_runtime_webhook_requests_total", code="500") == 0
    assert serving.sample("controller_runtime_webhook_requests_total", code="400") == 1


async def test_bytes_that_are_no_http_end_the_connection_and_leave_no_trace(serving: Serving):
    for sent in (b"\x00\xff" * 100, b"GET / HTTP/9\r\n\r\n", b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n"):
        reader, writer = await serving.open()
        writer.write(sent)
        assert (await reader.read()).split()[1] == b"400"
        writer.close()
    await until(lambda: serving.connections == 0)
    assert [level for level, _, _ in serving.watching.log.lines if level != "info"] == []


async def test_a_chunked_body_that_is_malformed_is_refused(serving: Serving):
    reader, writer = await serving.open()
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode())
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


# --- connections


async def test_the_connection_that_was_used_longest_ago_makes_room(
    serving: Serving, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(serving.server.connections, "_most", 4)
    idle = [await serving.open() for _ in range(20)]
    assert (await serving.ask(client)).allowed
    assert serving.connections <= 4
    more = [await serving.open() for _ in range(2)]
    assert (await serving.ask(client)).allowed and serving.sample("controller_runtime_webhook_requests_total") == 2
    for _, writer in [*idle, *more]:
        writer.close()


async def test_clients_that_speak_no_tls_make_room_as_well(
    serving: Serving, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(serving.server.connections, "_most", 4)
    silent = [await asyncio.open_connection("127.0.0.1", serving.port) for _ in range(20)]
    assert (await serving.ask(client)).allowed
    await until(lambda: serving.connections <= 4)
    _, loud = await asyncio.open_connection("127.0.0.1", serving.port)
    loud.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await serving.ask(client)).allowed
    for _, writer in [*silent, (None, loud)]:
        writer.close()


async def test_a_connection_that_was_reset_before_its_turn_ends_alone(serving: Serving, client: aiohttp.ClientSession):
    ours, theirs = socket.socketpair()  # takes no option of TCP, as one that was reset on some systems
    with theirs:
        await serving.server.connections._open(ours)
    assert ours.fileno() == -1 and serving.connections == 0
    assert (await serving.ask(client)).allowed


async def test_a_connection_without_a_request_is_ended(serving: Serving, client: aiohttp.ClientSession):
    await serving.ask(client)
    reader, writer = await serving.open()
    writer.write(b"POST / HTTP/1.1\r\nHost:")  # headers that never end
    await until(lambda: serving.connections == 2)
    await serving.watching.clock.advance(FIRST_SECONDS + 2)
    with pytest.raises(ConnectionError):
        assert await reader.read() == b""
        raise ConnectionResetError
    await until(lambda: serving.connections == 1)  # the one that was used stays
    writer.close()


async def test_a_new_certificate_is_shown_to_new_connections_while_old_ones_go_on(
    serving: Serving, client: aiohttp.ClientSession
):
    done = 0

    async def keep_asking() -> None:
        nonlocal done
        for _ in range(20):
            assert (await serving.ask(client)).allowed
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(keep_asking())
        for turn in range(5):
            await until(lambda turn=turn: done >= 30 * turn)
            serving.watching.mounted.issue(authority=serving.authority)
            serving.watching.certificate.look()
    assert done == 200
    serving.authority = serving.watching.mounted.issue()
    serving.watching.certificate.look()
    _, writer = await serving.open()  # trusts the new authority alone
    assert (await serving.ask(client)).allowed  # over a connection from before
    writer.close()


async def test_when_told_to_stop_it_answers_and_sends_clients_elsewhere(
    serving: Serving, client: aiohttp.ClientSession
):
    await serving.ask(client)
    draining = asyncio.ensure_future(serving.server.drain())
    async with client.post(serving.url(), data=GOOD, headers={"Content-Type": "application/json"}) as reply:
        assert parsed(await reply.read()).allowed and reply.headers["Connection"] == "close"
    await serving.watching.clock.advance(DRAIN_SECONDS)
    await draining


async def test_after_the_end_nothing_is_accepted_and_nothing_is_left(tmp_path: Path):
    async with at_work(tmp_path) as made:
        _, writer = await made.open()
        await until(lambda: made.connections == 1)
        port = made.port
    assert made.connections == 0
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def test_an_address_that_is_taken_is_said(tmp_path: Path):
    made = Serving(tmp_path)
    with listening("127.0.0.1", 0) as taken, pytest.raises(CannotListen, match=r"cannot listen on 127\.0\.0\.1:"):
        async with made.server.serving("127.0.0.1", taken.getsockname()[1]):
            pass


async def test_a_server_that_is_cancelled_anywhere_leaves_nothing_behind(tmp_path: Path):
    made = Serving(tmp_path)

    async def life() -> None:
        async with made.server.serving("127.0.0.1", 0) as made.port:
            _, writer = await made.open()
            writer.close()

    async for _ in every_await(life):
        await until(lambda: made.connections == 0)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", made.port or 1)


def test_all_addresses_of_the_machine_include_both_families():
    with listening("", 0) as both, listening("127.0.0.1", 0) as one:
        assert both.getsockname()[0] == "::" and one.getsockname()[0] == "127.0.0.1"
