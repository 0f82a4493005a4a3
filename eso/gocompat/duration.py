"""Go durations: the text users write in `refreshInterval` and windows, and its canonical form.

Neighbours: api decodes fields with it, cron.py reads `@every`. Arithmetic is in whole nanoseconds, as Go's, so that
overflow and rounding agree.
"""

from __future__ import annotations

from typing import Final

from eso.errors import Terminal

SECOND: Final = 1_000_000_000
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_LIMIT: Final = 1 << 63
_DIGITS: Final = frozenset("0123456789")


class DurationError(Terminal, ValueError):
    """The text is no Go duration. A ValueError too, so that a field decoder reports it with the field's path."""


def parse_duration(text: str) -> float:
    """Seconds (may be negative or fractional) of a Go duration such as `1h30m`, `-1.5s` or `0`. Raises DurationError
    with Go's text."""
    return parse_nanoseconds(text) / SECOND


def parse_nanoseconds(text: str) -> int:
    """The same in nanoseconds, within a signed 64-bit integer. Raises DurationError."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise _invalid(text)
    total = 0
    while rest:
        whole, rest = _leading_digits(rest)
        fraction = ""
        if rest.startswith("."):
            fraction, rest = _leading_digits(rest[1:])
        if not (whole or fraction) or int(whole or "0") > _LIMIT:
            raise _invalid(text)
        end = next((i for i, char in enumerate(rest) if char == "." or char in _DIGITS), len(rest))
        name, rest = rest[:end], rest[end:]
        if not name:
            raise DurationError(f"time: missing unit in duration {_quote(text)}")
        unit = _UNITS.get(name)
        if unit is None:
            raise DurationError(f"time: unknown unit {_quote(name)} in duration {_quote(text)}")
        total += int(whole or "0") * unit + _part_of(fraction, unit)
        if total > _LIMIT:
            raise _invalid(text)
    if text.startswith("-"):
        return -total
    if total == _LIMIT:
        raise _invalid(text)
    return total


def format_nanoseconds(nanoseconds: int) -> str:
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest == 0:
        return "0s"
    if rest < SECOND:
        name, digits = ("ns", 0) if rest < 10**3 else ("µs", 3) if rest < 10**6 else ("ms", 6)
        return f"{sign}{_decimal(rest, digits)}{name}"
    minutes, rest = divmod(rest, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{lead}{_decimal(rest, 9)}s"


def _leading_digits(text: str) -> tuple[str, str]:
    end = next((i for i, char in enumerate(text) if char not in _DIGITS), len(text))
    if end > 4096:  # int() of a longer text costs quadratic time; such a number overflows anyway unless it is all zeros
        kept = text[:end].lstrip("0")
        return kept[:4096] if kept else "0", text[end:]
    return text[:end], text[end:]


def _part_of(fraction: str, unit: int) -> int:
    """`0.fraction` of the unit in nanoseconds, with Go's use of doubles."""
    value, scale = 0, 1.0
    for digit in fraction:
        if value > (_LIMIT - 1) // 10:
            break  # digits that no longer fit are dropped
        grown = value * 10 + int(digit)
        if grown > _LIMIT:
            break
        value, scale = grown, scale * 10
    return int(float(value) * (float(unit) / scale)) if value else 0


def _decimal(value: int, digits: int) -> str:
    whole, part = divmod(value, 10**digits)
    if not part:
        return str(whole)
    return f"{whole}.{part:0{digits}d}".rstrip("0")


def _invalid(text: str) -> DurationError:
    return DurationError(f"time: invalid duration {_quote(text)}")


def _quote(text: str) -> str:
    """Not `%q`: Go's time package escapes every non-ASCII or control byte as `\\xNN`."""
    escaped = []
    for char in text:
        if char in '"\\':
            escaped.append("\\" + char)
        elif " " <= char < "\x80":
            escaped.append(char)
        else:
            escaped += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass")]
    return '"' + "".join(escaped) + '"'
