"""ClusterPushSecret: one PushSecret for many namespaces.

Neighbours: reconcile.clusterpushsecret makes the children. The children's spec stays JSON: it is copied, not
interpreted, and must not lose a member that this version does not know.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eso.api.labels import LabelSelector
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GROUP
from eso.gocompat.duration import parse_duration

CLUSTER_PUSH_SECRETS: Final = Resource(GROUP, "v1alpha1", "clusterpushsecrets", "ClusterPushSecret", namespaced=False)


class PushChildMetadata(Record, frozen=True):
    """The complete label and annotation sets of the children."""

    labels: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    annotations: dict[str, str] = {}  # noqa: RUF012  # as above


class ClusterPushSecretSpec(Record, frozen=True):
    """A namespace that any of the selectors matches gets a child. `refresh_time` is an interval."""

    push_secret_spec: dict[str, Any] = {}  # noqa: RUF012  # msgspec copies it per instance
    push_secret_name: str = ""
    push_secret_metadata: PushChildMetadata = PushChildMetadata()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    refresh_time: str | None = None

    @property
    def refresh_seconds(self) -> float | None:
        """None when absent. Raises DurationError."""
        return None if self.refresh_time is None else parse_duration(self.refresh_time)


class FailedPushNamespace(Record, frozen=True, omit_defaults=False):
    namespace: str = ""
    reason: str = ""


class ClusterPushSecretStatus(Record, frozen=True):
    push_secret_name: str = ""
    provisioned_namespaces: tuple[str, ...] = ()
    failed_namespaces: tuple[FailedPushNamespace, ...] = ()
    conditions: tuple[Condition, ...] = ()


class ClusterPushSecret(Object, frozen=True):
    spec: ClusterPushSecretSpec = ClusterPushSecretSpec()
    status: ClusterPushSecretStatus = ClusterPushSecretStatus()

    @property
    def child_name(self) -> str:
        return self.spec.push_secret_name or self.metadata.name


_decoder: Final = msgspec.json.Decoder(ClusterPushSecret)


def decode_cluster_push_secret(raw: bytes | msgspec.Raw) -> ClusterPushSecret | Undecodable:
    """Decodes one object of the API server; Undecodable when its spec or status does not have the schema's form."""
    return decode_or_metadata(_decoder, raw)
