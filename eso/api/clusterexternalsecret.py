"""ClusterExternalSecret: one ExternalSecret for many namespaces.

Neighbours: reconcile.clusterexternalsecret makes the children. The children's spec stays JSON: it is copied, not
interpreted, and must not lose a member that this version does not know.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eso.api.labels import LabelSelector
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GROUP
from eso.gocompat.duration import parse_duration

CLUSTER_EXTERNAL_SECRETS: Final = Resource(
    GROUP, "v1", "clusterexternalsecrets", "ClusterExternalSecret", namespaced=False
)


class ChildMetadata(Record, frozen=True):
    """The complete label and annotation sets of the children."""

    labels: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    annotations: dict[str, str] = {}  # noqa: RUF012  # as above


class ClusterExternalSecretSpec(Record, frozen=True):
    """`namespace_selectors`, `namespace_selector` and `namespaces` are alternatives: any match counts. `refresh_time`
    is an interval."""

    external_secret_spec: dict[str, Any] = {}  # noqa: RUF012  # msgspec copies it per instance
    external_secret_name: str = ""
    external_secret_metadata: ChildMetadata = ChildMetadata()
    namespace_selector: LabelSelector | None = None
    namespace_selectors: tuple[LabelSelector, ...] = ()
    namespaces: tuple[str, ...] = ()
    refresh_time: str | None = None

    @property
    def refresh_seconds(self) -> float | None:
        """None when absent. Raises DurationError."""
        return None if self.refresh_time is None else parse_duration(self.refresh_time)

    @property
    def selectors(self) -> tuple[LabelSelector, ...]:
        return (
            self.namespace_selectors
            if self.namespace_selector is None
            else (self.namespace_selector, *self.namespace_selectors)
        )


class FailedNamespace(Record, frozen=True, omit_defaults=False):
    namespace: str = ""
    reason: str = ""


class ClusterExternalSecretStatus(Record, frozen=True):
    external_secret_name: str = ""
    provisioned_namespaces: tuple[str, ...] = ()
    failed_namespaces: tuple[FailedNamespace, ...] = ()
    conditions: tuple[Condition, ...] = ()


class ClusterExternalSecret(Object, frozen=True):
    spec: ClusterExternalSecretSpec = ClusterExternalSecretSpec()
    status: ClusterExternalSecretStatus = ClusterExternalSecretStatus()

    @property
    def child_name(self) -> str:
        return self.spec.external_secret_name or self.metadata.name


_decoder: Final = msgspec.json.Decoder(ClusterExternalSecret)


def decode_cluster_external_secret(raw: bytes | msgspec.Raw) -> ClusterExternalSecret | Undecodable:
    """Decodes one object of the API server; Undecodable when its spec or status does not have the schema's form."""
    return decode_or_metadata(_decoder, raw)
