"""Watch event → which ClusterPushSecrets run.

Neighbours: room.py connects it with the informers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from eso.api.clusterpushsecret import ClusterPushSecret
from eso.api.meta import Undecodable
from eso.reconcile.clusterpushsecret.child import FAMILY, Child
from eso.reconcile.clusterpushsecret.select import concerns
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Add = Callable[[Key, Lane, str, datetime | None], None]
Record = ClusterPushSecret | Undecodable


class Namespace(Protocol):
    @property
    def labels(self) -> Mapping[str, str]: ...


class Triggers:
    """`every()` are the ClusterPushSecrets of the cache."""

    def __init__(self, add: Add, every: Callable[[], Iterable[Record]]) -> None:
        self._add, self._every = add, every

    def object(self, old: Record | None, new: Record | None) -> None:
        """Created, edited, annotated, deleted. A status alone wakes nothing: it is ours."""
        record = new if new is not None else old
        assert record is not None
        if old is None or new is None or what_counts(old) != what_counts(new):
            self._add(("", record.name), Lane.NEW, "changed", None)

    def child(self, old: Child | None, new: Child | None) -> None:
        """A child moved. The end of a foreign object makes room for a child of its name."""
        if old is not None and new is not None and what_counts_of(old) == what_counts_of(new):
            return
        for record in (old, new):
            if record is not None and (found := FAMILY.parent(record.metadata)) is not None:
                self._add(("", found.name), Lane.EVENT, "child changed", None)
        if new is None and old is not None and FAMILY.parent(old.metadata) is None:
            for cps in self._every():
                if isinstance(cps, ClusterPushSecret) and cps.child_name == old.name:
                    self._add(("", cps.name), Lane.EVENT, "the name of a child is free", None)

    def namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        """Created, deleted, or with other labels: the old and the new ones both count, so that a namespace that stops
        matching loses its child."""
        if old is not None and new is not None and old.labels == new.labels:
            return
        labels = [one.labels for one in (old, new) if one is not None]
        for cps in self._every():
            if isinstance(cps, ClusterPushSecret) and any(concerns(cps.spec, one) for one in labels):
                self._add(("", cps.name), Lane.EVENT, "namespace changed", None)


def what_counts(cps: Record) -> tuple[Any, ...]:
    meta = cps.metadata
    return meta.uid, meta.generation, meta.annotations, meta.deletion_timestamp


def what_counts_of(child: Child) -> tuple[Any, ...]:
    """Not its status: whether a child is Ready is told by the child alone."""
    meta = child.metadata
    return (
        meta.uid,
        meta.generation,
        meta.labels,
        meta.annotations,
        meta.owner_references,
        meta.deletion_timestamp is None,
    )
