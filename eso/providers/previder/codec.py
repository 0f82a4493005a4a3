"""Replies of the vault.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eso.providers.contract import Malformed
from eso.providers.kit.http import list_of, object_of, text_in


@dataclass(frozen=True, slots=True)
class Secret:
    """A decrypted secret; never prints."""

    value: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.value)


def secret_of(body: bytes) -> Secret:
    return Secret(text_in(object_of(body), "secret").encode())


def names(body: bytes, key: str) -> bool:
    """Whether a list of secrets has one that is called so, by whichever member: ids may be numbers, and a server may
    write them in other letters."""
    found = list_of(body)
    if not all(isinstance(entry, dict) for entry in found):
        raise Malformed("the server's reply is not of the form it promises")
    entries: list[dict[str, Any]] = found
    return any(str(value).casefold() == key.casefold() for entry in entries for value in entry.values())
