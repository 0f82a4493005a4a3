"""A pass over one ClusterExternalSecret: which namespaces, which children, what is told.

Neighbours: select.py, child.py and report.py are its steps. Children have an owner reference, so the garbage collector
removes them with their ClusterExternalSecret; no finalizer of ours is put on it or on a namespace. Finalizers that the
reference left are taken off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

from eso.api import wellknown
from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS, ClusterExternalSecret
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.labels import InvalidSelector
from eso.api.meta import NAMESPACES, ObjectMeta, Undecodable
from eso.errors import EsoError
from eso.kube.finalizers import remove_finalizer
from eso.kube.rest import JSON_PATCH, AlreadyExists, Conflict, NotFound, Rest
from eso.reconcile.clusterexternalsecret import child, report, select
from eso.reconcile.clusterexternalsecret.report import Results
from eso.reconcile.kit.children import Change, Checked, Foreign, Keep, Leaving, Make, again, first_strays, side_by_side
from eso.reconcile.kit.insistence import Insistence, version_of
from eso.reconcile.kit.ledger import Ledger
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.suspend import awake, suspended_until
from eso.runtime.outcome import After, Done, Outcome, Retry, Wake

Key = tuple[str, str]  # "", name
LOOKS: Final = 64  # children that are compared before the loop gets a turn
STATUS_SECONDS: Final = 1.0  # between two status writes of one object
NAMESPACE_FINALIZER: Final = f"{wellknown.FIELD_MANAGER_PREFIX}ces-"
WRONG: Final = "could not create or update ExternalSecret: "
NOT_GONE: Final = "external secret in non matching namespace could not be deleted: "


class Namespace(Protocol):
    """A namespace as the informer keeps it."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def finalizers(self) -> tuple[str, ...]: ...
    @property
    def terminating(self) -> bool: ...
    @property
    def meta(self) -> ObjectMeta: ...


