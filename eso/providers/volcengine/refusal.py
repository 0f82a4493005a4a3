"""A refusal of Volcengine → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. Messages may repeat what was sent: only the status and
codes from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, InvalidConfig, Malformed, Throttled
from eso.providers.kit import http
from eso.providers.kit.http import Reply, retry_after, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told
from eso.providers.kit.selectors import part

NOT_OURS: Final = frozenset(
    {
        "InvalidAccessKey",
        "InvalidAuthorization",
        "InvalidCredential",
        "InvalidSecretToken",
        "InvalidSecurityToken",
        "InvalidTimestamp",
        "MissingAuthenticationToken",
        "MissingSignature",
        "SignatureDoesNotMatch",
    }
)
DENIED: Final = frozenset({"AccessDenied", "LackPolicy"})
TOO_OFTEN: Final = frozenset({"AccountFlowLimitExceeded", "FlowLimitExceeded"})
OTHERS: Final = frozenset(
    {
        "InternalError",
        "InternalServiceError",
        "InternalServiceTimeout",
        "InvalidActionOrVersion",
        "InvalidParameter",
        "MethodNotAllowed",
        "MissingParameter",
        "MissingRequestInfo",
        "ResourceNotFound",
        "ServiceNotFound",
        "ServiceUnavailable",
        "ServiceUnavailableTemp",
    }
)
CODES: Final = re.compile(rf"\b(?:{'|'.join(sorted(NOT_OURS | DENIED | TOO_OFTEN | OTHERS, key=len, reverse=True))})\b")


def of_api(reply: Reply) -> EsoError:
    """The code says more than the status. An absence is proven by none of them, as in the reference."""
    known = phrases(CODES, told(part(members(reply.body), "ResponseMetadata", "Error"), "Code"))
    text = f"Volcengine answered {status_line(reply.status)}"
    shown = f"{text} ({known[0]})" if known else text
    code = {*known}
    if code & NOT_OURS:
        return AuthExpired(shown, fix="are the keys still there, and is the clock right?")
    if code & DENIED:
        return Denied(shown, fix="allow kms:GetSecretValue on the secret")
    if code & TOO_OFTEN:
        return Throttled(shown, retry_after=retry_after(reply.headers))
    error = http.refusal(shown, reply)
    if isinstance(error, Malformed):
        return InvalidConfig(shown)  # a refusal with the status of a success
    if isinstance(error, Denied):
        error.fix = "allow kms:GetSecretValue on the secret"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    return rejected(of_api(reply), "does the role trust the cluster's tokens?")
