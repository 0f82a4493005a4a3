"""Logs in to Infisical with a machine identity, in each of its ways, and ends with one access token.

Neighbours: connect.py opens the connections, spec.py says which method is meant. What shows who the operator is (the
clouds' tokens, files beside it) goes to Infisical's own cloud, or to a server that a ClusterSecretStore names: the
author of a SecretStore is often not who may see it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import CredentialReader, InvalidConfig, Malformed, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.infisical.spec import UNIVERSAL, at_infisical, method, referent
from eso.providers.kit import entra, jwt, sts
from eso.providers.kit.awsidentity import ambient_keys, region_of
from eso.providers.kit.files import token_file
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import Api, Reply, clean, object_of, text_in
from eso.providers.kit.selectors import has, part
from eso.providers.kit.token import usable

LABEL: Final = "infisical"
AZURE_RESOURCE: Final = "https://management.azure.com/"
GOOGLE_SECONDS: Final = 900
SESSION: Final = "external-secrets-provider-infisical"
OCI_VERSION: Final = "20160918"
OCI_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}")
TOKEN: Final = re.compile(r"[\w-]{1,8192}\.[\w-]{1,49152}\.[\w-]{1,8192}", re.ASCII)  # header.claims.signature
OWN_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
OPTIONAL: Final = frozenset({"resource", "privateKeyPassphrase", "serviceAccountTokenPath"})
NO_METHOD: Final = "authentication method not found"
FORWARDED: Final = (
    "Infisical hands a token of the operator on to the API server that the identity names: neither a SecretStore nor a "
    "consumer's namespace may choose the identity"
)


@dataclass(frozen=True, slots=True)
class Token:
    """`seconds` that it lives, None where it does not end by itself. `owned`: ours to renew and revoke."""

    value: str = field(repr=False)
    seconds: float | None = None
    owned: bool = True

    @property
    def lifetime(self) -> float | None:
        return None if self.seconds is None else usable(self.seconds)


Given = Mapping[str, str]  # leaf of the method → what its Secret holds


@dataclass(frozen=True, slots=True)
class Way:
    """`words`: what the reference calls it. `leaves`: the credentials that it reads, in this order."""

    words: str
    call: str
    path: str
    leaves: tuple[str, ...]
    body: Callable[[Login, Given], Awaitable[dict[str, Any]]]


class Login:
    """`api`: the server, without a credential."""

    def __init__(self, env: Env, api: Api, store: StoreView, credentials: CredentialReader) -> None:
        self.env, self.api, self.store, self.credentials = env, api, store, credentials

    async def token(self) -> Token:
        """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential reader's error."""
        block = self.store.provider_spec
        name = method(block)
        given = part(block, "auth", name)
        if name == "tokenAuthCredentials":
            token = await self._secret(part(given, "accessToken"))
            return Token(clean(token, "access token"), owned=False)
        way = WAYS.get(name)
        if way is None:
            raise InvalidConfig(NO_METHOD, fix="set one method below auth")
        found: dict[str, str] = {}
        for leaf in way.leaves:
            if leaf in OPTIONAL and not has(given, leaf):
                continue
            try:
                found[leaf] = await self._secret(part(given, leaf))
            except EsoError as error:
                raise prefixed("" if name == UNIVERSAL else "failed to get secret data identityId ", error) from error
        try:
            body = await way.body(self, found)
            if organization := str(part(block, "secretsScope").get("organizationSlug") or ""):
                body["organizationSlug"] = organization
            reply = await self.api.send(way.call, "POST", f"/v1/auth/{way.path}/login", json=body)
            return token_of(reply)
        except EsoError as error:
            raise prefixed(f"failed to authenticate via {way.words} auth ", error) from error

    async def _secret(self, selector: Mapping[str, Any]) -> str:
        return (await self.credentials.secret(selector)).decode("utf-8", "replace")

    def surroundings(self) -> Mapping[str, str]:
        """The operator's environment, for its own identity. Raises InvalidConfig where the store may not use it."""
        if not (self.store.cluster_scoped or at_infisical(self.store.provider_spec)):
            raise InvalidConfig(
                "a SecretStore cannot show the operator's own identity to a server that it names",
                fix="use a ClusterSecretStore, or credentials of the store's own (universal, jwt, ldap, oci, token)",
            )
        return self.credentials.ambient()

    # what each way sends

    async def universal(self, given: Given) -> dict[str, Any]:
        return dict(given)

    async def with_jwt(self, given: Given) -> dict[str, Any]:
        return dict(given)

    async def ldap(self, given: Given) -> dict[str, Any]:
        return {
            "identityId": given["identityId"],
            "username": given["ldapUsername"],
            "password": given["ldapPassword"],
        }

    async def azure(self, given: Given) -> dict[str, Any]:
        """A token of the managed identity from the machine's metadata service, reached without a proxy."""
        environ, direct = self.surroundings(), Pool()
        try:
            token = await entra.of_machine(direct, LABEL, environ, given.get("resource") or AZURE_RESOURCE, {})
        finally:
            await direct.close()
        return {"identityId": given["identityId"], "jwt": token.value}

    async def google_token(self, given: Given) -> dict[str, Any]:
        """A token of the machine for this identity alone."""
        environ, direct = self.surroundings(), Pool()
        try:
            token = await Metadata(direct, environ, LABEL).identity(given["identityId"])
        finally:
            await direct.close()
        return {"identityId": given["identityId"], "jwt": token}

    async def google_key(self, given: Given) -> dict[str, Any]:
        """A key file beside the operator signs: its certificate is among those that Google publishes for the account,
        so that nothing is asked there."""
        self.surroundings()
        now = int(self.env.clock.now().timestamp())
        claims = {"aud": given["identityId"], "iat": now, "exp": now + GOOGLE_SECONDS}
        path = given["serviceAccountKeyFilePath"]
        signed = await self.env.offload.run_for(self.credentials.namespace, signed_by_file, path, claims)
        return {"identityId": given["identityId"], "jwt": signed}

    async def kubernetes(self, given: Given) -> dict[str, Any]:
        """The operator's own token, or another one from a file beside it. Infisical hands it on to the API server that
        the owner of the identity wrote down, so the identity is the choice of a ClusterSecretStore alone."""
        path = given.get("serviceAccountTokenPath") or OWN_TOKEN
        if not self.store.cluster_scoped or referent(self.store):
            raise InvalidConfig(FORWARDED, fix="use a ClusterSecretStore that names the namespace of each credential")
        if path == OWN_TOKEN:
            token = await self.credentials.own_token()
        else:
            self.surroundings()
            what = "the file of serviceAccountTokenPath"
            text = await self.env.offload.run_for(self.credentials.namespace, token_file, path, what)
            token = text.decode("utf-8", "replace").strip()
            if not TOKEN.fullmatch(token):  # no other content of a file is sent anywhere
                raise InvalidConfig(f"{what} holds no token", fix="name a file with a ServiceAccount's token")
        return {"identityId": given["identityId"], "jwt": token}

    async def aws(self, given: Given) -> dict[str, Any]:
        """A signed GetCallerIdentity, which Infisical sends to AWS STS in our place."""
        environ = self.surroundings()
        region = await region_of(environ)
        endpoint = sts.regional(region)
        keys = await ambient_keys(environ, sts.exchanging(self.env.pools, environ, endpoint, SESSION))
        headers = await self.env.offload.run(sts.signed, keys, region, f"{endpoint}/", sts.WHO_AM_I, {})
        return {
            "identityId": given["identityId"],
            "iamHttpRequestMethod": "POST",
            "iamRequestBody": base64.b64encode(sts.WHO_AM_I.encode()).decode(),
            "iamRequestHeaders": base64.b64encode(orjson.dumps(headers)).decode(),
        }

    async def oci(self, given: Given) -> dict[str, Any]:
        """A signed GET of the user itself, which Infisical sends to Oracle Cloud in our place."""
        now = format_datetime(self.env.clock.now(), usegmt=True)
        headers = await self.env.offload.run_for(self.credentials.namespace, oci_headers, given, now)
        return {"identityId": given["identityId"], "userOcid": given["userId"], "headers": headers}


