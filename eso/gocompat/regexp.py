"""Regular expressions as Go has them: RE2, on bytes, with Go's empty-match rules, replacement syntax and error texts.

Neighbours: values.rewrite, template functions, providers for `find.name.regexp`. Each search is linear in the text;
memory is bounded per expression.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import re2  # type: ignore[import-untyped,unused-ignore]  # the package ships no type information

from eso.errors import Terminal
from eso.gocompat import text as gotext

MAX_MEMORY: Final = 8 << 20
MAX_GROUPS: Final = 1000
CACHED: Final = 32
CACHED_PROGRAM_SIZE: Final = 20_000

Span = tuple[int, int]
_NOTHING: Final = (-1, -1)
_TEXTS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}
_ALWAYS_WITH_PART: Final = ("trailing backslash at end of expression",)
_TOKEN: Final = re.compile(
    rb"\\Q.*?(?:\\E|\Z)|\\[pP]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?\w*:\]|[^\]\\])*+\]|\(\?P?<|.",
    re.DOTALL,
)
_CLASS_NAME: Final = re.compile(rb"\\[pP]\{[^}]*\}")
_CATEGORY_NAMES: Final = """
    L=letter Lu=uppercaseletter Ll=lowercaseletter Lt=titlecaseletter Lm=modifierletter Lo=otherletter
    M=mark Mn=nonspacingmark Mc=spacingmark Me=enclosingmark N=number Nd=decimalnumber Nl=letternumber No=othernumber
    P=punctuation Pc=connectorpunctuation Pd=dashpunctuation Ps=openpunctuation Pe=closepunctuation Pi=initialpunctuation
    Pf=finalpunctuation Po=otherpunctuation S=symbol Sm=mathsymbol Sc=currencysymbol Sk=modifiersymbol So=othersymbol
    Z=separator Zs=spaceseparator Zl=lineseparator Zp=paragraphseparator C=other Cc=control Cf=format Co=privateuse Cs=surrogate
"""
_CATEGORIES: Final = {
    name.encode(): short.encode() for short, _, name in (pair.partition("=") for pair in _CATEGORY_NAMES.split())
}


class RegexpError(Terminal, ValueError):
    """``error parsing regexp: <what>: `<part of the expression>` ``, Go's text."""

    def __init__(self, what: str, pattern: bytes) -> None:
        super().__init__(f"error parsing regexp: {what}")
        self.pattern = pattern

    def as_panic(self) -> str:
        """The text of functions that compile with `MustCompile`."""
        return f"regexp: Compile({gotext.backquote(self.pattern)}): {self}"


