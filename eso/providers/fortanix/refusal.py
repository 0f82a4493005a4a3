"""A refusal of Fortanix → a typed error with the status alone: what the server says may repeat what was sent.

Neighbours: client.py gives this to its Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line


def refuse(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference."""
    error = http.refusal(f"fortanix answered {status_line(reply.status)}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API key right, and its app enabled?"
    elif isinstance(error, Denied):
        error.fix = "add the app to the group of the object, with the permission to export"
    elif reply.status == 404:
        error.fix = "create the object, or correct remoteRef.key: it is the name of an object"
    return error
