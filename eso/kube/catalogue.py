"""The informers of this process: one for each resource, shared by all rooms, listed phase after phase.

Neighbours: rooms ask for an informer by what they watch, add listeners and indexes, and start when it has synced;
`app.lifecycle` runs all of them; informer.py is one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

from eso.api.meta import Resource
from eso.kube.informer import Informer, Listener, Versioned
from eso.kube.ration import Account, Ration
from eso.kube.rest import Rest
from eso.kube.standing import Missing, Pending, Refused
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock

R = TypeVar("R", bound=Versioned)

PATIENCE: Final = 30.0  # seconds that a phase waits for a list that neither succeeds nor is refused


class Phase(IntEnum):
    """When a resource is listed. The lists of one phase run side by side; the next phase begins after them."""

    STORES = 0  # what other objects refer to
    OBJECTS = 1  # objects that refer to stores, Secrets and ConfigMaps
    CONTENTS = 2  # Secrets and ConfigMaps: what one of them means is known from the objects that refer to it


@dataclass(frozen=True, slots=True)
class Watched(Generic[R]):
    """One resource as this process follows it. `decode` makes the record that is kept of an object.

    `essential`: the process is not ready while this resource cannot be listed. `selective`: only objects that somebody
    `want`s are kept. `rationed`: authors in namespaces write it, so that what it takes in the cache has a bound.
    """

    resource: Resource
    decode: Callable[[msgspec.Raw], R]
    phase: Phase
    essential: bool = False
    metadata_only: bool = False
    selective: bool = False
    rationed: bool = False


class Catalogue:
    """`namespace`: namespaced resources are followed in this namespace only. `ration`: for rationed ones, None for no
    bound."""

    def __init__(
        self, rest: Rest, *, clock: Clock, namespace: str = "", log: Log = SILENT, ration: Ration | None = None
    ) -> None:
        self._rest, self._clock, self._namespace, self._log = rest, clock, namespace, log
        self._ration = ration
        self._watched: dict[Resource, Watched[Any]] = {}
        self._informers: dict[Resource, Informer[Any]] = {}
        self._accounts: dict[Resource, Account] = {}
        self._early: dict[Resource, list[Listener[Any]]] = {}  # listeners of informers that no room asked for yet
        self._wanted: dict[Resource, list[Callable[[Any], bool]]] = {}
        self.listed = asyncio.Event()  # set when each phase has had its turn once

    # before `run`: what the rooms ask for

    def informer(self, watched: Watched[R]) -> Informer[R]:
        """The informer of the resource; the first caller makes it. Raises ValueError if it is kept in another way."""
        resource = watched.resource
        known = self._watched.setdefault(resource, watched)
        if known != watched:
            raise ValueError(f"{resource.plural} are watched in another way already")
        if resource not in self._informers:
            ration = self._ration if watched.rationed else None
            account = ration.account(resource, watched.decode) if ration is not None else None
            if account is not None:
                self._accounts[resource] = account
            self._informers[resource] = Informer(
                self._rest,
                resource,
                account.decode if account is not None else watched.decode,
                *self._early.pop(resource, []),
                namespace=self._namespace if resource.namespaced else "",
                metadata_only=watched.metadata_only,
                keep=(lambda record: self._keep(resource, record)) if watched.selective else None,
                account=account,
                clock=self._clock,
                log=self._log,
            )
        return self._informers[resource]

    def news(self, resource: Resource, listener: Listener[Any]) -> None:
        """Calls `listener` for each change after the first list: what the first list brings is no news. The informer
        may be made later."""

        def after_the_list(old: Any, new: Any) -> None:
            if self._informers[resource].has_synced.is_set():
                listener(old, new)

        if resource in self._informers:
            self._informers[resource].listen(after_the_list)
        else:
            self._early.setdefault(resource, []).append(after_the_list)

    def want(self, resource: Resource, wanted: Callable[[Any], bool]) -> None:
        """Keeps the objects of a selective resource for which `wanted(record)` is True."""
        self._wanted.setdefault(resource, []).append(wanted)

    def _keep(self, resource: Resource, record: Any) -> bool:
        return any(wanted(record) for wanted in self._wanted.get(resource, ()))

    # while it runs

    def heavy(self, resource: Resource, namespace: str, name: str) -> bool:
        """Whether each change of the object is much work for the API server."""
        account = self._accounts.get(resource)
        return account is not None and account.heavy((namespace, name))

    async def run(self) -> NoReturn:
        """Follows the API server until cancelled."""
        async with asyncio.TaskGroup() as group:
            for phase in Phase:
                informers = [self._informers[one.resource] for one in self._watched.values() if one.phase is phase]
                for informer in informers:
                    group.create_task(informer.run(), name=f"informer-{informer.resource.plural}")
                await self._settled(informers)
            self.listed.set()
        raise AssertionError("an informer ends by an error or a cancellation only")

    async def _settled(self, informers: list[Informer[Any]]) -> None:
        """Waits until the API server has answered for each of them, or the patience is at its end."""
        late = asyncio.Event()
        timer = self._clock.call_later(PATIENCE, late.set)
        try:
            async with asyncio.TaskGroup() as group:
                timeout = group.create_task(late.wait())
                waiting = [group.create_task(informer.settled()) for informer in informers]
                for answered in waiting:
                    await asyncio.wait([answered, timeout], return_when=asyncio.FIRST_COMPLETED)
                    if timeout.done():
                        answered.cancel()
                timeout.cancel()
        finally:
            timer.cancel()
        for informer in informers:
            if isinstance(stands := informer.standing(), Pending):
                name = informer.resource.plural
                self._log.warning("the next lists begin without this one", resource=name, error=stands.error)

    # seen from outside

    @property
    def informers(self) -> list[Informer[Any]]:
        return list(self._informers.values())

    def unready(self) -> str:
        """Why the process is not ready: resources that it cannot do without, and first lists that are on their way; ""
        when there are none."""
        reasons = []
        for resource, informer in self._informers.items():
            if informer.has_synced.is_set():
                continue
            match informer.standing():
                case Missing(error) | Refused(error):
                    reasons += [f"{resource.plural}: {error}"] if self._watched[resource].essential else []
                case _:
                    reasons.append(f"{resource.plural}: the first list is not complete")
        return "; ".join(reasons)

    def degraded(self) -> str:
        """The resources that the API server does not serve, or does not let us list; "" when there are none."""
        found = [(informer.resource.plural, informer.standing()) for informer in self._informers.values()]
        return "; ".join(f"{name}: {stands.error}" for name, stands in found if isinstance(stands, Missing | Refused))
