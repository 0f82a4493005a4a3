"""A refusal of Secret Server → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. The server's messages may repeat what was sent: only
phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

EXPIRED: Final = re.compile(r"expired token|token (?:has )?expired|authentication failed", re.ASCII | re.IGNORECASE)
HARMLESS: Final = re.compile(
    r"API_AccessDenied|Access [Dd]enied|Login failed|Authentication failed|invalid_grant|expired token"
    r"|[Cc]heck(?:ed)? ?[Oo]ut|[Cc]omment(?: is)? required|[Rr]equires? (?:a )?comment|requires approval"
    r"|[Ss]ecret (?:was )?not found|[Ff]older (?:was )?not found|[Tt]emplate (?:was )?not found|is required",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """What is not there is answered with 404, or with 400 and words. Neither proves an absence, as in the
    reference."""
    message = told(members(reply.body), "message", "errorCode", "error")
    known = phrases(HARMLESS, message)
    shown = f"{status_line(reply.status)}: {', '.join(known)}" if known else status_line(reply.status)
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
    return rejected(error, "are username, password and domain right, and may the user use the API?")
