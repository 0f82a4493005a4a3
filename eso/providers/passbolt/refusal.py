"""A refusal of Passbolt → a typed error with the status alone: its messages may repeat what was sent.

Neighbours: connect.py and session.py give these to their Api.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed
from eso.providers.kit import http
from eso.providers.kit.http import Reply, object_of, status_line
from eso.providers.kit.refusals import members, told
from eso.providers.kit.selectors import part

MFA: Final = "/mfa/verify/error.json"
LOGGED_OUT: Final = re.compile(r"You need to login|Authentication is required|Not authenticated", re.ASCII)


def of_api(reply: Reply) -> EsoError:
    """Passbolt answers 403 as well where a session has ended. A 404 proves no absence, as in the reference."""
    header = part(members(reply.body), "header")
    shown = f"Passbolt answered {status_line(reply.status)}"
    if reply.status == 403 and told(header, "url").endswith(MFA):
        return AuthRejected(
            f"{shown}: the account needs a second factor", fix="use an account without multi-factor authentication"
        )
    if reply.status == 403 and LOGGED_OUT.search(told(header, "message")):
        return AuthExpired(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, Denied):
        error.fix = "share the resource with the user"
    return error


def body_of(reply: Reply) -> Any:
    """The body of an envelope. Raises Malformed, or what an error in the envelope means."""
    found = object_of(reply.body)
    header = part(found, "header")
    match header.get("status"):
        case "success":
            return found.get("body")
        case "error":
            code = header.get("code")
            raise of_api(replace(reply, status=code if isinstance(code, int) and 400 <= code < 600 else 500))
    raise Malformed("the server's reply is not of the form it promises")
