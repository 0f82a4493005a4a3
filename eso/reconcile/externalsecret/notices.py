"""Events about what is probably a mistake, though nothing fails; each is told once per generation.

Neighbours: reconcile.py finds them on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.brake import MOST
from eso.reconcile.kit.event import Event


def lost_keys(text: str) -> Event:
    return Event("Warning", "KeysLost", f"{text} (let each key become another one)")


def shared(es: ExternalSecret, others: Iterable[ExternalSecret]) -> list[Event]:
    """Two objects with the policy Orphan on one Secret: neither owns it, and each write takes the other's keys away."""
    names = sorted(
        other.name for other in others if other.name != es.name and other.spec.target.creation_policy == "Orphan"
    )
    if not names:
        return []
    text = (
        f"the target {es.target_name} is written by other ExternalSecrets with creationPolicy Orphan too: "
        f"{', '.join(names[:5])}; each write removes the keys of the others"
    )
    return [Event("Warning", "TargetShared", f"{text} (give each its own spec.target.name, or use CreateOrMerge)")]


def unheld(es: ExternalSecret) -> Event:
    return Event(
        "Warning",
        "FinalizerRemoved",
        f"the finalizer of {es.name} is taken off again and again: it was put back {MOST} times and is now put on at"
        " most once per refresh interval (leave the finalizer, or use another deletionPolicy than Delete)",
    )


def contested(es: ExternalSecret, changed_by: str, *, slowly: bool = False) -> Event:
    """`changed_by` is the field manager of the other writer; "" when a template source follows what we write. `slowly`:
    the changes differ, so that they are still undone, later each time."""
    if changed_by:
        writer = "deleted" if changed_by == "deleted" else f"changed by {changed_by}"
        text = f"the target {es.target_name} is {writer} again and again"
    else:
        text = f"a template source of the target {es.target_name} is rewritten again and again"
    told = (
        "it was written several times and now waits longer each time, up to the refresh interval"
        if slowly
        else f"it was corrected {MOST} times and is now written at most once per refresh interval"
    )
    return Event("Warning", "TargetContested", f"{text}: {told} (let only one of the two write it)")
