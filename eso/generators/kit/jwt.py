"""JSON Web Tokens: sign one with an RSA key, and read when one ends.

Neighbours: kinds that exchange tokens. A signature is the backend's business to check.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.generators.contract import GeneratorFailed


def signed(key: rsa.RSAPrivateKey, claims: Mapping[str, Any]) -> str:
    """RS256."""
    text = f"{encoded(orjson.dumps({'alg': 'RS256', 'typ': 'JWT'}))}.{encoded(orjson.dumps(claims))}"
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def expiry(token: str) -> str:
    """The claim `exp` in decimal digits. Raises GeneratorFailed, which shows none of the token."""
    parts = token.split(".")
    if len(parts) != 3:
        raise GeneratorFailed("error getting claims: invalid token format")
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise GeneratorFailed("error getting claims: invalid token format") from None
    found = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise GeneratorFailed("exp claim not found or wrong type")
    return str(int(found))
