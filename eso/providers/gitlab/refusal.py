"""A refusal of GitLab → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. GitLab's messages may repeat what was sent: only phrases from a closed list
are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, told

HARMLESS: Final = re.compile(
    r"insufficient_scope|invalid_token|Token (?:was revoked|is expired)|Project Not Found|Group Not Found"
    r"|Variable Not Found|There are multiple variables with provided parameters|Rate limit exceeded|Retry later"
    r"|IP (?:address )?(?:is )?not allowed|Archived",
    re.ASCII,
)


def refuse(reply: Reply) -> EsoError:
    known = phrases(HARMLESS, told(members(reply.body), "message", "error", "error_description"))
    shown = f"{status_line(reply.status)} ({', '.join(known)})" if known else status_line(reply.status)
    error = http.refusal(status_line(reply.status) if reply.status == 404 else shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token right, not revoked, and not expired?"
    elif isinstance(error, Denied):
        error.fix = "give the token the scope api or read_api, and its user the role Maintainer"
    elif reply.status == 409:
        error.fix = "set environment: the variable has a value in several scopes"
    return error
