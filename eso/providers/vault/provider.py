"""The provider `vault`: KV versions 1 and 2 of HashiCorp Vault and of OpenBao.

Neighbours: stores.registry offers it; spec.py has its rules, login.py and client.py talk to the server.
"""

from __future__ import annotations

import functools
import hashlib
import ssl
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.net.http import Pool, Proxies, TlsError, tls_context
from eso.providers.contract import CredentialReader, InvalidConfig, StoreClient, StoreView
from eso.providers.vault import spec
from eso.providers.vault.bridge import LoopSession
from eso.providers.vault.client import Connection, VaultClient
from eso.providers.vault.login import Login, log_in

RETRIES: Final = (2, 1.0)
SHARED_SECONDS: Final = 600.0  # after which the system's authorities are read again
ROUTE: Final = ("namespace", "headers", "caBundle", "caProvider", "tls")


class VaultProvider:
    """`proxies`: how to leave the cluster, if not directly."""

    name: ClassVar[str] = "vault"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True
    retries: ClassVar[tuple[int, float]] = RETRIES

    def __init__(self, proxies: Proxies | None = None) -> None:
        self.proxies = proxies

    def validate_store(self, store: StoreView) -> list[str]:
        return spec.check(store)

    def endpoint(self, store: StoreView) -> str:
        return endpoint(store)

    def identity(self, store: StoreView) -> Mapping[str, Any]:
        return spec.login(store)

    def referent(self, store: StoreView) -> bool:
        return spec.referent(store)

    def references(self, store: StoreView) -> list[tuple[str, str, str]]:
        return spec.references(store)

    async def open(self, store: StoreView, credentials: CredentialReader) -> StoreClient:
        """TLS material is read even where nobody logs in (a referent store without a consumer): those references need a
        namespace."""
        block = store.provider_spec
        server = server_of(block)
        ca = await credentials.ca_bundle(block)
        certificate = key = None
        if spec.has(block, "tls", "certSecretRef") and spec.has(block, "tls", "keySecretRef"):
            certificate = await credentials.secret(spec.part(block, "tls", "certSecretRef"), default_key="tls.crt")
            key = await credentials.secret(spec.part(block, "tls", "keySecretRef"), default_key="tls.key")
        referent = self.referent(store)
        if referent and not credentials.namespace:
            return VaultClient(store, None, referent=True)
        pool = open_pool(server, ca, certificate, key, self.proxies)
        try:
            sticky, forward = bool(block.get("readYourWrites")), bool(block.get("forwardInconsistent"))
            headers = {str(name): str(value) for name, value in (block.get("headers") or {}).items()}
            session = LoopSession(pool, headers, sticky=sticky or forward, forward=sticky and forward)
            namespace = str(block.get("namespace") or "")
            auth = spec.part(block, "auth")
            login_namespace = str(auth.get("namespace") or "") or namespace
            login = (
                await log_in(server, login_namespace, auth, credentials, session, ca)
                if spec.has(block, "auth")
                else Login()
            )
        except BaseException:
            await pool.close()
            raise
        return VaultClient(
            store, Connection(server, pool, session, namespace, login_namespace, login), referent=referent
        )


def server_of(block: Mapping[str, Any]) -> str:
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


@functools.lru_cache(maxsize=32)
def trusting(ca: bytes | None, _: int) -> ssl.SSLContext:
    """Shared by logins that trust the same CA and show no certificate: each one costs 20 ms and a megabyte, and stores
    can be many."""
    return tls_context(ca_pem=ca)


def open_pool(
    server: str, ca: bytes | None, certificate: bytes | None, key: bytes | None, proxies: Proxies | None
) -> Pool:
    """Connections that trust `ca` instead of the system's authorities and show `certificate`."""
    if not server.startswith("https"):
        return Pool(proxies=proxies)
    try:
        shown = certificate is not None
        context = (
            tls_context(ca_pem=ca, cert_pem=certificate, key_pem=key)
            if shown
            else trusting(ca, int(time.monotonic() // SHARED_SECONDS))
        )
    except TlsError as error:
        raise InvalidConfig(f"error creating vault client: {error}", fix=error.fix) from error
    return Pool(tls=context, proxies=proxies)
