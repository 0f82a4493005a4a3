"""ACRAccessToken: a login for an Azure container registry, for all of it or for a scope.

Neighbours: registry.py names it, eso.providers.kit.entra logs in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.http import call, object_in
from eso.generators.kit.secret import MissingKey, secret_of
from eso.net.http import Pool
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit import entra
from eso.providers.kit.entra import AUDIENCE, CLIENT_ID, TENANT_ID, Entra
from eso.providers.kit.token import Token

USER: Final = b"00000000-0000-0000-0000-000000000000"
AZURE: Final = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,3}\.azurecr\.(?:io|us|cn|de)(?::443)?")
"""Registries that the cloud gives to their owners."""
LABEL: Final = "Azure/ContainerRegistry"


@dataclass(frozen=True, slots=True)
class Cloud:
    """`audience` ends in a slash; `management` is what workload identities ask for. The double slash that its scope
    then has is the reference's."""

    audience: str
    management: str


CLOUDS: Final = {
    "PublicCloud": Cloud("https://management.azure.com/", "https://management.core.windows.net/"),
    "USGovernmentCloud": Cloud("https://management.usgovcloudapi.net/", "https://management.core.usgovcloudapi.net/"),
    "ChinaCloud": Cloud("https://management.chinacloudapi.cn/", "https://management.core.chinacloudapi.cn/"),
    "GermanCloud": Cloud("https://management.microsoftazure.de/", "https://management.core.cloudapi.de/"),
}


class ACRAccessToken(Stateless):
    """`direct` opens connections to the machine's own metadata service."""

    kind: ClassVar[str] = "ACRAccessToken"

    def __init__(self, direct: Callable[[], Pool] = Pool) -> None:
        self.direct = direct

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        registry = str(spec.get("registry") or "")
        if not registry or any(letter in registry for letter in "/?#@"):
            raise GeneratorFailed("registry is no host name", fix="write the host alone, without https://")
        if of_operator(spec) and not AZURE.fullmatch(registry):
            raise GeneratorFailed(
                "the operator's own identity is shown to registries of Azure only",
                fix="name a registry below azurecr.io, or credentials below auth",
            )
        token = await logged_in(spec, credentials, env, self.direct)
        form = {"grant_type": "access_token", "service": registry, "access_token": token}
        form |= {"tenant": str(spec["tenantId"])} if spec.get("tenantId") else {}
        reply = await call(env, "POST", f"https://{registry}/oauth2/exchange", {}, form=form)
        if reply.status != 200:
            # the words of the reference, which users search for
            text = f"count not generate refresh token, unexpected status code {reply.status}, expected 200"
            raise GeneratorFailed(text)
        found = text_in(object_in(reply, ""), "refresh_token")
        if spec.get("scope"):
            form = {"grant_type": "refresh_token", "service": registry, "scope": str(spec["scope"])}
            reply = await call(
                env, "POST", f"https://{registry}/oauth2/token", {}, form=form | {"refresh_token": found}
            )
            if reply.status != 200:
                text = f"could not generate access token, unexpected status code: {reply.status}"
                raise GeneratorFailed(text)
            found = text_in(object_in(reply, ""), "access_token")
        return Generated({"username": USER, "password": found.encode()})


def of_operator(spec: Json) -> bool:
    """Whether the login is that of the operator's machine or pod: who writes a generator chooses where its token
    goes."""
    auth: Json = spec.get("auth") or {}
    if auth.get("servicePrincipal") is not None:
        return False
    if auth.get("managedIdentity") is not None:
        return True
    workload = auth.get("workloadIdentity")
    return workload is not None and not workload.get("serviceAccountRef")


