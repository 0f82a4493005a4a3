"""Watch event → which PushSecrets run, and why.

Neighbours: room.py connects it with the informers. The index follows the objects: source and template Secrets,
ConfigMaps and stores, by name or by "any of this namespace" where a label selects them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from eso.api.meta import Undecodable
from eso.api.pushsecret import PushSecret
from eso.api.secretstore import SecretStore
from eso.reconcile.kit.index import ReverseIndex, Token
from eso.reconcile.pushsecret.holders import Holders, StoreKey, place_of
from eso.reconcile.pushsecret.known import Claims
from eso.reconcile.pushsecret.report import ready_of
from eso.reconcile.pushsecret.sources import names_of, template_sources
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Record = PushSecret | Undecodable
StoreRecord = SecretStore | Undecodable
Add = Callable[[Key, Lane, str, datetime | None], None]
ANY = ""  # the name of everything of a kind in a namespace


def tokens_of(ps: PushSecret) -> frozenset[Token]:
    """Everything whose change concerns the object."""
    found: set[Token] = set()
    if (name := names_of(ps.spec.selector)) is not None:
        found.add(("Secret", ps.namespace, name or ANY))
    found |= {(kind, ps.namespace, name) for kind, name in template_sources(ps.spec.template)}
    for ref in ps.spec.secret_store_refs:
        kind = ref.store_kind
        namespace = "" if kind == "ClusterSecretStore" else ps.namespace
        found.add((kind, namespace, ANY if ref.label_selector is not None else ref.name))
    for store in ps.status.synced_push_secrets:
        kind, _, name = store.partition("/")
        found.add((kind, "" if kind == "ClusterSecretStore" else ps.namespace, name))
    return frozenset(found)


class Triggers:
    """`add` puts a key on the queue; `find(key)` is the informer's record; `holders` knows who needs which store, and
    `touched(store)` is told of each store for which that may have changed; `now` is the wall clock (UTC)."""

    def __init__(
        self,
        add: Add,
        find: Callable[[Key], Record | None],
        every: Callable[[], Iterable[Record]],
        claims: Claims,
        holders: Holders,
        touched: Callable[[StoreKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self.index: ReverseIndex[Key] = ReverseIndex()
        self._add, self._find, self._every = add, find, every
        self._claims, self._holders, self._touched, self._now = claims, holders, touched, now

    def object(self, old: Record | None, new: Record | None) -> None:
        """Created, edited, labelled, annotated, being deleted, gone. A status alone wakes nothing."""
        record = new if new is not None else old
        assert record is not None
        key = (record.namespace, record.name)
        live = isinstance(new, PushSecret) and new.metadata.deletion_timestamp is None
        if new is None:
            self.index.drop(key)
        elif isinstance(new, PushSecret):
            self.index.put(key, tokens_of(new))
        self._claims.recorded(key, new.status.synced_push_secrets if live and isinstance(new, PushSecret) else {})
        if old is None or new is None or what_counts(old) != what_counts(new):
            self._add(key, Lane.NEW, "changed" if old is not None else "listed", self._now())
        if old is None or new is None or holds(old) != holds(new):
            for store in self._holders.put(key, new if isinstance(new, PushSecret) else None):
                self._touched(store)

    def depended(self, kind: str, namespace: str, name: str, reason: str) -> None:
        """A Secret or a ConfigMap was written or deleted. Which labels it has is looked up in the pass."""
        for place in (name, ANY):
            for key in self.index.keys((kind, namespace, place)):
                self._add(key, Lane.EVENT, reason, self._now())

    def store(self, old: StoreRecord | None, new: StoreRecord | None) -> None:
        """Created, edited, labelled, going: the objects look whether it concerns them. Turned Ready: those that fail
        try again. A store that is gone wakes nobody: nothing can be pushed or deleted there."""
        record = new if new is not None else old
        assert record is not None
        where = place_of(record)
        if old is None or new is None or what_counts(old) != what_counts(new):
            self._holders.store(where, new if isinstance(new, SecretStore) else None)
            self._touched(where)
            for key in self._users(where) if new is not None else ():
                self._add(key, Lane.EVENT, "store changed", self._now())
        elif isinstance(new, SecretStore) and new.ready and not (isinstance(old, SecretStore) and old.ready):
            self._failing(self._users(where), "store ready")

    def credential(self, store: StoreKey, within: str) -> None:
        """A credential of the store changed: those that fail try again. `within`: only objects of that namespace."""
        users = self._users(store)
        self._failing([key for key in users if within in ("", key[0])], "credential changed")

    def _users(self, store: StoreKey) -> list[Key]:
        kind, namespace, name = store
        return sorted({*self.index.keys((kind, namespace, name)), *self.index.keys((kind, namespace, ANY))})

    def _failing(self, keys: Iterable[Key], reason: str) -> None:
        for key in keys:
            ps = self._find(key)
            ready = ready_of(ps) if isinstance(ps, PushSecret) else None
            if ready is not None and ready.status == "False":
                self._add(key, Lane.EVENT, reason, None)


def holds(record: Record) -> Any:
    """What decides which stores the object holds."""
    if not isinstance(record, PushSecret):
        return None
    return record.spec.deletion_policy, record.spec.secret_store_refs, tuple(sorted(record.status.synced_push_secrets))


def what_counts(record: Record | StoreRecord) -> tuple[Any, ...]:
    meta = record.metadata
    return meta.uid, meta.generation, meta.labels, meta.annotations, meta.deletion_timestamp is None
