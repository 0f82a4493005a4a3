"""Encrypts for a public key so that its owner alone can read.

Neighbours: client.py. libsodium seals (PyNaCl).
"""

from __future__ import annotations

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox

from eso.providers.contract import Malformed


def sealed(value: bytes, key: bytes) -> bytes:
    """An anonymous sealed box. Raises Malformed for a key that is none."""
    try:
        return bytes(SealedBox(PublicKey(key)).encrypt(value))
    except (CryptoError, ValueError, TypeError):
        raise Malformed("unable to decode public key: it is no key of Curve25519") from None
