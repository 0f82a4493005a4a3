"""A refusal of Doppler → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Doppler's messages may repeat what was sent: only phrases
from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply
from eso.providers.kit.refusals import MOST_READ, members, phrases, rejected

WORDS: Final = "Doppler API Client Error"
HARMLESS: Final = re.compile(
    r"Invalid (?:Auth|Service|Service Account|API|CLI|Personal)? ?[Tt]oken"
    r"|Unable to authenticate|Please provide a valid token"
    r"|(?:Service token|Token|Account) (?:has expired|is expired|was revoked)"
    r"|Could not find (?:the )?(?:requested )?(?:config|project|secret|environment|workplace)"
    r"|You must (?:specify|provide) (?:a )?(?:config|project)"
    r"|You do not have (?:access|permission)"
    r"|This token does not have (?:access|permission)"
    r"|read-only|[Rr]ate limit exceeded|Too many requests|Internal [Ss]erver [Ee]rror",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """The error for a refusal of the API."""
    messages = told(reply.body)
    if messages is None:
        size = len(reply.body)
        shown = f"{WORDS} (HTTP {reply.status}): unable to load response\n{reply.status} status code; {size} bytes"
    else:
        known = phrases(HARMLESS, "\n".join(messages)[:MOST_READ])
        shown = f"{WORDS} (HTTP {reply.status}): {chr(10).join(known) or 'the request was refused'}"
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token right, and not revoked?"
    elif isinstance(error, Denied):
        error.fix = "give the token access to the project and the config"
    return error


def of_login(reply: Reply) -> EsoError:
    """The error for a refused exchange of tokens: AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(f"Doppler OIDC auth failed with status {reply.status}", reply)
    return rejected(error, "does the identity trust this cluster, the account and the audience?")


def told(body: bytes) -> list[str] | None:
    """The messages of a refusal; None where the body is not in Doppler's form."""
    messages = members(body).get("messages")
    if not isinstance(messages, list):
        return None
    return [message for message in messages if isinstance(message, str)]
