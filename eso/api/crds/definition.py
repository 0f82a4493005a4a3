"""A row of the table of kinds → its CustomResourceDefinition.

Neighbours: kinds.py has the table; __main__.py writes the files. All served versions have one schema; a deprecated one
goes without descriptions, so that a client-side `kubectl apply` still fits into its annotation.
"""

from __future__ import annotations

from typing import Any

from eso.api.crds.kinds import KINDS, Column, Kind
from eso.api.crds.schema import Schema, obj, text, without_descriptions
from eso.api.wellknown import LABEL_COMPONENT


def definitions() -> dict[str, dict[str, Any]]:
    """Plural → CustomResourceDefinition, of every kind."""
    return {kind.resource.plural: definition(kind) for kind in KINDS}


def schema(kind: Kind) -> Schema:
    parts = {
        "apiVersion": text("Version of this form of the object."),
        "kind": text("Kind of the object."),
        "metadata": {"type": "object"},
        "spec": kind.spec(),
    }
    return obj(kind.about, parts | ({"status": kind.status()} if kind.status else {}))


def definition(kind: Kind) -> dict[str, Any]:
    resource, shape = kind.resource, schema(kind)
    current = version(kind, resource.version, shape) | {"served": True, "storage": True}
    if kind.selectable:
        current["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    former = [
        version(kind, name, without_descriptions(shape)) | {"deprecated": True, "served": True, "storage": False}
        for name in kind.former
    ]
    names: dict[str, Any] = {
        "categories": list(kind.categories),
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"labels": {LABEL_COMPONENT: "controller"}, "name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": resource.group,
            "names": names,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [current, *former],
        },
    }


def version(kind: Kind, name: str, shape: Schema) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "schema": {"openAPIV3Schema": shape}}
    if kind.columns:
        made["additionalPrinterColumns"] = [printed(column) for column in kind.columns]
    if kind.subresource:
        made["subresources"] = {"status": {}}
    return made


def printed(column: Column) -> dict[str, str]:
    return {"jsonPath": column.path, "name": column.name, "type": column.type}
