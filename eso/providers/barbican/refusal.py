"""A refusal of Keystone or Barbican → a typed error whose text is made of known words.

Neighbours: login.py and client.py give these to their Api. A description may repeat what was sent: only phrases from a
closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

HARMLESS: Final = re.compile(
    r"your secret is in another castle|your secret has no payload|Provided secret id is invalid"
    r"|attempt not allowed|Not Acceptable",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence: Barbican answers in the same words for a secret that has expired."""
    known = phrases(HARMLESS, told(members(reply.body), "description", "title"))
    shown = f"barbican client: {status_line(reply.status)}"
    error = http.refusal(f"{shown} ({', '.join(known)})" if known else shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the user still there, and has it a role on the project?"
    elif isinstance(error, Denied):
        error.fix = "give the user a role on the project that may read secrets, such as reader or observer"
    elif reply.status == 406:
        error.fix = "only payloads of the type text/plain can be read"
    elif reply.status == 404:
        error.fix = "is remoteRef.key the UUID of a secret that has not expired?"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(status_line(reply.status), reply)
    return rejected(error, "are authURL, username, password, domainName and tenantName right?")
