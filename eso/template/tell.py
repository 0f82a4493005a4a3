"""What of a failing call may be shown: the template's own literals, and never a value.

Neighbours: evaluate.py builds a `Tell` for each `fail`, and asks whether the arguments of another failing function are
literals. Provenance decides, not likeness: a value that happens to be equal to a literal is masked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from eso.gocompat.text import quote
from eso.template.parser import Bool, Chain, Command, Identifier, Nil, Node, Num, Pipe, String, Variable
from eso.template.values import Opaque, Value

MASK = "***"
LONGEST = 1 << 10
"""Characters of a message."""
SHORTEST = 2
"""Bytes of a literal that is known again by its identity: shorter ones are one object in the whole process."""

Get = Callable[[Any, Value], Value]
Tell = Callable[[Any, Value], str]
_DIRECTIVE = re.compile(r"%[-+# 0]*[0-9]*(?:\.[0-9]*)?(.)", re.DOTALL)


class Literals:
    """The string constants of one program, known by identity, and what its variables were declared as."""

    def __init__(self) -> None:
        self._kept: dict[int, bytes] = {}
        self.declared: dict[int, Pipe] = {}
        self.assigned: set[int] = set()

    def keep(self, value: bytes) -> None:
        if len(value) >= SHORTEST:
            self._kept[id(value)] = value

    def __contains__(self, value: Value) -> bool:
        return type(value) is bytes and self._kept.get(id(value)) is value


def constant(node: Node) -> bool:
    """Whether the operand stands in the template as it is."""
    match node:
        case String() | Num() | Bool() | Nil():
            return True
        case Pipe(names=[], commands=[Command(args=[only])]):
            return constant(only)
    return False


def silent(value: Value) -> bool:
    """Whether no message quotes such a value: times, versions, locations, flags."""
    return value is None or isinstance(value, bool | Opaque)


class Teller:
    """Builds `Tell`s for the expressions of one template body."""

    def __init__(self, literals: Literals, value: Callable[[Node], Get], slot: Callable[[str], int | None]) -> None:
        self.literals, self.value, self.slot = literals, value, slot

    def of(self, node: Node, depth: int = 0) -> Tell:
        """The text of an operand in which everything that is no literal is masked. Calls no function of a template."""
        match node:
            case _ if depth > 20:
                return masked
            case String(value=text):
                shown = text.decode("utf-8", "replace")
                return lambda state, dot: shown
            case Num() | Bool():
                shown = node.shown()
                return lambda state, dot: shown
            case Pipe(commands=commands):
                told: Tell | None = None
                for command in commands:
                    told = self.command(command, told, depth + 1)
                return told or masked
            case Identifier() | Chain():
                return masked
            case Variable(name=name, names=[]):
                return self.variable(node, self.slot(name), depth)
        return self.looked_up(node)

    def command(self, node: Command, piped: Tell | None, depth: int) -> Tell:
        first, rest = node.args[0], node.args[1:]
        if not isinstance(first, Identifier):
            return self.of(first, depth) if not rest and piped is None else masked
        parts = [self.of(argument, depth) for argument in rest] + ([piped] if piped else [])
        match first.name:
            case "printf" if rest and isinstance(rest[0], String):
                return formatted(rest[0].value.decode("utf-8", "replace"), parts[1:])
            case "print" | "toString":
                return joined("", parts)
            case "println":
                return joined(" ", parts, "\n")
            case "cat":
                return joined(" ", parts)
            case "quote":
                return joined(" ", parts, each=quote)
            case "squote":
                return joined(" ", parts, each=lambda text: f"'{text}'")
        return masked

    def variable(self, node: Variable, slot: int | None, depth: int) -> Tell:
        """As it was declared, if nothing is ever assigned to it; otherwise what it holds, if that is a literal."""
        look = self.looked_up(node)
        if slot is None or (pipe := self.literals.declared.get(slot)) is None:
            return look
        declared, assigned = self.of(pipe, depth + 1), self.literals.assigned

        def tell(state: Any, dot: Value) -> str:
            held = look(state, dot)
            return held if held != MASK or slot in assigned else declared(state, dot)

        return tell

    def looked_up(self, node: Node) -> Tell:
        get, literals = self.value(node), self.literals

        def tell(state: Any, dot: Value) -> str:
            value = get(state, dot)
            return value.decode("utf-8", "replace") if value in literals else MASK

        return tell


def masked(state: Any, dot: Value) -> str:
    return MASK


def joined(separator: str, parts: list[Tell], end: str = "", each: Callable[[str], str] = str) -> Tell:
    return lambda state, dot: separator.join(each(part(state, dot)) for part in parts) + end


def formatted(form: str, parts: list[Tell]) -> Tell:
    """`printf` with a format that is a literal. Directives that count arguments themselves mask what follows."""

    def tell(state: Any, dot: Value) -> str:
        left = iter(parts)

        def shown(found: re.Match[str]) -> str:
            if found[1] == "%":
                return "%"
            part = next(left, None)
            text = part(state, dot) if part is not None else MASK
            return quote(text) if found[1] == "q" else text

        head = re.split(r"%[-+# 0]*(?:\[|[0-9]*\*|[0-9]*\.\*)", form, maxsplit=1)
        return _DIRECTIVE.sub(shown, head[0]) + (MASK if len(head) > 1 else "")

    return tell


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
