"""Arithmetic: the loose conversions to Go's int64 and float64, and what is computed with them.

Neighbours: lists.py converts indexes with it. Integers wrap at 64 bits; `addf` and its kin compute in exact decimals,
as the reference does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from eso.gocompat import text as gotext
from eso.template.bounds import Budget
from eso.template.functions import common
from eso.template.functions.common import ELEMENT
from eso.template.values import FunctionError, Int64, IntList, Param, Table, Value, wrap64

TABLE = Table()
_PACE = 32
"""Bytes of a text for a step: a long run of digits is looked at one by one before it is none."""
ANY, INT, FLOAT64, STRING = Param.ANY, Param.INT, Param.FLOAT64, Param.STRING

_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1
_WITH_POINT = re.compile(rb"([-+]?[0-9]*)\.[0-9]*")
_DECIMAL = re.compile(rb"[-+]?[0-9]+")
_BASES = {
    2: re.compile(rb"[-+]?0[bB]((?:_?[01])+)"),
    16: re.compile(rb"[-+]?0[xX]((?:_?[0-9a-fA-F])+)"),
    8: re.compile(rb"[-+]?0[oO]?((?:_?[0-7])+)"),
    10: re.compile(rb"[-+]?([1-9](?:_?[0-9])*|0)"),
}
_FLOAT = re.compile(
    rb"[-+]?(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][-+]?[0-9](?:_?[0-9])*)?"
)
_HEX_FLOAT = re.compile(rb"[-+]?0[xX](?:_?[0-9a-fA-F])*(?:\.(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?)?[pP][-+]?[0-9]+")
_SPECIAL_FLOAT = re.compile(rb"[-+]?inf(?:inity)?|nan", re.IGNORECASE)
_LONGEST = 400
"""Digits of a number's text that are worth reading: a longer integer overflows, and Python's own reading is
quadratic."""
_DIVISION_PLACES = 16


# --- conversions


def parse_int(text: bytes) -> int | None:
    """An int64 with Go's base prefixes and underscores (`0x1f`, `0b1`, `0o7`, `07`, `1_000`); None when it is none."""
    if len(text) > _LONGEST:
        return None
    for base, shape in _BASES.items():
        if found := shape.fullmatch(text):
            number = int(found[1].replace(b"_", b""), base)
            number = -number if text.startswith(b"-") else number
            return number if _SMALLEST <= number <= _LARGEST else None
    return None


def parse_float(text: bytes) -> float | None:
    """A float64 in Go's syntax, `inf` and `nan` in any case included; None when it is none or out of range."""
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text)
    if len(text) <= 10 * _LONGEST and _FLOAT.fullmatch(text):
        number = float(text.replace(b"_", b""))
        return None if math.isinf(number) else number
    if (
        len(text) <= 10 * _LONGEST
        and _HEX_FLOAT.fullmatch(text)
        and re.search(rb"[0-9a-fA-F]", text[2:].lstrip(b"xX0+-") or b"0")
    ):
        try:
            return float.fromhex(text.replace(b"_", b"").decode())
        except (OverflowError, ValueError):
            return None
    return None


def to_int(value: Value) -> int:
    """Any value as an int64 in a plain int; what cannot be converted is 0."""
    match value:
        case float():
            # Go's conversion of what does not fit is the processor's: the smallest integer.
            return int(value) if _SMALLEST <= value < -_SMALLEST and not math.isnan(value) else _SMALLEST
        case bool():
            return int(value)
        case int():
            return wrap64(int(value))  # named types too: a duration is its nanoseconds
        case bytes():
            if found := _WITH_POINT.fullmatch(value):
                value = found[1] if found[1] not in (b"", b"+", b"-") else b"0"
            return parse_int(value) or 0
    return 0


def to_float(value: Value) -> float:
    match value:
        case float():
            return value
        case bool():
            return float(value)
        case int():
            return float(int(value))
        case bytes():
            found = parse_float(value)
            return 0.0 if found is None else found  # not `or`: -0 keeps its sign
    return 0.0


@TABLE.function("int", params=(ANY,), pace=_PACE)
def int_of(value: Value) -> int:
    return to_int(value)


@TABLE.function("int64", params=(ANY,), pace=_PACE)
def int64_of(value: Value) -> Int64:
    return Int64(to_int(value))


