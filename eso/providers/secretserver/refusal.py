"""A refusal of Secret Server → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. The server's messages may repeat what was sent: only
phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply, status_line

EXPIRED: Final = re.compile(r"expired token|token (?:has )?expired|authentication failed", re.ASCII | re.IGNORECASE)
HARMLESS: Final = re.compile(
    r"API_AccessDenied|Access [Dd]enied|Login failed|Authentication failed|invalid_grant|expired token"
    r"|[Cc]heck(?:ed)? ?[Oo]ut|[Cc]omment(?: is)? required|[Rr]equires? (?:a )?comment|requires approval"
    r"|[Ss]ecret (?:was )?not found|[Ff]older (?:was )?not found|[Tt]emplate (?:was )?not found|is required",
    re.ASCII,
)
SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # characters of a message


def of_api(reply: Reply) -> EsoError:
    """What is not there is answered with 404, or with 400 and words. Neither proves an absence, as in the
    reference."""
    message = told(reply.body)
    phrases = list(dict.fromkeys(HARMLESS.findall(message)))[:SHOWN]
    shown = f"{status_line(reply.status)}: {', '.join(phrases)}" if phrases else status_line(reply.status)
    if reply.status == 403 and EXPIRED.search(message):
        return AuthExpired(shown)
    if reply.status == 400 and "not found" in message.lower():
        return NothingThere(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token right, and is the user still allowed to log in?"
    elif isinstance(error, Denied):
        error.fix = "give the user a role that may use the API, and access to the folder"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = of_api(reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix="are username, password and domain right, and may the user use the API?")


def told(body: bytes) -> str:
    try:
        found: Any = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    texts = [found.get(name) for name in ("message", "errorCode", "error")]
    return " ".join(text for text in texts if isinstance(text, str))[:MOST_READ]
