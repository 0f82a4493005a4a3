"""A JSONPath → its steps, with the grammar and the error texts of the reference's library.

Neighbours: jsonpathscan.py reads the tokens, jsonpath.py follows the steps. The language is small on purpose: of
operators only `==` and `!=` are known; the others are recognised and refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.template import constants
from eso.template.constants import LiteralError
from eso.values.jsonpathscan import CHAR, EOF, FLOAT, IDENT, INT, RAW_STRING, STRING, Token, place, shown, token_at

PATH_CHARACTERS: Final = 4 << 10
DEEPEST: Final = 64
"""Levels of expressions in expressions."""
# fmt: off
OPERATORS: Final = frozenset((
    "??", "||", "&&", "==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in", "^", "&", "|", "<<", ">>", "+", "-", "*", "/",
    "%", "**",
))
# fmt: on
SIGNS: Final = frozenset("".join(OPERATORS))
PREFIXES: Final = frozenset(name[:size] for name in OPERATORS for size in range(1, len(name) + 1))
MOST_INDEX: Final = float((1 << 31) - 1)


class PathInvalid(EsoError):
    """The text is no path."""


@dataclass(frozen=True, slots=True)
class Const:
    value: jsonenc.Value


@dataclass(frozen=True, slots=True)
class Negated:
    of: Expression


@dataclass(frozen=True, slots=True)
class Compared:
    left: Expression
    right: Expression
    equal: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """A word: a member of the document itself; what is not there is null."""

    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """A word that is called, which no value of a document can be."""

    name: str
    of: Variable


@dataclass(frozen=True, slots=True)
class Path:
    """`current`: begins at the element that a filter looks at, not at the document."""

    current: bool
    steps: tuple[Step, ...]


Expression = Const | Negated | Compared | Variable | Called | Path


@dataclass(frozen=True, slots=True)
class Member:
    key: Expression


@dataclass(frozen=True, slots=True)
class Script:
    """The value is replaced by what the expression gives."""

    of: Expression


@dataclass(frozen=True, slots=True)
class Every:
    """All members or elements."""


@dataclass(frozen=True, slots=True)
class Below:
    """The value itself and everything in it."""


@dataclass(frozen=True, slots=True)
class Several:
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    condition: Expression


@dataclass(frozen=True, slots=True)
class Range:
    start: Expression
    stop: Expression
    step: Expression


Step = Member | Script | Every | Below | Several | Filter | Range


def parse(source: str) -> Expression:
    """Raises PathInvalid."""
    if len(source) > PATH_CHARACTERS:
        raise PathInvalid(f"the path is longer than {PATH_CHARACTERS} characters", fix="write a shorter path")
    return _Parser(source).whole()


class _Fault(Exception):
    """Ends the parse; the text is without the place."""


class _Parser:
    """`held`: the last token was given back and comes again."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0
        self.token = Token(EOF, "", 0, 0)
        self.held = ""  # what was expected where it was given back
        self.started: int | None = 0  # of the last token, None behind signs that were read one by one
        self.depth = 0

    def whole(self) -> Expression:
        try:
            made = self.expression()
            if self.held and self.token.kind != EOF:
                raise _Fault(self.held)
        except _Fault as fault:
            start = f":{place(self.source, self.started)}" if self.started is not None else ""
            text = f"parsing error: {self.source}\t{start} - {place(self.source, self.at)} {fault}"
            raise PathInvalid(text, fix="see the page of the webhook provider for what a path may hold") from None
        return made

    # tokens

    def scan(self) -> Token:
        if self.held:
            self.held = ""
            return self.token
        self.token = token_at(self.source, self.at)
        self.at, self.started = self.token.end, self.token.start
        return self.token

    def give_back(self, unit: str, *wanted: str) -> None:
        self.held = self.unexpected(unit, *wanted)

    def unexpected(self, unit: str, *wanted: str) -> str:
        text = f"unexpected {shown(self.token.kind)} while scanning {unit}"
        if not wanted:
            return text
        names = [shown(kind) for kind in wanted]
        return f"{text} expected {', '.join(names[:-1])}{' or ' if names[1:] else ''}{names[-1]}"

    # expressions

    def expression(self) -> Expression:
        """Equality only, so that from left to right is the order."""
        made = self.operand()
        while (operator := self.operator()) is not None:
            made = Compared(made, self.operand(), operator == "==")
        return made

    def operand(self) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise PathInvalid("the path is nested too deeply", fix="write a simpler path")
        made = self.operand_at(self.scan())
        self.depth -= 1
        return made

    def operand_at(self, token: Token) -> Expression:
        match token.kind:
            case "$" | "@":
                return self.path(token.kind == "@")
            case "(":
                made = self.expression()
                if self.scan().kind != ")":
                    raise _Fault(self.unexpected("parentheses", ")"))
                return made
            case "-":
                return self.negated()
            case "Int" | "Float":
                return Const(number(token.text))
            case "String" | "RawString" | "Char":
                return Const(text_of(token))
            case "Ident" if token.text in ("true", "false"):
                return Const(token.text == "true")
            case "Ident":
                return self.variable(token.text)
        raise _Fault(self.unexpected("extensions"))

    def negated(self) -> Expression:
        of = self.operand()
        if not isinstance(of, Const):
            return Negated(of)
        value = as_number(of.value)
        if value is None:
            kind = "bool" if isinstance(of.value, bool) else "string"
            raise _Fault(f"unexpected {printed(of.value)}({kind}) expected number")
        return Const(-value)

    def variable(self, name: str) -> Expression:
        keys: list[Expression] = [Const(name.encode())]
        while True:
            match self.scan().kind:
                case ".":
                    if self.scan().kind != IDENT:
                        raise _Fault(self.unexpected("field", IDENT))
                    keys.append(Const(self.token.text.encode()))
                case "(":
                    self.arguments()
                    return Called(name, Variable(tuple(keys)))
                case "[":
                    keys.append(self.expression())
                    if self.scan().kind != "]":
                        raise _Fault(self.unexpected("array key", "]"))
                case _:
                    self.give_back("variable", ".", "(", "[")
                    return Variable(tuple(keys))

    def arguments(self) -> None:
        if self.scan().kind == ")":
            return
        self.give_back("scan arguments", ")")
        while True:
            self.expression()
            match self.scan().kind:
                case ")":
                    return
                case ",":
                    continue
            raise _Fault(self.unexpected("arguments", ")", ","))

    def operator(self) -> str | None:
        """`==` or `!=`; None, and the token again, where the expression ends."""
        token = self.scan()
        name = token.text
        if token.kind in SIGNS and token.kind not in (IDENT, EOF):
            while self.at < len(self.source) and name + self.source[self.at] in PREFIXES:
                name += self.source[self.at]
                self.at, self.started = self.at + 1, None
        if name in ("==", "!="):
            return name
        if len(name) > 1 and token.kind != IDENT and token.kind in SIGNS:
            raise _Fault(f"unknown operator {name}")
        self.give_back("operator")
        return None

    # paths

    def path(self, current: bool) -> Path:
        steps: list[Step] = []
        while True:
            match self.scan().kind:
                case ".":
                    self.select(steps)
                case "[":
                    steps.append(self.chosen(*self.bracket()))
                case "(":
                    self.script(steps)
                case _:
                    self.give_back("jsonpath", ".", "[", "(")
                    return Path(current, tuple(steps))

    def select(self, steps: list[Step]) -> None:
        match self.scan().kind:
            case "Ident":
                steps.append(Member(Const(self.token.text.encode())))
            case ".":
                steps.append(Below())
                self.below(steps)
            case "*":
                steps.append(Every())
            case _:
                raise _Fault(self.unexpected("JSON select", IDENT, ".", "*"))

    def below(self, steps: list[Step]) -> None:
        match self.scan().kind:
            case "Ident":
                steps.append(Member(Const(self.token.text.encode())))
            case "[":
                keys, separator = self.bracket()
                if separator == ":":
                    raise _Fault("mapper can not be combined with range query")
                several = separator != "?" and len(keys) == 1
                steps.append(Several(tuple(keys)) if several else self.chosen(keys, separator))
            case "*":
                steps.append(Every())
            case "(":
                self.script(steps)
            case _:
                raise _Fault(self.unexpected("JSON mapper", "[", IDENT, "*"))

    def script(self, steps: list[Step]) -> None:
        of = self.expression()
        if self.scan().kind != ")":
            raise _Fault(self.unexpected("jsnopath script", ")"))
        steps.append(Script(of))

    def chosen(self, keys: list[Expression], separator: str) -> Step:
        if separator == ":":
            if len(keys) > 3:
                raise _Fault("range query has at least the parameter [min:max:step]")
            usual: list[Expression] = [Const(0.0), Const(MOST_INDEX), Const(1.0)]
            return Range(*keys, *usual[len(keys) :])
        if separator == "?":
            if len(keys) != 1:
                raise _Fault("filter needs exactly one key")
            return Filter(keys[0])
        if not keys:
            return Every()
        return Member(keys[0]) if len(keys) == 1 else Several(tuple(keys))

    def bracket(self) -> tuple[list[Expression], str]:
        """What is in the brackets, and what stands between: `:`, `,`, `?` in front of a filter, or the end."""
        keys: list[Expression] = []
        separator = ""
        while True:
            token = self.scan().kind
            if token == "*":
                if self.scan().kind != "]":
                    raise _Fault(self.unexpected("JSON bracket star", "]"))
                return [], ""
            if token == ":":
                keys.append(Const(MOST_INDEX if len(keys) == 1 else 0.0))
            elif token != "?" and not (token == "]" and separator == ":"):
                self.give_back("jsonpath brackets")
                keys.append(self.expression())
                token = self.scan().kind
            separator = separator or token
            if token == "]":
                return keys, separator
            if token == "?" and keys:
                raise _Fault(self.unexpected("JSON filter", "]"))
            if token not in (":", ",", "?"):
                raise _Fault(self.unexpected("JSON bracket separator", ":", ","))
            if separator != token:
                raise _Fault(f"mixed {rune(separator)} and {rune(token)} in JSON bracket")