@TABLE.function("float64", params=(ANY,), pace=_PACE)
def float64_of(value: Value) -> float:
    return to_float(value)


@TABLE.function("atoi", params=(STRING,))
def atoi(text: bytes) -> int:
    if len(text) > _LONGEST or not _DECIMAL.fullmatch(text):
        return 0
    return min(max(int(text), _SMALLEST), _LARGEST)  # the error is ignored, and what came with it is the nearest number


@TABLE.function("toDecimal", params=(ANY,), budget=True, pace=_PACE)
def to_decimal(budget: Budget, value: Value) -> Int64:
    """The text read as an octal number, as file modes are."""
    text = common.text(budget, value)
    if len(text) > _LONGEST or not re.fullmatch(rb"[-+]?[0-7]+", text):
        return Int64(0)
    number = int(text, 8)
    return Int64(number if _SMALLEST <= number <= _LARGEST else 0)


# --- integers


@TABLE.function("add", params=(ANY,), variadic=True, pace=_PACE)
def add(*values: Value) -> Int64:
    return Int64(wrap64(sum(map(to_int, values))))


@TABLE.function("add1", params=(ANY,), pace=_PACE)
def add1(value: Value) -> Int64:
    return Int64(wrap64(to_int(value) + 1))


@TABLE.function("sub", params=(ANY, ANY), pace=_PACE)
def sub(left: Value, right: Value) -> Int64:
    return Int64(wrap64(to_int(left) - to_int(right)))


@TABLE.function("mul", params=(ANY, ANY), variadic=True, pace=_PACE)
def mul(value: Value, *values: Value) -> Int64:
    product = to_int(value)
    for factor in values:
        product = wrap64(product * to_int(factor))
    return Int64(product)


@TABLE.function("div", params=(ANY, ANY), pace=_PACE)
def div(left: Value, right: Value) -> Int64:
    return Int64(wrap64(_divided(left, right)[0]))


@TABLE.function("mod", params=(ANY, ANY), pace=_PACE)
def mod(left: Value, right: Value) -> Int64:
    return Int64(_divided(left, right)[1])


def _divided(left: Value, right: Value) -> tuple[int, int]:
    """Quotient truncated towards zero, remainder with the sign of `left`."""
    a, b = to_int(left), to_int(right)
    if b == 0:
        raise FunctionError("runtime error: integer divide by zero")
    quotient = abs(a) // abs(b)
    quotient = quotient if (a < 0) is (b < 0) else -quotient
    return quotient, a - quotient * b


@TABLE.function("max", "biggest", params=(ANY, ANY), variadic=True, pace=_PACE)
def largest(*values: Value) -> Int64:
    return Int64(max(map(to_int, values)))


@TABLE.function("min", params=(ANY, ANY), variadic=True, pace=_PACE)
def smallest(*values: Value) -> Int64:
    return Int64(min(map(to_int, values)))


# --- floats


@TABLE.function("maxf", params=(ANY, ANY), variadic=True, pace=_PACE)
def largest_float(*values: Value) -> float:
    return _largest([to_float(value) for value in values])


@TABLE.function("minf", params=(ANY, ANY), variadic=True, pace=_PACE)
def smallest_float(*values: Value) -> float:
    return -_largest([-to_float(value) for value in values])


def _largest(numbers: list[float]) -> float:
    """Infinity wins over NaN, NaN over numbers, 0 over -0."""
    if math.inf in numbers:
        return math.inf
    return (
        math.nan
        if any(map(math.isnan, numbers))
        else max(numbers, key=lambda number: (number, math.copysign(1.0, number)))
    )


@TABLE.function("floor", params=(ANY,), pace=_PACE)
def floor(value: Value) -> float:
    return _whole(math.floor, to_float(value))


@TABLE.function("ceil", params=(ANY,), pace=_PACE)
def ceil(value: Value) -> float:
    return _whole(math.ceil, to_float(value))


def _whole(to_whole: Callable[[float], int], number: float) -> float:
    return math.copysign(float(to_whole(number)), number) if math.isfinite(number) else number


@TABLE.function("round", params=(ANY, INT, FLOAT64), variadic=True, pace=_PACE)
def round_float(value: Value, places: int, *on: float) -> float:
    """Up when the fractional part, negative for negative numbers, reaches `on`; else down: -1.2 becomes -2."""
    try:
        power = 10.0**places
    except OverflowError:
        power = math.inf
    digit = power * to_float(value)
    fraction = math.modf(digit)[0]
    whole = _whole(math.ceil if fraction >= (on[0] if on else 0.5) else math.floor, digit)
    if power == 0.0:
        return math.nan if whole == 0 else math.copysign(math.inf, whole)
    return whole / power


