"""Tokens → the tree of one template text, with its defined templates.

Neighbours: lexer.py cuts the tokens, evaluate.py compiles the tree. All names are checked here: an unknown function is
an error even where it would never run.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NoReturn

from eso.gocompat.text import quote
from eso.template import constants
from eso.template.constants import LiteralError, Number
from eso.template.lexer import (
    ASSIGN,
    BOOL,
    CHAR,
    CHARACTER,
    CLOSE,
    COMPLEX,
    DECLARE,
    DOT,
    EOF,
    ERROR,
    FIELD,
    IDENTIFIER,
    LEFT,
    NIL,
    NUMBER,
    OPEN,
    PIPE,
    RAW_STRING,
    RIGHT,
    SPACE,
    STRING,
    TEXT,
    VARIABLE,
    Lexer,
    Token,
)

MAX_DEPTH = 1_000
"""Parentheses and control structures inside each other."""

OPERANDS = frozenset(
    {BOOL, CHARACTER, COMPLEX, DOT, FIELD, IDENTIFIER, NUMBER, NIL, RAW_STRING, STRING, VARIABLE, OPEN}
)


class ParseError(Exception):
    """`text` is what users see after the name and line; `line` counts from 1."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


@dataclass(slots=True)
class Node:
    at: int
    """Offset in the source that messages point to."""

    def shown(self) -> str:
        """Re-printed from the tree."""
        raise NotImplementedError


@dataclass(slots=True)
class Text(Node):
    text: bytes


@dataclass(slots=True)
class Bool(Node):
    value: bool

    def shown(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True)
class Dot(Node):
    def shown(self) -> str:
        return "."


@dataclass(slots=True)
class Nil(Node):
    def shown(self) -> str:
        return "nil"


@dataclass(slots=True)
class Num(Node):
    number: Number

    def shown(self) -> str:
        return self.number.text


@dataclass(slots=True)
class String(Node):
    source: str
    value: bytes

    def shown(self) -> str:
        return self.source


@dataclass(slots=True)
class Identifier(Node):
    name: str

    def shown(self) -> str:
        return self.name


@dataclass(slots=True)
class Field(Node):
    names: list[str]

    def shown(self) -> str:
        return "".join("." + name for name in self.names)


@dataclass(slots=True)
class Variable(Node):
    name: str
    names: list[str]
    """Fields behind it."""

    def shown(self) -> str:
        return ".".join([self.name, *self.names])


@dataclass(slots=True)
class Chain(Node):
    """Fields of a parenthesised pipeline or of a function's result."""

    base: Pipe | Identifier
    names: list[str]

    def shown(self) -> str:
        base = f"({self.base.shown()})" if isinstance(self.base, Pipe) else self.base.shown()
        return ".".join([base, *self.names])


@dataclass(slots=True)
class Command(Node):
    args: list[Node]

    def shown(self) -> str:
        return " ".join(f"({arg.shown()})" if isinstance(arg, Pipe) else arg.shown() for arg in self.args)


@dataclass(slots=True)
class Pipe(Node):
    names: list[str] = field(default_factory=list)
    """Variables that get the value."""
    assigns: bool = False
    commands: list[Command] = field(default_factory=list)

    def shown(self) -> str:
        head = f"{', '.join(self.names)} {'=' if self.assigns else ':='} " if self.names else ""
        return head + " | ".join(command.shown() for command in self.commands)


@dataclass(slots=True)
class Action(Node):
    pipe: Pipe

    def shown(self) -> str:
        return f"{{{{{self.pipe.shown()}}}}}"


@dataclass(slots=True)
class Branch(Node):
    """`if`, `with` or `range`."""

    kind: str
    pipe: Pipe
    body: list[Node]
    other: list[Node] | None


@dataclass(slots=True)
class Jump(Node):
    """`break` or `continue`."""

    kind: str


@dataclass(slots=True)
class Call(Node):
    """`{{template}}`."""

    name: bytes
    pipe: Pipe | None

    def shown(self) -> str:
        return "{{template " + quote(self.name) + (f" {self.pipe.shown()}" if self.pipe else "") + "}}"


@dataclass(slots=True)
class Mark(Node):
    """`{{end}}` or `{{else}}`: never stays in a tree."""

    kind: str

    def shown(self) -> str:
        return f"{{{{{self.kind}}}}}"


def is_blank(nodes: list[Node]) -> bool:
    """Only white space: such a definition gives way to another of the same name."""
    return all(
        isinstance(node, Text) and not node.text.decode("utf-8", "surrogateescape").strip(_UNICODE_SPACE)
        for node in nodes
    )


_UNICODE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class _Scope:
    """What is local to one definition: variables in sight, and how many ranges are open."""

    __slots__ = ("ranges", "variables")

    def __init__(self) -> None:
        self.variables = ["$"]
        self.ranges = 0


