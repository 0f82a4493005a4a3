"""One child: what it should be, and the one write that makes it so.

Neighbours: reconcile.py sends the write. The spec is copied as it is; it is compared by meaning, so that `1h` and `60m`
are no difference.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS, ClusterPushSecret
from eso.api.meta import ObjectMeta, OwnerReference, Undecodable
from eso.api.pushsecret import PUSH_SECRETS, PushSecret, PushSecretSpec
from eso.gocompat.duration import DurationError, parse_duration
from eso.reconcile.kit.difference import copied
from eso.reconcile.kit.owners import controller_reference

Json = dict[str, Any]
Child = PushSecret | Undecodable
FOREIGN: Final = "push secret already exists in namespace"


@dataclass(frozen=True, slots=True)
class Keep:
    """The child is as it should be."""


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


def step(cps: ClusterPushSecret, namespace: str, live: Child | None) -> Step:
    if live is None:
        return Make(body(cps, namespace))
    if not ours(cps, live.metadata):
        return Foreign()
    if live.metadata.deletion_timestamp is not None:
        return Leaving()
    if as_wanted(cps, live):
        return Keep()
    wanted = body(cps, namespace)
    meta = wanted["metadata"]
    others = [msgspec.to_builtins(one) for one in live.metadata.owner_references if not one.controller]
    return Change(
        [
            {"op": "test", "path": "/metadata/uid", "value": live.metadata.uid},
            {"op": "add", "path": "/metadata/labels", "value": meta.get("labels", {})},
            {"op": "add", "path": "/metadata/annotations", "value": meta.get("annotations", {})},
            {"op": "add", "path": "/metadata/ownerReferences", "value": [*others, *meta["ownerReferences"]]},
            {"op": "add", "path": "/spec", "value": wanted["spec"]},
        ]
    )


def body(cps: ClusterPushSecret, namespace: str) -> Json:
    metadata: Json = {
        "name": cps.child_name,
        "namespace": namespace,
        "ownerReferences": [controller_reference(CLUSTER_PUSH_SECRETS, cps.metadata)],
    }
    metadata |= {"labels": labels} if (labels := dict(cps.spec.push_secret_metadata.labels)) else {}
    metadata |= {"annotations": noted} if (noted := dict(cps.spec.push_secret_metadata.annotations)) else {}
    return {
        "apiVersion": PUSH_SECRETS.api_version,
        "kind": PUSH_SECRETS.kind,
        "metadata": metadata,
        "spec": copied(cps.spec.push_secret_spec),
    }


def owner(meta: ObjectMeta) -> OwnerReference | None:
    """The ClusterPushSecret that controls the object, None when there is none."""
    found = meta.controller
    if found is None or (found.group, found.kind) != (CLUSTER_PUSH_SECRETS.group, CLUSTER_PUSH_SECRETS.kind):
        return None
    return found


def ours(cps: ClusterPushSecret, meta: ObjectMeta) -> bool:
    """By name, as in the reference: a ClusterPushSecret that was made again takes its children over."""
    found = owner(meta)
    return found is not None and found.name == cps.metadata.name


def as_wanted(cps: ClusterPushSecret, live: Child) -> bool:
    found, meta = owner(live.metadata), live.metadata
    if isinstance(live, Undecodable) or found is None or found.uid != cps.metadata.uid:
        return False
    wanted = cps.spec.push_secret_metadata
    if meta.labels != wanted.labels or meta.annotations != wanted.annotations:
        return False
    try:
        spec = msgspec.convert(cps.spec.push_secret_spec, PushSecretSpec)
    except msgspec.ValidationError:
        return False  # the API server has the last word on what it is
    return meaning(spec) == meaning(live.spec)


def meaning(spec: PushSecretSpec) -> tuple[float | str | None, PushSecretSpec]:
    """The spec with its interval as a number."""
    interval: float | str | None = spec.refresh_interval
    if isinstance(interval, str):
        with suppress(DurationError):
            interval = parse_duration(interval)
    return interval, msgspec.structs.replace(spec, refresh_interval=None)
