"""Bytes that never print.

Neighbours: providers make them, `reconcile.externalsecret.targets` reveals them into a request body.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn


class SecretBytes:
    """A secret value: compares in constant time, hides in `repr`, `str`, `format` and pickles.

    `reveal()` is the only way out; a reader can grep for it.
    """

    __slots__ = ("_value",)
    _MASK: Final = "SecretBytes(***)"

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretBytes) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return self._MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return self._MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be pickled")
