"""Logs in to another cluster (or to this one again): the store's `auth` or its kubeconfig → a Rest of its own.

Neighbours: stores.registry makes the Connector; spec.py has the rules, kubeconfig.py reads a kubeconfig, client.py
makes the calls. The operator's own identity is never used.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.net.http import Pool, TlsError
from eso.providers.contract import Consumer, CredentialReader, InvalidConfig, Plan, StoreClient, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.kit.selectors import Json, has, part
from eso.providers.kubernetes.client import KubernetesClient
from eso.providers.kubernetes.kubeconfig import Reached, kubeconfig
from eso.providers.kubernetes.spec import METHODS, server_of

PREPARE: Final = "failed to prepare auth: "
CONFIGURE: Final = "error configuring clientset: "
TOKEN_SECONDS: Final = 3600


class OneServer:
    """The `rest.Access` of one login: nothing about it changes until it is closed."""

    def __init__(self, server: str, token: str, pool: Pool) -> None:
        self.server = server
        self._authorization, self._pool = f"Bearer {token}" if token else "", pool

    async def pool(self) -> Pool:
        return self._pool

    async def authorization(self) -> str:
        return self._authorization

    async def refused(self, authorization: str) -> bool:
        return False


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        referent = plan.consumer is Consumer.CREDENTIALS
        if referent and not credentials.namespace:
            return KubernetesClient(store, None, None, None)
        try:
            reached = await reach(store.provider_spec, credentials)
        except EsoError as error:
            # an address that is none is found by the client library, behind the preparation
            raise error if str(error).startswith(CONFIGURE) else prefixed(PREPARE, error) from error
        try:
            pool = self.env.pools.open(reached.server, ca=reached.ca, certificate=reached.certificate, key=reached.key)
        except TlsError as error:
            raise InvalidConfig(f"{CONFIGURE}{worded(error, reached)}", fix=error.fix) from error
        rest = Rest(OneServer(reached.server, reached.token, pool), tries=1, turns=None, clock=self.env.clock)
        return KubernetesClient(store, rest, pool, reached.lifetime)


async def reach(block: Json, credentials: CredentialReader) -> Reached:
    """Raises InvalidConfig or the credential's error, with the reference's texts."""
    if has(block, "authRef"):
        if has(block, "auth"):
            raise InvalidConfig("authRef and inline auth cannot both be set", fix="keep one of them")
        return kubeconfig(await credentials.secret(part(block, "authRef")))
    auth = part(block, "auth")
    if not has(block, "auth"):
        raise InvalidConfig("no auth provider given", fix="set auth or authRef")
    methods = [name for name in METHODS if has(auth, name)]
    if len(methods) > 1:
        raise InvalidConfig("multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert")
    ca = await credentials.ca_bundle(part(block, "server"))
    match methods:
        case ["token"]:
            token = await named(
                "could not fetch Auth.Token.BearerToken: ", credentials, part(auth, "token", "bearerToken")
            )
            return Reached(server_of(block), ca, text(token))
        case ["serviceAccount"]:
            selector = part(auth, "serviceAccount")
            audiences = tuple(str(one) for one in selector.get("audiences") or ())
            try:
                account_token = await credentials.service_account_token(
                    selector, audiences=audiences, expiration_seconds=TOKEN_SECONDS
                )
            except EsoError as error:
                failed = 'could not fetch Auth.ServiceAccount: cannot create service account token: "'
                worded = prefixed(failed, error)
                worded.message = f'{worded.message}"'
                worded.args = (worded.message,)
                raise worded from error
            return Reached(server_of(block), ca, account_token, lifetime=float(TOKEN_SECONDS))
        case ["cert"]:
            failed = "could not fetch client key and cert: unable to fetch client "
            certificate = await named(f"{failed}certificate: ", credentials, part(auth, "cert", "clientCert"))
            key = await named(f"{failed}key: ", credentials, part(auth, "cert", "clientKey"))
            return Reached(server_of(block), ca, certificate=certificate, key=key)
    raise InvalidConfig("no auth provider given", fix="set one of auth.token, auth.serviceAccount, auth.cert")


async def named(failed: str, credentials: CredentialReader, selector: Json) -> bytes:
    try:
        return await credentials.secret(selector)
    except EsoError as error:
        raise prefixed(failed, error) from error


def text(token: bytes) -> str:
    """The token as a header takes it; a line break at its end comes with many files."""
    return token.decode("utf-8", "replace").strip()


def worded(error: TlsError, reached: Reached) -> str:
    if reached.certificate is not None and b"-----BEGIN" not in reached.certificate:
        return "tls: failed to find any PEM data in certificate input"
    return str(error)
