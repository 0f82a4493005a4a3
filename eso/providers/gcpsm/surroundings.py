"""What the operator's surroundings give: its own identity at Google, and subject tokens that a federation names.

Neighbours: login.py asks, for stores that `credentials.ambient()` allows; tokens.py makes the requests to Google,
kit.googlemetadata asks the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Pool, Reply
from eso.providers.contract import CredentialReader, InvalidConfig, Malformed
from eso.providers.gcpsm import federation
from eso.providers.gcpsm.federation import External, Form, FromAws, FromFile, FromUrl
from eso.providers.gcpsm.refusal import LABEL, of_login
from eso.providers.gcpsm.tokens import SCOPE, Tokens
from eso.providers.kit.files import read_if_there, token_file
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import Api, json_of, object_of, segment, text_in
from eso.providers.kit.token import MOST_TOKEN, Token, token_from

WELL_KNOWN: Final = "application_default_credentials.json"
OURS: Final = "the operator's default credentials"
# The operator's administrator wrote these addresses; they are checked for slips. Accounts of machines, and universes
# of their own, have other names than a store may write.
TARGET: Final = re.compile(
    r"https://iamcredentials\.[a-z0-9.-]{1,253}/v1/projects/[^/\s?#]+/serviceAccounts/[^/\s?#]+:generateAccessToken"
)
STAFF_TOKEN: Final = re.compile(r"https://sts\.[a-z0-9.-]{1,253}/v1/oauthtoken")


class Surroundings:
    """`direct` reaches the machine's own metadata services."""

    def __init__(self, tokens: Tokens, direct: Pool, credentials: CredentialReader) -> None:
        self.tokens, self.direct, self.credentials = tokens, direct, credentials

    def metadata(self) -> Metadata:
        return Metadata(self.direct, self.credentials.ambient(), LABEL)

    # the operator's own identity

    async def identity(self) -> Token:
        """The first of these that exists: GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file, the metadata server."""
        path, required = default_file(self.credentials.ambient())
        text = await self._read(path) if path else None
        if text is None and required:
            raise InvalidConfig(
                "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read",
                fix="mount it, or unset the variable",
            )
        if text is None:
            return token_from(await self.metadata().token(SCOPE))
        info = info_of(text)
        if info.get("type") != "impersonated_service_account":
            return await self._of_info(info)
        url, delegates = federation.text_of(info, "service_account_impersonation_url"), info.get("delegates") or []
        if not TARGET.fullmatch(url):
            raise InvalidConfig(f"{OURS} have no generateAccessToken in service_account_impersonation_url")
        if not isinstance(delegates, list) or not all(isinstance(one, str) for one in delegates):
            raise InvalidConfig(f"{OURS} have delegates that are no texts")
        return await self.tokens.impersonated(url, await self._of_info(info.get("source_credentials")), 3600, delegates)

    async def _of_info(self, info: Any) -> Token:
        """The identity that writes itself, not one that it impersonates."""
        if not isinstance(info, dict):
            raise InvalidConfig(NO_OBJECT)
        match info.get("type"):
            case "service_account":
                return await self.tokens.of_key(info)
            case "authorized_user":
                return await self.tokens.refreshed(info)
            case "external_account_authorized_user":
                url = federation.text_of(info, "token_url")
                if not STAFF_TOKEN.fullmatch(url):
                    raise InvalidConfig(f"{OURS} have a token_url that is none of Google's")
                return await self.tokens.refreshed_workforce(url, info)
            case "external_account":
                external = federation.of_operator(info)
                return await self.tokens.exchanged(external, await self._own_subject(external))
        raise InvalidConfig(
            f"{OURS} are of a type that this version does not know",
            fix="use service_account, impersonated_service_account, external_account or the metadata server",
        )

    async def _own_subject(self, external: External) -> str:
        """The operator's administrator may name its own ServiceAccount's token, a store may not."""
        if not isinstance(external.source, FromFile):
            return await self.subject(external)
        text = await self._read(external.source.path)
        if text is None:
            raise InvalidConfig("the file of credential_source cannot be read")
        return formed(text, external.source.form)

    async def _read(self, path: str) -> bytes | None:
        return await self.tokens.env.offload.run_for(self.credentials.namespace, read_if_there, path)

    # subject tokens

    async def subject(self, external: External) -> str:
        """The subject token of a source. A flag of the operator says which stores may use its surroundings."""
        environ = self.credentials.ambient()
        match external.source:
            case FromFile(path, form):
                text = await self.tokens.env.offload.run_for(self.credentials.namespace, token_file, path)
                return formed(text, form)
            case FromUrl(url, headers, form):
                api = Api(self.tokens.pool, LABEL, url, headers, refuse=of_login, max_body=MOST_TOKEN)
                return formed((await api.send("GetSubjectToken", "GET", "")).body, form)
            case FromAws() as source:
                region, keys = await self._aws_role(source, environ)
                return await self.tokens.aws_signed(region, keys, external.audience)
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


NO_OBJECT: Final = f"{OURS} are no JSON object"


def default_file(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Where the operator's default credentials lie, and whether the file has to be there."""
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return environ["GOOGLE_APPLICATION_CREDENTIALS"], True
    if environ.get("CLOUDSDK_CONFIG"):
        return f"{environ['CLOUDSDK_CONFIG']}/{WELL_KNOWN}", False
    return (f"{environ['HOME']}/.config/gcloud/{WELL_KNOWN}", False) if environ.get("HOME") else ("", False)


def info_of(text: bytes) -> dict[str, Any]:
    try:
        return object_of(text)
    except EsoError:
        raise InvalidConfig(NO_OBJECT) from None


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
