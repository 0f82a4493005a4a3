"""What the server said when it said no → a typed error, without anything the server may have quoted.

Neighbours: bridge.py makes one of every failed exchange, client.py and login.py put their words before it. Only
messages known to be harmless are shown: an error body may repeat what was sent, and what was sent holds tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied, InvalidConfig, Malformed, NotYet, Throttled, Unavailable
from eso.providers.kit import http

PHRASES: Final = (
    r"permission denied",
    r"invalid token",
    r"bad token",
    r"missing client token",
    r"token (?:is )?expired",
    r"unsupported (?:path|operation)",
    r"internal error",
    r"(?:Vault|OpenBao) is sealed",
    r"invalid role or secret ID",
    r"invalid role[ _]ID",
    r"invalid secret[ _]id",
    r"failed to validate credentials",
    r"invalid role name",
    r"invalid username or password",
    r"invalid password",
    r"namespace not authorized",
    r"service account name not authorized",
    r"could not load (?:backend )?configuration",
    r"no handler for route",
    r"error validating token",
    r"invalid audience",
    r"rate limit quota exceeded",
    r"namespace not found",
    r"request body too large",
    r"no data provided",
    r"check-and-set parameter (?:did not match the current version|required for this call)",
    r"wrapping token is not valid or does not exist",
    r"context deadline exceeded",
)
HARMLESS: Final = re.compile("|".join(PHRASES), re.ASCII)
MOVED_ON: Final = "check-and-set parameter did not match"
SHOWN = 5  # messages


def safe_messages(body: bytes) -> list[str]:
    """The harmless parts of `errors`, in order; what is not known to be harmless is only counted."""
    try:
        parsed = orjson.loads(body)
        errors = parsed.get("errors") if isinstance(parsed, Mapping) else None
    except orjson.JSONDecodeError:
        errors = None
    if not isinstance(errors, list):
        return []
    shown: list[str] = []
    withheld = 0
    for error in errors:
        known = HARMLESS.findall(str(error)) and [match.group() for match in HARMLESS.finditer(str(error))]
        shown += known or []
        withheld += not known
    shown = list(dict.fromkeys(shown))[:SHOWN]
    return shown + (["(message withheld: it may quote the request)"] if withheld else [])


def text(method: str, url: str, namespace: str, status: int, messages: list[str]) -> str:
    """The API error of the server's own client, in its layout. That client writes by PUT, for which POST is another
    name at the server."""
    where = f"Namespace: {namespace}\n" if namespace else ""
    told = "".join(f"* {message}\n" for message in messages).rstrip("\n")
    verb = "PUT" if method.upper() == "POST" else method.upper()
    return f"Error making API request.\n\n{where}URL: {verb} {url}\nCode: {status}. Errors:\n\n{told}"


def refusal(
    method: str, url: str, namespace: str, status: int, headers: Mapping[str, str], body: bytes, *, authenticated: bool
) -> EsoError:
    """The typed error for a reply that is no success. `authenticated`: a token went along."""
    messages = safe_messages(body)
    shown = text(method, url, namespace, status, messages)
    match status:
        case 404:
            return http.NothingThere(shown)
        case 401 | 403:
            ended = authenticated and any(
                word in message for message in messages for word in ("invalid token", "bad token", "expired")
            )
            return AuthExpired(shown) if ended else Denied(shown, fix="let the role's policy read this path")
        case 412:
            return NotYet(shown)
        case 429:
            return Throttled(shown, retry_after=http.retry_after(headers))
        case 472 | 473:
            return Unavailable(shown, answered=True)
        case 501:
            return InvalidConfig(shown, fix="is the address really that of the server?")  # trying again helps nobody
        case _ if status >= 500:
            return Unavailable(shown, answered=True)
        case 400 if MOVED_ON in shown:
            return Busy(shown)
        case _ if status >= 400:
            return InvalidConfig(shown)
    return Malformed(f"{shown}\nunexpected status {status}")
