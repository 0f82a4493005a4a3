"""A refusal of Conjur → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Conjur's messages quote names: only their codes and
phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told
from eso.providers.kit.selectors import part

HARMLESS: Final = re.compile(
    r"CONJ[0-9]{5}[A-Z]|is empty or not found|not found in account|Invalid credentials|Token expired"
    r"|Unauthorized|Forbidden",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference: Conjur says it as well of what may not be seen."""
    known = phrases(HARMLESS, told(part(members(reply.body), "error"), "message"))
    shown = f"{status_line(reply.status)}. {', '.join(known)}" if known else status_line(reply.status)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the host still enabled, and is this its account?"
    elif isinstance(error, Denied):
        error.fix = "give the host the privileges read and execute on the variable"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = of_api(reply)
    return rejected(error, "does the authenticator know this host, and is it enabled?")
