"""JSON Web Tokens that backends gave: when one ends.

Neighbours: kinds that exchange tokens; `eso.providers.kit.jwt` signs. A signature is the backend's business to check.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from eso.generators.contract import GeneratorFailed


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
