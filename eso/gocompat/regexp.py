"""Regular expressions as Go has them: RE2, on bytes, with Go's empty-match rules, replacement syntax and error texts.

Neighbours: values.rewrite, template functions, providers for `find.name.regexp`. A search may take time in proportion
to the size of the compiled program times the length of the text. Both factors come from users: pattern and program are
capped, and each search spends from a `Meter` before it runs.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, Protocol

import re2  # type: ignore[import-untyped,unused-ignore]  # the package ships no type information

from eso.errors import Terminal
from eso.gocompat import text as gotext

MAX_MEMORY: Final = 1 << 20
"""Of one compiled expression, which keeps what it learned about texts; two of each are kept."""
PROBE_MEMORY: Final = 384 << 10
"""Room for 6,000 instructions: a program far beyond MAX_PROGRAM ends here, before it takes time."""
MAX_PATTERN: Final = 4 << 10
"""Bytes of an expression."""
MAX_PROGRAM: Final = 5_000
"""Instructions of a compiled expression; `\\pL` takes 1,200."""
MAX_COMPILING: Final = 9_000
"""Steps that compiling may cost."""
MAX_COPIES: Final = 1_000
"""Copies that nested repetitions may ask for: the engine refuses more."""
DEAREST: Final = 2_500
"""Steps after which the engine has met the end of its memory."""
MAX_GROUPS: Final = 1000
CACHED: Final = 32

UNITS_PER_STEP: Final = 128
"""Instructions × bytes that one step (a microsecond) pays for: the slowest engine takes 8 ns for each."""
STEPS_PER_CALL: Final = 5_000
"""What a search may cost where the caller brings no meter."""
MATCH: Final = 4
"""Steps that each match costs on top."""
STRING: Final = 41
"""Bytes that a string in a list takes beside its text."""
OFFSET: Final = 64
"""Bytes that the offset of one character takes."""

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
_GROUP_NAME: Final = re.compile(rb"\w+>")
_CLASS_NAME: Final = re.compile(rb"\\[pP]\{[^}]*\}")
_CATEGORY_NAMES: Final = """
    L=letter Lu=uppercaseletter Ll=lowercaseletter Lt=titlecaseletter Lm=modifierletter Lo=otherletter
    M=mark Mn=nonspacingmark Mc=spacingmark Me=enclosingmark N=number Nd=decimalnumber Nl=letternumber No=othernumber
    P=punctuation Pc=connectorpunctuation Pd=dashpunctuation Ps=openpunctuation Pe=closepunctuation
    Pi=initialpunctuation Pf=finalpunctuation Po=otherpunctuation S=symbol Sm=mathsymbol Sc=currencysymbol
    Sk=modifiersymbol So=othersymbol
    Z=separator Zs=spaceseparator Zl=lineseparator Zp=paragraphseparator C=other Cc=control Cf=format Co=privateuse
    Cs=surrogate
"""
_CATEGORIES: Final = {
    name.encode(): short.encode() for short, _, name in (pair.partition("=") for pair in _CATEGORY_NAMES.split())
}


class RegexpError(Terminal, ValueError):
    """``error parsing regexp: <what>: `<part of the expression>` ``, Go's text. `told` leaves the part out."""

    def __init__(self, what: str, pattern: bytes) -> None:
        super().__init__(f"error parsing regexp: {what}")
        self.pattern = pattern
        self.told = f"error parsing regexp: {what.partition(': `')[0]}"

    def as_panic(self) -> str:
        """The text of functions that compile with `MustCompile`."""
        return f"regexp: Compile({gotext.backquote(self.pattern)}): {self}"


class TooLarge(RegexpError):
    """The expression is longer, or its program larger, than it may be."""

    def __init__(self, what: str, pattern: bytes) -> None:
        super().__init__(f"expression too large: {what}", pattern)
        self.fix = "write a shorter expression, with fewer counted repetitions and Unicode classes"


class TooCostly(Terminal):
    """The texts are too long for the expression."""

    def __init__(self, steps: int) -> None:
        super().__init__(
            f"matching exceeds the limit of {steps} steps (program size × bytes of text / {UNITS_PER_STEP})",
            fix="write a simpler expression, or match fewer and shorter texts",
        )


class Meter(Protocol):
    """What a search spends from: the budget of a template, or an Allowance. A method that raises ends the search."""

    def spend(self, steps: int) -> None:
        """Counts work that is done for certain."""

    def may_take(self, steps: int) -> None:
        """Announces work of at most `steps` that usually takes less: it must fit into what is left."""

    def afford(self, size: int) -> None:
        """Announces a result of `size` bytes."""

    def check_size(self, size: int) -> None:
        """Counts `size` bytes."""


