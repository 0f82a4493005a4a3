"""Asks the sources that the operator drives itself: one task for each, from its ChangeSource's pass until its end.

Neighbours: the room of ChangeSource puts sources in and reads their health, polling.py and receiving.py make the steps.
A source that fails is asked again after a backoff, and its failures reach no other source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NoReturn, Protocol

from eso.api.changesource import Driven, Failing, Health, Starting, Working
from eso.errors import EsoError, causes
from eso.observe import redact
from eso.observe.log import Log
from eso.providers.contract import AuthExpired, Throttled
from eso.runtime.backoff import backoff
from eso.runtime.clock import Clock
from eso.runtime.deadline import deadline

MOST: Final = 256  # sources that are driven at the same time
MOST_OF_NAMESPACE: Final = 16
FULL: Final = "the operator asks as many ChangeSources by itself as it may"
LONGEST_PAUSE: Final = 300.0  # seconds between two attempts, whatever the server asks for

GOODBYE: Final = 5.0  # seconds that the end of a source may take

Key = tuple[str, str]  # namespace, name


class Steps(Protocol):
    """One source at work."""

    async def step(self) -> float:
        """One round; the seconds until the next one. Raises EsoError, and may be called again after that."""

    async def close(self) -> None:
        """Never raises for a server that is gone."""


Begin = Callable[[Key, Driven], Steps]


class Job:
    """One source. `task` is None while there are too many; `failures` in a row."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.health: Health = Starting()
        self.failures = 0
        self.task: asyncio.Task[None] | None = None


class Driver:
    """`kinds` by member of the spec; `told(key)` is called when the health of a source has changed. `run()` must be
    running for anything to be asked. `holding(namespace)`: what a step reads counts as that namespace's."""

    def __init__(
        self,
        kinds: Mapping[str, Begin],
        told: Callable[[Key], None],
        clock: Clock,
        log: Log,
        holding: Callable[[str], AbstractContextManager[None]] = lambda namespace: nullcontext(),
    ) -> None:
        self._kinds, self._told, self._clock, self._log, self._holding = kinds, told, clock, log, holding
        self._jobs: dict[Key, Job] = {}
        self._ending: dict[Key, set[asyncio.Task[None]]] = {}  # tasks of a source as it was
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[str, dict[Key, None]] = {}  # by namespace, in the order of their starts
        self._total = 0

    async def run(self) -> NoReturn:
        """Until cancelled; every source is closed then."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._start_waiting()
                await asyncio.Event().wait()
        finally:
            self._group = None
        raise AssertionError("a driver ends by a cancellation only")

    # what the pass of a source calls; nothing here waits

    def put(self, key: Key, driven: Driven) -> None:
        """The source is as `driven` says. One that has changed is opened anew."""
        job = self._jobs.get(key)
        if job is not None and job.driven == driven:
            return
        self._cancel(key, job)  # its place is taken again at once
        job = self._jobs[key] = Job(driven)
        self._start(key, job)

    def end(self, key: Key) -> None:
        """The source is gone, or paused."""
        if self._cancel(key, self._jobs.pop(key, None)):
            self._start_waiting()

    def health(self, key: Key) -> Health:
        job = self._jobs.get(key)
        return job.health if job is not None else Starting()

    # inside

    def _cancel(self, key: Key, job: Job | None) -> bool:
        """Whether there is a place now."""
        if job is None or job.task is None:
            return False
        task, job.task = job.task, None
        self._total -= 1
        own = self._running[key[0]]
        del own[key]
        if not own:
            del self._running[key[0]]
        self._ending.setdefault(key, set()).add(task)
        task.add_done_callback(lambda done: self._ended(key, done))
        task.cancel()
        return True

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        self._ending[key].discard(task)
        if not self._ending[key]:
            del self._ending[key]

    def _start_waiting(self) -> None:
        for key, job in self._jobs.items():
            if job.task is None:
                self._start(key, job)

    def _start(self, key: Key, job: Job) -> None:
        if self._group is None:
            return
        if job.driven.member not in self._kinds:
            self._felt(key, job, Failing("Unsupported", f"this version has no source {job.driven.member}"))
            return
        own = self._running.get(key[0], {})
        if len(own) >= MOST_OF_NAMESPACE:
            text = f"the namespace has {MOST_OF_NAMESPACE} other ChangeSources that the operator asks by itself"
            self._felt(key, job, Failing("TooMany", text))
        elif self._total >= MOST and not self._made_room(len(own)):
            self._felt(key, job, Failing("TooMany", FULL))
        else:
            if isinstance(job.health, Failing):
                job.health = Starting()
            job.task = self._group.create_task(self._work(key, job), name=f"source-{key[0]}/{key[1]}")
            self._running.setdefault(key[0], {})[key] = None
            self._total += 1

    def _made_room(self, own: int) -> bool:
        """The namespace with the most sources has its latest one wait, where it keeps more than the `own` of one that
        asks for a place: no number of namespaces that came first leaves others without any."""
        largest = max(self._running.values(), key=len, default={})
        if len(largest) <= own + 1:
            return False
        last = next(reversed(largest))
        self._cancel(last, self._jobs[last])
        self._felt(last, self._jobs[last], Failing("TooMany", FULL))
        return True

    def _felt(self, key: Key, job: Job, health: Health) -> None:
        if job.health != health:
            job.health = health
            self._told(key)

    async def _work(self, key: Key, job: Job) -> None:
        while ending := self._ending.get(key):
            await asyncio.wait(set(ending))  # two logins of one source would take each other's messages
        steps = self._kinds[job.driven.member](key, job.driven)
        try:
            while True:
                await self._clock.sleep(await self._step(key, job, steps))
        finally:
            await self._closed(key, steps)

    async def _closed(self, key: Key, steps: Steps) -> None:
        """A goodbye that takes long, or fails, holds nobody up: what is left open ends by itself at the server."""
        try:
            async with deadline(self._clock, GOODBYE):
                await steps.close()
        except Exception as error:
            self._log.warning("a change source could not be closed", source=key, error=type(error).__name__)

    async def _step(self, key: Key, job: Job, steps: Steps) -> float:
        """Seconds until the next step."""
        try:
            with self._holding(key[0]):
                pause = await steps.step()
        except EsoError as error:
            return self._failed(key, job, str(error), error)
        except Exception as error:  # a bug in one kind of source must not end the others
            self._log.error("a change source could not be asked", source=key, stack=redact.stack(error))
            return self._failed(key, job, f"internal error: {type(error).__name__}", error)
        job.failures = 0
        self._felt(key, job, Working())
        return pause

    def _failed(self, key: Key, job: Job, text: str, error: Exception) -> float:
        """Seconds until the next attempt. A login that ran out is no failure the first time."""
        found = list(causes(error))
        pause = backoff(job.failures)
        job.failures += 1
        if job.failures == 1 and any(isinstance(one, AuthExpired) for one in found):
            return 0.0
        asked = [one.retry_after for one in found if isinstance(one, Throttled) and one.retry_after is not None]
        self._felt(key, job, Failing("SourceFailed", text))
        return min(LONGEST_PAUSE, max(pause, *asked, 0.0))
