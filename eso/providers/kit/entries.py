"""A secret of named entries, some of them bytes: one of them, all of them, or all as JSON.

Neighbours: codecs of providers whose secrets are such payloads.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from eso.gocompat import jsonenc


@dataclass(frozen=True, slots=True)
class Entries:
    """`found`: a text, or bytes where the backend says so. Never prints."""

    found: Mapping[str, str | bytes] = field(repr=False)

    def __len__(self) -> int:
        """The names count: an answer may consist of little else."""
        return sum(len(name) + len(value) for name, value in self.found.items())

    def one(self, name: str) -> bytes | None:
        """None where there is no such entry."""
        return raw(self.found[name]) if name in self.found else None

    def all(self) -> dict[str, bytes]:
        return {name: raw(value) for name, value in self.found.items()}

    def json(self) -> bytes:
        """Texts as they are, bytes in base64."""
        shown = {name.encode(): shown_as(value) for name, value in self.found.items()}
        return jsonenc.encode(shown, escape_html=True)


def raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def shown_as(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64encode(value)
