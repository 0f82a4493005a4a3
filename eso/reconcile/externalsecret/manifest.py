"""Live object + data map → what to send, for targets of any other kind than Secret: section 9 of the reconcile rules.

Neighbours: desired.py is the same for Secrets and lends its rules of ownership; generic.py reads and sends. Objects are plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import content_hash, owner_hash
from eso.errors import EsoError, Terminal
from eso.reconcile.externalsecret.desired import CannotDelete, Change, Create, Delete, Json, Nothing, Patch, bound_to, owners
from eso.template.apply import DEFAULT_TERMS, Sources, Terms
from eso.template.manifest import render_manifest
from eso.template.place import member


class ManifestRefused(Terminal):
    """Generic targets are switched off, or the manifest block is incomplete."""


class ManifestFailed(EsoError):
    """Rendering, hashing or ownership failed: `could not apply template to manifest`."""


class TargetUnreadable(EsoError):
    """The live object could not be read: no permission, no such kind, no answer."""


def refuse(es: ExternalSecret, *, enabled: bool) -> None:
    """Section 9.1. Raises ManifestRefused."""
    manifest = es.spec.target.manifest
    assert manifest is not None
    if not enabled:
        raise ManifestRefused("generic targets are disabled. Enable with --unsafe-allow-generic-targets flag")
    for field, value in (("apiVersion", manifest.api_version), ("kind", manifest.kind)):
        if not value:
            raise ManifestRefused(f"target.manifest.{field} is required")


def intact(es: ExternalSecret, live: Json | None) -> bool:
    """Section 9.2, step 2: managed, and with the content that we left. Raises EsoError for a managed object without content."""
    if live is None or (live["metadata"].get("labels") or {}).get(wellknown.LABEL_MANAGED) != "true":
        return False
    return bool((live["metadata"].get("annotations") or {}).get(wellknown.ANNOTATION_DATA_HASH) == hashed(live))


def hashed(obj: Json) -> str:
    content = obj.get("spec") if obj.get("spec") is not None else obj.get("data")
    if content is None:
        raise EsoError("generic target content does not have a spec or data field for content hashing")
    return content_hash(content)


def desired_manifest(es: ExternalSecret, live: Json | None, data: Mapping[str, bytes], sources: Sources, terms: Terms = DEFAULT_TERMS) -> Change:
    """Raises ManifestFailed or CannotDelete."""
    policy = es.spec.target.creation_policy
    if not data:
        match es.spec.target.deletion_policy:
            case "Retain":
                return Nothing("retained")
            case "Delete" if policy != "Owner":
                raise CannotDelete(f"unable to delete resource: creationPolicy={policy} is not Owner", fix="set creationPolicy: Owner")
            case "Delete" if live is not None and not bound_to(live, es):
                raise CannotDelete("unable to delete resource: it is not owned by this ExternalSecret", fix="delete it by hand, or change spec.target.name")
            case "Delete":
                return Delete()
    if policy == "None":
        return Nothing()
    try:
        wanted = rendered(es, live, data, sources, terms)
    except EsoError as error:
        raise ManifestFailed(str(error), fix=error.fix) from error
    if live is None:
        return Nothing("missing") if policy == "Merge" else Create(wanted)
    changes = merge_diff(live, wanted)
    if not changes:
        return Nothing()
    meta = changes.setdefault("metadata", {})
    meta |= {"uid": live["metadata"].get("uid"), "resourceVersion": live["metadata"].get("resourceVersion")}
    return Patch(es.target_name, changes, wanted)


def rendered(es: ExternalSecret, live: Json | None, data: Mapping[str, bytes], sources: Sources, terms: Terms) -> Json:
    """The whole object as it should be; `live` is not touched. Foreign metadata stays, whatever the policy."""
    manifest, template = es.spec.target.manifest, es.spec.target.template
    assert manifest is not None
    keep = es.spec.target.creation_policy in ("Merge", "CreateOrMerge")
    content = "data" if manifest.kind in ("ConfigMap", "Secret") else "spec"
    obj: Json = {"apiVersion": manifest.api_version, "kind": manifest.kind, "metadata": {"name": es.target_name, "namespace": es.metadata.namespace}}
    if live is None:
        obj[content] = {}
    else:
        obj = copied(live) if keep else {**copied(live), content: {}}
    meta = obj["metadata"]
    labels, annotations = dict(meta.get("labels") or {}), dict(meta.get("annotations") or {})
    labels |= es.metadata.labels if template is None else template.metadata.labels
    annotations |= es.metadata.annotations if template is None else template.metadata.annotations
    meta["labels"], meta["annotations"] = labels, annotations
    if template is None:
        text = {key: value.decode(errors="replace") for key, value in data.items()}
        if manifest.kind == "ConfigMap":
            obj["data"] = text
        else:
            member(obj, "spec")["data"] = text
    else:
        render_manifest(template, data, sources, obj, terms)
    labels, annotations = meta["labels"], meta["annotations"]
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


def copied(value: Any) -> Any:
    """A deep copy of plain JSON."""
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


def merge_diff(old: Json, new: Json) -> Json:
    """The merge patch that makes `new` of `old`; empty when they are equal. Lists are replaced whole."""
    patch: Json = {k: None for k in old if k not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_diff(before, value):
                patch[key] = inner
        elif key not in old or before != value or type(before) is not type(value):
            patch[key] = value
    return patch
