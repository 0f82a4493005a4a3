"""The requests that end with an access token of Google: one for each kind of grant.

Neighbours: login.py and surroundings.py say which grant, and with what. google-auth signs (service account keys, AWS
requests); each request goes through the store's gate, on our own connections.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from eso.errors import EsoError
from eso.net.http import Pool, Reply, origin
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.env import Env
from eso.providers.gcpsm import federation
from eso.providers.gcpsm.federation import JWT, External
from eso.providers.gcpsm.refusal import LABEL, of_login
from eso.providers.kit.http import Api, bearer, date, object_of, text_in, unaddressed
from eso.providers.kit.token import MOST_TOKEN, Token, checked, token_from

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
BINDING_URL: Final = "https://securetoken.googleapis.com/v1/identitybindingtoken"
IMPERSONATED_SECONDS: Final = 3600
CLOCKS_DIFFER: Final = 10  # seconds; an assertion from the future is refused
BROKEN_KEY: Final = "failed to process the provided JSON credentials: "
GOOGLE: Final = re.compile(r"https://[a-z0-9.-]{1,100}\.googleapis\.com(?:[/:]|\Z)")  # hosts that are Google's own


class Tokens:
    """The grants of one login. `owner`: the namespace on whose behalf keys sign."""

    def __init__(self, env: Env, pool: Pool, owner: str) -> None:
        self.env, self.pool, self.owner = env, pool, owner

    async def of_key(self, info: Mapping[str, Any]) -> Token:
        """For an assertion that a service account's key signs."""
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
        assertion = await self.env.offload.run_for(self.owner, signed, info, claims)
        return token_of(await self.post("GetAccessToken", url, form={"grant_type": JWT_GRANT, "assertion": assertion}))

    async def bound(self, jwt: str, pool: str, provider: str) -> Token:
        """For a ServiceAccount's token of a GKE cluster. `pool`: its identity pool; `provider`: the cluster."""
        asked = {
            "grant_type": EXCHANGE,
            "subject_token_type": JWT,
            "requested_token_type": ACCESS_TOKEN,
            "subject_token": jwt,
            "audience": f"identitynamespace:{pool}:{provider}",
            "scope": SCOPE,
        }
        return token_of(await self.post("GenerateIDBindToken", BINDING_URL, json=asked))

    async def exchanged(self, external: External, subject: str) -> Token:
        """For a subject token, and the service account's for that where one is impersonated."""
        form = {
            "grant_type": EXCHANGE,
            "audience": external.audience,
            "scope": SCOPE,
            "requested_token_type": ACCESS_TOKEN,
            "subject_token_type": external.subject_type,
            "subject_token": subject,
        }
        headers = {}
        if external.client_id:  # the client answers for the requests, and no project has to
            headers = basic(external.client_id, external.client_secret)
        elif external.user_project:
            form["options"] = json.dumps({"userProject": external.user_project})
        token = token_of(await self.post("ExchangeToken", external.token_url, headers=headers, form=form))
        if not external.impersonate:
            return token
        return await self.impersonated(external.impersonate, token, external.seconds)

    async def impersonated(
        self, url: str, token: Token, seconds: int = IMPERSONATED_SECONDS, delegates: Sequence[str] = ()
    ) -> Token:
        """The service account's whose generateAccessToken is at `url`. `delegates`: who stand between, in order."""
        reply = await self.post(
            "GenerateAccessToken",
            url,
            headers=bearer(token.value),
            json={"delegates": list(delegates), "scope": [SCOPE], "lifetime": f"{seconds}s"},
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

    async def refreshed(self, info: Mapping[str, Any]) -> Token:
        """For the grant that gcloud wrote down when a person logged in."""
        form = {name: str(info.get(name) or "") for name in ("client_id", "client_secret", "refresh_token")}
        return token_of(await self.post("GetAccessToken", TOKEN_URL, form={"grant_type": "refresh_token", **form}))

    async def refreshed_workforce(self, url: str, info: Mapping[str, Any]) -> Token:
        """As `refreshed`, for a person of a workforce pool: the client stands in the header there."""
        headers = basic(str(info.get("client_id") or ""), str(info.get("client_secret") or ""))
        form = {"grant_type": "refresh_token", "refresh_token": str(info.get("refresh_token") or "")}
        return token_of(await self.post("GetAccessToken", url, headers=headers, form=form))

    async def aws_signed(self, region: str, keys: list[str], audience: str) -> str:
        """A subject token: who AWS takes these keys for. Raises InvalidConfig for what is no region."""
        if not federation.REGION.fullmatch(region):
            raise InvalidConfig("the AWS region is not the name of a region", fix="write for example eu-central-1")
        return await self.env.offload.run_for(self.owner, aws_request, region, keys, audience)

    async def post(
        self,
        call: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        api = Api(self.pool, LABEL, url, refuse=of_login, max_body=MOST_TOKEN)
        try:
            return await api.send(call, "POST", "", headers=headers, json=json, form=form)
        except EsoError as error:
            if GOOGLE.match(url) or origin(url) not in str(error):
                raise
            raise unaddressed("", error) from None  # it stood in the key


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


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


def token_of(reply: Reply) -> Token:
    return token_from(object_of(reply.body))
