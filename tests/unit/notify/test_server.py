"""The door: who is let in, in which order a request is judged, and what a slow or greedy sender can cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from eso.api.changesource import Auth, Change, Full, Intake, Jwt, KeySet, SharedSecret, Sns, Taken, Unwritten
from eso.net.http import Pools
from eso.notify import server
from eso.notify.keyring import MOST_URLS, Keyring
from eso.notify.server import MOST_BODY, Door, serving
from eso.notify.verify import signed
from eso.observe.health import CannotListen
from eso.secretbytes import SecretBytes
from tests.fakes.clock import VirtualClock, until
from tests.harness.inprocess import Log
from tests.unit.notify.test_jwt import CLAIMS, KEYS, PRIVATE, RULE, rsa_jwk, token
from tests.unit.notify.test_sns import CONFIRM, MESSAGE, PEM, TOPIC
from tests.unit.notify.test_sns import signed as signed_by_amazon

START = datetime.fromtimestamp(1_700_000_000, UTC)
KEY = b"what-the-sender-has"


@dataclass
class Source:
    auth: Auth = field(default_factory=lambda: Auth(hmac=SharedSecret()))
    secrets: tuple[SecretBytes, ...] = (SecretBytes(KEY),)
    stores: int = 1
    uid: str = "uid"


class Keys(Keyring):
    """Documents by URL; a None cannot be fetched, and what is in `absent` does not exist."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(Pools(), clock)
        self.documents: dict[str, bytes | None] = {}
        self.asked: list[str] = []
        self.absent: set[str] = set()
        self.slow: asyncio.Event | None = None

    async def _get(self, url: str) -> bytes:
        self.asked.append(url)
        if self.slow is not None:
            await self.slow.wait()
        if url in self.absent:
            raise server.NoSuch("no")
        found = self.documents.get(url)
        if found is None:
            raise server.NotFetched("no")
        return found


