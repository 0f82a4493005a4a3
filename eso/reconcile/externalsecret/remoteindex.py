"""Which objects read a remote key: the reverse index of the read plans.

Neighbours: triggers.py feeds it with every change of an object and asks for those that an event concerns. Names are
those of `kit.remotekeys`, made with the store as it is; an edited store has its objects put in again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from eso.api.changesource import Change, StoreKey
from eso.api.externalsecret import ExternalSecret, StoreRef
from eso.gocompat import regexp
from eso.gocompat.duration import DurationError
from eso.providers.contract import Find
from eso.reconcile.externalsecret.readplan import Extract, FindAll, One, read_plan, stores_of
from eso.reconcile.externalsecret.refresh import forced_by_trigger
from eso.reconcile.kit.remotekeys import below, names_read, names_told, prefixes_told

Key = tuple[str, str]  # namespace, name
Block = tuple[str, Mapping[str, Any]]  # provider key, its block
HEX: Final = frozenset("0123456789abcdef-")
MOST_READS: Final = 2_000  # of one object whose names are kept
STEPS: Final = 5_000  # microseconds that one change may take to look at objects


class RemoteIndex:
    """`block(store)`: what the store says of its provider, None when there is no such store."""

    def __init__(self, block: Callable[[StoreKey], Block | None]) -> None:
        self._block = block
        self._names: dict[StoreKey, dict[str, set[Key]]] = {}
        self._finds: dict[StoreKey, set[Key]] = {}
        self._of: dict[Key, tuple[tuple[StoreKey, str | None], ...]] = {}  # None: a find

    def put(self, key: Key, es: ExternalSecret) -> None:
        """`key` reads what `es` says, from now on."""
        self.drop(key)
        if not follows(es):
            return
        places: dict[tuple[StoreKey, str | None], None] = {}
        if wide(es):
            places = {(store_key(es.namespace, ref), None): None for ref in stores_of(es.spec)}
        for read in read_plan(es) if not places else ():
            match read:
                case One(store=ref, remote=remote) | Extract(store=ref, remote=remote):
                    store = store_key(es.namespace, ref)
                    provider, block = self._block(store) or ("", {})
                    places |= {(store, name): None for name in names_read(provider, block, remote.key)}
                case FindAll(store=ref):
                    places[store_key(es.namespace, ref), None] = None
        for store, name in places:
            if name is None:
                self._finds.setdefault(store, set()).add(key)
            else:
                self._names.setdefault(store, {}).setdefault(name, set()).add(key)
        if places:
            self._of[key] = tuple(places)

    def drop(self, key: Key) -> None:
        for store, name in self._of.pop(key, ()):
            if name is None:
                keys = self._finds[store]
                keys.discard(key)
                if not keys:
                    del self._finds[store]
                continue
            by_name = self._names[store]
            by_name[name].discard(key)
            if not by_name[name]:
                del by_name[name]
            if not by_name:
                del self._names[store]

    def readers(
        self, store: StoreKey, change: Change, within: str, find: Callable[[Key], ExternalSecret | None]
    ) -> list[Key]:
        """The objects that read what has changed, in order. `within`: only those of that namespace. Whoever writes many
        objects or costly expressions pays with reads: what STEPS have no room to look at counts as a reader."""
        provider, block = self._block(store) or ("", {})
        by_name = self._names.get(store, {})
        found: set[Key] = set()
        finders: Iterable[Key] = self._finds.get(store, ())
        if change.prefix:
            prefixes = prefixes_told(provider, block, change.key)
            found.update(*(keys for name, keys in by_name.items() if any(below(prefix, name) for prefix in prefixes)))
            found.update(finders)
            return sorted(key for key in found if not within or key[0] == within)
        told = names_told(provider, block, change.key)
        for name in told:
            found |= by_name.get(name, set())
        if within:
            found = {key for key in found if key[0] == within}
        meter = regexp.Allowance(STEPS, STEPS)
        if change.version:
            found = {
                key
                for key in found
                if not affords(es := find(key), meter)
                or not pinned_elsewhere(es, store, told, change.version, provider, block)
            }
        for key in finders:
            if (not within or key[0] == within) and (es := find(key)) is not None and finds(es, store, told, meter):
                found.add(key)
        return sorted(found)

    def read_from(
        self, store: StoreKey, within: str, find: Callable[[Key], ExternalSecret | None]
    ) -> Iterator[tuple[str, str]]:
        """Namespace and key of what objects read from the store, apart from searches and from pinned versions, which do
        not change. The index may change between two of them."""
        keys = {key for keys in self._names.get(store, {}).values() for key in keys if not within or key[0] == within}
        for key in sorted(keys):
            es = find(key)
            for read in read_plan(es) if es is not None else ():
                match read:
                    case One(store=ref, remote=remote) | Extract(store=ref, remote=remote) if store_key(
                        key[0], ref
                    ) == store and not pinned(remote.version):
                        yield key[0], remote.key

    def __len__(self) -> int:
        return len(self._of)


def store_key(namespace: str, ref: StoreRef) -> StoreKey:
    return ("ClusterSecretStore", "", ref.name) if ref.cluster_scoped else ("SecretStore", namespace, ref.name)


def follows(es: ExternalSecret) -> bool:
    """Whether an event could make the object read at all."""
    try:
        return es.metadata.deletion_timestamp is None and forced_by_trigger(es)
    except DurationError:
        return False


def pinned_elsewhere(
    es: ExternalSecret | None,
    store: StoreKey,
    told: frozenset[str],
    version: str,
    provider: str,
    block: Mapping[str, Any],
) -> bool:
    """Whether every read of the key is pinned to another version than the one that the event names."""
    for read in read_plan(es) if es is not None else ():
        match read:
            case One(store=ref, remote=remote) | Extract(store=ref, remote=remote) if (
                es is not None and store_key(es.namespace, ref) == store
            ):
                ours = not told.isdisjoint(names_read(provider, block, remote.key))
                if ours and (not pinned(remote.version) or remote.version == version):
                    return False
    return es is not None


def pinned(version: str) -> bool:
    """A number, or the random name that a cloud gives; `latest`, AWSCURRENT and other labels move."""
    name = version.removeprefix("uuid/").lower()
    return version.isdigit() or (len(name) in (32, 36) and HEX.issuperset(name))


def affords(es: ExternalSecret | None, meter: regexp.Allowance) -> bool:
    """Whether there are steps left to look at what the object reads."""
    try:
        meter.spend(1 + len(es.spec.data) + len(es.spec.data_from) if es is not None else 1)
    except regexp.TooCostly:
        return False
    return True


def wide(es: ExternalSecret) -> bool:
    """Whether it reads so much that its names are not worth keeping: every change in its stores concerns it."""
    return len(es.spec.data) + len(es.spec.data_from) > MOST_READS


def finds(es: ExternalSecret, store: StoreKey, told: frozenset[str], meter: regexp.Allowance) -> bool:
    return (
        wide(es)
        or not affords(es, meter)
        or any(
            isinstance(read, FindAll)
            and store_key(es.namespace, read.store) == store
            and matches(read.find, told, meter)
            for read in read_plan(es)
        )
    )


def matches(find: Find, told: frozenset[str], meter: regexp.Allowance) -> bool:
    """Path and name of the search; its tags are not known here, so they exclude nothing."""
    folder = (find.path or "").strip("/")
    inside = [name for name in told if not folder or name.startswith(folder) or f"/{folder}" in f"/{name}"]
    if not inside or find.name_regexp is None:
        return bool(inside)
    try:
        meter.spend(regexp.compiling(find.name_regexp.encode("utf-8", "surrogatepass")[: regexp.MAX_PATTERN]))
        pattern = regexp.compile(find.name_regexp)
        parts = [part.encode("utf-8", "surrogatepass") for name in inside for part in spellings(name, folder)]
        return any(pattern.matches(part, meter) for part in parts)
    except regexp.RegexpError:
        return False  # the search fails as well
    except regexp.TooCostly:
        return True


def spellings(name: str, folder: str) -> frozenset[str]:
    """The whole name, what follows the folder, and the last part: backends compare different ones."""
    return frozenset((name, name.removeprefix(folder).strip("/"), name.rpartition("/")[2]))
