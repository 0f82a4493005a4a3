from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.hashing import synced_resource_version
from eso.reconcile.externalsecret.refresh import (
    Synced,
    come_back,
    first_due,
    interval_seconds,
    readable,
    should_refresh,
    slot,
    spread_seconds,
    unstretched,
)
from eso.reconcile.externalsecret.stage import Stage
from eso.runtime.outcome import After, Done, Lane, Wake
from tests.unit.reconcile.objects import NOW, es, fails, target

PAST, FUTURE = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
EVERY_MINUTE = [{"schedule": "* * * * *", "duration": "10m"}]


def told(refreshed: str, **spec: Any) -> Any:
    return es(status={"refreshTime": refreshed, "syncedResourceVersion": "1-x"}, **spec)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"refreshPolicy": "CreatedOnce"}, id="CreatedOnce"),
        pytest.param({"refreshPolicy": "OnChange"}, id="OnChange"),
        pytest.param({"refreshInterval": "0"}, id="interval 0"),
        pytest.param({"refreshInterval": "-1m"}, id="a negative interval"),
    ],
)
@pytest.mark.parametrize("due", [None, PAST, NOW, FUTURE], ids=["never due", "overdue", "due", "due later"])
def test_what_does_not_poll_never_comes_back_by_itself(spec: Any, due: Any):
    """Whatever the object's earlier policy left behind as its slot."""
    assert come_back(es(**spec), due, NOW, "phase") == Done()


@pytest.mark.parametrize(
    "spec", [{"refreshPolicy": "CreatedOnce"}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=str
)
@pytest.mark.parametrize("refreshed", ["2026-05-01T11:59:00Z", "2026-01-01T00:00:00Z"], ids=["lately", "long ago"])
def test_what_does_not_poll_is_not_due_after_a_restart(spec: Any, refreshed: str):
    assert first_due(told(refreshed, **spec), "phase", 300.0, NOW) is None
    assert slot(es(**spec), NOW, "phase", NOW) is None


@pytest.mark.parametrize(("text", "seconds"), [(None, 3600.0), ("0", 0.0), ("90s", 90.0), ("-1h", -3600.0)])
def test_the_interval(text: str | None, seconds: float):
    assert interval_seconds(es(refreshInterval=text)) == seconds


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"refreshInterval": "soon"}, 'invalid spec.refreshInterval "soon": ', id="the interval"),
        pytest.param(
            {"syncWindows": {"kind": "allow", "windows": [*EVERY_MINUTE, {"schedule": "@daily", "duration": "long"}]}},
            'invalid spec.syncWindows.windows[1].duration "long": ',
            id="a window",
        ),
    ],
)
def test_a_duration_that_is_none_is_named(spec: Any, text: str):
    with fails(Stage.SPEC) as refusal:
        readable(es(**spec))
    assert str(refusal.value).startswith(text) and not refusal.value.retryable


def test_a_readable_object_is_let_through():
    readable(es(refreshInterval="1h", syncWindows={"kind": "deny", "windows": EVERY_MINUTE}))


@pytest.mark.parametrize("immediate", [False, True])
def test_an_immediate_target_comes_back_in_the_first_lane(immediate: bool):
    lane = Lane.NEW if immediate else Lane.PERIODIC
    assert come_back(es(target=target(immediate=immediate)), FUTURE, NOW, "phase") == After(60.0, lane)


@given(st.integers(1, 100_000), st.integers(0, 200_000), st.text(max_size=5))
def test_a_slot_is_never_later_than_one_interval_after_the_success(interval: int, ago: int, phase: str):
    refreshed = NOW - timedelta(seconds=ago)
    due = slot(es(refreshInterval=f"{interval}s"), refreshed, phase, NOW)
    assert due is not None and NOW <= due <= max(NOW, refreshed + timedelta(seconds=interval))


@given(st.integers(1, 100_000), st.integers(0, 200_000))
def test_generators_keep_the_exact_time(interval: int, ago: int):
    generators = [{"sourceRef": {"generatorRef": {"kind": "UUID", "name": "g"}}}]
    refreshed = NOW - timedelta(seconds=ago)
    assert slot(es(refreshInterval=f"{interval}s", dataFrom=generators), refreshed, "p", NOW) == refreshed + timedelta(
        seconds=interval
    )


@pytest.mark.parametrize(
    ("refreshed", "overdue"),
    [
        pytest.param("2026-05-01T10:54:59Z", True, id="even a refresh that no heartbeat told of would be overdue"),
        pytest.param("2026-05-01T10:55:01Z", False, id="an untold refresh may have been in time"),
    ],
)
def test_a_restart_does_not_read_everything_at_once(refreshed: str, overdue: bool):
    due = first_due(told(refreshed, refreshInterval="1h"), "phase", 300.0, NOW)
    assert due is not None and due <= NOW if overdue else due is not None


