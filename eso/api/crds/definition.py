"""The CustomResourceDefinitions of the core kinds.

Neighbours: externalsecret.py and secretstore.py have the schemas; __main__.py writes the files. Both served versions
have one schema; the deprecated one goes without descriptions, so that a client-side `kubectl apply` still fits into its
annotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS
from eso.api.crds.externalsecret import (
    cluster_external_secret_spec,
    cluster_external_secret_status,
    external_secret_spec,
    external_secret_status,
)
from eso.api.crds.schema import Schema, obj, text, without_descriptions
from eso.api.crds.secretstore import secret_store_spec, secret_store_status
from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import Resource
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES
from eso.api.wellknown import LABEL_COMPONENT

READY = '.status.conditions[?(@.type=="Ready")]'


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"

    def json(self) -> dict[str, str]:
        return {"jsonPath": self.path, "name": self.name, "type": self.type}


STORE_COLUMNS = (
    Column("AGE", ".metadata.creationTimestamp", "date"),
    Column("Status", f"{READY}.reason"),
    Column("Capabilities", ".status.capabilities"),
    Column("Ready", f"{READY}.status"),
)
EXTERNAL_SECRET_COLUMNS = (
    Column("StoreType", ".spec.secretStoreRef.kind"),
    Column("Store", ".spec.secretStoreRef.name"),
    Column("Refresh Interval", ".spec.refreshInterval"),
    Column("Status", f"{READY}.reason"),
    Column("Ready", f"{READY}.status"),
    Column("Last Sync", ".status.refreshTime", "date"),
)
CLUSTER_EXTERNAL_SECRET_COLUMNS = (
    Column("Store", ".spec.externalSecretSpec.secretStoreRef.name"),
    Column("Refresh Interval", ".spec.refreshTime"),
    Column("Ready", f"{READY}.status"),
)
SELECTABLE = (".spec.secretStoreRef.name", ".spec.secretStoreRef.kind", ".spec.target.name", ".spec.refreshInterval")


def custom_resource_definitions() -> dict[str, dict[str, Any]]:
    """Plural → CustomResourceDefinition."""
    store, cluster_store = (
        ("Says where secrets live and how to log in there; for its own namespace.", SECRET_STORES, "ss"),
        ("Says where secrets live and how to log in there; for many namespaces.", CLUSTER_SECRET_STORES, "css"),
    )
    made = [
        definition(
            EXTERNAL_SECRETS,
            "es",
            schema("Keeps a Secret in step with what a store holds.", external_secret_spec(), external_secret_status()),
            EXTERNAL_SECRET_COLUMNS,
            SELECTABLE,
        ),
        definition(
            CLUSTER_EXTERNAL_SECRETS,
            "ces",
            schema(
                "Puts one ExternalSecret into many namespaces.",
                cluster_external_secret_spec(),
                cluster_external_secret_status(),
            ),
            CLUSTER_EXTERNAL_SECRET_COLUMNS,
        ),
        *(
            definition(resource, short, schema(about, secret_store_spec(), secret_store_status()), STORE_COLUMNS)
            for about, resource, short in (store, cluster_store)
        ),
    ]
    return {crd["spec"]["names"]["plural"]: crd for crd in made}


def schema(description: str, spec: Schema, status: Schema) -> Schema:
    parts = {
        "apiVersion": text("Version of this form of the object."),
        "kind": text("Kind of the object."),
        "metadata": {"type": "object"},
        "spec": spec,
        "status": status,
    }
    return obj(description, parts)


def definition(
    resource: Resource, short_name: str, shape: Schema, columns: tuple[Column, ...], selectable: tuple[str, ...] = ()
) -> dict[str, Any]:
    current = version("v1", shape, columns) | {"served": True, "storage": True}
    if selectable:
        current["selectableFields"] = [{"jsonPath": path} for path in selectable]
    former = version("v1beta1", without_descriptions(shape), columns) | {
        "deprecated": True,
        "served": True,
        "storage": False,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"labels": {LABEL_COMPONENT: "controller"}, "name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": resource.group,
            "names": {
                "categories": ["external-secrets"],
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "shortNames": [short_name],
                "singular": resource.kind.lower(),
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [current, former],
        },
    }


def version(name: str, shape: Schema, columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "additionalPrinterColumns": [column.json() for column in columns],
        "name": name,
        "schema": {"openAPIV3Schema": shape},
        "subresources": {"status": {}},
    }