class Allowance:
    """Steps for the searches of one purpose, and for each of them. Bytes are free: the texts are in memory already."""

    __slots__ = ("each", "left", "steps")

    def __init__(self, steps: int = STEPS_PER_CALL, each: int = STEPS_PER_CALL) -> None:
        self.steps = self.left = steps
        self.each = each

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooCostly(self.steps)

    def may_take(self, steps: int) -> None:
        if steps > self.each:
            raise TooCostly(self.each)
        if steps > self.left:
            raise TooCostly(self.steps)

    def afford(self, size: int) -> None:
        pass

    def check_size(self, size: int) -> None:
        pass


def price(size: int, length: int) -> int:
    """Steps of one search of a program of `size` instructions over `length` bytes."""
    return 1 + size * (length + 1) // UNITS_PER_STEP


def compiling(pattern: bytes) -> int:
    """Steps of compiling: a Unicode class brings hundreds of ranges, a repetition as many copies as it counts, and one
    of a group with repetitions in it their product."""
    counts = [max(int(low), int(high or 0), 1) for low, high in _COUNTED.findall(pattern)]
    copies = min(prod(counts), MAX_COPIES) if b"){" in pattern else max(counts, default=1)
    classes = len(_CLASS.findall(pattern)) * (400 if b"(?" in pattern else 100)
    repeated = copies * len(pattern) // 4 if b"){" in pattern else sum(counts)
    return 8 + len(pattern) + 2 * pattern.count(b"?") + classes * min(copies, 30) + min(repeated, DEAREST)


_CLASS: Final = re.compile(rb"\\[pP]")
_COUNTED: Final = re.compile(rb"\{([0-9]{1,4}),?([0-9]{0,4})\}")


