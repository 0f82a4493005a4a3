"""A refusal of the vault → a typed error with the status alone: what the server says may repeat what was sent.

Neighbours: client.py gives this to its Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line


def refuse(reply: Reply) -> EsoError:
    """A 404 by itself proves no absence."""
    error = http.refusal(f"previder vault answered {status_line(reply.status)}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token right, not expired, and of the type ReadOnly or ReadWrite?"
    elif isinstance(error, Denied):
        error.fix = "use a token of the type ReadOnly or ReadWrite"
    elif reply.status == 404:
        error.fix = "is baseUri the address of the vault?"
    return error
