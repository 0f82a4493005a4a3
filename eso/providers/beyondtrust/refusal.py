"""A refusal of Password Safe → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Bodies of the server may repeat what was sent: nothing of
them is shown.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply
from eso.providers.kit.refusals import rejected


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence, as in the reference: the server says it as well of what may not be seen."""
    error = http.refusal(f"error - status code: {reply.status}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API registration still enabled, and the address of the operator among its sources?"
    elif isinstance(error, Denied):
        error.fix = "give the user the feature Secrets Safe, or a role that may request the account"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    return rejected(of_api(reply), "is the API key, or the client, right, and may it be used from here?")
