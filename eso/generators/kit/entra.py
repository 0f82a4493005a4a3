"""Tokens of Microsoft Entra ID: for a client secret, for the token of a ServiceAccount, from the machine.

Neighbours: kinds/acr.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from eso.generators.contract import GeneratorFailed
from eso.generators.kit.http import call, message_in, object_in, status_line, succeeded
from eso.net.http import Pool, Reply
from eso.providers.env import Env

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METADATA: Final = "http://169.254.169.254/metadata/identity/oauth2/token"


@dataclass(frozen=True, slots=True)
class Cloud:
    """`authority` and `audience` end in a slash; `management` is what workload identities ask for."""

    authority: str
    audience: str
    management: str


CLOUDS: Final = {
    "PublicCloud": Cloud(
        "https://login.microsoftonline.com/",
        "https://management.azure.com/",
        "https://management.core.windows.net/",
    ),
    "USGovernmentCloud": Cloud(
        "https://login.microsoftonline.us/",
        "https://management.usgovcloudapi.net/",
        "https://management.core.usgovcloudapi.net/",
    ),
    "ChinaCloud": Cloud(
        "https://login.chinacloudapi.cn/",
        "https://management.chinacloudapi.cn/",
        "https://management.core.chinacloudapi.cn/",
    ),
    "GermanCloud": Cloud(
        "https://login.microsoftonline.de/",
        "https://management.microsoftazure.de/",
        "https://management.core.cloudapi.de/",
    ),
}


def cloud(name: str) -> Cloud:
    """Raises GeneratorFailed."""
    found = CLOUDS.get(name or "PublicCloud")
    if found is None:
        raise GeneratorFailed(f"environmentType {name} has no authority", fix=f"use one of {', '.join(CLOUDS)}")
    return found


async def granted(env: Env, where: Cloud, tenant: str, scope: str, form: Mapping[str, str]) -> str:
    """The client credentials grant; `form` says who asks. Raises GeneratorFailed."""
    url = f"{where.authority}{quote(tenant, safe='')}/oauth2/v2.0/token"
    reply = await call(env, "POST", url, {}, form={"grant_type": "client_credentials", "scope": scope, **form})
    return token_in(reply)


async def of_secret(env: Env, where: Cloud, tenant: str, client: str, secret: str) -> str:
    form = {"client_id": client, "client_secret": secret}
    return await granted(env, where, tenant, f"{where.audience}.default", form)


async def of_account(env: Env, where: Cloud, tenant: str, client: str, assertion: str) -> str:
    """For a token that the cluster's issuer signed. The double slash is the reference's, and the scope's."""
    form = {"client_id": client, "client_assertion_type": ASSERTION, "client_assertion": assertion}
    return await granted(env, where, tenant, f"{where.management}/.default", form)


async def of_machine(env: Env, pool: Pool, where: Cloud, identity: str) -> str:
    """The identity that the machine, or the pod, was given. `identity`: a client id, a resource id, or "" for its own.
    `pool`: connections to the machine's own metadata service, which a store's may not reach."""
    asked = {"api-version": "2018-02-01", "resource": where.audience}
    if identity:
        asked["msi_res_id" if "/" in identity else "client_id"] = identity
    return token_in(await call(env, "GET", f"{METADATA}?{urlencode(asked)}", {"Metadata": "true"}, pool=pool))


def token_in(reply: Reply) -> str:
    """Entra's own error code is shown, never its description, which may quote what was sent."""
    if not succeeded(reply):
        words = message_in(reply, "error")
        raise GeneratorFailed(f"Entra ID answered {status_line(reply)}{f': {words}' if words else ''}")
    found: Any = object_in(reply, "Entra ID: ").get("access_token")
    if not isinstance(found, str) or not found:
        raise GeneratorFailed("the reply of Entra ID has no token")
    return found
