"""Drives one list-and-watch for ever: list in pages, watch, resume, list again when the server says so.

Neighbours: watchstate.py decides what comes next and after how long, rest.py makes the requests, informer.py is the
Sink. No error ends it, whether it is the API server's or a bug in the Sink.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Final, NoReturn, Protocol, TypeVar

import msgspec

from eso.api.meta import Resource
from eso.kube.rest import ApiError, Rest, Unreachable, typed, unquoted
from eso.kube.rest import Gone as ApiGone
from eso.kube.watchstate import (
    Bookmark,
    Changed,
    Closed,
    End,
    Gone,
    Listed,
    Listing,
    Pace,
    Signal,
    State,
    Watching,
    advance,
    step,
)
from eso.observe import redact
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock, SystemClock

Key = tuple[str, str]

YIELD_EVERY: Final = 64  # events between two turns of the loop for others
YIELD_BYTES: Final = 256 << 10  # the same in bytes: an object may have more than a megabyte
# How long the server may keep one stream open. Drawn anew each time, so that watches do not end together.
WATCH_SECONDS: Final = (240, 300)
SILENCE: Final = 30.0  # seconds; without a byte for so long after that time, the stream is broken
HEALTHY: Final = 5.0  # seconds; a stream that lived so long, or brought an event, clears the failures
MAX_LINE: Final = 16 * 1024 * 1024  # bytes of one event


class Sink(Protocol):
    """Where the objects go. `raw` pins the whole page it came in: decode it, do not keep it."""

    def list_began(self) -> None: ...

    def listed(self, key: Key, version: str, raw: msgspec.Raw) -> None: ...

    async def list_ended(self) -> None:
        """All pages of one consistent list were seen; an object that was not among them is gone."""

    def changed(self, key: Key, version: str, raw: msgspec.Raw) -> None: ...

    def deleted(self, key: Key, raw: msgspec.Raw) -> None: ...


class _Meta(msgspec.Struct, gc=False):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


class _Failure(msgspec.Struct):
    """The Status object of an ERROR event."""

    message: str = ""
    reason: str = ""
    code: int = 0


class _Page(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


T = TypeVar("T")

_object = msgspec.json.Decoder(_Object)
_page = msgspec.json.Decoder(_Page)
_event = msgspec.json.Decoder(_Event)
_failure = msgspec.json.Decoder(_Failure)


class Watch:
    """One resource, in one namespace or all, narrowed by selectors.

    `error` is the last answer while things go wrong, None while they go well; `heard(error)` is told of each. `age()`:
    the seconds since the server was last heard.
    """

    def __init__(
        self,
        rest: Rest,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        log: Log = SILENT,
        heard: Callable[[ApiError | None], None] = lambda error: None,
    ) -> None:
        self._rest, self._resource, self._sink, self._namespace = rest, resource, sink, namespace
        self._label_selector, self._field_selector, self._metadata_only = label_selector, field_selector, metadata_only
        self._clock, self._jitter, self._log, self._heard_of = clock or SystemClock(), jitter, log, heard
        self._heard = self._clock.monotonic()
        self._opened = float("inf")  # when the present stream was opened
        self._pace = Pace()
        self.state: State = Listing()
        self.error: ApiError | None = None

    def age(self) -> float:
        return self._clock.monotonic() - self._heard

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            before, self._opened = self.state, float("inf")
            error = await self._attempt()
            if error is not None:
                self._signal(Gone() if isinstance(error, ApiGone) else Closed())
            self._tell(error)
            next_step = step(self._pace, self._end(before, error), healthy=self._healthy(before))
            self._pace = next_step.pace
            if next_step.relist:
                self._signal(Gone())
            if next_step.seconds is not None:
                await self._clock.sleep(next_step.seconds * (0.5 + self._jitter()))

    async def _attempt(self) -> ApiError | None:
        """One list or one watch, to its end. Returns why it ended, None when there was no error."""
        try:
            match self.state:
                case Listing():
                    await self._list()
                case Watching(version):
                    await self._watch(version)
        except ApiError as error:
            return error
        except Exception as error:  # a bug, here or in the sink: it ends neither the watch nor the process
            self._log.error(
                "watch failed unexpectedly",
                resource=self._resource.plural,
                error=type(error).__name__,
                stacktrace=redact.stack(error),
            )
            self._signal(Gone())  # an event may have been lost: list again
            return Unreachable(f"the watch of {self._resource.plural} failed: unexpected {type(error).__name__}")
        return None

    def _healthy(self, before: State) -> bool:
        """The watch brought an event, or lived for a while."""
        if isinstance(before, Listing):
            return False
        return self.state != before or self._clock.monotonic() - self._opened >= HEALTHY

    def _end(self, before: State, error: ApiError | None) -> End:
        match error:
            case None:
                return End.COMPLETE if isinstance(before, Listing) or self._healthy(before) else End.EMPTY
            case ApiGone():
                return End.EXPIRED
            case _:
                return End.REFUSED if error.status else End.BROKEN

    async def _list(self) -> None:
        self._sink.list_began()
        version, seen, weight = "", 0, 0
        pages = self._rest.list_pages(
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            metadata_only=self._metadata_only,
        )
        async for raw_page in pages:
            self._heard = self._clock.monotonic()
            page = self._decoded(_page, raw_page, "the list of {} is not a list")
            del raw_page  # the items keep the page's bytes alive; nothing else should
            version = page.metadata.resourceVersion
            for raw in page.items or ():
                meta = self._decoded(_object, raw, "the list of {} holds something that is no object").metadata
                self._sink.listed((meta.namespace, meta.name), meta.resourceVersion, raw)
                seen, weight = seen + 1, weight + memoryview(raw).nbytes
                if seen % YIELD_EVERY == 0 or weight >= YIELD_BYTES:
                    weight = 0
                    await asyncio.sleep(0)
        await self._sink.list_ended()
        self._signal(Listed(version))

    async def _watch(self, version: str) -> None:
        low, high = WATCH_SECONDS
        stream = self._rest.watch(
            self._resource,
            self._namespace,
            version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            metadata_only=self._metadata_only,
            seconds=int(low + (high - low) * self._jitter()),
            silence=SILENCE,
        )
        seen = weight = 0
        async with stream as chunks:
            self._heard = self._opened = self._clock.monotonic()
            self._tell(None)
            async for line in lines(chunks):
                self._heard = self._clock.monotonic()
                self._take(line)
                seen, weight = seen + 1, weight + len(line)
                if seen % YIELD_EVERY == 0 or weight >= YIELD_BYTES:
                    weight = 0
                    await asyncio.sleep(0)
        if self.state == Watching(version):
            await self._check_place(version)

    async def _check_place(self, version: str) -> None:
        """Asks whether `version` lies in the future: a watch from there is silent, not refused, and after a restore
        from a backup it would stay silent for hours."""
        async with contextlib.aclosing(
            self._rest.list_pages(self._resource, self._namespace, limit=1, metadata_only=True)
        ) as pages:
            page = self._decoded(_page, await anext(pages), "the list of {} is not a list")
        newest = page.metadata.resourceVersion
        if newest.isdigit() and version.isdigit() and int(newest) < int(version):
            self._signal(Gone())

    def _take(self, line: bytes) -> None:
        odd = "the watch of {} sent something that is no event"
        event = self._decoded(_event, line, odd)
        if event.type == "ERROR":
            failure = self._decoded(_failure, event.object, odd)
            text = unquoted(failure.message) or "the API server ended the watch with an error"
            raise typed(failure.code, failure.reason, text)
        meta = self._decoded(_object, event.object, odd).metadata
        key, version = (meta.namespace, meta.name), meta.resourceVersion
        match event.type:
            case "ADDED" | "MODIFIED":
                self._sink.changed(key, version, event.object)
                self._signal(Changed(version))
            case "DELETED":
                self._sink.deleted(key, event.object)
                self._signal(Changed(version))
            case "BOOKMARK":
                self._signal(Bookmark(version))
            case _:
                raise Unreachable(f"the watch of {self._resource.plural} sent an event of an unknown type")

    def _decoded(self, decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, odd: str) -> T:
        """Raises Unreachable with the text `odd`: something else than the API server answered."""
        try:
            return decoder.decode(raw)
        except msgspec.MsgspecError as error:
            raise Unreachable(odd.format(self._resource.plural)) from error

    def _signal(self, signal: Signal) -> None:
        self.state = advance(self.state, signal)

    def _tell(self, error: ApiError | None) -> None:
        """Logs a cause once, not each time it is met again."""
        if error is not None and str(error) != str(self.error):
            self._log.warning(
                "watch interrupted", resource=self._resource.plural, namespace=self._namespace, error=str(error)
            )
        self.error = error
        self._heard_of(error)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends. A last line without an end is not complete: dropped. Raises Unreachable for one longer
    than MAX_LINE."""
    parts: list[bytes] = []
    length = 0
    async for chunk in chunks:
        *complete, tail = chunk.split(b"\n")
        for line in complete:
            if parts:
                parts.append(line)
                line = b"".join(parts)
                parts, length = [], 0
            if line:
                yield line
        if tail:
            parts.append(tail)
            length += len(tail)
            if length > MAX_LINE:
                raise Unreachable("the watch sent an event without an end")
