"""Watch event → which ExternalSecrets run, in which lane, and why.

Neighbours: wiring.py registers these with the informers; the reverse index below is fed by the ExternalSecret informer alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.readplan import sources_of, stores_of
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Token = tuple[str, str, str]  # kind, namespace, name of something an ExternalSecret depends on


def lane_of(old: ExternalSecret | None, new: ExternalSecret) -> Lane | None:
    """None when the change is not one that a pass could react to (status only)."""
    if old is None:
        return Lane.PERIODIC if new.status.synced_resource_version and new.metadata.deletion_timestamp is None else Lane.NEW
    a, b = old.metadata, new.metadata
    same = (a.uid, a.generation, a.labels, a.annotations, a.finalizers, a.deletion_timestamp) == (
        b.uid,
        b.generation,
        b.labels,
        b.annotations,
        b.finalizers,
        b.deletion_timestamp,
    )
    return None if same else Lane.NEW


def tokens_of(es: ExternalSecret) -> frozenset[Token]:
    """Target, stores and template sources of one object."""
    namespace = es.metadata.namespace
    found: set[Token] = set()
    if es.spec.target.manifest is None:
        found.add(("Target", namespace, es.target_name))
    for ref in stores_of(es.spec):
        found.add(("ClusterSecretStore", "", ref.name) if ref.kind == "ClusterSecretStore" else ("SecretStore", namespace, ref.name))
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

    def keys(self, token: Token) -> tuple[Key, ...]:
        return tuple(sorted(self._keys.get(token, ())))

    def __contains__(self, token: Token) -> bool:
        return token in self._keys

    def _discard(self, token: Token, key: Key) -> None:
        self._keys[token].discard(key)
        if not self._keys[token]:
            del self._keys[token]
