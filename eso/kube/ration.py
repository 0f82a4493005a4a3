"""What large objects of one owner may take in the caches. What is more is known by its metadata alone, and told.

Neighbours: catalogue.py puts it before the decoder of resources that authors in namespaces write. A record takes
several times the bytes of its JSON, so a few hundred objects of the size that the API server allows would take a
container's memory, again after each restart. Ordinary objects are always kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from eso.api.meta import ObjectMeta, Resource, Undecodable
from eso.runtime.fair import Group, alone

LARGE: Final = 16 << 10  # bytes of JSON: a hundred references or two
FACTOR: Final = 5  # bytes of a record for each byte of its JSON; measured 4.2 with short references
GROWTH: Final = 1.1
TOO_MUCH: Final = (
    "the large objects of this namespace take more memory than one namespace may have: make them smaller or fewer, "
    "then edit this one"
)

Key = tuple[str, str, str]  # plural, namespace, name


class Ration:
    """`most`: bytes of records that one owner may have of large objects."""

    def __init__(self, most: int, group: Group = alone) -> None:
        self._most, self._group = most, group
        self._sizes: dict[Key, tuple[str, int]] = {}  # owner and bytes of each large object that is kept
        self._held: dict[str, int] = {}

    def held_by(self, owner: str) -> int:
        return self._held.get(owner, 0)

    def decoder(self, resource: Resource, decode: Callable[[msgspec.Raw], Any]) -> Callable[[msgspec.Raw], Any]:
        """The same, for objects of `resource`. An object that is refused is Undecodable until it is edited."""

        def rationed(raw: msgspec.Raw) -> Any:
            record = decode(raw)
            admitted = self._admits(resource, record.metadata, memoryview(raw).nbytes)
            return record if admitted else Undecodable(record.metadata, TOO_MUCH)

        return rationed

    def listener(self, resource: Resource) -> Callable[[Any, Any], None]:
        """Hears what becomes of objects of `resource`."""

        def changed(old: Any, new: Any) -> None:
            if new is None and old is not None:
                self._forget((resource.plural, old.namespace, old.name))

        return changed

    def _admits(self, resource: Resource, metadata: ObjectMeta, size: int) -> bool:
        key = (resource.plural, metadata.namespace, metadata.name)
        _, before = self._sizes.get(key, ("", 0))
        self._forget(key)
        if size < LARGE:
            return True
        owner, taken = self._group(metadata.namespace), FACTOR * size
        # What is kept stays kept where its own status makes it a little longer, though not again and again.
        known = taken <= before * GROWTH
        if self.held_by(owner) + taken > self._most * (GROWTH if known else 1.0):
            return False
        self._sizes[key] = (owner, taken)
        self._held[owner] = self.held_by(owner) + taken
        return True

    def _forget(self, key: Key) -> None:
        owner, taken = self._sizes.pop(key, ("", 0))
        if taken:
            self._held[owner] -= taken
            if not self._held[owner]:
                del self._held[owner]
