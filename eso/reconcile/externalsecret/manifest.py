"""Live object + data map → what to send, for targets of any other kind than Secret: section 9 of the reconcile rules.

Neighbours: desired.py is the same for Secrets and lends its rules of ownership; generic.py reads and sends. Objects are
plain JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import content_hash, owner_hash
from eso.api.validate import makes_secret, template_refusals
from eso.errors import EsoError
from eso.gocompat.text import runes
from eso.reconcile.externalsecret.adopt import kept_by_others
from eso.reconcile.externalsecret.desired import (
    COPIED_BEFORE,
    Change,
    Create,
    Delete,
    Nothing,
    Patch,
    copied_annotations,
    owners,
    without,
)
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.kit.difference import Json, copied, merge_patch
from eso.reconcile.kit.owners import bound_to, entries, owned_keys
from eso.template.apply import DEFAULT_TERMS, Sources, Terms
from eso.template.manifest import render_manifest
from eso.template.place import member


@dataclass(frozen=True, slots=True)
class Left:
    """A write that the API server completed with defaults: the data-hash annotation, what we sent and what it stored,
    as hashes."""

    mark: str
    sent: str
    stored: str


def refuse(es: ExternalSecret, *, enabled: bool) -> None:
    """Section 9.1. Raises Failed."""
    manifest = es.spec.target.manifest
    assert manifest is not None
    if not enabled:
        raise Failed(Stage.TARGET, "generic targets are disabled. Enable with --unsafe-allow-generic-targets flag")
    for field, value in (("apiVersion", manifest.api_version), ("kind", manifest.kind)):
        if not value:
            raise Failed(Stage.TARGET, f"target.manifest.{field} is required")


def intact(live: Json | None, left: Left | None = None) -> bool:
    """Section 9.2, step 2: managed, and with the content that we left. Raises Failed for a managed object
    without content."""
    if live is None or (live["metadata"].get("labels") or {}).get(wellknown.LABEL_MANAGED) != "true":
        return False
    if bare(live) and mark_of(live) == content_hash({}):
        return True  # our own write emptied it, and the API server stores no empty `data`
    try:
        content = hashed(live)
    except EsoError as error:
        raise Failed(Stage.RENDER, str(error), fix="delete the object, or take the managed label off it") from error
    mark = mark_of(live)
    return mark == content or (left is not None and left.mark == mark and left.stored == body_hash(live))


def mark_of(obj: Json) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(wellknown.ANNOTATION_DATA_HASH, ""))


def body_hash(obj: Json) -> str:
    """A hash of the whole object but metadata and status."""
    return content_hash({k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata", "status")})


def left_behind(sent: Json, stored: Json) -> Left | None:
    """None when the API server stored just what we sent."""
    left = Left(mark_of(sent), body_hash(sent), body_hash(stored))
    return None if left.sent == left.stored else left


def bare(obj: Json) -> bool:
    """Without content that could be hashed."""
    return obj.get("spec") is None and obj.get("data") is None


def hashed(obj: Json) -> str:
    if bare(obj):
        raise EsoError("generic target content does not have a spec or data field for content hashing")
    return content_hash(obj["spec"] if obj.get("spec") is not None else obj["data"])


def desired_manifest(
    es: ExternalSecret,
    live: Json | None,
    data: Mapping[str, bytes],
    sources: Sources,
    terms: Terms = DEFAULT_TERMS,
    left: Left | None = None,
    *,
    keep: bool = False,
) -> Change:
    """`left`: what became of our last write, when it was completed. Raises Failed."""
    policy = es.spec.target.creation_policy
    if not data:
        match es.spec.target.deletion_policy:
            case "Retain":
                return Nothing("retained")
            case "Delete" if policy != "Owner":
                raise Failed(
                    Stage.KEEP,
                    f"unable to delete resource: creationPolicy={policy} is not Owner",
                    fix="set creationPolicy: Owner",
                )
            case "Delete" if live is not None and not bound_to(live, EXTERNAL_SECRETS, es.metadata.name):
                raise Failed(
                    Stage.KEEP,
                    "unable to delete resource: it is not owned by this ExternalSecret",
                    fix="delete it by hand, or change spec.target.name",
                )
            case "Delete":
                return Delete()
    if policy == "None":
        return Nothing()
    if makes_secret(es.spec.target):
        kept_by_others(es, live)
    if refusals := template_refusals(es.spec):
        raise Failed(Stage.RENDER, "\n".join(refusals), fix="change spec.target.template")
    try:
        wanted = rendered(es, live, data, sources, terms, keep=keep)
    except EsoError as error:
        raise Failed(Stage.RENDER, str(error), fix=error.fix) from error
    if live is None:
        return Nothing("missing") if policy == "Merge" else Create(wanted)
    settled = left is not None and (left.sent, left.stored) == (body_hash(wanted), body_hash(live))
    changes = merge_patch(live, {**live, "metadata": wanted["metadata"]} if settled else wanted)
    if changes in ({}, {"metadata": COPIED_BEFORE}):
        return Nothing()
    meta = changes.setdefault("metadata", {})
    meta |= {"uid": live["metadata"].get("uid"), "resourceVersion": live["metadata"].get("resourceVersion")}
    return Patch(es.target_name, changes, wanted)


def rendered(
    es: ExternalSecret,
    live: Json | None,
    data: Mapping[str, bytes],
    sources: Sources,
    terms: Terms,
    *,
    keep: bool = False,
) -> Json:
    """The whole object as it should be; `live` is not touched. Metadata of others stays whatever the policy, content of
    others where the policy merges. `keep`: members that our last write left in `live` stay as they are."""
    manifest, template = es.spec.target.manifest, es.spec.target.template
    assert manifest is not None
    identity = {"name": es.target_name, "namespace": es.metadata.namespace}
    obj: Json = {"apiVersion": manifest.api_version, "kind": manifest.kind, "metadata": dict(identity)}
    if live is not None and es.spec.target.creation_policy in ("Merge", "CreateOrMerge"):
        obj = copied(live)
        if es.spec.target.creation_policy == "Merge" or manifest.kind in ("ConfigMap", "Secret"):
            # Not with CreateOrMerge elsewhere: in an object that we created we also own the defaults of its kind.
            withdraw(obj, own_fields(live["metadata"], es.field_manager))
    else:
        obj["data" if manifest.kind in ("ConfigMap", "Secret") else "spec"] = {}
        obj |= {key: copied(live[key]) for key in ("metadata", "status") if live is not None and key in live}
    meta = obj["metadata"]
    for part, own in (("labels", es.metadata.labels), ("annotations", copied_annotations(es))):
        known = without(meta.get(part) or {}, set(owned_keys(meta, es.field_manager, "f:metadata", f"f:{part}")))
        meta[part] = known | (own if template is None else getattr(template.metadata, part))
    if template is None:
        text = {key: runes(value) for key, value in data.items()}
        if manifest.kind == "ConfigMap":
            obj["data"] = text
        else:
            member(obj, "spec")["data"] = text
    else:
        render_manifest(template, data, sources, obj, terms)
        if keep and live is not None:
            restore(obj, live, own_fields(live["metadata"], es.field_manager, roots=("data", "spec", "metadata")))
    # A path of the template may lead anywhere, but it must not choose another object or another owner.
    obj |= {"apiVersion": manifest.api_version, "kind": manifest.kind}
    meta = member(obj, "metadata")
    meta |= identity
    labels, annotations = member(meta, "labels"), member(meta, "annotations")
    labels[wellknown.LABEL_MANAGED] = "true"
    annotations[wellknown.ANNOTATION_DATA_HASH] = hashed(obj)
    references = owners(es, meta)
    if references or meta.get("ownerReferences"):
        meta["ownerReferences"] = references
    if es.spec.target.creation_policy == "Owner":
        labels[wellknown.LABEL_CREATED_BY] = owner_hash(es.metadata.namespace, es.metadata.name)
    else:
        labels.pop(wellknown.LABEL_CREATED_BY, None)
    return obj


Path = tuple[str, ...]


def own_fields(meta: Json, manager: str, roots: tuple[str, ...] = ()) -> set[Path]:
    """Paths that managedFields attribute to `manager` alone; items of lists are left out. Without `roots`: everything
    but metadata and status."""
    ours: set[Path] = set()
    theirs: set[Path] = set()
    for entry in entries(meta):
        found = theirs if entry.get("manager") != manager else ours
        found |= set(fields(entry.get("fieldsV1") or {}))
    mine = ours - theirs
    return {path for path in mine if (path[0] in roots if roots else path[0] not in ("metadata", "status"))}


def fields(node: Json, path: Path = ()) -> Iterator[Path]:
    """The leaves of a `fieldsV1` tree."""
    for name, inner in node.items():
        if name.startswith("f:"):
            here = (*path, name[2:])
            if inner:
                yield from fields(inner, here)
            else:
                yield here


def withdraw(obj: Json, paths: set[Path]) -> None:
    """Removes the members at `paths`, and the maps that become empty by that, apart from the outermost.

    A list or an atomic map belongs whole to its last writer, also what others put into it before: it stays.
    """
    for path in paths:
        parents: list[Json] = [obj]
        for step in path[:-1]:
            inner = parents[-1].get(step)
            if not isinstance(inner, dict):
                break
            parents.append(inner)
        if len(parents) != len(path):
            continue
        if isinstance(parents[-1].get(path[-1]), list | dict):
            continue
        parents[-1].pop(path[-1], None)
        for depth in range(len(parents) - 1, 1, -1):
            if parents[depth]:
                break
            del parents[depth - 1][path[depth - 1]]


def restore(obj: Json, live: Json, paths: set[Path]) -> None:
    """Puts the values of `live` at `paths` into `obj`, where it has a member there."""
    for path in paths:
        here: Any = obj
        there: Any = live
        for step in path[:-1]:
            here, there = (m.get(step) if isinstance(m, dict) else None for m in (here, there))
        if isinstance(here, dict) and isinstance(there, dict) and path[-1] in here and path[-1] in there:
            here[path[-1]] = copied(there[path[-1]])
