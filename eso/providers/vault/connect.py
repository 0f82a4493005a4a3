"""Logs in to a `vault` store: KV versions 1 and 2 of HashiCorp Vault and of OpenBao.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py and client.py talk to the server.
"""

from __future__ import annotations

from eso.providers.contract import Consumer, CredentialReader, InvalidConfig, Plan, StoreClient, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.headers import from_store
from eso.providers.kit.selectors import has, part
from eso.providers.vault import spec
from eso.providers.vault.bridge import LoopSession
from eso.providers.vault.client import VaultClient
from eso.providers.vault.connection import Connection
from eso.providers.vault.login import Context, Login, log_in


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        """TLS material is read even when no login is made (a referent store without a consumer), so its references need
        a namespace."""
        block = store.provider_spec
        server = spec.server_of(block)
        ca = await credentials.ca_bundle(block)
        certificate = key = None
        if has(block, "tls", "certSecretRef") and has(block, "tls", "keySecretRef"):
            certificate = await credentials.secret(part(block, "tls", "certSecretRef"), default_key="tls.crt")
            key = await credentials.secret(part(block, "tls", "keySecretRef"), default_key="tls.key")
        if nobody_asks(plan, credentials):
            return VaultClient(store, None, referent=True)
        try:
            pool = await opened(self.env, credentials, server, ca=ca, certificate=certificate, key=key)
        except InvalidConfig as error:
            raise prefixed("error creating vault client: ", error) from error
        try:
            sticky, forward = bool(block.get("readYourWrites")), bool(block.get("forwardInconsistent"))
            headers = from_store(block.get("headers"))
            session = LoopSession(pool, headers, sticky=sticky or forward, forward=sticky and forward)
            namespace = str(block.get("namespace") or "")
            auth = part(block, "auth")
            login_namespace = str(auth.get("namespace") or "") or namespace
            context = Context(self.env, server, login_namespace, credentials, session, ca)
            login = await log_in(context, auth) if has(block, "auth") else Login()
        except BaseException:
            await pool.close()
            raise
        connection = Connection(server, pool, session, namespace, login_namespace, login, self.env.offload)
        return VaultClient(store, connection, referent=plan.consumer is Consumer.CREDENTIALS)
