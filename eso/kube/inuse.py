"""Informers that exist for as long as they are used: one per resource, counted by user.

Neighbours: generic targets ask for the kinds they write; informer.py does the following. A 403 or a missing CRD is the
informer's `error`, which its users tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, NoReturn, TypeVar

from eso.api.meta import Resource
from eso.kube.informer import Informer, Versioned
from eso.runtime.memory import uncounted

R = TypeVar("R", bound=Versioned)


class InformersInUse(Generic[R]):
    """`make(resource)` builds an informer; it runs, inside `run`, from the first `use` to the last `release`."""

    def __init__(self, make: Callable[[Resource], Informer[R]]) -> None:
        self._make = make
        self._group: asyncio.TaskGroup | None = None
        self._informers: dict[Resource, Informer[R]] = {}
        self._users: dict[Resource, set[Hashable]] = {}
        self._tasks: dict[Resource, asyncio.Task[NoReturn]] = {}

    async def run(self) -> NoReturn:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for resource in self._informers:
                    self._start(resource)
                await asyncio.Event().wait()
            finally:
                self._group = None
        raise AssertionError("unreachable")

    def use(self, resource: Resource, user: Hashable) -> Informer[R]:
        """The informer of `resource`; the same `user` counts once."""
        informer = self._informers.get(resource)
        if informer is None:
            informer = self._informers[resource] = self._make(resource)
            self._start(resource)
        self._users.setdefault(resource, set()).add(user)
        return informer

    def release(self, resource: Resource, user: Hashable) -> None:
        """The last user's release ends the watch and forgets the cache. Harmless for a `user` that does not use it."""
        users = self._users.get(resource)
        if users is None or user not in users:
            return
        users.remove(user)
        if not users:
            del self._users[resource], self._informers[resource]
            task = self._tasks.pop(resource, None)
            if task is not None:
                task.cancel()

    def get(self, resource: Resource) -> Informer[R] | None:
        """The informer, None when it is not in use."""
        return self._informers.get(resource)

    def resources(self) -> list[Resource]:
        return list(self._informers)

    def _start(self, resource: Resource) -> None:
        if self._group is not None:
            self._tasks[resource] = self._group.create_task(
                self._informers[resource].run(), name=f"informer-{resource.plural}", context=uncounted()
            )
