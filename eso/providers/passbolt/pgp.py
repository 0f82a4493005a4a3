"""OpenPGP: a private key, and what was encrypted for it.

Neighbours: apart.py says where this runs. The library's own texts are never shown: they quote what they read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pysequoia import PyDecryptor, Tsk, decrypt

from eso.providers.contract import AuthRejected, Malformed

LONGEST: Final = 1 << 20  # bytes of a message, and of what is in it; a Secret takes as many
LONGEST_KEY: Final = 64 << 10  # bytes; one of RSA with 4096 bits takes seven thousand
FIX: Final = "is it the armored private key of the user, and is the passphrase the one of this key?"


@dataclass(frozen=True, slots=True)
class Key:
    """Armored, and locked with the passphrase; not locked where that is empty."""

    armored: bytes = field(repr=False)
    passphrase: str = field(repr=False)


def fingerprint(key: Key) -> str:
    """In hexadecimal digits. Raises AuthRejected for a key that cannot be used."""
    unlocked(key)
    return loaded(key).extract_certificate().fingerprint.upper()


def unlocked(key: Key) -> PyDecryptor:
    """Takes as long as whoever made the key wanted. Raises AuthRejected."""
    held = loaded(key)
    for passphrase in (key.passphrase, None):
        try:
            return held.decryptor(passphrase)
        except BaseException as error:
            refused(error)
    raise AuthRejected("the passphrase does not open the private key, or the key decrypts nothing", fix=FIX)


def loaded(key: Key) -> Tsk:
    try:
        if len(key.armored) <= LONGEST_KEY:
            return Tsk.from_bytes(key.armored)
    except BaseException as error:
        refused(error)
    raise AuthRejected("the private key cannot be read", fix=FIX)


class Reader:
    """Reads what was encrypted for a key. Raises AuthRejected for a key that cannot be used."""

    def __init__(self, key: Key) -> None:
        self._key, self._unlocked = key, [unlocked(key)]

    def opened(self, messages: Sequence[bytes]) -> list[bytes | None]:
        """What is in each message; None for one that this key does not open, or that holds too much."""
        return [self._one(message) for message in messages]

    def _one(self, message: bytes) -> bytes | None:
        if len(message) > LONGEST:
            return None
        if not self._unlocked:
            self._unlocked.append(unlocked(self._key))
        try:
            found = decrypt(message, decryptor=self._unlocked[0]).bytes
        except BaseException as error:
            if refused(error):
                self._unlocked.clear()
            return None
        return found if found is not None and len(found) <= LONGEST else None


def refused(error: BaseException) -> bool:
    """Whether the library gave up instead of refusing: it does so for some messages that are cut, and what it was
    called with is of no use afterwards. Raises what is not its own."""
    if isinstance(error, RuntimeError | ValueError):
        return False
    if type(error).__module__ == "pyo3_runtime":
        return True
    raise error


def malformed() -> Malformed:
    return Malformed("a message of the server cannot be decrypted", fix="was it encrypted for the key of this user?")
