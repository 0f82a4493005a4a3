"""Whose an object is: owner references, and the field managers that managedFields name.

Neighbours: the desks that compute a Change ask before they touch an object of somebody else. Objects are plain JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eso.api.meta import ObjectMeta, Resource

Json = dict[str, Any]


def controller_reference(resource: Resource, meta: ObjectMeta) -> Json:
    """The owner reference that makes the object `meta` of kind `resource` the controller."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(meta: Mapping[str, Any]) -> Json | None:
    """The one owner reference with `controller: true`; `meta` is the metadata of an object."""
    return next((r for r in meta.get("ownerReferences") or [] if r.get("controller")), None)


def refers_to(reference: Mapping[str, Any], resource: Resource, name: str = "") -> bool:
    """The reference names an object of this group and kind, whatever its version and uid; of this name, if given."""
    return (
        reference.get("kind") == resource.kind
        and str(reference.get("apiVersion", "")).rpartition("/")[0] == resource.group
        and name in ("", reference.get("name"))
    )


def bound_to(live: Mapping[str, Any], resource: Resource, name: str) -> bool:
    """The controller reference names this object, whatever its uid: the object may have been recreated."""
    controller = controller_of(live["metadata"])
    return controller is not None and refers_to(controller, resource, name)


def controlled_by(live: Mapping[str, Any], uid: str) -> bool:
    """The controller reference carries this uid: the only proof that allows deleting an object with its owner."""
    controller = controller_of(live["metadata"])
    return controller is not None and controller.get("uid") == uid


def entries(meta: Mapping[str, Any]) -> list[Json]:
    """managedFields without those of subresources."""
    return [entry for entry in meta.get("managedFields") or [] if not entry.get("subresource")]


def owned_keys(meta: Mapping[str, Any], manager: str, *path: str) -> Iterator[str]:
    """Names below `path` (`"f:metadata", "f:labels"`) that managedFields attribute to `manager`."""
    for entry in entries(meta):
        if entry.get("manager") != manager:
            continue
        node = entry.get("fieldsV1") or {}
        for step in path:
            node = node.get(step) or {}
        yield from (name[2:] for name in node if name.startswith("f:"))


def last_manager(meta: Mapping[str, Any]) -> str:
    """The field manager of the last write, as managedFields have it; "" when they do not tell."""
    latest = max(entries(meta), key=lambda entry: entry.get("time") or "", default=None)
    return str(latest.get("manager", "")) if latest else ""
