"""Live object + data map → what to send, for targets of any other kind than Secret: section 9 of the reconcile rules.

Neighbours: desired.py is the same for Secrets and lends its rules of ownership; generic.py reads and sends. Objects are
plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import content_hash, owner_hash
from eso.api.validate import template_refusals
from eso.errors import EsoError, Terminal
from eso.gocompat.text import runes
from eso.reconcile.externalsecret.desired import (
    CannotDelete,
    Change,
    Create,
    Delete,
    Nothing,
    Patch,
    owners,
    without,
)
from eso.reconcile.kit.difference import Json, copied, merge_patch
from eso.reconcile.kit.owners import bound_to, owned_keys
from eso.template.apply import DEFAULT_TERMS, Sources, Terms
from eso.template.manifest import render_manifest
from eso.template.place import member


class ManifestRefused(Terminal):
    """Generic targets are switched off, or the manifest block is incomplete."""


class ManifestFailed(EsoError):
    """Rendering, hashing or ownership failed: `could not apply template to manifest`."""


class TargetUnreadable(EsoError):
    """The live object could not be read: no permission, no answer."""


class NoSuchKind(TargetUnreadable):
    """The API server does not serve the kind: nothing of it can exist."""


@dataclass(frozen=True, slots=True)
class Left:
    """A write that the API server completed with defaults: the data-hash annotation, what we sent and what it stored,
    as hashes."""

    mark: str
    sent: str
    stored: str


def refuse(es: ExternalSecret, *, enabled: bool) -> None:
    """Section 9.1. Raises ManifestRefused."""
    manifest = es.spec.target.manifest
    assert manifest is not None
    if not enabled:
        raise ManifestRefused("generic targets are disabled. Enable with --unsafe-allow-generic-targets flag")
    for field, value in (("apiVersion", manifest.api_version), ("kind", manifest.kind)):
        if not value:
            raise ManifestRefused(f"target.manifest.{field} is required")


def intact(live: Json | None, left: Left | None = None) -> bool:
    """Section 9.2, step 2: managed, and with the content that we left. Raises ManifestFailed for a managed object
    without content."""
    if live is None or (live["metadata"].get("labels") or {}).get(wellknown.LABEL_MANAGED) != "true":
        return False
    if bare(live) and mark_of(live) == content_hash({}):
        return True  # our own write emptied it: the API server keeps no empty `data`
    try:
        content = hashed(live)
    except EsoError as error:
        raise ManifestFailed(str(error), fix="delete the object, or take the managed label off it") from error
    mark = mark_of(live)
    return mark == content or (left is not None and left.mark == mark and left.stored == body_hash(live))


def mark_of(obj: Json) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(wellknown.ANNOTATION_DATA_HASH, ""))


def body_hash(obj: Json) -> str:
    """Over everything that is ours to write, metadata apart."""
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
) -> Change:
    """`left`: what became of our last write, when it was completed. Raises ManifestFailed or CannotDelete."""
    policy = es.spec.target.creation_policy
    if not data:
        match es.spec.target.deletion_policy:
            case "Retain":
                return Nothing("retained")
            case "Delete" if policy != "Owner":
                raise CannotDelete(
                    f"unable to delete resource: creationPolicy={policy} is not Owner", fix="set creationPolicy: Owner"
                )
            case "Delete" if live is not None and not bound_to(live, EXTERNAL_SECRETS, es.metadata.name):
                raise CannotDelete(
                    "unable to delete resource: it is not owned by this ExternalSecret",
                    fix="delete it by hand, or change spec.target.name",
                )
            case "Delete":
                return Delete()
    if policy == "None":
        return Nothing()
    if refusals := template_refusals(es.spec):
        raise ManifestFailed("\n".join(refusals), fix="change spec.target.template")
    try:
        wanted = rendered(es, live, data, sources, terms)
    except EsoError as error:
        raise ManifestFailed(str(error), fix=error.fix) from error
    if live is None:
        return Nothing("missing") if policy == "Merge" else Create(wanted)
    settled = left is not None and (left.sent, left.stored) == (body_hash(wanted), body_hash(live))
    changes = merge_patch(live, {**live, "metadata": wanted["metadata"]} if settled else wanted)
    if not changes:
        return Nothing()
    meta = changes.setdefault("metadata", {})
    meta |= {"uid": live["metadata"].get("uid"), "resourceVersion": live["metadata"].get("resourceVersion")}
    return Patch(es.target_name, changes, wanted)


def rendered(es: ExternalSecret, live: Json | None, data: Mapping[str, bytes], sources: Sources, terms: Terms) -> Json:
    """The whole object as it should be; `live` is not touched. Foreign metadata stays, whatever the policy; content
    only where we merge."""
    manifest, template = es.spec.target.manifest, es.spec.target.template
    assert manifest is not None
    identity = {"name": es.target_name, "namespace": es.metadata.namespace}
    obj: Json = {"apiVersion": manifest.api_version, "kind": manifest.kind, "metadata": dict(identity)}
    if live is not None and es.spec.target.creation_policy in ("Merge", "CreateOrMerge"):
        obj = copied(live)
    else:
        obj["data" if manifest.kind in ("ConfigMap", "Secret") else "spec"] = {}
        obj |= {key: copied(live[key]) for key in ("metadata", "status") if live is not None and key in live}
    meta = obj["metadata"]
    for part, own in (("labels", es.metadata.labels), ("annotations", es.metadata.annotations)):
        known = without(meta.get(part) or {}, owned_keys(meta, es.field_manager, "f:metadata", f"f:{part}"))
        meta[part] = known | (own if template is None else getattr(template.metadata, part))
    if template is None:
        text = {key: runes(value) for key, value in data.items()}
        if manifest.kind == "ConfigMap":
            obj["data"] = text
        else:
            member(obj, "spec")["data"] = text
    else:
        render_manifest(template, data, sources, obj, terms)
    # A path may lead anywhere: which object this is and whose stays our business.
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
