"""A refusal of Devolutions Server → a typed error with the status alone: its words may repeat what was sent.

Neighbours: connect.py and client.py give these to their Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import rejected


def of_api(reply: Reply) -> EsoError:
    """A 404 by itself proves no absence."""
    error = http.refusal(f"Devolutions Server answered {status_line(reply.status)}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the application still there?"
    elif isinstance(error, Denied):
        error.fix = "give the application access to the vault and the entry"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(f"Devolutions Server answered {status_line(reply.status)}", reply)
    return rejected(error, "are appId and appSecret right?")
