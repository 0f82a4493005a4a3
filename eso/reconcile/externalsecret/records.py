"""What is kept of a Secret, and what a watch event of one means.

Neighbours: the Secret informer decodes into `TargetRecord`; targets.py tells a `Sight`, triggers.py wakes by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from eso.api import wellknown

Key = tuple[str, str]  # namespace, name


class TargetRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a Secret: enough to see that it changed and whether it is ours."""

    namespace: str
    name: str
    resource_version: str
    managed: bool = False
    created_by: str = ""


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] | None = None


class _Partial(msgspec.Struct):
    metadata: _Meta


_partial = msgspec.json.Decoder(_Partial)


def target_record(raw: bytes | msgspec.Raw) -> TargetRecord:
    """Metadata of one Secret → the record. Labels that are not ours are dropped at once."""
    meta = _partial.decode(raw).metadata
    labels = meta.labels or {}
    managed = labels.get(wellknown.LABEL_MANAGED) == "true"
    return TargetRecord(
        meta.namespace, meta.name, meta.resourceVersion, managed, labels.get(wellknown.LABEL_CREATED_BY, "")
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a watch event of a Secret means. `target`: the objects that have it as their target need a pass, except
    `seen_by`, whose pass wrote or read this version. `wrote`: it was our own write on behalf of that object."""

    target: bool
    seen_by: Key | None = None
    wrote: bool = False
