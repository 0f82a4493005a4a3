"""What an API server makes of a written Secret: defaults, versions, and who owns which key.

Neighbours: the tests of reconcile.externalsecret.desired apply its Changes to these objects. Pure: every function
returns a new object. Only what desired reads is kept in managedFields: data, labels, annotations.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.apiserver import Json, merge

PARTS = {"data": ("f:data",), "labels": ("f:metadata", "f:labels"), "annotations": ("f:metadata", "f:annotations")}
Field = tuple[str, str]


def created(body: Json, manager: str) -> Json:
    """A POST by `manager`."""
    new = copy.deepcopy(body)
    new["metadata"] |= {"uid": f"uid-of-{new['metadata']['name']}", "resourceVersion": "0"}
    new.setdefault("type", "Opaque")
    return stored({"metadata": {"resourceVersion": "0"}}, new, manager)


def patched(live: Json, patch: Json, manager: str) -> Json:
    """A merge patch by `manager`. Raises AssertionError when its preconditions do not hold, as the API server answers
    409."""
    wanted = patch.get("metadata", {})
    for part in ("uid", "resourceVersion"):
        assert wanted.get(part) in (None, live["metadata"][part]), f"409: {part}"
    new = merge(copy.deepcopy(live), copy.deepcopy(patch))
    assert not live.get("immutable") or (
        new.get("immutable") and (new.get("data") or {}) == (live.get("data") or {})
    ), "422: immutable"
    return stored(live, new, manager)


def stored(old: Json, new: Json, manager: str) -> Json:
    """`new` as it is read back: empty members are gone, changed fields belong to `manager`, removed ones to nobody."""
    before, after = fields(old), fields(new)
    written = {field for field, value in after.items() if before.get(field) != value}
    owned = {name: {f for f in held if f in after and f not in written} for name, held in owners(old).items()}
    owned[manager] = owned.get(manager, set()) | written
    meta = new["metadata"]
    meta["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1)
    for holder, part in (
        (new, "data"),
        (meta, "labels"),
        (meta, "annotations"),
        (meta, "ownerReferences"),
        (meta, "finalizers"),
    ):
        if not holder.get(part):
            holder.pop(part, None)
    meta["managedFields"] = [
        {"manager": name, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": tree(held)}
        for name, held in owned.items()
        if held
    ]
    return new


def fields(body: Json) -> dict[Field, str]:
    meta = body["metadata"]
    parts = {"data": body.get("data"), "labels": meta.get("labels"), "annotations": meta.get("annotations")}
    return {(part, key): value for part, values in parts.items() for key, value in (values or {}).items()}


def owners(body: Json) -> dict[str, set[Field]]:
    """manager → the fields it owns."""
    found: dict[str, set[Field]] = {}
    for entry in body["metadata"].get("managedFields", []):
        for part, path in PARTS.items():
            node: Any = entry["fieldsV1"]
            for step in path:
                node = node.get(step, {})
            found.setdefault(entry["manager"], set()).update((part, key[2:]) for key in node if key != ".")
    return found


def tree(held: set[Field]) -> Json:
    root: Json = {}
    for part, key in sorted(held):
        node = root
        for step in PARTS[part]:
            node = node.setdefault(step, {})
        node |= {".": {}, f"f:{key}": {}}
    return root
