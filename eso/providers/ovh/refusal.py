"""A refusal of OKMS → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. Messages of the server may repeat what was sent: only its error codes,
which are numbers, are shown.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members

NOT_FOUND: Final = 17125377
CONFLICTS: Final = frozenset({409, 412})


def refuse(reply: Reply) -> EsoError:
    """A secret is missing where the server has its own code for that; a 404 without it proves nothing."""
    code = members(reply.body).get("error_code")
    known = isinstance(code, int) and not isinstance(code, bool)
    shown = f"okms: {status_line(reply.status)}{f' (error code {code})' if known else ''}"
    if 400 <= reply.status < 500 and known and code == NOT_FOUND:
        return SecretNotFound()
    if reply.status in CONFLICTS:
        return Busy(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the token, or the certificate, still good?"
    elif isinstance(error, Denied):
        error.fix = "give the identity a policy for the secrets of this OKMS domain"
    return error
