"""Times, durations and the functions on them.

Neighbours: layouts.py prints and reads, gocompat.duration knows duration texts. The zone "Local" is UTC, as in the
reference's container; named zones come from the IANA data. Only `now`, `ago`, and the functions that fall back to the
current time look at the clock, through the budget's world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from eso.gocompat import duration as durations
from eso.template.bounds import Budget
from eso.template.functions import common, layouts
from eso.template.functions.layouts import Civil, LayoutError
from eso.template.values import (
    ByteList,
    Function,
    FunctionError,
    GoInt,
    Int64,
    Opaque,
    Param,
    Table,
    Uint8,
    Value,
    wrap64,
)

TABLE = Table()
ANY, DURATION, INT, STRING, TIME = Param.ANY, Param.DURATION, Param.INT, Param.STRING, Param.TIME

SECOND = durations.SECOND
TEXT_LAYOUT = "2006-01-02 15:04:05.999999999 -0700 MST"
JSON_LAYOUT = "2006-01-02T15:04:05.999999999Z07:00"
_YEAR_ONE = 62135596800
"""Seconds from the zero time to 1970."""
_LIMIT = 1 << 63
_FIRST, _LAST = -62135596800 + 2 * 86400, 253402300799 - 2 * 86400
"""Seconds between which zone data can be asked for; outside, the nearest answer counts."""


class Duration(GoInt):
    __slots__ = ()
    go_type, kind = "time.Duration", "int64"

    def text(self) -> bytes:
        return durations.format_nanoseconds(int(self)).encode()


class Month(GoInt):
    __slots__ = ()
    go_type, kind = "time.Month", "int"

    def text(self) -> bytes:
        return layouts.MONTHS[self - 1].encode()


class Weekday(GoInt):
    __slots__ = ()
    go_type, kind = "time.Weekday", "int"

    def text(self) -> bytes:
        return layouts.DAYS[self].encode()


class Location(Opaque):
    """A zone: a fixed offset, or the rules of an IANA zone."""

    __slots__ = ("abbreviation", "name", "offset", "rules")
    go_type, kind = "*time.Location", "ptr"
    unexported = frozenset({"name", "zone", "tx", "extend", "cacheStart", "cacheEnd", "cacheZone"})

    def __init__(self, name: str, *, abbreviation: str = "", offset: int = 0, rules: ZoneInfo | None = None) -> None:
        self.name = name
        self.abbreviation = abbreviation
        self.offset = offset
        self.rules = rules

    def text(self) -> bytes:
        return self.name.encode("utf-8", "surrogateescape")

    def at(self, seconds: int) -> tuple[str, int, bool]:
        """Abbreviation, seconds east of UTC, daylight saving: at a moment."""
        if self.rules is None:
            return self.abbreviation, self.offset, False
        moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(seconds, _FIRST), _LAST))).astimezone(
            self.rules
        )
        offset, saving = moment.utcoffset(), moment.dst()
        return moment.tzname() or "", int(offset.total_seconds()) if offset else 0, bool(saving)


UTC_ZONE = Location("UTC", abbreviation="UTC")
LOCAL = Location("Local", abbreviation="UTC")
_WHOLE_HOURS = {hours * 3600: Location("", offset=hours * 3600) for hours in range(-12, 15)}
"""Unnamed offsets of whole hours are one location each, so times that have them can be equal."""


def zone(name: str) -> Location:
    """A zone by its IANA name; UTC for an unknown one."""
    if name == "Local":
        return LOCAL
    if name in ("", "UTC"):
        return UTC_ZONE
    try:
        return Location(name, rules=ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return UTC_ZONE


@dataclass(frozen=True, slots=True, eq=False)
class Time(Opaque):
    """A moment (seconds and nanoseconds since 1970) shown in a zone; `running` is the process's age in ns for times
    that come from `now`."""

    seconds: int
    nanosecond: int
    location: Location
    running: int | None = None

    go_type = "time.Time"
    kind = "struct"
    unexported = frozenset({"wall", "ext", "loc"})

    def civil(self) -> Civil:
        name, offset, _ = self.location.at(self.seconds)
        return Civil.at(self.seconds, self.nanosecond, offset, name)

    def format(self, layout: str) -> bytes:
        return layouts.show(layout, self.civil()).encode("utf-8", "surrogateescape")

    def text(self) -> bytes:
        shown = self.format(TEXT_LAYOUT)
        if self.running is None:
            return shown
        whole, rest = divmod(abs(self.running), SECOND)
        return shown + f" m={'-' if self.running < 0 else '+'}{whole}.{rest:09d}".encode()

    def json(self) -> bytes:
        """RFC 3339, without quotes. Raises FunctionError outside years 0 to 9999."""
        if not 0 <= self.civil().year <= 9999:
            raise FunctionError(
                "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]"
            )
        return self.format(JSON_LAYOUT)

    def same(self, other: Opaque) -> bool:
        return (
            isinstance(other, Time)
            and (self.seconds, self.nanosecond, self.running) == (other.seconds, other.nanosecond, other.running)
            and (self.location is other.location)
        )

    def nanoseconds(self) -> int:
        return self.seconds * SECOND + self.nanosecond

    def compare(self, other: Time) -> int:
        return (self.distance(other) > 0) - (self.distance(other) < 0)

    def distance(self, other: Time) -> int:
        """Nanoseconds from `other` to here, by the process's age where both know it."""
        if self.running is not None and other.running is not None:
            return self.running - other.running
        return self.nanoseconds() - other.nanoseconds()

    def plus(self, nanoseconds: int) -> Time:
        seconds, nanosecond = divmod(self.nanoseconds() + nanoseconds, SECOND)
        return Time(
            _wrapped(seconds), nanosecond, self.location, None if self.running is None else self.running + nanoseconds
        )


