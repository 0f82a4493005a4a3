"""The contents of a ConfigMap or Secret as templates see them: text, kept as the bytes it was made of.

Neighbours: the rooms read template sources into these; `template.apply` looks texts up. A text is decoded when it is
looked up: one wide character makes four bytes of every character of a Python string, and a pass may wait for its turn
with many megabytes of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping


class Texts(Mapping[str, str]):
    """Key → text; bytes that are not UTF-8 are surrogates. Never prints its texts."""

    __slots__ = ("_contents", "_fingerprint")

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = dict(contents)
        self._fingerprint = b""

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Texts:
        return cls({key: text.encode(errors="surrogateescape") for key, text in texts.items()})

    def __getitem__(self, key: str) -> str:
        return self._contents[key].decode(errors="surrogateescape")

    def __contains__(self, key: object) -> bool:
        return key in self._contents

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)

    def __repr__(self) -> str:
        return f"Texts({len(self)})"

    @property
    def fingerprint(self) -> bytes:
        """The same for the same texts. Unkeyed: for a digest that has a key, and for nobody to see. Computed once,
        because it takes a millisecond or more for each megabyte."""
        if not self._fingerprint:
            made = hashlib.blake2b(digest_size=32)
            for key in sorted(self._contents):
                for part in (key.encode(), self._contents[key]):
                    made.update(b"%d:" % len(part))
                    made.update(part)
            self._fingerprint = made.digest()
        return self._fingerprint

    @property
    def contents(self) -> Mapping[str, bytes]:
        return self._contents


def size(sources: Mapping[tuple[str, str], Mapping[str, str]]) -> int:
    """Bytes of the texts that are kept as bytes; others, of the command line, are not counted."""
    return sum(len(content) for one in sources.values() if isinstance(one, Texts) for content in one.contents.values())
