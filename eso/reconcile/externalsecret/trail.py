"""What the record of a pass says of its reads and its write. No value is in it.

Neighbours: reconcile.py puts it into the PassRecord.
"""

from __future__ import annotations

from datetime import datetime

from eso.api.externalsecret import ExternalSecret, StoreRef
from eso.errors import EsoError
from eso.reconcile.externalsecret.assemble import Raw
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Patch
from eso.reconcile.externalsecret.readplan import Extract, FindAll, Generate, One, Read
from eso.reconcile.externalsecret.target import kind_name
from eso.reconcile.kit.record import ChangeRecord, ReadRecord


def read_records(results: list[tuple[Read, Raw]], at: datetime) -> tuple[ReadRecord, ...]:
    return tuple(read_record(read, raw, at) for read, raw in results)


def read_record(read: Read, raw: Raw, at: datetime) -> ReadRecord:
    error = type(raw).__name__ if isinstance(raw, EsoError) else ""
    match read:
        case One(store=store, remote=ref) | Extract(store=store, remote=ref):
            return ReadRecord(kind_of_store(store), store.name, ref.key, ref.property, at, error)
        case FindAll(store=store, find=find):
            return ReadRecord(kind_of_store(store), store.name, find.path or "", "", at, error)
        case Generate(ref=ref):
            return ReadRecord(ref.kind, ref.name, "", "", at, error)


def kind_of_store(ref: StoreRef) -> str:
    return ref.kind or "SecretStore"


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
