"""Labels, annotations, finalizers and names that users, dashboards and the reference rely on.

Neighbours: all rooms import them; none spells one out again.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "external-secrets.io"
GENERATORS_GROUP: Final = "generators.external-secrets.io"
GENERATORS_API_VERSION: Final = f"{GENERATORS_GROUP}/v1alpha1"

LABEL_MANAGED: Final = "reconcile.external-secrets.io/managed"
LABEL_CREATED_BY: Final = "reconcile.external-secrets.io/created-by"
LABEL_COMPONENT: Final = "external-secrets.io/component"
LABEL_TYPE: Final = "external-secrets.io/type"  # of a Secret: which templates may use it
TYPE_WEBHOOK: Final = "webhook"

ANNOTATION_DATA_HASH: Final = "reconcile.external-secrets.io/data-hash"
ANNOTATION_IGNORE_MAINTENANCE: Final = "external-secrets.io/ignore-maintenance-checks"
ANNOTATION_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATION_SERVICE_ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
EXTENSIONS_GROUP: Final = "extensions.external-secrets.io"
EXTENSIONS_PREFIX: Final = f"{EXTENSIONS_GROUP}/"
ANNOTATION_CHANGE_SOURCES_FROM: Final = f"{EXTENSIONS_PREFIX}change-sources-from"
ANNOTATION_SUSPEND: Final = f"{EXTENSIONS_PREFIX}suspend"

FINALIZER_CLUSTER_EXTERNAL_SECRET: Final = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
FINALIZER_EXTERNAL_SECRET: Final = "externalsecrets.external-secrets.io/externalsecret-cleanup"

FIELD_MANAGER_PREFIX: Final = "externalsecrets.external-secrets.io/"

SECRET_TYPE_SERVICE_ACCOUNT_TOKEN: Final = "kubernetes.io/service-account-token"
SECRET_TYPE_BOOTSTRAP_TOKEN: Final = "bootstrap.kubernetes.io/token"