class Parser:
    """One pass over one source."""

    def __init__(self, name: str, source: str, functions: Container[str], left: str, right: str) -> None:
        """`source` as lexer.py wants it. Raises TooManyTokens."""
        self.name = name
        self.source = source
        self.functions = functions
        self.tokens = Lexer(source, left, right).run()
        self.next = 0
        self.furthest = 0
        self.action_at: int | None = None
        self.depth = 0
        self.scope = _Scope()
        self.trees: dict[bytes, list[Node]] = {}

    def parse(self) -> dict[bytes, list[Node]]:
        """Template name → its nodes, the main text under its own name. Raises ParseError."""
        root: list[Node] = []
        while self.peek().kind != EOF:
            if self.peek().kind == LEFT:
                start = self.next
                self.take()
                if self.take_non_space().kind == "define":
                    self.definition()
                    continue
                self.next = start
            node = self.text_or_action()
            if isinstance(node, Mark):
                self.fail(f"unexpected {node.shown()}")
            root.append(node)
        self.add(self.name.encode("utf-8", "surrogateescape"), root)
        return self.trees

    # --- tokens -------------------------------------------------------------

    def peek(self) -> Token:
        self.furthest = max(self.furthest, self.next)
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.peek()
        if token.kind not in (EOF, ERROR):
            self.next += 1
        return token

    def peek_non_space(self) -> Token:
        if self.peek().kind == SPACE:
            self.next += 1
        return self.peek()

    def take_non_space(self) -> Token:
        self.peek_non_space()
        return self.take()

    def expect(self, kinds: tuple[str, ...], context: str) -> Token:
        token = self.take_non_space()
        if token.kind not in kinds:
            self.unexpected(token, context)
        return token

    def line(self, at: int) -> int:
        return 1 + self.source.count("\n", 0, at)

    def fail(self, text: str) -> NoReturn:
        raise ParseError(text, self.line(self.tokens[self.furthest].at))

    def unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind != ERROR:
            self.fail(f"unexpected {token.shown()} in {context}")
        where = ""
        if self.action_at is not None and self.line(self.action_at) != self.line(token.at):
            where = f" in action started at {self.name}:{self.line(self.action_at)}"
            if token.text.endswith(" action"):
                where = where.removeprefix(" in action")
        self.fail(token.text + where)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail("max expression depth exceeded")

    # --- structure ----------------------------------------------------------

    def add(self, name: bytes, nodes: list[Node]) -> None:
        if name not in self.trees or is_blank(self.trees[name]):
            self.trees[name] = nodes
        elif not is_blank(nodes):
            self.fail(f"template: multiple definition of template {quote(name)}")

    def definition(self) -> None:
        context = "define clause"
        name = self.unquoted(self.expect((STRING, RAW_STRING), context))
        self.expect((RIGHT,), context)
        self.isolated(name, context)

    def isolated(self, name: bytes, context: str) -> None:
        """The body of a `define` or `block`: sees no variables and no range of its surroundings."""
        outer, self.scope = self.scope, _Scope()
        outer_at, self.action_at = self.action_at, None
        before = self.furthest
        nodes, end = self.items()
        if end.kind != "end":
            if context == "block clause":
                # Go words this one where the clause stands, but that of a definition where the else stands
                self.furthest = before
            self.fail(f"unexpected {end.shown()} in {context}")
        self.add(name, nodes)
        self.scope, self.action_at = outer, outer_at

    def items(self) -> tuple[list[Node], Mark]:
        """Nodes up to the `end` or `else` that closes them."""
        nodes: list[Node] = []
        while self.peek_non_space().kind != EOF:
            node = self.text_or_action()
            if isinstance(node, Mark):
                return nodes, node
            nodes.append(node)
        self.fail("unexpected EOF")

    def text_or_action(self) -> Node:
        token = self.take_non_space()
        if token.kind == TEXT:
            return Text(token.at, token.text.encode("utf-8", "surrogateescape"))
        if token.kind == LEFT:
            self.action_at = token.at
            node = self.action()
            self.action_at = None
            return node
        self.unexpected(token, "input")

    def action(self) -> Node:
        token = self.take_non_space()
        match token.kind:
            case "if" | "with" | "range":
                return self.control(token.kind)
            case "else":
                return self.else_mark()
            case "end":
                return Mark(self.expect((RIGHT,), "end").at, "end")
            case "template":
                return self.call()
            case "block":
                return self.block()
            case "break" | "continue":
                following = self.take_non_space()
                if following.kind != RIGHT:
                    self.unexpected(following, f"{{{{{token.kind}}}}}")
                if not self.scope.ranges:
                    self.fail(f"{{{{{token.kind}}}}} outside {{{{range}}}}")
                return Jump(token.at, token.kind)
        if token.kind not in (EOF, ERROR):
            self.next -= 1
        return Action(token.at, self.pipeline("command", RIGHT))

    def else_mark(self) -> Mark:
        token = self.peek_non_space()
        if token.kind not in ("if", "with"):
            token = self.expect((RIGHT,), "else")
        return Mark(token.at, "else")

    def control(self, kind: str) -> Branch:
        self.enter()
        variables = len(self.scope.variables)
        pipe = self.pipeline(kind, RIGHT)
        self.scope.ranges += kind == "range"
        body, closing = self.items()
        self.scope.ranges -= kind == "range"
        other: list[Node] | None = None
        if closing.kind == "else":
            if kind != "range" and self.peek().kind == kind:
                self.take()
                other = [self.control(kind)]
            else:
                other, closing = self.items()
                if closing.kind != "end":
                    self.fail(f"expected end; found {closing.shown()}")
        del self.scope.variables[variables:]
        self.depth -= 1
        return Branch(pipe.at, kind, pipe, body, other)

    def call(self) -> Call:
        context = "template clause"
        token = self.take_non_space()
        name = self.template_name(token, context)
        pipe = None
        if self.peek_non_space().kind == RIGHT:
            self.take()
        else:
            pipe = self.pipeline(context, RIGHT)
        return Call(token.at, name, pipe)

    def block(self) -> Call:
        context = "block clause"
        token = self.take_non_space()
        name = self.template_name(token, context)
        pipe = self.pipeline(context, RIGHT)
        self.enter()
        self.isolated(name, context)
        self.depth -= 1
        return Call(token.at, name, pipe)

    def template_name(self, token: Token, context: str) -> bytes:
        if token.kind not in (STRING, RAW_STRING):
            self.unexpected(token, context)
        return self.unquoted(token)

    def unquoted(self, token: Token) -> bytes:
        try:
            return constants.string(token.text)
        except LiteralError as error:
            self.fail(str(error))

    # --- expressions --------------------------------------------------------

    def pipeline(self, context: str, end: str) -> Pipe:
        pipe = Pipe(self.peek_non_space().at)
        while self.peek_non_space().kind == VARIABLE:
            start = self.next
            variable = self.take()
            following = self.peek_non_space()
            declares = following.kind in (ASSIGN, DECLARE)
            if not declares and not (following.kind == CHAR and following.text == ","):
                self.next = start
                break
            self.take()
            pipe.assigns = following.kind == ASSIGN
            pipe.names.append(variable.text)
            self.scope.variables.append(variable.text)
            if declares:
                break
            if context != "range" or len(pipe.names) > 1:
                self.fail(f"too many declarations in {context}")
            if self.peek_non_space().kind not in (VARIABLE, RIGHT, CLOSE):
                self.fail("range can only initialize variables")
        while True:
            token = self.take_non_space()
            if token.kind == end:
                break
            if token.kind not in OPERANDS:
                self.unexpected(token, context)
            self.next -= 1
            pipe.commands.append(self.command())
        self.check(pipe, context)
        return pipe

    def check(self, pipe: Pipe, context: str) -> None:
        if not pipe.commands:
            self.fail(f"missing value for {context}")
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], Bool | Dot | Nil | Num | String):
                self.fail(f"non executable command in pipeline stage {stage}")

    def command(self) -> Command:
        command = Command(self.peek_non_space().at, [])
        while True:
            self.peek_non_space()
            if (operand := self.operand()) is not None:
                command.args.append(operand)
            token = self.take()
            if token.kind == SPACE:
                continue
            if token.kind in (RIGHT, CLOSE):
                self.next -= 1
            elif token.kind != PIPE:
                self.unexpected(token, "operand")
            break
        if not command.args:
            self.fail("empty command")
        return command

    def operand(self) -> Node | None:
        node = self.term()
        if node is None or self.peek().kind != FIELD:
            return node
        at = self.peek().at
        names = []
        while self.peek().kind == FIELD:
            names.append(self.take().text[1:])
        match node:
            case Field():
                return Field(at, node.names + names)
            case Variable():
                return Variable(at, node.name, node.names + names)
            case Pipe() | Identifier():
                return Chain(at, node, names)
        self.fail(f"unexpected . after term {quote(node.shown())}")

    def term(self) -> Node | None:
        token = self.take_non_space()
        at, text = token.at, token.text
        try:
            match token.kind:
                case "identifier":
                    if text not in self.functions:
                        self.fail(f'function "{text}" not defined')
                    return Identifier(at, text)
                case ".":
                    return Dot(at)
                case "nil":
                    return Nil(at)
                case "variable":
                    if text not in self.scope.variables:
                        self.fail(f'undefined variable "{text}"')
                    return Variable(at, text, [])
                case "field":
                    return Field(at, [text[1:]])
                case "bool":
                    return Bool(at, text == "true")
                case "character":
                    return Num(at, constants.character(text))
                case "complex":
                    return Num(at, constants.complex_number(text))
                case "number":
                    return Num(at, constants.number(text))
                case "string" | "raw":
                    return String(at, text, constants.string(text))
                case "(":
                    self.enter()
                    pipe = self.pipeline("parenthesized pipeline", CLOSE)
                    self.depth -= 1
                    return pipe
        except LiteralError as error:
            self.fail(str(error))
        if token.kind not in (EOF, ERROR):
            self.next -= 1
        return None
