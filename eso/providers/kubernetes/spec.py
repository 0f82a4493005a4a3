"""The rules of a `kubernetes` store: what admission refuses, whose credentials it needs, what makes its login.

Neighbours: connect.py logs in as the Plan says; the Secrets that are read lie in `remoteNamespace` of the other
cluster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign, refuse_loose

NO_ROOTS: Final = "No caBundle or caProvider specified; TLS connections will use system certificate roots."
METHODS: Final = ("token", "serviceAccount", "cert")
# What a store may differ in and still be the same login.
NOT_LOGIN: Final = frozenset({"remoteNamespace"})


class KubernetesSpec:
    name: ClassVar[str] = "kubernetes"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block, server = store.provider_spec, part(store.provider_spec, "server")
        warnings = [] if block.get("authRef") or server.get("caBundle") or server.get("caProvider") else [NO_ROOTS]
        if has(server, "caProvider"):
            namespace = part(server, "caProvider").get("namespace")
            if store.cluster_scoped and not namespace:
                raise InvalidConfig("CAProvider.namespace must not be empty with ClusterSecretStore")
            if not store.cluster_scoped and namespace:
                raise InvalidConfig("CAProvider.namespace must be empty with SecretStore")
        for words, place in (("ClientCert", ("cert", "clientCert")), ("BearerToken", ("token", "bearerToken"))):
            if has(block, "auth", *place):
                selector = part(block, "auth", *place)
                for member in ("name", "key"):
                    if not selector.get(member):
                        raise InvalidConfig(f"{words}.{member.capitalize()} cannot be empty")
                refuse_loose(store, [Named("", selector)])
        refuse_foreign(store, one(block, "", "auth", "serviceAccount", kind="ServiceAccount"))
        return warnings

    def plan(self, store: StoreView) -> Plan:
        """API servers protect themselves with priority and fairness: they say 429 with Retry-After per user, and
        publish no number."""
        block = store.provider_spec
        named = list(credentials(block))
        places = (*named, *(Named("", part(block, "authRef"), counts=False),) * has(block, "authRef"))
        return Plan(
            endpoint(block),
            {name: value for name, value in block.items() if name not in NOT_LOGIN},
            consumer(store, named),
            references(part(block, "server"), places),
            quota=Quota.LOGIN,
        )


SPEC: Final = KubernetesSpec()


def credentials(block: Json) -> Iterator[Named]:
    """Those whose missing namespace makes a ClusterSecretStore referent."""
    yield from one(block, "", "auth", "token", "bearerToken")
    yield from one(block, "", "auth", "serviceAccount", kind="ServiceAccount")
    yield from one(block, "", "auth", "cert", "clientCert")
    yield from one(block, "", "auth", "cert", "clientKey")


def remote_namespace(block: Json) -> str:
    return str(block.get("remoteNamespace") or "default")


def server_of(block: Json) -> str:
    """The address, https where no scheme is written. Raises InvalidConfig with the reference's text."""
    text = str(part(block, "server").get("url") or "kubernetes.default").rstrip("/")
    url = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        usable = usable and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        usable = False
    if not usable:
        shown = text.rpartition("@")[2]  # what stands before it may be a password
        raise InvalidConfig(
            f'error configuring clientset: host must be a URL or a host:port pair: "{shown}"',
            fix="write server.url as https://host:6443",
        )
    return url


def endpoint(block: Json) -> str:
    """Where calls go, and what else decides how they get there. A kubeconfig is told apart by its reference."""
    if has(block, "authRef"):
        return f"kubeconfig:{sorted((k, str(v)) for k, v in part(block, 'authRef').items())}"
    server: dict[str, Any] = dict(part(block, "server"))
    try:
        where = server_of(block)
    except InvalidConfig:
        where = "unusable"  # told by the login, in the reference's order
    route = sorted((name, str(server[name])) for name in ("caBundle", "caProvider") if server.get(name))
    digest = hashlib.blake2b(repr(route).encode("utf-8", "replace"), digest_size=6)
    return f"{where}#{digest.hexdigest()}" if route else where
