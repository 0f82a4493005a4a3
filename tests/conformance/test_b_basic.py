"""B. Basic synchronisation and status."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from eso.api.hashing import data_hash, owner_hash
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig
from tests.conformance.conftest import Case
from tests.harness.scripted import Static

MANAGED = "reconcile.external-secrets.io/managed"
DATA_HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"


# C-019
def test_c_019_a_failed_first_sync_leaves_binding_empty_and_times_unset(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    live.failed()
    status = live.es()["status"]
    assert status["binding"] == {"name": ""}
    assert status.get("refreshTime") is None
    assert "syncedResourceVersion" not in status


# C-020
def test_c_020_simple_sync(live: Case):
    live.external_secret()
    ready = live.synced()
    assert (ready["reason"], ready["message"]) == ("SecretSynced", "secret synced")
    assert live.secret() == {"targetProperty": "some-value"}
    assert live.raw_secret()["type"] == "Opaque"


# C-021
def test_c_021_several_entries_from_several_keys(live: Case):
    live.provider.values = {"one": b"1", "two": b"2"}
    live.external_secret(data=[{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")])
    live.synced()
    assert live.secret() == {"one": "1", "two": "2"}


# C-022
def test_c_022_property_selection_in_json(case: Case):
    """The provider decides how a property is found, so this one runs against the real `fake` provider."""
    document = json.dumps({"name": {"first": "Tom"}, "friends": [{"first": "Dale"}, {"first": "Roger"}]})
    case.provider = Static()
    with case.running():
        case.store(provider={"fake": {"data": [{"key": "people", "value": document}]}})
        data = [
            {"secretKey": p.replace(".", "-"), "remoteRef": {"key": "people", "property": p}}
            for p in ("name.first", "friends.1.first")
        ]
        case.external_secret(data=data)
        case.synced()
    assert case.secret() == {"name-first": "Tom", "friends-1-first": "Roger"}


# C-023, C-025
def test_c_023_c_025_the_target_is_named_like_the_object_unless_it_says_otherwise(live: Case):
    live.external_secret("plain", target={"name": None})
    live.external_secret()
    live.synced("plain")
    live.synced()
    assert live.secret("plain") == {"targetProperty": "some-value"}
    assert live.es("plain")["status"]["binding"]["name"] == "plain"
    assert live.es()["status"]["binding"]["name"] == "test-secret"


# C-024
def test_c_024_a_long_target_name(live: Case):
    name = "n" * 76
    live.external_secret(target={"name": name})
    live.synced()
    assert live.secret(name) == {"targetProperty": "some-value"}
    assert live.es()["status"]["binding"]["name"] == name


# C-026
def test_c_026_the_finalizer_is_put_on_where_deletion_has_work_in_the_pass_that_syncs(live: Case):
    """Ours: only with deletionPolicy Delete; the reference puts it on every object."""
    live.external_secret("delete", target={"name": "a", "deletionPolicy": "Delete"})
    live.external_secret("retain", target={"name": "b"})
    live.synced("delete")
    live.synced("retain")
    assert live.es("delete")["metadata"]["finalizers"] == [FINALIZER]
    assert "finalizers" not in live.es("retain")["metadata"]


# C-027
def test_c_027_status_fields_after_success(live: Case):
    began = datetime.now(UTC).replace(microsecond=0)
    live.external_secret()
    live.synced()
    es = live.es()
    refreshed = datetime.fromisoformat(es["status"]["refreshTime"])
    assert began <= refreshed <= datetime.now(UTC) and refreshed.microsecond == 0
    assert es["status"]["syncedResourceVersion"].startswith(f"{es['metadata']['generation']}-")
    assert es["status"]["observedGeneration"] == es["metadata"]["generation"]


# C-028
def test_c_028_no_status_churn(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    before = live.es()
    live.holds(lambda: live.es()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], 2.5)
    assert live.es()["status"] == before["status"]


# C-029
def test_c_029_created_event(live: Case):
    live.external_secret()
    live.told("secret created")
    (event,) = [e for e in live.cluster.events(live.namespace, "test-es") if e["reason"] == "Created"]
    assert (event["type"], event["source"]["component"]) == ("Normal", "external-secrets")


# C-030
def test_c_030_updated_event_only_on_change(live: Case):
    live.external_secret(refreshInterval="1s")
    live.synced()
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() > reads + 2)
    assert live.events(reason="Updated") == []
    live.provider.value = b"other"
    live.told("secret updated")
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() > reads + 2)
    updated = [e for e in live.cluster.events(live.namespace, "test-es") if e["reason"] == "Updated"]
    assert len(updated) == 1 and updated[0]["count"] == 1


# C-031
def test_c_031_managed_label_and_hash_of_all_data(live: Case):
    live.external_secret()
    live.synced()
    meta = live.raw_secret()["metadata"]
    assert meta["labels"][MANAGED] == "true"
    assert meta["annotations"][DATA_HASH] == data_hash({"targetProperty": b"some-value"})


# C-032
def test_c_032_owner_reference(live: Case):
    es = live.external_secret(target={"creationPolicy": "Owner"})
    live.synced()
    meta = live.raw_secret()["metadata"]
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "name": "test-es",
            "uid": es["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert meta["labels"][CREATED_BY] == owner_hash(live.namespace, "test-es")


# C-033
def test_c_033_provider_error(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    ready = live.failed("could not get secret data from provider")
    assert ready["reason"] == "SecretSyncedError"
    live.told("error processing spec.data[0] (key: barz), err: boom")
    live.eventually(lambda: live.provider.count() >= 3, within=15, what="tried again")
    assert live.es()["status"].get("refreshTime") is None
    assert live.secret() is None


# C-034
def test_c_034_recovery_from_provider_error(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    failed = live.failed()
    live.provider.value = b"well"
    ready = live.synced()
    assert ready["lastTransitionTime"] >= failed["lastTransitionTime"]
    assert live.secret() == {"targetProperty": "well"}


# C-035
def test_c_035_repeated_failure_keeps_transition_time(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    first = live.failed()
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() >= reads + 2)
    assert live.ready()["lastTransitionTime"] == first["lastTransitionTime"]


# C-036
def test_c_036_missing_store(case: Case):
    with case.running():
        case.external_secret(secretStoreRef={"name": "nonexistent", "kind": "SecretStore"})
        assert case.failed()["reason"] == "SecretSyncedError"
        case.told('could not get SecretStore "nonexistent", ')
        case.store("nonexistent")
        case.synced()


# C-037
def test_c_037_client_construction_failure(live: Case):
    live.provider.build_error = InvalidConfig("cannot be built")
    live.store("broken")
    live.external_secret(secretStoreRef={"name": "broken"})
    assert live.failed()["reason"] == "SecretSyncedError"
    live.eventually(lambda: live.passes() >= 2, what="tried again")
    errors = [
        line for line in live.operator.metrics().splitlines() if line.startswith("externalsecret_sync_calls_error{")
    ]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in errors) >= 2


# C-038
def test_c_038_all_or_nothing(live: Case):
    data = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")]
    live.external_secret(data=data, refreshInterval="1s")
    live.synced()
    before = live.raw_secret()
    live.provider.values = {"one": b"changed", "two": EsoError("boom")}
    live.failed()
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() >= reads + 2)
    assert live.raw_secret() == before


# C-039
def test_c_039_object_removed_from_the_api(live: Case):
    live.external_secret()
    live.synced()
    live.delete("externalsecrets", "test-es")

    def series() -> bool:
        lines = [
            line
            for line in live.operator.metrics().splitlines()
            if line.startswith("externalsecret_status_condition{") and 'name="test-es"' in line
        ]
        assert lines, "no series at all"
        assert not any('condition="Ready"' in line for line in lines), lines
        assert any(
            'condition="Deleted"' in line and 'status="False"' in line and line.endswith(" 1") for line in lines
        ), lines
        return True

    live.eventually(series)
