"""What AWS answered when it said no → a typed error, without anything that may quote a credential or a value.

Neighbours: sdk.py makes one of every failed call; the services ask `code_of`, and put the reference's words before it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from typing import Final

from eso.errors import EsoError
from eso.observe.echo import closed, told
from eso.providers.contract import AuthExpired, Denied, InvalidConfig, Throttled, Unavailable

# The codes that the SDKs of AWS take for throttling (standard retry mode).
THROTTLED: Final = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TooManyUpdates",
        "TransactionInProgressException",
    )
)
# The credential ended, or never was one. `stores` logs in again once; a second refusal rejects the login.
EXPIRED: Final = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
DENIED: Final = frozenset(
    ("AccessDenied", "AccessDeniedException", "AuthorizationError", "OptInRequired", "UnauthorizedOperation")
)
BROKEN: Final = frozenset(
    (
        "IDPCommunicationError",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "InternalServiceErrorException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    )
)
# A limit on how many objects there may be has the same code as a limit on requests in some services.
NOT_THROTTLED: Final = {("Secrets Manager", "LimitExceededException"), ("ACM", "LimitExceededException")}
NOT_FOUND: Final = "ResourceNotFoundException"
WITHHELD: Final = "(message withheld: it may quote the request)"
# These messages name principals, actions, resources and rules; others may repeat what was sent.
HARMLESS: Final = (
    THROTTLED
    | DENIED
    | BROKEN
    | frozenset(
        (
            "AlreadyExistsException",
            "DecryptionFailure",
            "EncryptionFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "HierarchyLevelLimitExceededException",
            "IDPRejectedClaim",
            "InvalidArnException",
            "InvalidClientTokenId",
            "InvalidFilterKey",
            "InvalidFilterValue",
            "InvalidIdentityToken",
            "InvalidKeyId",
            "InvalidNextTokenException",
            "InvalidParameterException",
            "InvalidRequestException",
            "InvalidResourceId",
            "LimitExceededException",
            "MalformedPolicyDocument",
            "PackedPolicyTooLarge",
            "ParameterAlreadyExists",
            "ParameterLimitExceeded",
            "ParameterMaxVersionLimitExceeded",
            "ParameterNotFound",
            "ParameterVersionLabelLimitExceeded",
            "ParameterVersionNotFound",
            "PreconditionNotMetException",
            "PublicPolicyException",
            "RegionDisabledException",
            "RequestInProgressException",
            "ResourceExistsException",
            "ResourceInUseException",
            "ResourceNotFoundException",
            "TooManyTagsError",
            "UnrecognizedClientException",
            "UnsupportedParameterType",
        )
    )
)
LONGEST: Final = 600  # characters of a message
# What differs between two tries of one call, and what shows a part of a credential.
NOISE: Final = re.compile(r"request id: \S+|,? ?RequestID: [^\s,]+| Credential=.*", re.IGNORECASE)
# What a message of AWS names: principals and resources, accounts, actions.
NAMED: Final = re.compile(
    r"arn:aws[a-z-]{0,12}:[a-z0-9-]{1,30}:[a-z0-9-]{0,20}:[0-9]{0,12}:[\w+=,.@:/*-]{1,200}[\w*]"
    r"|\b[a-z][a-z0-9-]{1,30}:[A-Z][A-Za-z]{2,40}\b|\b[0-9]{12}\b|\b[A-Z][a-z]{2,19}(?:[A-Z][a-z]{1,19}){1,4}\b",
    re.ASCII,
)
# AWS's codes are words in title case, behind the name of a service here and there (`AWS.`, `KMS.`). Anything else is
# none of them, and could be what was sent in another spelling.
CODE: Final = re.compile(
    r"(?=.{1,64}\Z)(?:[A-Z]{2,5}\.)?(?:[A-Z]{0,5}(?:[A-Z][a-z]{1,19}){1,8}(?:\.|\Z)){1,4}", re.ASCII
)
SHORTEST_HIDDEN: Final = 4  # characters; shorter texts occur in any message


class Refused(EsoError):
    """The answer behind a typed error: AWS's own code, and its message where that is harmless. `said`: the whole
    message, for decisions and never for a text."""

    def __init__(self, code: str, message: str, said: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.said = code, said


def code_of(error: BaseException | None) -> str:
    """AWS's code for what failed, "" where nothing was answered."""
    while error is not None:
        if isinstance(error, Refused):
            return error.code
        error = error.__cause__
    return ""


def said(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, Refused):
            return error.said
        error = error.__cause__
    return ""


def sanitised(text: str) -> str:
    """The same for each try of one call, and without parts of credentials."""
    return NOISE.sub("", text)


def shown(code: str, message: str, hidden: Collection[str] = ()) -> str:
    """What may be told of `message`. `hidden`: texts that were sent and must not come back."""
    if code not in HARMLESS:
        return WITHHELD
    for secret in sorted(forms(hidden), key=len, reverse=True):
        message = message.replace(secret, "***")
    sent = [text.encode("utf-8", "replace") for text in hidden]
    harmless = told(" ".join(sanitised(message).split()), sent, trusted=True)
    if harmless is None:
        return WITHHELD
    line = worded(harmless)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def worded(text: str) -> str:
    """Known words, and what AWS calls its principals, resources and actions."""
    shown, at = "", 0
    for named in NAMED.finditer(text):
        shown += closed(text[at : named.start()]) + named[0]
        at = named.end()
    return shown + closed(text[at:])


def forms(hidden: Collection[str]) -> set[str]:
    """Each text as it is and as the protocol encodes binaries."""
    long_enough = {text for text in hidden if len(text) >= SHORTEST_HIDDEN}
    return long_enough | {base64.b64encode(text.encode("utf-8", "replace")).decode() for text in long_enough}


def refusal(
    service: str,
    operation: str,
    status: int,
    code: str,
    message: str,
    *,
    modelled: bool = True,
    headers: Mapping[str, str] | None = None,
    hidden: Collection[str] = (),
) -> EsoError:
    """The typed error for an answer of `status` >= 300, in the layout of AWS's Go SDK. Its cause is a Refused."""
    known = (
        code == str(status)
        or code in THROTTLED
        or code in EXPIRED
        or code in DENIED
        or code in BROKEN
        or code in HARMLESS
    )
    refused = Refused(code if known or CODE.fullmatch(code) else "Unknown", shown(code, message, hidden), message)
    api = "" if modelled else "api error "
    where = f"operation error {service}: {operation}, https response error StatusCode: {status}"
    error = typed(service, status, code, f"{where}, {api}{refused}", headers or {})
    error.__cause__ = refused
    return error


def typed(service: str, status: int, code: str, text: str, headers: Mapping[str, str]) -> EsoError:
    if (code in THROTTLED and (service, code) not in NOT_THROTTLED) or status == 429:
        return Throttled(text, retry_after=seconds(headers.get("retry-after", "")))
    if code in EXPIRED:
        return AuthExpired(text, fix="check the credentials of the store, and the clock of the node")
    if code in BROKEN or status >= 500 or status < 400:
        return Unavailable(text, answered=True)  # AWS itself leads these requests nowhere else
    if code in DENIED or status in (401, 403):
        return Denied(text, fix="let the store's identity make this call, in its IAM policy and in the secret's")
    return InvalidConfig(text)


def seconds(text: str) -> float | None:
    """Retry-After as seconds; AWS does not use the date form."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
