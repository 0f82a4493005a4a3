"""The rules of a `conjur` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads variables.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

METHODS: Final = ("apikey", "jwt", "cert")
SAAS: Final = re.compile(
    r".+(?:\.secretsmgr|-secretsmanager)\.(?:integration-|test-|dev-)?cyberark\.cloud", re.ASCII | re.IGNORECASE
)


class ConjurSpec:
    name: ClassVar[str] = "conjur"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block.get("url"):
            raise InvalidConfig("conjur URL cannot be empty", fix="set url")
        auth = part(block, "auth")
        found = [name for name in METHODS if has(auth, name)]
        if len(found) != 1:
            raise InvalidConfig(
                "must specify exactly one Auth.* method", fix="set one of auth.apikey, auth.jwt, auth.cert"
            )
        for fault in MISSING[found[0]](part(auth, found[0])):
            raise InvalidConfig(fault, fix=f"complete auth.{found[0]}")
        refuse_foreign(store, credentials(block))
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(base(block), login(block), consumer(store, named), references(block, named), quota=Quota.LOGIN)


SPEC: Final = ConjurSpec()


def missing_of_api_key(given: Json) -> list[str]:
    faults = [] if given.get("account") else ["missing Auth.ApiKey.Account"]
    faults += [] if part(given, "userRef").get("name") else ["missing Auth.Apikey.UserRef"]
    return faults + ([] if part(given, "apiKeyRef").get("name") else ["missing Auth.Apikey.ApiKeyRef"])


def missing_of_jwt(given: Json) -> list[str]:
    faults = [] if given.get("account") else ["missing Auth.Jwt.Account"]
    faults += [] if given.get("serviceID") else ["missing Auth.Jwt.ServiceID"]
    known = has(given, "secretRef") or has(given, "serviceAccountRef")
    return faults + ([] if known else ["must specify Auth.Jwt.SecretRef or Auth.Jwt.ServiceAccountRef"])


def missing_of_certificate(given: Json) -> list[str]:
    faults = [] if given.get("account") else ["missing Auth.Cert.Account"]
    faults += [] if given.get("serviceID") else ["missing Auth.Cert.ServiceID"]
    faults += [] if part(given, "clientCertRef").get("name") else ["missing Auth.Cert.ClientCertRef"]
    return faults + ([] if part(given, "clientKeyRef").get("name") else ["missing Auth.Cert.ClientKeyRef"])


MISSING: Final = {"apikey": missing_of_api_key, "jwt": missing_of_jwt, "cert": missing_of_certificate}


def method(block: Json) -> str:
    """Raises InvalidConfig for a store without one."""
    auth = part(block, "auth")
    found = next((name for name in METHODS if has(auth, name)), "")
    if not found:
        raise InvalidConfig("must specify exactly one Auth.* method", fix="set one of auth.apikey, auth.jwt, auth.cert")
    return found


def credentials(block: Json) -> tuple[Named, ...]:
    """The credentials that count: an account's token before one in a Secret."""
    auth = part(block, "auth")
    match method(block):
        case "apikey":
            return (
                *one(auth, "invalid Auth.Apikey.UserRef: ", "apikey", "userRef"),
                *one(auth, "invalid Auth.Apikey.ApiKeyRef: ", "apikey", "apiKeyRef"),
            )
        case "jwt":
            if has(auth, "jwt", "serviceAccountRef"):
                words = "invalid Auth.Jwt.ServiceAccountRef: "
                return tuple(one(auth, words, "jwt", "serviceAccountRef", kind="ServiceAccount"))
            return tuple(one(auth, "invalid Auth.Jwt.SecretRef: ", "jwt", "secretRef"))
    return (
        *one(auth, "invalid Auth.Cert.ClientCertRef: ", "cert", "clientCertRef"),
        *one(auth, "invalid Auth.Cert.ClientKeyRef: ", "cert", "clientKeyRef"),
    )


def login(block: Json) -> dict[str, Any]:
    trust = [block.get("caBundle") or "", part(block, "caProvider")]
    return {"auth": {method(block): part(block, "auth", method(block))}, "trust": trust}


def account(block: Json) -> str:
    return str(part(block, "auth", method(block)).get("account") or "")


def base(block: Json) -> str:
    """The address before every path; `/api` behind that of the SaaS. Raises InvalidConfig."""
    url = str(block.get("url") or "").rstrip("/")
    if not url.startswith("http"):
        url = f"{'https' if block.get('caBundle') or part(block, 'caProvider') else 'http'}://{url}"
    parts = parts_of(url)
    if parts is None:
        raise InvalidConfig("conjur URL is no address", fix="write https://conjur.example.com")
    saas = of_saas(url)
    if method(block) == "cert" and (saas or parts.scheme != "https"):
        raise InvalidConfig(
            "Auth.Cert needs a server of one's own with TLS", fix="use auth.jwt or auth.apikey, or write https://"
        )
    return f"{url}/api" if saas and "/api" not in url else url


def of_saas(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and SAAS.fullmatch(parts.hostname or "") is not None
