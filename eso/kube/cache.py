"""Compact records by (namespace, name), and by whatever else they are asked for.

Neighbours: informer.py fills it; reconcilers and triggers read. Single-threaded: everything happens on the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Key = tuple[str, str]
R = TypeVar("R")


class Cache(Generic[R]):
    """`index(record)` names the index keys a record is found under; `by` reads them backwards."""

    def __init__(self, index: Callable[[R], Iterable[Hashable]] | None = None) -> None:
        self._records: dict[Key, R] = {}
        self._index = index
        # a dict keeps the order in which records came; a set would not
        self._keys: dict[Hashable, dict[Key, None]] = {}

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

    def by(self, index_key: Hashable) -> list[R]:
        """The records that `index` put under `index_key`."""
        return [self._records[key] for key in self._keys.get(index_key, ())]

    def put(self, key: Key, record: R) -> R | None:
        """Returns what it replaces."""
        old = self._records.get(key)
        self._unindex(key, old)
        self._records[key] = record
        if self._index is not None:
            for index_key in self._index(record):
                self._keys.setdefault(index_key, {})[key] = None
        return old

    def pop(self, key: Key) -> R | None:
        old = self._records.pop(key, None)
        self._unindex(key, old)
        return old

    def _unindex(self, key: Key, old: R | None) -> None:
        if old is None or self._index is None:
            return
        for index_key in self._index(old):
            keys = self._keys.get(index_key)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del self._keys[index_key]
