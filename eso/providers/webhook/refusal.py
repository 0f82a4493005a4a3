"""A status that is no success → a typed error in the reference's words.

Neighbours: client.py gives this to its Api. The reason phrase is the standard's, because a server's own may quote what
was sent.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line


def of_reply(reply: Reply) -> EsoError:
    """404 is what a webhook says of a secret that does not exist."""
    if reply.status == 404:
        return SecretNotFound()
    if reply.status == 304:
        return EsoError("not modified")
    return http.refusal(f"endpoint gave error {status_line(reply.status)}", reply)


def of_deletion(reply: Reply) -> EsoError:
    return http.refusal(f"delete endpoint gave error {status_line(reply.status)}", reply)


def of_anybody(error: EsoError) -> EsoError:
    """The same for a store without credentials: there is nothing to log in with anew."""
    return Denied(error.message, fix=error.fix) if isinstance(error, AuthExpired) else error
