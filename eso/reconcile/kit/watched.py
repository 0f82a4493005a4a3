"""Resources that several rooms follow: how each is kept, said once.

Neighbours: rooms and storewatch.py ask the Catalogue for informers of these.
"""

from __future__ import annotations

from typing import Final

import msgspec

from eso.api.externalsecret import EXTERNAL_SECRETS, decode_external_secret
from eso.api.meta import NAMESPACES, ObjectMeta
from eso.kube.catalogue import Phase, Watched


class NamespaceRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a Namespace."""

    name: str
    resource_version: str
    labels: dict[str, str]
    uid: str = ""
    finalizers: tuple[str, ...] = ()  # of metadata: the namespace controller's own stands in the spec
    terminating: bool = False
    namespace: str = ""

    @property
    def meta(self) -> ObjectMeta:
        """As far as a write of the finalizers needs it."""
        return ObjectMeta(
            name=self.name, uid=self.uid, resource_version=self.resource_version, finalizers=self.finalizers
        )


class _Object(msgspec.Struct):
    metadata: ObjectMeta


_object = msgspec.json.Decoder(_Object)


def namespace_record(raw: msgspec.Raw) -> NamespaceRecord:
    meta = _object.decode(raw).metadata
    return NamespaceRecord(
        meta.name,
        meta.resource_version,
        meta.labels,
        meta.uid,
        meta.finalizers,
        meta.deletion_timestamp is not None,
    )


WATCHED_NAMESPACES: Final = Watched(NAMESPACES, namespace_record, Phase.STORES, metadata_only=True)
WATCHED_EXTERNAL_SECRETS: Final = Watched(
    EXTERNAL_SECRETS, decode_external_secret, Phase.OBJECTS, essential=True, rationed=True
)
