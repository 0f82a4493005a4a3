"""A refusal of the server → a typed error with the status alone: what the server says may repeat what was sent.

Neighbours: connect.py and client.py give these to their Api.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply
from eso.providers.kit.refusals import rejected

FAILED: Final = "failed to authenticate with the given credentials: "  # in the reference, of every call


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence."""
    error = http.refusal(f"{FAILED}{reply.status}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the user still there, and may it use the REST API?"
    elif isinstance(error, Denied):
        error.fix = "give the user the right to read the entry"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    return rejected(http.refusal(f"{FAILED}{reply.status}", reply), "are username and password right?")
