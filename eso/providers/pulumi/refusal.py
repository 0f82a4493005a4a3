"""A refusal of Pulumi → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Messages of the server may repeat what was sent: only
phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

HARMLESS: Final = re.compile(
    r"[Nn]ot [Ff]ound|Unauthorized|Forbidden|[Pp]ermission denied|unknown property|[Cc]onflict|expired"
    r"|invalid_grant|invalid_request|unauthorized_client",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference: Pulumi says it as well of what may not be seen."""
    known = phrases(HARMLESS, told(members(reply.body), "message", "error", "error_description"))
    shown = f"{status_line(reply.status)}: {', '.join(known)}" if known else status_line(reply.status)
    if reply.status in (409, 412):
        return Busy(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the access token still there?"
    elif isinstance(error, Denied):
        error.fix = "give the token's team, or its user, the right to open the environment"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = of_api(reply)
    return rejected(error, "does the organization trust this cluster, and does its policy name the account?")
