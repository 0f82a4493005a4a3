"""A refusal of Connect → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. Connect's messages may repeat what was sent: only phrases from a closed
list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, NotYet
from eso.providers.kit import http
from eso.providers.kit.http import Reply
from eso.providers.kit.refusals import members, phrases, told

BUSY: Final = "Authorization"  # a 403 whose message begins so comes under load, and may pass by itself
HARMLESS: Final = re.compile(
    r"Invalid (?:token signature|bearer token|token)|Authorization|[Tt]oken (?:is )?(?:expired|not authorized|invalid)"
    r"|(?:[Vv]ault|[Ii]tem|[Ff]ile)s? (?:not found|does not exist)|[Nn]ot [Ff]ound"
    r"|not authorized|[Uu]nauthorized|[Ff]orbidden|[Pp]ermission denied|[Rr]ead-only"
    r"|[Bb]ad [Rr]equest|Invalid (?:item|vault|UUID|filter)|[Cc]onflict"
    r"|[Tt]oo many requests|Internal [Ss]erver [Ee]rror",
    re.ASCII,
)


def refuse(reply: Reply) -> EsoError:
    message = told(members(reply.body), "message")
    known = phrases(HARMLESS, message)
    shown = f"status {reply.status}: {', '.join(known) or 'the request was refused'}"
    if reply.status == 403 and message.startswith(BUSY):
        return NotYet(shown, fix="does the token have access to the vault?")
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token right, and made for this Connect server?"
    elif isinstance(error, Denied):
        error.fix = "give the token access to the vault"
    return error
