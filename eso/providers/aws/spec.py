"""The rules of an `aws` store: what admission refuses, whose credentials it needs, what makes its login.

Neighbours: connect.py logs in as the Plan says, login.py follows the store's auth block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit import selectors
from eso.providers.kit.retries import in_all
from eso.providers.kit.selectors import Named, part, refuse_foreign

Json = Mapping[str, Any]
SECRETS_MANAGER, PARAMETER_STORE, CERTIFICATES = "SecretsManager", "ParameterStore", "CertificateManager"
# service → the name in its host, and the requests per second that AWS grants an account in one region.
# Secrets Manager: BatchGetSecretValue and ListSecrets 100/s each (GetSecretValue alone would be 10,000/s),
#   docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
# Parameter Store: GetParameter and GetParameters 40/s each by default,
#   docs.aws.amazon.com/general/latest/gr/ssm.html
# Certificate Manager: ExportCertificate 5/s, docs.aws.amazon.com/acm/latest/userguide/acm-limits.html
SERVICES: Final[dict[str, tuple[str, float]]] = {
    SECRETS_MANAGER: ("secretsmanager", 100.0),
    PARAMETER_STORE: ("ssm", 40.0),
    CERTIFICATES: ("acm", 5.0),
}
# The region becomes a label of the host that the credentials are shown to, so it may hold nothing else. "" means the
# region of the operator's own environment.
REGION: Final = re.compile(r"(?:(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?\Z")
DEFAULT: Final = Retries(2, 1.0)  # three attempts, as the SDK of AWS makes them
TAGS_OF_THE_STORE: Final = ("Simple", "Custom")


class AwsSpec:
    name: ClassVar[str] = "aws"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """There are no warnings."""
        service_of(store)
        region_of(store)
        check_deletion(part(store.provider_spec, "secretsManager"))
        refuse_foreign(store, credentials(part(store.provider_spec, "auth")))
        return []

    def plan(self, store: StoreView) -> Plan:
        host, pace = SERVICES[service_of(store)]
        auth = part(store.provider_spec, "auth")
        if "jwt" in auth and not part(auth, "jwt", "serviceAccountRef"):
            raise InvalidConfig("unable to create session: auth.jwt has no serviceAccountRef", fix="name an account")
        return Plan(
            f"{host}.{region_of(store)}",
            login(store),
            consumer(store),
            selectors.references({}, used(auth)),
            in_all(store.retry_settings, DEFAULT, "unable to initialize aws provider: "),
            Quota.LOGIN,
            pace,
        )


SPEC: Final = AwsSpec()


def service_of(store: StoreView) -> str:
    service = str(store.provider_spec.get("service") or "")
    if service not in SERVICES:
        raise InvalidConfig(f"unknown AWS Provider Service: {service}", fix=f"use one of {', '.join(SERVICES)}")
    return service


def region_of(store: StoreView) -> str:
    region = str(store.provider_spec.get("region") or "")
    if not REGION.match(region):
        raise InvalidConfig(f"region not found: {region}", fix="write a region such as eu-central-1")
    return region


def check_deletion(block: Json) -> None:
    """How Secrets Manager deletes; a push asks again before it deletes."""
    days, force = int(block.get("recoveryWindowInDays") or 0), bool(block.get("forceDeleteWithoutRecovery"))
    if days and force:
        text = "invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays"
        raise InvalidConfig(text, fix="leave one of them out")
    if days and not 7 <= days <= 30:
        raise InvalidConfig("invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days")


def credentials(auth: Json) -> Iterator[Named]:
    """Every credential, used or not, in the order of admission. A key that is left out counts as one without a
    namespace."""
    if "secretRef" in auth:
        keys = part(auth, "secretRef")
        yield Named("invalid Auth.SecretRef.AccessKeyID: ", part(keys, "accessKeyIDSecretRef"))
        yield Named("invalid Auth.SecretRef.SecretAccessKey: ", part(keys, "secretAccessKeySecretRef"))
        if "sessionTokenSecretRef" in keys:
            yield Named("invalid Auth.SecretRef.SessionToken: ", part(keys, "sessionTokenSecretRef"))
    if account := part(auth, "jwt", "serviceAccountRef"):
        yield Named("invalid Auth.JWT.ServiceAccountRef: ", account, "ServiceAccount")


def used(auth: Json) -> list[Named]:
    """The account wins over the keys."""
    named = [found for found in credentials(auth) if found.selector]
    return [found for found in named if found.kind == "ServiceAccount"] or named


def referent(store: StoreView) -> bool:
    """A ClusterSecretStore whose credential is looked up with each consumer."""
    return selectors.referent(store, credentials(part(store.provider_spec, "auth")))


def tagged(store: StoreView) -> bool:
    """Whether the login tells AWS which store and which consumer it is for. Tags belong to the last role."""
    block = store.provider_spec
    return bool(block.get("role")) and block.get("sessionTagsPolicy") in TAGS_OF_THE_STORE


def consumer(store: StoreView) -> Consumer:
    if tagged(store):
        return Consumer.IDENTITY
    return Consumer.CREDENTIALS if referent(store) else Consumer.NONE


def login(store: StoreView) -> dict[str, Any]:
    """Service and region are the endpoint; prefix and deletion settings differ between stores of one login."""
    block = store.provider_spec
    names = ["auth", "additionalRoles", "role"]
    if block.get("role"):
        names += ["externalID", "sessionTags", "sessionTagsPolicy", "customSessionTags", "transitiveTagKeys"]
    made = {name: block[name] for name in names if block.get(name)}
    return made | ({"store": [store.kind, store.name]} if tagged(store) else {})
