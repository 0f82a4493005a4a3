"""The rules of an `infisical` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, login.py follows the method.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, part, references, refuse_foreign

DEFAULT: Final = "https://app.infisical.com/api"
OWN: Final = re.compile(r"(?:[a-z0-9-]+\.)?infisical\.com")  # hosts of Infisical Cloud
# Requests/s: 120 of secrets a minute and address on the plan Free, 300 on Pro; none on a server of one's own,
# https://infisical.com/docs/api-reference/overview/rate-limits
PACE: Final = 2.0
UNIVERSAL: Final = "universalAuthCredentials"
# The first method that is there counts.
METHODS: Final = (
    UNIVERSAL,
    "azureAuthCredentials",
    "gcpIdTokenAuthCredentials",
    "gcpIamAuthCredentials",
    "jwtAuthCredentials",
    "ldapAuthCredentials",
    "ociAuthCredentials",
    "kubernetesAuthCredentials",
    "awsAuthCredentials",
    "tokenAuthCredentials",
)


class InfisicalSpec:
    name: ClassVar[str] = "infisical"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        scope = part(block, "secretsScope")
        if not (scope.get("projectSlug") and scope.get("environmentSlug")):
            raise InvalidConfig(
                "secretsScope.projectSlug and secretsScope.environmentSlug cannot be empty", fix="set both"
            )
        refuse_authority(store)
        auth = part(block, "auth")
        if has(auth, UNIVERSAL):
            given = part(auth, UNIVERSAL)
            refuse_foreign(store, named(given))
            if not all(part(given, leaf).get("key") for leaf in ("clientId", "clientSecret")):
                raise InvalidConfig(
                    f"{UNIVERSAL}.clientId and {UNIVERSAL}.clientSecret cannot be empty", fix="name the keys of both"
                )
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """Project, environment and folder belong to reads."""
        block = store.provider_spec
        credentials = named(part(block, "auth", method(block)))
        return Plan(
            base(block),
            login(block),
            consumer(store, credentials),
            references(block, credentials),
            quota=Quota.ENDPOINT,
            pace=PACE if at_infisical(block) else None,
        )


SPEC: Final = InfisicalSpec()


def refuse_authority(store: StoreView) -> None:
    provider = part(store.provider_spec, "caProvider")
    if not provider:
        return
    if store.cluster_scoped and not provider.get("namespace"):
        raise InvalidConfig("caProvider.namespace is required for ClusterSecretStore")
    if not store.cluster_scoped and provider.get("namespace"):
        raise InvalidConfig("caProvider.namespace must be empty with SecretStore")


def method(block: Json) -> str:
    """The member of `auth` that counts, "" where there is none."""
    auth = part(block, "auth")
    return next((way for way in METHODS if has(auth, way)), "")


def named(given: Json) -> tuple[Named, ...]:
    """Every leaf of a method is a key of a Secret, even ids and paths."""
    return tuple(Named("", part(given, leaf)) for leaf in sorted(given) if part(given, leaf).get("name"))


def referent(store: StoreView) -> bool:
    """Whether each consumer logs in with credentials of its own namespace."""
    block = store.provider_spec
    return consumer(store, named(part(block, "auth", method(block)))) is Consumer.CREDENTIALS


def login(block: Json) -> dict[str, Any]:
    made: dict[str, Any] = {"auth": {method(block): part(block, "auth", method(block))}}
    made["organization"] = part(block, "secretsScope").get("organizationSlug") or ""
    made["trust"] = [block.get("caBundle") or "", part(block, "caProvider")]
    return made


def base(block: Json) -> str:
    """The address before every path, `/api` at its end. Raises InvalidConfig."""
    url = str(block.get("hostAPI") or DEFAULT).rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("hostAPI is no address", fix="write https://host/api")
    return url if url.endswith("/api") else f"{url}/api"


def at_infisical(block: Json) -> bool:
    """Whether the server is Infisical's own cloud."""
    parts = urlsplit(base(block))
    return parts.scheme == "https" and OWN.fullmatch(parts.hostname or "") is not None