def _decimal(value: Value) -> Fraction:
    number = to_float(value)
    if not math.isfinite(number):
        raise FunctionError(
            f"Cannot create a Decimal from {gotext.format_float(number)}",
            told="Cannot create a Decimal from this number",
        )
    return Fraction(repr(number))


def _folded(
    budget: Budget, start: Fraction, values: tuple[Value, ...], step: Callable[[Fraction, Fraction], Fraction]
) -> float:
    total = start
    for value in values:
        # The exact result grows with each factor: pay for its digits before using them.
        budget.spend(1 + (total.numerator.bit_length() + total.denominator.bit_length()) // 64)
        total = step(total, _decimal(value))
    try:
        return total.numerator / total.denominator
    except OverflowError:
        return math.inf if total > 0 else -math.inf


@TABLE.function("addf", params=(ANY,), variadic=True, budget=True, pace=_PACE)
def addf(budget: Budget, *values: Value) -> float:
    return _folded(budget, Fraction(0), values, lambda a, b: a + b)


@TABLE.function("add1f", params=(ANY,), budget=True, pace=_PACE)
def add1f(budget: Budget, value: Value) -> float:
    return _folded(budget, Fraction(1), (value,), lambda a, b: a + b)


@TABLE.function("subf", params=(ANY, ANY), variadic=True, budget=True, pace=_PACE)
def subf(budget: Budget, value: Value, *values: Value) -> float:
    return _folded(budget, _decimal(value), values, lambda a, b: a - b)


@TABLE.function("mulf", params=(ANY, ANY), variadic=True, budget=True, pace=_PACE)
def mulf(budget: Budget, value: Value, *values: Value) -> float:
    return _folded(budget, _decimal(value), values, lambda a, b: a * b)


@TABLE.function("divf", params=(ANY, ANY), variadic=True, budget=True, pace=_PACE)
def divf(budget: Budget, value: Value, *values: Value) -> float:
    return _folded(budget, _decimal(value), values, _quotient)


def _quotient(left: Fraction, right: Fraction) -> Fraction:
    """Sixteen places after the point, the last rounded half away from zero."""
    if right == 0:
        raise FunctionError("decimal division by 0")
    scaled = abs(left / right) * 10**_DIVISION_PLACES
    rounded = Fraction(math.floor(scaled + Fraction(1, 2)), 10**_DIVISION_PLACES)
    return rounded if (left < 0) is (right < 0) else -rounded


# --- sequences


@TABLE.function("until", params=(INT,), budget=True)
def until(budget: Budget, count: int) -> IntList:
    return until_step(budget, 0, count, -1 if count < 0 else 1)


@TABLE.function("untilStep", params=(INT, INT, INT), budget=True)
def until_step(budget: Budget, start: int, stop: int, step: int) -> IntList:
    if step == 0 or (stop < start) is not (step < 0):
        return IntList()
    numbers = range(start, stop, step)
    count = max((stop - start + step - (1 if step > 0 else -1)) // step, 0)  # len() of a range fails beyond 63 bits
    common.afford(budget, 4 * ELEMENT * count)
    budget.spend(count // 8)
    return IntList(numbers)


@TABLE.function("seq", params=(INT,), variadic=True, budget=True)
def seq(budget: Budget, *numbers: int) -> bytes:
    """Like the command: `end`, `start end` or `start step end`, the end included."""
    match numbers:
        case (end,):
            down = -1 if end < 1 else 1
            made = until_step(budget, 1, end + down, down)
        case (start, end):
            down = -1 if end < start else 1
            made = until_step(budget, start, end + down, down)
        case (start, step, end):
            if end < start and step > 0:
                return b""
            made = until_step(budget, start, end + (-1 if end < start else 1), step)
        case _:
            return b""
    return common.joined(budget, b" ", [b"%d" % number for number in made])


@TABLE.function("randInt", params=(INT, INT), budget=True, dice=True)
def rand_int(budget: Budget, low: int, high: int) -> int:
    if high <= low:
        raise FunctionError("invalid argument to Intn")
    return low + common.below(budget, high - low)