RUNES: Final = {EOF: -1, IDENT: -2, INT: -3, FLOAT: -4, CHAR: -5, STRING: -6, RAW_STRING: -7}


def rune(kind: str) -> int:
    return RUNES[kind] if kind in RUNES else ord(kind)


def number(text: str) -> float:
    value = constants.floating(text)
    if value is None:
        fault = "value out of range" if _DECIMAL.fullmatch(text) else "invalid syntax"
        raise _Fault(f'strconv.ParseFloat: parsing "{text}": {fault}')
    return value


def text_of(token: Token) -> bytes:
    text, quote = token.text, token.text[0]
    try:
        if len(text) < 2 or text[-1] != quote:
            raise LiteralError("invalid syntax")
        if token.kind == CHAR:
            return chr(constants.character(text).integer or 0).encode()
        return constants.string(text)
    except LiteralError:
        raise _Fault("could not parse string: invalid syntax") from None


def as_number(value: jsonenc.Value) -> float | None:
    """The number that a value is, or that a text writes."""
    match value:
        case bool():
            return None
        case float() | int():
            return float(value)
        case bytes() if value.isascii():
            text = value.decode()
            return float(text) if _SPECIAL.fullmatch(text) else constants.floating(text)
    return None


_DECIMAL: Final = re.compile(r"[0-9]*+\.?[0-9]*+(?:[eE][+-]?[0-9]++)?")
_SPECIAL: Final = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)


def printed(value: jsonenc.Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return value.decode("utf-8", "replace")
    return str(value)
