"""Events: written once, counted up when they repeat, and never in the way of a pass.

Neighbours: reconcilers `emit`; `app.lifecycle` runs the writer and drains it at stop. Follows client-go's rules, so
that `kubectl describe` reads the same: repeats within ten minutes bump a count, many different texts are combined, one
noisy object is cut short.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, NoReturn, TypeVar

from eso.api.meta import EVENTS, ObjectMeta, Resource, rfc3339
from eso.api.wellknown import EXTENSIONS_PREFIX
from eso.kube.rest import ApiError, NotFound, Rest, TooMany, Unavailable, Unreachable
from eso.observe import redact
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock, SystemClock

WINDOW: Final = 600.0  # seconds after which a repeat is a new Event
SIMILAR: Final = 10  # different texts within the window before they are combined
BURST, REFILL = 25.0, 1.0 / 300.0  # Events of one object: at once, and per second
REMEMBERED: Final = 4096  # of each kind of key
WAITING: Final = 4096  # Events that may wait to be written
SHARE: Final = 1024  # of them from one namespace
TRIES: Final = 3
PAUSE: Final = 5.0  # seconds, when the API server cannot take Events
MAX_MESSAGE: Final = 4096  # characters
NEXT_ATTEMPT: Final = f"{EXTENSIONS_PREFIX}next-attempt"
COMBINED: Final = "(combined from similar events): "


@dataclass(frozen=True, slots=True)
class Similar:
    """What makes Events similar: everything but the text."""

    component: str
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Same:
    similar: Similar
    message: str  # "" for combined ones


@dataclass(slots=True)
class _Waiting:
    """An Event to write; `count` repeats joined it while it waited."""

    similar: Similar
    message: str
    resource_version: str
    first: datetime
    last: datetime
    next_attempt: datetime | None = None
    count: int = 1
    tries: int = 0


@dataclass(slots=True)
class _Written:
    name: str
    count: int
    last: float


@dataclass(slots=True)
class _Texts:
    began: float
    seen: set[int] = field(default_factory=set)  # hashes: texts can be long


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


V = TypeVar("V")


class _Recent(Generic[V]):
    """The most recently used entries, bounded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[Any, V] = OrderedDict()

    def get(self, key: Any) -> V | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Any, value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
        return value

    def pop(self, key: Any) -> None:
        self._entries.pop(key, None)


