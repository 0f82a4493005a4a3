"""The `gcp` login: a JWT that Google vouches for, signed by a service account or issued by the metadata server.

Neighbours: login.py calls `with_gcp`; `net.http` sends what goes to Google. A key file is signed with here; without one
IAM Credentials signs for the service account that the cluster's account stands for.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.net.http import Pool, Reply, Timeouts
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, Unavailable, prefixed
from eso.providers.kit import http, jwt
from eso.providers.kit.http import Api, bearer, object_of, text_in
from eso.providers.kit.selectors import Json, has, part
from eso.providers.vault.login import FAILED, Context, Login, attempt, mount_of
from eso.providers.vault.paths import url_path

PREFIX: Final = f"{FAILED}GCP auth: "
NO_ADC: Final = "failed to set up GCP authentication: Application Default Credentials (ADC) not available: "
METADATA: Final = "metadata.google.internal"
FLAVOR: Final = {"Metadata-Flavor": "Google"}
SECURE_TOKEN, IAM = "https://securetoken.googleapis.com", "https://iamcredentials.googleapis.com"
CONTAINER: Final = "https://container.googleapis.com/v1"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
EMAIL_ANNOTATION: Final = "iam.gke.io/gcp-service-account"
LIFE: Final = 900  # seconds that Vault accepts at most


async def with_gcp(context: Context, block: Json) -> Login:
    """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential's error."""
    role = str(block.get("role") or "")
    try:
        jwt = await jwt_of(context, block, role)
    except EsoError as error:
        raise prefixed(PREFIX, error) from error
    client, path = context.client(), url_path(f"auth/{mount_of(block, 'gcp')}/login")
    return await attempt(PREFIX, lambda: client.adapter.login(path, json={"role": role, "jwt": jwt}))


async def jwt_of(context: Context, block: Json, role: str) -> str:
    """A key file, else the cluster's account, else the identity that the operator runs as."""
    if has(block, "secretRef"):
        text = await context.credentials.secret(part(block, "secretRef", "secretAccessKeySecretRef"))
        return await context.env.offload.run(signed, text, claims(context, role))
    if has(block, "workloadIdentity"):
        return await of_cluster(context, part(block, "workloadIdentity"), role, str(block.get("projectID") or ""))
    return await of_machine(context, role)


def claims(context: Context, role: str) -> dict[str, Any]:
    now = int(context.env.clock.now().timestamp())
    return {"aud": f"vault/{role}", "iat": now, "exp": now + LIFE}


def signed(text: bytes, claim: dict[str, Any]) -> str:
    """A JWT of the service account whose key file `text` is. Blocks for a signature. Raises InvalidConfig, which shows
    nothing of the file."""
    broken = "failed to process the provided JSON credentials"
    try:
        file = object_of(text)
        email, pem = text_in(file, "client_email"), text_in(file, "private_key")
    except Malformed:
        raise InvalidConfig(broken, fix="store the JSON key file of a service account") from None
    try:
        key = jwt.rsa_key(pem.encode())
    except InvalidConfig as error:
        raise InvalidConfig(f"{broken}: {error}", fix=error.fix) from None
    return jwt.signed(key, {**claim, "sub": email}, str(file.get("private_key_id") or ""))


async def of_cluster(context: Context, block: Json, role: str, project_of_store: str) -> str:
    """The account's token becomes one of Google's, with which IAM Credentials signs for the Google account behind
    it."""
    selector = part(block, "serviceAccountRef")
    account = await context.credentials.service_account(selector)
    email = account.annotations.get(EMAIL_ANNOTATION, "")
    if not email:
        raise InvalidConfig(
            f"service account {account.name} (namespace: {account.namespace}) stands for no Google service account",
            fix=f"annotate it with {EMAIL_ANNOTATION}",
        )
    project, location, name = await cluster_of(context, block, project_of_store)
    workload_pool = f"{project}.svc.id.goog"
    audiences = (workload_pool, *(selector.get("audiences") or ()))
    token = await context.credentials.service_account_token(selector, audiences=audiences, expiration_seconds=900)
    bound = await bound_token(context, token, workload_pool, f"projects/{project}/locations/{location}/clusters/{name}")
    api = Api(context.env.pools.open(IAM), context.session.label, IAM, bearer(bound), refuse=refuse)
    claim = orjson.dumps({**claims(context, role), "sub": email}).decode()
    try:
        path = f"/v1/projects/-/serviceAccounts/{http.segment(email)}:signJwt"
        reply = await api.send("SignJwt", "POST", path, json={"payload": claim})
    finally:
        await api.close()
    return text_in(object_of(reply.body), "signedJwt")


async def bound_token(context: Context, token: str, workload_pool: str, cluster: str) -> str:
    api = Api(context.env.pools.open(SECURE_TOKEN), context.session.label, SECURE_TOKEN, refuse=refuse)
    question = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": token,
        "audience": f"identitynamespace:{workload_pool}:{CONTAINER}/{cluster}",
        "scope": SCOPE,
    }
    try:
        reply = await api.send("GenerateIDBindToken", "POST", "/v1/identitybindingtoken", json=question)
    finally:
        await api.close()
    return text_in(object_of(reply.body), "access_token")


async def cluster_of(context: Context, block: Json, project_of_store: str) -> tuple[str, str, str]:
    """Project, location and name of the cluster; what the store does not say, the metadata server does. The project of
    the login itself counts where neither names one."""
    given = [str(block.get(name) or "") for name in ("clusterProjectID", "clusterLocation", "clusterName")]
    places = ("project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name")
    others = (project_of_store, "", "")
    project, location, name = [
        told or await told_by_the_machine(context, place, other)
        for told, place, other in zip(given, places, others, strict=True)
    ]
    return project, location, name


async def told_by_the_machine(context: Context, place: str, otherwise: str) -> str:
    try:
        return await asked(context, place)
    except EsoError:
        if not otherwise:
            raise
        return otherwise


async def of_machine(context: Context, role: str) -> str:
    place = "instance/service-accounts/default/identity"
    try:
        return await asked(context, place, audience=f"{context.server}/vault/{role}", format="full")
    except Unavailable as error:
        raise prefixed(NO_ADC, error) from error
    except AuthRejected as error:
        raise prefixed(NO_ADC, error) from error


async def asked(context: Context, place: str, **query: str) -> str:
    """What the metadata server says. Its host comes from the operator's environment, never from a store; no proxy."""
    host = context.credentials.ambient().get("GCE_METADATA_HOST") or METADATA
    base = f"http://{host}/computeMetadata/v1/"
    api = Api(Pool(), context.session.label, base, FLAVOR, refuse=refuse, timeouts=Timeouts(total=5.0, connect=2.5))
    try:
        reply = await api.send("Login", "GET", place, query=query)
    finally:
        await api.close()
    text = reply.body.decode("utf-8", "replace").strip()
    if reply.headers.get("Metadata-Flavor") != "Google" or not text.isprintable() or not text:
        raise Malformed("what answers at the metadata server's address is no metadata server of Google")
    return text


def refuse(reply: Reply) -> EsoError:
    shown = f"Google answered {reply.status}"
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        return AuthRejected(shown, fix="check the key, or the roles of the service account")
    return http.refusal(shown, reply)
