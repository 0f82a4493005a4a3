"""Bytes that never print.

Neighbours: providers make them, `reconcile.externalsecret.targets` reveals them into a request body.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
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


class SecretMap(Mapping[str, SecretBytes]):
    """Secret values by name, hidden one by one as they are looked up: there may be tens of thousands. `size`: the bytes
    of memory that they take. Never prints them."""

    __slots__ = ("_values", "size")

    def __init__(self, values: Mapping[str, bytes], size: int) -> None:
        self._values, self.size = values, size

    def reveal(self) -> Mapping[str, bytes]:
        """All of them, as they are. Several callers may have the same map: it is not to be changed."""
        return self._values

    def __getitem__(self, name: str) -> SecretBytes:
        return SecretBytes(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"SecretMap({len(self)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be pickled")