@dataclass(frozen=True, slots=True)
class Regexp:
    """A compiled expression. Offsets are bytes. Searches spend from `meter`; without one, from the expression's own
    allowance, or each from one of STEPS_PER_CALL."""

    pattern: bytes
    bare: Any
    """The expression with its groups as plain parentheses: finds the same matches, faster."""
    grouped: Any
    names: dict[bytes, int]
    allowance: Allowance | None = None

    def within(self, steps: int) -> Regexp:
        """The same expression for one purpose: all its searches together may cost `steps`."""
        return replace(self, allowance=Allowance(steps))

    @property
    def size(self) -> int:
        """Instructions of the larger program."""
        return int(self.grouped.programsize)

    def matches(self, text: bytes, meter: Meter | None = None) -> bool:
        """Whether the expression matches anywhere in `text`."""
        subject = _Subject(text, meter or self.allowance or Allowance())
        return subject.search(self.bare, 0) is not None

    def find(self, text: bytes, meter: Meter | None = None) -> bytes | None:
        """The leftmost match."""
        for start, end in self.spans(text, 1, meter):
            return text[start:end]
        return None

    def find_all(self, text: bytes, limit: int = -1, meter: Meter | None = None) -> list[bytes]:
        """At most `limit` successive matches; negative: all."""
        meter, found = meter or self.allowance or Allowance(), []
        for start, end in self.spans(text, limit, meter):
            meter.check_size(STRING + end - start)
            found.append(text[start:end])
        return found

    def spans(self, text: bytes, limit: int = -1, meter: Meter | None = None) -> Iterator[Span]:
        """Start and end of successive matches. None is empty directly behind the one before."""
        subject, position, previous = _Subject(text, meter or self.allowance or Allowance()), 0, -1
        while limit and position <= len(subject.valid):
            found = subject.search(self.bare, position)
            if found is None:
                return
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

    def split(self, text: bytes, limit: int = -1, meter: Meter | None = None) -> list[bytes]:
        """The parts between matches: at most `limit` parts, the last unsplit; 0: none; negative: all."""
        if limit == 0:
            return []
        if self.pattern and not text:
            return [b""]
        meter, parts = meter or self.allowance or Allowance(), list[bytes]()
        meter.check_size(len(text))
        begin = end = 0
        for span in self.spans(text, limit, meter):
            if limit > 0 and len(parts) == limit - 1:
                break
            meter.check_size(STRING)
            end = span[0]
            if span[1]:
                parts.append(text[begin:end])
            begin = span[1]
        if end != len(text):
            parts.append(text[begin:])
        return parts

    def replace_all(self, text: bytes, template: bytes, meter: Meter | None = None) -> bytes:
        """All matches replaced; `$1`, `${1}`, `$name`, `${name}` and `$$` expand, unknown groups are empty."""
        meter = meter or self.allowance or Allowance()
        meter.spend(len(template))
        pieces = [self._group(piece) if isinstance(piece, str) else piece for piece in _template(template)]
        literal = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        groups = [piece for piece in pieces if isinstance(piece, int)]
        if not groups:
            return self._replaced(text, lambda _subject, _found: [literal], len(literal), self.bare, meter)

        def expand(subject: _Subject, found: Any) -> list[bytes]:
            meter.spend(1 + len(pieces) // 4)
            spans = {group: found.span(group) for group in groups}
            meter.afford(sum(spans[group][1] - spans[group][0] for group in groups))
            out = []
            for piece in pieces:
                if isinstance(piece, bytes):
                    out.append(piece)
                elif piece is not None and (span := spans[piece]) != _NOTHING:
                    out.append(subject.text[subject.original(span[0]) : subject.original(span[1])])
            return out

        return self._replaced(text, expand, len(literal), self.grouped, meter)

    def replace_all_literal(self, text: bytes, replacement: bytes, meter: Meter | None = None) -> bytes:
        """The same without expansion."""
        return self._replaced(
            text,
            lambda _subject, _found: [replacement],
            len(replacement),
            self.bare,
            meter or self.allowance or Allowance(),
        )

    def _replaced(
        self, text: bytes, replacement: Callable[[_Subject, Any], list[bytes]], least: int, engine: Any, meter: Meter
    ) -> bytes:
        """`least`: bytes that each replacement has at least; what a group adds is affordable before it is copied."""
        subject, position, last, out = _Subject(text, meter), 0, 0, list[bytes]()
        made = len(text)
        while position <= len(subject.valid):
            found = subject.search(engine, position)
            if found is None:
                break
            start, end = found.span()
            out.append(text[subject.original(last) : subject.original(start)])
            if end > last or start == 0:  # an empty match directly behind another is none
                meter.afford(made + least)
                parts = replacement(subject, found)
                made += sum(map(len, parts))
                meter.afford(made)
                out += parts
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
    """Raises RegexpError. Takes at most MAX_COMPILING steps; `compiling` tells how many."""
    source = pattern.encode("utf-8", "surrogatepass") if isinstance(pattern, str) else pattern
    if len(source) > MAX_PATTERN:
        raise TooLarge(f"it has {len(source)} bytes, at most {MAX_PATTERN} are allowed", source[:MAX_PATTERN])
    if compiling(source) > MAX_COMPILING:
        raise TooLarge("compiling it takes too long", source)
    with _lock:  # templates are rendered in threads too
        if (known := _cache.get(source)) is not None:
            _cache.move_to_end(source)
            return known
    if _compiled(source, memory=PROBE_MEMORY).programsize > MAX_PROGRAM:
        raise TooLarge(f"its program has more than {MAX_PROGRAM} instructions", source)
    grouped = _compiled(source)
    if grouped.groups > MAX_GROUPS:
        raise TooLarge(f"it has more than {MAX_GROUPS} groups", source)
    bare = _compiled(source, capturing=False) if grouped.groups else grouped
    made = Regexp(source, bare, grouped, dict(grouped.groupindex))
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

    __slots__ = ("_meter", "_offsets", "text", "valid")

    def __init__(self, text: bytes, meter: Meter) -> None:
        self.text = self.valid = text
        self._meter = meter
        self._offsets: dict[int, int] | None = None
        try:
            text.decode()
        except UnicodeDecodeError:
            meter.spend(len(text) // 2)
            meter.check_size(OFFSET * len(text))
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
        """The leftmost match from `position` on.

        The engine may read on to the end of the text before it knows a match that ends earlier, so all of it is
        announced, and what the match covers is spent.
        """
        size, meter = engine.programsize, self._meter
        while True:
            worst = price(size, len(self.valid) - position)
            meter.may_take(worst)
            found = engine.search(self.valid, position)
            if found is None:
                meter.spend(worst)
                return None
            meter.spend(MATCH + price(size, found.end() - position))
            if not self._inside(found.start()):
                return found
            position = self.after(found.start())  # the engine sees `\\B` hold between the bytes of one character

    def _inside(self, position: int) -> bool:
        return position < len(self.valid) and self.valid[position] & 0xC0 == 0x80

    def after(self, position: int) -> int:
        """Behind the character at `position`; one behind the end at the end."""
        position += 1
        while self._inside(position):
            position += 1
        return position


def _compiled(source: bytes, *, capturing: bool = True, memory: int = MAX_MEMORY) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = memory, False, not capturing
    adapted, refusal = _adapted(source)
    try:
        made = re2.compile(adapted, options)
    except re2.error as error:
        # an earlier error wins; an open group behind it is none
        if refusal is None or not error.args[0].startswith(b"missing )"):
            raise _go_error(error.args[0], source) from None
    if refusal is not None:
        raise RegexpError(refusal, source)
    return made


def _go_error(message: bytes, source: bytes) -> RegexpError:
    what, colon, part = message.decode("utf-8", "replace").partition(": ")
    if what.startswith("pattern too large"):
        return TooLarge(f"its program has more than {MAX_PROGRAM} instructions", source)
    if what in ("missing )", "unexpected )"):
        part = source.decode("utf-8", "replace")  # as written, not as adapted
    elif what == "invalid repetition size":
        part = part.removesuffix("?")
    what = _TEXTS.get(what, what)
    return RegexpError(f"{what}: `{part}`" if colon or what in _ALWAYS_WITH_PART else what, source)


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
                if _GROUP_NAME.match(source, token.end()) is None:
                    end = source.find(b">", token.end())
                    shown = source[token.start() : end + 1 if end >= 0 else len(source)]
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
