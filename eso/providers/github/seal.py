"""Encrypts for a public key so that its owner alone can read, and knows values again that it sealed before.

Neighbours: client.py. libsodium seals (PyNaCl); what is remembered of a value is a digest under a key of the process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from typing import Final

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox

from eso.providers.contract import Malformed

MOST: Final = 20_000  # secrets that are remembered, 4 MiB


def sealed(value: bytes, key: bytes) -> bytes:
    """An anonymous sealed box. Raises Malformed for a key that is none."""
    try:
        return bytes(SealedBox(PublicKey(key)).encrypt(value))
    except (CryptoError, ValueError, TypeError):
        raise Malformed("unable to decode public key: it is no key of Curve25519") from None


class Written:
    """What this process wrote last to each place, and when GitHub says that it was: GitHub never gives a value back, so
    only this tells whether it is there already. Forgets the oldest."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def is_there(self, place: str, value: bytes, updated: str) -> bool:
        """Whether `value` was written here, and nothing since."""
        return self._known.get(place) == (self._digest(value), updated)

    def remember(self, place: str, value: bytes, updated: str) -> None:
        self._known[place] = (self._digest(value), updated)
        self._known.move_to_end(place)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def forget(self, place: str) -> None:
        self._known.pop(place, None)

    def _digest(self, value: bytes) -> bytes:
        return hashlib.blake2b(value, key=self._key, digest_size=16).digest()
