"""Reviews over HTTPS: reads a body, asks review.py, sends the answer.

Neighbours: connections.py bounds who may talk, certificate.py has the TLS context, `app.webhook` runs it. A review
waits for nothing but its own body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiohttp import hdrs, web

from eso.admission.certificate import Certificate
from eso.admission.connections import Connections, listening
from eso.admission.review import Reviewer, Unfit, answer
from eso.net.bodies import Bodies, Crowded, TooLong, TooSlow
from eso.observe import redact
from eso.observe.health import CannotListen
from eso.observe.log import Log
from eso.runtime.clock import Clock

JSON: Final = "application/json"
MAX_BODY: Final = 7 << 20  # bytes: an object and its predecessor of 3 MiB each
MAX_BODIES: Final = 32 << 20  # bytes of all bodies that are being read
BODY_SECONDS: Final = 5.0  # the API server waits no longer either
DRAIN_SECONDS: Final = 3.0  # after the wish to stop: the API server learns late that the endpoint is gone
TOO_LARGE: Final = f"request entity is too large; limit is {MAX_BODY} bytes"


class Meter(Protocol):
    def received(self, path: str) -> None: ...
    def answered(self, path: str, code: int, seconds: float) -> None: ...


class Server:
    def __init__(self, reviewer: Reviewer, certificate: Certificate, meter: Meter, clock: Clock, log: Log) -> None:
        self._reviewer, self._meter, self._clock, self._log = reviewer, meter, clock, log
        self._paths = frozenset(reviewer.paths)
        self._bodies = Bodies(MAX_BODY, MAX_BODIES, BODY_SECONDS)
        self._leaving = False
        self.connections = Connections(self._handle, lambda: certificate.context, clock)

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serves for as long as the block lasts; yields the port. Then what is being answered is answered. Raises
        CannotListen."""
        try:
            listener = listening(host, port)
        except OSError as error:
            text = f"cannot listen on {host}:{port}: {error.strerror}"
            raise CannotListen(text, fix="choose another --port") from error
        with listener:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self.connections.accept(listener))
                try:
                    yield int(listener.getsockname()[1])
                finally:
                    accepting.cancel()
        await self.connections.shutdown(DRAIN_SECONDS)

    async def drain(self) -> None:
        """Answers for some seconds more, and ends each connection with its next answer: the API server goes to another
        replica. An idle one stays open: the API server does not repeat a request that meets its end."""
        self._leaving = True
        await self._clock.sleep(DRAIN_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.connections.used(request.protocol)
        path, began = request.path, self._clock.monotonic()
        if path not in self._paths:
            return refusal(404, "404 page not found")
        self._meter.received(path)
        code = 500
        try:
            response = await self._answer(path, request)
            code = response.status
        except Exception as error:
            if isinstance(error, OSError):
                code = 400  # the client left: no failure of ours, and none that an alert is for
                raise
            self._log.error("a review failed", path=path, error=type(error).__name__, stacktrace=redact.stack(error))
            response = refusal(code, "internal error")
        finally:
            self._meter.answered(path, code, self._clock.monotonic() - began)
        if self._leaving:
            response.force_close()
        return response

    async def _answer(self, path: str, request: web.BaseRequest) -> web.Response:
        if request.method != hdrs.METH_POST:
            return refusal(405, "only POST is answered here", {hdrs.ALLOW: hdrs.METH_POST})
        if (request.content_length or 0) > MAX_BODY:
            return unread(answer("", "", Unfit(413, TOO_LARGE)))
        try:
            with self._bodies.holding() as held:
                body = await self._bodies.read(request, held)
        except TooLong:
            return unread(answer("", "", Unfit(413, TOO_LARGE)))
        except TooSlow:
            return refusal(408, "the request did not come in time")
        except Crowded:
            # The API server asks again after this time, for as long as its own timeout lasts.
            return refusal(503, "too many reviews at once", {hdrs.RETRY_AFTER: "1"})
        except web.RequestPayloadError:
            return refusal(400, "the request cannot be read")
        if not body:
            return reply(answer("", "", Unfit(400, "request body is empty")))
        if request.content_type != JSON:
            text = f"contentType={request.headers.get(hdrs.CONTENT_TYPE, '')[:256]}, expected {JSON}"
            return reply(answer("", "", Unfit(400, text)))
        return reply(self._reviewer.review(path, body))


def reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON)


def unread(body: bytes) -> web.Response:
    """An answer to a request whose body stays unread: the connection ends with it."""
    response = reply(body)
    response.force_close()
    return response


def refusal(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """No answer to a review: what becomes of the object is up to the failurePolicy."""
    response = web.Response(status=status, text=text, headers=headers)
    response.force_close()
    return response
