"""SecretStore and ClusterSecretStore: one record for both, since they differ in scope only.

Neighbours: stores.resolve turns one into the view a provider sees, reconcile.secretstore validates it, validate.py has
the static rules. The provider block stays JSON, since only its provider knows the members.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eso.api.labels import LabelSelector
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GROUP
from eso.gocompat.duration import DurationError, parse_duration

SECRET_STORES: Final = Resource(GROUP, "v1", "secretstores", "SecretStore")
CLUSTER_SECRET_STORES: Final = Resource(GROUP, "v1", "clustersecretstores", "ClusterSecretStore", namespaced=False)


class StoreCondition(Record, frozen=True):
    """Namespaces that may use a ClusterSecretStore. One matching part is enough; without any part none matches."""

    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_regexes: tuple[str, ...] = ()


class SecretStoreSpec(Record, frozen=True):
    """`provider` should have exactly one member: provider key → its block."""

    provider: dict[str, Any] = {}  # noqa: RUF012  # msgspec copies it per instance
    controller: str = ""
    refresh_interval: int | str | None = None
    retry_settings: dict[str, Any] | None = None
    conditions: tuple[StoreCondition, ...] = ()

    @property
    def refresh_interval_seconds(self) -> float | None:
        """Integers are seconds, strings Go durations; None when absent. Raises DurationError, also below zero."""
        match self.refresh_interval:
            case None:
                return None
            case int(seconds):
                if seconds < 0:
                    raise DurationError(f"invalid refreshInterval {seconds}: must not be negative")
                return float(seconds)
            case text:
                try:
                    parsed = parse_duration(text)
                except DurationError as error:
                    raise DurationError(f'invalid refreshInterval "{text}": {error}') from error
                if parsed < 0:
                    raise DurationError(f'invalid refreshInterval "{text}": must not be negative')
                return parsed


class SecretStoreStatus(Record, frozen=True):
    capabilities: str = ""
    conditions: tuple[Condition, ...] = ()


class SecretStore(Object, frozen=True):
    spec: SecretStoreSpec = SecretStoreSpec()
    status: SecretStoreStatus = SecretStoreStatus()

    @property
    def kind(self) -> str:
        """Only a ClusterSecretStore has no namespace."""
        return "SecretStore" if self.metadata.namespace else "ClusterSecretStore"

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


_decoder: Final = msgspec.json.Decoder(SecretStore)


def decode_secret_store(raw: bytes | msgspec.Raw) -> SecretStore | Undecodable:
    """Decodes one object of either kind; Undecodable when its spec or status does not have the form of the schema."""
    return decode_or_metadata(_decoder, raw)
