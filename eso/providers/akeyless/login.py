"""Logs in to Akeyless in each of the ways a store may ask for, and ends with one token.

Neighbours: connect.py opens the pool; what shows who the operator is at a cloud comes from the kit. It goes to
Akeyless's own hosts only, unless a ClusterSecretStore names the server.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.akeyless.refusal import of_login
from eso.providers.akeyless.spec import at_akeyless
from eso.providers.contract import CredentialReader, InvalidConfig, Malformed, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.kit import entra, googlekey, sts
from eso.providers.kit.awsidentity import ambient_keys
from eso.providers.kit.entra import AUDIENCE, CLIENT_ID, TENANT_ID, Entra
from eso.providers.kit.files import read_if_there
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import Api, object_of, text_in, worded
from eso.providers.kit.selectors import Json, has, part
from eso.providers.kit.token import MOST_TOKEN

LABEL: Final = "AKEYLESSLESS/SecretsManager"  # as the reference spells it
FETCHED: Final = {"accessID": "accessID", "accessType": "AccessType", "accessTypeParam": "AccessTypeParam"}
ACCESS_KEY: Final = ("api_key", "access_key")
KEY_TYPES: Final = (*ACCESS_KEY, "azure_ad", "aws_iam", "gcp")
READ_FAILED: Final = (
    "failed to read JWT with Kubernetes Auth from /var/run/secrets/kubernetes.io/serviceaccount/token. error: "
)
NO_TOKEN: Final = "cannot request Kubernetes service account token for service account "
ACCOUNT_SECONDS: Final = 600
STS: Final = "https://sts.us-east-1.amazonaws.com"  # Akeyless asks this region, whatever the operator's
AWS_REGION: Final = "us-east-1"
SESSION: Final = "external-secrets-provider-akeyless"
RESOURCE: Final = "https://management.azure.com/"
GOOGLE_AUDIENCE: Final = "akeyless.io"
KEY_FILE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
# names of a cloud in AZURE_ENVIRONMENT or AZURE_CLOUD, without signs → environmentType
CLOUDS: Final = {
    "azureusgovernment": "USGovernmentCloud",
    "azureusgovernmentcloud": "USGovernmentCloud",
    "usgovernment": "USGovernmentCloud",
    "usgovernmentcloud": "USGovernmentCloud",
    "azurechina": "ChinaCloud",
    "azurechinacloud": "ChinaCloud",
    "china": "ChinaCloud",
    "chinacloud": "ChinaCloud",
}


@dataclass(frozen=True, slots=True)
class Login:
    """`api`: the server, without a credential. `direct` reaches the machine's own metadata services."""

    env: Env
    api: Api
    direct: Pool
    store: StoreView
    credentials: CredentialReader

    async def token(self) -> str:
        """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential reader's error."""
        auth = part(self.store.provider_spec, "authSecretRef")
        body = await (
            self._kubernetes(part(auth, "kubernetesAuth")) if has(auth, "kubernetesAuth") else self._keyed(auth)
        )
        asking = Api(self.api.pool, LABEL, self.api.base, refuse=of_login, max_body=MOST_TOKEN)
        found = object_of((await asking.send("Auth", "POST", "/auth", json=body)).body)
        token = text_in(found, "token")
        if not token:
            raise Malformed("the server's reply has no usable token")
        return token

    async def _kubernetes(self, block: Json) -> dict[str, Any]:
        try:
            jwt = await self._account_token(block)
        except EsoError as error:
            raise prefixed(READ_FAILED, error) from error
        return {
            "access-id": str(block.get("accessID") or ""),
            "access-type": "k8s",
            "k8s-auth-config-name": str(block.get("k8sConfName") or ""),
            "k8s-service-account-token": base64.b64encode(jwt.encode()).decode(),
        }

    async def _account_token(self, block: Json) -> str:
        if has(block, "serviceAccountRef"):
            selector = part(block, "serviceAccountRef")
            try:
                return await self.credentials.legacy_service_account_token(selector)
            except EsoError:
                return await worded(f'{NO_TOKEN}"{selector.get("name")}": ', self._requested(selector))
        if has(block, "secretRef"):
            return (await self.credentials.secret(part(block, "secretRef"), default_key="token")).decode(
                "utf-8", "replace"
            )
        raise InvalidConfig(
            "can't determine k8s service account jwt", fix="set serviceAccountRef or secretRef below kubernetesAuth"
        )

    async def _requested(self, selector: Json, *more: str) -> str:
        audiences = (*(str(one) for one in selector.get("audiences") or ()), *more)
        return await self.credentials.service_account_token(
            selector, audiences=audiences, expiration_seconds=ACCOUNT_SECONDS
        )

    async def _keyed(self, auth: Json) -> dict[str, Any]:
        refs = part(auth, "secretRef")
        access, kind, given = [await self._secret(refs, name) for name in FETCHED]
        if not access:
            raise InvalidConfig("missing SecretAccessKey", fix="the Secret of accessID has an empty value")
        if not kind:
            raise InvalidConfig(
                "missing AccessKeyID", fix="the Secret of accessType has an empty value, or is not named"
            )
        if kind in ACCESS_KEY:
            if not given:
                raise InvalidConfig("missing AccessTypeParam for Akeyless access key auth", fix="set accessTypeParam")
            return {"access-id": access, "access-type": "access_key", "access-key": given}
        if kind not in KEY_TYPES:
            raise InvalidConfig(
                "Require Cloud ID unable to determine provider: the access type is none that is known",
                fix=f"store one of {', '.join(KEY_TYPES)} as accessType",
            )
        try:
            cloud_id = await self._cloud_id(kind, given, auth)
        except EsoError as error:
            raise prefixed("Require Cloud ID ", error) from error
        return {"access-id": access, "access-type": kind, "cloud-id": cloud_id}

    async def _secret(self, refs: Json, name: str) -> str:
        """The value behind accessID, accessType or accessTypeParam; "" for one that is not named."""
        if not part(refs, name).get("name"):
            return ""
        try:
            return (await self.credentials.secret(part(refs, name))).decode("utf-8", "replace")
        except EsoError as error:
            raise prefixed(f"could not fetch {FETCHED[name]} secret: ", error) from error

    # who one is at a cloud

    async def _cloud_id(self, kind: str, given: str, auth: Json) -> str:
        match kind:
            case "azure_ad" if has(auth, "serviceAccountRef"):
                shown = await self._azure_account(part(auth, "serviceAccountRef"), given)
            case "azure_ad":
                who = {"object_id": given} if given else {}
                shown = (await entra.of_machine(self.direct, LABEL, self.surroundings(), RESOURCE, who)).value
            case "gcp":
                shown = await self._google(given or GOOGLE_AUDIENCE)
            case _:
                return await self._aws()
        return base64.b64encode(shown.encode()).decode()

    def surroundings(self) -> Mapping[str, str]:
        """The operator's environment, for its own identity. Raises InvalidConfig where the store may not use it."""
        if not (self.store.cluster_scoped or at_akeyless(self.store.provider_spec)):
            raise InvalidConfig(
                "a SecretStore cannot show the operator's own identity to a server that it names",
                fix="use a ClusterSecretStore, an access key, kubernetesAuth, or serviceAccountRef with azure_ad",
            )
        return self.credentials.ambient()

    async def _aws(self) -> str:
        """A signed GetCallerIdentity, which Akeyless sends to AWS STS in our place."""
        environ = self.surroundings()
        keys = await ambient_keys(environ, sts.exchanging(self.env.pools, environ, STS, SESSION))
        url = f"{STS}/"
        headers = await self.env.offload.run(sts.signed, keys, AWS_REGION, url, sts.WHO_AM_I, {})
        told = orjson.dumps({name: [value] for name, value in headers.items()})
        question = {
            "sts_request_method": "POST",
            "sts_request_url": base64.b64encode(url.encode()).decode(),
            "sts_request_body": base64.b64encode(sts.WHO_AM_I.encode()).decode(),
            "sts_request_headers": base64.b64encode(told).decode(),
        }
        return base64.b64encode(orjson.dumps(question)).decode()

    async def _google(self, audience: str) -> str:
        """A token of the key that the operator's environment names, else of the machine."""
        environ = self.surroundings()
        path = environ.get(KEY_FILE)
        if not path:
            return await Metadata(self.direct, environ, LABEL).identity(audience)
        owner, now = self.credentials.namespace, self.env.clock.now()
        text = await self.env.offload.run_for(owner, read_if_there, path)
        if text is None:
            raise InvalidConfig(f"the file that {KEY_FILE} names cannot be read", fix="mount it into the operator")
        signed = await self.env.offload.run_for(owner, googlekey.assertion, text, audience, now)
        return await googlekey.identity(self.env.pools, LABEL, signed)

    async def _azure_account(self, selector: Json, given: str) -> str:
        """A token of the identity that trusts a ServiceAccount."""
        found = (await self.credentials.service_account(selector)).annotations
        client, tenant = found.get(CLIENT_ID) or given, found.get(TENANT_ID) or self.env.environ.get("AZURE_TENANT_ID")
        if not client:
            raise InvalidConfig(
                f"missing Azure client ID: set accessTypeParam or annotate the service account with {CLIENT_ID}"
            )
        if not tenant:
            raise InvalidConfig(
                f"missing Azure tenant ID: annotate the service account with {TENANT_ID} or set AZURE_TENANT_ID"
            )
        assertion = await self._requested(selector, AUDIENCE)
        authority = entra.AUTHORITIES[cloud_of(self.env.environ)]
        asked = Entra(self.env.pools.open(authority), LABEL, authority, tenant)
        try:
            return (await asked.of_assertion(client, assertion, f"{RESOURCE}.default")).value
        finally:
            await asked.pool.close()


def cloud_of(environ: Mapping[str, str]) -> str:
    """The environmentType of the cloud that the operator's variables name."""
    name = environ.get("AZURE_ENVIRONMENT") or environ.get("AZURE_CLOUD") or ""
    return CLOUDS.get("".join(sign for sign in name.lower() if sign.isalnum()), "PublicCloud")
