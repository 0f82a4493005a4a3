"""ExternalSecret: what to read, how to shape it, where to put it, and its status.

Neighbours: reconcile.externalsecret works on these records, crds/ holds the schema, validate.py the rules between
members. A record gives an absent member the value that the schema gives it, so an object from a file equals the same
object from the API server. A member that was written as "" stays "" even where the schema has a default.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from eso.api.hashing import field_manager
from eso.api.meta import Condition, Object, Record, Resource, Undecodable, decode_or_metadata
from eso.api.wellknown import GENERATORS_API_VERSION, GROUP
from eso.gocompat.duration import parse_duration

EXTERNAL_SECRETS: Final = Resource(GROUP, "v1", "externalsecrets", "ExternalSecret")


class StoreRef(Record, frozen=True):
    """`kind` "" means SecretStore."""

    name: str = ""
    kind: str = ""

    @property
    def cluster_scoped(self) -> bool:
        return self.kind == "ClusterSecretStore"


class GeneratorRef(Record, frozen=True):
    kind: str = ""
    name: str = ""
    api_version: str = GENERATORS_API_VERSION


class SourceRef(Record, frozen=True):
    store_ref: StoreRef | None = None
    generator_ref: GeneratorRef | None = None


class RemoteRefSpec(Record, frozen=True):
    """`data[].remoteRef` and `dataFrom[].extract`; strategies and policies are "" when absent."""

    key: str = ""
    property: str = ""
    version: str = ""
    metadata_policy: str = ""
    conversion_strategy: str = ""
    decoding_strategy: str = ""
    null_byte_policy: str = ""


class Data(Record, frozen=True):
    secret_key: str = ""
    remote_ref: RemoteRefSpec = RemoteRefSpec()
    source_ref: SourceRef | None = None


class FindName(Record, frozen=True):
    regexp: str = ""


class FindSpec(Record, frozen=True):
    """None = absent."""

    path: str | None = None
    name: FindName | None = None
    tags: dict[str, str] | None = None
    conversion_strategy: str = ""
    decoding_strategy: str = ""
    null_byte_policy: str = ""


class RewriteRegexp(Record, frozen=True):
    source: str = ""
    target: str = ""


class RewriteTransform(Record, frozen=True):
    template: str = ""


class RewriteMerge(Record, frozen=True):
    into: str = ""
    priority: tuple[str, ...] = ()
    priority_policy: str = "Strict"
    conflict_policy: str = "Error"
    strategy: str = "Extract"


class Rewrite(Record, frozen=True):
    """Exactly one member is set."""

    regexp: RewriteRegexp | None = None
    transform: RewriteTransform | None = None
    merge: RewriteMerge | None = None


class DataFrom(Record, frozen=True):
    extract: RemoteRefSpec | None = None
    find: FindSpec | None = None
    rewrite: tuple[Rewrite, ...] = ()
    source_ref: SourceRef | None = None


class TemplateItem(Record, frozen=True):
    key: str = ""
    template_as: str = "Values"


class TemplateSource(Record, frozen=True):
    """A ConfigMap or Secret in the object's own namespace."""

    name: str = ""
    items: tuple[TemplateItem, ...] = ()


class TemplateFrom(Record, frozen=True):
    """Any of `config_map`, `secret` and `literal` may be set together."""

    config_map: TemplateSource | None = None
    secret: TemplateSource | None = None
    literal: str | None = None
    target: str = "Data"
    values_decoding_strategy: str = ""


class TemplateMetadata(Record, frozen=True):
    labels: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    annotations: dict[str, str] = {}  # noqa: RUF012  # as above
    finalizers: tuple[str, ...] = ()


class Template(Record, frozen=True):
    type: str = ""
    engine_version: str = "v2"
    merge_policy: str = "Replace"
    data: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    metadata: TemplateMetadata = TemplateMetadata()
    template_from: tuple[TemplateFrom, ...] = ()


class Manifest(Record, frozen=True):
    """The kind to write in the place of a Secret."""

    api_version: str = ""
    kind: str = ""


class Target(Record, frozen=True):
    """`immediate`: changes of this target get the first lane of the queue. The reference has no such member."""

    name: str = ""
    creation_policy: str = "Owner"
    deletion_policy: str = "Retain"
    immutable: bool = False
    immediate: bool = False
    manifest: Manifest | None = None
    template: Template | None = None


class SyncWindow(Record, frozen=True):
    schedule: str = ""
    duration: str = ""

    @property
    def duration_seconds(self) -> float:
        """Raises DurationError."""
        return parse_duration(self.duration)


class SyncWindows(Record, frozen=True):
    kind: str = ""
    windows: tuple[SyncWindow, ...] = ()


class ExternalSecretSpec(Record, frozen=True):
    secret_store_ref: StoreRef | None = None
    target: Target = Target()
    refresh_policy: str = ""
    refresh_interval: str | None = None
    sync_windows: SyncWindows | None = None
    data: tuple[Data, ...] = ()
    data_from: tuple[DataFrom, ...] = ()

    @property
    def refresh_interval_seconds(self) -> float | None:
        """None when absent; zero or less means "never poll". Raises DurationError: the schema accepts any string."""
        return None if self.refresh_interval is None else parse_duration(self.refresh_interval)

    @property
    def uses_generators(self) -> bool:
        """True if a `dataFrom` entry has a generator, which makes other values at every read."""
        return any(
            entry.source_ref is not None and entry.source_ref.generator_ref is not None for entry in self.data_from
        )


class Binding(Record, frozen=True):
    name: str = ""


class ExternalSecretStatus(Record, frozen=True):
    refresh_time: datetime | None = None
    synced_resource_version: str = ""
    conditions: tuple[Condition, ...] = ()
    binding: Binding | None = None
    observed_generation: int = 0


class ExternalSecret(Object, frozen=True):
    spec: ExternalSecretSpec = ExternalSecretSpec()
    status: ExternalSecretStatus = ExternalSecretStatus()

    @property
    def target_name(self) -> str:
        return self.spec.target.name or self.metadata.name

    @property
    def field_manager(self) -> str:
        return field_manager(self.metadata.name)


_decoder: Final = msgspec.json.Decoder(ExternalSecret)


def decode_external_secret(raw: bytes | msgspec.Raw) -> ExternalSecret | Undecodable:
    """Decodes one object of the API server; Undecodable when its spec or status does not have the schema's form."""
    return decode_or_metadata(_decoder, raw)
