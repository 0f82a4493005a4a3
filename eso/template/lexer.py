"""Template text → tokens.

Neighbours: parser.py reads the tokens and words the errors. Works on `str` that was decoded from UTF-8 with
`surrogateescape`, so every byte survives. An error is a last token, because what comes before it may have an error of
its own that users see first.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from eso.gocompat.text import is_print, quote

TEXT, LEFT, RIGHT, SPACE, EOF, ERROR = "text", "left", "right", "space", "EOF", "error"
IDENTIFIER, FIELD, VARIABLE, NUMBER, COMPLEX = "identifier", "field", "variable", "number", "complex"
CHARACTER, STRING, RAW_STRING, BOOL, CHAR = "character", "string", "raw", "bool", "char"
DOT, NIL, PIPE, OPEN, CLOSE, ASSIGN, DECLARE = ".", "nil", "|", "(", ")", "=", ":="
KEYWORDS: Final = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"}
)

MAX_TOKENS = 500_000

_SPACES = " \t\r\n"
_BLANKS = re.compile(r"[ \t\r\n]+")
_ASCII_WORD = re.compile(r"[A-Za-z0-9_]*")
_TRIM_LEFT = re.compile(r"-[ \t\r\n]")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"', re.DOTALL)
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'", re.DOTALL)
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?"
    r"|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)


class Token(NamedTuple):
    kind: str
    text: str
    at: int
    """Offset of the first character in the source."""

    def shown(self) -> str:
        """As `unexpected …` names it."""
        if self.kind == EOF:
            return "EOF"
        if self.kind == ERROR:
            return self.text
        if self.kind in KEYWORDS or self.kind == DOT:
            return f"<{self.text}>"
        short = self.text if len(self.text) <= 10 and _bytes_in(self.text) <= 10 else None
        return quote(self.text) if short is not None else quote(self.text[:10]) + "..."


def _bytes_in(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def code_point(char: str) -> str:
    """`U+002D '-'`; without the character when it does not print."""
    if "\udc80" <= char <= "\udcff":
        char = "\ufffd"
    return f"U+{ord(char):04X} '{char}'" if is_print(char) else f"U+{ord(char):04X}"


def is_word(char: str) -> bool:
    """Letters, decimal digits and `_`."""
    if char.isascii():
        return char.isalnum() or char == "_"
    category = unicodedata.category(char)
    return category[0] == "L" or category == "Nd"


class TooManyTokens(Exception):
    """The text has more than MAX_TOKENS tokens."""


class Lexer:
    """One pass over one source."""

    def __init__(self, source: str, left: str, right: str) -> None:
        self.source = source
        self.left = left
        self.right = right
        self.at = 0
        self.tokens: list[Token] = []

    def run(self) -> list[Token]:
        """All tokens, ending with EOF or ERROR. Raises TooManyTokens."""
        source, left = self.source, self.left
        while True:
            found = source.find(left, self.at)
            if found < 0:
                if self.at < len(source):
                    self._add(TEXT, source[self.at :], self.at)
                self._add(EOF, "", len(source))
                return self.tokens
            after = found + len(left)
            trims = _TRIM_LEFT.match(source, after) is not None
            text = source[self.at : found]
            if trims:
                text = text.rstrip(_SPACES)
            if text:
                self._add(TEXT, text, self.at)
            self.at = after + 2 if trims else after
            if source.startswith("/*", self.at):
                done = self._comment()
            else:
                self._add(LEFT, left, found)
                done = self._action()
            if not done:
                return self.tokens
            if len(self.tokens) > MAX_TOKENS:
                raise TooManyTokens

    def _add(self, kind: str, text: str, at: int) -> None:
        self.tokens.append(Token(kind, text, at))

    def _error(self, text: str, at: int) -> bool:
        self.tokens.append(Token(ERROR, text, at))
        return False

    def _right(self, at: int) -> int:
        """0: no right delimiter at `at`; 1: one; 2: one with a trim marker in front."""
        source = self.source
        if source[at : at + 1] in _SPACES and source.startswith("-", at + 1) and source.startswith(self.right, at + 2):
            return 2
        return 1 if source.startswith(self.right, at) else 0

    def _leave(self, trims: bool) -> None:
        """Goes past a right delimiter, and past the spaces behind it where a marker says so."""
        self.at += len(self.right) + (2 if trims else 0)
        if trims and (blanks := _BLANKS.match(self.source, self.at)):
            self.at = blanks.end()

    def _comment(self) -> bool:
        start = self.at
        end = self.source.find("*/", start + 2)
        if end < 0:
            return self._error("unclosed comment", start)
        right = self._right(end + 2)
        if not right:
            return self._error("comment ends before closing delimiter", start)
        self.at = end + 2
        self._leave(right == 2)
        return True

    def _action(self) -> bool:
        """Tokens up to the right delimiter; False after an error."""
        source, depth = self.source, 0
        while True:
            at = self.at
            right = self._right(at)
            if right:
                if depth:
                    return self._error("unclosed left paren", at)
                self._add(RIGHT, self.right, at + (2 if right == 2 else 0))
                self._leave(right == 2)
                return True
            if at >= len(source):
                return self._error("unclosed action", at)
            char = source[at]
            if char in _SPACES:
                blanks = _BLANKS.match(source, at)
                assert blanks is not None
                # The last blank belongs to a trim marker that follows it.
                end = blanks.end() - 1 if self._right(blanks.end() - 1) == 2 else blanks.end()
                if end > at:
                    self._add(SPACE, source[at:end], at)
                self.at = end
            elif char == "(" or char == ")":
                depth += 1 if char == "(" else -1
                if depth < 0:
                    return self._error("unexpected right paren", at)
                self._take(char, at + 1)
            elif not self._token(char, at):
                return False

    def _take(self, kind: str, end: int) -> bool:
        self.tokens.append(Token(kind, self.source[self.at : end], self.at))
        self.at = end
        return True

    def _token(self, char: str, at: int) -> bool:
        source = self.source
        following = source[at + 1 : at + 2]
        if char == "|" or char == "=":
            return self._take(char, at + 1)
        if char == ":":
            return self._take(DECLARE, at + 2) if following == "=" else self._error("expected :=", at)
        if char == '"':
            closed = _QUOTED.match(source, at)
            return self._take(STRING, closed.end()) if closed else self._error("unterminated quoted string", at)
        if char == "`":
            end = source.find("`", at + 1)
            return self._take(RAW_STRING, end + 1) if end >= 0 else self._error("unterminated raw quoted string", at)
        if char == "'":
            closed = _CHARACTER.match(source, at)
            return self._take(CHARACTER, closed.end()) if closed else self._error("unterminated character constant", at)
        if char == "$":
            return self._name(VARIABLE, VARIABLE, at + 1)
        if char == "." and following and not "0" <= following <= "9":
            return self._name(FIELD, DOT, at + 1)
        if char in ".+-" or "0" <= char <= "9":
            return self._number(at)
        if is_word(char):
            return self._word(at)
        if char.isascii() and char.isprintable():
            return self._take(CHAR, at + 1)
        return self._error(f"unrecognized character in action: {code_point(char)}", at)

    def _word_end(self, at: int) -> int:
        source = self.source
        while True:
            match = _ASCII_WORD.match(source, at)
            at = match.end() if match else at
            if at >= len(source) or source[at].isascii() or not is_word(source[at]):
                return at
            at += 1

    def _ends_word(self, at: int) -> bool:
        return at >= len(self.source) or self.source[at] in " \t\r\n.,|:()" or self.source.startswith(self.right, at)

    def _name(self, kind: str, alone: str, at: int) -> bool:
        """What follows `.` or `$`."""
        if self._ends_word(at):
            return self._take(alone, at)
        end = self._word_end(at)
        if not self._ends_word(end):
            return self._error(f"bad character {code_point(self.source[end])}", self.at)
        return self._take(kind, end)

    def _word(self, at: int) -> bool:
        end = self._word_end(at)
        if not self._ends_word(end):
            return self._error(f"bad character {code_point(self.source[end])}", at)
        word = self.source[at:end]
        return self._take(word if word in KEYWORDS else BOOL if word in ("true", "false") else IDENTIFIER, end)

    def _number(self, at: int) -> bool:
        source, start = self.source, at
        for part in (1, 2):
            match = _NUMBER.match(source, at)
            assert match is not None
            at = match.end()
            if at < len(source) and is_word(source[at]):
                return self._error(f"bad number syntax: {quote(source[start : at + 1])}", start)
            if part == 2 and source[at - 1] != "i":
                return self._error(f"bad number syntax: {quote(source[start:at])}", start)
            if source[at : at + 1] not in ("+", "-"):
                return self._take(NUMBER if part == 1 else COMPLEX, at)
        return self._take(COMPLEX, at)
