"""Which value is known to be at which remote place, and which PushSecrets push where: for all passes of this process.

Neighbours: push.py asks before it sends or deletes, and tells what it did; triggers.py tells what each status records.
Values are kept as keyed digests only; a restart forgets them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from eso.api.pushsecret import PushData
from eso.providers.contract import Push, Source
from eso.reconcile.pushsecret.books import Place, place

Key = tuple[str, str]
MOST: Final = 200_000
"""Remote keys whose digests are kept; beyond that all are forgotten, and the backend compares every value once more."""
_encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Proof:
    """What was there when a push had succeeded. `at`: when the pass of that push began."""

    digest: bytes
    at: datetime


class Known:
    """`backend` tells the login and settings of one store from those of another: see `push.Pusher.backend`.
    `digest_key`: random bytes of this process."""

    def __init__(self, digest_key: bytes) -> None:
        self._key = digest_key
        self._proofs: dict[tuple[str, str, str], dict[str, Proof]] = {}  # by property

    def digest(self, entry: Push, source: Source, body: bytes = b"") -> bytes:
        """Of everything that a provider may write, so of the whole source. Not of its name: equal values from two
        namespaces are equal. `body`: that of the source, where it is known; many entries send the same one."""
        digest = hashlib.blake2b(body or self.body(source), key=self._key, digest_size=16)
        digest.update(_encoder.encode([entry.secret_key, entry.metadata]))
        return digest.digest()

    def body(self, source: Source) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        digest.update(_encoder.encode([source.type, source.labels, source.annotations]))
        for name in sorted(source.data):
            text, value = name.encode("utf-8", "surrogateescape"), source.data[name]
            digest.update(b"%d:%b%d:%b" % (len(text), text, len(value), value))
        return digest.digest()

    def there(self, backend: str, spot: Place, digest: bytes, since: datetime) -> bool:
        """True if exactly that was found or put there at or after `since`."""
        proof = self._proofs.get((backend, spot[0], spot[2]), {}).get(spot[1])
        return proof is not None and proof.digest == digest and proof.at >= since

    def put(self, backend: str, spot: Place, digest: bytes, at: datetime) -> None:
        """A write to the whole remote secret makes doubtful what was known of its properties, and the other way
        round."""
        entry = (backend, spot[0], spot[2])
        if entry not in self._proofs and len(self._proofs) >= MOST:
            self._proofs.clear()
        others = self._proofs.get(entry, {}) if spot[1] else {}
        self._proofs[entry] = {name: proof for name, proof in others.items() if name} | {spot[1]: Proof(digest, at)}

    def forget(self, backend: str, spot: Place) -> None:
        """Before a write whose end is not known yet, and before a deletion: nothing is known of the whole entry."""
        self._proofs.pop((backend, spot[0], spot[2]), None)

    def __len__(self) -> int:
        return len(self._proofs)


Claim = tuple[str, Place]  # store, place


class Claims:
    """Remote place → PushSecrets that push there, from what their status records and from what a pass is about to
    send."""

    def __init__(self) -> None:
        self._recorded: dict[Key, frozenset[Claim]] = {}
        self._flying: dict[Key, frozenset[Claim]] = {}
        self._all: dict[Key, frozenset[Claim]] = {}
        self._at: dict[tuple[str, str], dict[str, set[tuple[Key, str]]]] = {}  # by the place, then by the property

    def recorded(self, key: Key, books: Mapping[str, Mapping[str, PushData]]) -> None:
        """The status of `key`; empty for one that is going away."""
        self._put(self._recorded, key, books)

    def flying(self, key: Key, books: Mapping[str, Mapping[str, PushData]]) -> None:
        """What a pass of `key` sends now; empty when it has ended."""
        self._put(self._flying, key, books)

    def others(self, spot: Place, but: Key) -> list[tuple[Key, str]]:
        """(PushSecret, store) of everybody else who pushes to that place, to a part of it or to the whole of it, in
        order."""
        here = self._at.get((spot[0], spot[2]), {})
        properties = {spot[1], ""} if spot[1] else here.keys()
        return sorted({one for name in properties for one in here.get(name, ()) if one[0] != but})

    def _put(self, part: dict[Key, frozenset[Claim]], key: Key, books: Mapping[str, Mapping[str, PushData]]) -> None:
        new = frozenset((store, place(data)) for store, entries in books.items() for data in entries.values())
        if new:
            part[key] = new
        else:
            part.pop(key, None)
        old, now = self._all.get(key, NONE), self._recorded.get(key, NONE) | self._flying.get(key, NONE)
        for store, spot in old - now:
            self._drop(key, store, spot)
        for store, spot in now - old:
            self._at.setdefault((spot[0], spot[2]), {}).setdefault(spot[1], set()).add((key, store))
        if now:
            self._all[key] = now
        else:
            self._all.pop(key, None)

    def _drop(self, key: Key, store: str, spot: Place) -> None:
        where = spot[0], spot[2]
        here = self._at[where]
        here[spot[1]].discard((key, store))
        if not here[spot[1]]:
            del here[spot[1]]
        if not here:
            del self._at[where]


NONE: Final[frozenset[Claim]] = frozenset()
