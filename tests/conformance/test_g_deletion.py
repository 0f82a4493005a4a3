"""G. Deletion policy and missing provider data."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, SecretNotFound, Unavailable
from tests.conformance.conftest import Case
from tests.conformance.undeletable import undeletable_secrets
from tests.harness.inprocess import ACCOUNT, SYSTEM

FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"
VALUE = {"targetProperty": "some-value"}
FIND = [{"find": {"name": {"regexp": ".*"}}}]
TWO = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")]
OURS = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
DELETED = "secret deleted due to DeletionPolicy=Delete"
FETCH_FAILED = "could not get secret data from provider"


def gone(case: Case, name: str = "test-es", within: float = 15) -> None:
    case.delete("externalsecrets", name)
    case.eventually(
        lambda: case.api.get("externalsecrets", case.namespace, name) is None, within, what=f"{name} is gone"
    )


def refreshes(case: Case, times: int = 3) -> None:
    reads = case.provider.count()
    case.eventually(lambda: case.provider.count() >= reads + times, what=f"{times} more reads")


def ready_as(case: Case, reason: str, message: str) -> None:
    def seen() -> bool:
        ready = case.ready()
        assert (ready.get("status"), ready.get("reason"), ready.get("message")) == ("True", reason, message), ready
        return True

    case.eventually(seen, what=f"Ready=True {reason} {message!r}")


def at_rest(case: Case, seconds: float = 2) -> None:
    """No pass happens without a new event."""
    passes = case.passes()
    case.holds(lambda: case.passes() == passes, seconds)


def our_requests(case: Case, since: int = 0) -> list[Any]:
    return [r for r in case.cluster.audit.requests(user=OURS, since=since) if r.namespace == case.namespace]


def our_deletions(case: Case, since: int = 0) -> list[Any]:
    return [r for r in our_requests(case, since) if r.verb == "delete" and r.resource == "secrets"]


# C-108, C-109
def test_c_108_c_109_delete_removes_vanished_keys_and_then_the_secret(live: Case):
    live.provider.found = {"foo": b"1", "bar": b"2"}
    live.external_secret(refreshInterval="1s", data=None, dataFrom=FIND, target={"deletionPolicy": "Delete"})
    live.synced()
    assert live.secret() == {"foo": "1", "bar": "2"}
    live.provider.found = {"foo": b"1"}
    live.eventually(lambda: live.secret() == {"foo": "1"}, within=5)
    live.provider.found = SecretNotFound()
    live.eventually(lambda: live.secret() is None, within=5)
    ready_as(live, "SecretDeleted", DELETED)
    live.told(DELETED)
    refreshes(live)
    (event,) = [e for e in live.cluster.events(live.namespace, "test-es") if e["reason"] == "Deleted"]
    assert (event["type"], event["message"], event["count"]) == ("Normal", DELETED, 1)


def test_c_109_the_secret_comes_back_with_its_value(live: Case):
    live.provider.found = SecretNotFound()
    live.external_secret(refreshInterval="1s", data=None, dataFrom=FIND, target={"deletionPolicy": "Delete"})
    ready_as(live, "SecretDeleted", DELETED)
    live.provider.found = {"foo": b"1"}
    live.eventually(lambda: live.secret() == {"foo": "1"}, within=5)
    ready_as(live, "SecretSynced", "secret synced")


def test_c_109_a_secret_that_nobody_gave_us_is_kept(live: Case):
    """Ours: a target that is not bound to the object is not deleted; the reference deletes whatever has the name."""
    before = live.foreign_secret(data={"x": "foreign"})
    live.provider.value = None
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.failed("could not delete secret")
    live.told("unable to delete secret test-secret: it is not owned by this ExternalSecret")
    assert live.raw_secret()["data"] == before["data"]
    at_rest(live)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Denied("permission denied"), id="C-109 a refusal proves nothing"),
        pytest.param(Unavailable("no answer"), id="C-109 an outage proves nothing"),
        pytest.param(EsoError("boom"), id="C-109 any other error proves nothing"),
    ],
)
def test_c_109_only_a_proven_absence_deletes(live: Case, error: EsoError):
    live.external_secret(refreshInterval="1s", target={"deletionPolicy": "Delete"})
    live.synced()
    before = live.raw_secret()
    live.provider.value = error
    live.failed(FETCH_FAILED)
    assert live.raw_secret() == before


# C-110
def test_c_110_delete_for_a_provider_secret_that_never_existed(live: Case):
    # A store that turns Ready wakes those that wait for it, which would be a second pass.
    live.eventually(lambda: live.ready("test-store", "secretstores").get("status") == "True")
    live.provider.value = None
    live.external_secret(target={"deletionPolicy": "Delete"})
    ready_as(live, "SecretDeleted", DELETED)
    live.told("secret does not exist at provider")
    at_rest(live)
    assert live.secret() is None
    (event,) = live.cluster.events(live.namespace, "test-es")
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "MissingProviderSecret", 1)


# C-111
def test_c_111_delete_through_data_entries(live: Case):
    live.external_secret(refreshInterval="1s", data=TWO, target={"deletionPolicy": "Delete"})
    live.synced()
    assert set(live.secret()) == {"one", "two"}
    live.provider.value = None
    live.eventually(lambda: live.secret() is None, within=5)
    ready_as(live, "SecretDeleted", DELETED)


@pytest.mark.parametrize("policy", ["Delete", "Merge"], ids=lambda p: f"C-112 {p}")
def test_c_112_one_of_two_data_entries_is_missing(live: Case, policy: str):
    live.external_secret(refreshInterval="1s", data=TWO, target={"deletionPolicy": policy})
    live.synced()
    live.provider.values = {"one": None}
    live.eventually(lambda: live.secret() == {"two": "some-value"}, within=5)
    live.told("secret does not exist at provider using spec.dataFrom[0] (key=one)")
    assert (live.ready()["status"], live.ready()["reason"]) == ("True", "SecretSynced")


@pytest.mark.parametrize("policy", ["Orphan", "Merge", "CreateOrMerge", "None"], ids=lambda p: f"C-113 {p}")
def test_c_113_delete_requires_owner(live: Case, policy: str):
    live.foreign_secret(data={"x": "foreign"})
    live.provider.value = None
    live.external_secret(target={"creationPolicy": policy, "deletionPolicy": "Delete"})
    live.failed("could not delete secret")
    live.told(f"unable to delete secret test-secret: creationPolicy={policy} is not Owner")
    assert live.secret() == {"x": "foreign"}
    at_rest(live)


# C-114
def test_c_114_retain_takes_a_missing_secret_for_an_error(live: Case):
    live.external_secret(refreshInterval="1s")
    live.synced()
    before = live.raw_secret()
    live.provider.value = None
    assert live.failed(FETCH_FAILED)["reason"] == "SecretSyncedError"
    live.holds(lambda: live.raw_secret() == before and live.ready()["status"] == "False", 2.5)
    live.told("error processing spec.data[0] (key: barz), err: Secret does not exist")


# C-115
def test_c_115_retain_takes_an_empty_result_for_a_success(live: Case):
    live.external_secret(data=None, dataFrom=FIND)
    ready_as(live, "SecretSynced", "secret retained due to DeletionPolicy=Retain")
    assert live.secret() is None
    assert live.es()["status"].get("refreshTime")
    assert live.events() == []


# C-115
def test_c_115_retain_leaves_the_secret_of_an_emptied_provider_alone(live: Case):
    live.provider.found = {"foo": b"1"}
    live.external_secret(refreshInterval="1s", data=None, dataFrom=FIND)
    live.synced()
    before = live.raw_secret()
    live.provider.found = {}
    ready_as(live, "SecretSynced", "secret retained due to DeletionPolicy=Retain")
    refreshes(live)
    assert live.raw_secret() == before


# C-116
def test_c_116_merge_removes_managed_keys_only(live: Case):
    live.foreign_secret(data={"foreign": "kept"})
    live.external_secret(refreshInterval="1s", target={"creationPolicy": "Merge", "deletionPolicy": "Merge"})
    live.eventually(lambda: live.secret() == {"foreign": "kept", **VALUE})
    live.provider.value = None
    live.eventually(lambda: live.secret() == {"foreign": "kept"}, within=5)
    ready_as(live, "SecretSynced", "secret synced")


# C-117
def test_c_117_merge_with_owner_leaves_an_empty_secret(live: Case):
    live.external_secret(refreshInterval="1s", target={"deletionPolicy": "Merge"})
    live.synced()
    uid = live.raw_secret()["metadata"]["uid"]
    live.provider.value = None
    live.eventually(lambda: live.secret() == {}, within=5)
    ready_as(live, "SecretSynced", "secret synced")
    refreshes(live)
    assert live.raw_secret()["metadata"]["uid"] == uid


# C-118
def test_c_118_the_secret_goes_before_the_finalizer(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    assert live.es()["metadata"]["finalizers"] == [FINALIZER]
    since = live.cluster.audit.mark()
    gone(live)
    assert live.secret() is None
    writes = [
        (r.verb, r.path)
        for r in our_requests(live, since)
        if r.verb in ("delete", "patch", "update") and r.path in ("secrets", "externalsecrets")
    ]
    assert writes == [("delete", "secrets"), ("patch", "externalsecrets")]
    assert live.events(reason="Deleted") == []


# C-118
def test_c_118_deletion_needs_neither_the_backend_nor_the_store(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    live.provider.outage = Unavailable("no answer")
    live.delete("secretstores", "test-store")
    reads = live.provider.count("get", "map", "find", "refused")
    gone(live)
    assert live.secret() is None
    assert live.provider.count("get", "map", "find", "refused") == reads


# C-119
def test_c_119_orphan_keeps_the_secret(live: Case):
    live.external_secret(target={"creationPolicy": "Orphan", "deletionPolicy": "Delete"})
    live.synced()
    assert live.es()["metadata"]["finalizers"] == [FINALIZER]
    gone(live)
    live.holds(lambda: live.secret() == VALUE, 2)
    assert our_deletions(live) == []


# C-119
def test_c_119_a_secret_that_another_uid_controls_stays(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    other = live.api.create(
        "configmaps", live.namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    )
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "other",
        "uid": other["metadata"]["uid"],
        "controller": True,
    }
    live.edit("secrets", "test-secret", {"metadata": {"ownerReferences": [reference]}})
    gone(live)
    live.holds(lambda: live.secret() == VALUE, 2)
    assert our_deletions(live) == []


# C-120
def test_c_120_the_target_is_gone_already(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    live.provider.value = EsoError("boom")
    live.delete("secrets", "test-secret")
    live.failed(FETCH_FAILED)
    assert live.secret() is None
    gone(live)


# C-121
def test_c_121_a_failing_clean_up_keeps_the_finalizer(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    with undeletable_secrets(live):
        since = live.cluster.audit.mark()
        live.delete("externalsecrets", "test-es")
        live.eventually(lambda: len(our_deletions(live, since)) >= 2, what="the deletion is tried again")
        assert all(r.code >= 400 for r in our_deletions(live, since))
        meta = live.es()["metadata"]
        assert meta["finalizers"] == [FINALIZER] and meta["deletionTimestamp"]
        assert live.secret() == VALUE
    live.eventually(
        lambda: live.api.get("externalsecrets", live.namespace, "test-es") is None,
        within=60,
        what="deleted once that is allowed",
    )
    assert live.secret() is None
