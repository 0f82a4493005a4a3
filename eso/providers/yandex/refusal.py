"""A status of Yandex Cloud → a typed error.

Neighbours: connect.py and the clients give these to their Grpc. NotFound is an ordinary error, as in the reference: a
secret of another folder is not found either.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied
from eso.providers.kit import grpc
from eso.providers.kit.grpc import Status
from eso.providers.kit.refusals import rejected

SECRET = "unable to request secret payload to get secret: "
CERTIFICATE = "unable to request certificate content to get secret: "


def of_login(status: Status) -> EsoError:
    error = grpc.refusal(status, "unable to create iam token: ")
    return rejected(error, "does the service account still have this authorized key?")


def of_discovery(status: Status) -> EsoError:
    return rejected(grpc.refusal(status, "unable to get the address of the service: "), "correct apiEndpoint")


def of_secret(status: Status) -> EsoError:
    return advised(grpc.refusal(status, SECRET), "give the service account lockbox.payloadViewer on the secret")


def of_certificate(status: Status) -> EsoError:
    fix = "give the service account certificate-manager.certificates.downloader on the certificate"
    return advised(grpc.refusal(status, CERTIFICATE), fix)


def advised(error: EsoError, fix: str) -> EsoError:
    if isinstance(error, Denied):
        error.fix = fix
    elif isinstance(error, AuthExpired):
        error.fix = "is the service account still there?"
    return error
