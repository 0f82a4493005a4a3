"""Logs in to AWS: the store's auth block → keys, through every role that the store names.

Neighbours: connect.py calls here, kit.awsidentity finds the operator's own identity, sdk.py talks to STS. Credentials
of roles are kept as long as the login: the session renews it before they end.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.aws.sdk import Sdk
from eso.providers.aws.spec import TAGS_OF_THE_STORE, Json
from eso.providers.contract import (
    AuthRejected,
    CredentialReader,
    InvalidConfig,
    StoreView,
    Throttled,
    Unavailable,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.awsidentity import Keys, ambient_keys
from eso.providers.kit.selectors import part

NO_SESSION: Final = "unable to create session: "
NO_KEYS: Final = "failed to refresh cached credentials, "
ROLE_ANNOTATION: Final = "eks.amazonaws.com/role-arn"
AUDIENCE_ANNOTATION: Final = "eks.amazonaws.com/audience"
DEFAULT_AUDIENCE: Final = "sts.amazonaws.com"
# The reference's name for web identities. Roles get it too: a name that stays keeps texts and audit trails the same.
SESSION_NAME: Final = "external-secrets-provider-aws"
ROLE_SECONDS: Final = 900
STS: Final = "AWS/STS"


async def log_in(sdk: Sdk, region: str, store: StoreView, credentials: CredentialReader) -> Keys:
    """Raises AuthRejected, Throttled or Unavailable inside ValidationFailed where AWS was asked, InvalidConfig, or the
    credential reader's error."""
    block = store.provider_spec
    keys = await first_keys(sdk, region, part(block, "auth"), credentials)
    for role in block.get("additionalRoles") or ():
        keys = await assumed(sdk, region, keys, {"RoleArn": str(role)})
    if block.get("role"):
        keys = await assumed(sdk, region, keys, role_request(store, credentials.namespace))
    return keys


async def first_keys(sdk: Sdk, region: str, auth: Json, credentials: CredentialReader) -> Keys:
    """The account wins over the keys, both win over the operator's own identity."""
    account = part(auth, "jwt", "serviceAccountRef")
    if account:
        return await with_account(sdk, region, account, credentials)
    if "secretRef" in auth:
        return await with_keys(part(auth, "secretRef"), credentials)
    try:
        environ = credentials.ambient()
    except EsoError as error:
        raise prefixed(NO_SESSION, error) from error

    async def web_identity(role: str, token: str, session_name: str) -> Keys:
        return await exchanged(sdk, region, role, token, session_name or SESSION_NAME)

    return await told(ambient_keys(environ, web_identity))


async def with_account(sdk: Sdk, region: str, selector: Json, credentials: CredentialReader) -> Keys:
    """IAM roles for service accounts: the role stands in the account's annotations."""
    try:
        account = await credentials.service_account(selector)
        role = account.annotations.get(ROLE_ANNOTATION, "")
        if not role:
            raise InvalidConfig(
                f"an IAM role must be associated with service account {account.name} (namespace: {account.namespace})",
                fix=f"annotate the account with {ROLE_ANNOTATION}",
            )
        first = account.annotations.get(AUDIENCE_ANNOTATION) or DEFAULT_AUDIENCE
        audiences = (first, *(str(audience) for audience in selector.get("audiences") or ()))
        token = await credentials.service_account_token(selector, audiences=audiences, expiration_seconds=None)
    except EsoError as error:
        raise prefixed(NO_SESSION, error) from error
    return await told(exchanged(sdk, region, role, token, SESSION_NAME))


async def with_keys(block: Json, credentials: CredentialReader) -> Keys:
    async def read(name: str, what: str) -> str:
        try:
            return (await credentials.secret(part(block, name))).decode("utf-8", "replace")
        except EsoError as error:
            raise prefixed(f"{NO_SESSION}could not fetch {what} secret: ", error) from error

    secret = await read("secretAccessKeySecretRef", "SecretAccessKey")
    access = await read("accessKeyIDSecretRef", "accessKeyID")
    token = await read("sessionTokenSecretRef", "SessionToken") if "sessionTokenSecretRef" in block else ""
    return Keys(access, secret, token)


async def exchanged(sdk: Sdk, region: str, role: str, token: str, session_name: str) -> Keys:
    """A token of the cluster for keys of `role`. The request is not signed: nobody is logged in yet."""
    api = await sdk.api("sts", region, None, STS)
    answer = await api.call(
        "AssumeRoleWithWebIdentity", RoleArn=role, RoleSessionName=session_name, WebIdentityToken=token
    )
    return keys_in(answer)


async def assumed(sdk: Sdk, region: str, keys: Keys, request: Mapping[str, Any]) -> Keys:
    async def ask() -> Keys:
        api = await sdk.api("sts", region, keys, STS)
        given = {"RoleSessionName": SESSION_NAME, "DurationSeconds": ROLE_SECONDS, **request}
        return keys_in(await api.call("AssumeRole", **given))

    return await told(ask())


def keys_in(answer: Mapping[str, Any]) -> Keys:
    found, user = answer.get("Credentials") or {}, answer.get("AssumedRoleUser") or {}
    try:
        return Keys(
            found["AccessKeyId"],
            found["SecretAccessKey"],
            found["SessionToken"],
            found["Expiration"],
            str(user.get("Arn") or ""),
        )
    except KeyError:
        raise AuthRejected("the answer of STS holds no credentials") from None


def role_request(store: StoreView, consumer: str) -> dict[str, Any]:
    """The last role alone has an external id and tags."""
    block = store.provider_spec
    request: dict[str, Any] = {"RoleArn": str(block.get("role"))}
    if block.get("externalID"):
        request["ExternalId"] = str(block["externalID"])
    tags = session_tags(store, consumer)
    if tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags]
        if block.get("transitiveTagKeys"):
            request["TransitiveTagKeys"] = [str(key) for key in block["transitiveTagKeys"]]
    return request


def session_tags(store: StoreView, consumer: str) -> list[tuple[str, str]]:
    """Tags that name the consumer replace those of the store. `consumer`: its namespace, "" while a ClusterSecretStore
    is validated."""
    block = store.provider_spec
    policy = block.get("sessionTagsPolicy")
    if policy not in TAGS_OF_THE_STORE:
        return [(str(tag.get("key") or ""), str(tag.get("value") or "")) for tag in block.get("sessionTags") or ()]
    tags = [("esoNamespace", consumer), ("esoStoreName", store.name), ("esoStoreKind", store.kind)]
    if policy == "Custom":
        custom = block.get("customSessionTags") or {}
        tags += [(str(key), str(value)) for key, value in sorted(custom.items()) if key and value]
    return tags


async def told(asking: Awaitable[Keys]) -> Keys:
    """Keys of AWS itself are asked for when a store is validated or used, not when its client is made: what goes wrong
    there is a failed validation with the backend's typed error as its cause."""
    try:
        return await asking
    except EsoError as error:
        cause = of_the_login(error)
        raise ValidationFailed(f"{NO_KEYS}{error}", fix=error.fix) from cause


def of_the_login(error: EsoError) -> EsoError:
    """What a failed login says about the gates: STS is another server than the one the store reads from, so its silence
    closes nothing but this login; its refusal is one of the login."""
    match error:
        case Throttled() | AuthRejected():
            return error
        case Unavailable():
            own = copy.copy(error)
            own.answered = True
            own.__cause__ = error.__cause__
            return own
    refused = AuthRejected(error.message, fix=error.fix)
    refused.__cause__ = error
    return refused
