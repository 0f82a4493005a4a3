"""When a sync window is open: the five-field cron dialect of the reference, in UTC.

Neighbours: reconcile.externalsecret.refresh asks. A schedule that cannot be read never fires. Nothing here walks minute
by minute.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final

from eso.gocompat.duration import SECOND, DurationError, parse_nanoseconds

HORIZON_YEARS: Final = 5
CLOSING_STEPS: Final = 1000
_STAR: Final = -1  # stands in a field's set when `*` or `?` did: it decides how the two day fields combine
_MONTHS: Final = {
    name: i
    for i, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_WEEKDAYS: Final = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_SHORTHANDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Every:
    """`@every`: has no anchor, so a window is open always or never."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values of each field in ascending order; `either` day field suffices when both are restricted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def first_from(self, start: datetime) -> datetime | None:
        """The first firing at or after `start`; None when there is none in the horizon."""
        start = _whole_minute(start, up=True)
        for day in self._days(start, 1):
            floor = (start.hour, start.minute) if day.date() == start.date() else (0, 0)
            for hour in self.hours[bisect_left(self.hours, floor[0]) :]:
                at = bisect_left(self.minutes, floor[1]) if hour == floor[0] else 0
                if at < len(self.minutes):
                    return day.replace(hour=hour, minute=self.minutes[at])
        return None

    def last_until(self, end: datetime) -> datetime | None:
        """The last firing at or before `end`; None when there is none in the horizon."""
        end = _whole_minute(end, up=False)
        for day in self._days(end, -1):
            ceiling = (end.hour, end.minute) if day.date() == end.date() else (23, 59)
            for hour in reversed(self.hours[: bisect_right(self.hours, ceiling[0])]):
                at = bisect_right(self.minutes, ceiling[1]) if hour == ceiling[0] else len(self.minutes)
                if at:
                    return day.replace(hour=hour, minute=self.minutes[at - 1])
        return None

    def _days(self, start: datetime, step: int) -> Iterator[datetime]:
        """Midnights of the days that match, from the day of `start` forwards (1) or backwards (-1)."""
        if not self.minutes or not self.hours:
            return
        day, one = start.replace(hour=0, minute=0), timedelta(days=step)
        while abs(day.year - start.year) <= HORIZON_YEARS:
            try:
                if day.month not in self.months:
                    first = day.replace(day=1)
                    day = (first + timedelta(days=32)).replace(day=1) if step > 0 else first + one
                    continue
                if self._matches(day):
                    yield day
                day += one
            except OverflowError:  # the end of the calendar
                return

    def _matches(self, day: datetime) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either else in_month and in_week


def active(schedule: str, duration_seconds: float, now: datetime) -> bool:
    """True iff there is a firing f with f <= now <= f + duration, in whole seconds. `now` is aware. Unreadable
    schedule: False."""
    now = now.astimezone(UTC)
    match parse(schedule):
        case Every(seconds):
            return seconds <= duration_seconds + 1
        case Schedule() as fields:
            latest = fields.last_until(now)
            return latest is not None and latest >= _whole_second(_earlier(now, duration_seconds))
        case None:
            return False


def next_opening(schedule: str, duration_seconds: float, now: datetime) -> datetime | None:
    """The first moment from `now` on at which the window is open; None when it never is (or not within five years)."""
    if active(schedule, duration_seconds, now):
        return now
    match parse(schedule):
        case Schedule() as fields if duration_seconds >= 0:
            try:
                return fields.first_from(now.astimezone(UTC))
            except OverflowError:  # the end of the calendar
                return None
        case _:
            return None


def next_closing(schedule: str, duration_seconds: float, now: datetime) -> datetime | None:
    """The first moment from `now` on at which the window is not open; None when none is in sight (overlapping firings,
    `@every`)."""
    if not active(schedule, duration_seconds, now):
        return now
    fields, edge = parse(schedule), now.astimezone(UTC)
    if not isinstance(fields, Schedule):
        return None
    for _ in range(CLOSING_STEPS):
        latest = fields.last_until(edge)
        try:
            end = edge if latest is None else latest + timedelta(seconds=duration_seconds)
            if latest is None or end < edge:
                return edge
            edge = _whole_second(end) + _SECOND
        except OverflowError:  # the end of the calendar
            return None
    return None


@lru_cache(maxsize=1024)
def parse(schedule: str) -> Schedule | Every | None:
    """The schedule, or None when it is not of the dialect: five fields, a shorthand or `@every <duration>`."""
    if schedule.startswith("@every "):
        try:
            return Every(max(1, parse_nanoseconds(schedule.removeprefix("@every ")) // SECOND))
        except DurationError:
            return None
    fields = _SHORTHANDS.get(schedule, schedule).split()
    if len(fields) != 5:
        return None
    try:
        minutes = _field(fields[0], 0, 59)
        hours = _field(fields[1], 0, 23)
        days = _field(fields[2], 1, 31)
        months = _field(fields[3], 1, 12, _MONTHS)
        weekdays = _field(fields[4], 0, 6, _WEEKDAYS)
    except ValueError:
        return None
    either = _STAR not in days and _STAR not in weekdays
    return Schedule(tuple(sorted(minutes - {_STAR})), tuple(sorted(hours - {_STAR})), days, months, weekdays, either)


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """The values of a comma list of `a`, `a-b`, `*`, each with an optional `/step`. Raises ValueError."""
    values: set[int] = set()
    for part in filter(None, text.split(",")):
        values |= _range(part, low, high, names or {})
    return frozenset(values)


def _range(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    bounds, *steps = text.split("/")
    first, *last = bounds.split("-")
    if len(steps) > 1:
        raise ValueError("too many slashes")
    step = _number(steps[0], {}) if steps else 1
    star = first in ("*", "?")
    if star:
        start, end = low, high
    else:
        if len(last) > 1:
            raise ValueError("too many hyphens")
        start = _number(first, names)
        end = _number(last[0], names) if last else high if steps else start  # `5/10` runs to the end of the field
    if not (low <= start <= end <= high and step > 0):
        raise ValueError("out of range")
    values = set(islice(range(start, end + 1, step), high + 1))
    return values | {_STAR} if star and step == 1 else values


def _number(text: str, names: dict[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits.lstrip("0")) > 18:
        raise ValueError("not a number")
    return int(digits)


def _earlier(now: datetime, seconds: float) -> datetime:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _whole_minute(moment: datetime, *, up: bool) -> datetime:
    floor = moment.replace(second=0, microsecond=0)
    return floor + _MINUTE if up and floor < _whole_second(moment) else floor
