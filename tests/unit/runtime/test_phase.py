"""Slots: stable, never late, not twice at once, spread evenly, shared by those that read the same."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.runtime.phase import TOO_SOON, next_due, offset

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
phases = st.text(max_size=40)
intervals = st.sampled_from([0.5, 1, 1.5, 15, 60, 300, 3600, 86_400, 31_536_000]) | st.floats(0.001, 1e8)
moments = st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@given(phases, intervals, moments, moments)
def test_a_slot_is_never_later_than_one_interval_and_never_before_the_refresh(phase, interval, refreshed, now):
    due = now + timedelta(seconds=next_due(now, interval, phase, refreshed))
    assert refreshed < due + timedelta(microseconds=1)
    assert due <= refreshed + timedelta(seconds=interval) + timedelta(microseconds=50)  # floats of 90 years


@given(phases, intervals, moments)
def test_no_slot_follows_a_refresh_at_once(phase, interval, refreshed):
    assert next_due(refreshed, interval, phase, refreshed) >= interval * TOO_SOON - 1e-5


@given(phases, intervals, moments, moments, moments)
def test_a_restart_finds_the_same_slot(phase, interval, refreshed, before, after):
    first = before + timedelta(seconds=next_due(before, interval, phase, refreshed))
    second = after + timedelta(seconds=next_due(after, interval, phase, refreshed))
    assert abs(first - second) <= timedelta(microseconds=50)


@given(phases, st.sampled_from([60, 300, 3600, 86_400]), moments, st.floats(0, 2))
def test_after_two_reads_at_most_an_object_keeps_its_place(phase, interval, created, lateness):
    moment = created
    for _ in range(2):
        moment += timedelta(seconds=next_due(moment, interval, phase, moment))
    for _ in range(5):
        assert (moment.timestamp() - offset(phase, interval)) % interval < 1e-3
        read = moment + timedelta(seconds=lateness)
        due = read + timedelta(seconds=next_due(read, interval, phase, read))
        assert due - moment == timedelta(seconds=interval)
        moment = due


@given(phases, st.integers(1, 100_000), moments, st.floats(0, 0.999))
def test_a_refresh_time_cut_to_seconds_names_the_same_next_slot(phase, interval, created, lateness):
    slot = created + timedelta(seconds=next_due(created, interval, phase, created))
    slot += timedelta(seconds=next_due(slot, interval, phase, slot))
    slot = slot.replace(microsecond=0)
    told = (slot + timedelta(seconds=lateness)).replace(microsecond=0)
    assert next_due(told, interval, phase, told) == next_due(slot, interval, phase, slot)


@given(phases, st.integers(1, 500), st.integers(1, 50))
def test_the_slots_of_a_long_interval_are_slots_of_each_interval_that_divides_it(phase, short, times):
    assert offset(phase, short * times) % short == offset(phase, short)


@given(phases, intervals)
def test_the_place_is_inside_the_interval(phase, interval):
    assert 0 <= offset(phase, interval) < interval + 1e-6


def bins(phases, interval, width):
    return Counter(int(offset(phase, interval) // width) for phase in phases)


def test_a_thousand_objects_spread_over_the_hour():
    counts = bins([f"https://vault.example:8200|team-a|kv/data/app-{n}" for n in range(1000)], 3600, 300)
    assert len(counts) == 12
    assert max(counts.values()) / (1000 / 12) <= 1.2


@given(st.uuids())
def test_whatever_their_names_a_thousand_objects_never_crowd(seed):
    counts = bins([f"{seed}|kv/data/app-{n}" for n in range(1000)], 3600, 300)
    assert max(counts.values()) / (1000 / 12) <= 1.6


def test_objects_created_in_one_second_do_not_come_back_in_one_second():
    due = [next_due(NOON, 3600, f"vault|key-{n}", NOON) for n in range(1000)]
    assert max(Counter(int(seconds) for seconds in due).values()) < 10


def test_objects_that_read_the_same_key_fall_due_together():
    later = NOON + timedelta(minutes=7)
    assert NOON + timedelta(seconds=next_due(NOON, 3600, "vault|kv/c", NOON)) == later + timedelta(
        seconds=next_due(later, 3600, "vault|kv/c", later)
    )


@pytest.mark.parametrize("interval", [0, -1, 1e-9])
def test_an_interval_without_length_is_refused(interval):
    with pytest.raises(ValueError, match="no slots"):
        next_due(NOON, interval, "x", NOON)


def test_an_overdue_slot_is_in_the_past():
    assert next_due(NOON, 60, "x", NOON - timedelta(hours=1)) < 0
