"""A pass over one ClusterPushSecret: which namespaces, which children, what is told.

Neighbours: select.py, child.py and report.py are its steps. Children have an owner reference, so the garbage collector
removes them with their ClusterPushSecret, and their own finalizer cleans the backends up. Nothing is put on namespaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS, ClusterPushSecret
from eso.api.labels import InvalidSelector
from eso.api.meta import ObjectMeta, Undecodable
from eso.api.pushsecret import PUSH_SECRETS
from eso.errors import EsoError
from eso.kube.rest import JSON_PATCH, AlreadyExists, Conflict, NotFound, Rest
from eso.reconcile.clusterpushsecret import child, report, select
from eso.reconcile.clusterpushsecret.child import Child
from eso.reconcile.clusterpushsecret.report import Results
from eso.reconcile.kit.children import Change, Checked, Foreign, Keep, Leaving, Make, again, first_strays, side_by_side
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.insistence import Insistence, version_of
from eso.reconcile.kit.ledger import Ledger
from eso.reconcile.kit.status import write_status
from eso.reconcile.kit.suspend import awake, suspended_until
from eso.runtime.outcome import After, Done, Fatal, Outcome, Retry, Wake

Key = tuple[str, str]  # "", name
LOOKS: Final = 64  # children that are compared before the loop gets a turn
STATUS_SECONDS: Final = 1.0  # between two status writes of one object
WRONG: Final = "could not create or update push secret: "
NOT_GONE: Final = "external secret in non matching namespace could not be deleted: "
GOING: Final = "because it is being terminated"


class Namespace(Protocol):
    """A namespace as the informer keeps it."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...


