"""A refusal of Scaleway → a typed error whose text is made of known words.

Neighbours: client.py gives this to its Api. Scaleway's messages may repeat what was sent: only its own names of errors
are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, told

TYPES: Final = re.compile(
    r"not_found|unknown_resource|permissions_denied|denied_authentication|invalid_arguments|quotas_exceeded"
    r"|transient_state|conflict|precondition_failed|resource_locked|resource_expired|internal_error",
    re.ASCII,
)
BUSY: Final = frozenset({"transient_state", "conflict", "resource_locked"})


def refuse(reply: Reply) -> EsoError:
    """A 404 is a proven absence where Scaleway says so of a resource of its own; one for a path that it does not know
    is not."""
    kind = told(members(reply.body), "type")
    known = phrases(TYPES, kind)
    shown = f"scaleway-sdk-go: {status_line(reply.status)}"
    if known:
        shown = f"{shown} ({', '.join(known)})"
    if reply.status == 404 and kind == "not_found":
        return SecretNotFound()
    if kind in BUSY:
        return Busy(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the API key still there?"
    elif isinstance(error, Denied):
        error.fix = "give the key's application SecretManagerReadOnly and SecretManagerSecretAccess on the project"
    return error