@dataclass(frozen=True, slots=True)
class Regexp:
    """A compiled expression. Offsets are bytes. `visit` is called once per match, so that a caller can count work or
    raise."""

    pattern: bytes
    bare: Any
    """The expression with its groups as plain parentheses: finds the same matches, faster."""
    grouped: Any
    names: dict[bytes, int]

    def matches(self, text: bytes) -> bool:
        """Whether the expression matches anywhere in `text`."""
        return _Subject(text).search(self.bare, 0) is not None

    def find(self, text: bytes) -> bytes | None:
        """The leftmost match."""
        for start, end in self.spans(text, 1):
            return text[start:end]
        return None

    def find_all(self, text: bytes, limit: int = -1, visit: Callable[[], None] | None = None) -> list[bytes]:
        """At most `limit` successive matches; negative: all."""
        return [text[start:end] for start, end in self.spans(text, limit, visit)]

    def spans(self, text: bytes, limit: int = -1, visit: Callable[[], None] | None = None) -> Iterator[Span]:
        """Start and end of successive matches. None is empty directly behind the one before."""
        subject, position, previous = _Subject(text), 0, -1
        while limit and position <= len(subject.valid):
            found = subject.search(self.bare, position)
            if found is None:
                return
            if visit is not None:
                visit()
            start, end = found.span()
            accepted = True
            if end == position:
                accepted = start != previous
                position = subject.after(position)
            else:
                position = end
            previous = end
            if accepted:
                limit -= 1
                yield subject.original(start), subject.original(end)

    def split(self, text: bytes, limit: int = -1, visit: Callable[[], None] | None = None) -> list[bytes]:
        """The parts between matches: at most `limit` parts, the last unsplit; 0: none; negative: all."""
        if limit == 0:
            return []
        if self.pattern and not text:
            return [b""]
        parts: list[bytes] = []
        begin = end = 0
        for span in self.spans(text, limit, visit):
            if limit > 0 and len(parts) == limit - 1:
                break
            end = span[0]
            if span[1]:
                parts.append(text[begin:end])
            begin = span[1]
        if end != len(text):
            parts.append(text[begin:])
        return parts

    def replace_all(self, text: bytes, template: bytes, visit: Callable[[], None] | None = None) -> bytes:
        """All matches replaced; `$1`, `${1}`, `$name`, `${name}` and `$$` expand, unknown groups are empty."""
        pieces = _template(template)
        if all(isinstance(piece, bytes) for piece in pieces):
            return self._replaced(text, lambda _subject, _found: b"".join(pieces), self.bare, visit)  # type: ignore[arg-type]  # only bytes
        groups = [self._group(piece) if isinstance(piece, str) else piece for piece in pieces]

        def expand(subject: _Subject, found: Any) -> bytes:
            out = []
            for piece in groups:
                if isinstance(piece, bytes):
                    out.append(piece)
                elif piece is not None and (span := found.span(piece)) != _NOTHING:
                    out.append(subject.text[subject.original(span[0]) : subject.original(span[1])])
            return b"".join(out)

        return self._replaced(text, expand, self.grouped, visit)

    def replace_all_literal(self, text: bytes, replacement: bytes, visit: Callable[[], None] | None = None) -> bytes:
        """The same without expansion."""
        return self._replaced(text, lambda _subject, _found: replacement, self.bare, visit)

    def _replaced(
        self, text: bytes, replacement: Callable[[_Subject, Any], bytes], engine: Any, visit: Callable[[], None] | None
    ) -> bytes:
        subject, position, last, out = _Subject(text), 0, 0, []
        while position <= len(subject.valid):
            found = subject.search(engine, position)
            if found is None:
                break
            if visit is not None:
                visit()
            start, end = found.span()
            out.append(text[subject.original(last) : subject.original(start)])
            if end > last or start == 0:  # an empty match directly behind another is none
                out.append(replacement(subject, found))
            last = end
            position = end if end > position else subject.after(position)
        out.append(text[subject.original(last) :])
        return b"".join(out)

    def _group(self, name: str) -> int | None:
        """The group a `$name` means; numbers of one leading zero or too many digits are names."""
        if name.isascii() and name.isdigit() and len(name) < 9 and (name == "0" or name[0] != "0"):
            return int(name) if int(name) <= self.grouped.groups else None
        return self.names.get(name.encode())


def compile(pattern: bytes | str) -> Regexp:
    """Raises RegexpError."""
    source = pattern.encode("utf-8", "surrogatepass") if isinstance(pattern, str) else pattern
    with _lock:  # templates are rendered in threads too
        if (known := _cache.get(source)) is not None:
            _cache.move_to_end(source)
            return known
    grouped = _compiled(source, capturing=True)
    if grouped.groups > MAX_GROUPS:
        raise RegexpError("expression too large", source)
    bare = _compiled(source, capturing=False) if grouped.groups else grouped
    made = Regexp(source, bare, grouped, dict(grouped.groupindex))
    if grouped.programsize > CACHED_PROGRAM_SIZE:
        re2.purge()  # the library keeps 128 expressions of its own: none of them may be a large one
        return made
    with _lock:
        _cache[source] = made
        if len(_cache) > CACHED:
            _cache.popitem(last=False)
    return made


def quote_meta(text: bytes) -> bytes:
    """A backslash before each character that means something in an expression."""
    return re.sub(rb"[\\.+*?()|\[\]{}^$]", rb"\\\g<0>", text)


_cache: OrderedDict[bytes, Regexp] = OrderedDict()
_lock = threading.Lock()


class _Subject:
    """The text as the engine can read it: each invalid byte stands as U+FFFD, and offsets map back."""

    __slots__ = ("_offsets", "text", "valid")

    def __init__(self, text: bytes) -> None:
        self.text = self.valid = text
        self._offsets: dict[int, int] | None = None
        try:
            text.decode()
        except UnicodeDecodeError:
            self._map()

    def _map(self) -> None:
        characters = self.text.decode("utf-8", "surrogateescape")
        parts, offsets, here, there = [], {}, 0, 0
        for char in characters:
            offsets[there] = here
            invalid = "\udc80" <= char <= "\udcff"
            part = b"\xef\xbf\xbd" if invalid else char.encode()
            parts.append(part)
            here, there = here + (1 if invalid else len(part)), there + len(part)
        offsets[there] = here
        self.valid, self._offsets = b"".join(parts), offsets

    def original(self, offset: int) -> int:
        return offset if self._offsets is None else self._offsets[offset]

    def search(self, engine: Any, position: int) -> Any:
        """The leftmost match from `position` on."""
        while (found := engine.search(self.valid, position)) is not None and self._inside(found.start()):
            position = self.after(found.start())  # the engine sees `\\B` hold between the bytes of one character
        return found

    def _inside(self, position: int) -> bool:
        return position < len(self.valid) and self.valid[position] & 0xC0 == 0x80

    def after(self, position: int) -> int:
        """Behind the character at `position`; one behind the end at the end."""
        position += 1
        while self._inside(position):
            position += 1
        return position


