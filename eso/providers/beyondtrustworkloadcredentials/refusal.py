"""A refusal of Workload Credentials → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. Messages of the server may repeat what was sent: only phrases from a closed
list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.gocompat.text import quote
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import Reply
from eso.providers.kit.refusals import members, phrases, told

HARMLESS: Final = re.compile(
    r"[Ss]ecret not found|[Ff]older not found|[Nn]ot [Ff]ound|NOT_FOUND|[Uu]nauthorized|[Ff]orbidden"
    r"|[Pp]ermission denied|[Ii]nvalid token|[Tt]oken expired|[Bb]ad [Rr]equest|[Ii]nternal [Ss]erver [Ee]rror",
    re.ASCII,
)
OWN: Final = re.compile(r"not[ _-]?found|does(?: not|n't) exist", re.ASCII | re.IGNORECASE)


def refuse(folder: str, reply: Reply) -> EsoError:
    """`folder`: where was looked. A 404 is the API's word where its error says so in words; another one is not."""
    message = told(members(reply.body), "error", "message")
    known = phrases(HARMLESS, message)
    words = "".join(f": {phrase}" for phrase in known)
    shown = f"API error (HTTP {reply.status}){words} at path {quote(folder or '/')}"
    if reply.status == 404 and OWN.search(message):
        return SecretNotFound(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API token still good?"
    elif isinstance(error, Denied):
        error.fix = "give the token read access to the folder"
    return error
