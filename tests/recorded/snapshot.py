"""What of an object is compared: everything but uids, versions and times.

Neighbours: replay.py reads the objects, differences.py compares what comes out of here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.recorded.case import Json

METADATA = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "generation")
FIELD_MANAGER = "externalsecrets.external-secrets.io/"
RANDOM = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")
CLUSTER_LABELS = ("kubernetes.io/metadata.name", "kubernetes.io/legacy-token-last-used")
DATA_HASH = "reconcile.external-secrets.io/data-hash"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UID_KEY = re.compile(r'\{"uid":"[0-9a-f-]{36}"\}')


def entry(obj: Json, *, secret: bool, spec: bool) -> Json:
    """One object in a snapshot. The data of a Secret is decoded; `spec` keeps the object's spec."""
    meta = {name: obj["metadata"][name] for name in METADATA if name in obj["metadata"]}
    meta["labels"] = {name: value for name, value in meta.get("labels", {}).items() if name not in CLUSTER_LABELS}
    meta["ownerReferences"] = [ref | {"uid": "<uid>"} for ref in meta.get("ownerReferences", ())]
    meta["managedFields"] = managed_fields(obj["metadata"].get("managedFields", ()))
    if "deletionTimestamp" in obj["metadata"]:
        meta["deletionTimestamp"] = "<time>"
    shown = {"metadata": {name: value for name, value in meta.items() if value or name == "generation"}}
    kept = ("type", "immutable", "status", *(("spec",) if spec else ()))
    shown |= {name: timeless(obj[name]) for name in kept if obj.get(name) is not None}
    if "data" in obj:
        shown["data"] = {key: text(value) for key, value in obj["data"].items()} if secret else obj["data"]
    annotations = shown["metadata"].get("annotations", {})
    if secret and DATA_HASH in annotations and any(map(RANDOM.search, shown.get("data", {}).values())):
        shown["metadata"]["annotations"] = annotations | {DATA_HASH: "<hash>"}
    return shown


def states(items: Iterable[Json]) -> dict[str, Json]:
    """GeneratorStates in the order in which they were made; a name that was generated is numbered, and of the generator
    that is in it stay what it is and where."""
    found: dict[str, Json] = {}
    for place, obj in enumerate(sorted(items, key=made), 1):
        meta, resource = obj["metadata"], obj["spec"]["resource"]
        shown = entry(obj, secret=False, spec=True)
        shown["metadata"].pop("generation", None)
        if "generateName" in meta:
            shown["metadata"]["name"] = f"{meta['generateName']}<{place}>"
        kept = {name: value for name, value in resource.items() if name not in ("metadata", "status")}
        named = {name: resource["metadata"][name] for name in ("name", "namespace") if name in resource["metadata"]}
        shown["spec"]["resource"] = kept | {"metadata": named}
        found[shown["metadata"]["name"]] = shown
    return found


def made(obj: Json) -> tuple[str, str]:
    return obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]


def managed_fields(entries: Iterable[Json]) -> Json:
    """Field manager → the fields that it owns, of the managers that an ExternalSecret writes with."""
    owned: dict[str, set[str]] = {}
    for one in entries:
        name = one["manager"] + (f"/{one['subresource']}" if one.get("subresource") else "")
        if name.startswith(FIELD_MANAGER):
            owned.setdefault(name, set()).update(leaves(one.get("fieldsV1", {})))
    return {name: sorted(fields) for name, fields in owned.items()}


def leaves(fields: Json, path: str = "") -> Iterator[str]:
    inner = {name: value for name, value in fields.items() if name != "."}
    if not inner:
        yield UID_KEY.sub('{"uid":"<uid>"}', path)
    for name, value in inner.items():
        yield from leaves(value, f"{path}/{name}")


def text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        return f"base64:{encoded}"


class Names:
    """What is random gets the name of its place among all that were seen: a value that changes is another one."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        """The value with names for UUIDs and JWTs."""
        return json.loads(RANDOM.sub(self._name, json.dumps(value, sort_keys=True, ensure_ascii=False)))

    def tried(self, value: Any) -> Any:
        """As `of`, for a value that may not last."""
        other = Names()
        other._seen = dict(self._seen)
        return other.of(value)

    def _name(self, match: re.Match[str]) -> str:
        kind = "jwt" if match[0].startswith("eyJ") else "uuid"
        return self._seen.setdefault(match[0], f"<{kind}-{len(self._seen) + 1}>")


def timeless(value: Any) -> Any:
    match value:
        case str():
            return TIME.sub("<time>", value)
        case list():
            return [timeless(one) for one in value]
        case dict():
            return {name: timeless(one) for name, one in value.items()}
        case _:
            return value


def events(items: Iterable[Json]) -> list[list[str]]:
    """[object, type, reason, message], each once, sorted."""
    seen = {
        (
            f"{one['involvedObject']['kind']}/{one['involvedObject'].get('name')}",
            one["type"],
            one["reason"],
            TIME.sub("<time>", one.get("message", "")),
        )
        for one in items
    }
    return [list(one) for one in sorted(seen)]