class Recorder:
    """`emit` never waits and never raises; one task runs `run`. `dropped` counts the Events that were too many."""

    def __init__(self, rest: Rest, *, clock: Clock | None = None, log: Log = SILENT) -> None:
        self._rest, self._clock, self._log = rest, clock or SystemClock(), log
        self._waiting: OrderedDict[_Same, _Waiting] = OrderedDict()
        self._waiting_of: Counter[str] = Counter()  # by namespace
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._written: _Recent[_Written] = _Recent(REMEMBERED)
        self._texts: _Recent[_Texts] = _Recent(REMEMBERED)
        self._buckets: _Recent[_Bucket] = _Recent(REMEMBERED)
        self._in_hand = self._last_stamp = 0
        self.dropped = 0

    def emit(
        self,
        component: str,
        resource: Resource,
        meta: ObjectMeta,
        type: str,
        reason: str,
        message: str,
        *,
        next_attempt: datetime | None = None,
    ) -> None:
        """`component` is the source shown to users; `type` Normal or Warning. `next_attempt` goes into an annotation,
        because in the text it would make every repeat a new Event."""
        similar = Similar(
            component, resource.api_version, resource.kind, meta.namespace, meta.name, meta.uid, type, reason
        )
        # Half a surrogate pair, as in text that was made from bytes, cannot be written as JSON.
        message = message[:MAX_MESSAGE].encode("utf-8", "replace").decode()
        message, same = self._combined(similar, message)
        now = self._clock.now()
        waiting = self._waiting.get(same)
        if waiting is not None:
            waiting.count, waiting.last, waiting.message, waiting.next_attempt = (
                waiting.count + 1,
                now,
                message,
                next_attempt,
            )
            return
        if (
            len(self._waiting) >= WAITING
            or self._waiting_of[similar.namespace] >= SHARE
            or not self._affordable(similar)
        ):
            self.dropped += 1
            return
        self._waiting_of[similar.namespace] += 1
        self._waiting[same] = _Waiting(similar, message, meta.resource_version, now, now, next_attempt)
        self._idle.clear()
        self._news.set()

    async def run(self) -> NoReturn:
        """Writes one Event after the other, so that Events do not compete with the writes of passes. Until cancelled;
        no error ends it."""
        while True:
            while self._waiting:
                same, waiting = next(iter(self._waiting.items()))
                del self._waiting[same]
                self._waiting_of[same.similar.namespace] -= 1
                if not self._waiting_of[same.similar.namespace]:
                    del self._waiting_of[same.similar.namespace]
                self._in_hand = 1
                done = await self._write(same, waiting)
                self._in_hand = 0
                if not done:
                    waiting.tries += 1
                    if waiting.tries < TRIES:
                        self._put_back(same, waiting)
                    await self._clock.sleep(PAUSE)
            self._news.clear()
            self._idle.set()
            await self._news.wait()

    async def drain(self, seconds: float) -> None:
        """Returns when nothing waits any more, or after `seconds`: at stop, with `run` still running."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self._log.warning("events were left unwritten", count=len(self._waiting) + self._in_hand)

    def _combined(self, similar: Similar, message: str) -> tuple[str, _Same]:
        now = self._clock.monotonic()
        texts = self._texts.get(similar)
        if texts is None or now - texts.began > WINDOW:
            texts = self._texts.put(similar, _Texts(now))
        text = hash(message)
        if text not in texts.seen and len(texts.seen) >= SIMILAR:
            return COMBINED + message, _Same(similar, "")
        texts.seen.add(text)
        return message, _Same(similar, message)

    def _affordable(self, similar: Similar) -> bool:
        now = self._clock.monotonic()
        key = (similar.component, similar.kind, similar.namespace, similar.name, similar.uid)
        bucket = self._buckets.get(key) or self._buckets.put(key, _Bucket(BURST, now))
        bucket.tokens, bucket.at = min(BURST, bucket.tokens + (now - bucket.at) * REFILL), now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _put_back(self, same: _Same, waiting: _Waiting) -> None:
        newer = self._waiting.get(same)
        if newer is not None:
            waiting.count, waiting.last, waiting.message = waiting.count + newer.count, newer.last, newer.message
        else:
            self._waiting_of[same.similar.namespace] += 1
        self._waiting[same] = waiting
        self._waiting.move_to_end(same, last=False)

    async def _write(self, same: _Same, waiting: _Waiting) -> bool:
        """False when it is worth trying again."""
        about = waiting.similar
        try:
            written = self._written.get(same)
            if (
                written is None
                or self._clock.monotonic() - written.last > WINDOW
                or not await self._bump(written, waiting)
            ):
                await self._create(same, waiting)
        except ApiError as error:
            self._log.warning("could not write an event", namespace=about.namespace, name=about.name, error=str(error))
            return not isinstance(error, (Unreachable, Unavailable, TooMany))
        except Exception as error:  # a bug: this Event is lost, and the next ones are written
            self._log.error(
                "could not write an event",
                namespace=about.namespace,
                name=about.name,
                error=type(error).__name__,
                stacktrace=redact.stack(error),
            )
        return True

    async def _bump(self, written: _Written, waiting: _Waiting) -> bool:
        """False when the Event expired at the server."""
        body: dict[str, Any] = {
            "count": written.count + waiting.count,
            "lastTimestamp": rfc3339(waiting.last),
            "message": waiting.message,
        }
        body["metadata"] = {"annotations": _annotations(waiting) or None}
        try:
            await self._rest.patch(EVENTS, _namespace(waiting.similar), written.name, body)
        except NotFound:
            return False
        written.count, written.last = written.count + waiting.count, self._clock.monotonic()
        return True

    async def _create(self, same: _Same, waiting: _Waiting) -> None:
        # Named as client-go does: the nanosecond, in hex. Counted up, because two Events of one object can fall into
        # one tick of the clock.
        self._last_stamp = max(self._last_stamp + 1, int(waiting.first.timestamp() * 1_000_000_000))
        body = _body(waiting, f".{self._last_stamp:x}")
        await self._rest.create(EVENTS, _namespace(waiting.similar), body)
        self._written.put(same, _Written(body["metadata"]["name"], waiting.count, self._clock.monotonic()))


def _namespace(similar: Similar) -> str:
    return similar.namespace or "default"  # where Events of cluster-wide objects live


def _body(waiting: _Waiting, suffix: str) -> dict[str, Any]:
    about = waiting.similar
    notes = _annotations(waiting)
    involved = {
        "kind": about.kind,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "apiVersion": about.api_version,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": about.name[: 253 - len(suffix)] + suffix, "namespace": _namespace(about)}
        | ({"annotations": notes} if notes else {}),
        "involvedObject": {
            key: value for key, value in (involved | {"resourceVersion": waiting.resource_version}).items() if value
        },
        "reason": about.reason,
        "message": waiting.message,
        "source": {"component": about.component},
        "reportingComponent": about.component,
        "type": about.type,
        "firstTimestamp": rfc3339(waiting.first),
        "lastTimestamp": rfc3339(waiting.last),
        "count": waiting.count,
    }


def _annotations(waiting: _Waiting) -> dict[str, str]:
    return {NEXT_ATTEMPT: rfc3339(waiting.next_attempt)} if waiting.next_attempt else {}
