"""A refusal of Onboardbase → a typed error with the status alone: its messages may repeat what was sent.

Neighbours: client.py gives this to its Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line


def refuse(reply: Reply) -> EsoError:
    error = http.refusal(f"Onboardbase answered {status_line(reply.status)}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API key still there?"
    elif isinstance(error, Denied):
        error.fix = "give the API key a scope that may read secrets"
    return error
