"""What scripts print: one line per step while it runs, how long it took, and plain tables.

Neighbours: demo.py and the harness. Honours NO_COLOR; no cursor tricks, so that a log file reads like the terminal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

Say = Callable[[str], None]

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


def silent(_: str) -> None:
    """A Say that says nothing."""


class Narrator:
    """Prints to `out`. Colours only on a terminal without NO_COLOR."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.colours = self.out.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colours else text

    def line(self, text: str = "") -> None:
        print(text, file=self.out, flush=True)

    def note(self, text: str) -> None:
        self.line(self.paint(f"    {text}", DIM))

    def head(self, text: str) -> None:
        self.line()
        self.line(self.paint(text, BOLD))

    @contextmanager
    def step(self, text: str) -> Iterator[Took]:
        """Announces `text`, runs the body, then says how long it took."""
        self.line(f"  … {text}")
        took = Took(self)
        try:
            yield took
        except BaseException:
            self.line(self.paint(f"  ✗ {text}", RED) + self.paint(f"  after {took.seconds:.1f} s", DIM))
            raise
        took.end = time.monotonic()
        self.line(self.paint(f"  ✓ {text}", GREEN) + self.paint(f"  {took.seconds:.1f} s", DIM))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """First row is the heading; the last column is aligned to the right."""
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [
                cell.rjust(width) if n == len(row) - 1 else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            text = "  " + "   ".join(cells)
            self.line(self.paint(text, BOLD) if number == 0 else text)


class Took:
    """The clock of one step; call it as the `waiting` of `eventually` to show that time passes."""

    def __init__(self, narrator: Narrator, every: float = 5.0) -> None:
        self.narrator, self.every = narrator, every
        self.began = time.monotonic()
        self.end: float | None = None
        self._told = 0

    @property
    def seconds(self) -> float:
        return (self.end or time.monotonic()) - self.began

    def waiting(self, _: float) -> None:
        rounds = int(self.seconds // self.every)
        if rounds > self._told:
            self._told = rounds
            self.narrator.note(f"… still waiting, {rounds * self.every:.0f} s")
