"""The login of a GitHub App: a token that its private key signs, and what GitHub gives for it.

Neighbours: the provider `github`, and the generator of installation tokens. Signing takes milliseconds: run it in a
thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from eso.providers.contract import Malformed
from eso.providers.kit import jwt
from eso.providers.kit.http import bearer, segment, text_in

ACCEPT: Final = {"Accept": "application/vnd.github.v3+json"}
EARLIER, LATER = 10, 300  # seconds around now for which the App's token is good; GitHub allows ten minutes


def assertion(pem: bytes, app: str, now: datetime) -> str:
    """Who the App is. Raises InvalidConfig, which shows nothing of the key."""
    seconds = int(now.timestamp())
    return jwt.signed(jwt.rsa_key(pem), {"iss": app, "iat": seconds - EARLIER, "exp": seconds + LATER})


def headers(signed: str) -> dict[str, str]:
    """Of the request for a token of an installation."""
    return ACCEPT | bearer(signed)


def path(installation: Any) -> str:
    """Where a token of an installation is asked for, with POST."""
    return f"/app/installations/{segment(str(installation))}/access_tokens"


def ends(reply: dict[str, Any]) -> datetime:
    """When the token of a reply ends. Raises Malformed."""
    try:
        found = datetime.fromisoformat(text_in(reply, "expires_at"))
    except ValueError:
        raise Malformed("the server's reply has no time in expires_at") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
