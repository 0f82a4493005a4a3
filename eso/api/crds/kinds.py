"""Every kind of the product, as one table: names, versions, columns and schemas.

Neighbours: definition.py turns a row into a CustomResourceDefinition; externalsecret.py, secretstore.py, pushsecret.py
and generators/ have the schemas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eso.api.changesource import CHANGE_SOURCES
from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS
from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS
from eso.api.crds.changesource import change_source_spec, change_source_status
from eso.api.crds.externalsecret import (
    cluster_external_secret_spec,
    cluster_external_secret_status,
    external_secret_spec,
    external_secret_status,
)
from eso.api.crds.generators import (
    GENERATORS,
    Generator,
    cluster_generator_spec,
    generator_state_spec,
    generator_state_status,
)
from eso.api.crds.pushsecret import (
    cluster_push_secret_spec,
    cluster_push_secret_status,
    push_secret_spec,
    push_secret_status,
)
from eso.api.crds.schema import Schema
from eso.api.crds.secretstore import secret_store_spec, secret_store_status
from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.generators import GENERATOR_STATES
from eso.api.meta import Resource
from eso.api.pushsecret import PUSH_SECRETS
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES
from eso.api.wellknown import GENERATORS_GROUP

READY: Final = '.status.conditions[?(@.type=="Ready")]'
CORE: Final = ("external-secrets",)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row. The version of `resource` is stored; those in `former` are served as deprecated with the same schema.

    manifests/ has every row, so a row needs a controller or code that reads it: an object that is accepted and then
    left alone misleads its author. `subresource`: whether the status is written apart from the spec.
    """

    resource: Resource
    about: str
    spec: Callable[[], Schema]
    status: Callable[[], Schema] | None = None
    former: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = CORE
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()
    subresource: bool = True


AGE: Final = Column("AGE", ".metadata.creationTimestamp", "date")
STORE_COLUMNS: Final = (
    AGE,
    Column("Status", f"{READY}.reason"),
    Column("Capabilities", ".status.capabilities"),
    Column("Ready", f"{READY}.status"),
)


def generator(row: Generator) -> Kind:
    resource = Resource(GENERATORS_GROUP, "v1alpha1", row.plural, row.kind)
    return Kind(
        resource,
        "Makes values.",
        row.spec,
        categories=(*CORE, "external-secrets-generators"),
    )


KINDS: Final = (
    Kind(
        EXTERNAL_SECRETS,
        "Keeps a Secret in step with what a store holds.",
        external_secret_spec,
        external_secret_status,
        former=("v1beta1",),
        short_names=("es",),
        columns=(
            Column("StoreType", ".spec.secretStoreRef.kind"),
            Column("Store", ".spec.secretStoreRef.name"),
            Column("Refresh Interval", ".spec.refreshInterval"),
            Column("Status", f"{READY}.reason"),
            Column("Ready", f"{READY}.status"),
            Column("Last Sync", ".status.refreshTime", "date"),
        ),
        selectable=(
            ".spec.secretStoreRef.name",
            ".spec.secretStoreRef.kind",
            ".spec.target.name",
            ".spec.refreshInterval",
        ),
    ),
    Kind(
        CLUSTER_EXTERNAL_SECRETS,
        "Puts one ExternalSecret into many namespaces.",
        cluster_external_secret_spec,
        cluster_external_secret_status,
        former=("v1beta1",),
        short_names=("ces",),
        columns=(
            Column("Store", ".spec.externalSecretSpec.secretStoreRef.name"),
            Column("Refresh Interval", ".spec.refreshTime"),
            Column("Ready", f"{READY}.status"),
        ),
    ),
    Kind(
        SECRET_STORES,
        "Says where secrets live and how to log in there; for its own namespace.",
        secret_store_spec,
        secret_store_status,
        former=("v1beta1",),
        short_names=("ss",),
        columns=STORE_COLUMNS,
    ),
    Kind(
        CLUSTER_SECRET_STORES,
        "Says where secrets live and how to log in there; for many namespaces.",
        secret_store_spec,
        secret_store_status,
        former=("v1beta1",),
        short_names=("css",),
        columns=STORE_COLUMNS,
    ),
    Kind(
        PUSH_SECRETS,
        "Keeps backends in step with Secrets.",
        push_secret_spec,
        push_secret_status,
        short_names=("ps",),
        columns=(AGE, Column("Status", f"{READY}.reason"), Column("Last Sync", ".status.refreshTime", "date")),
    ),
    Kind(
        CLUSTER_PUSH_SECRETS,
        "Puts one PushSecret into many namespaces.",
        cluster_push_secret_spec,
        cluster_push_secret_status,
        columns=(AGE, Column("Status", f"{READY}.reason")),
    ),
    *(generator(row) for row in GENERATORS),
    Kind(
        Resource(GENERATORS_GROUP, "v1alpha1", "clustergenerators", "ClusterGenerator", namespaced=False),
        "A generator for all namespaces.",
        cluster_generator_spec,
        categories=(*CORE, "external-secrets-generators"),
    ),
    Kind(
        GENERATOR_STATES,
        "What a generator left behind in a backend.",
        generator_state_spec,
        generator_state_status,
        short_names=("gs",),
        categories=(*CORE, "external-secrets-generators"),
        columns=(
            Column("GC Deadline", ".spec.garbageCollectionDeadline"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
        subresource=False,
    ),
    Kind(
        CHANGE_SOURCES,
        "Lets a backend tell that secrets have changed.",
        change_source_spec,
        change_source_status,
        short_names=("chs",),
        columns=(
            Column("Source", ".status.source"),
            Column("Ready", f"{READY}.status"),
            Column("Status", f"{READY}.reason"),
            Column("Accepted", ".status.accepted", "integer"),
            Column("Last Accepted", ".status.lastAccepted", "date"),
            AGE,
        ),
    ),
)
