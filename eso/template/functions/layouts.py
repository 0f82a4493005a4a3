"""Go's date layouts: the reference time written the way a date shall look, for printing and for reading.

Neighbours: dates.py wraps the results in times. Everything here is about a civil date and clock; seconds since 1970
appear only in `Civil`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
DAY = 86400


class Element(Enum):
    YEAR4, YEAR2 = auto(), auto()
    MONTH_LONG, MONTH_SHORT, MONTH_NUMBER, MONTH_ZERO = auto(), auto(), auto(), auto()
    DAY_NUMBER, DAY_BLANK, DAY_ZERO, YEAR_DAY_BLANK, YEAR_DAY_ZERO = auto(), auto(), auto(), auto(), auto()
    WEEKDAY_LONG, WEEKDAY_SHORT = auto(), auto()
    HOUR24, HOUR12, HOUR12_ZERO = auto(), auto(), auto()
    MINUTE, MINUTE_ZERO, SECOND, SECOND_ZERO = auto(), auto(), auto(), auto()
    PM_UPPER, PM_LOWER = auto(), auto()
    ZONE_NAME, OFFSET = auto(), auto()
    FRACTION_FIXED, FRACTION_TRIMMED = auto(), auto()


_TEXTS = {
    "2006": Element.YEAR4,
    "06": Element.YEAR2,
    "January": Element.MONTH_LONG,
    "Jan": Element.MONTH_SHORT,
    "1": Element.MONTH_NUMBER,
    "01": Element.MONTH_ZERO,
    "2": Element.DAY_NUMBER,
    "_2": Element.DAY_BLANK,
    "02": Element.DAY_ZERO,
    "__2": Element.YEAR_DAY_BLANK,
    "002": Element.YEAR_DAY_ZERO,
    "Monday": Element.WEEKDAY_LONG,
    "Mon": Element.WEEKDAY_SHORT,
    "15": Element.HOUR24,
    "3": Element.HOUR12,
    "03": Element.HOUR12_ZERO,
    "4": Element.MINUTE,
    "04": Element.MINUTE_ZERO,
    "5": Element.SECOND,
    "05": Element.SECOND_ZERO,
    "PM": Element.PM_UPPER,
    "pm": Element.PM_LOWER,
    "MST": Element.ZONE_NAME,
}
_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)
_OFFSET_SHAPES = {
    "0000": r"([-+])(..)(..)(..)",
    ":00:00": r"([-+])(..):(..):(..)",
    "00": r"([-+])(..)(..)",
    ":00": r"([-+])(..):(..)",
    "": r"([-+])(..)",
}
_ZONE = re.compile(r"ChST|MeST|[A-Z]{4}T(?![A-Z])|(?:[A-Z]{3}T|WITA)(?![A-Z])|[A-Z]{3}(?![A-Z])")
_SIGNED_HOURS = re.compile(r"[-+]([0-9]+)")


class LayoutError(ValueError):
    """The text does not fit the layout: Go's message."""


