"""The rules of a `gcpsm` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, federation.py reads the external_account configuration.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, ClassVar, Final

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

# The location becomes a part of the host's name, and a login's token goes to that host: no other sign may stand in it.
LOCATION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
PACE: Final = (
    1500.0  # requests/s: 90,000 accesses per minute and project, https://cloud.google.com/secret-manager/quotas
)
RETRIES: Final = Retries(2, 2.0)  # the vendor's own client repeats an access from 2 s on; retrySettings are not read
NO_PROJECT: Final = "unable to find ProjectID in storeSpec"


class Method(Enum):
    """How a store logs in; the first one that is configured counts."""

    KEY = "secretRef"
    WORKLOAD_IDENTITY = "workloadIdentity"
    FEDERATION = "workloadIdentityFederation"
    AMBIENT = ""


class GcpSpec:
    name: ClassVar[str] = "gcpsm"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """Federation is not checked here, as in the reference: the login does it."""
        refuse_foreign(store, selectors(store.provider_spec))
        return []

    def plan(self, store: StoreView) -> Plan:
        block = store.provider_spec
        named = (*selectors(block), *federated(block))
        return Plan(
            host(block),
            login(block),
            consumer(store, named),
            references(block, named),
            RETRIES,
            Quota.LOGIN,
            PACE,
        )


SPEC: Final = GcpSpec()


def method(block: Json) -> Method:
    auth = part(block, "auth")
    return next((way for way in Method if way.value and has(auth, way.value)), Method.AMBIENT)


def selectors(block: Json) -> tuple[Named, ...]:
    """The credentials that admission looks at, and that make a ClusterSecretStore referent."""
    auth = part(block, "auth")
    account = "invalid workload identity service account reference: "
    return (
        *one(auth, "invalid auth secret data: ", "secretRef", "secretAccessKeySecretRef"),
        *one(auth, account, "workloadIdentity", "serviceAccountRef", kind="ServiceAccount"),
    )


def federated(block: Json) -> tuple[Named, ...]:
    """The credentials of a store that logs in by federation. Without a namespace in a ClusterSecretStore each
    consumer's are different ones, so no two namespaces may share the login; connect.py refuses such a store while it is
    validated."""
    if method(block) is not Method.FEDERATION:
        return ()
    auth = part(block, "auth", Method.FEDERATION.value)
    return (
        *one(auth, "", "credConfig", kind="ConfigMap"),
        *one(auth, "", "serviceAccountRef", kind="ServiceAccount"),
        *one(auth, "", "awsSecurityCredentials", "awsCredentialsSecretRef"),
    )


def referent(store: StoreView) -> bool:
    """Federation does not make a store referent, in the reference's words: it has to name its namespaces."""
    return consumer(store, selectors(store.provider_spec)) is Consumer.CREDENTIALS


def location(block: Json) -> str:
    """Raises InvalidConfig for a location that is no name."""
    found = str(block.get("location") or "")
    if found and not LOCATION.fullmatch(found):
        raise InvalidConfig("location is not the name of a location", fix="write for example europe-west3")
    return found


def host(block: Json) -> str:
    where = location(block)
    return f"secretmanager.{where}.rep.googleapis.com" if where else "secretmanager.googleapis.com"


def project(block: Json) -> str:
    """The project that owns the secrets, "" where only the metadata server can tell. Raises InvalidConfig where it may
    not be asked."""
    found = str(block.get("projectID") or part(block, "auth", "workloadIdentity").get("clusterProjectID") or "")
    if not found and method(block) is Method.KEY:
        raise InvalidConfig(NO_PROJECT, fix="set projectID")
    return found


def login(block: Json) -> dict[str, Any]:
    """The quota counts by project, so two projects are two logins, even with one credential."""
    return {
        "auth": part(block, "auth"),
        "project": block.get("projectID") or "",
    }


def latest_or_fetch(block: Json) -> bool:
    return block.get("secretVersionSelectionPolicy") == "LatestOrFetch"
