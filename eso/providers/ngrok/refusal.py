"""A refusal of ngrok → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. Messages of ngrok may repeat what was sent: only its error codes are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, told

CODE: Final = re.compile(r"ERR_NGROK_[0-9]{1,6}", re.ASCII)


def refuse(reply: Reply) -> EsoError:
    """A 404 is ngrok's own word where it has a code of ngrok."""
    known = phrases(CODE, told(members(reply.body), "error_code"))
    shown = f"{status_line(reply.status)}{f' ({known[0]})' if known else ''}"
    if reply.status == 404 and known:
        return SecretNotFound(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API key still there?"
    elif isinstance(error, Denied):
        error.fix = "does the API key belong to an account with vaults?"
    return error
