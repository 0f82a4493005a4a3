"""When windows are open, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat import cron

DAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
HOUR = 3600.0


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        pytest.param("2026-03-02T22:00:00", True, id="C-064 open at the firing"),
        pytest.param("2026-03-02T22:30:00", True, id="C-064 open in the middle"),
        pytest.param("2026-03-03T00:00:00", True, id="C-064 open at the last second, the next day"),
        pytest.param("2026-03-03T00:00:01", False, id="C-064 closed one second later"),
        pytest.param("2026-03-02T21:00:00", False, id="C-064 closed before"),
        pytest.param("2026-03-03T03:00:00", False, id="C-064 closed at night"),
        pytest.param("2026-03-03T22:30:00", True, id="C-064 open on the next day"),
        pytest.param("2026-03-03T00:00:00.900000", True, id="fractions of a second do not count"),
    ],
)
def test_a_window_is_open_from_its_firing_to_its_end_both_included(moment: str, open_: bool) -> None:
    assert cron.active("0 22 * * *", 2 * HOUR, at(moment)) is open_


@pytest.mark.parametrize(
    ("schedule", "duration", "open_"),
    [
        pytest.param("@every 1h", 1800.0, False, id="C-074 every hour for half an hour is never open"),
        pytest.param("@every 30m", HOUR, True, id="C-074 every half hour for an hour is always open"),
        pytest.param("@every 61s", 60.0, True, id="one second more than the duration is still always"),
        pytest.param("@every 62s", 60.0, False, id="two seconds more is never"),
        pytest.param("@every 1ms", 0.0, True, id="less than a second counts as one"),
    ],
)
def test_every_has_no_anchor(schedule: str, duration: float, open_: bool) -> None:
    assert {cron.active(schedule, duration, DAY + timedelta(seconds=97 * i)) for i in range(50)} == {open_}


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param("0 0 * * 7", id="C-075 there is no weekday 7"),
        pytest.param("", id="C-068 empty"),
        pytest.param("not-a-cron", id="C-068 one word"),
        pytest.param("* * * *", id="four fields"),
        pytest.param("0 * * * * *", id="no field for seconds"),
        pytest.param("60 * * * *", id="minute 60"),
        pytest.param("* 24 * * *", id="hour 24"),
        pytest.param("* * 0 * *", id="day 0"),
        pytest.param("* * * 13 *", id="month 13"),
        pytest.param("0 0 L * *", id="no L"),
        pytest.param("0 0 15W * *", id="no W"),
        pytest.param("0 0 * * 1#2", id="no number sign"),
        pytest.param("5-3 * * * *", id="a range backwards"),
        pytest.param("1-2-3 * * * *", id="two hyphens"),
        pytest.param("1/2/3 * * * *", id="two slashes"),
        pytest.param("*/0 * * * *", id="step 0"),
        pytest.param("-5 * * * *", id="a negative number"),
        pytest.param("@Daily", id="shorthands are lower case"),
        pytest.param("@reboot", id="no reboot"),
        pytest.param("@every", id="every what"),
        pytest.param("@every x", id="every no duration"),
        pytest.param("², * * * *", id="digits of other scripts"),
        pytest.param("9" * 5000 + " * * * *", id="a number of five thousand digits"),
    ],
)
def test_what_is_no_schedule_is_never_open(schedule: str) -> None:
    assert cron.parse(schedule) is None
    assert not cron.active(schedule, 10 * 365 * 86400.0, DAY)
    assert cron.next_opening(schedule, HOUR, DAY) is None


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param("0 22 * * 1-5", "2026-03-02T22:00", id="later today"),
        pytest.param("0 22 * * SAT,sun", "2026-03-07T22:00", id="weekdays have names in any case"),
        pytest.param("15 3 1 JAN-mar ?", "2027-01-01T03:15", id="months have names"),
        pytest.param("30/10 5 * * *", "2026-03-02T05:30", id="a start with a step runs to the end of the field"),
        pytest.param("50/10 4 * * *", "2026-03-02T04:50", id="and stops there"),
        pytest.param("+5 0 * * *", "2026-03-02T00:05", id="a plus sign is accepted"),
        pytest.param("00000000000000000000005 0 * * *", "2026-03-02T00:05", id="leading zeros are accepted"),
        pytest.param("1,,2 0 * * *", "2026-03-02T00:01", id="empty items of a list do not count"),
        pytest.param("@yearly", "2027-01-01T00:00", id="yearly"),
        pytest.param("@annually", "2027-01-01T00:00", id="annually"),
        pytest.param("@monthly", "2026-04-01T00:00", id="monthly"),
        pytest.param("@weekly", "2026-03-08T00:00", id="weekly"),
        pytest.param("@daily", "2026-03-03T00:00", id="daily"),
        pytest.param("@midnight", "2026-03-03T00:00", id="midnight"),
        pytest.param("@hourly", "2026-03-02T01:00", id="hourly"),
        pytest.param("0 0 29 2 *", "2028-02-29T00:00", id="the next leap day"),
        pytest.param("0 0 13 * 5", "2026-03-06T00:00", id="both day fields restricted: either matches"),
        pytest.param("0 0 13 * *", "2026-03-13T00:00", id="one day field restricted: it decides"),
        pytest.param("0 0 */1 * 5", "2026-03-06T00:00", id="a star with step 1 is no restriction"),
        pytest.param("0 0 */2 * 5", "2026-03-03T00:00", id="a star with a greater step is one"),
    ],
)
def test_the_next_opening(schedule: str, expected: str) -> None:
    assert cron.next_opening(schedule, 0.0, DAY + timedelta(seconds=1)) == at(expected)


def test_a_day_that_does_not_exist_never_opens_nor_closes() -> None:
    assert cron.next_opening("0 0 30 2 *", HOUR, DAY) is None
    assert not cron.active("0 0 30 2 *", 86400.0, DAY)


def test_a_field_of_an_empty_list_never_fires() -> None:
    assert cron.next_opening(", * * * *", HOUR, DAY) is None


def test_an_open_window_opens_now() -> None:
    now = at("2026-03-02T22:30:00")
    assert cron.next_opening("0 22 * * *", 2 * HOUR, now) == now


@pytest.mark.parametrize(
    ("schedule", "duration", "closes"),
    [
        pytest.param("0 0 * * *", HOUR, "2026-03-02T01:00:01", id="one second behind the end"),
        pytest.param("0,30 0 * * *", HOUR, "2026-03-02T01:30:01", id="overlapping firings lengthen the window"),
        pytest.param("* * * * *", HOUR, None, id="firings without a gap never close it"),
        pytest.param("@every 1m", HOUR, None, id="every never closes it"),
        pytest.param("0 5 * * *", HOUR, "2026-03-02T00:00:00", id="a closed window is closed now"),
    ],
)
def test_the_next_closing(schedule: str, duration: float, closes: str | None) -> None:
    assert cron.next_closing(schedule, duration, DAY) == (at(closes) if closes else None)


def test_schedules_are_read_in_utc_whatever_the_zone_of_the_clock() -> None:
    tokyo = datetime(2026, 3, 3, 7, 30, tzinfo=timezone(timedelta(hours=9)))  # 22:30 UTC
    assert cron.active("0 22 * * *", 2 * HOUR, tokyo)


@pytest.mark.parametrize("now", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_do_no_harm(now: datetime) -> None:
    assert isinstance(cron.active("0 0 30 2 *", 10**12, now), bool)
    assert cron.next_opening("0 0 30 2 *", HOUR, now) is None


fields = st.tuples(
    st.sampled_from(["*", "0", "*/7", "5-20", "1,59"]),
    st.sampled_from(["*", "0", "23", "8-18/3"]),
    st.sampled_from(["*", "?", "1", "31", "10-20"]),
    st.sampled_from(["*", "2", "jan-jun"]),
    st.sampled_from(["*", "0", "1-5", "sat"]),
).map(" ".join)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)


@given(fields, moments)
def test_the_next_firing_is_the_first_minute_that_matches(schedule: str, now: datetime) -> None:
    parsed = cron.parse(schedule)
    assert isinstance(parsed, cron.Schedule)
    first = parsed.first_from(now)
    if first is None:
        assert schedule.split()[2:4] == ["31", "2"]
        return
    assert first >= now
    assert parsed.last_until(first) == first
    before = parsed.last_until(first - timedelta(seconds=1))
    assert before is None or before < now


@given(fields, moments, st.integers(0, 200_000))
def test_a_window_is_open_iff_its_last_firing_is_not_too_old(schedule: str, now: datetime, duration: int) -> None:
    parsed = cron.parse(schedule)
    assert isinstance(parsed, cron.Schedule)
    latest = parsed.last_until(now)
    assert cron.active(schedule, duration, now) is (latest is not None and now <= latest + timedelta(seconds=duration))


@given(st.text(max_size=30), moments)
def test_any_text_is_a_schedule_or_never_open(text: str, now: datetime) -> None:
    assert cron.parse(text) is not None or not cron.active(text, 86400.0, now)
