"""The room of ChangeSource: informer, queue, passes and journal put together, with the server beside them.

Neighbours: `app.wiring` calls `room` where change events are heard, and hands in the doors; reconcile.py is the pass.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol

from eso.api.changesource import CHANGE_SOURCES, Change, ChangeSource, Intake, decode_change_source
from eso.api.meta import SECRETS, SERVICE_ACCOUNTS, Undecodable
from eso.kube.catalogue import Phase, Watched
from eso.reconcile.changesource.journal import Journal
from eso.reconcile.changesource.reconcile import Drive, ReconcileChangeSource, Served
from eso.reconcile.kit.index import ReverseIndex, Token
from eso.reconcile.kit.room import Room, Shared
from eso.reconcile.kit.storewatch import StoreRecord
from eso.reconcile.kit.watched import WATCHED_EXTERNAL_SECRETS
from eso.runtime.outcome import Lane, Outcome, Wake

WORKERS: Final = 8
ACCOUNT: Final = SERVICE_ACCOUNTS.kind
WATCHED: Final = Watched(CHANGE_SOURCES, decode_change_source, Phase.OBJECTS, rationed=True)

Key = tuple[str, str]
WARM: Final = 60.0  # seconds after a start until events are accepted, at the latest


@dataclass(frozen=True, slots=True)
class Sources:
    """What the doors may do: the server, and what asks driven sources. `told`: the health of a driven source has
    changed; `recall` and `remember`: what a poll keeps in the status."""

    served: Callable[[Key], Served | None]
    take: Callable[[Key, tuple[Change, ...], datetime], Awaitable[Intake]]
    heard: Callable[[Key, str], None]
    told: Callable[[Key], None]
    recall: Callable[[Key], tuple[str, ...]]
    remember: Callable[[Key, tuple[str, ...]], None]


class Driver(Drive, Protocol):
    async def run(self) -> NoReturn: ...


@dataclass(frozen=True, slots=True)
class Doors:
    """`serve(sources)` runs the server for as long as the room lives, None where no port is open; `drive(sources)`
    makes what asks driven sources."""

    serve: Callable[[Sources], Awaitable[None]] | None
    drive: Callable[[Sources], Driver]


def room(shared: Shared, own_namespace: str, doors: Doors) -> Room:
    catalogue, watch = shared.catalogue, shared.watch
    informer = catalogue.informer(WATCHED)
    work = shared.work(CHANGE_SOURCES, WORKERS, lambda key: None)
    index: ReverseIndex[Key] = ReverseIndex()
    edits: Counter[Key] = Counter()
    accounts: dict[Key, frozenset[Key]] = {}  # source → the ServiceAccounts that it asks its queue with
    unknown: set[Key] = set()
    warm = asyncio.Event()

    def changed(old: ChangeSource | Undecodable | None, new: ChangeSource | Undecodable | None) -> None:
        record = new or old
        assert record is not None
        key = record.namespace, record.name
        if new is None:
            edits.pop(key, None)
        tokens = tokens_of(new) if isinstance(new, ChangeSource) else frozenset()
        index.put(key, tokens)
        accounts[key] = frozenset((namespace, name) for kind, namespace, name in tokens if kind == ACCOUNT)
        watch.accounts.uses((CHANGE_SOURCES.kind, *key), bool(accounts[key]))
        if not accounts[key]:
            del accounts[key]
        same = old is not None and new is not None and unchanged(old, new)
        if not same:
            if not warm.is_set():
                unknown.add(key)  # until its pass has ended
            work.queue.add(key, Lane.NEW, "changed" if old is not None else "listed")

    def depended(kind: str, namespace: str, name: str) -> None:
        for key in index.keys((kind, namespace, name)):
            work.queue.add(key, Lane.EVENT, "store or credential changed")

    def store(old: StoreRecord | None, new: StoreRecord | None) -> None:
        record = new or old
        assert record is not None
        if old is None or new is None or old.metadata.annotations != new.metadata.annotations:
            depended("SecretStore" if record.namespace else "ClusterSecretStore", record.namespace, record.name)

    def credential(kind: str, namespace: str, name: str) -> None:
        for key in index.keys((kind, namespace, name)):
            edits[key] += 1  # so that the queue is opened anew
        depended(kind, namespace, name)

    def secret(old: Any, new: Any) -> None:
        record = new or old
        credential("Secret", record.namespace, record.name)

    informer.listen(changed)
    for one in watch.informers.values():
        one.listen(store)
    catalogue.news(SECRETS, secret)
    watch.accounts.connect(
        wanted=lambda namespace, name: (ACCOUNT, namespace, name) in index,
        used=lambda: frozenset(account for its in accounts.values() for account in its),
        news=lambda namespace, name, gone: credential(ACCOUNT, namespace, name),
    )

    journal = Journal(shared.rest, shared.changes, shared.clock, shared.metrics, shared.log)
    sources = Sources(
        lambda key: passes.served.get(key),
        journal.take,
        journal.heard,
        lambda key: work.queue.add(key, Lane.EVENT, "its health changed"),
        journal.recall,
        journal.remember,
    )
    driver = doors.drive(sources)
    passes = ReconcileChangeSource(
        informer.get,
        watch.store,
        journal,
        driver,
        shared.rest,
        own_namespace=own_namespace,
        listens=doors.serve is not None,
        edits=lambda key: edits[key],
        meter=shared.metrics.objects("changesource"),
        monotonic=shared.clock.monotonic,
    )

    async def reconcile(key: Key, wake: Wake, now: datetime) -> Outcome:
        try:
            return await passes.reconcile(key, wake, now)
        finally:
            unknown.discard(key)
            if not unknown:
                warm.set()

    async def server(serve: Callable[[Sources], Awaitable[None]]) -> None:
        if not unknown:
            warm.set()
        # A sender must not be told that there is no such source just because we began a moment ago; and thousands of
        # sources of one namespace must not keep all senders out, whose own sources have had their turn by then.
        shared.clock.call_later(WARM, warm.set)
        await warm.wait()
        await serve(sources)

    background: tuple[Callable[[], Awaitable[Any]], ...] = (journal.run, driver.run)
    if (serve := doors.serve) is not None:
        background = (*background, lambda: server(serve))
    external_secrets = catalogue.informer(WATCHED_EXTERNAL_SECRETS)
    needs = (informer, external_secrets)
    return work.room(reconcile, needs=needs, heeds=tuple(watch.informers.values()), background=background)


def tokens_of(source: ChangeSource) -> frozenset[Token]:
    found: set[Token] = set()
    for ref in source.spec.store_refs:
        cluster = ref.cluster_scoped
        found.add(("ClusterSecretStore", "", ref.name) if cluster else ("SecretStore", source.namespace, ref.name))
    found |= {("Secret", source.namespace, name) for name in source.spec.secret_names}
    found |= {(ACCOUNT, source.namespace, name) for name in source.spec.account_names}
    return frozenset(found)


def unchanged(old: ChangeSource | Undecodable, new: ChangeSource | Undecodable) -> bool:
    """Only the status moved."""
    a, b = old.metadata, new.metadata
    return (a.uid, a.generation, a.annotations, a.deletion_timestamp) == (
        b.uid,
        b.generation,
        b.annotations,
        b.deletion_timestamp,
    )