@dataclass(frozen=True, slots=True)
class Civil:
    """A date and clock in some zone. `offset` is its seconds east of UTC, `zone` its abbreviation; both None where a
    text had neither."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    offset: int | None
    zone: str | None

    @staticmethod
    def at(seconds: int, nanosecond: int, offset: int, zone: str) -> Civil:
        days, clock = divmod(seconds + offset, DAY)
        year, month, day = date_of(days)
        return Civil(year, month, day, clock // 3600, clock // 60 % 60, clock % 60, nanosecond, offset, zone)

    def seconds(self) -> int:
        """Since 1970, taking the clock as UTC; fields out of range normalise."""
        return days_to(self.year, self.month, self.day) * DAY + self.hour * 3600 + self.minute * 60 + self.second

    def year_day(self) -> int:
        return days_to(self.year, self.month, self.day) - days_to(self.year, 1, 1) + 1

    def weekday(self) -> int:
        return (days_to(self.year, self.month, self.day) + 4) % 7


Elements = tuple[tuple[str, Element | None, str], ...]
_LONGEST_REMEMBERED = 64


def days_to(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar; month and day may lie outside their range."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    shifted = year - (month <= 2)  # years that begin in March end with the leap day
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468 + day - 1


def date_of(days: int) -> tuple[int, int, int]:
    """The reverse of `days_to`."""
    era, of_era = divmod(days + 719468, 146097)
    years = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return years + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_in(month: int, year: int) -> int:
    return days_to(year, month + 1, 1) - days_to(year, month, 1)


def _elements(layout: str) -> Elements:
    """(literal text before, element, its text in the layout); the last one has no element."""
    return _remembered(layout) if len(layout) <= _LONGEST_REMEMBERED else _cut(layout)


@lru_cache(maxsize=64)
def _remembered(layout: str) -> Elements:
    return _cut(layout)


def _cut(layout: str) -> Elements:
    found: list[tuple[str, Element | None, str]] = []
    at = 0
    for match in _ELEMENT.finditer(layout):
        text = match[0]
        if text[0] in "-Z":
            element = Element.OFFSET
        elif text[0] in ".,":
            element = Element.FRACTION_FIXED if text[1] == "0" else Element.FRACTION_TRIMMED
        else:
            element = _TEXTS[text]
        found.append((layout[at : match.start()], element, text))
        at = match.end()
    found.append((layout[at:], None, ""))
    return tuple(found)


# --- printing


def show(layout: str, when: Civil) -> str:
    out = []
    for literal, element, text in _elements(layout):
        out.append(literal)
        if element is not None:
            out.append(_shown(element, text, when))
    return "".join(out)


def _shown(element: Element, text: str, when: Civil) -> str:
    match element:
        case Element.YEAR4:
            return f"{when.year:04d}" if when.year >= 0 else f"-{-when.year:04d}"
        case Element.YEAR2:
            return f"{max(when.year, 0) % 100:02d}"
        case Element.MONTH_LONG:
            return MONTHS[when.month - 1]
        case Element.MONTH_SHORT:
            return MONTHS[when.month - 1][:3]
        case Element.MONTH_NUMBER:
            return str(when.month)
        case Element.MONTH_ZERO:
            return f"{when.month:02d}"
        case Element.DAY_NUMBER:
            return str(when.day)
        case Element.DAY_BLANK:
            return f"{when.day:2d}"
        case Element.DAY_ZERO:
            return f"{when.day:02d}"
        case Element.YEAR_DAY_BLANK:
            return f"{when.year_day():3d}"
        case Element.YEAR_DAY_ZERO:
            return f"{when.year_day():03d}"
        case Element.WEEKDAY_LONG:
            return DAYS[when.weekday()]
        case Element.WEEKDAY_SHORT:
            return DAYS[when.weekday()][:3]
        case Element.HOUR24:
            return f"{when.hour:02d}"
        case Element.HOUR12:
            return str(when.hour % 12 or 12)
        case Element.HOUR12_ZERO:
            return f"{when.hour % 12 or 12:02d}"
        case Element.MINUTE:
            return str(when.minute)
        case Element.MINUTE_ZERO:
            return f"{when.minute:02d}"
        case Element.SECOND:
            return str(when.second)
        case Element.SECOND_ZERO:
            return f"{when.second:02d}"
        case Element.PM_UPPER:
            return "PM" if when.hour >= 12 else "AM"
        case Element.PM_LOWER:
            return "pm" if when.hour >= 12 else "am"
        case Element.ZONE_NAME:
            return when.zone or shown_offset("-0700", when.offset or 0)
        case Element.OFFSET:
            return shown_offset(text, when.offset or 0)
        case Element.FRACTION_FIXED:
            return text[0] + f"{when.nanosecond:09d}".ljust(len(text) - 1, "0")[: len(text) - 1]
        case Element.FRACTION_TRIMMED:
            digits = f"{when.nanosecond:09d}"[: len(text) - 1].rstrip("0")
            return text[0] + digits if digits else ""


def shown_offset(text: str, offset: int) -> str:
    if text[0] == "Z" and offset == 0:
        return "Z"
    minutes, seconds = abs(offset) // 60, abs(offset) % 60
    colon = ":" if ":" in text else ""
    # The sign is that of the whole minutes, as Go computes it.
    out = f"{'-' if offset <= -60 else '+'}{minutes // 60:02d}"
    if len(text) > 3:
        out += f"{colon}{minutes % 60:02d}"
    if len(text) > 6:
        out += f"{colon}{seconds:02d}"
    return out


# --- reading


class _Bad(Exception):
    """The current element does not match; with `out_of_range`, it matched but is too large."""

    def __init__(self, out_of_range: str = "") -> None:
        self.out_of_range = out_of_range


def read(layout: str, text: str) -> Civil:
    """The date in `text`. A missing month or day is the first, a missing clock midnight. Raises LayoutError."""
    reading = _Reading(text)
    elements = _elements(layout)
    for index, (literal, element, element_text) in enumerate(elements):
        reading.skip(layout, literal)
        if element is None:
            break
        hold = reading.rest
        following = elements[index + 1]
        try:
            reading.read(element, element_text, fraction_follows=_is_fraction(following))
        except _Bad as bad:
            if bad.out_of_range:
                raise LayoutError(f"parsing time {quoted(text)}: {bad.out_of_range} out of range") from None
            raise reading.mismatch(layout, element_text, hold) from None
    if reading.rest:
        raise LayoutError(f"parsing time {quoted(text)}: extra text: {quoted(reading.rest)}")
    return reading.civil()


def _is_fraction(element: tuple[str, Element | None, str]) -> bool:
    return element[1] in (Element.FRACTION_FIXED, Element.FRACTION_TRIMMED)


def quoted(text: str) -> str:
    """In quotes as Go's time package does it: control and non-ASCII bytes as \\xNN."""
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        out.append("\\" + chr(byte) if byte in b'"\\' else chr(byte) if 0x20 <= byte < 0x80 else f"\\x{byte:02x}")
    return '"' + "".join(out) + '"'


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = self.rest = text
        self.year = self.hour = self.minute = self.second = self.nanosecond = 0
        self.month = self.day = self.year_day = -1
        self.afternoon: bool | None = None
        self.utc = False
        self.offset: int | None = None
        self.zone: str | None = None

    def mismatch(self, layout: str, element: str, rest: str) -> LayoutError:
        return LayoutError(
            f"parsing time {quoted(self.text)} as {quoted(layout)}: cannot parse {quoted(rest)} as {quoted(element)}"
        )

    def skip(self, layout: str, literal: str) -> None:
        """Literal text must match; a run of blanks matches any run, also none at the end."""
        at = 0
        while at < len(literal):
            if literal[at] == " ":
                if self.rest and self.rest[0] != " ":
                    raise self.mismatch(layout, literal, self.rest)
                while at < len(literal) and literal[at] == " ":
                    at += 1
                self.rest = self.rest.lstrip(" ")
            elif self.rest[:1] == literal[at]:
                at += 1
                self.rest = self.rest[1:]
            else:
                raise self.mismatch(layout, literal, self.rest)

    def read(self, element: Element, text: str, *, fraction_follows: bool) -> None:
        match element:
            case Element.YEAR4:
                if not re.match(r"[0-9]", self.rest):
                    raise _Bad
                self.year = self._exactly(4)
            case Element.YEAR2:
                self.year = self._exactly(2)
                self.year += 1900 if self.year >= 69 else 2000
            case Element.MONTH_LONG:
                self.month = self._name(MONTHS) + 1
            case Element.MONTH_SHORT:
                self.month = self._name(tuple(name[:3] for name in MONTHS)) + 1
            case Element.MONTH_NUMBER | Element.MONTH_ZERO:
                self.month = self._number("month", 1, 12, fixed=element is Element.MONTH_ZERO)
            case Element.WEEKDAY_LONG:
                self._name(DAYS)
            case Element.WEEKDAY_SHORT:
                self._name(tuple(name[:3] for name in DAYS))
            case Element.DAY_NUMBER | Element.DAY_BLANK | Element.DAY_ZERO:
                if element is Element.DAY_BLANK:
                    self.rest = self.rest.removeprefix(" ")
                self.day = self._number("day", 0, 99, fixed=element is Element.DAY_ZERO)
            case Element.YEAR_DAY_BLANK | Element.YEAR_DAY_ZERO:
                self._read_year_day(element)
            case Element.HOUR24:
                self.hour = self._number("hour", 0, 23)
            case Element.HOUR12 | Element.HOUR12_ZERO:
                self.hour = self._number("hour", 0, 12, fixed=element is Element.HOUR12_ZERO)
            case Element.MINUTE | Element.MINUTE_ZERO:
                self.minute = self._number("minute", 0, 59, fixed=element is Element.MINUTE_ZERO)
            case Element.SECOND | Element.SECOND_ZERO:
                self.second = self._number("second", 0, 59, fixed=element is Element.SECOND_ZERO)
                if not fraction_follows and re.match(r"[.,][0-9]", self.rest):
                    self._read_fraction()
            case Element.PM_UPPER:
                self._read_half(("AM", "PM"))
            case Element.PM_LOWER:
                self._read_half(("am", "pm"))
            case Element.OFFSET:
                self._read_offset(text)
            case Element.ZONE_NAME:
                self._read_zone()
            case Element.FRACTION_FIXED:
                if not re.match(rf"[.,][0-9]{{{len(text) - 1}}}", self.rest):
                    raise _Bad
                self._read_fraction(len(text) - 1)
            case Element.FRACTION_TRIMMED:
                if re.match(r"[.,][0-9]", self.rest):
                    self._read_fraction()

    def _exactly(self, count: int) -> int:
        digits = self.rest[:count]
        if len(digits) < count or not re.fullmatch(r"[-+]?[0-9]+", digits):
            raise _Bad
        self.rest = self.rest[count:]
        return int(digits)

    def _name(self, names: tuple[str, ...]) -> int:
        for index, name in enumerate(names):
            if self.rest[: len(name)].lower() == name.lower():
                self.rest = self.rest[len(name) :]
                return index
        raise _Bad

    def _number(self, name: str, low: int, high: int, *, fixed: bool = False) -> int:
        found = re.match(r"[0-9]{2}" if fixed else r"[0-9]{1,2}", self.rest)
        if not found:
            raise _Bad
        self.rest = self.rest[found.end() :]
        if not low <= int(found[0]) <= high:
            raise _Bad(name)
        return int(found[0])

    def _read_year_day(self, element: Element) -> None:
        if element is Element.YEAR_DAY_BLANK:
            self.rest = self.rest.removeprefix(" ").removeprefix(" ")
        found = re.match(r"[0-9]{3}" if element is Element.YEAR_DAY_ZERO else r"[0-9]{1,3}", self.rest)
        if not found:
            raise _Bad
        self.year_day = int(found[0])
        self.rest = self.rest[found.end() :]

    def _read_half(self, names: tuple[str, str]) -> None:
        if self.rest[:2] not in names:
            raise _Bad
        self.afternoon = names.index(self.rest[:2]) == 1
        self.rest = self.rest[2:]

    def _read_fraction(self, count: int | None = None) -> None:
        found = re.match(r"[0-9]+", self.rest[1:])
        assert found is not None  # the caller looked
        digits = found[0][:count]
        self.nanosecond = int(digits[:9].ljust(9, "0"))
        self.rest = self.rest[1 + len(digits) :]

    def _read_offset(self, text: str) -> None:
        if text[0] == "Z" and self.rest.startswith("Z"):
            self.rest, self.utc = self.rest[1:], True
            return
        shape = _OFFSET_SHAPES[text[3:]]
        found = re.match(shape.replace("([-+])", "(.)"), self.rest, re.DOTALL)
        if not found or not all(part.isascii() and part.isdigit() for part in found.groups()[1:]):
            raise _Bad
        hours, minutes, seconds = [*map(int, found.groups()[1:]), 0, 0][:3]
        self.rest = self.rest[found.end() :]
        if hours > 24:
            raise _Bad("time zone offset hour")
        if minutes > 60:
            raise _Bad("time zone offset minute")
        if seconds > 60:
            raise _Bad("time zone offset second")
        if found[1] not in "+-":
            raise _Bad
        self.offset = (hours * 3600 + minutes * 60 + seconds) * (-1 if found[1] == "-" else 1)

    def _read_zone(self) -> None:
        if self.rest.startswith("UTC"):
            self.rest, self.utc = self.rest[3:], True
            return
        if self.rest.startswith("GMT"):
            length = 3 + _signed_hours(self.rest[3:])
        elif self.rest[:1] in ("+", "-"):
            if len(self.rest) < 3:
                raise _Bad
            length = _signed_hours(self.rest)
        else:
            length = found.end() if (found := _ZONE.match(self.rest)) else 0
        if not length:
            raise _Bad
        self.zone, self.rest = self.rest[:length], self.rest[length:]

    def civil(self) -> Civil:
        if self.afternoon is True and self.hour < 12:
            self.hour += 12
        elif self.afternoon is False and self.hour == 12:
            self.hour = 0
        if self.year_day >= 0:
            self._use_year_day()
        month, day = 1 if self.month < 0 else self.month, 1 if self.day < 0 else self.day
        if not 1 <= day <= days_in(month, self.year):
            raise LayoutError(f"parsing time {quoted(self.text)}: day out of range")
        offset = 0 if self.utc else self.offset
        zone = "UTC" if self.utc else self.zone
        return Civil(self.year, month, day, self.hour, self.minute, self.second, self.nanosecond, offset, zone)

    def _use_year_day(self) -> None:
        if not 1 <= self.year_day <= days_to(self.year + 1, 1, 1) - days_to(self.year, 1, 1):
            raise LayoutError(f"parsing time {quoted(self.text)}: day-of-year out of range")
        _, month, day = date_of(days_to(self.year, 1, self.year_day))
        if self.month >= 0 and self.month != month:
            raise LayoutError(f"parsing time {quoted(self.text)}: day-of-year does not match month")
        if self.day >= 0 and self.day != day:
            raise LayoutError(f"parsing time {quoted(self.text)}: day-of-year does not match day")
        self.month, self.day = month, day


def _signed_hours(text: str) -> int:
    """Length of a `+3` or `-11` at the start; 0 when there is none or it is beyond 23 hours."""
    found = _SIGNED_HOURS.match(text)
    return found.end() if found and len(found[1]) < 10 and int(found[1]) <= 23 else 0