class Cache(Protocol):
    """What the informers know."""

    def get(self, name: str) -> ClusterExternalSecret | Undecodable | None: ...
    def namespaces(self) -> Iterable[Namespace]: ...
    def external_secret(self, namespace: str, name: str) -> ExternalSecret | Undecodable | None: ...
    def children(self, name: str) -> list[ExternalSecret | Undecodable]:
        """Every ExternalSecret whose controller is the ClusterExternalSecret `name`."""


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileClusterExternalSecret:
    """`monotonic` is the clock for durations, seconds."""

    def __init__(self, cache: Cache, rest: Rest, *, meter: Meter, monotonic: Callable[[], float], log: Any) -> None:
        self.cache, self.rest, self.meter, self.monotonic, self.log = cache, rest, meter, monotonic, log
        self._told: Ledger[datetime | None] = Ledger(None)  # the last status write
        self._checked = Checked()
        self._written, self._freed = Insistence(), Insistence()

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        began = self.monotonic()
        ces = self.cache.get(key[1])
        if ces is None:  # 1
            self.meter.gone(key)
            self._told.forget(key)
            self._checked.forget(key[1])
            self._written.forget(key[1])
            seconds = await self.free_namespaces(key[1], now)
            return After(seconds) if seconds else Done()
        try:
            return await self._pass(ces, now)
        except Conflict:
            return Retry()  # the informer is behind: nothing to tell
        finally:
            self.meter.passed(key, self.monotonic() - began)

    async def _pass(self, ces: ClusterExternalSecret | Undecodable, now: datetime) -> Outcome:
        """Numbers are the steps of the spec."""
        if ces.metadata.deletion_timestamp is not None:  # 2
            await self.clean_up(ces, now)
            return Done()
        if isinstance(ces, Undecodable):
            return (
                Done()
            )  # only an edit can help, and there is no status that could be written without losing some of it
        if (until := suspended_until(ces.metadata.annotations, now)) is not None:
            if (status := report.paused(ces, until)) is not None:
                await write_status(self.rest, CLUSTER_EXTERNAL_SECRETS, ces.metadata, status)
            return awake(until, now)
        results = Results(later=await self.free_namespaces(ces.metadata.name, now) or None)
        try:
            namespaces = {one.name: one for one in self.cache.namespaces()}
            targets = select.chosen(ces.spec, ((one.name, one.labels) for one in namespaces.values()))  # 8
        except InvalidSelector as error:
            results.fail(report.UNKNOWN, str(error))
            results.again = EsoError(str(error), fix=error.fix)  # the reference tries again with back-off
        else:
            wanted = [name for name in targets if not namespaces[name].terminating]
            await self.remove_strays(ces, set(wanted), results)  # 6, 9
            await self.provide(ces, wanted, results, now)  # 10
        return await self.tell(ces, results, now)  # 11, 12

    async def remove_strays(self, ces: ClusterExternalSecret, wanted: set[str], results: Results) -> None:
        """Children in namespaces that do not match any more, and children of an earlier name. They are found by their
        owner, so one that failed once is not forgotten."""
        strays = [
            one
            for one in self.cache.children(ces.metadata.name)
            if (one.namespace not in wanted or one.name != ces.child_name) and one.metadata.deletion_timestamp is None
        ]

        async def remove(one: ExternalSecret | Undecodable) -> None:
            try:
                await self.rest.delete(EXTERNAL_SECRETS, one.namespace, one.name, uid=one.metadata.uid)
            except NotFound:
                return
            except EsoError as error:
                results.fail(one.namespace, f"{NOT_GONE}{error}", again(error))

        await side_by_side(remove(one) for one in first_strays(strays))

    async def provide(self, ces: ClusterExternalSecret, wanted: list[str], results: Results, now: datetime) -> None:
        writes: list[Awaitable[None]] = []
        known = self._checked.of(
            ces.metadata.name,
            (ces.metadata.uid, ces.metadata.generation, ces.metadata.annotations.get(child.FORCE_SYNC)),
        )
        self._written.keep(ces.metadata.name, set(wanted))
        for place, namespace in enumerate(wanted, 1):
            if place % LOOKS == 0:
                await asyncio.sleep(0)
            live = self.cache.external_secret(namespace, ces.child_name)
            same = live is not None and known.get(namespace) is live
            match child.step(ces, namespace, live, same=same):
                case Keep(trouble):
                    results.provisioned.add(namespace)
                    known[namespace] = live
                    if trouble:
                        results.fail(namespace, trouble)
                case Foreign():
                    results.fail(namespace, child.FOREIGN)
                case Leaving():
                    pass
                case Make() | Change() if seconds := self._written.wait(ces.metadata.name, namespace, meant(ces), now):
                    results.hold(namespace, seconds)
                case Make() | Change() as change:
                    over = int(live.metadata.resource_version) if live is not None else 0
                    writes.append(self.write(ces, namespace, change, over, results, now))
        await side_by_side(writes)

    async def write(
        self,
        ces: ClusterExternalSecret,
        namespace: str,
        change: Make | Change,
        over: int,
        results: Results,
        now: datetime,
    ) -> None:
        """`over`: the version of the child that `change` was computed from."""
        try:
            if isinstance(change, Make):
                raw = await self.rest.create(EXTERNAL_SECRETS, namespace, change.body)
            else:
                raw = await self.rest.patch(
                    EXTERNAL_SECRETS, namespace, ces.child_name, change.patch, content_type=JSON_PATCH
                )
            self._written.wrote(ces.metadata.name, namespace, meant(ces), now, over=over, version=version_of(raw))
            results.provisioned.add(namespace)
        except (AlreadyExists, Conflict) as error:
            results.fail(namespace, f"{WRONG}{error}", EsoError(f"conflict detected, will retry: {error}"))
        except EsoError as error:
            results.fail(namespace, f"{WRONG}{error}", again(error))

    async def tell(self, ces: ClusterExternalSecret, results: Results, now: datetime) -> Outcome:
        """The status, at most once per STATUS_SECONDS: with many children it would follow each of them otherwise."""
        key = ("", ces.metadata.name)
        self.meter.ready(key, "False" if results.failed else "True")
        status = report.status(ces, results)
        if status is not None:
            last = self._told.read(key, ces.metadata.uid)
            early = STATUS_SECONDS - (now - last).total_seconds() if last is not None else 0.0
            if 0 < early <= STATUS_SECONDS:
                return After(early)
            self._told.write(key, ces.metadata.uid, now)
            await write_status(self.rest, CLUSTER_EXTERNAL_SECRETS, ces.metadata, status)
        return report.outcome(ces, results)

    async def clean_up(self, ces: ClusterExternalSecret | Undecodable, now: datetime) -> None:
        """A ClusterExternalSecret that the reference put its finalizer on: what the finalizer promises is done, then it
        goes."""
        name = ces.metadata.name
        await self.free_namespaces(name, now)
        for one in self.cache.children(name):
            if one.metadata.deletion_timestamp is None:
                try:
                    await self.rest.delete(EXTERNAL_SECRETS, one.namespace, one.name, uid=one.metadata.uid)
                except NotFound:
                    continue
        finalizer = wellknown.FINALIZER_CLUSTER_EXTERNAL_SECRET
        await remove_finalizer(self.rest, CLUSTER_EXTERNAL_SECRETS, ces.metadata, finalizer)

    async def free_namespaces(self, name: str, now: datetime) -> float:
        """Takes the finalizer off that the reference puts on each namespace: none of ours may keep a namespace. Seconds
        until one may be taken off again that comes back each time, 0 for none."""
        finalizer = f"{NAMESPACE_FINALIZER}{name}"
        held = [one for one in self.cache.namespaces() if finalizer in one.finalizers]
        waits = {one.name: self._freed.wait(name, one.name, finalizer, now) for one in held}

        async def free(one: Namespace) -> None:
            await remove_finalizer(self.rest, NAMESPACES, one.meta, finalizer)
            self._freed.wrote(name, one.name, finalizer, now, over=0, version=0)

        await side_by_side(free(one) for one in held if one.terminating or not waits[one.name])
        return min((seconds for seconds in waits.values() if seconds), default=0.0)


def meant(ces: ClusterExternalSecret) -> tuple[Any, ...]:
    """Equal while the children stay the same."""
    return ces.metadata.uid, ces.metadata.generation, ces.metadata.annotations
