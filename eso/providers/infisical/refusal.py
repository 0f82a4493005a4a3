"""A refusal of Infisical → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Infisical's messages quote names and may repeat what was
sent: only phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed, SecretNotFound, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply

MISSING: Final = re.compile(
    r"(?:failed to find )?(?:the )?(secret|folder|project|environment|workspace|identity)\b", re.ASCII | re.IGNORECASE
)
HARMLESS: Final = re.compile(
    r"Invalid credentials|Invalid (?:access )?token|[Tt]oken (?:has )?expired|TokenExpired|Token missing"
    r"|Access (?:denied|restricted)|[Ff]orbidden|[Uu]nauthorized|[Ll]ocked out"
    r"|You are not allowed to access this resource|not allowed to \w{1,20} on [\w-]{1,40}"
    r"|Secret already exists?|Max TTL exceeded|[Rr]ate limit exceeded|[Tt]oo many requests|Internal [Ss]erver [Ee]rror",
    re.ASCII,
)
SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # characters of a message


class NoFolder(NothingThere):
    """The folder is not there, or its environment is not: Infisical says the same of both."""


def of_api(reply: Reply) -> EsoError:
    """A missing secret in the server's own words is a proven absence; a missing folder may be one."""
    message = told(reply.body)
    shown = f"unsuccessful response [status-code={reply.status}]{worded(message)}"
    if reply.status == 404:
        match missing(message):
            case "secret":
                return SecretNotFound()
            case "folder":
                return NoFolder(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the identity still there, and is this server the one that gave the token?"
    elif isinstance(error, Denied):
        error.fix = "give the identity a role in the project that may read and describe secrets there"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(f"unsuccessful response [status-code={reply.status}]{worded(told(reply.body))}", reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix="does the identity exist, and does it allow this way to log in?")


def worded(message: str) -> str:
    phrases = list(dict.fromkeys(HARMLESS.findall(message)))[:SHOWN]
    if what := missing(message):
        phrases.insert(0, f"{what} not found")
    return f' [message="{", ".join(phrases)}"]' if phrases else ""


def missing(message: str) -> str:
    """What the server says is not there, "" for anything else."""
    found = MISSING.match(message)
    lower = message.lower()
    absent = found is not None and ("not found" in lower or lower.startswith("failed to find"))
    return found.group(1).lower() if absent and found is not None else ""


def told(body: bytes) -> str:
    """The message of a refusal in Infisical's form, "" for anything else."""
    try:
        found: Any = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    message = found.get("message") if isinstance(found, dict) else None
    return message[:MOST_READ] if isinstance(message, str) else ""