class Cache(Protocol):
    """What the informers know."""

    def get(self, name: str) -> ClusterPushSecret | Undecodable | None: ...
    def learned(self, raw: bytes) -> None: ...
    def namespaces(self) -> Iterable[Namespace]: ...
    def push_secret(self, namespace: str, name: str) -> Child | None: ...
    def children(self, name: str) -> list[Child]:
        """Every PushSecret whose controller is the ClusterPushSecret `name`."""


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileClusterPushSecret:
    """`emit(metadata, event)` queues an Event; `monotonic` is the clock for durations, seconds."""

    def __init__(
        self,
        cache: Cache,
        rest: Rest,
        *,
        emit: Callable[[ObjectMeta, Event], None],
        meter: Meter,
        monotonic: Callable[[], float],
        log: Any,
    ) -> None:
        self.cache, self.rest, self.emit = cache, rest, emit
        self.meter, self.monotonic, self.log = meter, monotonic, log
        self._told: Ledger[datetime | None] = Ledger(None)  # the last status write
        self._checked = Checked()
        self._written = Insistence()

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        began = self.monotonic()
        cps = self.cache.get(key[1])
        if cps is None:  # 1
            self.meter.gone(key)
            self._told.forget(key)
            self._checked.forget(key[1])
            self._written.forget(key[1])
            return Done()
        try:
            return await self._pass(cps, now)
        except Conflict:
            return Retry()  # the informer is behind: nothing to tell
        finally:
            self.meter.passed(key, self.monotonic() - began)

    async def _pass(self, cps: ClusterPushSecret | Undecodable, now: datetime) -> Outcome:
        """Numbers are the steps of the spec."""
        if cps.metadata.deletion_timestamp is not None:
            return Done()  # the children go by their owner reference
        if isinstance(cps, Undecodable):
            return Fatal(EsoError(f"cannot read the object: {cps.error}", fix="edit it into the form of its schema"))
        if (until := suspended_until(cps.metadata.annotations, now)) is not None:
            await self.publish(cps, report.paused(cps, until))
            return awake(until, now)
        results = Results()
        try:
            targets = select.chosen(cps.spec, ((one.name, one.labels) for one in self.cache.namespaces()))  # 6
        except InvalidSelector as error:
            results.broken = error
            self.emit(cps.metadata, Event("Warning", report.ERRORED, f"{report.NO_TARGETS} ({error})"))
        else:
            await self.remove_strays(cps, set(targets), results)  # 4, 7
            await self.provide(cps, targets, results, now)  # 8
        return await self.tell(cps, results, now)  # 9, 10

    async def remove_strays(self, cps: ClusterPushSecret, wanted: set[str], results: Results) -> None:
        """Children in namespaces that do not match any more, and children of an earlier name. They are found by their
        owner, so one that failed once is not forgotten."""
        strays = [
            one
            for one in self.cache.children(cps.metadata.name)
            if (one.namespace not in wanted or one.name != cps.child_name) and one.metadata.deletion_timestamp is None
        ]

        async def remove(one: Child) -> None:
            try:
                await self.rest.delete(PUSH_SECRETS, one.namespace, one.name, uid=one.metadata.uid)
            except NotFound:
                return
            except EsoError as error:
                results.fail(one.namespace, f"{NOT_GONE}{error}", again(error))

        await side_by_side(remove(one) for one in first_strays(strays))

    async def provide(self, cps: ClusterPushSecret, wanted: list[str], results: Results, now: datetime) -> None:
        writes: list[Awaitable[None]] = []
        known = self._checked.of(cps.metadata.name, (cps.metadata.uid, cps.metadata.generation))
        self._written.keep(cps.metadata.name, set(wanted))
        for place, namespace in enumerate(wanted, 1):
            if place % LOOKS == 0:
                await asyncio.sleep(0)
            live = self.cache.push_secret(namespace, cps.child_name)
            same = live is not None and known.get(namespace) is live
            match child.step(cps, namespace, live, same=same):
                case Keep():
                    results.provisioned.add(namespace)
                    known[namespace] = live
                case Foreign():
                    results.fail(namespace, child.FOREIGN)
                case Leaving():
                    pass
                case Make() | Change() if seconds := self._written.wait(cps.metadata.name, namespace, meant(cps), now):
                    results.hold(namespace, seconds)
                case Make() | Change() as change:
                    over = int(live.metadata.resource_version) if live is not None else 0
                    writes.append(self.write(cps, namespace, change, over, results, now))
        await side_by_side(writes)

    async def write(
        self, cps: ClusterPushSecret, namespace: str, change: Make | Change, over: int, results: Results, now: datetime
    ) -> None:
        """`over`: the version of the child that `change` was computed from."""
        try:
            if isinstance(change, Make):
                raw = await self.rest.create(PUSH_SECRETS, namespace, change.body)
            else:
                raw = await self.rest.patch(
                    PUSH_SECRETS, namespace, cps.child_name, change.patch, content_type=JSON_PATCH
                )
            self._written.wrote(cps.metadata.name, namespace, meant(cps), now, over=over, version=version_of(raw))
            results.provisioned.add(namespace)
        except (AlreadyExists, Conflict) as error:
            results.fail(namespace, f"{WRONG}{error}", EsoError(f"conflict detected, will retry: {error}"))
        except EsoError as error:
            if isinstance(error, NotFound) or GOING in str(error):
                return  # the namespace goes, and with it every child: nothing failed
            results.fail(namespace, f"{WRONG}{error}", again(error))

    async def tell(self, cps: ClusterPushSecret, results: Results, now: datetime) -> Outcome:
        """The status, at most once per STATUS_SECONDS: with many children it would follow each of them otherwise."""
        key = ("", cps.metadata.name)
        self.meter.ready(key, "False" if results.failed or results.broken else "True")
        status = report.status(cps, results, now)
        if status is not None:
            last = self._told.read(key, cps.metadata.uid)
            early = STATUS_SECONDS - (now - last).total_seconds() if last is not None else 0.0
            if 0 < early <= STATUS_SECONDS:
                return After(early)
            self._told.write(key, cps.metadata.uid, now)
            await self.publish(cps, status)
        return report.outcome(cps, results)

    async def publish(self, cps: ClusterPushSecret, status: dict[str, Any] | None) -> None:
        if status is None:
            return
        raw = await write_status(self.rest, CLUSTER_PUSH_SECRETS, cps.metadata, status)
        if raw is not None:
            self.cache.learned(raw)


def meant(cps: ClusterPushSecret) -> tuple[Any, ...]:
    """Equal while the children stay the same."""
    return cps.metadata.uid, cps.metadata.generation, cps.metadata.annotations
