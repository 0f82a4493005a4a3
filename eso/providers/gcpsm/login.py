"""Logs in at Google in each of the ways a store may ask for, and ends with one access token.

Neighbours: connect.py opens the pools, tokens.py makes the requests, federation.py reads external_account
configurations, surroundings.py has the operator's own identity.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import CredentialReader, InvalidConfig, StoreView
from eso.providers.env import Env
from eso.providers.gcpsm import federation
from eso.providers.gcpsm.federation import AWS4, JWT
from eso.providers.gcpsm.spec import Method, method
from eso.providers.gcpsm.surroundings import Surroundings
from eso.providers.gcpsm.tokens import BROKEN_KEY, Tokens
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import object_of, segment, worded
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import Token

ANNOTATION: Final = "iam.gke.io/gcp-service-account"
IAM: Final = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
ACCOUNT_SECONDS: Final = 900  # of the ServiceAccount's token; it is exchanged at once
CREATE: Final = "failed to create GCP secretmanager client: "
GET: Final = "unable to get credentials: "


class Login:
    """One login of a store. `pool` reaches Google, `direct` the machine's own metadata services."""

    def __init__(self, env: Env, pool: Pool, direct: Pool, credentials: CredentialReader) -> None:
        self.credentials = credentials
        self.tokens = Tokens(env, pool, credentials.namespace)
        self.surroundings = Surroundings(self.tokens, direct, credentials)

    async def token(self, store: StoreView) -> Token:
        """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential reader's error, with the
        reference's words before it."""
        auth = part(store.provider_spec, "auth")
        match method(store.provider_spec):
            case Method.KEY:
                selector = part(auth, "secretRef", "secretAccessKeySecretRef")
                key = key_of(await worded(CREATE, self.credentials.secret(selector)))
                return await worded(GET, self.tokens.of_key(key))
            case Method.WORKLOAD_IDENTITY:
                return await worded(CREATE, self._of_cluster(part(auth, "workloadIdentity")))
            case Method.FEDERATION:
                block = part(auth, "workloadIdentityFederation")
                return await worded(GET, self._federated(block))
            case Method.AMBIENT:
                return await worded(GET, self.surroundings.identity())

    # workload identity of GKE

    async def _of_cluster(self, block: Json) -> Token:
        selector = part(block, "serviceAccountRef")
        account = await self.credentials.service_account(selector)
        pool, provider = await self._cluster(block)
        audiences = (pool, *(str(audience) for audience in selector.get("audiences") or ()))
        jwt = await worded(
            "unable to fetch pod token: ",
            self.credentials.service_account_token(selector, audiences=audiences, expiration_seconds=ACCOUNT_SECONDS),
        )
        token = await worded(
            "unable to fetch identitybindingtoken: could not get idbindtoken token, ",
            self.tokens.bound(jwt, pool, provider),
        )
        email = account.annotations.get(ANNOTATION, "")
        if not email:
            return token
        url = f"{IAM}/{segment(email)}:generateAccessToken"
        return await worded("unable to generate gcp access token: ", self.tokens.impersonated(url, token))

    async def _cluster(self, block: Json) -> tuple[str, str]:
        """The identity pool of the cluster, and the cluster as its provider."""

        async def known(name: str, failed: str, ask: Callable[[Metadata], Awaitable[str]]) -> str:
            given = str(block.get(name) or "")
            if given:
                return given

            async def asked() -> str:
                return await ask(self.surroundings.metadata())

            return await worded(f"unable to lookup workload identity: unable to {failed}: ", asked())

        project = await known("clusterProjectID", "get project id", lambda server: server.project())
        location = await known(
            "clusterLocation", "determine cluster location", lambda server: server.attribute("cluster-location")
        )
        name = await known("clusterName", "determine cluster name", lambda server: server.attribute("cluster-name"))
        where = f"projects/{project}/locations/{location}/clusters/{name}"
        return f"{project}.svc.id.goog", f"https://container.googleapis.com/v1/{where}"

    # federation

    async def _federated(self, block: Json) -> Token:
        match federation.source_of(block):
            case "serviceAccountRef":
                return await self._of_account(block)
            case "awsSecurityCredentials":
                return await self._of_aws_keys(block)
        external = federation.of_config(await self._config(part(block, "credConfig")), block)
        return await self.tokens.exchanged(external, await self.surroundings.subject(external))

    async def _config(self, ref: Json) -> bytes:
        """The external_account JSON of a store."""
        name, key = str(ref.get("name") or ""), str(ref.get("key") or "")
        failed = f'failed to get external_account config from configmap "{name}": '
        found = await worded(failed, self.credentials.config_map(ref))
        if key not in found:
            raise InvalidConfig(f'{failed}there is no key "{key}"', fix="write the key of its data")
        return found[key].encode("utf-8", "surrogatepass")

    async def _of_account(self, block: Json) -> Token:
        selector = part(block, "serviceAccountRef")
        account = await self.credentials.service_account(selector)
        external = federation.of_store(block, JWT, account.annotations.get(ANNOTATION, ""))
        audiences = tuple(str(audience) for audience in selector.get("audiences") or ())
        jwt = await self.credentials.service_account_token(
            selector, audiences=audiences, expiration_seconds=ACCOUNT_SECONDS
        )
        return await self.tokens.exchanged(external, jwt)

    async def _of_aws_keys(self, block: Json) -> Token:
        aws = part(block, "awsSecurityCredentials")
        external = federation.of_store(block, AWS4)
        found = (await self.credentials.secret_object(part(aws, "awsCredentialsSecretRef"))).data
        keys = [
            found.get(name, b"").decode("utf-8", "replace")
            for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        ]
        if not (keys[0] and keys[1]):
            raise InvalidConfig(
                "aws_access_key_id and aws_secret_access_key keys must be present in AwsSecurityCredentials secret"
            )
        subject = await self.tokens.aws_signed(str(aws.get("region") or ""), keys, external.audience)
        return await self.tokens.exchanged(external, subject)


def key_of(text: bytes) -> Mapping[str, Any]:
    """A service account's key. Raises InvalidConfig without a part of it."""
    try:
        info = object_of(text)
    except EsoError:
        raise InvalidConfig(f"{CREATE}{BROKEN_KEY}it is no JSON object") from None
    if info.get("type") != "service_account":
        raise InvalidConfig(
            f"{CREATE}{BROKEN_KEY}its type is not service_account", fix="create a JSON key of a service account"
        )
    return info