VIA: Final = "MachineIdentityLoginVia"
WAYS: Final[dict[str, Way]] = {
    UNIVERSAL: Way("universal", f"{VIA}UniversalAuth", "universal-auth", ("clientId", "clientSecret"), Login.universal),
    "azureAuthCredentials": Way("azure", f"{VIA}AzureAuth", "azure-auth", ("identityId", "resource"), Login.azure),
    "gcpIdTokenAuthCredentials": Way(
        "gcp id token", f"{VIA}GcpIdTokenAuth", "gcp-auth", ("identityId",), Login.google_token
    ),
    "gcpIamAuthCredentials": Way(
        "gcp iam",
        f"{VIA}GcpServiceAccountAuth",
        "gcp-auth",
        ("identityId", "serviceAccountKeyFilePath"),
        Login.google_key,
    ),
    "jwtAuthCredentials": Way("jwt", f"{VIA}JwtAuth", "jwt-auth", ("identityId", "jwt"), Login.with_jwt),
    "ldapAuthCredentials": Way(
        "ldap", f"{VIA}LdapAuth", "ldap-auth", ("identityId", "ldapUsername", "ldapPassword"), Login.ldap
    ),
    "ociAuthCredentials": Way(
        "oci",
        f"{VIA}OciAuth",
        "oci-auth",
        ("identityId", "privateKey", "privateKeyPassphrase", "fingerprint", "userId", "tenancyId", "region"),
        Login.oci,
    ),
    "kubernetesAuthCredentials": Way(
        "kubernetes",
        f"{VIA}KubernetesAuth",
        "kubernetes-auth",
        ("identityId", "serviceAccountTokenPath"),
        Login.kubernetes,
    ),
    "awsAuthCredentials": Way("aws", f"{VIA}AwsAuth", "aws-auth", ("identityId",), Login.aws),
}