def _compiled(source: bytes, *, capturing: bool) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MAX_MEMORY, False, not capturing
    adapted, refusal = _adapted(source)
    try:
        made = re2.compile(adapted, options)
    except re2.error as error:
        # an earlier error wins; an open group behind it is none
        if refusal is None or not error.args[0].startswith(b"missing )"):
            raise RegexpError(_go_text(error.args[0], source), source) from None
    if refusal is not None:
        raise RegexpError(refusal, source)
    return made


def _go_text(message: bytes, source: bytes) -> str:
    what, colon, part = message.decode("utf-8", "replace").partition(": ")
    if what.startswith("pattern too large"):
        return "expression too large"
    if what in ("missing )", "unexpected )"):
        part = source.decode("utf-8", "replace")  # as written, not as adapted
    elif what == "invalid repetition size":
        part = part.removesuffix("?")
    what = _TEXTS.get(what, what)
    return f"{what}: `{part}`" if colon or what in _ALWAYS_WITH_PART else what


def _adapted(source: bytes) -> tuple[bytes, str | None]:
    """The expression in the engine's own dialect, which differs from Go's in a few places; up to what only Go refuses,
    and its text."""
    out = []
    for token in _TOKEN.finditer(source):
        part = token[0]
        match part[:2]:
            case b"[":  # never closed: the engine says so
                out.append(source[token.start() :])
                break
            case b"\\C":
                return b"".join(out), "invalid escape sequence: `\\C`"
            case b"(?":
                rest = source[token.end() :]
                name, closed, _ = rest.partition(b">")
                if not closed or not re.fullmatch(rb"\w+", name):
                    shown = part + (name + closed if closed else rest)
                    return b"".join(out), f"invalid named capture: `{shown.decode('utf-8', 'replace')}`"
            case b"\\p" | b"\\P" if part.endswith(b"}"):
                part = _unicode_class(part, bare=True)
            case _ if part.startswith(b"["):
                part = _CLASS_NAME.sub(lambda found: _unicode_class(found[0], bare=False), part)
        out.append(part)
    return b"".join(out), None


def _unicode_class(part: bytes, *, bare: bool) -> bytes:
    """`\\p{Letter}` and the like by the names the engine knows; `bare`: not inside brackets."""
    name = re.sub(rb"[\s_-]", b"", part[3:-1]).lower()
    negated = (part[1:2] == b"P") != name.startswith(b"^")
    name = name.removeprefix(b"^")
    if name == b"ascii":
        ranges = rb"\x{80}-\x{10FFFF}" if negated else rb"\x{0}-\x{7F}"
        return b"[" + ranges + b"]" if bare else ranges
    if name in (b"lc", b"casedletter") and (bare or not negated):
        return (b"[^" if negated else b"[") * bare + rb"\p{Lu}\p{Ll}\p{Lt}" + b"]" * bare
    known = _CATEGORIES.get(name) or (
        name.capitalize() if name == b"any" or name.capitalize() in _CATEGORIES.values() else None
    )
    return (rb"\P{" if negated else rb"\p{") + known + b"}" if known else part


def _template(template: bytes) -> list[bytes | str]:
    """Literal bytes and, as str, group names. Linear: a target may be long."""
    text, pieces, at = template.decode("utf-8", "surrogateescape"), list[bytes | str](), 0
    while (dollar := text.find("$", at)) >= 0:
        pieces.append(text[at:dollar].encode("utf-8", "surrogateescape"))
        if text.startswith("$", dollar + 1):
            pieces.append(b"$")
            at = dollar + 2
        elif (reference := _reference(text, dollar + 1)) is None:
            pieces.append(b"$")
            at = dollar + 1
        else:
            name, at = reference
            pieces.append(name)
    pieces.append(text[at:].encode("utf-8", "surrogateescape"))
    return pieces


def _reference(text: str, at: int) -> tuple[str, int] | None:
    """The group name behind a `$`, and where what follows it begins; None when malformed."""
    braced = text.startswith("{", at)
    begin = end = at + braced
    while end < len(text) and (text[end] == "_" or gotext.is_letter(text[end]) or gotext.is_digit(text[end])):
        end += 1
    if begin == end or (braced and not text.startswith("}", end)):
        return None
    return text[begin:end], end + braced
