"""Messages and values of Yandex Cloud.

Neighbours: connect.py, lockbox.py and certificates.py make the calls. Anything that is not of the form the server
promises is malformed. Declarations are the vendor's, reduced to the fields that are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.gocompat.text import trim_space
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.address import target_of
from eso.providers.kit.entries import Entries
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.protobuf import FORM, blob, parsed, text
from eso.providers.kit.token import Token, checked

AUDIENCE: Final = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
HOUR: Final = 3600
BEGIN: Final = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret or a certificate: by its id, or by its name in a folder."""

    key: str
    folder: str = ""
    version: str = ""

    @property
    def message(self) -> bytes:
        """GetRequest { id = 1; version_id = 2 }, or GetExRequest { folder_and_name = 2 { folder_id = 1; name = 2 };
        version_id = 21 }."""
        if not self.folder:
            return text(1, self.key) + text(2, self.version)
        return blob(2, text(1, self.folder) + text(2, self.key)) + text(21, self.version)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Never prints."""

    chain: tuple[str, ...] = field(repr=False)
    key: str = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.chain)) + len(self.key)


@dataclass(frozen=True, slots=True)
class Key:
    """An authorized key of a service account."""

    id: str
    account: str
    pem: bytes = field(repr=False)

    def claims(self, now: int) -> dict[str, Any]:
        return {"iss": self.account, "aud": AUDIENCE, "iat": now, "exp": now + HOUR}


def key_of(document: bytes) -> Key:
    """The authorized key as the vendor's tools write it. A note to the reader may stand before the PEM. Raises
    InvalidConfig, which shows nothing of it."""
    try:
        found = object_of(document)
        pem, id, account = (text_in(found, name) for name in ("private_key", "id", "service_account_id"))
        _, begin, rest = pem.partition(BEGIN)
        return Key(id, account, f"{begin}{rest}".encode())
    except (Malformed, UnicodeEncodeError):
        words = "unable to parse authorized key"
        raise InvalidConfig(words, fix="store the JSON that `yc iam key create` wrote") from None


def address_of(reply: bytes) -> str:
    """ApiEndpoint { id = 1; address = 2 } → host:port."""
    found = target_of(parsed(reply).text(2))
    if found is None:
        raise Malformed("the server's reply has no usable address of the service")
    return found


def token_of(reply: bytes, now: float) -> Token:
    """CreateIamTokenResponse { iam_token = 1; expires_at = 2 { seconds = 1 } }."""
    found = parsed(reply)
    return checked(found.text(1), found.message(2).number(1) - now)


def payload_of(reply: bytes) -> Entries:
    """Payload { version_id = 1; entries = 2 { key = 1; oneof { text_value = 2; binary_value = 3 } } }. Without a
    version it is no payload: an empty answer must not look like a secret without entries."""
    entries = dict[str, str | bytes]()
    found = parsed(reply)
    if not found.text(1):
        raise Malformed(FORM)
    for entry in found.messages(2):
        entries[entry.text(1)] = entry.blob(3) if entry.last_of(2, 3) == 3 else entry.text(2)
    return Entries(entries)


def named_payload_of(reply: bytes) -> Entries:
    """GetExResponse { version_id = 2; map<string, bytes> entries = 3 }: all of them are bytes."""
    found = parsed(reply)
    if not found.text(2):
        raise Malformed(FORM)
    return Entries({entry.text(1): entry.blob(2) for entry in found.messages(3)})


def certificate_of(reply: bytes) -> Certificate:
    """GetCertificateContentResponse { repeated certificate_chain = 3; private_key = 4 }; by name it is the same."""
    found = parsed(reply)
    if not (found.has(3) or found.has(4)):
        raise Malformed(FORM)
    return Certificate(tuple(found.texts(3)), found.text(4))


def value(payload: Entries, name: str) -> bytes:
    """One entry, or all of them as JSON. Raises InvalidConfig for an entry that is not there."""
    if not name:
        return payload.json()
    found = payload.one(name)
    if found is None:
        raise InvalidConfig(f"payload entry with key '{name}' not found")
    return found


def certificate_part(certificate: Certificate, name: str) -> bytes:
    """Raises InvalidConfig."""
    match name:
        case "" | "chainAndPrivateKey":
            return trimmed((*certificate.chain, certificate.key))
        case "chain":
            return trimmed(certificate.chain)
        case "privateKey":
            return trimmed((certificate.key,))
    raise InvalidConfig(f"unsupported property '{name}'", fix="write chain, privateKey or chainAndPrivateKey")


def certificate_parts(certificate: Certificate) -> dict[str, bytes]:
    return {"chain": "\n".join(certificate.chain).encode(), "privateKey": certificate.key.encode()}


def trimmed(parts: Sequence[str]) -> bytes:
    """Each part without space around it, on lines of its own."""
    return b"".join(trim_space(part.encode()) + b"\n" for part in parts)
