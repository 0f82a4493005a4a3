"""One child: what it should be, and the one write that makes it so.

Neighbours: reconcile.py sends the write. The spec is copied as it is; it is compared by meaning, so that `1h` and `60m`
are no difference.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS, ClusterExternalSecret
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, ExternalSecretSpec
from eso.api.meta import ObjectMeta, OwnerReference, Undecodable
from eso.gocompat.duration import DurationError, parse_duration
from eso.reconcile.kit.difference import copied
from eso.reconcile.kit.owners import controller_reference

Json = dict[str, Any]
FORCE_SYNC = "external-secrets.io/force-sync"
FOREIGN = "external secret already exists in namespace"


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


def step(ces: ClusterExternalSecret, namespace: str, live: ExternalSecret | Undecodable | None) -> Step:
    if live is None:
        return Make(body(ces, namespace))
    if not ours(ces, live.metadata):
        return Foreign()
    if live.metadata.deletion_timestamp is not None:
        return Leaving()
    if as_wanted(ces, live):
        return Keep(trouble(live))
    wanted = body(ces, namespace)
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


def body(ces: ClusterExternalSecret, namespace: str) -> Json:
    metadata: Json = {
        "name": ces.child_name,
        "namespace": namespace,
        "ownerReferences": [controller_reference(CLUSTER_EXTERNAL_SECRETS, ces.metadata)],
    }
    metadata |= {"labels": labels} if (labels := dict(ces.spec.external_secret_metadata.labels)) else {}
    metadata |= {"annotations": noted} if (noted := notes(ces)) else {}
    return {
        "apiVersion": EXTERNAL_SECRETS.api_version,
        "kind": EXTERNAL_SECRETS.kind,
        "metadata": metadata,
        "spec": copied(ces.spec.external_secret_spec),
    }


def notes(ces: ClusterExternalSecret) -> dict[str, str]:
    """The complete set; the force-sync annotation follows that of the ClusterExternalSecret, also when it goes."""
    wanted = {k: v for k, v in ces.spec.external_secret_metadata.annotations.items() if k != FORCE_SYNC}
    forced = ces.metadata.annotations.get(FORCE_SYNC)
    return wanted if forced is None else wanted | {FORCE_SYNC: forced}


def owner(meta: ObjectMeta) -> OwnerReference | None:
    """The ClusterExternalSecret that controls the object, None when there is none."""
    found = meta.controller
    if found is None or (found.group, found.kind) != (CLUSTER_EXTERNAL_SECRETS.group, CLUSTER_EXTERNAL_SECRETS.kind):
        return None
    return found


def ours(ces: ClusterExternalSecret, meta: ObjectMeta) -> bool:
    """By name, as in the reference: a ClusterExternalSecret that was made again takes its children over."""
    found = owner(meta)
    return found is not None and found.name == ces.metadata.name


def as_wanted(ces: ClusterExternalSecret, live: ExternalSecret | Undecodable) -> bool:
    found = owner(live.metadata)
    if isinstance(live, Undecodable) or found is None or found.uid != ces.metadata.uid:
        return False
    meta = live.metadata
    if meta.labels != ces.spec.external_secret_metadata.labels or meta.annotations != notes(ces):
        return False
    try:
        wanted = msgspec.convert(ces.spec.external_secret_spec, ExternalSecretSpec)
    except msgspec.ValidationError:
        return False  # the API server has the last word on what it is
    return meaning(wanted) == meaning(live.spec)


def meaning(spec: ExternalSecretSpec) -> tuple[float | str | None, ExternalSecretSpec]:
    """The spec with its interval as a number."""
    interval: float | str | None = spec.refresh_interval
    if isinstance(interval, str):
        with suppress(DurationError):
            interval = parse_duration(interval)
    return interval, msgspec.structs.replace(spec, refresh_interval=None)


def trouble(live: ExternalSecret | Undecodable) -> str:
    if isinstance(live, Undecodable):
        return "the external secret cannot be read"
    for condition in live.status.conditions:
        if condition.type == "Ready" and condition.status == "False" and condition.reason != "SecretDeleted":
            return f"external secret is not ready: {condition.message}"
    return ""
