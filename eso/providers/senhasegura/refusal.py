"""A refusal of senhasegura → a typed error with the status alone: what the server says may repeat what was sent.

Neighbours: connect.py and client.py give these to their Api; `of_application` is for a refusal inside of a reply.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import rejected

CODE: Final = "received invalid HTTP code from senhasegura"
APPLICATION: Final = "received application error from senhasegura"
CLIENT: Final = "is the client an authorization of the application that has not ended?"


def of_api(reply: Reply) -> EsoError:
    """A 404 proves no absence: every secret is in one reply."""
    return fixed(http.refusal(f"{CODE}: {status_line(reply.status)}", reply))


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    return rejected(http.refusal(f"{CODE}: {status_line(reply.status)}", reply), "are clientId and its secret right?")


def of_application(status: object) -> EsoError:
    """The server refuses in a reply that looks like a success. `status`: what it says there."""
    if isinstance(status, int) and not isinstance(status, bool) and 400 <= status < 600:
        return fixed(http.refusal(f"{APPLICATION}: {status_line(status)}", Reply(status, {}, b"")))
    return Denied(APPLICATION, fix=CLIENT)


def fixed(error: EsoError) -> EsoError:
    if isinstance(error, AuthExpired | Denied):
        error.fix = CLIENT
    return error
