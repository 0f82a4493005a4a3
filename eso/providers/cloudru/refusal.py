"""A status of Cloud.ru → a typed error.

Neighbours: connect.py and client.py give these to their Grpc and Api.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import grpc, http
from eso.providers.kit.grpc import NOT_FOUND, Status
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import rejected


def of_discovery(reply: Reply) -> EsoError:
    return rejected(http.refusal(f"cannot get the addresses of Cloud.ru: {status_line(reply.status)}", reply), "")


def of_login(status: Status) -> EsoError:
    return rejected(grpc.refusal(status, "failed to get token: "), "is the access key still there?")


def of_secret(status: Status) -> EsoError:
    """NotFound is the Secret Manager's own word for a secret, or a version, that is not there."""
    if status.code == NOT_FOUND:
        return SecretNotFound()
    return advised(grpc.refusal(status, "failed to get secret: "))


def of_search(status: Status) -> EsoError:
    """A folder that is not there is no proof that its secrets are gone."""
    return advised(grpc.refusal(status, "failed to search secrets: "))


def advised(error: EsoError) -> EsoError:
    if isinstance(error, Denied):
        error.fix = "give the service account a role that reads secrets of the project"
    elif isinstance(error, AuthExpired):
        error.fix = "is the access key still there?"
    return error
