"""Nebius as far as the provider asks: tokens for keys of service accounts, payloads of secrets. Both services answer at
one port."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.providers.kit.protobuf import blob, number, parsed, text
from tests.fakes.grpc import NOT_FOUND, UNAUTHENTICATED, GrpcBackend, Refused

KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM: Final = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT: Final = "serviceaccount-e00eso"
DOMAIN: Final = "api.nebius.cloud:443"
GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


def key_file(kid: str) -> str:
    told = {"type": "JWT", "alg": "RS256", "private-key": PEM, "kid": kid, "iss": ACCOUNT, "sub": ACCOUNT}
    return json.dumps({"subject-credentials": told})


class FakeNebius(GrpcBackend):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.kids = {"publickey-1"}
        self.tokens: set[str] = set()
        self.today: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.secrets: dict[str, dict[str, dict[str, str | bytes]]] = {}  # by id and version
        self.issued = 0

    @property
    def hosts(self) -> dict[str, str]:
        return {f"{service}.{DOMAIN}": self.address for service in ("tokens.iam", "dpl.mysterybox")}

    def put(self, id: str, entries: dict[str, str | bytes], version: str = "v1") -> None:
        self.secrets.setdefault(id, {})[version] = entries

    async def called(self, method: str, message: bytes, token: str) -> bytes:
        asked = parsed(message)
        if method == "/nebius.iam.v1.TokenExchangeService/Exchange":
            assert asked.text(1) == GRANT
            assert asked.text(2) == "urn:ietf:params:oauth:token-type:access_token"
            assert asked.text(4) == "urn:ietf:params:oauth:token-type:jwt"
            return self._token(asked.text(3))
        if token not in self.tokens:
            raise Refused(UNAUTHENTICATED, f"The token {token} is invalid")
        assert method == "/nebius.mysterybox.v1.PayloadService/Get"
        versions = self.secrets.get(asked.text(1), {})
        version = asked.text(2) or next(reversed(versions), "")
        if version not in versions:
            raise Refused(NOT_FOUND, "not found")
        entries = (blob(2, text(1, key) + entry(value)) for key, value in versions[version].items())
        return text(1, version) + b"".join(entries)

    def _token(self, assertion: str) -> bytes:
        head, claims, signature = assertion.split(".")
        told, says = decoded(head), decoded(claims)
        signed = base64.urlsafe_b64decode(signature + "==")
        try:
            KEY.public_key().verify(signed, f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise Refused(UNAUTHENTICATED, assertion) from None
        now = int(self.today().timestamp())
        assert told["alg"] == "RS256"
        assert says["aud"] == ["token-service.iam.new.nebiuscloud.net"]
        assert says["exp"] - says["iat"] == 60
        if told["kid"] not in self.kids or (says["iss"], says["sub"]) != (ACCOUNT, ACCOUNT) or says["iat"] > now + 60:
            raise Refused(UNAUTHENTICATED, assertion)
        self.issued += 1
        token = f"token-{self.issued}-of-{told['kid']}"
        self.tokens.add(token)
        return text(1, token) + text(3, "Bearer") + number(4, int(getattr(self.tokens, "seconds", 12 * 3600)))


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def entry(value: str | bytes) -> bytes:
    return blob(12, value.encode()) if isinstance(value, str) else blob(13, value)
