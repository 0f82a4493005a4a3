"""One child: what it should be, and the one write that makes it so.

Neighbours: reconcile.py sends the write. The spec is copied as it is; it is compared by meaning, so that `1h` and `60m`
are no difference.
"""

from __future__ import annotations

from typing import Final

from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS, ClusterPushSecret
from eso.api.meta import Undecodable
from eso.api.pushsecret import PUSH_SECRETS, PushSecret
from eso.reconcile.kit.children import Family, Foreign, Json, Keep, Leaving, Make, Step, alike, change
from eso.reconcile.kit.difference import copied

Child = PushSecret | Undecodable
FOREIGN: Final = "push secret already exists in namespace"
FAMILY: Final = Family(CLUSTER_PUSH_SECRETS, PUSH_SECRETS)


def step(cps: ClusterPushSecret, namespace: str, live: Child | None, *, same: bool = False) -> Step:
    """`same`: the child was as wanted, and neither it nor its parent has changed."""
    if live is None:
        return Make(body(cps, namespace))
    if not FAMILY.ours(cps.metadata, live.metadata):
        return Foreign()
    if live.metadata.deletion_timestamp is not None:
        return Leaving()
    if same or as_wanted(cps, live):
        return Keep()
    return change(live.metadata, body(cps, namespace))


def body(cps: ClusterPushSecret, namespace: str) -> Json:
    meta, spec = cps.spec.push_secret_metadata, copied(cps.spec.push_secret_spec)
    return FAMILY.body(cps.metadata, namespace, cps.child_name, meta.labels, meta.annotations, spec)


def as_wanted(cps: ClusterPushSecret, live: Child) -> bool:
    found, meta = FAMILY.parent(live.metadata), live.metadata
    if isinstance(live, Undecodable) or found is None or found.uid != cps.metadata.uid:
        return False
    wanted = cps.spec.push_secret_metadata
    if meta.labels != wanted.labels or meta.annotations != wanted.annotations:
        return False
    return alike(cps.spec.push_secret_spec, live.spec)
