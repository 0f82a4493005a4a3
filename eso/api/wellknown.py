"""The labels, annotations, finalizers and names that users, dashboards and the reference know us by.

Neighbours: everybody reads these; nobody spells one out again.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "external-secrets.io"
GENERATORS_GROUP: Final = "generators.external-secrets.io"
API_VERSION: Final = f"{GROUP}/v1"
GENERATORS_API_VERSION: Final = f"{GENERATORS_GROUP}/v1alpha1"

LABEL_MANAGED: Final = "reconcile.external-secrets.io/managed"
LABEL_CREATED_BY: Final = "reconcile.external-secrets.io/created-by"
LABEL_COMPONENT: Final = "external-secrets.io/component"
LABEL_GENERATOR_OWNER: Final = "generators.external-secrets.io/owner-key"
LABEL_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"

ANNOTATION_DATA_HASH: Final = "reconcile.external-secrets.io/data-hash"
ANNOTATION_FORCE_SYNC: Final = "external-secrets.io/force-sync"
ANNOTATION_IGNORE_MAINTENANCE: Final = "external-secrets.io/ignore-maintenance-checks"
ANNOTATION_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATION_SERVICE_ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
EXTENSIONS_PREFIX: Final = "extensions.external-secrets.io/"

FINALIZER_EXTERNAL_SECRET: Final = "externalsecrets.external-secrets.io/externalsecret-cleanup"
FINALIZER_CLUSTER_EXTERNAL_SECRET: Final = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
FINALIZER_NAMESPACE_PREFIX: Final = "externalsecrets.external-secrets.io/ces-"
FINALIZER_STORE: Final = "secretstore.externalsecrets.io/finalizer"  # this domain has no dash; existing objects carry it like that
FINALIZER_GENERATOR_STATE: Final = "generatorstate.externalsecrets.io/finalizer"
FINALIZER_PUSH_SECRET: Final = "pushsecret.externalsecrets.io/finalizer"

FIELD_MANAGER_PREFIX: Final = "externalsecrets.external-secrets.io/"

SECRET_TYPE_SERVICE_ACCOUNT_TOKEN: Final = "kubernetes.io/service-account-token"
SECRET_TYPE_BOOTSTRAP_TOKEN: Final = "bootstrap.kubernetes.io/token"


def namespace_finalizer(cluster_external_secret: str) -> str:
    """The finalizer that one ClusterExternalSecret puts on the namespaces it provisions."""
    return FINALIZER_NAMESPACE_PREFIX + cluster_external_secret
