"""Watch event → which ExternalSecrets run, in which lane, and why.

Neighbours: wiring.py registers these with the informers; the reverse index below is fed by the ExternalSecret informer
alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from eso.api import wellknown
from eso.api.conditions import condition
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Undecodable
from eso.api.secretstore import SecretStore
from eso.reconcile.externalsecret.readplan import sources_of, stores_of
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Token = tuple[str, str, str]  # kind, namespace, name of something an ExternalSecret depends on
Add = Callable[[Key, Lane, str, datetime | None], None]
Record = ExternalSecret | Undecodable
TARGET_CHANGED = "target changed"


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
    # Our own finalizer comes from a pass that goes on without it: no news.
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


class ReverseIndex:
    """token → keys of the objects that depend on it; each key is listed once per token."""

    def __init__(self) -> None:
        self._tokens: dict[Key, frozenset[Token]] = {}
        self._keys: defaultdict[Token, set[Key]] = defaultdict(set)

    def put(self, key: Key, tokens: Iterable[Token]) -> None:
        new, old = frozenset(tokens), self._tokens.get(key, frozenset())
        for token in old - new:
            self._discard(token, key)
        for token in new - old:
            self._keys[token].add(key)
        if new:
            self._tokens[key] = new
        else:
            self._tokens.pop(key, None)

    def drop(self, key: Key) -> None:
        self.put(key, ())

    def keys(self, token: Token, within: str = "") -> tuple[Key, ...]:
        """`within`: only those of one namespace."""
        found = self._keys.get(token, ())
        return tuple(sorted(key for key in found if key[0] == within) if within else sorted(found))

    def __contains__(self, token: Token) -> bool:
        return token in self._keys

    def _discard(self, token: Token, key: Key) -> None:
        self._keys[token].discard(key)
        if not self._keys[token]:
            del self._keys[token]


class Triggers:
    """`add` puts a key on the queue; `find(key)` is the informer's record, `now` the wall clock (UTC)."""

    def __init__(
        self, index: ReverseIndex, add: Add, find: Callable[[Key], Record | None], now: Callable[[], datetime]
    ) -> None:
        self.index, self._add, self._find, self._now = index, add, find, now

    def external_secret(self, old: Record | None, new: Record | None) -> None:
        """The object itself: created, edited, deleted."""
        record = new or old
        assert record is not None
        key = (record.metadata.namespace, record.metadata.name)
        if new is None:
            self.index.drop(key)
            self._add(key, Lane.NEW, "deleted", None)
            return
        # What is being deleted waits for nothing: its own deletion of the target would only wake it once more.
        self.index.put(
            key, tokens_of(new) if isinstance(new, ExternalSecret) and new.metadata.deletion_timestamp is None else ()
        )
        lane = lane_of(old, new)
        if lane is not None:
            self._add(key, lane, "changed" if old is not None else "listed", None)

    def target(self, namespace: str, name: str, kind: str = "Target") -> None:
        """A managed target was written by somebody else, or is gone."""
        for key in self.index.keys((kind, namespace, name)):
            self._add(key, self._lane(key, Lane.DRIFT), TARGET_CHANGED, None)

    def depended(self, kind: str, namespace: str, name: str, reason: str, within: str = "") -> None:
        """Something that is read changed: whoever depends on it reads again, newer than this moment. `within`: only
        objects of that namespace."""
        for key in self.index.keys((kind, namespace, name), within):
            self._add(key, self._lane(key, Lane.EVENT), reason, self._now())

    def store(self, old: SecretStore | None, new: SecretStore) -> None:
        """Edited: everybody reads again. Turned Ready: only those that wait for it. A store that goes away wakes
        nobody: nothing can be read."""
        kind, namespace, name = new.kind, new.metadata.namespace, new.metadata.name
        if old is not None and (old.metadata.uid, old.metadata.generation) != (
            new.metadata.uid,
            new.metadata.generation,
        ):
            self.depended(kind, namespace, name, "store changed")
        elif new.ready and not (old is not None and old.ready):
            for key in self.index.keys((kind, namespace, name)):
                if not self.synced(key):
                    # No time: nothing that was read got older. Whoever succeeds meanwhile is not to read twice.
                    self._add(key, self._lane(key, Lane.EVENT), "store ready", None)

    def namespace(self, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Labels decide which ClusterSecretStores a namespace may use."""
        if old != new:
            self.depended("Namespace", "", name, "namespace labels changed")

    def synced(self, key: Key) -> bool:
        es = self._find(key)
        ready = condition(es.status.conditions, "Ready") if isinstance(es, ExternalSecret) else None
        return ready is not None and ready.status == "True"

    def _lane(self, key: Key, lane: Lane) -> Lane:
        es = self._find(key)
        return Lane.NEW if isinstance(es, ExternalSecret) and es.spec.target.immediate else lane
