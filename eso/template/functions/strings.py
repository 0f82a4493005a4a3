"""Functions on strings.

Neighbours: casing.py holds the word rules, common.py turns values into text. Strings are bytes: lengths and cuts count
bytes.
"""

from __future__ import annotations

from eso.gocompat import text as gotext
from eso.template import gofmt
from eso.template.bounds import Budget
from eso.template.functions import casing, common
from eso.template.functions.common import ELEMENT
from eso.template.values import FunctionError, NilStringList, Param, StringList, StringMap, Table, Value

TABLE = Table()
ANY, INT, STRING = Param.ANY, Param.INT, Param.STRING

_BYTE_SPACES = bytes(byte for byte in range(256) if gotext.is_space(chr(byte)))
_UNQUOTED = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
"""Bytes that stand for themselves between quotes."""
_DIGITS = b"0123456789"
_LETTERS = bytes(range(ord("A"), ord("Z") + 1)) + bytes(range(ord("a"), ord("z") + 1))
_SLOW, _SLOWEST = 32, 256
"""256ths of a step for each byte, where Python and not C looks at each character: once, or several times."""


def pieces(text: bytes, limit: int = -1) -> list[bytes]:
    """Single characters, an invalid byte being one; with a positive `limit` the last piece holds the rest."""
    chars = [char.encode("utf-8", "surrogateescape") for char in text.decode("utf-8", "surrogateescape")]
    if 0 < limit < len(chars):
        chars[limit - 1 :] = [b"".join(chars[limit - 1 :])]
    return chars


def split_text(budget: Budget, separator: bytes, text: bytes, limit: int = -1) -> list[bytes]:
    """Go's SplitN: at most `limit` parts, 0: none, negative: all; an empty separator cuts between characters."""
    if limit == 0:
        return []
    count = text.count(separator) + 1
    budget.spend(count)
    budget.check_size(len(text) + (ELEMENT + 33) * count)
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    return pieces(text, limit)


# --- case


@TABLE.function("upper", params=(STRING,), budget=True)
def upper(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, 1 if text.isascii() else _SLOW)
    return gotext.upper(text)


@TABLE.function("lower", params=(STRING,), budget=True)
def lower(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, 1 if text.isascii() else _SLOW)
    return gotext.lower(text)


@TABLE.function("title", params=(STRING,), budget=True)
def title(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOW)
    return gotext.title(text)


@TABLE.function("untitle", params=(STRING,), budget=True)
def untitle(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOW)
    first, out = True, []
    for char in gotext.runes(text):
        out.append(gotext.lower_rune(char) if first else char)
        first = gotext.is_space(char)
    return "".join(out).encode()


@TABLE.function("swapcase", params=(STRING,), budget=True)
def swapcase(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOW)
    first, out = True, []
    for char in gotext.runes(text):
        if gotext.is_upper(char) or gotext.is_title(char):
            out.append(gotext.lower_rune(char))
        elif gotext.is_lower(char):
            out.append(gotext.title_rune(char) if first else gotext.upper_rune(char))
        else:
            out.append(char)
        first = gotext.is_space(char)
    return "".join(out).encode()


@TABLE.function("snakecase", params=(STRING,), budget=True)
def snakecase(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOWEST, growth=2)
    return casing.joined_words(text, "_")


@TABLE.function("kebabcase", params=(STRING,), budget=True)
def kebabcase(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOWEST, growth=2)
    return casing.joined_words(text, "-")


@TABLE.function("camelcase", params=(STRING,), budget=True)
def camelcase(budget: Budget, text: bytes) -> bytes:
    _pay(budget, text, _SLOWEST)
    return casing.pascal(text)


