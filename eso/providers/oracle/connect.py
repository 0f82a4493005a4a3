"""Logs in to an `oracle` store: the key of a user signs, or a session for the machine or a pod.

Neighbours: stores.registry makes the Connector; spec.py has the rules, principals.py makes sessions, signing.py signs,
client.py makes the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eso.net.http import Pool, Timeouts, TlsError, tls_context
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import jwt
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.files import OWN_FOLDER, read_if_there
from eso.providers.kit.http import Api, clean
from eso.providers.kit.selectors import has, part
from eso.providers.oracle import principals, spec
from eso.providers.oracle.client import Client
from eso.providers.oracle.principals import Session
from eso.providers.oracle.refusal import LABEL
from eso.providers.oracle.signing import Signer, signing
from eso.providers.oracle.spec import Method

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=60.0)
TOKEN: Final = f"{OWN_FOLDER}/serviceaccount/token"
AUTHORITY: Final = f"{OWN_FOLDER}/serviceaccount/ca.crt"
AUDIENCE: Final = "api"


def straight(ca: bytes | None) -> Pool:
    """Connections past the proxies. Raises TlsError."""
    return Pool(tls=tls_context(ca_pem=ca)) if ca is not None else Pool()


class Connector:
    """`direct` opens connections to the machine's and the cluster's own services, which trust `ca`: no proxy may stand
    between."""

    def __init__(self, env: Env, direct: Callable[[bytes | None], Pool] = straight) -> None:
        self.env, self.direct = env, direct

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        owner = credentials.namespace
        pool = await self.env.offload.run_for(owner, self.env.pools.open, plan.endpoint)
        try:
            signer, lifetime = await self._signer(store, credentials, pool)
        except BaseException:
            await pool.close()
            raise
        api = Api(pool, LABEL, "", AGENT, timeouts=TIMEOUTS, sign=signing(self.env, owner, signer))
        return Client(store, Connection(api, self.env.offload, lifetime))

    async def _signer(self, store: StoreView, credentials: CredentialReader, pool: Pool) -> tuple[Signer, float | None]:
        match spec.method(store.provider_spec):
            case Method.USER:
                return await self._user(store, credentials), None
            case Method.INSTANCE:
                environ = credentials.ambient()
                direct = self.direct(None)
                try:
                    session = await principals.of_instance(self.env, credentials.namespace, pool, direct, environ)
                finally:
                    await direct.close()
            case Method.WORKLOAD:
                session = await self._workload(store, credentials)
        return session.signer, session.lifetime

    async def _user(self, store: StoreView, credentials: CredentialReader) -> Signer:
        auth = part(store.provider_spec, "auth")
        pem = await credentials.secret(part(auth, "secretRef", "privatekey"))
        fingerprint = await credentials.secret(part(auth, "secretRef", "fingerprint"))
        try:
            key = await self.env.offload.run_for(credentials.namespace, jwt.rsa_key, pem)
        except InvalidConfig as error:
            raise InvalidConfig("the private key is no RSA key in PEM without a passphrase", fix=error.fix) from None
        parts = [
            clean(str(auth.get("tenancy")), "tenancy"),
            clean(str(auth.get("user")), "user"),
            clean(fingerprint.decode("utf-8", "replace"), "fingerprint"),
        ]
        if any(not text or set(text) & set('"/') for text in parts):
            raise InvalidConfig("tenancy, user or fingerprint are none", fix="write the OCIDs and the fingerprint")
        return Signer("/".join(parts), key)

    async def _workload(self, store: StoreView, credentials: CredentialReader) -> Session:
        """The token of a ServiceAccount goes to the cluster's own server alone."""
        owner = credentials.namespace
        if has(store.provider_spec, "serviceAccountRef"):
            selector = part(store.provider_spec, "serviceAccountRef")
            audiences = (AUDIENCE, *(str(audience) for audience in selector.get("audiences") or ()))
            account = await credentials.service_account_token(selector, audiences=audiences)
        else:
            credentials.ambient()
            text = await self.env.offload.run_for(owner, read_if_there, TOKEN)
            if text is None:
                raise InvalidConfig(
                    "the operator's own ServiceAccount token cannot be read", fix="set serviceAccountRef"
                )
            account = text.decode("utf-8", "replace").strip()
        host = self.env.environ.get("KUBERNETES_SERVICE_HOST", "")
        path = self.env.environ.get("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH") or AUTHORITY
        authority = await self.env.offload.run_for(owner, read_if_there, path)
        if not host or authority is None:
            raise InvalidConfig("the operator runs in no cluster of OKE", fix="use auth, or run the operator in OKE")
        try:
            cluster = await self.env.offload.run_for(owner, self.direct, authority)
        except TlsError as error:
            raise InvalidConfig(str(error), fix=error.fix) from error
        try:
            return await principals.of_workload(self.env, owner, cluster, host, account)
        finally:
            await cluster.close()
