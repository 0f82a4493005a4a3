"""Compact records by (namespace, name), and by the keys of any number of named indexes.

Neighbours: informer.py fills it; reconcilers and triggers read. Single-threaded: everything happens on the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Key = tuple[str, str]
R = TypeVar("R")
KeysOf = Callable[[R], Iterable[Hashable]]


class Index(Generic[R]):
    """Index key → the records that `keys_of` puts under it, in the order in which they came.

    `keys_of` must depend on the record alone: its answer is not kept, it is asked again when the record leaves. A
    record whose `keys_of` raises is found under no key; `failed(key, error)` is told.
    """

    def __init__(self, keys_of: KeysOf[R], failed: Callable[[Key, Exception], None]) -> None:
        self._keys_of, self._failed = keys_of, failed
        self._keys: dict[Hashable, dict[Key, None]] = {}  # a set would not keep the order

    def find(self, index_key: Hashable) -> Iterable[Key]:
        return self._keys.get(index_key, ())

    def add(self, key: Key, record: R) -> None:
        try:
            index_keys = frozenset(self._keys_of(record))
        except Exception as error:  # one bad record must not end the watch
            self._failed(key, error)
            return
        for index_key in index_keys:
            self._keys.setdefault(index_key, {})[key] = None

    def drop(self, key: Key, record: R) -> None:
        try:
            index_keys = frozenset(self._keys_of(record))
        except Exception:  # told when the record came
            return
        for index_key in index_keys:
            keys = self._keys.get(index_key)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del self._keys[index_key]


class Cache(Generic[R]):
    """`failed(index name, key, error)` is told of each record that an index could not place."""

    def __init__(self, failed: Callable[[str, Key, Exception], None] = lambda name, key, error: None) -> None:
        self._records: dict[Key, R] = {}
        self._indexes: dict[str, Index[R]] = {}
        self._failed = failed

    def index(self, name: str, keys_of: KeysOf[R]) -> None:
        """Adds the index `name`, also over the records that are there already. Raises ValueError for a name in use."""
        if name in self._indexes:
            raise ValueError(f"there is an index {name!r} already")
        index = self._indexes[name] = Index(keys_of, lambda key, error: self._failed(name, key, error))
        for key, record in self._records.items():
            index.add(key, record)

    def by(self, name: str, index_key: Hashable) -> list[R]:
        """The records under `index_key` in the index `name`. Raises KeyError for an index that does not exist."""
        found = (self._records.get(key) for key in self._indexes[name].find(index_key))
        return [record for record in found if record is not None]

    def get(self, key: Key) -> R | None:
        return self._records.get(key)

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: Key) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[Key]:
        return iter(self._records)

    def keys(self) -> list[Key]:
        return list(self._records)

    def values(self) -> list[R]:
        return list(self._records.values())

    def put(self, key: Key, record: R) -> R | None:
        """Returns the record that it replaces."""
        old = self._records.get(key)
        self._records[key] = record
        for index in self._indexes.values():
            if old is not None:
                index.drop(key, old)
            index.add(key, record)
        return old

    def pop(self, key: Key) -> R | None:
        old = self._records.pop(key, None)
        if old is not None:
            for index in self._indexes.values():
                index.drop(key, old)
        return old
