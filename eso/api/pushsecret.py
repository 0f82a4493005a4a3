"""PushSecret: which values go where, and what is believed to be there.

Neighbours: reconcile.pushsecret works on these records, crds/pushsecret.py holds the schema. An absent member has the
value that the schema gives it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from eso.api.externalsecret import GeneratorRef, RewriteRegexp, RewriteTransform, Template
from eso.api.labels import LabelSelector
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GROUP
from eso.gocompat.duration import parse_duration

PUSH_SECRETS: Final = Resource(GROUP, "v1alpha1", "pushsecrets", "PushSecret")
FINALIZER: Final = "pushsecret.externalsecrets.io/finalizer"
DEFAULT_INTERVAL: Final = 3600.0


class PushStoreRef(Record, frozen=True):
    """One store by name, or stores by label; the label wins where both are set. `kind` "" means SecretStore."""

    name: str = ""
    kind: str = "SecretStore"
    label_selector: LabelSelector | None = None

    @property
    def store_kind(self) -> str:
        return "ClusterSecretStore" if self.kind == "ClusterSecretStore" else "SecretStore"


class PushRemoteRef(Record, frozen=True):
    remote_key: str = ""
    property: str = ""


class PushMatch(Record, frozen=True):
    """`secret_key` "" = the whole Secret."""

    secret_key: str = ""
    remote_ref: PushRemoteRef = PushRemoteRef()


class PushData(Record, frozen=True):
    """`metadata` is any JSON; None when absent."""

    match: PushMatch = PushMatch()
    metadata: Any = None
    conversion_strategy: str = "None"


class PushKeys(Record, frozen=True):
    regexp: str = ""


class PushRewrite(Record, frozen=True):
    """Exactly one member is set."""

    regexp: RewriteRegexp | None = None
    transform: RewriteTransform | None = None


class PushDataTo(Record, frozen=True):
    """`remote_key` makes one remote secret of all matching keys (a bundle)."""

    store_ref: PushStoreRef | None = None
    remote_key: str = ""
    match: PushKeys = PushKeys()
    rewrite: tuple[PushRewrite, ...] = ()
    metadata: Any = None
    conversion_strategy: str = "None"


class PushSecretSource(Record, frozen=True):
    name: str = ""
    selector: LabelSelector | None = None


class PushSelector(Record, frozen=True):
    secret: PushSecretSource | None = None
    generator_ref: GeneratorRef | None = None


class PushSecretSpec(Record, frozen=True):
    secret_store_refs: tuple[PushStoreRef, ...] = ()
    selector: PushSelector = PushSelector()
    refresh_interval: str | None = None
    update_policy: str = "Replace"
    deletion_policy: str = "None"
    data: tuple[PushData, ...] = ()
    data_to: tuple[PushDataTo, ...] = ()
    template: Template | None = None

    @property
    def interval_seconds(self) -> float:
        """1 h when absent; zero or less means "only when the object changes". Raises DurationError: the schema accepts
        any string."""
        return DEFAULT_INTERVAL if self.refresh_interval is None else parse_duration(self.refresh_interval)

    @property
    def deletes(self) -> bool:
        return self.deletion_policy == "Delete"


SyncedMap = dict[str, dict[str, PushData]]
"""`<Kind>/<name>` of the store → `<remoteKey>[/<property>]` → entry."""


class PushSecretStatus(Record, frozen=True):
    refresh_time: datetime | None = None
    synced_resource_version: str = ""
    synced_push_secrets: SyncedMap = {}  # noqa: RUF012  # msgspec copies it per instance
    conditions: tuple[Condition, ...] = ()


class PushSecret(Object, frozen=True):
    spec: PushSecretSpec = PushSecretSpec()
    status: PushSecretStatus = PushSecretStatus()


_decoder: Final = msgspec.json.Decoder(PushSecret)


def decode_push_secret(raw: bytes | msgspec.Raw) -> PushSecret | Undecodable:
    """Decodes one object of the API server; Undecodable when its spec or status does not have the schema's form."""
    return decode_or_metadata(_decoder, raw)
