"""Tokens of Microsoft Entra ID: for a client's secret, certificate or assertion, and for the identity of the machine.

Neighbours: the providers and generators that log in at Microsoft. Nothing is kept between two calls, and none of the
texts made here quotes what a server said: Entra's descriptions repeat what was sent.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.files import read_if_there
from eso.providers.kit.http import Api, Reply, object_of, segment, status_line
from eso.providers.kit.token import MOST_TOKEN, Token, token_from
from eso.runtime.clock import Clock
from eso.runtime.offload import Offload

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE: Final = "api://AzureADTokenExchange"  # of a ServiceAccount's token that Entra takes as an assertion
CLIENT_ID: Final = "azure.workload.identity/client-id"  # annotations of a ServiceAccount
TENANT_ID: Final = "azure.workload.identity/tenant-id"
VARIABLES: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
MACHINE: Final = "http://169.254.169.254"
SECONDS: Final = 5.0  # for the machine's own metadata service
ASSERTION_SECONDS: Final = 600  # that an assertion signed here is good for
CLOCKS_DIFFER: Final = 10  # seconds; an assertion from the future is refused
AUTHORITIES: Final = {
    "PublicCloud": "https://login.microsoftonline.com",
    "USGovernmentCloud": "https://login.microsoftonline.us",
    "ChinaCloud": "https://login.chinacloudapi.cn",
    "GermanCloud": "https://login.microsoftonline.de",
}
CODES: Final = frozenset(
    {
        "access_denied",
        "authorization_pending",
        "identity_not_found",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_resource",
        "invalid_scope",
        "invalid_tenant",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
SHOWN: Final = 3  # numbers of a refusal


@dataclass(frozen=True, slots=True)
class Entra:
    """The token endpoint of one tenant. `authority`: URL without a slash at its end; `provider`: label of the
    metric."""

    pool: Pool
    provider: str
    authority: str
    tenant: str

    @property
    def endpoint(self) -> str:
        if not self.tenant:
            raise InvalidConfig("the tenant is missing", fix="set tenantId")
        if self.tenant == "adfs":  # Active Directory Federation Services, beside an Azure Stack
            return f"{self.authority}/adfs/oauth2/token"
        return f"{self.authority}/{segment(self.tenant)}/oauth2/v2.0/token"

    async def of_secret(self, client: str, secret: str, scope: str) -> Token:
        return await self._granted({"client_id": client, "client_secret": secret}, scope)

    async def of_assertion(self, client: str, assertion: str, scope: str) -> Token:
        """For a token that the cluster's issuer signed, or one of `assertion_of`."""
        asked = {"client_id": client, "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return await self._granted(asked, scope)

    async def of_certificate(
        self, client: str, certificate: Certificate, scope: str, *, clock: Clock, offload: Offload, owner: str
    ) -> Token:
        """`owner`: the namespace on whose behalf the key signs."""
        now = int(clock.now().timestamp())
        assertion = await offload.run_for(owner, assertion_of, certificate, client, self.endpoint, now)
        return await self.of_assertion(client, assertion, scope)

    async def _granted(self, asked: Mapping[str, str], scope: str) -> Token:
        """The client credentials grant. Raises AuthRejected, Unavailable, Throttled, Malformed."""
        api = Api(self.pool, self.provider, self.endpoint, refuse=refused, max_body=MOST_TOKEN)
        form = {"grant_type": "client_credentials", "scope": scope, **asked}
        return token_from(object_of((await api.send("GetToken", "POST", "", form=form)).body))


async def of_machine(
    pool: Pool, provider: str, environ: Mapping[str, str], resource: str, who: Mapping[str, str]
) -> Token:
    """The identity that the machine, or the pod, was given. `who`: one of `identity_named`, {} for the machine's own.
    `pool`: connections to the machine's own metadata service, which a store's may not reach. `environ`: what
    `credentials.ambient()` gave; it may name another service."""
    base = (environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or MACHINE).rstrip("/")
    asked = {"api-version": "2018-02-01", "resource": resource, **who}
    timeouts = Timeouts(total=SECONDS, connect=SECONDS / 2)
    metadata = {"Metadata": "true"}
    api = Api(pool, provider, base, metadata, refuse=refused_by_machine, timeouts=timeouts, max_body=MOST_TOKEN)
    reply = await api.send("GetMachineToken", "GET", "/metadata/identity/oauth2/token", query=asked)
    return token_from(object_of(reply.body))


def identity_named(identity: str) -> dict[str, str]:
    """`identity`: a client id, a resource id, or "" for the machine's own."""
    return {"msi_res_id" if "/" in identity else "client_id": identity} if identity else {}


async def of_file(path: str, offload: Offload, owner: str) -> str:
    """The token that was mounted into the operator's pod. It is read at each login, for it is replaced every hour.
    Raises InvalidConfig."""
    return await offload.run_for(owner, mounted, path)


def mounted(path: str) -> str:
    text = read_if_there(path)
    if text is None:
        reason = (
            "it is no file that holds a token" if os.path.exists(path) else f"open {path}: no such file or directory"
        )
        raise InvalidConfig(f"unable to read token file {path}: {reason}", fix="mount the token into the operator")
    return text.decode("utf-8", "replace").strip()


def federated(environ: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Client, tenant and token file that a pod was given; None where one of them is missing."""
    client, tenant, file = (environ.get(name) or "" for name in VARIABLES)
    return (client, tenant, file) if client and tenant and file else None


# assertions that a certificate's key signs


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in DER with its RSA key."""

    der: bytes
    key: Any = field(repr=False)


def assertion_of(certificate: Certificate, client: str, audience: str, now: int) -> str:
    """The assertion of a client about itself. In a thread: the signature takes milliseconds, the import more."""
    from eso.providers.kit import jwt  # most stores have no certificate, and need no cryptography

    thumbprint = hashlib.sha1(certificate.der, usedforsecurity=False).digest()  # Entra looks the certificate up by it
    head = {
        "alg": "RS256",
        "typ": "JWT",
        "x5t": jwt.encoded(thumbprint),
        "x5c": [base64.b64encode(certificate.der).decode()],  # for clients that trust an issuer and a subject
    }
    claims = {
        "aud": audience,
        "iss": client,
        "sub": client,
        "jti": str(uuid.uuid4()),
        "nbf": now - CLOCKS_DIFFER,
        "exp": now + ASSERTION_SECONDS,
    }
    text = f"{jwt.encoded(orjson.dumps(head))}.{jwt.encoded(orjson.dumps(claims))}"
    return f"{text}.{jwt.encoded(jwt.signature(certificate.key, text.encode()))}"


# refusals


def refused(reply: Reply) -> EsoError:
    """AuthRejected, unless Entra is throttling or failing."""
    return rejected("Entra ID", reply, "check the credential, the tenant and the client's permissions")


def refused_by_machine(reply: Reply) -> EsoError:
    """The metadata service is not there for moments while it is replaced: 404 and 410 say so."""
    fix = "does the machine have this identity?"
    if reply.status in (404, 410):
        return Unavailable(shown("the metadata service", reply), answered=True, fix=fix)
    return rejected("the metadata service", reply, fix)


def rejected(server: str, reply: Reply, fix: str) -> EsoError:
    error = http.refusal(shown(server, reply), reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix=fix)


def shown(server: str, reply: Reply) -> str:
    """`Entra ID answered 401 Unauthorized: invalid_client (AADSTS7000215)`."""
    try:
        found = orjson.loads(reply.body)
    except (orjson.JSONDecodeError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    code, numbers = found.get("error"), found.get("error_codes")
    known = f": {code}" if isinstance(code, str) and code in CODES else ""
    told = [number for number in numbers if is_code(number)][:SHOWN] if isinstance(numbers, list) else []
    more = f" ({', '.join(f'AADSTS{number}' for number in told)})" if told else ""
    return f"{server} answered {status_line(reply.status)}{known}{more}"


def is_code(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**8
