"""A refusal of the companion server → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. It answers 400 to nearly everything that Bitwarden refuses, with words that
may repeat what was sent: only phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply

HARMLESS: Final = re.compile(
    rb"Resource not found|[Nn]ot [Ff]ound|invalid_client|[Aa]ccess token is not in a valid format|Unauthorized"
    rb"|[Ff]orbidden|[Tt]oo many requests|[Ss]low down|Missing token|connection refused|no such host|timed? ?out",
)
SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # bytes of a message
WAIT: Final = re.compile(rb"[Tt]oo many requests|[Ss]low down")
GONE: Final = re.compile(rb"Resource not found|404 Not Found")
WRONG: Final = re.compile(rb"invalid_client|[Aa]ccess token is not in a valid format|Missing token")


def refuse(reply: Reply) -> EsoError:
    told = reply.body[:MOST_READ]
    phrases = list(dict.fromkeys(HARMLESS.findall(told)))[:SHOWN]
    words = ", ".join(phrase.decode() for phrase in phrases) or "the request was refused"
    shown = f"failed to perform http request, got response: {words} with status code {reply.status}"
    if reply.status == 400:
        if WRONG.search(told):
            return AuthExpired(shown, fix="is the access token right, and not revoked?")
        if WAIT.search(told):
            return Throttled(shown, retry_after=http.retry_after(reply.headers))
        if GONE.search(told):
            return NothingThere(shown, fix="create the secret, or let the machine account see its project")
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the access token right, and not revoked?"
    elif isinstance(error, Denied):
        error.fix = "give the machine account access to the project"
    elif isinstance(error, Unavailable):
        error.fix = "is the companion server well?"
    return error