@pytest.mark.parametrize(
    ("windows", "seconds"),
    [
        pytest.param(None, 300.0, id="no windows"),
        pytest.param([{"schedule": "@daily", "duration": "1h"}], 300.0, id="a long one"),
        pytest.param([{"schedule": "@daily", "duration": "1m"}], 30.0, id="half of a short one"),
        pytest.param([{"schedule": "@daily", "duration": "1s"}], 1.0, id="never less than a second"),
    ],
)
def test_how_far_those_who_waited_are_spread(windows: Any, seconds: float):
    spec = {"syncWindows": {"kind": "allow", "windows": windows}} if windows else {}
    assert spread_seconds(es(refreshInterval="1h", **spec)) == seconds


@pytest.mark.parametrize(
    ("refreshed", "triggered", "due"),
    [
        pytest.param(PAST, None, False, id="nothing happened since the last read"),
        pytest.param(PAST, PAST - timedelta(seconds=1), False, id="a trigger from before the last read"),
        pytest.param(PAST, NOW, True, id="a trigger since the last read"),
        pytest.param(FUTURE, None, True, id="a last read in the future is not believed"),
        pytest.param(None, None, True, id="never read"),
    ],
)
def test_what_makes_a_read_before_its_slot(refreshed: Any, triggered: Any, due: bool):
    one = es(refreshInterval="1h")
    synced = Synced(synced_resource_version(one.metadata), refreshed, NOW + timedelta(minutes=30))
    assert should_refresh(one, synced, Wake(frozenset({"store changed"}), triggered), NOW) == due


def test_never_polled_means_never_forced_by_a_trigger():
    one = es(refreshInterval="0")
    synced = Synced(synced_resource_version(one.metadata), PAST, None)
    assert not should_refresh(one, synced, Wake(frozenset({"store changed"}), NOW), NOW)


@pytest.mark.parametrize("text", ["1ns", "100us", "1ms", "999ms"])
def test_an_interval_below_a_second_is_a_second(text: str):
    assert interval_seconds(es(refreshInterval=text)) == 1.0


def test_more_windows_than_anybody_needs_are_refused():
    windows = [{"schedule": "0 3 * * *", "duration": "1h"}] * 101
    with fails(Stage.SPEC, match="more than 100 entries"):
        readable(es(syncWindows={"kind": "allow", "windows": windows}))


def test_a_refresh_time_at_the_end_of_all_time_is_due_now():
    one = es(refreshInterval="1h", status={"refreshTime": "9999-12-31T23:59:59Z", "syncedResourceVersion": "1-x"})
    assert first_due(one, "phase", 300.0, NOW) == NOW


# intervals that trust in events has stretched

AGES = st.floats(1, 8 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


@given(AGES, st.text(max_size=8))
def test_property_an_object_that_was_stretched_is_read_within_one_interval_after_a_restart(refreshed, phase):
    found = told(refreshed.isoformat().replace("+00:00", "Z"), refreshInterval="1h")
    due = first_due(found, phase, 300.0, NOW, 8.0)
    assert due is not None and due <= NOW + timedelta(hours=1)
    if NOW - refreshed > timedelta(hours=1, seconds=300):
        assert first_due(found, phase, 300.0, NOW) == NOW, "without trust it is overdue"
        assert due >= NOW


def test_an_object_that_is_overdue_even_if_it_was_stretched_is_read_at_once():
    found = told("2026-04-30T00:00:00Z", refreshInterval="1h")
    assert first_due(found, "phase", 300.0, NOW, 8.0) == NOW


@given(AGES, st.floats(1, 64), st.text(max_size=8))
def test_property_a_stretched_slot_is_never_later_than_the_stretched_interval(refreshed, factor, phase):
    due = slot(es(refreshInterval="1h"), NOW, phase, NOW, factor)
    assert due is not None and NOW < due <= NOW + timedelta(hours=factor)


@given(st.floats(0, 3600), st.floats(1, 64), st.text(max_size=8))
def test_property_without_trust_the_next_read_is_within_one_interval_and_no_ordinary_slot_moves(age, factor, phase):
    one = es(refreshInterval="1h")
    refreshed = NOW - timedelta(seconds=age)
    ordinary = Synced("1-x", refreshed, slot(one, refreshed, phase, refreshed))
    if ordinary.due is not None and ordinary.due > NOW:
        assert unstretched(one, ordinary, phase, NOW) == ordinary
    stretched = Synced("1-x", refreshed, slot(one, refreshed, phase, refreshed, factor))
    due = unstretched(one, stretched, phase, NOW).due
    assert due is not None and due <= NOW + timedelta(hours=1)


@pytest.mark.parametrize("interval", ["2562047h", "87600h"], ids=["the longest duration", "ten years"])
@pytest.mark.parametrize("trust", [64.0, 1e6])
def test_no_trust_stretches_an_interval_past_the_end_of_the_calendar(interval: str, trust: float):
    one = told("2026-05-01T11:59:00Z", refreshInterval=interval)
    for phase in ("p", "q", "r"):
        assert first_due(one, phase, 300.0, NOW, trust) is not None
        assert slot(one, NOW, phase, NOW, trust) is not None
