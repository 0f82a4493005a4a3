"""Which PushSecrets need which store, to delete there what they pushed.

Neighbours: triggers.py tells of objects and stores as they change, guards.py asks who needs a store. Each change is
held against what it can concern: an object against the stores, a store against the objects that search for stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eso.api.meta import Undecodable
from eso.api.pushsecret import PushSecret, PushStoreRef
from eso.api.secretstore import SecretStore
from eso.reconcile.kit.index import ReverseIndex
from eso.reconcile.pushsecret.select import means, named, searching, selecting

Key = tuple[str, str]
StoreKey = tuple[str, str, str]  # kind, namespace ("" for a ClusterSecretStore), name


def place_of(store: SecretStore | Undecodable) -> StoreKey:
    return "SecretStore" if store.namespace else "ClusterSecretStore", store.namespace, store.name


@dataclass(frozen=True, slots=True)
class Search:
    """An object that searches for stores by label; `named`: those that it needs whatever their labels."""

    refs: tuple[PushStoreRef, ...]
    named: frozenset[StoreKey]


class Holders:
    """`every(kind, namespace)` are the stores of a namespace, or all ClusterSecretStores; `admits(store, namespace)`
    says whether objects of a namespace may use it."""

    def __init__(
        self,
        every: Callable[[str, str], Iterable[SecretStore]],
        admits: Callable[[SecretStore, str], bool],
    ) -> None:
        self._every, self._admits = every, admits
        self._index: ReverseIndex[Key] = ReverseIndex()
        self._held: dict[Key, frozenset[StoreKey]] = {}
        self._searching: dict[str, dict[Key, Search]] = {}  # by namespace

    def put(self, key: Key, ps: PushSecret | None) -> frozenset[StoreKey]:
        """The object as it is now, None for one that is gone; returns the stores that it needs no more, or anew."""
        namespace, refs = key[0], tuple[PushStoreRef, ...]()
        by_name, by_label = set[StoreKey](), set[StoreKey]()
        if ps is not None:
            by_name = {(kind, "" if kind == "ClusterSecretStore" else namespace, name) for kind, name in named(ps)}
            if selecting(ps.spec):
                stores = [*self._every("SecretStore", namespace)]
                stores += self._every("ClusterSecretStore", "") if may_mean_cluster(ps) else ()
                refs = searching(ps, len(stores))
                by_label = {place_of(store) for store in stores if means(refs, store)}
        searches = self._searching.setdefault(namespace, {})
        if refs:
            searches[key] = Search(refs, frozenset(by_name))
        else:
            searches.pop(key, None)
        if not searches:
            del self._searching[namespace]
        return self._set(key, frozenset(by_name | by_label))

    def store(self, where: StoreKey, store: SecretStore | None) -> None:
        """The store as it is now: objects that search for stores may need it, or need it no more."""
        for namespace in [where[1]] if where[1] else list(self._searching):
            for key, search in self._searching.get(namespace, {}).items():
                if where in search.named:
                    continue
                held = self._held.get(key, frozenset())
                needed = store is not None and means(search.refs, store)
                if needed is not (where in held):
                    self._set(key, held ^ {where})

    def needed(self, store: SecretStore) -> bool:
        """Whether an object needs the store that may use it: one that may not could delete nothing there."""
        namespaces = dict.fromkeys(key[0] for key in self._index.keys(place_of(store)))
        return any(self._admits(store, namespace) for namespace in namespaces)

    def _set(self, key: Key, held: frozenset[StoreKey]) -> frozenset[StoreKey]:
        old = self._held.get(key, frozenset())
        self._index.put(key, held)
        if held:
            self._held[key] = held
        else:
            self._held.pop(key, None)
        return old ^ held


def may_mean_cluster(ps: PushSecret) -> bool:
    return any(ref.kind in ("", "ClusterSecretStore") for ref in selecting(ps.spec))
