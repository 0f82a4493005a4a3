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
    """`text` in lower case, its words joined by `connector`; connectors and punctuation that stand between words
    replace the joint."""
    words = list(_words(text.decode("utf-8", "surrogateescape")))
    out: list[str] = []
    at = 0
    while at < len(words):
        kind, word = words[at]
        at += 1
        if kind is Word.CONNECTOR or kind is Word.PUNCTUATION:
            out.append(_lowered(kind, word, connector))
            continue
        group: list[tuple[Word, str]] = [(kind, word)]
        if kind is Word.NUMBER:
            while at < len(words) and words[at][0] in (Word.LOWER, Word.NUMBER):
                group.append(words[at])
                at += 1
        elif (
            at < len(words)
            and words[at][0] is Word.NUMBER
            and not (at + 1 < len(words) and words[at + 1][0] is Word.LOWER)
        ):
            # digits belong to the word before them unless lower case follows: Bld4Floor, but http_2xx
            group.append(words[at])
            at += 1
        out.extend(_lowered(*part, connector) for part in group)
        if at < len(words) and words[at][0] not in (Word.CONNECTOR, Word.PUNCTUATION):
            out.append(connector)
    return "".join(out).encode("utf-8", "surrogateescape")


def _lowered(kind: Word, word: str, connector: str) -> str:
    """Only words in upper case and connectors are rewritten: there, bytes that are no text become U+FFFD."""
    if kind is Word.CONNECTOR:
        return "".join(connector if _is_connector(char) else "\ufffd" for char in word)
    if kind is Word.UPPER:
        return "".join(
            "\ufffd" if _is_invalid(char) else gotext.lower_rune(char) if gotext.is_upper(char) else char
            for char in word
        )
    return word


def _is_connector(char: str) -> bool:
    return char in "-_" or gotext.is_space(char)


def _is_invalid(char: str) -> bool:
    """A byte that is not text, or the character that stands for one."""
    return "\udc80" <= char <= "\udcff" or char == "\ufffd"


def _is_cjk(char: str) -> bool:
    """The ideographs that xstrings does not count as letters of an alphabet."""
    return "\u3400" <= char <= "\u4d85" or "\u4e00" <= char <= "\u9fcc" or "\U00020000" <= char <= "\U0002b81d"


def _kind(char: str) -> Word:
    if _is_connector(char):
        return Word.CONNECTOR
    if gotext.is_punct(char):
        return Word.PUNCTUATION
    if gotext.is_upper(char):
        return Word.UPPER
    if gotext.is_letter(char) and not _is_cjk(char):
        return Word.LOWER
    if gotext.is_number(char):
        return Word.NUMBER
    return Word.OTHER


def _units(text: str) -> list[str]:
    """Characters, each with the invalid bytes before it; those at the end belong to the last character."""
    units: list[str] = []
    start = 0
    for at, char in enumerate(text):
        if not _is_invalid(char):
            units.append(text[start : at + 1])
            start = at + 1
    rest = text[start:]
    if rest and units:
        units[-1] += rest
    elif rest:
        units.append(rest)
    return units


def _words(text: str) -> Iterator[tuple[Word, str]]:
    units = _units(text)
    kinds = [_kind(next((char for char in unit if not _is_invalid(char)), "\ufffd")) for unit in units]
    at = 0
    while at < len(units):
        kind = kinds[at]
        end = at + 1
        while end < len(units) and (
            kinds[end] is kind or (kind is Word.PUNCTUATION and gotext.is_punct(units[end][-1]))
        ):
            end += 1  # behind punctuation, `-` and `_` are punctuation too
        if kind is Word.UPPER and end < len(units) and kinds[end] is Word.LOWER:
            if end - at > 1:
                end -= 1  # HTTPServer: the S starts the next word
            else:
                while end < len(units) and kinds[end] is Word.LOWER:
                    end += 1
        yield kind, "".join(units[at:end])
        at = end


def pascal(text: bytes) -> bytes:
    """PascalCase: the last connector of each run goes, the character behind it grows; runs of capitals at the start of
    a word shrink."""
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
