"""The tokens of a JSONPath, and where they stand: the words of Go's text/scanner, which error texts show.

Neighbours: jsonpathparse.py makes a path of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from eso.gocompat import text as gotext

EOF, IDENT, INT, FLOAT = "EOF", "Ident", "Int", "Float"
CHAR, STRING, RAW_STRING = "Char", "String", "RawString"
NAMED: Final = frozenset({EOF, IDENT, INT, FLOAT, CHAR, STRING, RAW_STRING})
_SKIPPED: Final = re.compile(r"(?:[ \t\r\n]++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+")
_NUMBER: Final = re.compile(
    r"(?:0[xX][0-9a-fA-F_]*+(?:\.[0-9a-fA-F_]*+)?|0[oObB][0-9_]*+(?:\.[0-9_]*+)?"
    r"|[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9][0-9_]*+)(?:[eEpP][+-]?[0-9_]*+)?"
)
_QUOTED: Final = {
    '"': (STRING, re.compile(r'"(?:[^"\\\n]|\\(?:[^\n]|\Z))*+["\n]?')),
    "'": (CHAR, re.compile(r"'(?:[^'\\\n]|\\(?:[^\n]|\Z))*+['\n]?")),
    "`": (RAW_STRING, re.compile(r"`[^`]*+`?")),
}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: one of NAMED, or the sign itself. `start`, `end`: offsets of its text."""

    kind: str
    text: str
    start: int
    end: int


def token_at(source: str, at: int) -> Token:
    """The first token at or behind `at`; blanks and comments are skipped."""
    skipped = _SKIPPED.match(source, at)
    assert skipped is not None
    start = skipped.end()
    if start >= len(source):
        return Token(EOF, "", start, start)
    sign = source[start]
    if sign == "_" or gotext.is_letter(sign):
        end = start + 1
        while end < len(source) and in_name(source[end]):
            end += 1
        return Token(IDENT, source[start:end], start, end)
    number = _NUMBER.match(source, start)
    if number is not None:
        whole = not re.search(r"\.|[pP]", number[0]) and (number[0][:2].lower() == "0x" or "e" not in number[0].lower())
        return Token(INT if whole else FLOAT, number[0], start, number.end())
    if sign in _QUOTED:
        kind, pattern = _QUOTED[sign]
        quoted = pattern.match(source, start)
        assert quoted is not None
        return Token(kind, quoted[0], start, quoted.end())
    return Token(sign, sign, start, start + 1)


def in_name(sign: str) -> bool:
    return sign == "_" or gotext.is_letter(sign) or gotext.is_digit(sign)


def place(source: str, offset: int) -> str:
    """`line:column`, in characters from 1."""
    before = source[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"


def shown(kind: str) -> str:
    return kind if kind in NAMED else gotext.quote(kind)
