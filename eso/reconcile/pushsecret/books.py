"""`status.syncedPushSecrets`: what is believed to exist in the backends, as an algebra of maps.

Neighbours: reconcile.py writes the result, push.py deletes what is stale. Nothing is changed in place, and no entry
that was pushed is ever lost by a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from eso.api.pushsecret import PushData, SyncedMap
from eso.api.wellknown import EXTENSIONS_PREFIX
from eso.reconcile.pushsecret.plan import remote_of

FOUND: Final = f"{EXTENSIONS_PREFIX}found"
"""Member of a recorded entry's metadata: the entry was there before us (IfNotExists), so it is not ours to delete."""
PLACES: Final = ("remoteNamespace", "vault")
"""Members of a provider's metadata that say where an entry is, not what it is like."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that is recorded and no longer wanted."""

    store: str
    key: str
    data: PushData


def merge(new: Mapping[str, Mapping[str, PushData]], old: Mapping[str, Mapping[str, PushData]]) -> SyncedMap:
    """The union; the old entry wins where both have one."""
    out: SyncedMap = {store: dict(entries) for store, entries in new.items()}
    for store, entries in old.items():
        out.setdefault(store, {}).update(entries)
    return out


def stale(new: Mapping[str, Mapping[str, PushData]], old: Mapping[str, Mapping[str, PushData]]) -> list[Stale]:
    """What `old` has and `new` has not, store after store."""
    return [
        Stale(store, key, data)
        for store, entries in sorted(old.items())
        for key, data in sorted(entries.items())
        if key not in new.get(store, {})
    ]


def without(books: Mapping[str, Mapping[str, PushData]], gone: Iterable[Stale], wanted: Iterable[str]) -> SyncedMap:
    """The map less the entries that are gone. A store without entries goes too, unless it is in `wanted`."""
    lost = {(one.store, one.key) for one in gone}
    out = {
        store: {key: data for key, data in entries.items() if (store, key) not in lost}
        for store, entries in books.items()
    }
    kept = set(wanted)
    return {store: entries for store, entries in out.items() if entries or store in kept}


def found(data: PushData) -> PushData:
    """The record of an entry that was there before us."""
    metadata = data.metadata if isinstance(data.metadata, Mapping) else {}
    return msgspec.structs.replace(data, metadata={**metadata, FOUND: "true"})


def is_found(data: PushData) -> bool:
    return isinstance(data.metadata, Mapping) and FOUND in data.metadata


def ours(data: PushData) -> PushData:
    """The record of an entry that we have written."""
    if not is_found(data):
        return data
    metadata = {key: value for key, value in data.metadata.items() if key != FOUND}
    return msgspec.structs.replace(data, metadata=metadata or None)


Place = tuple[str, str, str]


def place(data: PushData) -> Place:
    """Remote key, property, and where the provider's metadata moves the entry: the same for entries that are one."""
    remote = remote_of(data)
    spec = (remote.metadata or {}).get("spec")
    moved = [f"{name}={spec[name]}" for name in PLACES if name in spec] if isinstance(spec, Mapping) else []
    return remote.key, remote.property, ",".join(moved)


def books_json(books: Mapping[str, Mapping[str, PushData]]) -> Json:
    return {
        store: {key: entry_json(data) for key, data in sorted(entries.items())}
        for store, entries in sorted(books.items())
    }


def entry_json(data: PushData) -> Json:
    ref = data.match.remote_ref
    remote: Json = {"remoteKey": ref.remote_key} | ({"property": ref.property} if ref.property else {})
    match: Json = {"remoteRef": remote} | ({"secretKey": data.match.secret_key} if data.match.secret_key else {})
    body: Json = {"conversionStrategy": data.conversion_strategy or "None", "match": match}
    return body if data.metadata is None else body | {"metadata": data.metadata}
