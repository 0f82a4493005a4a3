"""Keeper's envelopes: a key made for one exchange, wrapped for the server, and a signature of the device.

Neighbours: device.py has the keys, client.py sends. Everything that cannot be opened is malformed, without a word of
why.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eso.providers.contract import Malformed

NONCE, TAG, KEY, POINT, UID = 12, 16, 32, 65, 16  # bytes
OVERHEAD: Final = NONCE + TAG


@dataclass(frozen=True, slots=True)
class Letter:
    """One request. `key` opens the reply."""

    key: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def headers(self, number: str) -> dict[str, str]:
        return {
            "Content-Type": "application/octet-stream",
            "PublicKeyId": number,
            "TransmissionKey": encoded(self.wrapped),
            "Authorization": f"Signature {encoded(self.signature)}",
        }


def letter(payload: bytes, server: EllipticCurvePublicKey, device: EllipticCurvePrivateKey) -> Letter:
    key = new_key()
    wrapped, body = sealed_for(key, server), sealed(payload, key)
    return Letter(key, wrapped, body, device.sign(wrapped + body, ECDSA(SHA256())))


def sealed(plain: bytes, key: bytes) -> bytes:
    """AES-GCM with the nonce in front."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, None)


def sealed_for(plain: bytes, reader: EllipticCurvePublicKey) -> bytes:
    """For the holder of a key of P-256: the public key made for this one text stands in front."""
    mine = generate_private_key(SECP256R1())
    shared = sha256(mine.exchange(ECDH(), reader)).digest()
    return mine.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) + sealed(plain, shared)


def opened(box: bytes, key: bytes, what: str = "the server's reply") -> bytes:
    """Raises Malformed."""
    try:
        if len(box) < NONCE + TAG or len(key) != KEY:
            raise InvalidTag
        return AESGCM(key).decrypt(box[:NONCE], box[NONCE:], None)
    except InvalidTag:
        raise Malformed(f"{what} cannot be decrypted") from None


def point(data: bytes) -> EllipticCurvePublicKey:
    """Raises ValueError for what is no point of P-256."""
    if len(data) != POINT:
        raise ValueError
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    """Base64 of either alphabet, padded or not. Raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise ValueError from None


def new_key() -> bytes:
    return os.urandom(KEY)


def new_uid() -> str:
    return base64.urlsafe_b64encode(os.urandom(UID)).decode().rstrip("=")
