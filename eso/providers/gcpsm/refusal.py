"""A refusal of Google → a typed error whose text is made of known words.

Neighbours: client.py for Secret Manager, login.py for the token servers. An error body may quote the request, which
holds tokens and values: only its code and phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import Denied, InvalidConfig
from eso.providers.kit import http, refusals
from eso.providers.kit.http import Reply
from eso.providers.kit.selectors import part

LABEL: Final = "GCP/SecretManager"  # of the metrics
# code in JSON → code as the vendor's own client prints it
CODES: Final = {
    "CANCELLED": "Canceled",
    "UNKNOWN": "Unknown",
    "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded",
    "NOT_FOUND": "NotFound",
    "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied",
    "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition",
    "ABORTED": "Aborted",
    "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented",
    "INTERNAL": "Internal",
    "UNAVAILABLE": "Unavailable",
    "UNAUTHENTICATED": "Unauthenticated",
}
NAME: Final = (
    r"projects/[a-z0-9:.-]{1,64}(?:/locations/[a-z0-9-]{1,64})?/secrets/[A-Za-z0-9_-]{1,255}"
    r"(?:/versions/[A-Za-z0-9_-]{1,63})?"
)
HARMLESS: Final = re.compile(
    rf"Secret Version \[{NAME}\] is in (?:DISABLED|DESTROYED) state\."
    r"|(?:DISABLED|DESTROYED) state"
    rf"|Permission 'secretmanager\.[a-z]{{1,32}}\.[a-zA-Z]{{1,32}}' denied(?: (?:on|for) resource '{NAME}')?"
    r"|[Pp]ermission denied"
    r"|not found or has no versions|not found|already exists"
    r"|has not been used in project|API is disabled|billing (?:is|to be) (?:disabled|enabled)"
    r"|invalid authentication credentials|insufficient authentication scopes"
    r"|[Qq]uota exceeded|[Rr]ate limit exceeded"
    r"|etag|invalid filter|exceeds the maximum",
    re.ASCII,
)
STATES: Final = ("DISABLED state", "DESTROYED state")
OAUTH: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "invalid_token",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


class Missing(EsoError):
    """Secret Manager itself says that the secret or the version does not exist. No other 404 proves that."""


class NotEnabled(InvalidConfig):
    """The version is there, but disabled or destroyed."""


class Conflict(EsoError):
    """The secret changed between the look at it and the write."""


def of_secrets(reply: Reply) -> EsoError:
    """The error for a refusal of Secret Manager."""
    code, message = told(reply.body)
    phrases = refusals.phrases(HARMLESS, message)
    text = f"rpc error: code = {CODES[code]}" if code else f"the server answered {reply.status}"
    shown = f"{text} desc = {', '.join(phrases)}" if phrases else text
    match reply.status, code:
        case 404, "NOT_FOUND":
            return Missing(shown)
        case 409, _:
            return Conflict(shown)
        case 400, "FAILED_PRECONDITION" if any(state in message for state in STATES):
            return NotEnabled(shown, fix="enable the version, or set secretVersionSelectionPolicy: LatestOrFetch")
        case 400, "FAILED_PRECONDITION" if "etag" in phrases:
            return Conflict(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, Denied):
        error.fix = "grant the identity roles/secretmanager.secretAccessor on the secret"
    return error


def told(body: bytes) -> tuple[str, str]:
    """The code and the message of a refusal; "" for each that is not in Google's form."""
    error = part(refusals.members(body), "error")
    code = refusals.told(error, "status")
    return code if code in CODES else "", refusals.told(error, "message")


def of_login(reply: Reply) -> EsoError:
    """The error for a refusal of a token server: AuthRejected, unless the server is throttling or failing."""
    code = refusals.told(refusals.members(reply.body), "error")
    known = code if code in OAUTH else told(reply.body)[0]
    shown = f"status: {reply.status}" + (f" ({known})" if known else "")
    fix = "check the credential, its audience and who may impersonate the service account"
    return refusals.rejected(http.refusal(shown, reply), fix)
