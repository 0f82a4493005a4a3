"""A refusal of IBM Cloud → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Messages may repeat what was sent: only the status and
codes of a known form are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

CODES: Final = re.compile(
    r"\b(?:not_found|forbidden|unauthorized|bad_request|conflict|gone|method_not_allowed|too_many_requests"
    r"|internal_server_error|BXNIM[0-9]{4}[A-Z])\b",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference: a group or an instance that is not there is told the same way."""
    listed = members(reply.body).get("errors")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    error = http.refusal(shown("IBM Cloud Secrets Manager", reply, told(first, "code")), reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the identity still there?"
    elif isinstance(error, Denied):
        error.fix = "give the identity the role SecretsReader on the instance, or on the secret group"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(shown("IBM Cloud IAM", reply, told(members(reply.body), "errorCode")), reply)
    return rejected(error, "is the API key still there, or may the trusted profile be used from this cluster?")


def shown(server: str, reply: Reply, code: str) -> str:
    known = phrases(CODES, code)
    text = f"{server} answered {status_line(reply.status)}"
    return f"{text} ({', '.join(known)})" if known else text
