"""Live Secret + data map → what to send: creation policy, ownership, immutability, metadata.

Neighbours: assemble.py made the map, `template.apply` renders it, targets.py sends the Change. Objects are plain JSON
dicts; `data` values are bytes on the way in and base64 in a Change.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import data_hash, owner_hash
from eso.api.validate import template_refusals
from eso.errors import EsoError
from eso.reconcile.externalsecret.adopt import kept_by_others
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.kit.difference import Json, flat_patch
from eso.reconcile.kit.owners import bound_to, controller_of, controller_reference, owned_keys, refers_to
from eso.template.apply import DEFAULT_TERMS, Parts, Sources, Terms, apply

V = TypeVar("V")
MAX_SECRET = 1 << 20  # bytes of all values, as the API server counts them


@dataclass(frozen=True, slots=True)
class Create:
    body: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge patch that carries the resourceVersion it was computed from. Key names only in the lists."""

    name: str
    body: Json = field(repr=False)
    after: Json = field(repr=False)
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """The live Secret already is what it should be, or the policy writes none."""

    verdict: str = "synced"  # synced, retained, missing


@dataclass(frozen=True, slots=True)
class Delete:
    """The backend proved that nothing is left and the deletion policy is Delete."""


Change = Create | Patch | Nothing | Delete


def desired(
    es: ExternalSecret,
    live: Json | None,
    data: Mapping[str, bytes],
    sources: Sources,
    terms: Terms = DEFAULT_TERMS,
    *,
    keep: bool = False,
) -> Change:
    """Sections 6.1-6.5 and 7. `keep`: keys that our last write left in the live Secret stay as they are. Raises
    Failed."""
    policy, name = es.spec.target.creation_policy, es.target_name
    if not data:
        match es.spec.target.deletion_policy:
            case "Retain":
                return Nothing("retained")
            case "Delete" if policy != "Owner":
                raise Failed(
                    Stage.KEEP,
                    f"unable to delete secret {name}: creationPolicy={policy} is not Owner",
                    fix="set creationPolicy: Owner",
                )
            case "Delete" if live is not None and not bound_to(live, EXTERNAL_SECRETS, es.metadata.name):
                # The reference deletes any Secret of that name. Without our controller reference it may be a user's.
                raise Failed(
                    Stage.KEEP,
                    f"unable to delete secret {name}: it is not owned by this ExternalSecret",
                    fix="delete it by hand, or change spec.target.name",
                )
            case "Delete":
                return Delete()
    if policy == "None":
        return Nothing()
    kept_by_others(es, live)
    if live is None:
        if policy == "Merge":
            return Nothing("missing")
        blank: Json = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": es.metadata.namespace},
        }
        return Create(mutate(es, blank, data, sources, terms, fresh=True))
    try:
        wanted = mutate(es, live, data, sources, terms, fresh=False, keep=keep)
    except EsoError as error:
        error.message = f"unable to mutate secret {name}: {error.message}"
        raise
    return difference(live, wanted)


def mutate(
    es: ExternalSecret,
    live: Json,
    data: Mapping[str, bytes],
    sources: Sources,
    terms: Terms,
    *,
    fresh: bool,
    keep: bool = False,
) -> Json:
    """The whole object as it should be; `live` is not touched."""
    meta: Json = dict(live["metadata"])
    wanted: Json = {**live, "metadata": meta}
    values, labels, annotations = decoded(live), dict(meta.get("labels") or {}), dict(meta.get("annotations") or {})
    if es.spec.target.immutable:
        wanted["immutable"] = True
    if fresh or not es.spec.target.immutable:
        parts = rendered(es, live, data, sources, terms)
        if keep:
            parts = kept(es, live, parts)
        values, labels, annotations = parts.data, parts.labels, parts.annotations
        if parts.type:
            wanted["type"] = parts.type
        if es.spec.target.template is not None and not meta.get("deletionTimestamp"):
            present = list(meta.get("finalizers") or [])
            meta["finalizers"] = list(dict.fromkeys([*present, *es.spec.target.template.metadata.finalizers]))
    if sum(map(len, values.values())) > MAX_SECRET:  # the API server would refuse it: neither hash nor send it
        raise Failed(
            Stage.WRITE,
            f'Secret "{es.target_name}" is invalid: data: Too long: may not be more than {MAX_SECRET} bytes',
            fix="read less, or use several ExternalSecrets",
        )
    meta["ownerReferences"] = owners(es, meta)
    if es.spec.target.creation_policy == "Owner":
        labels[wellknown.LABEL_CREATED_BY] = owner_hash(es.metadata.namespace, es.metadata.name)
    else:
        labels.pop(wellknown.LABEL_CREATED_BY, None)
    labels[wellknown.LABEL_MANAGED] = "true"
    annotations[wellknown.ANNOTATION_DATA_HASH] = data_hash(values)
    meta["labels"], meta["annotations"] = labels, annotations
    wanted["data"] = {key: base64.b64encode(value).decode() for key, value in values.items()}
    if fresh:
        for empty in [k for k in ("ownerReferences", "finalizers") if not meta.get(k)]:
            meta.pop(empty, None)
    return wanted


