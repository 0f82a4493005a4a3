"""The rules of an `akeyless` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py finds out where the server's API is, login.py logs in.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import (
    Json,
    Named,
    consumer,
    has,
    one,
    part,
    references,
    refuse_foreign,
    refuse_loose,
)

DEFAULT: Final = "https://api.akeyless.io"
OWN: Final = re.compile(r"(?:[a-z0-9-]+\.)*akeyless\.io")  # hosts of the service itself
ACCOUNT: Final = "invalid Auth.Kubernetes.ServiceAccountRef: "
OTHER_ACCOUNT: Final = "invalid Auth.ServiceAccountRef: "


class AkeylessSpec:
    name: ClassVar[str] = "akeyless"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        address(block)
        kubernetes, refs = part(block, "authSecretRef", "kubernetesAuth"), part(block, "authSecretRef", "secretRef")
        if has(block, "authSecretRef", "kubernetesAuth"):
            refuse_foreign(store, one(kubernetes, ACCOUNT, "serviceAccountRef"))
            refuse_loose(store, one(kubernetes, "", "secretRef"))
            if not kubernetes.get("accessID"):
                raise InvalidConfig("missing kubernetes auth-method access-id", fix="set kubernetesAuth.accessID")
            if not kubernetes.get("k8sConfName"):
                raise InvalidConfig("missing kubernetes config name", fix="set kubernetesAuth.k8sConfName")
            return []
        refuse_loose(store, one(refs, "", "accessID"))
        for member in ("name", "key"):
            if not part(refs, "accessID").get(member):
                raise InvalidConfig(f"missing akeyless accessID {member}", fix=f"set secretRef.accessID.{member}")
        refuse_loose(store, one(refs, "", "accessType"))
        if part(refs, "accessTypeParam").get("name"):
            refuse_loose(store, one(refs, "", "accessTypeParam"))
        refuse_foreign(store, one(part(block, "authSecretRef"), OTHER_ACCOUNT, "serviceAccountRef"))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests; plans differ. The two kinds of stores share no login, because the
        operator's own identity may go where a ClusterSecretStore says, but not where any SecretStore does."""
        block = store.provider_spec
        named = selectors(block)
        login: dict[str, Any] = {"auth": part(block, "authSecretRef"), "kind": store.kind, **authority(block)}
        return Plan(address(block), login, consumer(store, named), references(block, named))


SPEC: Final = AkeylessSpec()


def selectors(block: Json) -> tuple[Named, ...]:
    """The credentials of the method that counts. Each makes a login of each namespace where it names none."""
    auth = part(block, "authSecretRef")
    if has(auth, "kubernetesAuth"):
        kubernetes = part(auth, "kubernetesAuth")
        if has(kubernetes, "serviceAccountRef"):
            return tuple(one(kubernetes, ACCOUNT, "serviceAccountRef", kind="ServiceAccount"))
        return tuple(one(kubernetes, "", "secretRef"))
    refs = part(auth, "secretRef")
    named = (found for name in ("accessID", "accessType", "accessTypeParam") for found in one(refs, "", name))
    account = one(auth, OTHER_ACCOUNT, "serviceAccountRef", kind="ServiceAccount")
    return (*(found for found in named if found.selector.get("name")), *account)


def authority(block: Json) -> dict[str, Any]:
    """What the connection trusts belongs to the login."""
    return {name: block[name] for name in ("caBundle", "caProvider") if block.get(name)}


def address(block: Json) -> str:
    """The address as it is given, without a slash at its end; the service's own without one. Raises InvalidConfig."""
    url = str(block.get("akeylessGWApiURL") or DEFAULT).rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("invalid akeyless GW API URL", fix="write for example https://gateway.example.com:8080/v2")
    return url


def at_akeyless(block: Json) -> bool:
    """Whether the store's server is the service itself, over https."""
    parts = urlsplit(address(block))
    return parts.scheme == "https" and OWN.fullmatch((parts.hostname or "").rstrip(".")) is not None
