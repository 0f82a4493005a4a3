"""Logs in at Entra ID in each of the ways a store may ask for, and ends with one access token for the vault.

Neighbours: connect.py opens the pools, kit.entra makes the requests, material.py reads what a service principal
shows. A token of the operator's own identity is asked for vaults of the store's cloud only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from eso.net.http import Pool, Reply
from eso.providers.azurekv import spec
from eso.providers.azurekv.refusal import of_vault
from eso.providers.azurekv.spec import Method
from eso.providers.contract import CredentialReader, InvalidConfig, Malformed
from eso.providers.env import Env
from eso.providers.kit import entra
from eso.providers.kit.entra import AUDIENCE, CLIENT_ID, TENANT_ID, Certificate, Entra
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import Json, has, part
from eso.providers.kit.token import MOST_TOKEN, Token

LABEL: Final = "Azure/KeyVault"
NO_CLIENT_SECRET: Final = "missing accessKeyID/secretAccessKey in store config"
NO_TENANT: Final = "missing tenantID in store config"
CHALLENGE: Final = re.compile(r'\b(resource|scope)="?(https://[A-Za-z0-9.-]{1,253})(?:/\.default|/)?(?=["\s,]|$)')


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a token is for that is not for the vault of a store. `audience`: URL without a slash at its end; `own_host`:
    it will be shown to a host that the cloud itself gives to such servers; `refusal`: what the operator's own identity
    is told where that is not so."""

    audience: str
    own_host: bool
    refusal: str


