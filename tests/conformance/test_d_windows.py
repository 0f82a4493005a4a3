"""D. Sync windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eso.api.externalsecret import ExternalSecret, ExternalSecretSpec, SyncWindow, SyncWindows
from eso.api.hashing import synced_resource_version
from eso.api.meta import ObjectMeta
from eso.gocompat import cron
from eso.reconcile.externalsecret.refresh import Synced, come_back, should_refresh, window_open
from eso.runtime.outcome import After, Done, Wake
from tests.conformance.conftest import Case

NIGHTLY = "0 22 * * *"
ALWAYS = {"schedule": "@every 1m", "duration": "1h"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-{text}").replace(tzinfo=UTC)


def es(kind: str, *windows: tuple[str, str], interval: str = "1m") -> ExternalSecret:
    spec = ExternalSecretSpec(
        refresh_interval=interval, sync_windows=SyncWindows(kind, tuple(SyncWindow(s, d) for s, d in windows))
    )
    return ExternalSecret(metadata=ObjectMeta(name="test-es", namespace="ns", uid="u"), spec=spec)


# C-064
@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("01T22:00:00", True),
        ("01T22:30:00", True),
        ("02T00:00:00", True),
        ("02T00:00:01", False),
        ("01T21:00:00", False),
        ("01T03:00:00", False),
        ("02T22:30:00", True),
    ],
)
def test_c_064_window_boundaries(moment: str, active: bool):
    assert cron.active(NIGHTLY, 7200, at(moment)) is active


# C-065
def test_c_065_no_windows_allow():
    one = ExternalSecret(metadata=ObjectMeta(name="test-es", namespace="ns"), spec=ExternalSecretSpec())
    assert window_open(one, at("01T12:00:00"))
    assert window_open(es("allow"), at("01T12:00:00"))


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [pytest.param("allow", True, False, id="C-066"), pytest.param("deny", False, True, id="C-067")],
)
def test_c_066_c_067_allow_and_deny(kind: str, inside: bool, outside: bool):
    one = es(kind, (NIGHTLY, "2h"))
    assert window_open(one, at("01T23:00:00")) is inside
    assert window_open(one, at("01T12:00:00")) is outside


# C-068
@pytest.mark.parametrize(
    ("one", "allowed"),
    [
        pytest.param(es("allow", ("a b c d e", "1h")), False, id="allow with only an invalid schedule"),
        pytest.param(es("deny", ("a b c d e", "1h")), True, id="deny with only an invalid schedule"),
        pytest.param(
            es("allow", ("a b c d e", "1h"), (NIGHTLY, "2h")), True, id="allow with an invalid and an active one"
        ),
    ],
)
def test_c_068_invalid_schedules_are_inactive(one: ExternalSecret, allowed: bool):
    assert window_open(one, at("01T23:00:00")) is allowed


# C-069
def test_c_069_an_unknown_kind_allows():
    assert window_open(es("unknown", (NIGHTLY, "2h")), at("01T23:00:00"))


# C-070, C-071
def test_c_070_c_071_windows_do_not_block_the_first_sync_edits_or_repairs(live: Case):
    live.external_secret(refreshInterval="1s", syncWindows={"kind": "deny", "windows": [ALWAYS]})
    live.synced()
    live.provider.value = b"other"
    live.edit_es({"spec": {"data": [{"secretKey": "renamed", "remoteRef": {"key": "barz"}}]}})
    live.eventually(lambda: live.secret() == {"renamed": "other"}, within=5)
    live.edit("secrets", "test-secret", {"data": {"renamed": "aHVtYW4="}})
    live.eventually(lambda: live.secret() == {"renamed": "other"}, within=5)


# C-072
def test_c_072_windows_do_not_affect_on_change(live: Case):
    live.external_secret(refreshPolicy="OnChange", syncWindows={"kind": "deny", "windows": [ALWAYS]})
    live.synced()
    live.provider.value = b"other"
    live.edit_es({"metadata": {"annotations": {"a": "b"}}})
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)


# C-073
def test_c_073_a_blocked_refresh_reads_nothing_until_the_window_lets_it(live: Case):
    live.external_secret(refreshInterval="1s", syncWindows={"kind": "deny", "windows": [ALWAYS]})
    live.synced()
    reads = live.provider.count()
    live.provider.value = b"other"
    live.holds(lambda: live.provider.count() == reads and live.ready()["status"] == "True", 2.5)
    assert live.secret() == {"targetProperty": "some-value"}


# C-073
def test_c_073_a_blocked_object_comes_back_when_its_window_opens():
    """Ours: at the opening, spread a little; the reference polls with back-off."""
    now = at("01T12:00:00")
    one = es("allow", (NIGHTLY, "2h"))
    overdue = Synced(synced_resource_version(one.metadata), now - timedelta(hours=1), now - timedelta(minutes=59))
    assert not should_refresh(one, overdue, Wake(), now)
    match come_back(one, overdue.due, now, "phase"):
        case After(seconds=seconds):
            assert 10 * 3600 <= seconds <= 10 * 3600 + 60
        case other:
            raise AssertionError(f"not scheduled: {other}")
    denied = es("deny", ("0 12 * * *", "1h"), ("0 13 * * *", "1h"))
    match come_back(denied, now, now, "phase"):
        case After(seconds=seconds):
            assert 2 * 3600 < seconds <= 2 * 3600 + 61
        case other:
            raise AssertionError(f"not scheduled: {other}")
    assert come_back(es("allow", ("a b c d e", "1h")), now, now, "phase") == Done()


# C-074
def test_c_074_every_has_no_anchor():
    for moment in ("01T00:00:00", "01T12:34:56", "17T23:59:59"):
        assert not cron.active("@every 1h", 1800, at(moment))
        assert cron.active("@every 30m", 3600, at(moment))


# C-075
def test_c_075_weekday_7_is_no_weekday():
    assert not any(window_open(es("allow", ("0 0 * * 7", "24h")), at(f"{day:02}T12:00:00")) for day in range(1, 15))