def rendered(es: ExternalSecret, live: Json, data: Mapping[str, bytes], sources: Sources, terms: Terms) -> Parts:
    """Data, labels and annotations: the members of the live Secret that are not ours, as far as the policy keeps them,
    and on top the output of the template. Raises Failed."""
    if refusals := template_refusals(es.spec):
        text = "could not apply template: " + "\n".join(refusals)
        raise Failed(Stage.RENDER, text, fix="change spec.target.template")
    meta, template = live["metadata"], es.spec.target.template
    ours = Ours.of(es, meta)
    labels = without(meta.get("labels") or {}, ours.labels)
    annotations = without(meta.get("annotations") or {}, ours.annotations)
    labels |= es.metadata.labels if template is None else template.metadata.labels
    annotations |= copied_annotations(es) if template is None else template.metadata.annotations
    merges = es.spec.target.creation_policy in ("Merge", "CreateOrMerge")
    values = without(decoded(live), ours.data) if merges else {}
    try:
        return apply(template, data, sources, values, labels=labels, annotations=annotations, terms=terms)
    except EsoError as error:
        raise Failed(Stage.RENDER, f"could not apply template: {error}", fix=error.fix) from error


@dataclass(frozen=True, slots=True)
class Ours:
    """The keys of a live Secret that managedFields attribute to this ExternalSecret."""

    data: frozenset[str]
    labels: frozenset[str]
    annotations: frozenset[str]

    @classmethod
    def of(cls, es: ExternalSecret, meta: Mapping[str, Any]) -> Ours:
        manager = es.field_manager
        return cls(
            frozenset(owned_keys(meta, manager, "f:data")),
            frozenset(owned_keys(meta, manager, "f:metadata", "f:labels")),
            frozenset(owned_keys(meta, manager, "f:metadata", "f:annotations")),
        )


def kept(es: ExternalSecret, live: Json, parts: Parts) -> Parts:
    """The parts, where each key that our last write left in the live Secret keeps its live value."""
    meta = live["metadata"]
    ours = Ours.of(es, meta)
    return replace(
        parts,
        data=parts.data | common(decoded(live), ours.data, parts.data),
        labels=parts.labels | common(meta.get("labels") or {}, ours.labels, parts.labels),
        annotations=parts.annotations | common(meta.get("annotations") or {}, ours.annotations, parts.annotations),
    )


def common(values: Mapping[str, V], ours: frozenset[str], wanted: Mapping[str, V]) -> dict[str, V]:
    return {key: value for key, value in values.items() if key in ours and key in wanted}


NOT_COPIED = frozenset({wellknown.ANNOTATION_LAST_APPLIED, wellknown.ANNOTATION_SUSPEND})


COPIED_BEFORE = {"annotations": {wellknown.ANNOTATION_LAST_APPLIED: None}}
"""The reference copies it. Its removal alone is no reason for a write, or taking over a cluster would write every
target."""


