"""ACRAccessToken: a login for an Azure container registry, for all of it or for a scope.

Neighbours: registry.py names it, kit/entra.py logs in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit import entra
from eso.generators.kit.http import call, object_in
from eso.generators.kit.secret import MissingKey, secret_of
from eso.net.http import Pool
from eso.providers.contract import CredentialReader
from eso.providers.env import Env

USER: Final = b"00000000-0000-0000-0000-000000000000"
CLIENT_ID: Final = "azure.workload.identity/client-id"
TENANT_ID: Final = "azure.workload.identity/tenant-id"
AUDIENCE: Final = "api://AzureADTokenExchange"
VARIABLES: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")


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


def text_in(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise GeneratorFailed("unable to get token")
    return value


async def logged_in(spec: Json, credentials: CredentialReader, env: Env, direct: Callable[[], Pool]) -> str:
    """A token of Entra ID; the first way that is configured wins. Raises GeneratorFailed."""
    auth: Json = spec.get("auth") or {}
    where = entra.cloud(str(spec.get("environmentType") or ""))
    if auth.get("servicePrincipal") is not None:
        refs: Json = auth["servicePrincipal"].get("secretRef") or {}
        client = await read(refs.get("clientId") or {}, credentials)
        secret = await read(refs.get("clientSecret") or {}, credentials)
        return await entra.of_secret(env, where, str(spec.get("tenantId") or ""), client, secret)
    if auth.get("managedIdentity") is not None:
        credentials.ambient()
        identity = str(auth["managedIdentity"].get("identityId") or "")
        return await entra.of_machine(env, direct(), where, identity)
    if auth.get("workloadIdentity") is not None:
        selector = auth["workloadIdentity"].get("serviceAccountRef")
        who = await of_account(selector, credentials) if selector else await of_pod(credentials, env)
        client, tenant, assertion = who
        return await entra.of_account(env, where, tenant, client, assertion)
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
    environ = credentials.ambient()
    client, tenant, file = (environ.get(name, "") for name in VARIABLES)
    if not (client and tenant and file):
        raise GeneratorFailed("missing environment variables", fix=f"set {', '.join(VARIABLES)} on the operator")
    try:
        return client, tenant, (await env.offload.run(Path(file).read_text)).strip()
    except OSError as error:
        raise GeneratorFailed(f"unable to read token file {file}: {(error.strerror or 'failed').lower()}") from None


GENERATOR: Final = ACRAccessToken()
