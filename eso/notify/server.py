"""The server that takes change events in: `POST /v1/changes/<namespace>/<name>`.

Neighbours: verify.py, jwt.py and sns.py judge the sender, formats.py reads what was said, the room of ChangeSource
(through `take`) queues it and writes it down. A stranger gets the same answer whether or not there is such a source.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from eso.api.changesource import Auth, Change, Full, Intake, Jwt, SharedSecret, Sns, Taken, Unwritten
from eso.net.bodies import Bodies, Crowded, Held, TooLong, TooSlow
from eso.notify import jwt, sns
from eso.notify.formats import Answer, Confirm, Told, Unreadable, read
from eso.notify.keyring import Keyring, NoSuch, NotFetched
from eso.notify.limits import Limits, cost_of
from eso.notify.verify import FORGED, UNSIGNED, Cause, Genuine, Refused, Replays, Verdict, by_secret, token_of
from eso.observe import redact
from eso.observe.health import CannotListen, bind_address
from eso.observe.log import Log
from eso.runtime.clock import Clock
from eso.secretbytes import SecretBytes

MOST_BODY: Final = 256 << 10  # bytes
HEAD_SECONDS: Final = 10.0  # for a connection to send the head of its request
BODY_SECONDS: Final = 10.0
MOST_CONNECTIONS: Final = 1000
MOST_BUFFERED: Final = 16 << 20  # bytes of all requests that are not answered yet
LINGER_SECONDS: Final = 1.0  # for the rest of a body that is refused, so that the sender sees the answer
PATH: Final = ("", "v1", "changes")
SIGNATURES: Final = frozenset(
    ("webhook-signature", "x-hub-signature-256", "x-doppler-signature", "x-infisical-signature", "x-gitlab-token")
)
SNS_TYPE: Final = "x-amz-sns-message-type"
GRID: Final = "eventgrid.azure.net"

Key = tuple[str, str]  # namespace, name


class Source(Protocol):
    """A ChangeSource as far as its sender is judged. `secrets`: the values behind `auth.secret_refs`; () when they
    cannot be read. `stores`: how many of its stores may be used."""

    @property
    def uid(self) -> str: ...
    @property
    def auth(self) -> Auth: ...
    @property
    def secrets(self) -> tuple[SecretBytes, ...]: ...
    @property
    def stores(self) -> int: ...


class Meter(Protocol):
    def change_event(self, source: Key | None, outcome: str) -> None: ...


Find = Callable[[Key], Source | None]
Take = Callable[[Key, tuple[Change, ...], datetime], Awaitable[Intake]]
Heard = Callable[[Key, str], None]  # an event for a source that exists, and what became of it

NOBODY: Final = Auth(hmac=SharedSecret())


_silent: Final = logging.Logger("eso.notify", logging.CRITICAL + 1)  # else strangers fill the log with stacks


@dataclass(frozen=True, slots=True)
class Reply:
    """`outcome` is a label of the metric; `more` is for a sender who has proved who it is."""

    status: int
    outcome: str
    more: Mapping[str, Any] | None = None
    retry_after: int = 0

    def response(self) -> web.Response:
        body = {"outcome": self.outcome} if self.more is None else dict(self.more)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        made = web.Response(
            status=self.status, body=orjson.dumps(body), content_type="application/json", headers=headers
        )
        # A proxy that keeps the connection could send the next event just as we close it, and may not send it again.
        made.force_close()
        return made


STRANGER: Final = Reply(401, "unauthorized", {"error": "unauthorized"})


class Door:
    """`find(key)` is the source of that name, `take` queues changes and writes them down, `heard` is told what became
    of each event of a source that exists. `limits` count what all sources of a namespace say."""

    def __init__(
        self,
        find: Find,
        take: Take,
        heard: Heard,
        keyring: Keyring,
        *,
        clock: Clock,
        meter: Meter,
        log: Log,
        limits: Limits | None = None,
    ) -> None:
        self._find, self._take, self._heard, self._keyring = find, take, heard, keyring
        self._clock, self._meter, self._log = clock, meter, log
        self._limits = limits or Limits()
        self._replays = Replays()
        self._bodies = Bodies(MOST_BODY, MOST_BUFFERED, BODY_SECONDS)
        self._decoy = (SecretBytes(os.urandom(32)),)  # a source that does not exist costs the same check

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request of the port. No exception of ours leaves it."""
        try:
            return await self._routed(request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the text may quote the request
            self._log.error("a change event was not taken in", error=type(error).__name__, stack=redact.stack(error))
            return Reply(500, "failed").response()

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.split("/")
        if tuple(parts[:3]) != PATH or len(parts) != 5 or not all(0 < len(part) <= 253 for part in parts[3:]):
            return Reply(404, "not found").response()
        if request.method == "OPTIONS":
            return preflight(request)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST, OPTIONS"})
        key = parts[3], parts[4]
        source = self._find(key)
        reply = await self._judged(key, source, request)
        self._meter.change_event(key if source is not None else None, reply.outcome)
        return reply.response()

    async def _judged(self, key: Key, source: Source | None, request: web.BaseRequest) -> Reply:
        with self._bodies.holding() as held:
            return await self._answered(key, source, request, held)

    async def _answered(self, key: Key, source: Source | None, request: web.BaseRequest, held: Held) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if (request.content_length or 0) > MOST_BODY:
            return Reply(413, "too_large")
        if headers.get("content-encoding", "identity") != "identity":
            return Reply(415, "encoded")
        # What the request shows decides when its body is read, not the source: else the order would tell of the source.
        by_body = not SIGNATURES.isdisjoint(headers) or SNS_TYPE in headers
        body, now = b"", self._clock.now()
        try:
            if by_body:
                body = await self._body(request, held)
            verdict = await self._verdict(source, headers, body, now.timestamp())
            if isinstance(verdict, Refused):
                if source is not None:
                    self._heard(key, verdict.cause.value)
                return refusal(verdict.cause)
            assert source is not None
            if not by_body:
                body = await self._body(request, held)
            if not self._limits.request(source.uid, len(body), self._clock.monotonic()):
                self._heard(key, "limited")
                return Reply(429, "limited", retry_after=1)
        except TooLong:
            return Reply(413, "too_large")
        except TooSlow:
            return Reply(408, "too_slow")
        except Crowded:
            return Reply(503, "crowded", retry_after=1)
        reply = await self._genuine(key, source, headers, body, verdict, now)
        self._heard(key, reply.outcome)
        return reply

    async def _verdict(self, source: Source | None, headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
        if source is None:
            by_secret(NOBODY, self._decoy, headers, body, now)
            return FORGED
        if source.auth.sns is not None:
            return await self._by_amazon(source.auth.sns, body, now)
        if source.auth.jwt is not None:
            return await self._by_token(source, source.auth.jwt, token_of(headers), now)
        return by_secret(source.auth, source.secrets or self._decoy, headers, body, now)

    async def _by_token(self, source: Source, rule: Jwt, token: str, now: float) -> Verdict:
        if not token:
            return UNSIGNED
        if not rule.names_sender:
            return FORGED  # an older schema let it through: a token of anybody at the issuer would do
        try:
            keys = await self._keys(source, newer=False)
            try:
                jwt.check(token, keys, rule, now)
            except jwt.UnknownKey:
                jwt.check(token, await self._keys(source, newer=True), rule, now)
        except (jwt.BadToken, jwt.BadKeySet):
            return FORGED
        except NotFetched:
            return Refused(Cause.KEYLESS)
        return Genuine()

    async def _keys(self, source: Source, *, newer: bool) -> tuple[jwt.Key, ...]:
        rule = source.auth.jwt
        assert rule is not None
        if rule.jwks.url:
            return await self._keyring.keys(rule.jwks.url, newer=newer)
        return key_set(source.secrets[0].reveal()) if source.secrets else ()

    async def _by_amazon(self, rule: Sns, body: bytes, now: float) -> Verdict:
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            return UNSIGNED
        if not isinstance(message, dict) or (url := sns.certificate_url(message)) is None:
            return UNSIGNED
        if message.get("TopicArn") not in rule.topic_arns:
            return FORGED  # before anything is fetched
        try:
            return sns.verdict(message, rule, await self._keyring.certificate(url), now)
        except NoSuch:
            return FORGED
        except NotFetched:
            return Refused(Cause.UNJUDGED)

    async def _genuine(
        self, key: Key, source: Source, headers: Mapping[str, str], body: bytes, genuine: Genuine, now: datetime
    ) -> Reply:
        """The sender is who it should be."""
        seconds = now.timestamp()
        if self._replays.seen(source.uid, genuine.replay_id, seconds):
            return Reply(202, "duplicate")
        if not source.stores:
            return Reply(403, "forbidden", {"error": "no store of this ChangeSource may be used"})
        try:
            reading = read(headers, body)
        except Unreadable as error:
            return Reply(400, "unreadable", {"error": str(error)})
        match reading:
            case Answer(answer):
                return Reply(200, "handshake", answer)
            case Confirm(message):
                url = sns.confirmation_url(message)
                if source.auth.sns is None or url is None or not await self._keyring.visit(url):
                    return Reply(502, "unconfirmed", {"error": "the subscription cannot be confirmed"})
                return Reply(200, "handshake")
            case Told(()):
                return Reply(200, "ignored")
            case Told(changes):
                cost = cost_of(changes, source.stores)
                if not self._limits.event(key[0], source.uid, cost, self._clock.monotonic()):
                    return Reply(429, "limited", retry_after=1)
                reply = taken(await self._take(key, changes, now), len(changes))
                if reply.status == 202:
                    self._replays.remember(key[0], source.uid, genuine.replay_id, seconds + genuine.lasts, seconds)
                return reply

    async def _body(self, request: web.BaseRequest, held: Held) -> bytes:
        """Raises TooLong, TooSlow, Crowded."""
        if request.headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await self._bodies.read(request, held)


def refusal(cause: Cause) -> Reply:
    """A message of SNS that cannot be judged now is not refused for good: SNS sends it again after a 503, and never
    after a 401. Only who knows a topic of the source, and only while Amazon's host cannot be reached, sees this."""
    if cause is Cause.UNJUDGED:
        return Reply(503, cause.value, STRANGER.more, retry_after=20)
    return Reply(STRANGER.status, cause.value, STRANGER.more)


@functools.lru_cache(maxsize=64)
def key_set(document: bytes) -> tuple[jwt.Key, ...]:
    return jwt.key_set(document)


def taken(intake: Intake, keys: int) -> Reply:
    match intake:
        case Taken(objects):
            return Reply(202, "accepted", {"outcome": "accepted", "keys": keys, "objects": objects})
        case Full():
            return Reply(429, "full", retry_after=5)
        case Unwritten():
            return Reply(503, "unwritten", retry_after=1)


def preflight(request: web.BaseRequest) -> web.Response:
    """Event Grid asks whether it may send CloudEvents here, before it shows a credential. The answer is the same for
    every path; what is sent later has to prove its sender."""
    if request.headers.get("WebHook-Request-Origin") != GRID:
        return web.Response(status=405, headers={"Allow": "POST"})
    return web.Response(status=200, headers={"WebHook-Allowed-Origin": GRID, "WebHook-Allowed-Rate": "120"})


class _Bounded(web.Server):
    """When there are too many, ends the oldest connection that has not sent its request, or else the oldest one: a
    sender in earnest is answered in a moment."""

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) <= MOST_CONNECTIONS:
            return
        others = [other for other in self._connections if other is not handler]
        idle = (other for other in others if not getattr(other, "_request_in_progress", False))
        self._connections[next(idle, others[0])].abort()


@asynccontextmanager
async def serving(address: str, door: Door) -> AsyncIterator[tuple[str, int]]:
    """Serves for as long as the block lasts; yields where. Raises CannotListen."""
    bound = bind_address(address)
    if bound is None:
        raise CannotListen(f"{address!r} is no address to listen on", fix="use :8083 or 127.0.0.1:8083")
    server = _Bounded(
        door.handle,
        access_log=None,
        keepalive_timeout=HEAD_SECONDS,
        lingering_time=LINGER_SECONDS,
        auto_decompress=False,
        max_line_size=4096,
        logger=_silent,
    )
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, bound[0] or None, bound[1]).start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {address}: {error.strerror}", fix="choose another --change-events-addr"
            ) from error
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()