def text_in(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise GeneratorFailed("unable to get token")
    return value


def cloud(name: str) -> tuple[str, Cloud]:
    """The authority and the audiences. Raises GeneratorFailed."""
    found = CLOUDS.get(name or "PublicCloud")
    if found is None:
        raise GeneratorFailed(f"environmentType {name} has no authority", fix=f"use one of {', '.join(CLOUDS)}")
    return entra.AUTHORITIES[name or "PublicCloud"], found


async def logged_in(spec: Json, credentials: CredentialReader, env: Env, direct: Callable[[], Pool]) -> str:
    """A token of Entra ID; the first way that is configured wins. Raises EsoError."""
    authority, where = cloud(str(spec.get("environmentType") or ""))
    auth: Json = spec.get("auth") or {}
    local = auth.get("servicePrincipal") is None and auth.get("managedIdentity") is not None
    pool = direct() if local else env.pools.open(authority)
    try:
        return (await token_of(spec, where, authority, credentials, env, pool)).value
    finally:
        await pool.close()


async def token_of(
    spec: Json, where: Cloud, authority: str, credentials: CredentialReader, env: Env, pool: Pool
) -> Token:
    """`pool` reaches the authority, or the machine's own metadata service for a managed identity."""
    auth: Json = spec.get("auth") or {}
    if auth.get("servicePrincipal") is not None:
        refs: Json = auth["servicePrincipal"].get("secretRef") or {}
        client = await read(refs.get("clientId") or {}, credentials)
        secret = await read(refs.get("clientSecret") or {}, credentials)
        tenant = str(spec.get("tenantId") or "")
        return await Entra(pool, LABEL, authority, tenant).of_secret(client, secret, f"{where.audience}.default")
    if auth.get("managedIdentity") is not None:
        named = entra.identity_named(str(auth["managedIdentity"].get("identityId") or ""))
        return await entra.of_machine(pool, LABEL, credentials.ambient(), where.audience, named)
    if auth.get("workloadIdentity") is not None:
        selector = auth["workloadIdentity"].get("serviceAccountRef")
        who = await of_account(selector, credentials) if selector else await of_pod(credentials, env)
        client, tenant, assertion = who
        return await Entra(pool, LABEL, authority, tenant).of_assertion(
            client, assertion, f"{where.management}/.default"
        )
    raise GeneratorFailed("unexpeted configuration", fix="set one method below auth")


async def read(selector: Json, credentials: CredentialReader) -> str:
    name, key = selector.get("name") or "", selector.get("key") or ""
    try:
        return (await secret_of(credentials, selector)).decode("utf-8", "replace").strip()
    except MissingKey:
        text = f'unable to find key="{key}" secret="{name}" namespace="{credentials.namespace}"'
        raise GeneratorFailed(text, fix="add the key") from None
    except EsoError as error:
        text = f'unable to find namespace="{credentials.namespace}" secret="{name}" {error}'
        raise GeneratorFailed(text, fix=error.fix) from error


async def of_account(selector: Json, credentials: CredentialReader) -> tuple[str, str, str]:
    """Client, tenant and token of a ServiceAccount."""
    account = await credentials.service_account(selector)
    client, tenant = account.annotations.get(CLIENT_ID, ""), account.annotations.get(TENANT_ID, "")
    if not client:
        raise GeneratorFailed(f"service account is missing annoation: {CLIENT_ID}", fix="annotate the account")
    if not tenant:
        raise GeneratorFailed(f"service account is missing annotation: {TENANT_ID}", fix="annotate the account")
    audiences = (AUDIENCE, *(str(one) for one in selector.get("audiences") or ()))
    token = await credentials.service_account_token(selector, audiences=audiences, expiration_seconds=None)
    return client, tenant, token


async def of_pod(credentials: CredentialReader, env: Env) -> tuple[str, str, str]:
    """Client, tenant and token that the operator's own pod was given."""
    found = entra.federated(credentials.ambient())
    if found is None:
        raise GeneratorFailed("missing environment variables", fix=f"set {', '.join(entra.VARIABLES)} on the operator")
    client, tenant, file = found
    return client, tenant, await entra.of_file(file, env.offload, credentials.namespace)


GENERATOR: Final = ACRAccessToken()
