"""A status of Nebius → a typed error, worded by what ails.

Neighbours: connect.py and client.py give these to their Grpc.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import grpc
from eso.providers.kit.grpc import NAMES, NOT_FOUND, Status
from eso.providers.kit.refusals import rejected

FAILED = "failed to retrieve iam token by credentials: could not exchange creds to iam token: "
AILS = {
    "Unauthenticated": "auth error",
    "PermissionDenied": "auth error",
    "Unavailable": "service unavailable",
    "DeadlineExceeded": "deadline exceeded",
}


def of_login(status: Status) -> EsoError:
    return rejected(grpc.refusal(status, FAILED), "does the service account still have this key?")


def of_payload(status: Status) -> EsoError:
    """NotFound is MysteryBox's own word for a secret, or a version, that is not there."""
    if status.code == NOT_FOUND:
        return SecretNotFound()
    error = grpc.refusal(status, f"get secret: {AILS.get(NAMES[status.code], 'internal error')}: ")
    if isinstance(error, Denied):
        error.fix = "give the service account a role that reads payloads (mysterybox.payload-viewer)"
    elif isinstance(error, AuthExpired):
        error.fix = "is the token, or the service account, still valid?"
    return error