@dataclass(frozen=True, slots=True)
class Login:
    """The requests of one login. `pool` reaches the authority and the vault, `direct` the machine's own metadata
    service. `purpose` None: the token is for the vault of the block."""

    env: Env
    pool: Pool
    direct: Pool
    credentials: CredentialReader
    block: Json
    purpose: Purpose | None = None

    async def token(self) -> Token:
        """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential reader's error."""
        match spec.method(self.block):
            case Method.SERVICE_PRINCIPAL:
                return await self._principal()
            case Method.MANAGED_IDENTITY:
                environ = self._own()
                who = entra.identity_named(str(self.block.get("identityId") or ""))
                return await entra.of_machine(self.direct, LABEL, environ, await self._resource(), who)
            case Method.WORKLOAD_IDENTITY:
                return await (self._account() if has(self.block, "serviceAccountRef") else self._pod())

    # a service principal

    async def _principal(self) -> Token:
        refs = part(self.block, "authSecretRef")
        tenant = str(self.block.get("tenantId") or "")
        if not tenant:
            raise InvalidConfig(NO_TENANT, fix="set tenantId")
        if not has(self.block, "authSecretRef"):
            raise InvalidConfig("missing secretRef in provider config", fix="set authSecretRef")
        if not has(refs, "clientId") or not (has(refs, "clientSecret") or has(refs, "clientCertificate")):
            text = "set clientId, and clientSecret or clientCertificate, below authSecretRef"
            raise InvalidConfig(NO_CLIENT_SECRET, fix=text)
        if has(refs, "clientSecret") and has(refs, "clientCertificate"):
            raise InvalidConfig("both clientSecret and clientCredentials set", fix="leave one of them out")
        client = await self._secret("clientId")
        authority = Entra(self.pool, LABEL, spec.authority(self.block), tenant)
        if has(refs, "clientSecret"):
            secret = await self._secret("clientSecret")
            return await authority.of_secret(client, secret, await self._scope())
        data = await self.credentials.secret(part(refs, "clientCertificate"))
        certificate = await self.env.offload.run_for(
            self.credentials.namespace, certificate_of, data, pkcs12_too=spec.modern(self.block)
        )
        return await authority.of_certificate(
            client,
            certificate,
            await self._scope(),
            clock=self.env.clock,
            offload=self.env.offload,
            owner=self.credentials.namespace,
        )

    # workload identity

    async def _account(self) -> Token:
        """A ServiceAccount's token, which Entra takes for that of the client it trusts it for."""
        selector = part(self.block, "serviceAccountRef")
        found = (await self.credentials.service_account(selector)).annotations
        client, tenant = await (self._annotated(found) if spec.modern(self.block) else self._named(found))
        audiences = (AUDIENCE, *(str(one) for one in selector.get("audiences") or ()))
        assertion = await self.credentials.service_account_token(selector, audiences=audiences, expiration_seconds=None)
        authority = Entra(self.pool, LABEL, spec.authority(self.block), tenant)
        return await authority.of_assertion(client, assertion, await self._scope())

    async def _annotated(self, found: Json) -> tuple[str, str]:
        client = found.get(CLIENT_ID) or ""
        tenant = str(self.block.get("tenantId") or "") or found.get(TENANT_ID) or ""
        return needed(client, NO_CLIENT), needed(tenant, NO_TENANT)

    async def _named(self, found: Json) -> tuple[str, str]:
        """Client and tenant as the first way of the reference finds them: of the two places for each, one may speak."""
        refs = part(self.block, "authSecretRef")
        client = tenant = ""
        if has(self.block, "authSecretRef"):
            if not has(refs, "clientId"):
                raise InvalidConfig(NO_CLIENT_SECRET, fix="set authSecretRef.clientId, or leave authSecretRef out")
            client = await self._secret("clientId")
        if client and found.get(CLIENT_ID):
            raise InvalidConfig("multiple clientID found. Check secretRef and serviceAccountRef")
        if has(refs, "tenantId"):
            tenant = await self._secret("tenantId")
        tenant = tenant or str(self.block.get("tenantId") or "")
        if tenant and found.get(TENANT_ID):
            raise InvalidConfig(
                "multiple tenantID found. Check secretRef, 'spec.provider.azurekv.tenantId', and serviceAccountRef"
            )
        # The tenant's name is no credential: it says which directory to ask.
        tenant = tenant or found.get(TENANT_ID) or self.env.environ.get("AZURE_TENANT_ID") or ""
        return needed(client or found.get(CLIENT_ID) or "", NO_CLIENT), needed(tenant, NO_TENANT)

    async def _pod(self) -> Token:
        """The identity of the operator's own pod."""
        found = entra.federated(self._own())
        if found is None:
            raise InvalidConfig(
                "missing environment variables. AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE "
                "must be set",
                fix="label the operator's pod azure.workload.identity/use, or set serviceAccountRef",
            )
        client, tenant, file = found
        assertion = await entra.of_file(file, self.env.offload, self.credentials.namespace)
        authority = Entra(self.pool, LABEL, spec.authority(self.block), tenant)
        return await authority.of_assertion(client, assertion, await self._scope())

    def _own(self) -> Mapping[str, str]:
        """The operator's environment. Refuses what would carry a token of its own identity to a host that the store's
        author chose."""
        environ = self.credentials.ambient()
        if self.purpose is not None:
            if not self.purpose.own_host:
                raise InvalidConfig(self.purpose.refusal, fix="name credentials of the namespace")
        elif not spec.own_host(self.block):
            raise InvalidConfig(
                "the operator's own identity is shown to vaults of the store's cloud only",
                fix="write the vault's own https address, or name credentials of the store",
            )
        return environ

    # what the token is for

    async def _scope(self) -> str:
        return f"{await self._resource()}/.default"

    async def _resource(self) -> str:
        """The audience of the token: that of the cloud, or the one that the vault asks for."""
        if self.purpose is not None:
            return self.purpose.audience
        if spec.modern(self.block):
            return await self._challenged()
        cloud = spec.CLOUDS.get(spec.environment(self.block))
        if cloud is None:
            raise InvalidConfig(f"no cloud {spec.environment(self.block)}", fix="set useAzureSDK, or another cloud")
        return cloud.resource

    async def _challenged(self) -> str:
        """A request without a token is refused, and the refusal names the audience. Raises Malformed where that is not
        of the vault's own domain: another service could be meant."""
        spec.authority(self.block)  # its refusal comes before a request
        api = Api(self.pool, LABEL, spec.vault(self.block), refuse=of_vault, max_body=MOST_TOKEN)
        query = {"api-version": spec.version(self.block), "maxresults": "1"}
        reply = await api.send("GetChallenge", "GET", "/secrets", query=query, ok=(401,))
        resource = resource_of(reply)
        host = urlsplit(spec.vault(self.block)).hostname or ""
        if not host.endswith(f".{urlsplit(resource).hostname}"):
            raise Malformed(
                "the vault asks for a token that is not for its own domain", fix="is vaultUrl the address of a vault?"
            )
        return resource

    async def _secret(self, name: str) -> str:
        return (await self.credentials.secret(part(self.block, "authSecretRef", name))).decode("utf-8", "replace")


NO_CLIENT: Final = (
    "missing clientID: either serviceAccountRef or service account annotation 'azure.workload.identity/client-id' "
    "is missing"
)


def needed(found: str, missing: str) -> str:
    if not found:
        raise InvalidConfig(missing, fix="annotate the ServiceAccount, or write it into the store")
    return found


def resource_of(reply: Reply) -> str:
    found = CHALLENGE.search(reply.headers.get("WWW-Authenticate", "")[:2048])
    if reply.status != 401 or found is None:
        raise Malformed("the vault does not say which token it takes", fix="is vaultUrl the address of a vault?")
    return found.group(2)


def certificate_of(data: bytes, *, pkcs12_too: bool) -> Certificate:
    """In a thread: the import takes a while, and most stores show no certificate."""
    module: Any = import_module("eso.providers.azurekv.material")
    found: Certificate = module.of_client(data, pkcs12_too=pkcs12_too)
    return found
