"""A refusal of Conjur → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Conjur's messages quote names: only their codes and
phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line

HARMLESS: Final = re.compile(
    r"CONJ[0-9]{5}[A-Z]|is empty or not found|not found in account|Invalid credentials|Token expired"
    r"|Unauthorized|Forbidden",
    re.ASCII,
)
SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # characters of a message


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference: Conjur says it as well of what may not be seen."""
    phrases = list(dict.fromkeys(HARMLESS.findall(told(reply.body))))[:SHOWN]
    shown = f"{status_line(reply.status)}. {', '.join(phrases)}" if phrases else status_line(reply.status)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the host still enabled, and is this its account?"
    elif isinstance(error, Denied):
        error.fix = "give the host the privileges read and execute on the variable"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = of_api(reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix="does the authenticator know this host, and is it enabled?")


def told(body: bytes) -> str:
    try:
        found: Any = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message[:MOST_READ] if isinstance(message, str) else ""
