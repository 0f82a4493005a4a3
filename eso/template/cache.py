"""Source text → compiled template, and the last ones of them kept.

Neighbours: __init__.py renders what it gets from here. Bounded by count and by the memory that the programs may take;
holds template text, never data.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eso.gocompat.text import quote
from eso.template.bounds import Budget, code
from eso.template.builtins import BUILTINS
from eso.template.dice import rolls_dice
from eso.template.errors import TemplateError
from eso.template.evaluate import Body, ExecError, compile_bodies, run
from eso.template.functions import FUNCTIONS
from eso.template.lexer import MAX_TOKENS, TooManyTokens
from eso.template.parser import ParseError, Parser
from eso.template.tell import cut
from eso.template.values import Function, Value

ALL: Mapping[str, Function] = {**BUILTINS, **FUNCTIONS}


@dataclass(frozen=True, slots=True)
class Program:
    """One parsed and compiled template text."""

    name: str
    source: str = field(repr=False)
    bodies: Mapping[bytes, Body] = field(repr=False)
    dice: bool
    """It draws random bytes or reads the clock, so equal data may give another output each time."""

    def run(self, dot: Value, budget: Budget, *, strict: bool) -> bytes:
        """Raises TemplateError and, without a position, BoundsExceeded and RecursionError."""
        try:
            return run(self.bodies, self.name.encode("utf-8", "surrogateescape"), dot, budget, strict=strict)
        except ExecError as error:
            place = self.place(error)
            node = shown(error.node.shown())
            where = f"{place}: executing {quote(error.name)} at <{node}>: "
            raise TemplateError(
                cut(where + shown(error.told)),
                phase="bounds" if error.bound else "execute",
                full=where + shown(error.text),
                place=place,
            ) from None

    def place(self, error: ExecError) -> str:
        at = error.node.at
        line = 1 + self.source.count("\n", 0, at)
        start = self.source.rfind("\n", 0, at) + 1
        column = len(self.source[start:at].encode("utf-8", "surrogateescape"))
        return f"template: {shown(self.name)}:{line}:{column}"


def shown(text: str) -> str:
    """Text for a message: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def compile_template(name: str, source: str, left: str, right: str) -> Program:
    """Raises TemplateError of phase `parse`, or `bounds` for a text of too many tokens or levels."""
    try:
        source.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # A lone surrogate that stands for no byte: Go would never have let it into a string.
        source = source.encode("utf-8", "replace").decode()
    try:
        trees = Parser(name, source, ALL, left, right).parse()
    except ParseError as error:
        place = f"template: {shown(name)}:{error.line}"
        raise TemplateError(cut(f"{place}: {shown(error.text)}"), phase="parse", place=place) from None
    except TooManyTokens:
        raise TemplateError(
            f"template: {shown(name)}: template exceeds the limit of {MAX_TOKENS} tokens", phase="bounds"
        ) from None
    dice = rolls_dice(trees, name.encode("utf-8", "surrogateescape"), ALL)
    return Program(name, source, compile_bodies(trees, ALL), dice)


class Cache:
    """The most recently used programs. Safe in threads; two threads may compile the same text at the same time, which
    is harmless."""

    def __init__(self, count: int = 2_048, memory: int = 24 << 20) -> None:
        self.count = count
        self.memory = memory
        self.used = 0
        self.programs: OrderedDict[tuple[str, str, str, str], Program] = OrderedDict()
        self.lock = threading.Lock()

    def known(self, name: str, source: str, left: str, right: str) -> Program | None:
        """The program of a text that was compiled before."""
        key = (name, source, left, right)
        with self.lock:
            program = self.programs.get(key)
            if program is not None:
                self.programs.move_to_end(key)
            return program

    def get(self, name: str, source: str, left: str, right: str) -> Program:
        """Raises TemplateError; failures are not kept."""
        key = (name, source, left, right)
        with self.lock:
            if (program := self.programs.get(key)) is not None:
                self.programs.move_to_end(key)
                return program
        program = compile_template(name, source, left, right)
        if weight(key) > self.memory // 4:
            return program
        with self.lock:
            if key not in self.programs:
                self.programs[key] = program
                self.used += weight(key)
            while len(self.programs) > self.count or self.used > self.memory:
                dropped, _ = self.programs.popitem(last=False)
                self.used -= weight(dropped)
        return program


PROGRAM: Final = 4 << 10
ACTION: Final = 232


def weight(key: tuple[str, str, str, str]) -> int:
    """Bytes that a program may take: a dense one has a node, which is a closure, for every four or five characters of
    its actions."""
    name, source, left, right = key
    return PROGRAM + 4 * (len(name) + len(source)) + ACTION * code(source, left, right)
