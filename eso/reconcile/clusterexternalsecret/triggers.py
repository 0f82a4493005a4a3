"""Watch event → which ClusterExternalSecrets run.

Neighbours: room.py connects it with the informers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from eso.api.clusterexternalsecret import ClusterExternalSecret
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Undecodable
from eso.reconcile.clusterexternalsecret.child import FAMILY, trouble
from eso.reconcile.clusterexternalsecret.reconcile import NAMESPACE_FINALIZER
from eso.reconcile.clusterexternalsecret.select import concerns
from eso.runtime.outcome import Lane

Key = tuple[str, str]
Add = Callable[[Key, Lane, str, datetime | None], None]
Record = ClusterExternalSecret | Undecodable
Child = ExternalSecret | Undecodable


class Namespace(Protocol):
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def finalizers(self) -> tuple[str, ...]: ...
    @property
    def terminating(self) -> bool: ...


class Triggers:
    """`every()` are the ClusterExternalSecrets of the cache, `named(child)` those whose children have that name."""

    def __init__(
        self, add: Add, every: Callable[[], Iterable[Record]], named: Callable[[str], Iterable[Record]]
    ) -> None:
        self._add, self._every, self._named = add, every, named

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
            for ces in self._named(old.name):
                self._add(("", ces.name), Lane.EVENT, "the name of a child is free", None)

    def namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        """Created, deleted, or with other labels: the old and the new ones both count, so that a namespace that stops
        matching loses its child."""
        if old is not None and new is not None:
            same = (old.labels, old.terminating) == (new.labels, new.terminating)
        else:
            same = False
        for finalizer in new.finalizers if new is not None else ():
            if finalizer.startswith(NAMESPACE_FINALIZER):
                self._add(("", finalizer.removeprefix(NAMESPACE_FINALIZER)), Lane.EVENT, "namespace finalizer", None)
        if same:
            return
        labels = [one.labels for one in (old, new) if one is not None]
        for ces in self._every():
            if isinstance(ces, ClusterExternalSecret) and any(concerns(ces.spec, one) for one in labels):
                self._add(("", ces.name), Lane.EVENT, "namespace changed", None)


def what_counts(ces: Record) -> tuple[Any, ...]:
    meta = ces.metadata
    return meta.uid, meta.generation, meta.annotations, meta.deletion_timestamp, meta.finalizers


def what_counts_of(child: Child) -> tuple[Any, ...]:
    meta = child.metadata
    return (
        meta.uid,
        meta.generation,
        meta.labels,
        meta.annotations,
        meta.owner_references,
        meta.deletion_timestamp is None,
        trouble(child),
    )
