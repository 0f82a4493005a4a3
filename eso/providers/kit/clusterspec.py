"""Another cluster's API server in a store's block: what admission refuses of it, whose credentials it needs, where it
is.

Neighbours: specs of the providers whose backend is an API server; cluster.py logs in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Place, StoreView
from eso.providers.kit.selectors import Json, Named, has, one, part, references, refuse_foreign, refuse_loose

NO_ROOTS: Final = "No caBundle or caProvider specified; TLS connections will use system certificate roots."
METHODS: Final = ("token", "serviceAccount", "cert")


def checked(store: StoreView) -> list[str]:
    """Warnings of admission. Raises InvalidConfig with the reference's text."""
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


def credentials(block: Json) -> Iterator[Named]:
    """Those whose missing namespace makes a ClusterSecretStore referent."""
    yield from one(block, "", "auth", "token", "bearerToken")
    yield from one(block, "", "auth", "serviceAccount", kind="ServiceAccount")
    yield from one(block, "", "auth", "cert", "clientCert")
    yield from one(block, "", "auth", "cert", "clientKey")


def places(block: Json) -> tuple[Place, ...]:
    """Everything behind the login; a kubeconfig makes no store referent."""
    kubeconfig = (Named("", part(block, "authRef"), counts=False),) * has(block, "authRef")
    return references(part(block, "server"), (*credentials(block), *kubeconfig))


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
