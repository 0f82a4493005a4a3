"""An exception of the vendor's library → a typed error whose text is made of known words.

Neighbours: native.py gives every exception to `refuse`; client.py gives the answers of single references to
`unresolved`. The library's messages may repeat what was sent, and a reply that it cannot decode stands in the
exception: only phrases from a closed list are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from onepassword.errors import RateLimitExceededException  # type: ignore[import-untyped]  # the vendor ships no types

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Busy,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Timeout,
    Unavailable,
)

MOST_READ: Final = 4096  # characters of a message
# What the message says, and what that means; the first that fits decides.
MEANINGS: Final[tuple[tuple[re.Pattern[str], Callable[[str], EsoError]], ...]] = (
    (re.compile("rate limit exceeded"), lambda words: Throttled(words)),
    (
        re.compile("bad service account token|invalid service account token|service account token had invalid format"),
        lambda words: AuthRejected(words, fix="is the token complete, and is the service account still there?"),
    ),
    (re.compile("you are not authenticated|[Ii]nvalid client ID"), lambda words: AuthExpired(words)),
    (
        re.compile("you don't have the right permissions"),
        lambda words: Denied(words, fix="give the service account access to the vault"),
    ),
    (re.compile("a conflict occurred on the server|incorrect (?:item )?version"), lambda words: Busy(words)),
    (re.compile("request timeout"), lambda words: Timeout(words)),
    (
        re.compile("error sending request|request library compatibility issue"),
        lambda words: Unavailable("the request could not be sent", fix="can the operator reach 1password.com?"),
    ),
    (re.compile("internal error|internal server error"), lambda words: Unavailable(words, answered=True)),
    (
        re.compile(
            r"(?:(?:vault|item|field|section|resource|file|[Ee]nvironment)s? (?:was |were )?)?"
            r"(?:not found|couldn't be found)|no (?:vault|item|field|section)s? matched"
            r"|more than one (?:vault|item|field)s? matched"
        ),
        lambda words: EsoError(words, fix="does it exist, with this title or id?"),
    ),
    (
        re.compile("secret reference could not be parsed|invalid secret reference|invalid user input"),
        lambda words: InvalidConfig(words, fix="write remoteRef.key as item/field or item/section/field"),
    ),
)
# The library's own names for what is wrong with one reference of many.
WORDS: Final[Mapping[str, str]] = {
    "parsing": "the secret reference could not be parsed",
    "fieldNotFound": "no field matched the secret reference query",
    "vaultNotFound": "no vault matched the secret reference query",
    "tooManyVaults": "more than one vault matched the secret reference query",
    "itemNotFound": "no item matched the secret reference query",
    "tooManyItems": "more than one item matched the secret reference query",
    "tooManyMatchingFields": "more than one field matched the secret reference query",
    "noMatchingSections": "no section matched the secret reference query",
    "incompatibleTOTPQueryParameterField": "the field is no one-time password",
    "unableToGenerateTotpCode": "no one-time password can be made of the field",
    "sSHKeyMetadataNotFound": "the field has no attributes of an SSH key",
    "unsupportedFileFormat": "the file is no text",
    "incompatibleSshKeyQueryParameterField": "the field is no SSH key",
    "unableToParsePrivateKey": "the private key cannot be read",
    "unableToFormatPrivateKeyToOpenSsh": "the private key cannot be written for OpenSSH",
}


def refuse(error: Exception) -> Exception:
    """A fault of our own code stays what it is."""
    if isinstance(error, EsoError | TypeError | AttributeError | LookupError | AssertionError):
        return error
    if isinstance(error, RateLimitExceededException):
        return Throttled("rate limit exceeded", fix="fewer references, or longer intervals")
    if isinstance(error, TimeoutError):
        return Timeout("no answer in time")
    if isinstance(error, OSError):
        return Unavailable("the library could not work", fix="does the image have glibc 2.32 and libssl 3?")
    # The vendor's models refuse what they do not know with pydantic's error, a ValueError that quotes the reply.
    if isinstance(error, ValueError):
        return Malformed("the library's reply is not of the form it promises")
    message = str(error)[:MOST_READ]
    for pattern, meant in MEANINGS:
        if found := pattern.search(message):
            return meant(found[0])
    return EsoError("the request was refused", fix="1Password's activity log may tell why")


def unresolved(kind: str) -> EsoError:
    """Why one reference of a call has no value; `kind`: the library's name for it."""
    words = WORDS.get(kind)
    if words is None:
        return EsoError("the secret reference has no value")
    if kind == "parsing":
        return InvalidConfig(words, fix="write remoteRef.key as item/field or item/section/field")
    return EsoError(words, fix="does it exist, with this title or id?")
