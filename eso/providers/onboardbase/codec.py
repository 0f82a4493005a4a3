"""Secrets of Onboardbase: names and values are texts that CryptoJS encrypted with the passcode of the API key.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed, and so is what
the passcode does not decrypt: no text here tells why, so that nothing can be learned of the passcode.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from eso.errors import EsoError
from eso.providers.contract import Malformed
from eso.providers.kit.http import object_of
from eso.values import gjson
from eso.values.jsonmap import NotAMap, to_map

SALTED: Final = b"Salted__"
SALT, KEY, BLOCK = 8, 32, 16
LONGEST: Final = 4 << 20  # bytes of one cipher text


@dataclass(frozen=True, slots=True)
class Secret:
    """Never prints its value."""

    name: str
    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def names_of(body: bytes, passcode: bytes) -> dict[str, str]:
    """The name of each secret → its value, still encrypted. Of equal names the last counts. Raises Malformed."""
    data = object_of(body).get("data")
    secrets = data.get("secrets") if isinstance(data, dict) else None
    if not isinstance(secrets, list):
        raise Malformed("the server's reply has no list in data.secrets")
    found: dict[str, str] = {}
    for entry in secrets:
        name, value = (entry.get("key"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str):
            raise Malformed("the server's reply has a secret without key and value")
        found[opened(name, passcode).decode()] = value
    return found


def values_of(encrypted: Mapping[str, str], names: Iterable[str], passcode: bytes) -> dict[str, bytes]:
    """The values of these names. Raises Malformed."""
    return {name: opened(encrypted[name], passcode) for name in names}


def each_of(encrypted: Mapping[str, str], names: Iterable[str], passcode: bytes) -> dict[str, bytes | Malformed]:
    """The same, with the error of each value that cannot be decrypted in its place."""
    found: dict[str, bytes | Malformed] = {}
    for name in names:
        try:
            found[name] = opened(encrypted[name], passcode)
        except Malformed as error:
            found[name] = error
    return found


def opened(text: str, passcode: bytes) -> bytes:
    """What CryptoJS encrypted: base64 of `Salted__`, a salt and AES-256 in CBC mode, with key and vector derived by
    OpenSSL's old rule. Raises Malformed."""
    try:
        sealed = base64.b64decode(text, validate=True) if len(text) <= LONGEST else b""
    except (binascii.Error, ValueError):
        raise refused() from None
    head, salt, body = sealed[:SALT], sealed[SALT : 2 * SALT], sealed[2 * SALT :]
    if head != SALTED or not body or len(body) % BLOCK:
        raise refused()
    key, vector = derived(passcode, salt)
    decryptor, padding = Cipher(AES(key), CBC(vector)).decryptor(), PKCS7(8 * BLOCK).unpadder()
    plain = decryptor.update(body) + decryptor.finalize()
    try:
        found = padding.update(plain) + padding.finalize()
        found.decode()  # CryptoJS encrypts texts only; another passcode makes no text
    except ValueError:
        raise refused() from None
    return found


def derived(passcode: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """OpenSSL's EVP_BytesToKey with one round of MD5. MD5 is the form of the vendor's data, no choice."""
    stream = block = b""
    while len(stream) < KEY + BLOCK:
        block = hashlib.md5(block + passcode + salt, usedforsecurity=False).digest()
        stream += block
    return stream[:KEY], stream[KEY : KEY + BLOCK]


def refused() -> Malformed:
    return Malformed("a secret cannot be decrypted", fix="is the passcode that of the API key?")


def value(secret: Secret, path: str) -> bytes:
    """The value, or what `path` names in it as it is written there: a text keeps its quotes."""
    if not path:
        return secret.data
    found = gjson.get(secret.data, path.encode("utf-8", "surrogateescape"))
    if found is None:
        raise EsoError(
            f'cannot find property {path} in secret data for key: "{secret.name}"',
            fix="is the value JSON with this member?",
        )
    return found.raw


def mapping(secret: Secret, path: str) -> dict[str, bytes]:
    """The members of the JSON object that the value is. Raises Malformed."""
    try:
        return to_map(value(secret, path))
    except NotAMap as error:
        raise Malformed(f"unable to unmarshal secret {secret.name}: {error}", fix="is it a JSON object?") from error
