"""A refusal of the vault → a typed error with the status alone: what the server says may repeat what was sent.

Neighbours: client.py and connect.py give these to their Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import rejected


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference."""
    error = http.refusal(status_line(reply.status), reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the client still there, and is this its tenant?"
    elif isinstance(error, Denied):
        error.fix = "give the client a policy that may read the path"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = http.refusal(status_line(reply.status), reply)
    return rejected(error, "are clientId, clientSecret and tenant right?")
