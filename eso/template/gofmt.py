"""How values print: plain text, `print`, `println`, `printf` and the Go-quoted form.

Neighbours: evaluate.py prints actions with it, functions/ use `plain` and `quoted`. Wrong verbs and missing arguments
are text, never errors; only a Budget ends a print that would be too large or too deep.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Final

from eso.gocompat import text as gotext
from eso.template.bounds import Budget
from eso.template.values import ByteList, GoInt, NilList, NilStringList, Opaque, Value, text_of, type_name

NIL = b"<nil>"
MAX_STAR = 1_000_000


@dataclass(frozen=True, slots=True)
class Spec:
    """Flags, width and precision of one directive."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    plus_v: bool = False
    sharp_v: bool = False
    width: int | None = None
    precision: int | None = None

    def pad(self, text: bytes) -> bytes:
        """To the width, counted in characters."""
        if not self.width:
            return text
        missing = self.width - characters(text)
        if missing <= 0:
            return text
        if self.minus:
            return text + b" " * missing
        return (b"0" if self.zero else b" ") * missing + text


PLAIN = Spec()
PADDING: Final = 256  # bytes of blanks and zeros that cost a step
QUOTED: Final = 16  # bytes of a text that is not printed as it is
NAMED: Final = 8  # steps of a value whose type has a text of its own: a date takes some 15 microseconds
ALIKE: Final = 8 << 10  # bytes of two texts that are compared for a step
DIGITS: Final = 8  # digits of a float that cost a step: a microsecond


# --- text


def characters(text: bytes) -> int:
    """UTF-8 characters; each byte that belongs to none counts as one."""
    return len(text) if text.isascii() else len(text.decode("utf-8", "surrogateescape"))


def first_characters(text: bytes, count: int) -> bytes:
    if text.isascii():
        return text[:count]
    return text.decode("utf-8", "surrogateescape")[:count].encode("utf-8", "surrogateescape")


printable = gotext.is_print


def quoted(text: bytes, *, ascii_only: bool = False) -> bytes:
    """A double-quoted Go string constant (`%q`). Bytes that are not UTF-8 become \\xNN."""
    return gotext.quote(text, ascii_only=ascii_only).encode()


def quoted_character(code: int, *, ascii_only: bool = False) -> bytes:
    """A single-quoted Go character constant."""
    return gotext.quote_rune(_character(code), ascii_only=ascii_only).encode()


def _character(code: int) -> str:
    return chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"


# --- floats


