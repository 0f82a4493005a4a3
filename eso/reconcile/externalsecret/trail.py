"""What the record of a pass says of its reads and its write. No value is in it.

Neighbours: reconcile.py puts it into the PassRecord.
"""

from __future__ import annotations

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.assemble import Raw
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Patch
from eso.reconcile.externalsecret.readplan import Generate, Read
from eso.reconcile.externalsecret.target import kind_name
from eso.reconcile.kit.record import ChangeRecord


def read_from(results: list[tuple[Read, Raw]]) -> frozenset[tuple[str, str]]:
    """Kind and name of each store and generator that was asked."""
    stores = {read.store for read, _ in results if not isinstance(read, Generate)}
    made = {(read.ref.kind, read.ref.name) for read, _ in results if isinstance(read, Generate)}
    return frozenset(made | {(ref.kind or "SecretStore", ref.name) for ref in stores})


def change_record(es: ExternalSecret, change: Change) -> ChangeRecord | None:
    """None when nothing was sent."""
    kind = kind_name(es)
    match change:
        case Create(body):
            return ChangeRecord("create", kind, es.target_name, added=tuple(sorted(body.get("data") or {})))
        case Patch(added=added, updated=updated, removed=removed):
            return ChangeRecord("patch", kind, es.target_name, added, updated, removed)
        case Delete():
            return ChangeRecord("delete", kind, es.target_name)
    return None