class Place:
    """What stands behind the door."""

    def __init__(self) -> None:
        self.clock, self.log = VirtualClock(START), Log()
        self.sources: dict[tuple[str, str], Source] = {("team", "source"): Source()}
        self.taken: list[tuple[Change, ...]] = []
        self.heard: list[str] = []
        self.outcomes: list[tuple[Any, str]] = []
        self.answer: Intake | Exception = Taken(1)
        self.keyring = Keys(self.clock)
        self.door = Door(
            self.sources.get,
            self.take,
            lambda key, outcome: self.heard.append(outcome),
            self.keyring,
            clock=self.clock,
            meter=self,
            log=self.log,
        )
        self.port = 0
        self.told = 0

    def change_event(self, source: Any, outcome: str) -> None:
        self.outcomes.append((source, outcome))

    async def take(self, key: Any, changes: tuple[Change, ...], at: datetime) -> Intake:
        if isinstance(self.answer, Exception):
            raise self.answer
        self.taken.append(changes)
        return self.answer

    def sign(self, content: bytes, key: bytes = KEY, told: str = "") -> dict[str, str]:
        self.told += 1
        return signed(key, told or str(self.told), int(self.clock.now().timestamp()), content)

    async def post(
        self,
        content: bytes = b'{"keys":["a"]}',
        headers: Mapping[str, str] | None = None,
        path: str = "/v1/changes/team/source",
        method: str = "POST",
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own, as bytes."""
        given = self.sign(content) if headers is None else dict(headers)
        given = {"Host": "x", "Content-Length": str(len(content)), "Connection": "close"} | given
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        return await self.raw("\r\n".join(lines).encode() + content)

    async def raw(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await answer_of(reader)
        finally:
            writer.close()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Place]:
    async with serving("127.0.0.1:0", place.door) as (_, place.port):
        yield place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with opened(Place()) as one:
        yield one


async def test_a_signed_event_is_taken(place: Place):
    status, headers, body = await place.post()
    assert (status, orjson.loads(body)) == (202, {"outcome": "accepted", "keys": 1, "objects": 1})
    assert place.taken == [(Change("a"),)] and headers["cache-control"] == "no-store"
    assert place.outcomes == [(("team", "source"), "accepted")]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "POST", 404),
        ("/v1/changes/team", "POST", 404),
        ("/v1/changes/team/source/more", "POST", 404),
        ("/v1/changes//source", "POST", 404),
        ("/v1/changes/team/../source", "POST", 404),
        ("/v1/changes/" + "n" * 300 + "/source", "POST", 404),
        ("/metrics", "GET", 404),
        ("/v1/changes/team/source", "GET", 405),
        ("/v1/changes/team/source", "DELETE", 405),
        ("/v1/changes/team/source", "OPTIONS", 405),
    ],
)
async def test_there_is_one_path_and_one_method(place: Place, path: str, method: str, status: int):
    assert (await place.post(path=path, method=method))[0] == status
    assert place.taken == []


async def test_strangers_get_one_answer_whatever_is_behind_the_name(place: Place):
    place.sources["team", "bearer"] = Source(Auth(bearer=SharedSecret()))
    place.sources["team", "keyless"] = Source(secrets=())
    place.sources["team", "useless"] = Source(stores=0)
    document = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    place.sources["team", "jwt"] = Source(Auth(jwt=RULE), (SecretBytes(document),))
    place.sources["team", "sns"] = Source(Auth(sns=Sns()))
    place.sources["team", "github"] = Source(Auth(github=SharedSecret()))
    content = b'{"keys":["a"]}'
    tries: list[dict[str, str]] = [
        {},
        place.sign(content, b"guess"),
        {"Authorization": "Bearer guess"},
        {"Authorization": f"Bearer {token(alg=['RS256'])}"},
        {"X-Hub-Signature-256": "sha256=00"},
        {"x-amz-sns-message-type": "Notification"},
    ]
    for headers in tries:
        answers = set()
        for name in ("source", "nothing", "bearer", "keyless", "useless", "jwt", "sns", "github"):
            status, got, body = await place.post(content, headers, f"/v1/changes/team/{name}")
            got.pop("date")
            answers.add((status, tuple(sorted(got.items())), body))
        assert len(answers) == 1 and {status for status, _, _ in answers} == {401}
    assert place.taken == []


async def test_a_stranger_without_a_signature_is_refused_before_its_body_is_read(place: Place):
    """The body never comes: the answer does not wait for it."""
    for path in ("team/source", "team/nothing"):
        head = f"POST /v1/changes/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        assert (await place.raw(head.encode()))[0] == 401


async def test_a_long_body_is_refused_before_it_is_read(place: Place):
    for length in (MOST_BODY + 1, 1 << 40):
        head = f"POST /v1/changes/team/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        assert (await place.raw(head.encode()))[0] == 413
    content = orjson.dumps({"keys": ["a"], "more": "x" * (MOST_BODY - 40)})
    assert len(content) <= MOST_BODY and (await place.post(content))[0] == 202


async def test_a_body_without_a_length_is_counted(place: Place):
    head = "POST /v1/changes/team/source HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in place.sign(b"").items())
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert (await place.raw(head.encode() + b"\r\n" + chunk * 5))[0] == 413
    assert place.door._bodies.size == 0


async def test_a_sender_that_asks_before_it_sends_the_body_is_answered(place: Place):
    """curl does so with longer bodies; whoever is refused at once is spared the sending."""
    content = b'{"keys":["a"]}'
    lines = [f"{name}: {value}" for name, value in place.sign(content).items()]
    head = ["POST /v1/changes/team/source HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *lines]
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write("\r\n".join([*head, "Expect: 100-continue", "", ""]).encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(content)
    status, headers, _ = await answer_of(reader)
    assert (status, headers["connection"]) == (202, "close")
    assert await reader.read() == b""
    writer.close()


async def test_an_encoded_body_is_refused(place: Place):
    """A small one may become a large one."""
    content = b'{"keys":["a"]}'
    assert (await place.post(content, place.sign(content) | {"Content-Encoding": "gzip"}))[0] == 415


@pytest.mark.parametrize(
    "head", [b"GARBAGE\r\n\r\n", b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n", b"POST /" + b"x" * 9000]
)
async def test_what_is_no_request_is_refused(place: Place, head: bytes, caplog: pytest.LogCaptureFixture):
    assert (await place.raw(head + b" HTTP/1.1\r\n\r\n"))[0] == 400
    assert (await place.post())[0] == 202
    assert caplog.records == [], "a stranger fills no log"


async def test_a_sender_that_leaves_in_its_body_leaves_no_trace(place: Place, caplog: pytest.LogCaptureFixture):
    _, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(b"POST /v1/changes/a/b HTTP/1.1\r\nHost: x\r\nwebhook-signature: a\r\nContent-Length: 9\r\n\r\nx")
    await until(lambda: place.door._bodies.size == 1)
    writer.transport.abort()
    await until(lambda: place.door._bodies.size == 0)
    assert (await place.post())[0] == 202
    assert caplog.records == []


@pytest.mark.parametrize(
    "name", ["webhook-id", "webhook-signature", "webhook-timestamp", "authorization", "ce-subject"]
)
async def test_bytes_that_are_no_text_are_a_stranger_s(place: Place, name: str):
    head = {name.encode(): value.encode() for name, value in place.sign(b"{}").items()} | {
        name.encode(): b"v1,\xff\xfe"
    }
    lines = [b"POST /v1/changes/team/source HTTP/1.1", b"Host: x", b"Content-Length: 2"]
    lines += [key + b": " + value for key, value in head.items()]
    if name == "ce-subject":
        lines.append(b"ce-specversion: 1.0")
    status, _, body = await place.raw(b"\r\n".join([*lines, b"", b"{}"]))
    assert status == (400 if name in ("authorization", "ce-subject") else 401), body
    assert place.taken == []


@pytest.mark.parametrize(
    "path",
    ["/v1/changes/%ff/%00", "/v1/changes/a/%", "/v1/changes/a/b?x=%zz", "//v1/changes/a/b", "*", "/v1/changes/a/b#c"],
)
async def test_no_path_breaks_the_server(place: Place, path: str):
    assert (await place.post(path=path))[0] in (400, 401, 404)
    assert (await place.post())[0] == 202


async def test_a_sender_that_trickles_its_head_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    async with opened(Place()) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"POST /v1/changes/team/source HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.005)

        trickling = asyncio.ensure_future(trickle())
        try:
            assert await at_end(reader)
        finally:
            trickling.cancel()
            writer.close()


async def test_a_sender_that_trickles_its_body_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "BODY_SECONDS", 0.05)
    async with opened(Place()) as place:
        head = "POST /v1/changes/team/source HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in place.sign(b"").items())
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(head.encode() + b"\r\nx")
        status, _, _ = await answer_of(reader)
        assert status == 408 and place.door._bodies.size == 0
        writer.close()


async def test_too_many_idle_connections_push_the_oldest_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)
    async with opened(Place()) as place:
        idle = [await asyncio.open_connection("127.0.0.1", place.port) for _ in range(60)]
        assert (await place.post())[0] == 202
        gone = [reader for reader, _ in idle[:40] if not await at_end(reader)]
        assert gone == []
        for _, writer in idle:
            writer.close()


async def test_too_many_requests_that_stall_push_the_oldest_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)
    async with opened(Place()) as place:
        head = b"POST /v1/changes/a/b HTTP/1.1\r\nHost: x\r\nwebhook-signature: a\r\nContent-Length: 9\r\n\r\nx"
        stalled = []
        for n in range(20):
            stalled.append(await asyncio.open_connection("127.0.0.1", place.port))
            stalled[-1][1].write(head)
            await until(lambda n=n: place.door._bodies.size == n + 1)
        assert (await place.post())[0] == 202
        assert await at_end(stalled[0][0])
        await until(lambda: place.door._bodies.size == 19)
        for _, writer in stalled:
            writer.close()


async def at_end(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_BUFFERED", 100_000)
    async with opened(Place()) as place:
        content = b'{"keys":["a"],"more":"' + b"x" * 60_000 + b'"}'
        held = asyncio.Event()

        async def slow(key: Any, changes: tuple[Change, ...], at: datetime) -> Intake:
            await held.wait()
            return Taken(0)

        place.door._take = slow
        first = asyncio.ensure_future(place.post(content))
        await until(lambda: place.door._bodies.size > 60_000)
        status, headers, _ = await place.post(content)
        assert (status, headers["retry-after"]) == (503, "1")
        held.set()
        assert (await first)[0] == 202
        assert place.door._bodies.size == 0
        assert (await place.post(content))[0] == 202


async def test_strangers_that_stall_in_their_bodies_make_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_BUFFERED", 100_000)
    async with opened(Place()) as place:
        head = b"POST /v1/changes/a/b HTTP/1.1\r\nHost: x\r\nwebhook-signature: a\r\nContent-Length: 99999\r\n\r\n"
        stalled = [await asyncio.open_connection("127.0.0.1", place.port) for _ in range(3)]
        for n, (_, writer) in enumerate(stalled, 1):
            writer.write(head + b"x" * 30_000)
            await until(lambda n=n: place.door._bodies.size == n * 30_000)
        content = b'{"keys":["a"],"more":"' + b"x" * 60_000 + b'"}'
        assert (await place.post(content))[0] == 202
        for reader, writer in stalled[:2]:
            assert (await answer_of(reader))[0] == 503
            writer.close()
        assert place.door._bodies.size == 30_000, "the newest goes on"
        stalled[2][1].close()


async def test_a_burst_of_one_source_leaves_the_others_alone(place: Place):
    place.sources["other", "source"] = Source(uid="other")
    answers = [(await place.post())[0] for _ in range(220)]
    assert answers.count(202) == 200 and set(answers) == {202, 429}
    assert (await place.post(path="/v1/changes/other/source"))[0] == 202
    await place.clock.advance(1.0)
    assert [(await place.post())[0] for _ in range(60)].count(202) == 50


async def test_strangers_use_nothing_up(place: Place):
    for _ in range(300):
        assert (await place.post(headers={"Authorization": "Bearer x"}))[0] == 401
    assert (await place.post())[0] == 202


async def test_a_repetition_is_answered_and_not_taken(place: Place):
    content = b'{"keys":["a"]}'
    headers = place.sign(content, told="once")
    assert (await place.post(content, headers))[0] == 202
    status, _, body = await place.post(content, headers)
    assert (status, orjson.loads(body)) == (202, {"outcome": "duplicate"}) and len(place.taken) == 1
    await place.clock.advance(301)
    assert (await place.post(content, headers))[0] == 401


@pytest.mark.parametrize(
    ("answer", "status", "outcome"),
    [
        pytest.param(Full(), 429, "full", id="the source has too much pending"),
        pytest.param(Unwritten(), 503, "unwritten", id="nothing could be written down"),
        pytest.param(RuntimeError("a value"), 500, "failed", id="a bug"),
    ],
)
async def test_what_was_not_taken_may_be_sent_again(place: Place, answer: Any, status: int, outcome: str):
    content = b'{"keys":["a"]}'
    headers = place.sign(content, told="again")
    place.answer = answer
    got, _, body = await place.post(content, headers)
    assert (got, orjson.loads(body)["outcome"]) == (status, outcome)
    assert "a value" not in body.decode() + str(place.log.lines)
    place.answer = Taken(1)
    assert (await place.post(content, headers))[0] == 202 and len(place.taken) >= 1


async def test_an_unreadable_body_is_refused_with_the_reason(place: Place):
    status, _, body = await place.post(b'{"secret": "value"}')
    assert (status, orjson.loads(body)) == (400, {"error": "the format is not known"})
    assert place.heard == ["unreadable"] and place.outcomes == [(("team", "source"), "unreadable")]


async def test_an_event_about_something_else_is_fine(place: Place):
    assert (await place.post(b'{"object_kind": "pipeline"}'))[0] == 200
    assert place.taken == [] and place.heard == ["ignored"]


async def test_a_source_without_a_store_says_so_to_its_sender_only(place: Place):
    place.sources["team", "source"].stores = 0
    assert (await place.post())[0] == 403
    assert (await place.post(headers={}))[0] == 401


async def test_event_grid_asks_first(place: Place):
    content = orjson.dumps(
        [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "code"}}]
    )
    place.sources["team", "source"] = Source(Auth(bearer=SharedSecret()))
    status, _, body = await place.post(content, {"Authorization": f"Bearer {KEY.decode()}"})
    assert (status, orjson.loads(body)) == (200, {"validationResponse": "code"})
    assert (await place.post(content, {}))[0] == 401
    for path in ("team/source", "team/nothing"):
        status, headers, _ = await place.post(
            b"", {"WebHook-Request-Origin": "eventgrid.azure.net"}, f"/v1/changes/{path}", "OPTIONS"
        )
        assert (status, headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")


URL = "https://issuer.example/keys"


def by_url() -> Source:
    return Source(Auth(jwt=Jwt(RULE.issuer, RULE.audience, RULE.claims, KeySet(url=URL))), secrets=())


async def test_a_token_is_checked_with_the_keys_of_its_issuer(place: Place):
    place.sources["team", "source"] = by_url()
    place.keyring.documents[URL] = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    for _ in range(3):
        assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 202
    assert place.keyring.asked == [URL]
    assert (await place.post(headers={"Authorization": f"Bearer {token(CLAIMS | {'aud': 'them'})}"}))[0] == 401
    await place.clock.advance(4000)
    late = CLAIMS | {"exp": place.clock.now().timestamp() + 60}
    place.keyring.documents[URL] = None  # away for a while
    assert (await place.post(headers={"Authorization": f"Bearer {token(late)}"}))[0] == 202
    assert len(KEYS) == 2


async def test_an_unknown_key_asks_the_issuer_again_but_not_at_every_token(place: Place):
    place.sources["team", "source"] = by_url()
    place.keyring.documents[URL] = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="old")]})
    for _ in range(5):
        assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 401
    assert place.keyring.asked == [URL]
    place.keyring.documents[URL] = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    await place.clock.advance(61)
    assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 202
    assert place.keyring.asked == [URL, URL]


async def test_an_issuer_that_is_away_lets_nobody_in(place: Place):
    place.sources["team", "source"] = by_url()
    assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 401
    assert place.heard == ["keyless"]


async def test_a_key_set_may_stand_in_a_secret(place: Place):
    document = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    place.sources["team", "source"] = Source(Auth(jwt=RULE), (SecretBytes(document),))
    assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 202
    place.sources["team", "source"] = Source(Auth(jwt=RULE), (SecretBytes(b"no key set"),))
    assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 401


async def test_messages_of_sns_are_checked_and_subscriptions_confirmed():
    place = Place()
    place.clock._start = datetime(2012, 5, 2, 1, tzinfo=UTC)
    async with opened(place):
        place.sources["team", "source"] = Source(Auth(sns=Sns((TOPIC,))), secrets=())
        place.keyring.documents = {MESSAGE["SigningCertURL"]: PEM, CONFIRM["SubscribeURL"]: b"<ok/>"}
        kind = {"x-amz-sns-message-type": "Notification"}
        message = orjson.dumps(signed_by_amazon(MESSAGE | {"Message": '{"keys":["a"]}'}))
        assert (await place.post(message, kind))[0] == 202
        assert (await place.post(message, kind))[2] == b'{"outcome":"duplicate"}'
        assert (await place.post(orjson.dumps(signed_by_amazon(CONFIRM)), kind))[0] == 200
        assert place.keyring.asked == [MESSAGE["SigningCertURL"], CONFIRM["SubscribeURL"]]
        foreign = signed_by_amazon(CONFIRM | {"TopicArn": "arn:aws:sns:us-west-2:999999999999:Theirs"})
        assert (await place.post(orjson.dumps(foreign), kind))[0] == 401
        evil = MESSAGE | {"SigningCertURL": "https://evil.example/SimpleNotificationService-a.pem", "Signature": "AA=="}
        assert (await place.post(orjson.dumps(evil), kind))[0] == 401
        assert len(place.keyring.asked) == 2, "nothing is fetched for a stranger"


async def test_a_message_of_sns_that_cannot_be_judged_now_is_sent_again_and_counts_then():
    place = Place()
    place.clock._start = datetime(2012, 5, 2, 1, tzinfo=UTC)
    async with opened(place):
        place.sources["team", "source"] = Source(Auth(sns=Sns((TOPIC,))), secrets=())
        kind = {"x-amz-sns-message-type": "Notification"}
        message = orjson.dumps(signed_by_amazon(MESSAGE | {"Message": '{"keys":["a"]}'}))
        status, headers, body = await place.post(message, kind)
        assert (status, headers["retry-after"], body) == (503, "20", b'{"error":"unauthorized"}')
        assert place.heard == ["unjudged"] and not place.taken
        place.keyring.documents = {MESSAGE["SigningCertURL"]: PEM}
        await place.clock.advance(61)
        assert (await place.post(message, kind))[0] == 202


async def test_a_certificate_that_amazon_does_not_have_proves_nothing_and_tells_nothing():
    place = Place()
    place.clock._start = datetime(2012, 5, 2, 1, tzinfo=UTC)
    async with opened(place):
        place.sources["team", "source"] = Source(Auth(sns=Sns((TOPIC,))), secrets=())
        place.keyring.absent = {MESSAGE["SigningCertURL"]}
        kind = {"x-amz-sns-message-type": "Notification"}
        message = orjson.dumps(signed_by_amazon(MESSAGE))
        assert await place.post(message, kind) == await place.post(message, kind, path="/v1/changes/team/nothing")


async def test_a_certificate_that_is_slow_to_come_holds_up_no_other_source():
    place = Place()
    place.clock._start = datetime(2012, 5, 2, 1, tzinfo=UTC)
    async with opened(place):
        place.sources["team", "topic"] = Source(Auth(sns=Sns((TOPIC,))), secrets=(), uid="topic")
        place.keyring.slow = asyncio.Event()
        place.keyring.documents = {MESSAGE["SigningCertURL"]: PEM}
        kind = {"x-amz-sns-message-type": "Notification"}
        message = orjson.dumps(signed_by_amazon(MESSAGE | {"Message": '{"keys":["a"]}'}))
        waiting = [asyncio.ensure_future(place.post(message, kind, path="/v1/changes/team/topic")) for _ in range(20)]
        await until(lambda: len(place.keyring.asked) == 1)
        assert (await place.post())[0] == 202
        place.keyring.slow.set()
        assert {(await one)[0] for one in waiting} == {202}


async def test_a_rule_without_a_sender_lets_no_token_in(place: Place):
    rule = Jwt(issuer=RULE.issuer, audience=RULE.audience, jwks=KeySet(url=URL))
    place.sources["team", "source"] = Source(Auth(jwt=rule), secrets=())
    place.keyring.documents[URL] = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    assert (await place.post(headers={"Authorization": f"Bearer {token()}"}))[0] == 401
    assert place.heard == ["forged"] and place.keyring.asked == []


async def test_a_certificate_and_a_key_set_of_one_address_are_two_documents(place: Place):
    place.keyring.documents["https://x"] = PEM
    with pytest.raises(server.NotFetched):
        await place.keyring.keys("https://x")
    assert await place.keyring.certificate("https://x") == PEM


async def test_addresses_that_a_stranger_makes_up_push_no_good_document_out(place: Place):
    place.keyring.documents = {URL: orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]}), "https://good": PEM}
    await place.keyring.keys(URL)
    await place.keyring.certificate("https://good")
    for i in range(2 * MOST_URLS):
        with pytest.raises(server.NotFetched):
            await place.keyring.certificate(f"https://made-up-{i}")
    place.keyring.asked.clear()
    assert await place.keyring.certificate("https://good") == PEM and await place.keyring.keys(URL)
    assert place.keyring.asked == []


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "256.0.0.1:80"])
async def test_an_address_that_cannot_be_used_is_told(address: str):
    with pytest.raises(CannotListen):
        async with serving(address, Place().door):
            pass


async def test_no_answer_and_no_log_line_holds_a_key(place: Place):
    answers = [await place.post(), await place.post(headers={}), await place.post(b"junk")]
    assert KEY not in b"".join(body for _, _, body in answers) and "SecretBytes(***)" in repr(place.sources)


class Posted:
    """A request without a connection. Its body comes in two parts."""

    method = "POST"

    def __init__(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.path, self.headers, self.content_length = path, headers, len(body)
        self.content, self.parts = self, [body[:5], body[5:], b""]

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        return self.parts.pop(0)


async def test_ten_thousand_events_in_a_second_cost_bounded_memory_and_are_asked_to_wait(place: Place):
    """The clock stands still, so that all of them come within one second; each has an id of its own."""
    place.sources["team", "other"] = Source(uid="other")
    answers: Counter[int] = Counter()

    async def send(n: int) -> None:
        body = b'{"keys":["key-%d"]}' % n
        headers = signed(KEY, f"event-{n}", int(place.clock.now().timestamp()), body)
        request = Posted(f"/v1/changes/team/{('source', 'other')[n % 2]}", headers, body)
        answers[(await place.door.handle(request)).status] += 1  # type: ignore[arg-type]  # what the door looks at

    for first in range(0, 10_000, 500):  # a sender that waits for long is told so: a machine may take long for all
        async with asyncio.TaskGroup() as senders:
            for n in range(first, first + 500):
                senders.create_task(send(n))
    assert answers == {202: 400, 429: 9_600}
    assert len(place.taken) == 400 == len(place.door._replays)
    assert place.door._bodies.size == 0
    assert len(place.door._limits._buckets) <= 6
    place.sources["quiet", "source"] = Source(uid="quiet")
    assert (await place.post(path="/v1/changes/quiet/source"))[0] == 202


NAMES = (
    *sorted(server.SIGNATURES),
    "authorization",
    "content-encoding",
    "content-type",
    "webhook-id",
    "ce-specversion",
)
VALUES = (
    "",
    "x",
    "1700000000",
    "v1,AAAA",
    "Bearer x",
    "Bearer a.b.c",
    "sha256=00",
    "t=1;00",
    "gzip",
    "identity",
    "1.0",
)
BODIES = (b"", b"{}", b"[[[", b'{"keys":["a"]}', orjson.dumps(MESSAGE | {"TopicArn": "arn:a-guess"}), b"\x00" * 999)
HEADERS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=5)


@settings(max_examples=300, deadline=None)
@given(HEADERS, st.sampled_from(BODIES))
async def test_property_no_request_of_a_stranger_tells_one_source_from_another_or_from_none(headers, body):
    place = Place()
    document = orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one")]})
    place.sources |= {
        ("team", "jwt"): Source(Auth(jwt=RULE), (SecretBytes(document),)),
        ("team", "sns"): Source(Auth(sns=Sns((TOPIC,))), ()),
        ("team", "bearer"): Source(Auth(bearer=SharedSecret())),
        ("team", "without-a-secret"): Source(secrets=()),
        ("team", "without-a-store"): Source(stores=0),
    }
    answers = set()
    for _, name in (*place.sources, ("", "nothing")):
        request = Posted(f"/v1/changes/team/{name}", headers, body)
        reply = await place.door.handle(request)  # type: ignore[arg-type]  # what the door looks at
        assert isinstance(reply, web.Response)
        answers.add((reply.status, bytes(reply.body or b""), tuple(sorted(reply.headers.items()))))
    assert len(answers) == 1 and not place.taken and place.keyring.asked == []
