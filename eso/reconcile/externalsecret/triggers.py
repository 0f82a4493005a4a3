"""Watch event → which ExternalSecrets run, in which lane, and why.

Neighbours: room.py connects it with the informers; the index of dependants is fed by the ExternalSecret informer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from eso.api import wellknown
from eso.api.changesource import Change, StoreKey
from eso.api.conditions import condition
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Undecodable
from eso.api.secretstore import SecretStore
from eso.reconcile.externalsecret.readplan import sources_of, stores_of
from eso.reconcile.externalsecret.records import Sight, TargetRecord
from eso.reconcile.externalsecret.remoteindex import RemoteIndex
from eso.reconcile.kit.changes import REASON
from eso.reconcile.kit.index import ReverseIndex, Token
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Add = Callable[[Key, Lane, str, datetime | None], None]
Record = ExternalSecret | Undecodable
UNTRUSTED = "trust in events ended"
TARGET_CHANGED = "target changed"
TARGET_APPEARED = "target appeared"
SOURCE_CHANGED = "template source changed"
SOURCE_REWRITTEN = "template source rewritten by this operator"


def lane_of(old: Record | None, new: Record) -> Lane | None:
    """None when the change is not one that a pass could react to (status only)."""
    if old is None:
        if (
            not isinstance(new, ExternalSecret)
            or new.metadata.deletion_timestamp is not None
            or new.spec.target.immediate
        ):
            return Lane.NEW
        return Lane.PERIODIC if new.status.synced_resource_version else Lane.NEW
    a, b = old.metadata, new.metadata
    # A pass that puts our finalizer on goes on by itself, so that is no change.
    finalizers = tuple(f for f in b.finalizers if f != wellknown.FINALIZER_EXTERNAL_SECRET or f in a.finalizers)
    same = (a.uid, a.generation, a.labels, a.annotations, a.finalizers, a.deletion_timestamp) == (
        b.uid,
        b.generation,
        b.labels,
        b.annotations,
        finalizers,
        b.deletion_timestamp,
    )
    return None if same else Lane.NEW


def tokens_of(es: ExternalSecret) -> frozenset[Token]:
    """Target, stores and template sources of one object; its namespace too when a ClusterSecretStore may look at the
    labels."""
    namespace = es.metadata.namespace
    found: set[Token] = set()
    if es.spec.target.manifest is None:
        found.add(("Target", namespace, es.target_name))
    else:
        found.add((f"{es.spec.target.manifest.api_version}/{es.spec.target.manifest.kind}", namespace, es.target_name))
    for ref in stores_of(es.spec):
        found.add(("ClusterSecretStore", "", ref.name) if ref.cluster_scoped else ("SecretStore", namespace, ref.name))
        if ref.cluster_scoped:
            found.add(("Namespace", "", namespace))
    found |= {(kind, namespace, name) for kind, name in sources_of(es.spec)}
    return frozenset(found)


class Triggers:
    """`add` puts a key on the queue; `find(key)` is the informer's record, `now` the wall clock (UTC). `remote` is kept
    only where change events are served."""

    def __init__(
        self,
        index: ReverseIndex[Key],
        add: Add,
        find: Callable[[Key], Record | None],
        now: Callable[[], datetime],
        remote: RemoteIndex | None = None,
    ) -> None:
        self.index, self._add, self._find, self._now, self.remote = index, add, find, now, remote

    def external_secret(self, old: Record | None, new: Record | None) -> None:
        """The object itself: created, edited, deleted."""
        record = new or old
        assert record is not None
        key = (record.metadata.namespace, record.metadata.name)
        if self.remote is not None and not same_spec(old, new):
            self._index_reads(self.remote, key, new)
        if new is None:
            self.index.drop(key)
            self._add(key, Lane.NEW, "deleted", None)
            return
        # An object that is being deleted depends on nothing: its own deletion of the target would wake it once more.
        self.index.put(
            key, tokens_of(new) if isinstance(new, ExternalSecret) and new.metadata.deletion_timestamp is None else ()
        )
        lane = lane_of(old, new)
        if lane is not None:
            self._add(key, lane, "changed" if old is not None else "listed", None)

    def _index_reads(self, remote: RemoteIndex, key: Key, new: Record | None) -> None:
        if isinstance(new, ExternalSecret):
            remote.put(key, new)
        else:
            remote.drop(key)

    def told(self, store: StoreKey, change: Change, within: str, at: datetime) -> tuple[Key, ...]:
        """A change event of `at`: the objects that read the key from the store read again, newer than this moment; the
        immediate ones first. `within`: only objects of that namespace."""
        if self.remote is None:
            return ()
        keys = self.remote.readers(store, change, within, self._readable)
        for key in keys:
            self._add(key, self._lane(key, Lane.EVENT), REASON, at)
        return tuple(keys)

    def fallen(self, store: StoreKey, within: str) -> None:
        """Events are not trusted any more: objects whose interval they stretched see when they are due."""
        for key in self.index.keys(store, within):
            es = self._readable(key)
            if es is not None and es.spec.target.immediate:
                self._add(key, Lane.PERIODIC, UNTRUSTED, None)

    def read_from(self, store: StoreKey, within: str) -> Iterator[tuple[str, str]]:
        """Namespace and key of what is read from the store."""
        return self.remote.read_from(store, within, self._readable) if self.remote is not None else iter(())

    def _readable(self, key: Key) -> ExternalSecret | None:
        es = self._find(key)
        return es if isinstance(es, ExternalSecret) else None

    def secret(self, record: TargetRecord, sight: Sight, *, appeared: bool) -> None:
        """A Secret was written, or is gone: wakes the objects that have it as their target or as a template source. The
        object whose own pass made this write has seen it."""
        if sight.target and record.managed:
            self.target(record.namespace, record.name, seen_by=sight.seen_by)
        elif sight.target and appeared:
            self.appeared(record.namespace, record.name)
        reason, writer = (SOURCE_REWRITTEN, sight.seen_by) if sight.wrote else (SOURCE_CHANGED, None)
        self.depended("Secret", record.namespace, record.name, reason, seen_by=writer)

    def target(self, namespace: str, name: str, kind: str = "Target", seen_by: Key | None = None) -> None:
        """A managed target was written, or is gone. `seen_by`: the object whose own pass wrote or read this version."""
        for key in self.index.keys((kind, namespace, name)):
            if key != seen_by:
                self._add(key, self._lane(key, Lane.DRIFT), TARGET_CHANGED, None)

    def appeared(self, namespace: str, name: str, kind: str = "Target") -> None:
        """A target without our label is there now: objects that merge into it have waited for it."""
        for key in self.index.keys((kind, namespace, name)):
            es = self._find(key)
            if isinstance(es, ExternalSecret) and es.spec.target.creation_policy == "Merge":
                self._add(key, self._lane(key, Lane.DRIFT), TARGET_APPEARED, None)

    def depended(
        self, kind: str, namespace: str, name: str, reason: str, within: str = "", seen_by: Key | None = None
    ) -> None:
        """Something that is read changed: the objects that depend on it read again, newer than this moment. `within`:
        only objects of that namespace. `seen_by`: not this object, whose own pass made the change."""
        for key in self.index.keys((kind, namespace, name), within):
            if key != seen_by:
                self._add(key, self._lane(key, Lane.EVENT), reason, self._now())

    def store(self, old: SecretStore | None, new: SecretStore) -> None:
        """An edited store: all its objects read again. A store that turned Ready: only the objects that wait for it. A
        store that goes away wakes no object, because nothing can be read."""
        kind, namespace, name = new.kind, new.metadata.namespace, new.metadata.name
        if self.remote is not None and (old is None or old.metadata.generation != new.metadata.generation):
            for key in self.index.keys((kind, namespace, name)):
                self._index_reads(self.remote, key, self._find(key))  # its provider tells what a key is called
        if old is not None and (old.metadata.uid, old.metadata.generation) != (
            new.metadata.uid,
            new.metadata.generation,
        ):
            self.depended(kind, namespace, name, "store changed")
        elif new.ready and not (old is not None and old.ready):
            for key in self.index.keys((kind, namespace, name)):
                if not self.synced(key):
                    # No trigger time: earlier reads are still valid, and a key that syncs meanwhile must not read
                    # again.
                    self._add(key, self._lane(key, Lane.EVENT), "store ready", None)

    def namespace(self, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Labels decide which ClusterSecretStores a namespace may use."""
        if old != new:
            self.depended("Namespace", "", name, "namespace labels changed")

    def sharing(self, es: ExternalSecret) -> tuple[Key, ...]:
        """The objects with the same Secret as their target, itself among them."""
        return self.index.keys(("Target", es.namespace, es.target_name))

    def synced(self, key: Key) -> bool:
        es = self._find(key)
        ready = condition(es.status.conditions, "Ready") if isinstance(es, ExternalSecret) else None
        return ready is not None and ready.status == "True"

    def _lane(self, key: Key, lane: Lane) -> Lane:
        es = self._find(key)
        return Lane.NEW if isinstance(es, ExternalSecret) and es.spec.target.immediate else lane


def same_spec(old: Record | None, new: Record | None) -> bool:
    """Whether only metadata or status changed: the API server counts what is asked for."""
    if not isinstance(old, ExternalSecret) or not isinstance(new, ExternalSecret):
        return False
    before, after = old.metadata, new.metadata
    return (before.uid, before.generation, before.deletion_timestamp) == (
        after.uid,
        after.generation,
        after.deletion_timestamp,
    ) and after.generation > 0
