"""One child: what it should be, and the one write that makes it so.

Neighbours: reconcile.py sends the write. The spec is copied as it is; it is compared by meaning, so that `1h` and `60m`
are no difference.
"""

from __future__ import annotations

from typing import Final

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS, ClusterExternalSecret
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.meta import Undecodable
from eso.reconcile.kit.children import Family, Foreign, Json, Keep, Leaving, Make, Step, alike, change
from eso.reconcile.kit.difference import copied

FORCE_SYNC = "external-secrets.io/force-sync"
FOREIGN = "external secret already exists in namespace"
FAMILY: Final = Family(CLUSTER_EXTERNAL_SECRETS, EXTERNAL_SECRETS)


def step(
    ces: ClusterExternalSecret, namespace: str, live: ExternalSecret | Undecodable | None, *, same: bool = False
) -> Step:
    """`same`: the child was as wanted, and neither it nor its parent has changed."""
    if live is None:
        return Make(body(ces, namespace))
    if not FAMILY.ours(ces.metadata, live.metadata):
        return Foreign()
    if live.metadata.deletion_timestamp is not None:
        return Leaving()
    if same or as_wanted(ces, live):
        return Keep(trouble(live))
    return change(live.metadata, body(ces, namespace))


def body(ces: ClusterExternalSecret, namespace: str) -> Json:
    meta, spec = ces.spec.external_secret_metadata, copied(ces.spec.external_secret_spec)
    return FAMILY.body(ces.metadata, namespace, ces.child_name, meta.labels, notes(ces), spec)


def notes(ces: ClusterExternalSecret) -> dict[str, str]:
    """The complete set; the force-sync annotation follows that of the ClusterExternalSecret, also when it goes."""
    wanted = {k: v for k, v in ces.spec.external_secret_metadata.annotations.items() if k != FORCE_SYNC}
    forced = ces.metadata.annotations.get(FORCE_SYNC)
    return wanted if forced is None else wanted | {FORCE_SYNC: forced}


def as_wanted(ces: ClusterExternalSecret, live: ExternalSecret | Undecodable) -> bool:
    found = FAMILY.parent(live.metadata)
    if isinstance(live, Undecodable) or found is None or found.uid != ces.metadata.uid:
        return False
    meta = live.metadata
    if meta.labels != ces.spec.external_secret_metadata.labels or meta.annotations != notes(ces):
        return False
    return alike(ces.spec.external_secret_spec, live.spec)


def trouble(live: ExternalSecret | Undecodable) -> str:
    if isinstance(live, Undecodable):
        return "the external secret cannot be read"
    for condition in live.status.conditions:
        if condition.type == "Ready" and condition.status == "False" and condition.reason != "SecretDeleted":
            return f"external secret is not ready: {condition.message}"
    return ""
