"""Logs in at Google in each of the ways a store may ask for, and ends with one access token.

Neighbours: connect.py opens the pools, federation.py reads external_account configurations, kit.googlemetadata asks
the machine. google-auth signs (service account keys, AWS requests); each request goes through the store's gate, on our
own connections.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, TypeVar
from urllib.parse import quote

from eso.errors import EsoError
from eso.net.http import Pool, Reply
from eso.providers.contract import (
    CredentialReader,
    InvalidConfig,
    Malformed,
    StoreView,
    prefixed,
)
from eso.providers.env import Env
from eso.providers.gcpsm import federation
from eso.providers.gcpsm.federation import AWS4, JWT, External, Form, FromAws, FromFile, FromUrl
from eso.providers.gcpsm.refusal import LABEL, of_login
from eso.providers.gcpsm.spec import Method, method
from eso.providers.kit.files import read_if_there, token_file
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import Api, bearer, date, json_of, object_of, segment, text_in
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import MOST_TOKEN, Token, checked, token_from

T = TypeVar("T")
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
ANNOTATION: Final = "iam.gke.io/gcp-service-account"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
BINDING_URL: Final = "https://securetoken.googleapis.com/v1/identitybindingtoken"
IAM: Final = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
ACCOUNT_SECONDS: Final = 900  # of the ServiceAccount's token; it is exchanged at once
CLOCKS_DIFFER: Final = 10  # seconds; an assertion from the future is refused
BROKEN_KEY: Final = "failed to process the provided JSON credentials: "
WELL_KNOWN: Final = "application_default_credentials.json"


class Login:
    """The requests of one login. `pool` reaches Google, `direct` the machine's own metadata services."""

    def __init__(self, env: Env, pool: Pool, direct: Pool, credentials: CredentialReader) -> None:
        self.env, self.pool, self.direct, self.credentials = env, pool, direct, credentials

    async def token(self, store: StoreView) -> Token:
        """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential reader's error, with the
        reference's words before it."""
        auth = part(store.provider_spec, "auth")
        match method(store.provider_spec):
            case Method.KEY:
                selector = part(auth, "secretRef", "secretAccessKeySecretRef")
                key = key_of(await worded(CREATE, self.credentials.secret(selector)))
                return await worded(GET, self.of_key(key))
            case Method.WORKLOAD_IDENTITY:
                return await worded(CREATE, self.of_cluster(part(auth, "workloadIdentity")))
            case Method.FEDERATION:
                block = part(auth, "workloadIdentityFederation")
                return await worded(GET, self.federated(block, store.cluster_scoped))
            case Method.AMBIENT:
                return await worded(GET, self.ambient())

    def metadata(self) -> Metadata:
        return Metadata(self.direct, self.credentials.ambient(), LABEL)

    # a service account's key

    async def of_key(self, info: Mapping[str, Any]) -> Token:
        """The grant for an assertion that the key signs."""
        url = str(info.get("token_uri") or TOKEN_URL)
        if not url.startswith("https://"):
            raise InvalidConfig(f"{BROKEN_KEY}token_uri is no https address", fix=f"the key names {TOKEN_URL}")
        issued = int(self.env.clock.now().timestamp()) - CLOCKS_DIFFER
        claims = {
            "iss": str(info.get("client_email") or ""),
            "scope": SCOPE,
            "aud": url,
            "iat": issued,
            "exp": issued + 3600,
        }
        assertion = await self.env.offload.run_for(self.credentials.namespace, signed, info, claims)
        reply = await self._post("GetAccessToken", url, form={"grant_type": JWT_GRANT, "assertion": assertion})
        return token_of(reply)

    # workload identity of GKE

    async def of_cluster(self, block: Json) -> Token:
        selector = part(block, "serviceAccountRef")
        account = await self.credentials.service_account(selector)
        pool, provider = await self._cluster(block)
        audiences = (pool, *(str(audience) for audience in selector.get("audiences") or ()))
        jwt = await worded(
            "unable to fetch pod token: ",
            self.credentials.service_account_token(selector, audiences=audiences, expiration_seconds=ACCOUNT_SECONDS),
        )
        token = await worded(
            "unable to fetch identitybindingtoken: could not get idbindtoken token, ", self._bound(jwt, pool, provider)
        )
        email = account.annotations.get(ANNOTATION, "")
        if not email:
            return token
        url = f"{IAM}/{segment(email)}:generateAccessToken"
        return await worded("unable to generate gcp access token: ", self._impersonated(url, token, 3600))

    async def _cluster(self, block: Json) -> tuple[str, str]:
        """The identity pool of the cluster, and the cluster as its provider."""

        async def known(name: str, failed: str, ask: Callable[[Metadata], Awaitable[str]]) -> str:
            given = str(block.get(name) or "")
            if given:
                return given

            async def asked() -> str:
                return await ask(self.metadata())

            return await worded(f"unable to lookup workload identity: unable to {failed}: ", asked())

        project = await known("clusterProjectID", "get project id", lambda server: server.project())
        location = await known(
            "clusterLocation", "determine cluster location", lambda server: server.attribute("cluster-location")
        )
        name = await known("clusterName", "determine cluster name", lambda server: server.attribute("cluster-name"))
        where = f"projects/{project}/locations/{location}/clusters/{name}"
        return f"{project}.svc.id.goog", f"https://container.googleapis.com/v1/{where}"

    async def _bound(self, jwt: str, pool: str, provider: str) -> Token:
        asked = {
            "grant_type": EXCHANGE,
            "subject_token_type": JWT,
            "requested_token_type": ACCESS_TOKEN,
            "subject_token": jwt,
            "audience": f"identitynamespace:{pool}:{provider}",
            "scope": SCOPE,
        }
        return token_of(await self._post("GenerateIDBindToken", BINDING_URL, json=asked))

    # federation

    async def federated(self, block: Json, cluster_scoped: bool) -> Token:
        match federation.source_of(block):
            case "serviceAccountRef":
                return await self._of_account(block)
            case "awsSecurityCredentials":
                return await self._of_aws_keys(block)
        ref = part(block, "credConfig")
        namespace = str(ref.get("namespace") or "") if cluster_scoped else ""
        external = federation.of_config(await config_map(self.credentials, ref, namespace), block)
        subject = await self._subject(external)
        return await self._exchanged(external, subject)

    async def _of_account(self, block: Json) -> Token:
        selector = part(block, "serviceAccountRef")
        account = await self.credentials.service_account(selector)
        external = federation.of_store(block, JWT, account.annotations.get(ANNOTATION, ""))
        audiences = tuple(str(audience) for audience in selector.get("audiences") or ())
        jwt = await self.credentials.service_account_token(
            selector, audiences=audiences, expiration_seconds=ACCOUNT_SECONDS
        )
        return await self._exchanged(external, jwt)

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
        return await self._exchanged(
            external, await self._aws_signed(str(aws.get("region") or ""), keys, external.audience)
        )

    async def _exchanged(self, external: External, subject: str) -> Token:
        """The access token for a subject token, and the service account's for that where one is impersonated."""
        form = {
            "grant_type": EXCHANGE,
            "audience": external.audience,
            "scope": SCOPE,
            "requested_token_type": ACCESS_TOKEN,
            "subject_token_type": external.subject_type,
            "subject_token": subject,
        }
        token = token_of(await self._post("ExchangeToken", external.token_url, form=form))
        if not external.impersonate:
            return token
        return await self._impersonated(external.impersonate, token, external.seconds)

    async def _subject(self, external: External) -> str:
        """The subject token from the operator's surroundings. A flag of the operator says which stores may use them."""
        environ = self.credentials.ambient()
        match external.source:
            case FromFile(path, form):
                text = await self.env.offload.run_for(self.credentials.namespace, token_file, path)
                return formed(text, form)
            case FromUrl(url, headers, form):
                api = Api(self.pool, LABEL, url, headers, refuse=of_login, max_body=MOST_TOKEN)
                return formed((await api.send("GetSubjectToken", "GET", "")).body, form)
            case FromAws() as source:
                region, keys = await self._aws_role(source, environ)
                return await self._aws_signed(region, keys, external.audience)
        raise InvalidConfig("credential_source names no file, url or AWS environment")

    async def _aws_role(self, source: FromAws, environ: Mapping[str, str]) -> tuple[str, list[str]]:
        """Region and keys of the role that this machine has at AWS."""
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        keys = [environ.get(name) or "" for name in names]
        known = bool(keys[0] and keys[1])
        session: dict[str, str] = {}
        if source.session_url and not (region and known):
            seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
            text = (await self._imds("PUT", source.session_url, seconds)).body.decode("ascii", "replace")
            session = {"X-aws-ec2-metadata-token": text.strip()}
        if not region and source.region_url:
            zone = (await self._imds("GET", source.region_url, session)).body.decode("ascii", "replace").strip()
            region = zone[:-1]  # the zone is the region and a letter
        if not known and source.url:
            role = (await self._imds("GET", source.url, session)).body.decode("ascii", "replace").strip()
            found = object_of((await self._imds("GET", f"{source.url.rstrip('/')}/{segment(role)}", session)).body)
            keys = [text_in(found, name) for name in ("AccessKeyId", "SecretAccessKey", "Token")]
        if not (keys[0] and keys[1]):
            raise InvalidConfig("the AWS environment has no credentials", fix="set AWS_ACCESS_KEY_ID or a role")
        return region, keys

    async def _imds(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        api = Api(self.direct, LABEL, url, headers, refuse=of_login, max_body=MOST_TOKEN)
        return await api.send("GetAWSMetadata", method, "")

    async def _aws_signed(self, region: str, keys: list[str], audience: str) -> str:
        if not federation.REGION.fullmatch(region):
            raise InvalidConfig("the AWS region is not the name of a region", fix="write for example eu-central-1")
        return await self.env.offload.run_for(self.credentials.namespace, aws_request, region, keys, audience)

    async def _impersonated(self, url: str, token: Token, seconds: int) -> Token:
        reply = await self._post(
            "GenerateAccessToken",
            url,
            headers=bearer(token.value),
            json={"delegates": [], "scope": [SCOPE], "lifetime": f"{seconds}s"},
        )
        found = object_of(reply.body)
        told = date(reply.headers.get("Date", ""))
        now = datetime.fromtimestamp(told, UTC) if told is not None else self.env.clock.now()
        try:
            ends = datetime.fromisoformat(text_in(found, "expireTime"))
            left = (ends - now).total_seconds()
        except (ValueError, TypeError):
            raise Malformed("the server's reply has no time in expireTime") from None
        return checked(text_in(found, "accessToken"), left)

    # the operator's own identity

    async def ambient(self) -> Token:
        """The first of these that exists: GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file, the metadata server."""
        environ = self.credentials.ambient()
        path, required = ambient_file(environ)
        text = await self.env.offload.run_for(self.credentials.namespace, read_if_there, path) if path else None
        if text is None and required:
            raise InvalidConfig(
                "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read",
                fix="mount it, or unset the variable",
            )
        if text is None:
            return token_from(await self.metadata().token(SCOPE))
        info = info_of(text, "the operator's default credentials are no JSON object")
        match info.get("type"):
            case "service_account":
                return await self.of_key(info)
            case "authorized_user":
                return await self._refreshed(info)
            case "external_account":
                external = federation.of_operator(text)
                return await self._exchanged(external, await self._subject_of_operator(external))
        raise InvalidConfig(
            "the operator's default credentials are of a type that this version does not know",
            fix="use service_account, external_account, authorized_user, or the metadata server",
        )

    async def _subject_of_operator(self, external: External) -> str:
        if isinstance(external.source, FromFile):
            text = await self.env.offload.run_for(self.credentials.namespace, read_if_there, external.source.path)
            if text is None:
                raise InvalidConfig("the file of credential_source cannot be read")
            return formed(text, external.source.form)
        return await self._subject(external)

    async def _refreshed(self, info: Mapping[str, Any]) -> Token:
        form = {name: str(info.get(name) or "") for name in ("client_id", "client_secret", "refresh_token")}
        reply = await self._post("GetAccessToken", TOKEN_URL, form={"grant_type": "refresh_token", **form})
        return token_of(reply)

    async def _post(
        self,
        call: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        api = Api(self.pool, LABEL, url, refuse=of_login, max_body=MOST_TOKEN)
        return await api.send(call, "POST", "", headers=headers, json=json, form=form)


CREATE: Final = "failed to create GCP secretmanager client: "
GET: Final = "unable to get credentials: "


async def worded(prefix: str, made: Awaitable[T]) -> T:
    try:
        return await made
    except EsoError as error:
        raise prefixed(prefix, error) from error


def key_of(text: bytes) -> dict[str, Any]:
    """A service account's key. Raises InvalidConfig without a part of it."""
    info = info_of(text, f"{CREATE}{BROKEN_KEY}it is no JSON object")
    if info.get("type") != "service_account":
        raise InvalidConfig(
            f"{CREATE}{BROKEN_KEY}its type is not service_account", fix="create a JSON key of a service account"
        )
    return info


def info_of(text: bytes, failed: str) -> dict[str, Any]:
    try:
        return object_of(text)
    except EsoError:
        raise InvalidConfig(failed) from None


def signed(info: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """The assertion, signed with the key. In a thread: the import and RSA take a while."""
    crypt, jwt = google_auth("crypt"), google_auth("jwt")
    try:
        signer = crypt.RSASigner.from_string(info["private_key"], info.get("private_key_id"))
        return bytes(jwt.encode(signer, claims)).decode()
    except Exception:
        # The library raises many types, and their texts may quote the key.
        raise InvalidConfig(f"{BROKEN_KEY}private_key is no RSA key in PEM") from None


def aws_request(region: str, keys: list[str], audience: str) -> str:
    """A signed GetCallerIdentity as Google's token server expects it. In a thread: the import takes a while."""
    aws = google_auth("aws")
    credentials = aws.AwsSecurityCredentials(keys[0], keys[1], keys[2] or None)
    url = federation.VERIFICATION.replace("{region}", region)
    request = aws.RequestSigner(region).get_request_options(credentials, url, "POST")
    headers = {**request["headers"], "x-goog-cloud-target-resource": audience}
    told = {
        "headers": [{"key": name, "value": value} for name, value in headers.items()],
        "method": request["method"],
        "url": request["url"],
    }
    return quote(json.dumps(told, separators=(",", ":"), sort_keys=True))


def google_auth(name: str) -> Any:
    """A module of google-auth, which types a part of itself only."""
    return import_module(f"google.auth.{name}")


def token_of(reply: Reply) -> Token:
    return token_from(object_of(reply.body))


def formed(text: bytes, form: Form) -> str:
    """The token in what a source gave. Raises Malformed without a part of it."""
    token = text_in(as_object(json_of(text)), form.member) if form.member else text.decode("utf-8", "replace").strip()
    if not token or not token.isprintable():
        raise Malformed("the credential source gives no token")
    return token


def as_object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Malformed("the credential source gives no JSON object")
    return found


async def config_map(credentials: CredentialReader, ref: Json, namespace: str) -> bytes:
    """The text at a key of a ConfigMap. A CredentialReader reads ConfigMaps as sources of CA certificates only, so it
    is asked in that form, and its errors get other words."""
    name, key = str(ref.get("name") or ""), str(ref.get("key") or "")
    provider = {"type": "ConfigMap", "name": name, "namespace": namespace or credentials.namespace, "key": key}
    try:
        return await credentials.ca_bundle({"caProvider": provider}) or b""
    except EsoError as error:
        told = str(error).removeprefix("failed to get cert from configmap: ")
        told = told.removeprefix(f"failed to get caProvider secret {name}: ")
        if told == f"failed to get caProvider configMap {name} -> {key}":
            told = f'there is no key "{key}"'
        raise EsoError(
            f'failed to get external_account config from configmap "{name}": {told}', fix=error.fix
        ) from error


def ambient_file(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Where the operator's default credentials lie, and whether the file has to be there."""
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return environ["GOOGLE_APPLICATION_CREDENTIALS"], True
    if environ.get("CLOUDSDK_CONFIG"):
        return f"{environ['CLOUDSDK_CONFIG']}/{WELL_KNOWN}", False
    return (f"{environ['HOME']}/.config/gcloud/{WELL_KNOWN}", False) if environ.get("HOME") else ("", False)
