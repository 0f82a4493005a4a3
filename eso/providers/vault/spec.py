"""The rules of a `vault` store: what admission refuses, whose credentials it needs, what makes its login.

Neighbours: connect.py logs in as the Plan says, login.py follows `method`; baospec.py has the rules of `openBao`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit.headers import from_store
from eso.providers.kit.retries import after_the_first
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

METHODS: Final = ("tokenSecretRef", "appRole", "kubernetes", "ldap", "userPass", "jwt", "cert", "iam", "gcp")
# What a store may differ in and still be the same login.
NOT_LOGIN: Final = frozenset({"path", "version", "checkAndSet"})
ROUTE: Final = ("namespace", "headers", "caBundle", "caProvider", "tls")
EXTRA: Final = Retries(2, 1.0)
ACCOUNT: Final = "ServiceAccount"


class VaultSpec:
    name: ClassVar[str] = "vault"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        return check(store)

    def plan(self, store: StoreView) -> Plan:
        block = store.provider_spec
        from_store(block.get("headers"))
        named = [*selectors(part(block, "auth")), *certificates(block)]
        times = after_the_first(store.retry_settings, EXTRA)
        return plan(store, consumer(store, named), named, times)


SPEC: Final = VaultSpec()


def plan(store: StoreView, who: Consumer, named: list[Named], times: Retries) -> Plan:
    """Rate limits of the server count per mount, namespace or address, so the pace belongs to the endpoint."""
    block = store.provider_spec
    return Plan(endpoint(store), login(store), who, references(block, named), times, Quota.ENDPOINT)


def server_of(block: Json) -> str:
    """The base URL. Raises InvalidConfig, which quotes what was written, without a password that may stand in it."""
    server = str(block.get("server") or "").rstrip("/")
    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    written = server.partition("?")[0].partition("#")[0].rpartition("@")[2]
    fault = ""
    if not usable:
        fault = "not an http or https address"
    elif "?" in server or "#" in server:
        fault = "a query or fragment has no place in it"
    if fault:
        raise InvalidConfig(f'failed to parse server "{written}": {fault}', fix="write server as https://host:8200")
    return server


def host(server: str) -> str:
    """Host and port: what a gate protects, and what may be shown of an address that could hold a password."""
    try:
        parts = urlsplit(server)
        return f"{parts.hostname or ''}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        return ""


def endpoint(store: StoreView) -> str:
    """Host and port, and a digest of whatever else decides how the server is reached: a store with the wrong CA tells
    nothing about the others."""
    block = store.provider_spec
    server = str(block.get("server") or "")
    route = {name: block[name] for name in ROUTE if block.get(name)}
    try:
        path = urlsplit(server).path.rstrip("/")
    except ValueError:
        path = ""
    if not route and not path:
        return host(server)
    digest = hashlib.blake2b(repr([path, sorted(route.items(), key=str)]).encode("utf-8", "replace"), digest_size=6)
    return f"{host(server)}#{digest.hexdigest()}"


def method(auth: Json) -> str:
    """The first configured method in the fixed order, "" without one."""
    return next((name for name in METHODS if has(auth, name)), "")


def selectors(auth: Json) -> Iterator[Named]:
    """Every credential of every configured method, in the order of admission."""
    yield from app_role_selectors(auth)
    yield from cert_selectors(auth)
    yield from jwt_selectors(auth)
    yield from other_selectors(auth)
    yield from gcp_selectors(auth)


def app_role_selectors(auth: Json) -> Iterator[Named]:
    yield from one(auth, "invalid Auth.AppRole.SecretRef: ", "appRole", "secretRef")
    if not part(auth, "appRole").get("roleId"):
        yield from one(auth, "invalid Auth.AppRole.RoleRef: ", "appRole", "roleRef", counts=False)


def cert_selectors(auth: Json) -> Iterator[Named]:
    yield from one(auth, "invalid Auth.Cert.ClientCert: ", "cert", "clientCert", counts=False)
    yield from one(auth, "invalid Auth.Cert.SecretRef: ", "cert", "secretRef")


def jwt_selectors(auth: Json) -> Iterator[Named]:
    if has(auth, "jwt", "secretRef"):
        yield from one(auth, "invalid Auth.Jwt.SecretRef: ", "jwt", "secretRef")
    else:
        words = "invalid Auth.Jwt.KubernetesServiceAccountToken.ServiceAccountRef: "
        yield from one(auth, words, "jwt", "kubernetesServiceAccountToken", "serviceAccountRef", kind=ACCOUNT)


def other_selectors(auth: Json) -> Iterator[Named]:
    words = "invalid Auth.Kubernetes.ServiceAccountRef: "
    yield from one(auth, words, "kubernetes", "serviceAccountRef", kind=ACCOUNT)
    yield from one(auth, "invalid Auth.Kubernetes.SecretRef: ", "kubernetes", "secretRef")
    yield from one(auth, "invalid Auth.Ldap.SecretRef: ", "ldap", "secretRef")
    yield from one(auth, "invalid Auth.UserPass.SecretRef: ", "userPass", "secretRef")
    words = "invalid Auth.TokenSecretRef: "
    yield from one(auth, words, "tokenSecretRef")
    yield from one(auth, words, "iam", "jwt", "serviceAccountRef", kind=ACCOUNT)
    for name in ("accessKeyIDSecretRef", "secretAccessKeySecretRef", "sessionTokenSecretRef"):
        yield from one(auth, words, "iam", "secretRef", name)


def gcp_selectors(auth: Json) -> Iterator[Named]:
    """Admission does not look at these; the login depends on them all the same."""
    yield from one(auth, "", "gcp", "secretRef", "secretAccessKeySecretRef", counts=False)
    yield from one(auth, "", "gcp", "workloadIdentity", "serviceAccountRef", kind=ACCOUNT, counts=False)


def certificates(block: Json) -> Iterator[Named]:
    """The certificate that is shown on every connection."""
    yield from one(block, "invalid ClientTLS.ClientCert: ", "tls", "certSecretRef", counts=False)
    yield from one(block, "invalid ClientTLS.SecretRef: ", "tls", "keySecretRef", counts=False)


def check(store: StoreView) -> list[str]:
    """Admission: the first failure, as InvalidConfig. There are no warnings."""
    spec = store.provider_spec
    auth = part(spec, "auth")
    refuse_foreign(store, app_role_selectors(auth))
    if has(auth, "appRole") and not part(auth, "appRole").get("roleId") and not has(auth, "appRole", "roleRef"):
        raise InvalidConfig("invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied")
    refuse_foreign(store, cert_selectors(auth))
    refuse_foreign(store, jwt_selectors(auth))
    if has(auth, "jwt") and not has(auth, "jwt", "secretRef") and not has(auth, "jwt", "kubernetesServiceAccountToken"):
        raise InvalidConfig(
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied"
            " as token source for jwt authentication"
        )
    refuse_foreign(store, other_selectors(auth))
    cert, key = has(spec, "tls", "certSecretRef"), has(spec, "tls", "keySecretRef")
    if cert and key:
        refuse_foreign(store, certificates(spec))
    elif cert or key:
        raise InvalidConfig("when provided, both ClientTLS.ClientCert and ClientTLS.SecretRef should be provided")
    if part(spec, "checkAndSet").get("required") and spec.get("version") == "v1":
        raise InvalidConfig("checkAndSet is not supported with Vault KV version v1")
    return []


def login(store: StoreView) -> dict[str, Any]:
    """The members of the block that make the login: two mounts of one server share it."""
    return {name: value for name, value in store.provider_spec.items() if name not in NOT_LOGIN}
