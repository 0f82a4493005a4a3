"""Children of a cluster-scoped object: one in each of its namespaces, controlled by it.

Neighbours: the rooms of ClusterExternalSecret and ClusterPushSecret say what a child is and when it is as wanted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec

from eso.api.externalsecret import ExternalSecretSpec
from eso.api.meta import ObjectMeta, OwnerReference, Resource
from eso.api.pushsecret import PushSecretSpec
from eso.errors import EsoError
from eso.gocompat.duration import DurationError, parse_duration
from eso.kube.rest import Forbidden, Invalid
from eso.reconcile.kit.owners import controller_reference

Json = dict[str, Any]


class Placed(Protocol):
    @property
    def namespace(self) -> str: ...


Stray = TypeVar("Stray", bound=Placed)
Spec = TypeVar("Spec", ExternalSecretSpec, PushSecretSpec)
STRAYS: Final = 32  # of one namespace that one pass deletes
LONGEST_REASON: Final = 1024  # characters
ALL_REASONS: Final = 400_000  # of one status
AT_ONCE: Final = 16  # writes of one pass; the connections of the API server are shared with every other pass


@dataclass(frozen=True, slots=True)
class Keep:
    """The child is as it should be. `trouble`: why it is not Ready, "" otherwise."""

    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Make:
    body: Json


@dataclass(frozen=True, slots=True)
class Change:
    """A JSON patch that tests the uid of the child it was computed for."""

    patch: list[Json]


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another object has the name: it is left alone."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The child is being deleted; the event of its end brings the pass back."""


Step = Keep | Make | Change | Foreign | Leaving


@dataclass(frozen=True, slots=True)
class Family:
    """Which kind controls which."""

    parents: Resource
    children: Resource

    def parent(self, meta: ObjectMeta) -> OwnerReference | None:
        """The parent that controls a child, None when there is none."""
        found = meta.controller
        if found is None or (found.group, found.kind) != (self.parents.group, self.parents.kind):
            return None
        return found

    def ours(self, parent: ObjectMeta, meta: ObjectMeta) -> bool:
        """By name, as in the reference: a parent that was made again takes its children over."""
        found = self.parent(meta)
        return found is not None and found.name == parent.name

    def body(
        self,
        parent: ObjectMeta,
        namespace: str,
        name: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        spec: Any,
    ) -> Json:
        """A child as it is created; empty labels and annotations are left out."""
        metadata: Json = {
            "name": name,
            "namespace": namespace,
            "ownerReferences": [controller_reference(self.parents, parent)],
        }
        metadata |= {"labels": dict(labels)} if labels else {}
        metadata |= {"annotations": dict(annotations)} if annotations else {}
        return {
            "apiVersion": self.children.api_version,
            "kind": self.children.kind,
            "metadata": metadata,
            "spec": spec,
        }


class Checked:
    """The children of each parent that were as wanted: a child that changes is compared, its thousands of siblings are
    not. They are known by their very records, for a parent of one `stamp`."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Hashable, dict[str, object]]] = {}

    def of(self, parent: str, stamp: Hashable) -> dict[str, object]:
        """Namespace → the record that was as wanted; what is found out is put in."""
        known = self._known.get(parent)
        if known is None or known[0] != stamp:
            known = self._known[parent] = stamp, {}
        return known[1]

    def forget(self, parent: str) -> None:
        self._known.pop(parent, None)


def first_strays(strays: Iterable[Stray]) -> list[Stray]:
    """At most STRAYS of each namespace: the end of each brings the pass back. Anybody may give objects an owner
    reference that names a parent, and nobody else's children wait for the deletion of thousands of them."""
    seen: Counter[str] = Counter()
    found = []
    for one in strays:
        seen[one.namespace] += 1
        if seen[one.namespace] <= STRAYS:
            found.append(one)
    return found


def reasons(failed: Mapping[str, str]) -> list[Json]:
    """`failedNamespaces`. A reason holds what a child's status says, and a status has to fit into an object."""
    most = max(32, min(LONGEST_REASON, ALL_REASONS // max(1, len(failed))))
    return [{"namespace": name, "reason": shortened(reason, most)} for name, reason in sorted(failed.items())]


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def change(live: ObjectMeta, wanted: Json) -> Change:
    """Makes the child `live` what `wanted` is; owner references of others stay."""
    meta = wanted["metadata"]
    others = [msgspec.to_builtins(one) for one in live.owner_references if not one.controller]
    return Change(
        [
            {"op": "test", "path": "/metadata/uid", "value": live.uid},
            {"op": "add", "path": "/metadata/labels", "value": meta.get("labels", {})},
            {"op": "add", "path": "/metadata/annotations", "value": meta.get("annotations", {})},
            {"op": "add", "path": "/metadata/ownerReferences", "value": [*others, *meta["ownerReferences"]]},
            {"op": "add", "path": "/spec", "value": wanted["spec"]},
        ]
    )


def alike(wanted: Mapping[str, Any], live: Spec) -> bool:
    """Whether both specs mean the same; `wanted` is as its author wrote it."""
    try:
        spec = msgspec.convert(wanted, type(live))
    except msgspec.ValidationError:
        return False  # the API server has the last word on what it is
    return meaning(spec) == meaning(live)


def meaning(spec: Spec) -> tuple[float | str | None, Spec]:
    """The spec with its interval as a number: `1h` and `60m` are no difference."""
    interval: float | str | None = spec.refresh_interval
    if isinstance(interval, str):
        with suppress(DurationError):
            interval = parse_duration(interval)
    return interval, msgspec.structs.replace(spec, refresh_interval=None)


async def side_by_side(calls: Iterable[Awaitable[None]]) -> None:
    """All of `calls`, AT_ONCE at a time. Raises what the first that failed raised."""
    places = asyncio.Semaphore(AT_ONCE)

    async def in_turn(call: Awaitable[None]) -> None:
        async with places:
            await call

    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(in_turn(call))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # one cause is enough for the queue


def again(error: EsoError) -> EsoError | None:
    """An admission refusal stays what it is until somebody edits something; everything else may pass by itself."""
    return None if isinstance(error, Forbidden | Invalid) else error
