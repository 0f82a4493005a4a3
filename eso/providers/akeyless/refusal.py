"""A refusal of Akeyless → a typed error whose text is made of known words.

Neighbours: client.py and login.py make the calls. An error of Akeyless may quote what was sent: only its status, and
phrases from a closed list, are shown.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line

HARMLESS: Final = re.compile(
    r"access denied|permission denied|no access|not authori[sz]ed|unauthori[sz]ed|not allowed|forbidden"
    r"|you don't have permission|authorization failed"
    r"|token (?:is |has )?expired|invalid token"
    r"|item (?:was )?not found|not found|already exists"
    r"|failed to (?:authenticate|describe item|get item|get secret value|list items|create secret|delete item)"
    r"|rate limit(?: exceeded)?|too many requests|quota exceeded"
    r"|version|item type",
    re.ASCII | re.IGNORECASE,
)
DENIALS: Final = re.compile(
    r"access denied|permission denied|no access|not authori[sz]ed|not allowed|you don't have permission",
    re.ASCII | re.IGNORECASE,
)
SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # characters of a message


class Missing(EsoError):
    """Akeyless itself says that the item does not exist. No other 404 says that."""


def of_api(reply: Reply) -> EsoError:
    message = told(reply.body)
    shown = words(reply, message)
    if reply.status == 404 and message:
        return Missing(shown)
    error = http.refusal(shown, reply)
    if reply.status < 500 and not isinstance(error, Throttled | AuthExpired) and DENIALS.search(message):
        return Denied(shown, fix="let the role of the auth method read the item")
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless Akeyless is throttling or failing."""
    shown = f"authentication failed: {words(reply, told(reply.body))}"
    error = http.refusal(shown, reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(shown, fix="check the access id, its type and parameter, and the sub-claims of its role")


def words(reply: Reply, message: str) -> str:
    phrases = list(dict.fromkeys(found.lower() for found in HARMLESS.findall(message)))[:SHOWN]
    shown = f" ({', '.join(phrases)})" if phrases else ""
    return f"Akeyless answered {status_line(reply.status)}{shown}"


def told(body: bytes) -> str:
    """The server's own message, "" where the reply is not in Akeyless's form."""
    try:
        found = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    message = found.get("error") or found.get("message") if isinstance(found, dict) else None
    return message[:MOST_READ] if isinstance(message, str) else ""