def _wrapped(seconds: int) -> int:
    """Seconds since 1970 as Go's 64 bits since the year 1 hold them."""
    return wrap64(seconds + _YEAR_ONE) - _YEAR_ONE


def unix(seconds: int, location: Location = LOCAL) -> Time:
    return Time(_wrapped(seconds), 0, location)


def now(budget: Budget) -> Time:
    seconds, nanosecond = divmod(budget.world.wall_ns(), SECOND)
    return Time(seconds, nanosecond, LOCAL, round((budget.world.monotonic() - budget.world.started) * SECOND))


ZERO = Time(-_YEAR_ONE, 0, UTC_ZONE)


def _moment(budget: Budget, value: Value) -> Time:
    """A date argument: a time, or Unix seconds as int or int64; everything else, strings too, means now."""
    if isinstance(value, Time):
        return value
    return unix(int(value)) if common.is_plain_int(value) else now(budget)


def _saturated(nanoseconds: int) -> int:
    return min(max(nanoseconds, -_LIMIT), _LIMIT - 1)


def _str(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


# --- functions


TABLE.function("now", budget=True, dice=True)(now)


@TABLE.function("dateInZone", "date_in_zone", params=(STRING, ANY, STRING), budget=True, moment=1)
def date_in_zone(budget: Budget, layout: bytes, value: Value, name: bytes) -> bytes:
    budget.spend(1 + len(layout) + len(name) // 16)
    budget.check_size(16 * len(layout))
    return replace(_moment(budget, value), location=zone(_str(name))).format(_str(layout))


@TABLE.function("date", params=(STRING, ANY), budget=True, moment=1)
def date(budget: Budget, layout: bytes, value: Value) -> bytes:
    return date_in_zone(budget, layout, value, b"Local")


@TABLE.function("htmlDate", params=(ANY,), budget=True, moment=0)
def html_date(budget: Budget, value: Value) -> bytes:
    return date_in_zone(budget, b"2006-01-02", value, b"Local")


@TABLE.function("htmlDateInZone", params=(ANY, STRING), budget=True, moment=0)
def html_date_in_zone(budget: Budget, value: Value, name: bytes) -> bytes:
    return date_in_zone(budget, b"2006-01-02", value, name)


@TABLE.function("mustToDate", params=(STRING, STRING), budget=True)
def must_to_date(budget: Budget, layout: bytes, text: bytes) -> Time:
    # each element cuts the text anew
    budget.spend(1 + (len(layout) + len(text)) // 4 + len(layout) * len(text) // 2048)
    try:
        civil = layouts.read(_str(layout), _str(text))
    except LayoutError as error:
        raise FunctionError(str(error), told="the time does not fit its layout") from None
    seconds = civil.seconds()
    if civil.offset is not None:
        seconds -= civil.offset
    return Time(seconds, civil.nanosecond, _read_location(civil))


def _read_location(civil: Civil) -> Location:
    """Without a zone in the text: Local. An offset that Local has too is Local; an unknown abbreviation is a name with
    offset 0."""
    if civil.zone is None and civil.offset is None:
        return LOCAL
    if civil.offset is None:
        name = civil.zone or ""
        # Go gives GMT+3 its hours without moving the moment: the clock shown is not the one that was read.
        hours = int(name[3:]) if name.startswith("GMT") and len(name) > 3 else 0
        return Location(name, abbreviation=name, offset=hours * 3600)
    if civil.zone == "UTC" and civil.offset == 0:
        return UTC_ZONE
    if civil.offset == LOCAL.offset and civil.zone is None:
        return LOCAL
    if civil.zone is None and civil.offset in _WHOLE_HOURS:
        return _WHOLE_HOURS[civil.offset]
    return Location(civil.zone or "", abbreviation=civil.zone or "", offset=civil.offset)


@TABLE.function("toDate", params=(STRING, STRING), budget=True)
def to_date(budget: Budget, layout: bytes, text: bytes) -> Time:
    """The zero time for a text that does not fit."""
    try:
        return must_to_date(budget, layout, text)
    except FunctionError:
        return ZERO


@TABLE.function("mustDateModify", "must_date_modify", params=(STRING, TIME), pace=1)
def must_date_modify(text: bytes, value: Time) -> Time:
    try:
        return value.plus(durations.parse_nanoseconds(_str(text)))
    except durations.DurationError as error:
        raise FunctionError(str(error), told="time: invalid duration", quotes=0) from None


@TABLE.function("dateModify", "date_modify", params=(STRING, TIME), pace=1)
def date_modify(text: bytes, value: Time) -> Time:
    """Unchanged for a bad duration."""
    try:
        return must_date_modify(text, value)
    except FunctionError:
        return value


@TABLE.function("unixEpoch", params=(TIME,))
def unix_epoch(value: Time) -> bytes:
    return b"%d" % value.seconds


@TABLE.function("ago", params=(ANY,), budget=True, dice=True)
def ago(budget: Budget, value: Value) -> bytes:
    elapsed = _saturated(now(budget).distance(_moment(budget, value)))
    return Duration(_rounded(elapsed, SECOND)).text()


@TABLE.function("duration", params=(ANY,), pace=32)
def duration(value: Value) -> bytes:
    """Only strings and int64 count, as in the reference: an int constant is 0s."""
    seconds = 0
    if isinstance(value, bytes):
        text = value[1:] if value[:1] in (b"+", b"-") else value
        if text.isdigit():
            seconds = (
                _saturated(int(value[:400]))
                if len(value) < 400
                else (-_LIMIT if value.startswith(b"-") else _LIMIT - 1)
            )
    elif isinstance(value, Int64):
        seconds = int(value)
    return Duration(wrap64(seconds * SECOND)).text()


@TABLE.function("durationRound", params=(ANY,), budget=True, dice=True, pace=1)
def duration_round(budget: Budget, value: Value) -> bytes:
    elapsed = 0
    if isinstance(value, bytes):
        try:
            elapsed = durations.parse_nanoseconds(_str(value))
        except durations.DurationError:
            elapsed = 0
    elif isinstance(value, Int64):
        elapsed = int(value)
    elif isinstance(value, Time):
        elapsed = _saturated(now(budget).distance(value))
    elapsed = abs(elapsed)
    day = 24 * 3600 * SECOND
    for unit, name in (
        (365 * day, b"y"),
        (30 * day, b"mo"),
        (day, b"d"),
        (3600 * SECOND, b"h"),
        (60 * SECOND, b"m"),
        (SECOND, b"s"),
    ):
        if elapsed > unit:
            return b"%d" % (elapsed // unit) + name
    return b"0s"


def _truncated(value: int, unit: int) -> int:
    return value - (abs(value) % unit) * (1 if value >= 0 else -1)


def _rounded(value: int, unit: int) -> int:
    """To the nearest multiple, halves away from zero, within 64 bits."""
    size = (2 * abs(value) + unit) // (2 * unit) * unit
    return _saturated(size if value >= 0 else -size)


# --- members


_TIME, _DURATION, _MONTH, _WEEKDAY, _LOCATION = Table(), Table(), Table(), Table(), Table()


def _member(table: Table, name: str, call: Callable[..., Value], *params: Param, budget: bool = False) -> None:
    table[name] = Function(name, params, call=call, budget=budget)


def _truncated_float(value: int, unit: int) -> float:
    whole = abs(value) // unit
    part = abs(value) % unit / unit
    return (whole + part) * (1 if value >= 0 else -1)


def _divided(value: int, unit: int) -> Int64:
    return Int64(abs(value) // unit * (1 if value >= 0 else -1))


def _add_date(value: Time, years: int, months: int, days: int) -> Time:
    civil = value.civil()
    moved = replace(civil, year=civil.year + years, month=civil.month + months, day=civil.day + days)
    return _local(moved, value.location)


def _local(civil: Civil, location: Location) -> Time:
    """The moment at which clocks in `location` show `civil`; in a gap or overlap as Go chooses."""
    seconds = civil.seconds()
    guess = location.at(seconds)[1]
    if guess:
        guess = location.at(seconds - guess)[1]
    return Time(_wrapped(seconds - guess), civil.nanosecond, location)


def _stepped(value: Time, unit: int, *, nearest: bool) -> Time:
    """Rounded or truncated to multiples of `unit` since the zero time; without the process's age."""
    plain = replace(value, running=None)
    if unit <= 0:
        return plain
    rest = (value.nanoseconds() + _YEAR_ONE * SECOND) % unit
    if nearest and 2 * rest >= unit:
        return plain.plus(unit - rest)
    return plain.plus(-rest)


def _go_string(value: Time) -> bytes:
    civil = value.civil()
    place = {UTC_ZONE: "time.UTC", LOCAL: "time.Local"}.get(
        value.location, f"time.Location({layouts.quoted(value.location.name)})"
    )
    month = layouts.MONTHS[civil.month - 1]
    clock = f"{civil.hour}, {civil.minute}, {civil.second}, {civil.nanosecond}"
    return f"time.Date({civil.year}, time.{month}, {civil.day}, {clock}, {place})".encode("utf-8", "surrogateescape")


def _byte_list(text: bytes) -> ByteList:
    return ByteList(Uint8(byte) for byte in text)


def _in_location(value: Time, location: Location | None) -> Time:
    if location is None:
        raise FunctionError("time: missing Location in call to Time.In")
    return replace(value, location=location, running=value.running)


def _format(budget: Budget, value: Time, layout: bytes) -> bytes:
    budget.spend(1 + len(layout))
    budget.check_size(16 * len(layout))
    return value.format(_str(layout))


_member(_TIME, "Year", lambda t: t.civil().year)
_member(_TIME, "Month", lambda t: Month(t.civil().month))
_member(_TIME, "Day", lambda t: t.civil().day)
_member(_TIME, "Hour", lambda t: t.civil().hour)
_member(_TIME, "Minute", lambda t: t.civil().minute)
_member(_TIME, "Second", lambda t: t.civil().second)
_member(_TIME, "Nanosecond", lambda t: t.nanosecond)
_member(_TIME, "YearDay", lambda t: t.civil().year_day())
_member(_TIME, "Weekday", lambda t: Weekday(t.civil().weekday()))
_member(_TIME, "Unix", lambda t: Int64(wrap64(t.seconds)))
_member(_TIME, "UnixMilli", lambda t: Int64(wrap64(t.seconds * 1000 + t.nanosecond // 10**6)))
_member(_TIME, "UnixMicro", lambda t: Int64(wrap64(t.seconds * 10**6 + t.nanosecond // 1000)))
_member(_TIME, "UnixNano", lambda t: Int64(wrap64(t.nanoseconds())))
_member(_TIME, "Format", _format, STRING, budget=True)
_member(_TIME, "String", lambda t: t.text())
_member(_TIME, "GoString", _go_string)
_member(_TIME, "UTC", lambda t: Time(t.seconds, t.nanosecond, UTC_ZONE))
_member(_TIME, "Local", lambda t: Time(t.seconds, t.nanosecond, LOCAL))
_member(_TIME, "In", _in_location, Param.LOCATION)
_member(_TIME, "Location", lambda t: t.location)
_member(_TIME, "IsZero", lambda t: t.seconds == -_YEAR_ONE and t.nanosecond == 0)
_member(_TIME, "IsDST", lambda t: t.location.at(t.seconds)[2])
_member(_TIME, "Add", lambda t, d: t.plus(int(d)), DURATION)
_member(_TIME, "AddDate", _add_date, INT, INT, INT)
_member(_TIME, "Sub", lambda t, u: Duration(_saturated(t.distance(u))), TIME)
_member(_TIME, "Before", lambda t, u: t.compare(u) < 0, TIME)
_member(_TIME, "After", lambda t, u: t.compare(u) > 0, TIME)
_member(_TIME, "Equal", lambda t, u: t.compare(u) == 0, TIME)
_member(_TIME, "Compare", lambda t, u: t.compare(u), TIME)
_member(_TIME, "Round", lambda t, d: _stepped(t, int(d), nearest=True), DURATION)
_member(_TIME, "Truncate", lambda t, d: _stepped(t, int(d), nearest=False), DURATION)
_member(_TIME, "MarshalJSON", lambda t: _byte_list(b'"' + t.json() + b'"'))
_member(_TIME, "MarshalText", lambda t: _byte_list(t.json()))
_TIME.refuse("Date", "function Date has 3 return values; should be 1 or 2")
_TIME.refuse("Clock", "function Clock has 3 return values; should be 1 or 2")
_TIME.refuse("ISOWeek", "invalid function signature for ISOWeek: second return value should be error; is int")
_TIME.refuse("Zone", "invalid function signature for Zone: second return value should be error; is int")
_TIME.refuse(
    "ZoneBounds", "invalid function signature for ZoneBounds: second return value should be error; is time.Time"
)

_member(_DURATION, "Hours", lambda d: _truncated_float(d, 3600 * SECOND))
_member(_DURATION, "Minutes", lambda d: _truncated_float(d, 60 * SECOND))
_member(_DURATION, "Seconds", lambda d: _truncated_float(d, SECOND))
_member(_DURATION, "Milliseconds", lambda d: _divided(d, 10**6))
_member(_DURATION, "Microseconds", lambda d: _divided(d, 1000))
_member(_DURATION, "Nanoseconds", lambda d: Int64(d))
_member(_DURATION, "String", lambda d: d.text())
_member(_DURATION, "Abs", lambda d: Duration(_saturated(abs(d))))
_member(_DURATION, "Round", lambda d, unit: d if unit <= 0 else Duration(_rounded(d, int(unit))), DURATION)
_member(_DURATION, "Truncate", lambda d, unit: d if unit <= 0 else Duration(_truncated(d, int(unit))), DURATION)

_member(_MONTH, "String", lambda month: month.text())
_member(_WEEKDAY, "String", lambda day: day.text())
_member(_LOCATION, "String", lambda location: location.text())

Time.members = _TIME
Duration.members = _DURATION
Month.members = _MONTH
Weekday.members = _WEEKDAY
Location.members = _LOCATION
