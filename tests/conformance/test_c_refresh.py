"""C. Refresh policy and interval. What only compares times is decided by the desk; what writes is seen on the API
server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import ExternalSecret, ExternalSecretSpec, ExternalSecretStatus
from eso.api.hashing import synced_resource_version
from eso.api.meta import ObjectMeta
from eso.reconcile.externalsecret.refresh import Synced, come_back, first_due, should_refresh, slot
from eso.reconcile.externalsecret.triggers import lane_of
from eso.runtime.outcome import After, Done, Lane, Wake
from tests.conformance.conftest import Case

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
QUIET = Wake()


def es(
    policy: str = "",
    interval: str = "1m",
    *,
    generation: int = 1,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> ExternalSecret:
    meta = ObjectMeta(
        name="test-es",
        namespace="ns",
        uid="u",
        generation=generation,
        labels=labels or {},
        annotations=annotations or {},
    )
    return ExternalSecret(metadata=meta, spec=ExternalSecretSpec(refresh_policy=policy, refresh_interval=interval))


def synced(
    of: ExternalSecret, ago: timedelta | None = timedelta(0), *, version: str | None = None, due: datetime | None = None
) -> Synced:
    return Synced(
        synced_resource_version(of.metadata) if version is None else version, None if ago is None else NOW - ago, due
    )


# C-040
def test_c_040_periodic_refresh(live: Case):
    live.external_secret(refreshInterval="1s")
    live.synced()
    live.provider.value = b"other"
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)


# C-041
@pytest.mark.parametrize("policy", ["", "Periodic"])
@pytest.mark.parametrize(
    ("due", "wanted"),
    [pytest.param(NOW + timedelta(seconds=1), False, id="before its slot"), pytest.param(NOW, True, id="at its slot")],
)
def test_c_041_the_default_policy_is_periodic(policy: str, due: datetime, wanted: bool):
    """Ours: the slot decides, which never is later than refreshTime + interval."""
    one = es(policy)
    assert should_refresh(one, synced(one, due=due), QUIET, NOW) is wanted
    assert slot(one, NOW - timedelta(minutes=2), "phase", NOW) <= NOW


# C-042, C-043, C-044
def test_c_042_c_043_c_044_interval_0_syncs_once_ignores_edits_and_still_repairs(live: Case):
    live.external_secret(refreshInterval="0")
    live.synced()
    live.provider.value = b"other"
    version = live.es()["status"]["syncedResourceVersion"]
    live.edit_es(
        {
            "metadata": {"labels": {"edited": "yes"}, "annotations": {"edited": "yes"}},
            "spec": {"refreshPolicy": "Periodic"},
        }
    )
    live.holds(lambda: live.secret() == {"targetProperty": "some-value"}, 2.5)
    assert live.es()["status"]["syncedResourceVersion"] == version
    live.edit("secrets", "test-secret", {"data": {"targetProperty": "aHVtYW4="}})
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)
    live.delete("secrets", "test-secret")
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)


# C-042
def test_c_042_no_pass_is_scheduled_at_interval_0():
    one = es(interval="0")
    assert come_back(one, slot(one, NOW, "phase", NOW), NOW, "phase") == Done()


# C-045
def test_c_045_a_negative_interval_is_like_0():
    one = es(interval="-1s")
    assert should_refresh(one, Synced("", None, None), QUIET, NOW)
    assert not should_refresh(es(interval="-1s", generation=2), synced(one, timedelta(hours=1)), QUIET, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(es(generation=2), id="C-046 generation"),
        pytest.param(es(labels={"a": "b"}), id="C-047 label"),
        pytest.param(es(annotations={"force-sync": "1"}), id="C-048 annotation"),
    ],
)
def test_c_046_c_047_c_048_a_change_of_the_object_refreshes(changed: ExternalSecret):
    assert should_refresh(changed, synced(es(), due=NOW + timedelta(minutes=1)), QUIET, NOW)


def test_c_048_force_sync(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    live.provider.value = b"other"
    live.edit_es({"metadata": {"annotations": {"force-sync": "now"}}})
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)


# C-049
def test_c_049_a_finalizer_enqueues_but_does_not_refresh(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    reads, passes = live.provider.count(), live.passes()
    live.edit_es({"metadata": {"finalizers": ["example.com/mine"]}})
    live.eventually(lambda: live.passes() > passes)
    assert live.provider.count() == reads
    live.edit_es({"metadata": {"finalizers": None}})


# C-050
def test_c_050_refresh_without_refresh_time():
    assert should_refresh(es(), synced(es(), None), QUIET, NOW)


# C-051
def test_c_051_refresh_with_a_future_refresh_time():
    assert should_refresh(es(), synced(es(), -timedelta(hours=1), due=NOW + timedelta(hours=2)), QUIET, NOW)


# C-052
def test_c_052_the_meta_hash_covers_labels_and_annotations_and_only_those():
    def version(**meta: Any) -> str:
        return synced_resource_version(ObjectMeta(name="n", namespace="ns", **meta))

    base = version(generation=1, labels={"a": "1"}, annotations={"b": "2"})
    assert version(generation=1, labels={"a": "1"}, annotations={"b": "2"}, finalizers=("f",), uid="other") == base
    assert version(generation=1, labels={"a": "2"}, annotations={"b": "2"}) != base
    assert version(generation=1, labels={"a": "1"}) != base
    later = version(generation=7, labels={"a": "1"}, annotations={"b": "2"})
    assert later != base and later.split("-", 1)[1] == base.split("-", 1)[1] and later.startswith("7-")


@pytest.mark.parametrize("policy", [pytest.param("CreatedOnce", id="C-053"), pytest.param("OnChange", id="C-059")])
@pytest.mark.parametrize(
    "state",
    [pytest.param(synced(es(), version=""), id="no version"), pytest.param(synced(es(), None), id="no refreshTime")],
)
def test_c_053_c_059_the_first_sync_happens_whatever_the_policy(policy: str, state: Synced):
    assert should_refresh(es(policy), state, QUIET, NOW)


# C-054
def test_c_054_created_once_ignores_edits_afterwards():
    assert not should_refresh(es("CreatedOnce", generation=9), synced(es(), timedelta(days=365)), QUIET, NOW)


@pytest.mark.parametrize("immutable", [False, True], ids=["C-055 mutable", "C-056 immutable"])
def test_c_055_c_056_created_once_counts_per_object(live: Case, immutable: bool):
    target = {"creationPolicy": "Orphan", "immutable": immutable}
    live.provider.value = b"first"
    live.external_secret(refreshPolicy="CreatedOnce", refreshInterval="1s", target=target)
    live.synced()
    live.provider.value = b"second"
    live.holds(lambda: live.secret() == {"targetProperty": "first"}, 2)
    live.delete("externalsecrets", "test-es")
    live.eventually(lambda: live.api.get("externalsecrets", live.namespace, "test-es") is None)
    assert live.secret() == {"targetProperty": "first"}
    live.external_secret(refreshPolicy="CreatedOnce", refreshInterval="1s", target=target)
    live.synced()
    wanted = "first" if immutable else "second"
    live.eventually(lambda: live.secret() == {"targetProperty": wanted}, within=5)
    live.holds(lambda: live.secret() == {"targetProperty": wanted} and live.ready()["status"] == "True", 1)


# C-057
def test_c_057_created_once_with_owner_recreates_a_deleted_secret(live: Case):
    live.external_secret(refreshPolicy="CreatedOnce", target={"creationPolicy": "Owner", "immutable": True})
    live.synced()
    before = live.raw_secret()["metadata"]["uid"]
    live.delete("secrets", "test-secret")
    live.eventually(lambda: (live.raw_secret() or {}).get("metadata", {}).get("uid", before) != before, within=5)


# C-058
def test_c_058_created_once_with_orphan_does_not_recreate(live: Case):
    live.external_secret(refreshPolicy="CreatedOnce", target={"creationPolicy": "Orphan"})
    live.synced()
    live.delete("secrets", "test-secret")
    live.holds(lambda: live.secret() is None, 2.5)


# C-060
def test_c_060_on_change_is_stable():
    one = es("OnChange")
    assert not should_refresh(one, synced(one, timedelta(days=1000)), QUIET, NOW)


# C-061
@pytest.mark.parametrize(
    "changed", [es("OnChange", annotations={"a": "b"}), es("OnChange", generation=2)], ids=["annotation", "generation"]
)
def test_c_061_on_change_follows_a_change_of_the_object(changed: ExternalSecret):
    assert should_refresh(changed, synced(es("OnChange")), QUIET, NOW)


# C-062
def test_c_062_the_next_pass_is_never_later_than_one_interval_after_the_last_success():
    """Ours: at the object's fixed place inside the interval; with generators exactly at refreshTime + interval."""
    one = es(interval="10m")
    refreshed = NOW - timedelta(minutes=4)
    status = ExternalSecretStatus(refresh_time=refreshed, synced_resource_version=synced_resource_version(one.metadata))
    due = first_due(msgspec.structs.replace(one, status=status), "phase", 300.0, NOW)
    assert due is not None and due <= refreshed + timedelta(minutes=10)
    match come_back(one, due, NOW, "phase"):
        case After(seconds=seconds, lane=lane):
            assert 0 < seconds <= 360 and lane is Lane.PERIODIC
        case other:
            raise AssertionError(f"not scheduled: {other}")


# C-063
def test_c_063_the_provider_is_not_called_when_skipping(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    reads, version, passes = live.provider.count(), live.raw_secret()["metadata"]["resourceVersion"], live.passes()
    live.edit_es({"metadata": {"finalizers": ["example.com/mine"]}})
    live.eventually(lambda: live.passes() > passes)
    assert live.provider.count() == reads
    assert live.raw_secret()["metadata"]["resourceVersion"] == version
    live.edit_es({"metadata": {"finalizers": None}})


# C-236, C-237
def test_c_236_c_237_only_what_a_pass_could_react_to_enqueues():
    one = es()
    later = datetime.now(UTC)
    refreshed = msgspec.structs.replace(
        one, status=ExternalSecretStatus(refresh_time=later, synced_resource_version="1-x")
    )
    assert lane_of(one, refreshed) is None
    for change in (
        {"generation": 2},
        {"labels": {"a": "b"}},
        {"annotations": {"a": "b"}},
        {"finalizers": ("f",)},
        {"deletion_timestamp": later},
    ):
        edited = msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, **change))
        assert lane_of(one, edited) is Lane.NEW, change
