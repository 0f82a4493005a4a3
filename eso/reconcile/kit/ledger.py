"""What this process knows of each object beyond the informer's record; it is lost in a restart.

Neighbours: each room's reconcile.py keeps one. An entry belongs to one uid, so that an object which is deleted and made
again under the same name starts with a blank one.
"""

from __future__ import annotations

from typing import Generic, TypeVar

E = TypeVar("E")
Key = tuple[str, str]  # namespace, name


class Ledger(Generic[E]):
    """`blank` is the entry of an object that is met for the first time. One pass at a time
    works on a key."""

    def __init__(self, blank: E) -> None:
        self._blank = blank
        self._entries: dict[Key, tuple[str, E]] = {}

    def read(self, key: Key, uid: str) -> E:
        known = self._entries.get(key)
        return known[1] if known is not None and known[0] == uid else self._blank

    def write(self, key: Key, uid: str, entry: E) -> None:
        self._entries[key] = (uid, entry)

    def forget(self, key: Key) -> None:
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
