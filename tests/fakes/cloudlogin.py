"""The clouds as a Vault login sees them: AWS STS, a container's credentials, Google's token services and metadata
server.

Neighbours: tests of Vault's iam and gcp logins. Signatures are checked here by code of its own, not by the signer's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.backend import Asked, Backend

ACCOUNT_KEYS = ("AKIAROLE", "planted-role-key", "planted-role-token")
XML = (
    '<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>'
    "<AccessKeyId>{1}</AccessKeyId><SecretAccessKey>{2}</SecretAccessKey><SessionToken>{3}</SessionToken></Credentials></{0}Result></{0}Response>"
)


class Clouds(Backend):
    """`secret_keys[access key]` → secret key; `web_tokens` are believed; `metadata[path]` → text."""

    def __init__(self) -> None:
        super().__init__()
        self.secret_keys: dict[str, str] = {}
        self.web_tokens: set[str] = set()
        self.metadata: dict[str, str] = {}
        self.host, self.region = "sts.us-east-1.amazonaws.com", "us-east-1"

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.path.startswith("/computeMetadata/v1/"):
            return self._metadata(asked)
        if asked.path == "/v1/identitybindingtoken":
            known = asked.body["subject_token"] in self.web_tokens
            return web.json_response({"access_token": "planted-bound"}, status=200 if known else 401)
        if asked.path.endswith(":signJwt"):
            if asked.headers.get("Authorization") != "Bearer planted-bound":
                return web.json_response({"error": "planted"}, status=401)
            payload = json.loads(asked.body["payload"])
            return web.json_response({"signedJwt": f"signed.{payload['sub']}.{payload['aud']}"})
        if asked.path == "/container":
            access, secret, token = ACCOUNT_KEYS
            return web.json_response({"AccessKeyId": access, "SecretAccessKey": secret, "Token": token})
        return self._sts(asked)

    def _metadata(self, asked: Asked) -> web.Response:
        place = asked.path.removeprefix("/computeMetadata/v1/")
        if asked.headers.get("Metadata-Flavor") != "Google" or place not in self.metadata:
            return web.Response(status=404)
        text = self.metadata[place].format(**asked.query)
        return web.Response(text=text, headers={"Metadata-Flavor": "Google"})

    def _sts(self, asked: Asked) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(asked.text).items()}
        if form["Action"] == "AssumeRoleWithWebIdentity":
            if form["WebIdentityToken"] not in self.web_tokens:
                return web.Response(status=400, text="<Error>planted</Error>")
        elif not self.believes(dict(asked.headers), asked.text):
            return web.Response(status=403, text="<Error>planted</Error>")
        return web.Response(text=XML.format(form["Action"], *ACCOUNT_KEYS), content_type="text/xml")

    def believes(self, headers: Mapping[str, str], body: str) -> bool:
        """Whether a POST to `/` of STS with these headers is signed by a key that is known."""
        lower = {name.lower(): value for name, value in headers.items()} | {"host": self.host}
        fields = dict(part.split("=", 1) for part in lower["authorization"].split(" ", 1)[1].split(", "))
        access, day, region, service, _ = fields["Credential"].split("/")
        names = fields["SignedHeaders"].split(";")
        canonical = "\n".join(
            ["POST", "/", "", *(f"{name}:{lower[name].strip()}" for name in names), "", ";".join(names), digest(body)]
        )
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", lower["x-amz-date"], scope, digest(canonical)])
        key = f"AWS4{self.secret_keys.get(access, '')}".encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return (region, service) == (self.region, "sts") and hmac.compare_digest(signature, fields["Signature"])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def question(body: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """URL, body and headers of the request that a login by `iam` asks Vault to make."""
    url, text, headers = (base64.b64decode(body[f"iam_request_{name}"]).decode() for name in ("url", "body", "headers"))
    return url, text, {name: values[0] for name, values in json.loads(headers).items()}