def _pay(budget: Budget, text: bytes, per_character: int, growth: int = 1) -> None:
    budget.spend(len(text) * per_character // 256)
    common.afford(budget, len(text) * growth)


# --- trimming and cutting


@TABLE.function("trim", params=(STRING,))
def trim(text: bytes) -> bytes:
    return gotext.trim_space(text)


@TABLE.function("trimAll", "trimall", params=(STRING, STRING))
def trim_all(cut: bytes, text: bytes) -> bytes:
    if not cut:
        return text
    characters = text.decode("utf-8", "surrogateescape").strip(cut.decode("utf-8", "surrogateescape"))
    made = characters.encode("utf-8", "surrogateescape")
    return text if len(made) == len(text) else made


@TABLE.function("trimPrefix", params=(STRING, STRING))
def trim_prefix(prefix: bytes, text: bytes) -> bytes:
    return text.removeprefix(prefix)


@TABLE.function("trimSuffix", params=(STRING, STRING))
def trim_suffix(suffix: bytes, text: bytes) -> bytes:
    return text.removesuffix(suffix)


@TABLE.function("substr", params=(INT, INT, STRING))
def substr(start: int, end: int, text: bytes) -> bytes:
    if start < 0:
        start = 0
    elif end < 0 or end > len(text):
        end = len(text)
    if not 0 <= start <= end <= len(text):
        problem = "runtime error: slice bounds out of range"
        raise FunctionError(f"{problem} [{start}:{end}]", told=problem)
    return text[start:end]


@TABLE.function("trunc", params=(INT, STRING))
def trunc(count: int, text: bytes) -> bytes:
    if count < 0:
        return text[count:] if len(text) + count > 0 else text
    return text[:count]


@TABLE.function("abbrev", params=(INT, STRING))
def abbrev(width: int, text: bytes) -> bytes:
    return text if width < 4 or len(text) <= width else text[: width - 3] + b"..."


@TABLE.function("abbrevboth", params=(INT, INT, STRING))
def abbrev_both(left: int, width: int, text: bytes) -> bytes:
    if width < 4 or (left > 0 and width < 7) or len(text) <= width:
        return text
    offset = min(left, len(text))
    if len(text) - offset < width - 3:
        offset = len(text) - (width - 3)
    if offset <= 4:
        return text[: width - 3] + b"..."
    if offset + width - 3 < len(text):
        return b"..." + abbrev(width - 3, text[offset:])
    return b"..." + text[-(width - 3) :]


@TABLE.function("initials", params=(STRING,), budget=True)
def initials(budget: Budget, text: bytes) -> bytes:
    budget.spend(len(text) // 8)
    gap, out = True, []
    for byte in text:
        blank = byte in _BYTE_SPACES
        if gap and not blank:
            out.append(chr(byte))
        gap = blank
    return "".join(out).encode()


@TABLE.function("nospace", params=(STRING,))
def nospace(text: bytes) -> bytes:
    kept = text.translate(None, _BYTE_SPACES)
    # Once something was dropped, each remaining byte is written out as a character of its own: non-ASCII text is
    # damaged, as in the reference.
    return text if len(kept) == len(text) else kept.decode("latin-1").encode()


# --- looking and replacing


@TABLE.function("contains", params=(STRING, STRING))
def contains(part: bytes, text: bytes) -> bool:
    return part in text


@TABLE.function("hasPrefix", params=(STRING, STRING))
def has_prefix(prefix: bytes, text: bytes) -> bool:
    return text.startswith(prefix)


@TABLE.function("hasSuffix", params=(STRING, STRING))
def has_suffix(suffix: bytes, text: bytes) -> bool:
    return text.endswith(suffix)


@TABLE.function("replace", params=(STRING, STRING, STRING), budget=True)
def replace(budget: Budget, old: bytes, new: bytes, text: bytes) -> bytes:
    count = text.count(old)
    budget.spend(count // 16)
    common.afford(budget, len(text) + count * max(len(new) - len(old), 0))
    if old:
        return text.replace(old, new)
    budget.check_size((ELEMENT + 33) * len(text))
    return new + new.join(chars) + new if (chars := pieces(text)) else new


@TABLE.function("repeat", params=(INT, STRING), budget=True)
def repeat(budget: Budget, count: int, text: bytes) -> bytes:
    if count < 0:
        raise FunctionError("strings: negative Repeat count")
    common.afford(budget, count * len(text))
    return text * count


@TABLE.function("quote", variadic=True, params=(ANY,), budget=True)
def quote(budget: Budget, *values: Value) -> bytes:
    parts, tally = [], common.Tally(budget)
    for value in values:
        if value is not None:
            plain = common.text(budget, value)
            tally.add(len(plain) + 3)
            parts.append(_quoted(budget, plain))
    return common.joined(budget, b" ", parts)


def _quoted(budget: Budget, text: bytes) -> bytes:
    special = len(text) if not text.isascii() else len(text.translate(None, _UNQUOTED))
    if not special:
        return b'"' + text + b'"'
    budget.spend(len(text) // 4)
    common.afford(budget, len(text) + 3 * special)
    return gofmt.quoted(text)


@TABLE.function("squote", variadic=True, params=(ANY,), budget=True)
def squote(budget: Budget, *values: Value) -> bytes:
    parts, tally = [], common.Tally(budget)
    for value in values:
        if value is not None:
            plain = common.text(budget, value)
            tally.add(len(plain) + 3)
            parts.append(b"'%b'" % plain)
    return common.joined(budget, b" ", parts)


@TABLE.function("cat", variadic=True, params=(ANY,), budget=True)
def cat(budget: Budget, *values: Value) -> bytes:
    return common.joined(budget, b" ", [common.text(budget, value) for value in values if value is not None])


@TABLE.function("indent", params=(INT, STRING), budget=True)
def indent(budget: Budget, blanks: int, text: bytes) -> bytes:
    if blanks < 0:
        raise FunctionError("strings: negative Repeat count")
    lines = text.count(b"\n") + 1
    budget.spend(lines // 16)
    common.afford(budget, len(text) + lines * blanks)
    pad = b" " * blanks
    return pad + text.replace(b"\n", b"\n" + pad)


@TABLE.function("nindent", params=(INT, STRING), budget=True)
def nindent(budget: Budget, blanks: int, text: bytes) -> bytes:
    return b"\n" + indent(budget, blanks, text)


@TABLE.function("wrap", params=(INT, STRING), budget=True)
def wrap(budget: Budget, width: int, text: bytes) -> bytes:
    return _wrapped(budget, width, b"\n", text, cut=False)


@TABLE.function("wrapWith", params=(INT, STRING, STRING), budget=True)
def wrap_with(budget: Budget, width: int, separator: bytes, text: bytes) -> bytes:
    return _wrapped(budget, width, separator or b"\n", text, cut=True)


def _wrapped(budget: Budget, width: int, separator: bytes, text: bytes, *, cut: bool) -> bytes:
    """`text` folded at blanks so that lines have at most `width` bytes; longer words are cut there, or run over."""
    width = max(width, 1)
    lines: list[bytes] = []
    at = 0
    budget.check_size(len(text))
    while len(text) - at > width:
        budget.spend()
        if text[at] == 0x20:
            at += 1
            continue
        blank = text.rfind(b" ", at, at + width + 1)
        if blank >= 0:
            end, following = blank, blank + 1
        elif cut:
            end = following = at + width
        else:
            blank = text.find(b" ", at + width)
            if blank < 0:
                break
            end, following = blank, blank + 1
        budget.check_size(len(separator) + ELEMENT)
        lines.append(text[at:end])
        at = following
    lines.append(text[at:])
    return separator.join(lines)


@TABLE.function("plural", params=(STRING, STRING, INT))
def plural(one: bytes, many: bytes, count: int) -> bytes:
    return one if count == 1 else many


# --- strings and lists


@TABLE.function("toString", params=(ANY,), budget=True)
def to_string(budget: Budget, value: Value) -> bytes:
    return common.text(budget, value)


@TABLE.function("toStrings", params=(ANY,), budget=True)
def to_strings(budget: Budget, value: Value) -> StringList:
    return value if isinstance(value, NilStringList) else StringList(common.texts(budget, value))


@TABLE.function("join", params=(STRING, ANY), budget=True)
def join(budget: Budget, separator: bytes, value: Value) -> bytes:
    return common.joined(budget, separator, common.texts(budget, value))


@TABLE.function("split", params=(STRING, STRING), budget=True)
def split(budget: Budget, separator: bytes, text: bytes) -> StringMap:
    return _numbered(split_text(budget, separator, text))


@TABLE.function("splitn", params=(STRING, INT, STRING), budget=True)
def splitn(budget: Budget, separator: bytes, limit: int, text: bytes) -> StringMap:
    return _numbered(split_text(budget, separator, text, limit))


def _numbered(parts: list[bytes]) -> StringMap:
    return StringMap((b"_%d" % n, part) for n, part in enumerate(parts))


@TABLE.function("splitList", params=(STRING, STRING), budget=True)
def split_list(budget: Budget, separator: bytes, text: bytes) -> StringList:
    return StringList(split_text(budget, separator, text))


@TABLE.function("sortAlpha", params=(ANY,), budget=True)
def sort_alpha(budget: Budget, value: Value) -> StringList:
    if not isinstance(value, list):
        return StringList([common.text(budget, value)])
    if isinstance(value, NilStringList):
        return value
    texts = common.texts(budget, value)
    budget.spend(sum(map(len, texts)) // 1024)  # each is compared with some others, to the end where they are alike
    return StringList(sorted(texts))


# --- chance


@TABLE.function("shuffle", params=(STRING,), budget=True, dice=True)
def shuffle(budget: Budget, text: bytes) -> bytes:
    budget.check_size((ELEMENT + 33) * len(text))
    chars = list(gotext.runes(text))
    for last in range(len(chars) - 1, 0, -1):
        budget.spend()
        other = common.below(budget, last + 1)
        chars[last], chars[other] = chars[other], chars[last]
    return "".join(chars).encode()


def _random_function(name: str, alphabet: bytes) -> None:
    def draw(budget: Budget, count: int) -> bytes:
        common.afford(budget, max(count, 0))
        return common.choices(budget, alphabet, count) if count > 0 else b""

    TABLE.function(name, params=(INT,), budget=True, dice=True)(draw)


_random_function("randAlphaNum", _LETTERS + _DIGITS)
_random_function("randAlpha", _LETTERS)
_random_function("randNumeric", _DIGITS)
_random_function("randAscii", bytes(range(0x20, 0x7F)))


@TABLE.function("hello")
def hello() -> bytes:
    return b"Hello!"
