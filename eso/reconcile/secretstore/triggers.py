"""Watch event → which stores are validated, and why.

Neighbours: room.py connects it with the informers and the news of credentials. Used once for each store kind.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from eso.api.meta import Undecodable
from eso.api.secretstore import SecretStore
from eso.runtime.outcome import Lane

Key = tuple[str, str]  # namespace ("" for a ClusterSecretStore), name
Record = SecretStore | Undecodable
Add = Callable[[Key, Lane, str, datetime | None], None]


class Triggers:
    """`add` puts a key on the queue."""

    def __init__(self, add: Add) -> None:
        self._add = add

    def store(self, old: Record | None, new: Record | None) -> None:
        """The store itself: created, edited, annotated, gone. A status alone wakes nothing."""
        record = new if new is not None else old
        assert record is not None
        key = (record.namespace, record.name)
        if not isinstance(new, SecretStore):
            self._add(key, Lane.NEW, "gone", None)  # its series go in a pass, after one that may run now
        elif not isinstance(old, SecretStore) or what_counts(old) != what_counts(new):
            self._add(key, Lane.NEW, "changed", None)

    def credential(self, key: Key, within: str) -> None:
        """A credential was written or deleted. `within`: it is the one of a single consumer's namespace, and the
        store's own validation does not read it."""
        if not within:
            self._add(key, Lane.EVENT, "credential changed", None)


def what_counts(store: SecretStore) -> tuple[str, int, dict[str, str]]:
    meta = store.metadata
    return meta.uid, meta.generation, meta.annotations
