"""Volcengine as far as the provider asks: secrets of KMS, keys of a role. Every signature is computed again."""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.backend import Asked, Backend

ACCESS, SECRET = "AKLTplantedaccess", "planted-secret-access-key"
HOST, STS, REGION = "open.volcengineapi.com", "sts.volcengineapi.com", "cn-beijing"
APART = "kms.ap-southeast-3.volcengineapi.com"
ROLE, POD = "trn:iam::2100000000:role/eso", "planted-token-of-the-pod"
AUTHORIZATION = re.compile(
    r"HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/kms/request,"
    r" SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)"
)
SKEW = 900.0  # seconds


class FakeVolcengine(Backend):
    """`secrets`: versions by name, each with its id; the last one is the current. `keys`: secret key, session token and
    end by access key."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.keys: dict[str, tuple[str, str, datetime | None]] = {ACCESS: (SECRET, "", None)}
        self.secrets: dict[str, list[tuple[str, str | None]]] = {}
        self.seconds = 3660.0
        self.regions = {REGION: HOST, "ap-southeast-3": APART}
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        """The vendor's hosts that this server stands for."""
        return dict.fromkeys((HOST, STS, APART), self.address)

    def put(self, name: str, value: str | None) -> None:
        versions = self.secrets.setdefault(name, [])
        versions.append((f"v{len(versions) + 1}", value))

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "ServiceUnavailable")
        if asked.query.get("Action") == "AssumeRoleWithOIDC":
            return self._assumed(asked)
        if not self._verified(asked):
            return refusal(401, "SignatureDoesNotMatch")
        assert asked.query == {"Action": "GetSecretValue", "Version": "2021-02-18"}
        versions = self.secrets.get(asked.body["SecretName"], [])
        wanted = asked.body.get("VersionID")
        found = [one for one in versions if wanted in (None, one[0])]
        if not found:
            return refusal(404, "ResourceNotFound")
        id, value = found[-1]
        result = {"SecretValue": value, "VersionID": id, "VersionName": id, "VersionStage": "CURRENT"}
        return web.json_response({"ResponseMetadata": {"RequestId": "r", "Action": "GetSecretValue"}, "Result": result})

    def _verified(self, asked: Asked) -> bool:
        found = AUTHORIZATION.fullmatch(asked.headers.get("Authorization", ""))
        if found is None or found[1] not in self.keys:
            return False
        secret, token, ends = self.keys[found[1]]
        _, day, region, names, signature = found.groups()
        when, digest = asked.headers["X-Date"], hashlib.sha256(asked.text.encode()).hexdigest()
        signed_at = datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((signed_at - self.now()).total_seconds()) > SKEW or (ends is not None and self.now() >= ends):
            return False
        wanted = "content-type;host;x-content-sha256;x-date" + (";x-security-token" if token else "")
        fits = names == wanted and when.startswith(day) and asked.headers["X-Content-Sha256"] == digest
        if not fits or asked.headers["Host"] != self.regions.get(region):
            return False
        if asked.headers.get("X-Security-Token", "") != token or "charset=utf-8" not in asked.headers["Content-Type"]:
            return False
        path, _, query = asked.target.partition("?")
        assert query.split("&") == sorted(query.split("&"))
        listed = "".join(f"{name}:{asked.headers[name]}\n" for name in names.split(";"))
        canonical = f"{asked.method}\n{path}\n{query}\n{listed}\n{names}\n{digest}"
        text = f"HMAC-SHA256\n{when}\n{day}/{region}/kms/request\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = secret.encode()
        for part in (day, region, "kms", "request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex() == signature

    def _assumed(self, asked: Asked) -> web.Response:
        form: dict[str, Any] = {name: values[0] for name, values in parse_qs(asked.text).items()}
        if (form["RoleTrn"], form["OIDCToken"], form["DurationSeconds"]) != (ROLE, POD, "3660"):
            return refusal(403, "AccessDenied")
        assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert form["RoleSessionName"]
        access, ends = f"AKTPplanted{len(self.asked)}", self.now() + timedelta(seconds=self.seconds)
        self.keys[access] = (f"planted-role-{access}", f"planted-session-{access}", ends)
        secret, token, _ = self.keys[access]
        told = {"AccessKeyId": access, "SecretAccessKey": secret, "SessionToken": token}
        result = {"Credentials": told | {"Expiration": ends.isoformat(timespec="seconds")}}
        return web.json_response({"ResponseMetadata": {"RequestId": "r"}, "Result": result})


def refusal(status: int, code: str) -> web.Response:
    error = {"Code": code, "Message": "planted words"}
    return web.json_response({"ResponseMetadata": {"RequestId": "r", "Error": error}}, status=status)
