"""The CA and the Service's name in CRDs and webhook configurations: an object as it is → the patch that it needs.

Neighbours: passes.py reads the objects and sends the patches. A patch names the version that it was made for, so that
two replicas cannot undo each other's work.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eso.errors import Terminal

Json = Mapping[str, Any]
OURS: Final = ".external-secrets.io"
"""How the names of our webhooks end; one of `notexternal-secrets.io` is somebody else's."""


class NoConversion(Terminal):
    """A CRD whose conversion webhook names no Service."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where the webhook is, from inside the cluster."""

    namespace: str
    name: str

    @property
    def dns_name(self) -> str:
        return f"{self.name}.{self.namespace}.svc"


def into_crd(crd: Json, service: Service, bundle: bytes) -> dict[str, Any] | None:
    """A merge patch; None when there is nothing to do, also for a CRD that converts nothing. Raises NoConversion."""
    conversion = (crd.get("spec") or {}).get("conversion") or {}
    if conversion.get("strategy", "None") == "None":
        return None
    client = (conversion.get("webhook") or {}).get("clientConfig") or {}
    at = client.get("service")
    if not at:
        raise NoConversion("unexpected crd conversion webhook config", fix="give it a service, or the strategy None")
    wanted = base64.b64encode(bundle).decode()
    if (at.get("name"), at.get("namespace"), client.get("caBundle")) == (service.name, service.namespace, wanted):
        return None
    block = {"service": {"name": service.name, "namespace": service.namespace}, "caBundle": wanted}
    return {
        "metadata": {"resourceVersion": version_of(crd)},
        "spec": {"conversion": {"webhook": {"clientConfig": block}}},
    }


def into_configuration(configuration: Json, service: Service, bundle: bytes) -> list[dict[str, Any]]:
    """A JSON patch of the entries that are ours; empty when there is nothing to do. Entries with a `url` are left
    alone: who wrote one knows better where the webhook is, and who signs for it."""
    wanted = base64.b64encode(bundle).decode()
    patch: list[dict[str, Any]] = []
    for i, hook in enumerate(configuration.get("webhooks") or ()):
        client = hook.get("clientConfig") or {}
        at = client.get("service")
        if not str(hook.get("name", "")).endswith(OURS) or not at:
            continue
        found = {
            "service/name": at.get("name"),
            "service/namespace": at.get("namespace"),
            "caBundle": client.get("caBundle"),
        }
        whole = {"service/name": service.name, "service/namespace": service.namespace, "caBundle": wanted}
        patch += [
            {"op": "add", "path": f"/webhooks/{i}/clientConfig/{member}", "value": value}
            for member, value in whole.items()
            if found[member] != value
        ]
    if not patch:
        return []
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version_of(configuration)}, *patch]


def version_of(found: Json) -> str:
    return str((found.get("metadata") or {}).get("resourceVersion") or "")
