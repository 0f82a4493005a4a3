"""One GeneratorState's story: it waits for its deadline, goes, and takes the values back before it is gone.

Neighbours: decide.py says what the next step is, `generators.front` cleans up. The snapshot in the object says how; the
Secrets that it refers to must still be there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any, Final, Protocol

import orjson

from eso.api.generators import FINALIZER_GENERATOR_STATE, GENERATOR_STATES, GeneratorState
from eso.api.meta import NAMESPACES, ObjectMeta, Resource, Undecodable
from eso.errors import EsoError
from eso.generators.front import Generators
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import ApiError, Conflict, NotFound, Rest
from eso.observe.log import Log
from eso.reconcile.generatorstate.decide import CleanUp, Expire, Hold, Nothing, Wait, decide
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.insistence import Insistence
from eso.runtime.outcome import After, Done, Outcome, Retry, Wake

Key = tuple[str, str]
SOON: Final = 5.0  # seconds between two tries in a namespace that is going
UNKNOWN: Any = "could not get generator: generator not found"


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def gone(self, key: Key) -> None: ...


class NotCleanedUp(EsoError):
    """The values are still valid in the backend."""


class ReconcileGeneratorState:
    """`lookup` is the informer, `terminating(namespace)` says whether a namespace is going, `emit` queues an Event,
    `limit()` bounds the time that values take to be taken back and raises TooLate."""

    def __init__(
        self,
        lookup: Callable[[Key], GeneratorState | Undecodable | None],
        generators: Generators,
        rest: Rest,
        *,
        terminating: Callable[[str], bool],
        emit: Callable[[Resource, ObjectMeta, Event], None],
        meter: Meter,
        monotonic: Callable[[], float],
        log: Log,
        limit: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self.limit = limit
        self.lookup, self.generators, self.rest, self.terminating = lookup, generators, rest, terminating
        self.emit, self.meter, self.monotonic, self.log = emit, meter, monotonic, log
        self._held = Insistence()

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        """One pass. A race with another writer is looked at again."""
        began, record = self.monotonic(), self.lookup(key)
        if record is None:
            self.meter.gone(key)
            self._held.forget("/".join(key))
            return Done()
        try:
            outcome = await self._pass(record, now)
        except Conflict:
            outcome = Retry()
        except NotFound:
            outcome = Done()
        self.meter.passed(key, self.monotonic() - began)
        return outcome

    async def _pass(self, record: GeneratorState | Undecodable, now: datetime) -> Outcome:
        meta = record.metadata
        match decide(record, now, terminating=self.terminating(meta.namespace)):
            case Nothing():
                return Done()
            case Hold():
                return await self.hold(meta, now)
            case Wait(seconds):
                return After(seconds)
            case Expire():
                await self.rest.delete(GENERATOR_STATES, meta.namespace, meta.name, uid=meta.uid)
                return Done()
            case CleanUp(last):
                return await self.clean_up(meta, last)

    async def hold(self, meta: ObjectMeta, now: datetime) -> Outcome:
        """Puts the finalizer on; ever more rarely where another writer takes it off each time."""
        place = f"{meta.namespace}/{meta.name}"
        if seconds := self._held.wait(place, "", meta.uid, now):
            return After(seconds)
        await add_finalizer(self.rest, GENERATOR_STATES, meta, FINALIZER_GENERATOR_STATE)
        self._held.wrote(place, "", meta.uid, now, over=0, version=0)
        return Done()  # the watch brings it back

    async def clean_up(self, meta: ObjectMeta, last: bool) -> Outcome:
        try:
            await self.take_back(meta)
        except ApiError:
            raise
        except EsoError as error:
            if not last:
                self.emit(GENERATOR_STATES, meta, Event("Warning", "CleanUpFailed", told(error), again=True))
                return After(SOON) if self.terminating(meta.namespace) else Retry(error)
            self.log.warning(
                "values of a generator are left behind",
                namespace=meta.namespace,
                generatorstate=meta.name,
                error=str(error),
            )
            self.tell_left(meta, error)
        await remove_finalizer(self.rest, GENERATOR_STATES, meta, FINALIZER_GENERATOR_STATE)
        return Done()

    def tell_left(self, meta: ObjectMeta, error: EsoError) -> None:
        """A namespace that goes takes no new Events, so the Namespace itself gets one, which is kept elsewhere."""
        text = f"the values stay valid in the backend: {told(error)}"
        self.emit(GENERATOR_STATES, meta, Event("Warning", "LeftBehind", text))
        if self.terminating(meta.namespace):
            event = Event("Warning", "LeftBehind", f"GeneratorState {meta.name}: {text}")
            self.emit(NAMESPACES, ObjectMeta(name=meta.namespace), event)

    async def take_back(self, meta: ObjectMeta) -> None:
        """Raises NotCleanedUp, or the API server's errors for the object itself."""
        raw = await self.rest.get(GENERATOR_STATES, meta.namespace, meta.name)
        if raw is None:
            return
        spec: Mapping[str, Any] = orjson.loads(raw).get("spec") or {}
        resource = spec.get("resource")
        kind = str(resource.get("kind") or "") if isinstance(resource, dict) else ""
        row = self.generators.registry.row(kind)
        if row is None or not isinstance(resource, dict):
            raise NotCleanedUp(UNKNOWN, fix="upgrade to a version that serves the kind, or remove the finalizer")
        try:
            async with self.limit():
                await self.generators.clean_up(row, resource, spec.get("state"), meta.namespace)
        except EsoError as error:
            raise NotCleanedUp(f"could not cleanup generator state: {error}", fix=error.fix) from error


def told(error: EsoError) -> str:
    return f"{error} ({error.fix})" if error.fix else str(error)
