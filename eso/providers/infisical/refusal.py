"""A refusal of Infisical → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Infisical's messages quote names and may repeat what was
sent: only phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply
from eso.providers.kit.refusals import members, phrases, rejected, told

MISSING: Final = re.compile(
    r"(?:failed to find )?(?:the )?(secret|folder|project|environment|workspace|identity)\b", re.ASCII | re.IGNORECASE
)
HARMLESS: Final = re.compile(
    r"Invalid credentials|Invalid (?:access )?token|[Tt]oken (?:has )?expired|TokenExpired|Token missing"
    r"|Access (?:denied|restricted)|[Ff]orbidden|[Uu]nauthorized|[Ll]ocked out"
    r"|You are not allowed to access this resource"
    r"|not allowed to (?:readValue|describeSecret|read|create|edit|delete) on secrets?(?:-folders|-imports)?"
    r"|Secret already exists?|Max TTL exceeded|[Rr]ate limit exceeded|[Tt]oo many requests|Internal [Ss]erver [Ee]rror",
    re.ASCII,
)


class NoFolder(NothingThere):
    """The folder is not there, or its environment is not: Infisical says the same of both."""


def of_api(reply: Reply) -> EsoError:
    """A missing secret in the server's own words is a proven absence; a missing folder may be one."""
    message = told(members(reply.body), "message")
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
    message = told(members(reply.body), "message")
    error = http.refusal(f"unsuccessful response [status-code={reply.status}]{worded(message)}", reply)
    return rejected(error, "does the identity exist, and does it allow this way to log in?")


def worded(message: str) -> str:
    known = phrases(HARMLESS, message)
    if what := missing(message):
        known.insert(0, f"{what} not found")
    return f' [message="{", ".join(known)}"]' if known else ""


def missing(message: str) -> str:
    """What the server says is not there, "" for anything else."""
    found = MISSING.match(message)
    lower = message.lower()
    absent = found is not None and ("not found" in lower or lower.startswith("failed to find"))
    return found.group(1).lower() if absent and found is not None else ""
