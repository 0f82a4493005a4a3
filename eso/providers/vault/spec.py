"""The rules of a `vault` store: what admission refuses, whose credentials it needs, what makes its login.

Neighbours: connect.py logs in as the Plan says, login.py follows `method`; baospec.py has the rules of `openBao`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.gocompat.duration import DurationError, parse_duration
from eso.providers.contract import Consumer, InvalidConfig, Place, Plan, Quota, Retries, StoreView

Json = Mapping[str, Any]
WRONG_NAMESPACE: Final = (
    "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
)
METHODS: Final = ("tokenSecretRef", "appRole", "kubernetes", "ldap", "userPass", "jwt", "cert", "iam", "gcp")
# What a store may differ in and still be the same login.
NOT_LOGIN: Final = frozenset({"path", "version", "checkAndSet"})


ROUTE: Final = ("namespace", "headers", "caBundle", "caProvider", "tls")
EXTRA: Final = Retries(2, 1.0)


class VaultSpec:
    name: ClassVar[str] = "vault"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        return check(store)

    def plan(self, store: StoreView) -> Plan:
        return plan(store, Consumer.CREDENTIALS if referent(store) else Consumer.NONE)


SPEC: Final = VaultSpec()


def plan(store: StoreView, consumer: Consumer) -> Plan:
    """Rate limits of the server count per mount, namespace or address, so the pace belongs to the endpoint."""
    return Plan(
        endpoint(store), login(store), consumer, references(store), retries(store.retry_settings, EXTRA), Quota.ENDPOINT
    )


def retries(settings: Json | None, default: Retries) -> Retries:
    """`maxRetries` counts what follows the first attempt here. Raises InvalidConfig."""
    if settings is None:
        return default
    text = settings.get("retryInterval")
    try:
        seconds = max(0.0, parse_duration(str(text))) if text else default.seconds
    except DurationError as error:
        raise InvalidConfig(f"failed to parse retryInterval: {error}", fix="write a Go duration such as 2s") from error
    return Retries(max(0, int(settings.get("maxRetries") or 0)), seconds)


def server_of(block: Json) -> str:
    server = str(block.get("server") or "").rstrip("/")
    parts = urlsplit(server)
    if parts.query or parts.fragment or "?" in server or "#" in server:
        raise InvalidConfig(
            f'failed to parse server "{host(server)}": a query or fragment has no place in it',
            fix="write server as https://host:8200",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidConfig(
            f'failed to parse server "{host(server)}": not an http or https address',
            fix="write server as https://host:8200",
        )
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


def part(block: Json, *names: str) -> Json:
    """The object at a path of members, {} where one is missing."""
    found: Any = block
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def has(block: Json, *names: str) -> bool:
    """Whether the member is there, be it empty."""
    found: Any = block
    for name in names:
        if not isinstance(found, Mapping) or found.get(name) is None:
            return False
        found = found[name]
    return True


def method(auth: Json) -> str:
    """The first configured method in the fixed order, "" without one."""
    return next((name for name in METHODS if has(auth, name)), "")


# admission prefix, the selector, its kind, does its missing namespace make the store referent
Selector = tuple[str, Json, str, bool]


def selectors(auth: Json) -> Iterator[Selector]:
    """Every credential of every configured method, in the order of admission."""
    yield from app_role_selectors(auth)
    yield from cert_selectors(auth)
    yield from jwt_selectors(auth)
    yield from other_selectors(auth)


def app_role_selectors(auth: Json) -> Iterator[Selector]:
    yield from one(auth, "Auth.AppRole.SecretRef", "Secret", True, "appRole", "secretRef")
    if not part(auth, "appRole").get("roleId"):
        yield from one(auth, "Auth.AppRole.RoleRef", "Secret", False, "appRole", "roleRef")


def cert_selectors(auth: Json) -> Iterator[Selector]:
    yield from one(auth, "Auth.Cert.ClientCert", "Secret", False, "cert", "clientCert")
    yield from one(auth, "Auth.Cert.SecretRef", "Secret", True, "cert", "secretRef")


def jwt_selectors(auth: Json) -> Iterator[Selector]:
    if has(auth, "jwt", "secretRef"):
        yield from one(auth, "Auth.Jwt.SecretRef", "Secret", True, "jwt", "secretRef")
    else:
        label = "Auth.Jwt.KubernetesServiceAccountToken.ServiceAccountRef"
        yield from one(auth, label, "ServiceAccount", True, "jwt", "kubernetesServiceAccountToken", "serviceAccountRef")


def other_selectors(auth: Json) -> Iterator[Selector]:
    yield from one(auth, "Auth.Kubernetes.ServiceAccountRef", "ServiceAccount", True, "kubernetes", "serviceAccountRef")
    yield from one(auth, "Auth.Kubernetes.SecretRef", "Secret", True, "kubernetes", "secretRef")
    yield from one(auth, "Auth.Ldap.SecretRef", "Secret", True, "ldap", "secretRef")
    yield from one(auth, "Auth.UserPass.SecretRef", "Secret", True, "userPass", "secretRef")
    yield from one(auth, "Auth.TokenSecretRef", "Secret", True, "tokenSecretRef")
    yield from one(auth, "Auth.TokenSecretRef", "ServiceAccount", True, "iam", "jwt", "serviceAccountRef")
    for name in ("accessKeyIDSecretRef", "secretAccessKeySecretRef", "sessionTokenSecretRef"):
        yield from one(auth, "Auth.TokenSecretRef", "Secret", True, "iam", "secretRef", name)


def one(auth: Json, label: str, kind: str, referent: bool, *names: str) -> Iterator[Selector]:
    if has(auth, *names):
        yield label, part(auth, *names), kind, referent


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
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied as token source for jwt authentication"
        )
    refuse_foreign(store, other_selectors(auth))
    cert, key = has(spec, "tls", "certSecretRef"), has(spec, "tls", "keySecretRef")
    if cert and key:
        refuse_foreign(store, one(spec, "ClientTLS.ClientCert", "Secret", False, "tls", "certSecretRef"))
        refuse_foreign(store, one(spec, "ClientTLS.SecretRef", "Secret", False, "tls", "keySecretRef"))
    elif cert or key:
        raise InvalidConfig("when provided, both ClientTLS.ClientCert and ClientTLS.SecretRef should be provided")
    if part(spec, "checkAndSet").get("required") and spec.get("version") == "v1":
        raise InvalidConfig("checkAndSet is not supported with Vault KV version v1")
    return []


def refuse_foreign(store: StoreView, named: Iterable[Selector]) -> None:
    """A SecretStore may not name another namespace; a ClusterSecretStore may leave it out."""
    for label, selector, _, _ in named:
        namespace = selector.get("namespace")
        if not store.cluster_scoped and namespace and namespace != store.namespace:
            raise InvalidConfig(f"invalid {label}: {WRONG_NAMESPACE}", fix="leave the namespace out")


def referent(store: StoreView) -> bool:
    """A ClusterSecretStore whose credential is looked up with each consumer."""
    auth = part(store.provider_spec, "auth")
    return store.cluster_scoped and any(
        counts and not selector.get("namespace") for _, selector, _, counts in selectors(auth)
    )


def references(store: StoreView) -> tuple[Place, ...]:
    """Every Secret, ConfigMap and ServiceAccount behind the login."""
    spec = store.provider_spec
    found = [
        (kind, str(s.get("namespace") or ""), str(s.get("name") or ""))
        for _, s, kind, _ in selectors(part(spec, "auth"))
    ]
    for name in ("certSecretRef", "keySecretRef"):
        if has(spec, "tls", name):
            found.append(
                (
                    "Secret",
                    str(part(spec, "tls", name).get("namespace") or ""),
                    str(part(spec, "tls", name).get("name") or ""),
                )
            )
    ca = part(spec, "caProvider")
    if ca and not spec.get("caBundle"):
        found.append(
            (
                "ConfigMap" if ca.get("type") == "ConfigMap" else "Secret",
                str(ca.get("namespace") or ""),
                str(ca.get("name") or ""),
            )
        )
    return tuple(dict.fromkeys(found))


def login(store: StoreView) -> dict[str, Any]:
    """The members of the block that make the login: two mounts of one server share it."""
    return {name: value for name, value in store.provider_spec.items() if name not in NOT_LOGIN}
