"""A template as a tree of its parts, so that it can be made smaller without becoming nonsense.

Neighbours: generate.py grows trees, shrink.py prunes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tree:
    """`sort`: `body` (a list of statements), `statement`, `call`, `argument` or `constant`. `deletable`: the parent may
    do without it.

    `functions`: names this node itself calls.
    """

    sort: str
    parts: tuple[str | bytes | Tree, ...]
    deletable: bool = False
    functions: tuple[str, ...] = ()

    def source(self) -> bytes:
        return b"".join(
            part.source() if isinstance(part, Tree) else part if isinstance(part, bytes) else part.encode()
            for part in self.parts
        )

    def children(self) -> Iterator[Tree]:
        return (part for part in self.parts if isinstance(part, Tree))

    def walk(self) -> Iterator[Tree]:
        yield self
        for child in self.children():
            yield from child.walk()

    def calls(self) -> set[str]:
        return {name for node in self.walk() for name in node.functions}

    def with_parts(self, parts: Sequence[str | bytes | Tree]) -> Tree:
        return Tree(self.sort, tuple(parts), self.deletable, self.functions)
