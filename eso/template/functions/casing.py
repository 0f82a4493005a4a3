"""snake_case, kebab-case and PascalCase, with the word rules that Go's xstrings gives to sprig.

Neighbours: strings.py registers them, gocompat.text knows the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from eso.gocompat import text as gotext


class Word(Enum):
    CONNECTOR = auto()
    PUNCTUATION = auto()
    UPPER = auto()
    LOWER = auto()
    NUMBER = auto()
    OTHER = auto()


def joined_words(text: bytes, connector: str) -> bytes:
    """`text` in lower case, its words joined by `connector`; connectors and punctuation that stand between words replace the joint."""
    words = list(_words(gotext.runes(text)))
    out: list[str] = []
    at = 0
    while at < len(words):
        kind, word = words[at]
        at += 1
        if kind is Word.CONNECTOR:
            out.append(connector * len(word))
            continue
        if kind is Word.PUNCTUATION:
            out.append(word)
            continue
        group = [word]
        if kind is Word.NUMBER:
            while at < len(words) and words[at][0] in (Word.LOWER, Word.NUMBER):
                group.append(words[at][1])
                at += 1
        elif at < len(words) and words[at][0] is Word.NUMBER and not (at + 1 < len(words) and words[at + 1][0] is Word.LOWER):
            group.append(words[at][1])  # digits belong to the word before them unless lower case follows: Bld4Floor, but http_2xx
            at += 1
        out.extend(gotext.lower_rune(char) for part in group for char in part)
        if at < len(words) and words[at][0] not in (Word.CONNECTOR, Word.PUNCTUATION):
            out.append(connector)
    return "".join(out).encode()


def _is_connector(char: str) -> bool:
    return char in "-_" or gotext.is_space(char)


def _kind(char: str) -> Word:
    if _is_connector(char):
        return Word.CONNECTOR
    if gotext.is_punct(char):
        return Word.PUNCTUATION
    if gotext.is_upper(char):
        return Word.UPPER
    if gotext.is_letter(char):
        return Word.LOWER
    if gotext.is_digit(char):
        return Word.NUMBER
    return Word.OTHER


def _words(text: str) -> Iterator[tuple[Word, str]]:
    kinds = [_kind(char) for char in text]
    at = 0
    while at < len(text):
        kind = kinds[at]
        end = at + 1
        while end < len(text) and kinds[end] is kind:
            end += 1
        if kind is Word.UPPER and end < len(text) and kinds[end] is Word.LOWER:
            if end - at > 1:
                end -= 1  # HTTPServer: the S starts the next word
            else:
                while end < len(text) and kinds[end] is Word.LOWER:
                    end += 1
        yield kind, text[at:end]
        at = end


def pascal(text: bytes) -> bytes:
    """PascalCase: the last connector of each run goes, the character behind it grows; runs of capitals at the start of a word shrink."""
    chars = gotext.runes(text)
    at = 0
    while at < len(chars) and _is_connector(chars[at]):
        at += 1
    out = [chars[:at]]
    if at == len(chars):
        # A text of connectors only repeats its last one; an empty text stays empty.
        return (chars + chars[-1:]).encode()
    shrinking = gotext.is_upper(chars[at])
    out.append(gotext.upper_rune(chars[at]))
    at += 1
    while at < len(chars):
        end = at
        while end < len(chars) and _is_connector(chars[end]):
            end += 1
        if end == len(chars):
            out.append(chars[at:])
            break
        char = chars[end]
        if end > at:
            out.append(chars[at : end - 1])
            shrinking = gotext.is_upper(char)
            out.append(gotext.upper_rune(char))
        elif shrinking and gotext.is_upper(char):
            out.append(gotext.lower_rune(char))
        else:
            shrinking = False
            out.append(char)
        at = end + 1
    return "".join(out).encode()