def copied_annotations(es: ExternalSecret) -> dict[str, str]:
    """Without a template the target gets the annotations of the ExternalSecret, apart from those that are about the
    ExternalSecret itself: `kubectl apply` would take its last manifest for the target's."""
    return without(es.metadata.annotations, NOT_COPIED)


def owners(es: ExternalSecret, meta: Mapping[str, Any]) -> list[Json]:
    """Section 6.5. Group, kind and name decide whose controller reference it is; version and uid do not."""
    references = [dict(r) for r in meta.get("ownerReferences") or []]
    controller = controller_of({"ownerReferences": references})
    ours = controller is not None and refers_to(controller, EXTERNAL_SECRETS, es.metadata.name)
    if controller is not None and refers_to(controller, EXTERNAL_SECRETS) and not ours:
        raise Failed(
            Stage.OWN,
            f"secret is owned by another ExternalSecret: {controller['name']}",
            fix="give the two ExternalSecrets different spec.target.name",
        )
    if es.spec.target.creation_policy != "Owner":
        return [r for r in references if not (ours and r is controller)]
    if controller is not None and not ours:
        where = f"{es.metadata.namespace}/{es.target_name}"
        text = f"Object {where} is already owned by another {controller['kind']} controller {controller['name']}"
        raise Failed(
            Stage.CLAIM,
            f"could not set controller reference on secret: {text}",
            fix="use creationPolicy: Merge, or another spec.target.name",
        )
    mine = controller_reference(EXTERNAL_SECRETS, es.metadata)
    same = [r for r in references if refers_to(r, EXTERNAL_SECRETS, es.metadata.name)]
    return (
        [mine if r is same[0] else r for r in references if r is same[0] or r not in same]
        if same
        else [*references, mine]
    )


def difference(live: Json, wanted: Json) -> Change:
    """A merge patch from `live` to `wanted`, or Nothing. An immutable live Secret may change its metadata only."""
    before, after = live["metadata"], wanted["metadata"]
    meta: Json = {}
    for part in ("labels", "annotations"):
        if changes := flat_patch(before.get(part) or {}, after.get(part) or {}):
            meta[part] = changes
    for part in ("ownerReferences", "finalizers"):
        if (before.get(part) or []) != (after.get(part) or []):
            meta[part] = after.get(part) or None
    body: Json = {}
    if data := flat_patch(live.get("data") or {}, wanted.get("data") or {}):
        body["data"] = data
    body |= {k: wanted[k] for k in ("type", "immutable") if k in wanted and wanted[k] != live.get(k)}
    if body and live.get("immutable"):
        raise Failed(
            Stage.FREEZE,
            f"unable to update secret {before['name']}: secret is immutable",
            fix="delete the Secret, or change spec.target.name",
        )
    if "type" in body and body["type"] != live.get("type", "Opaque"):
        name, wanted_type = before["name"], body["type"]
        raise Failed(
            Stage.TYPE,
            f'unable to update secret {name}: Secret "{name}" is invalid: type: Invalid value: "{wanted_type}":'
            " field is immutable",
            fix=f"the live Secret has type {live.get('type', 'Opaque')}, and a type cannot change:"
            f" delete the Secret, then it is made again with type {wanted_type}",
        )
    if not body and meta in ({}, COPIED_BEFORE):
        return Nothing()
    changed = body.get("data", {})
    old = live.get("data") or {}
    return Patch(
        before["name"],
        body | {"metadata": meta | {"uid": before.get("uid"), "resourceVersion": before.get("resourceVersion")}},
        wanted,
        tuple(sorted(k for k, v in changed.items() if v is not None and k not in old)),
        tuple(sorted(k for k, v in changed.items() if v is not None and k in old)),
        tuple(sorted(k for k, v in changed.items() if v is None)),
        tuple(sorted(k for k, v in changed.items() if v == "")),
    )


def without(values: Mapping[str, V], keys: Collection[str]) -> dict[str, V]:
    return {k: v for k, v in values.items() if k not in keys}


def decoded(live: Mapping[str, Any]) -> dict[str, bytes]:
    return {key: base64.b64decode(value or "") for key, value in (live.get("data") or {}).items()}