def float_digits(number: float, verb: str, precision: int | None) -> str:
    """Unsigned text of a finite or infinite float for one of `b e E f g G x X`; `precision` None = shortest that reads
    back the same."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Inf"
    if verb == "b":
        return _binary_form(number)
    if verb in "xX":
        return _hex_form(number, verb, precision)
    return gotext.format_float(abs(number), verb, -1 if precision is None else precision)


def _parts(number: float) -> tuple[int, int]:
    """(mantissa, exponent) with abs(number) = mantissa * 2**exponent as the bits of the double say."""
    bits = struct.unpack(">Q", struct.pack(">d", abs(number)))[0]
    mantissa, exponent = bits & ((1 << 52) - 1), bits >> 52
    return (mantissa, -1074) if exponent == 0 else (mantissa | 1 << 52, exponent - 1075)


def _binary_form(number: float) -> str:
    mantissa, exponent = _parts(number)
    return f"{mantissa}p{exponent:+d}"


def _hex_form(number: float, verb: str, precision: int | None) -> str:
    mantissa, exponent = _parts(number)
    if mantissa == 0:
        exponent = 0
    else:
        shift = 53 - mantissa.bit_length()
        mantissa, exponent = mantissa << shift, exponent - shift + 52
    if precision is not None and precision < 13:
        drop = 52 - 4 * precision
        rest, mantissa = mantissa & ((1 << drop) - 1), mantissa >> drop
        half = 1 << (drop - 1)
        if rest > half or (rest == half and mantissa & 1):
            mantissa += 1
        if mantissa >> (4 * precision + 1):
            mantissa >>= 1
            exponent += 1
        mantissa <<= drop
    fraction = f"{mantissa & ((1 << 52) - 1):013x}"
    fraction = fraction.rstrip("0") if precision is None else fraction[:precision].ljust(precision, "0")
    text = f"0x{mantissa >> 52:x}{'.' if fraction else ''}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text.upper() if verb == "X" else text


def _negative(number: float) -> bool:
    return number == number and math.copysign(1.0, number) < 0


def _float(number: float, verb: str, spec: Spec) -> bytes:
    precision = spec.precision
    if precision is None and verb in "eEfF":
        precision = 6
    verb = {"v": "g", "F": "f"}.get(verb, verb)
    body = float_digits(number, verb, precision)
    sign = "-" if _negative(number) else "+"
    if spec.space and sign == "+" and not spec.plus:
        sign = " "
    if body[0] in "IN":
        if body == "NaN" and not spec.space and not spec.plus:
            sign = ""
        elif sign == "+" and not spec.plus and body == "Inf":
            sign = "+"
        return replace(spec, zero=False).pad((sign + body).encode())
    if spec.sharp and verb != "b":
        body = _with_point(body, verb, precision)
    if spec.plus or sign != "+":
        if spec.zero and not spec.minus and spec.width and spec.width > len(body) + 1:
            return (sign + body.rjust(spec.width - 1, "0")).encode()
        return spec.pad((sign + body).encode())
    return spec.pad(body.encode())


def _with_point(body: str, verb: str, precision: int | None) -> str:
    """The `#` flag: always a decimal point, and trailing zeros kept for g."""
    digits = 0
    if verb in "gGx":
        digits = 6 if precision is None else precision
    hexadecimal = verb in "xX"
    cut = next((i for i, c in enumerate(body) if c in "pP" or (c in "eE" and not hexadecimal)), len(body))
    head, tail = body[:cut], body[cut:]
    seen = False
    for c in head:
        if c == ".":
            continue
        seen = seen or c != "0"
        digits -= seen
    if "." not in head:
        if head == "0":
            digits -= 1
        head += "."
    return head + "0" * max(digits, 0) + tail


# --- the verbs


def _integer(number: int, verb: str, spec: Spec) -> bytes:
    unsigned = isinstance(number, GoInt) and not number.signed
    if verb == "v":
        if spec.sharp_v and unsigned:
            spec, verb = replace(spec, sharp=True), "x"
        else:
            verb = "d"
    if verb == "c":
        return spec.pad(_character(number).encode("utf-8"))
    if verb == "q":
        return spec.pad(quoted_character(number, ascii_only=spec.plus))
    if verb == "U":
        code = number if number >= 0 else number + (1 << 64)
        text = f"U+{code:0{max(4, spec.precision or 0)}X}"
        if spec.sharp and code <= 0x10FFFF and gotext.is_print(chr(code)):
            text += f" '{chr(code)}'"
        return replace(spec, zero=False).pad(text.encode("utf-8"))
    if spec.precision == 0 and number == 0:
        return b" " * (spec.width or 0)
    digits = f"{abs(number):{'o' if verb == 'O' else verb}}"
    signed = number < 0 or spec.plus or spec.space
    if spec.precision is not None:
        digits = digits.rjust(spec.precision, "0")
    elif spec.zero and not spec.minus and spec.width is not None:
        digits = digits.rjust(spec.width - signed, "0")
    if spec.sharp:
        if verb == "b":
            digits = "0b" + digits
        elif verb in "oO" and digits[0] != "0":
            digits = "0" + digits
        elif verb in "xX":
            digits = "0" + verb + digits
    if verb == "O":
        digits = "0o" + digits
    sign = "-" if number < 0 else "+" if spec.plus else " " if spec.space else ""
    return replace(spec, zero=False).pad((sign + digits).encode())


def _hex_text(text: bytes, verb: str, spec: Spec) -> bytes:
    if spec.precision is not None:
        text = text[: spec.precision]
    if not text:
        return b"" if spec.width is None else (b"0" if spec.zero and not spec.minus else b" ") * spec.width
    prefix = "0" + verb if spec.sharp else ""
    groups = [f"{byte:02x}" for byte in text] if spec.space else [text.hex()]
    return spec.pad(" ".join(prefix + (group.upper() if verb == "X" else group) for group in groups).encode())


def _string(text: bytes, verb: str, spec: Spec) -> bytes | None:
    """None: no such verb for strings."""
    if verb in "vs" and not (verb == "v" and spec.sharp_v):
        return spec.pad(text if spec.precision is None else first_characters(text, spec.precision))
    if verb in "xX":
        return _hex_text(text, verb, spec)
    if verb in "qv":
        if spec.precision is not None:
            text = first_characters(text, spec.precision)
        if spec.sharp and gotext.can_backquote(text):
            return spec.pad(b"`" + text + b"`")
        return spec.pad(quoted(text, ascii_only=spec.plus))
    return None


class Printer:
    """Prints values for one text; every value and every byte is paid from the budget before it is made. `made`: bytes
    of the texts so far, for a list may hold the same large one a thousand times."""

    __slots__ = ("budget", "erroring", "made")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.erroring = False
        self.made = 0

    def value(self, value: Value, verb: str, spec: Spec, depth: int = 0) -> bytes:
        """One argument at the top (depth 0) or inside a list or map."""
        self.budget.spend()
        if spec.width or spec.precision:
            self._reserve(value, spec)
        if depth == 0 and verb == "T":
            return spec.pad(_truncated(type_name(value).encode(), spec) if value is not None else NIL)
        if value is None:
            if depth == 0:
                return spec.pad(NIL) if verb == "v" else b"%!" + verb.encode() + b"(<nil>)"
            return b"interface {}(nil)" if spec.sharp_v else NIL
        if isinstance(value, bytes):
            self.made += len(value)
            self.budget.afford(self.made if verb in "vs" else self.made + 9 * len(value))
            if verb not in "vs":
                self.budget.spend(len(value) // QUOTED)
            done = _string(value, verb, spec)
            if done is not None and done is not value:
                self.budget.check_size(len(done))
        elif isinstance(value, bool):
            done = spec.pad(b"true" if value else b"false") if verb in "tv" else None
        elif isinstance(value, GoInt | Opaque):
            return self._named(value, verb, spec, depth)
        elif isinstance(value, int):
            done = _integer(value, verb, spec) if verb in "vdboOxXcqU" else None
        elif isinstance(value, float):
            done = _float(value, verb, spec) if verb in "vbgGxXfFeE" else None
        elif isinstance(value, complex):
            done = self._complex(value, verb, spec)
        else:
            return self._container(value, verb, spec, depth)
        return self._bad(value, verb, spec) if done is None else done

    def _reserve(self, value: Value, spec: Spec) -> None:
        """Width and precision are paid for each value that has them, also for each of a list: a directive of ten bytes
        may ask for a megabyte a value."""
        width, precision = spec.width or 0, spec.precision or 0
        self.budget.check_size(width + precision)
        self.budget.spend((width + precision) // PADDING + (precision // DIGITS if isinstance(value, float) else 0))

    def _complex(self, value: complex, verb: str, spec: Spec) -> bytes | None:
        if verb not in "vbgGxXfFeE":
            return None
        return b"(" + _float(value.real, verb, spec) + _float(value.imag, verb, replace(spec, plus=True)) + b"i)"

    def _named(self, value: GoInt | Opaque, verb: str, spec: Spec, depth: int) -> bytes:
        """Values with a Go type of their own: their text where the verb takes text, else what is below."""
        self.budget.spend(NAMED)
        if not self.erroring:
            if verb == "w" and (isinstance(value, Opaque) or value.text() is not None):
                return self._bad(value, verb, spec)
            if verb in "vsxXq" and not spec.sharp_v and (text := text_of(value)) is not None:
                return _string(text, verb, spec) or b""
        if isinstance(value, GoInt):
            done = _integer(value, verb, spec) if verb in "vdboOxXcqU" else None
            return self._bad(value, verb, spec) if done is None else done
        if (text := text_of(value)) is not None and verb in "vsxXq":
            return _string(text, verb, spec) or b""
        return self._struct(value, verb, spec, depth)

    def _struct(self, value: Opaque, verb: str, spec: Spec, depth: int) -> bytes:
        named = spec.plus_v or spec.sharp_v
        parts = [
            (f"{name}:".encode() if named else b"") + self.value(field, verb, spec, depth + 1)
            for name, field in value.fields()
        ]
        return (
            (value.go_type.encode() if spec.sharp_v else b"")
            + b"{"
            + (b", " if spec.sharp_v else b" ").join(parts)
            + b"}"
        )

    def _container(self, value: Value, verb: str, spec: Spec, depth: int) -> bytes:
        self.budget.deeper(depth)
        if verb in "wp" and not self.erroring:
            return self._bad(value, verb, spec)
        name = type_name(value).encode()
        between = b", " if spec.sharp_v else b" "
        if isinstance(value, dict):
            self.budget.spend(len(value) // 4)
            pairs = [
                self.value(key, verb, spec, depth + 1) + b":" + self.value(value[key], verb, spec, depth + 1)
                for key in sorted(value)
            ]
            body = between.join(pairs)
            self.budget.check_size(len(body))
            return name + b"{" + body + b"}" if spec.sharp_v else b"map[" + body + b"]"
        if isinstance(value, ByteList) and verb in "sxXq":
            return _string(bytes(value), verb, spec) or b""
        if spec.sharp_v and isinstance(value, NilList | NilStringList):
            return name + b"(nil)"
        body = between.join([self.value(item, verb, spec, depth + 1) for item in value])
        self.budget.check_size(len(body))
        return name + b"{" + body + b"}" if spec.sharp_v else b"[" + body + b"]"

    def _bad(self, value: Value, verb: str, spec: Spec) -> bytes:
        self.erroring = True
        try:
            return (
                b"%!"
                + verb.encode("utf-8", "surrogateescape")
                + b"("
                + type_name(value).encode()
                + b"="
                + self.value(value, "v", spec, 0)
                + b")"
            )
        finally:
            self.erroring = False


def _truncated(text: bytes, spec: Spec) -> bytes:
    return text if spec.precision is None else first_characters(text, spec.precision)


# --- what others call


def plain(budget: Budget, value: Value) -> bytes:
    """`%v`: nil is `<nil>`."""
    kind = type(value)
    if kind is bytes:
        return bytes(value)
    if kind is int:
        return b"%d" % value
    return Printer(budget).value(value, "v", PLAIN)


def sprint(budget: Budget, values: tuple[Value, ...]) -> bytes:
    """A blank only between two neighbours that both are not strings."""
    parts: list[bytes] = []
    after_string = True
    printer = Printer(budget)
    for value in values:
        is_string = isinstance(value, bytes)
        if not is_string and not after_string:
            parts.append(b" ")
        parts.append(printer.value(value, "v", PLAIN))
        after_string = is_string
    budget.afford(sum(map(len, parts)))
    return b"".join(parts)


def sprintln(budget: Budget, values: tuple[Value, ...]) -> bytes:
    printer = Printer(budget)
    parts = [printer.value(value, "v", PLAIN) for value in values]
    budget.afford(sum(map(len, parts)) + len(parts))
    return b" ".join(parts) + b"\n"


def sprintf(budget: Budget, form: bytes, values: tuple[Value, ...]) -> bytes:
    """Formats by Go's directives. Width and precision count against the budget before anything is built."""
    budget.spend(1 + len(form) // 256)
    return _Directives(budget, form, values).run()


_COMMON_VERBS = frozenset("sdvq")


class _Directives:
    """One pass over a format string: position, and which argument is next."""

    def __init__(self, budget: Budget, form: bytes, values: tuple[Value, ...]) -> None:
        self.budget = budget
        self.form = form.decode("utf-8", "surrogateescape")
        self.values = values
        self.printer = Printer(budget)
        self.at = 0
        self.next = 0
        self.reordered = False
        self.good = True
        self.out: list[bytes] = []

    def run(self) -> bytes:
        form = self.form
        while self.at < len(form):
            percent = form.find("%", self.at)
            if percent < 0:
                percent = len(form)
            self._text(form[self.at : percent])
            self.at = percent + 1
            if percent < len(form) and not self._directive():
                break
        if not self.reordered and self.next < len(self.values):
            self._extra()
        self.budget.afford(sum(map(len, self.out)))
        return b"".join(self.out)

    def _text(self, text: str) -> None:
        if text:
            self.out.append(text.encode("utf-8", "surrogateescape"))

    def _directive(self) -> bool:
        """One directive after its `%`; False when the text ends inside it."""
        self.budget.spend()
        if self.form[self.at : self.at + 1] in _COMMON_VERBS and self.next < len(self.values):
            self.out.append(self.printer.value(self.values[self.next], self.form[self.at], PLAIN))
            self.at += 1
            self.next += 1
            return True
        self.good = True
        self.budget.spend(8)
        flags = self.at
        while self.at < len(self.form) and self.form[self.at] in "#0+- ":
            self.at += 1
        seen = self.form[flags : self.at]
        spec = Spec(sharp="#" in seen, zero="0" in seen, plus="+" in seen, minus="-" in seen, space=" " in seen)
        indexed = self._index()
        spec, indexed = self._width(spec, indexed)
        spec, indexed = self._precision(spec, indexed)
        if not indexed:
            self._index()
        if self.at >= len(self.form):
            self.out.append(b"%!(NOVERB)")
            return False
        verb = self.form[self.at]
        self.at += 1
        shown = verb.encode("utf-8", "surrogateescape")
        if not shown.isascii() and "\udc80" <= verb <= "\udcff":
            shown, verb = "\ufffd".encode(), "\ufffd"
        if verb == "%":
            self.out.append(b"%")
        elif not self.good:
            self.out.append(b"%!" + shown + b"(BADINDEX)")
        elif self.next >= len(self.values):
            self.out.append(b"%!" + shown + b"(MISSING)")
        else:
            if verb in "vw":
                spec = replace(spec, sharp=False, plus=False, sharp_v=spec.sharp, plus_v=spec.plus)
            self.out.append(self.printer.value(self.values[self.next], verb, spec))
            self.next += 1
        return True

    def _width(self, spec: Spec, indexed: bool) -> tuple[Spec, bool]:
        if self._peek() == "*":
            self.at += 1
            width = self._star()
            if width is None:
                self.out.append(b"%!(BADWIDTH)")
            elif width < 0:
                spec = replace(spec, minus=True, zero=False)
                width = -width
            return replace(spec, width=width), False
        width = self._number()
        if indexed and width is not None:
            self.good = False
        return replace(spec, width=width), indexed

    def _precision(self, spec: Spec, indexed: bool) -> tuple[Spec, bool]:
        if self._peek() != "." or self.at + 1 >= len(self.form):
            return spec, indexed
        self.at += 1
        if indexed:
            self.good = False
        indexed = self._index()
        if self._peek() == "*":
            self.at += 1
            precision = self._star()
            if precision is not None and precision < 0:
                precision = None
            if precision is None:
                self.out.append(b"%!(BADPREC)")
            return replace(spec, precision=precision), False
        return replace(spec, precision=self._number() or 0), indexed

    def _peek(self) -> str:
        return self.form[self.at] if self.at < len(self.form) else ""

    def _number(self) -> int | None:
        """Digits here; a number past all reason swallows the rest of the format."""
        number: int | None = None
        while self.at < len(self.form) and "0" <= self.form[self.at] <= "9":
            if number is not None and number > MAX_STAR:
                self.at = len(self.form)
                return None
            number = (number or 0) * 10 + int(self.form[self.at])
            self.at += 1
        return number

    def _star(self) -> int | None:
        """Width or precision from an argument; None when it is not an integer of reasonable size."""
        if self.next >= len(self.values):
            return None
        value = self.values[self.next]
        self.next += 1
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_STAR:
            return None
        return int(value)

    def _index(self) -> bool:
        """`[n]` selects the next argument. True when one was well-formed."""
        if self._peek() != "[":
            return False
        self.reordered = True
        close = self.form.find("]", self.at + 1)
        if close < 0 or len(self.form) - self.at < 3:
            self.at += 1
            self.good = False
            return False
        digits = self.form[self.at + 1 : close]
        self.at = close + 1
        if not digits or not digits.isascii() or not digits.isdigit() or len(digits) > 8:
            self.good = False
            return False
        number = int(digits) - 1
        if 0 <= number < len(self.values):
            self.next = number
        else:
            self.good = False
        return True

    def _extra(self) -> None:
        parts = []
        for value in self.values[self.next :]:
            parts.append(
                NIL if value is None else type_name(value).encode() + b"=" + self.printer.value(value, "v", PLAIN)
            )
        self.out.append(b"%!(EXTRA " + b", ".join(parts) + b")")