def token_of(reply: Reply) -> Token:
    """The token of a login or a renewal. Raises Malformed. A life of 0 has no end."""
    found = object_of(reply.body)
    value, seconds = text_in(found, "accessToken"), found.get("expiresIn")
    if not value or not value.isascii() or not value.isprintable():
        raise Malformed("the server's reply has no usable access token")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1 << 40:
        raise Malformed("the server's reply has no number in expiresIn")
    return Token(value, float(seconds) or None)


def signed_by_file(path: str, claims: Mapping[str, Any]) -> str:
    """A JWT of the service account whose key file this is. Raises InvalidConfig, which shows neither path nor key."""
    what = "the file of serviceAccountKeyFilePath"
    broken = f"{what} is no key of a service account"
    text = token_file(path, what)
    try:
        info = object_of(text)
        email, pem = text_in(info, "client_email"), text_in(info, "private_key")
        key = jwt.rsa_key(pem.encode())
    except (Malformed, InvalidConfig):
        raise InvalidConfig(broken, fix="mount the JSON key file of a service account into the operator") from None
    return jwt.signed(key, {**claims, "iss": email, "sub": email}, str(info.get("private_key_id") or ""))


def oci_headers(given: Given, date: str) -> dict[str, str]:
    """The headers of the signed request. Raises InvalidConfig without a part of the key."""
    names = {name: given[name] for name in ("tenancyId", "userId", "fingerprint", "region")}
    for name, text in names.items():
        if not OCI_NAME.fullmatch(text):
            raise InvalidConfig(f"the {name} has a form that no {name} has", fix="store it without a line break")
    try:
        key = jwt.rsa_key(given["privateKey"].encode(), (given.get("privateKeyPassphrase") or "").encode() or None)
    except InvalidConfig as error:
        raise InvalidConfig(f"the privateKey cannot be used: {error}", fix=error.fix) from None
    host = f"identity.{names['region']}.oraclecloud.com"
    target = f"get /{OCI_VERSION}/users/{names['userId']}"
    text = f"date: {date}\n(request-target): {target}\nhost: {host}"
    mark = base64.b64encode(jwt.signature(key, text.encode())).decode()
    key_id = f"{names['tenancyId']}/{names['userId']}/{names['fingerprint']}"
    signed = (
        f'Signature version="1",headers="date (request-target) host",keyId="{key_id}",algorithm="rsa-sha256",'
        f'signature="{mark}"'
    )
    return {"host": host, "date": date, "authorization": signed}
