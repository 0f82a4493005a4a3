"""The `iam` login: a signed GetCallerIdentity request, which Vault sends to AWS STS in our place.

Neighbours: login.py calls `with_iam`; kit.sts signs and asks STS.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import orjson

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, prefixed
from eso.providers.kit import http
from eso.providers.kit.awsidentity import Keys
from eso.providers.kit.http import Api, object_of, text_in
from eso.providers.kit.selectors import Json, has, part
from eso.providers.kit.sts import VERSION, WHO_AM_I, keys_in, refuse, regional, signed, web_identity
from eso.providers.vault.login import FAILED, Context, Login, attempt, mount_of
from eso.providers.vault.paths import url_path

PREFIX: Final = f"{FAILED}AWS auth: "
SESSION: Final = "external-secrets-provider-vault"
AUDIENCE: Final = "sts.amazonaws.com"
ROLE_ANNOTATION, AUDIENCE_ANNOTATION = "eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience"
TOKEN_FILE, FULL_URI = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
NO_METHOD: Final = "no AWS authentication method found: expected either IRSA or Pod Identity"


async def with_iam(context: Context, block: Json) -> Login:
    """Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the credential's error."""
    region = str(block.get("region") or "us-east-1")
    environ = environ_of(context.credentials)
    endpoint = environ.get("AWS_STS_ENDPOINT") or regional(region, PREFIX, "auth.iam.region")
    sts = Api(context.env.pools.open(endpoint), context.session.label, endpoint.rstrip("/"), refuse=refuse)
    try:
        keys = await keys_of(context, block, sts)
        if role := str(block.get("role") or ""):
            keys = await assumed(context, sts, keys, region, role, str(block.get("externalID") or ""))
    except EsoError as error:
        raise prefixed(PREFIX, error) from error
    finally:
        await sts.close()
    extra = {"X-Vault-AWS-IAM-Server-ID": server} if (server := str(block.get("vaultAwsIamServerID") or "")) else {}
    url, body = f"{endpoint.rstrip('/')}/", WHO_AM_I
    headers = await context.env.offload.run(signed, keys, region, url, body, extra)
    question = {
        "role": str(block.get("vaultRole") or ""),
        "iam_http_request_method": "POST",
        "iam_request_url": encoded(url.encode()),
        "iam_request_body": encoded(body.encode()),
        "iam_request_headers": encoded(orjson.dumps({name: [value] for name, value in headers.items()})),
    }
    client, path = context.client(), url_path(f"auth/{mount_of(block, 'aws')}/login")
    return await attempt(PREFIX, lambda: client.adapter.login(path, json=question))


async def keys_of(context: Context, block: Json, sts: Api) -> Keys:
    """The account's role, else static keys, else the operator's own identity."""
    credentials = context.credentials
    if has(block, "jwt", "serviceAccountRef"):
        return await of_account(credentials, part(block, "jwt", "serviceAccountRef"), sts)
    if has(block, "secretRef"):
        return await static(credentials, part(block, "secretRef"))
    environ = credentials.ambient()
    if environ.get(TOKEN_FILE):
        return await web_identity(sts, environ.get("AWS_ROLE_ARN", ""), from_file(environ[TOKEN_FILE]), SESSION)
    if environ.get(FULL_URI):
        return await container(context, environ)
    raise AuthRejected(NO_METHOD, fix="set auth.iam.secretRef or auth.iam.jwt, or give the operator's pod an identity")


async def of_account(credentials: CredentialReader, selector: Json, sts: Api) -> Keys:
    account = await credentials.service_account(selector)
    role = account.annotations.get(ROLE_ANNOTATION, "")
    if not role:
        raise InvalidConfig(
            f"an IAM role must be associated with service account {account.name} (namespace: {account.namespace})",
            fix=f"annotate the account with {ROLE_ANNOTATION}",
        )
    own = account.annotations.get(AUDIENCE_ANNOTATION) or AUDIENCE
    audiences = (own, *(selector.get("audiences") or ()))
    token = await credentials.service_account_token(selector, audiences=audiences)
    return await web_identity(sts, role, token, SESSION)


async def static(credentials: CredentialReader, block: Json) -> Keys:
    access = await credentials.secret(part(block, "accessKeyIDSecretRef"))
    secret = await credentials.secret(part(block, "secretAccessKeySecretRef"))
    token = b""
    if has(block, "sessionTokenSecretRef"):
        with suppress(EsoError):  # keys of a user have no session token; the reference forgives a name without a Secret
            token = await credentials.secret(part(block, "sessionTokenSecretRef"))
    access_key, secret_key, session = (found.decode("utf-8", "replace").strip() for found in (access, secret, token))
    return Keys(access_key, secret_key, session)


async def assumed(context: Context, sts: Api, keys: Keys, region: str, role: str, external_id: str) -> Keys:
    form = {"Action": "AssumeRole", "Version": VERSION, "RoleArn": role, "RoleSessionName": SESSION}
    if external_id:
        form["ExternalId"] = external_id
    body = urlencode(form)
    headers = await context.env.offload.run(signed, keys, region, f"{sts.base}/", body, {})
    del headers["Host"]  # the connection's own business
    return keys_in((await sts.send("AssumeRole", "POST", "/", headers=headers, body=body.encode())).body)


async def container(context: Context, environ: Mapping[str, str]) -> Keys:
    """EKS Pod Identity. Its address comes from the operator's environment, never from a store, and is reached without a
    proxy."""
    token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = from_file(environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
    agent = Api(Pool(), context.session.label, environ[FULL_URI], refuse=refuse)
    try:
        reply = await agent.send("Login", "GET", "", headers={"Authorization": http.clean(token, "token")})
    finally:
        await agent.close()
    found = object_of(reply.body)
    return Keys(text_in(found, "AccessKeyId"), text_in(found, "SecretAccessKey"), str(found.get("Token") or ""))


def from_file(path: str) -> str:
    try:
        return Path(path).read_text().strip()  # a projected file in memory: reading it waits for no disk
    except (OSError, UnicodeDecodeError):
        raise AuthRejected(f"failed to read {path}", fix="mount the token into the operator's pod") from None


def environ_of(credentials: CredentialReader) -> Mapping[str, str]:
    """The operator's environment for addresses; {} where the store may not use its identity."""
    try:
        return credentials.ambient()
    except InvalidConfig:
        return {}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
