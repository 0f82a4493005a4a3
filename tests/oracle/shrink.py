"""The smallest template and data that still show a difference: greedy, one cut at a time.

Neighbours: run.py shrinks what it finds, vectors.json keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.generate import Case
from tests.oracle.tree import Tree

Part = str | bytes | Tree
PATIENCE = 1_500
"""Questions per case."""


def shrunk(case: Case, fails: Callable[[Case], bool], patience: int = PATIENCE) -> Case:
    """A smaller case for which `fails` still holds. `case` itself must fail."""
    left = patience
    best = case
    improved = True
    while improved and left > 0:
        improved = False
        for smaller in candidates(best):
            left -= 1
            if left <= 0:
                break
            if fails(smaller):
                best, improved = smaller, True
                break
    return best


def candidates(case: Case) -> Iterator[Case]:
    for tree in smaller(case.tree):
        yield Case(tree, case.data, case.focus)
    source = case.tree.source()
    for key, value in case.data.items():
        if key.encode() not in source:
            yield Case(case.tree, {k: v for k, v in case.data.items() if k != key}, case.focus)
        for cut in cuts(value):
            yield Case(case.tree, {**case.data, key: cut}, case.focus)


def smaller(tree: Tree) -> Iterator[Tree]:
    """Trees with one cut, the largest cuts first."""
    parts = tree.parts
    if tree.sort == "body":
        if len(parts) > 3:
            yield tree.with_parts(parts[: len(parts) // 2])
            yield tree.with_parts(parts[len(parts) // 2 :])
        for at in range(len(parts)):
            yield tree.with_parts(parts[:at] + parts[at + 1 :])
    if tree.sort == "statement":
        # A block statement may be replaced by one of its bodies.
        for child in tree.children():
            if child.sort == "body":
                yield child
            if child.sort == "call" and len(parts) > 3:
                yield Tree("statement", ("{{", child, "}}"), True)
    if tree.sort in ("call", "argument"):
        for child in tree.walk():
            if child is not tree and child.sort in ("call", "argument", "constant"):
                yield Tree("argument", ("(", child, ")")) if tree.sort == "argument" and child.sort == "call" else child
    for at, part in enumerate(parts):
        if isinstance(part, Tree):
            if part.deletable and tree.sort != "body":
                yield tree.with_parts(parts[:at] + parts[at + 1 :])
            for less in smaller(part):
                yield tree.with_parts((*parts[:at], less, *parts[at + 1 :]))
        elif tree.sort in ("constant", "text"):
            raw = part.encode() if isinstance(part, str) else part
            for cut in cuts(raw):
                yield tree.with_parts((*parts[:at], cut, *parts[at + 1 :]))


def cuts(raw: bytes) -> Iterator[bytes]:
    """The bytes without a run of them, long runs first."""
    size = len(raw)
    while size:
        for at in range(0, len(raw) - size + 1, max(size // 2, 1)):
            yield raw[:at] + raw[at + size :]
        size //= 2
