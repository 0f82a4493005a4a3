"""Messages of Nebius, and the credentials of its service accounts.

Neighbours: connect.py and client.py make the calls. Anything that is not of the form the server promises is malformed.
Declarations are the vendor's, reduced to the fields that are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed, SecretNotFound
from eso.providers.kit.entries import Entries
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.protobuf import FORM, parsed, text
from eso.providers.kit.token import Token, checked

AUDIENCE: Final = "token-service.iam.new.nebiuscloud.net"
SECONDS: Final = 60  # that an assertion lives
USED: Final = 0.9  # of a token's life
GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret."""

    id: str
    version: str = ""

    @property
    def message(self) -> bytes:
        """GetPayloadRequest { secret_id = 1; version_id = 2 }."""
        return text(1, self.id) + text(2, self.version)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a key of a service account speaks for."""

    kid: str
    iss: str
    sub: str
    pem: bytes = field(repr=False)

    def claims(self, now: int) -> Mapping[str, Any]:
        return {"iss": self.iss, "sub": self.sub, "aud": [AUDIENCE], "iat": now, "exp": now + SECONDS}


def subject_of(document: bytes) -> Subject:
    """The credentials file of a service account. Raises InvalidConfig, which shows nothing of it."""
    try:
        found = object_of(document).get("subject-credentials")
        if not isinstance(found, dict) or found.get("alg", "RS256") != "RS256" or found.get("type", "JWT") != "JWT":
            raise Malformed("")
        kid, iss, sub, pem = (text_in(found, name) for name in ("kid", "iss", "sub", "private-key"))
        return Subject(kid, iss, sub, pem.encode())
    except (Malformed, UnicodeEncodeError):
        words = "invalid subject credentials: malformed JSON"
        raise InvalidConfig(words, fix="store the file that `nebius iam auth-public-key generate` wrote") from None


def exchange(assertion: str) -> bytes:
    """ExchangeTokenRequest."""
    return text(1, GRANT) + text(2, ACCESS_TOKEN) + text(3, assertion) + text(4, JWT)


def token_of(reply: bytes) -> Token:
    """CreateTokenResponse { access_token = 1; expires_in = 4 }."""
    found = parsed(reply)
    return checked(found.text(1), float(found.number(4)))


def payload_of(reply: bytes) -> Entries:
    """SecretPayload { version_id = 1; repeated Payload data = 2 { key = 1; oneof { string_value = 12; binary_value = 13
    } } }. A reply without both is of another service, and proves the absence of no entry."""
    found, entries = parsed(reply), dict[str, str | bytes]()
    if not (found.has(1) or found.has(2)):
        raise Malformed(FORM)
    for entry in found.messages(2):
        entries[entry.text(1)] = entry.blob(13) if entry.last_of(12, 13) == 13 else entry.text(12)
    return Entries(entries)


def value(payload: Entries, name: str) -> bytes:
    """One entry, or all of them as JSON. Raises SecretNotFound for an entry that is not there."""
    if not name:
        return payload.json()
    found = payload.one(name)
    if found is None:
        raise SecretNotFound()
    return found
