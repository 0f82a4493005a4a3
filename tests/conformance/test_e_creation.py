"""E. Creation policies."""

from __future__ import annotations

from eso.api.hashing import data_hash, owner_hash
from eso.errors import EsoError
from tests.conformance.conftest import Case
from tests.harness.inprocess import ACCOUNT, SYSTEM

MANAGED = "reconcile.external-secrets.io/managed"
DATA_HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
MANAGER = "externalsecrets.external-secrets.io/test-es"
EDITED = {"data": {"targetProperty": "aHVtYW4="}}  # human
VALUE = {"targetProperty": "some-value"}


def gone(case: Case, name: str = "test-es") -> None:
    case.delete("externalsecrets", name)
    case.eventually(lambda: case.api.get("externalsecrets", case.namespace, name) is None, what=f"{name} is gone")


# C-076
def test_c_076_owner_is_garbage_collected_and_not_deleted_by_us(live: Case):
    live.external_secret()
    live.synced()
    gone(live)
    # The collector learns of new kinds every 30 s; whether we deleted it is in the audit log.
    live.eventually(lambda: live.raw_secret() is None, within=60, what="the garbage collector removes the Secret")
    ours = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
    requests = [r for r in live.cluster.audit.requests(user=ours) if r.namespace == live.namespace]
    assert any(r.what == "create secrets" for r in requests), "the audit log does not show us at all"
    assert not [r.what for r in requests if r.verb == "delete"]


# C-077
def test_c_077_owner_drops_foreign_keys(live: Case):
    live.foreign_secret(data={"x": "foreign"})
    live.external_secret()
    live.synced()
    assert live.secret() == VALUE
    meta = live.raw_secret()["metadata"]
    assert meta["ownerReferences"][0]["name"] == "test-es"
    assert meta["labels"][CREATED_BY] == owner_hash(live.namespace, "test-es")


# C-078
def test_c_078_orphan_keeps_the_secret(live: Case):
    live.external_secret(target={"creationPolicy": "Orphan"})
    live.synced()
    meta = live.raw_secret()["metadata"]
    assert "ownerReferences" not in meta and CREATED_BY not in meta["labels"]
    gone(live)
    live.holds(lambda: live.secret() == VALUE, 2.5)


# C-079
def test_c_079_orphan_ignores_drift_until_refresh(live: Case):
    live.external_secret(refreshInterval="10m", target={"creationPolicy": "Orphan"})
    live.synced()
    live.edit("secrets", "test-secret", EDITED)
    live.holds(lambda: live.secret() == {"targetProperty": "human"}, 2.5)


# C-080
def test_c_080_orphan_with_periodic_recreates_at_the_interval(live: Case):
    live.external_secret(
        refreshInterval="1s", refreshPolicy="Periodic", target={"creationPolicy": "Orphan", "immutable": True}
    )
    live.synced()
    live.delete("secrets", "test-secret")
    live.eventually(lambda: live.secret() == VALUE, within=5)
    assert live.raw_secret()["immutable"] is True
    gone(live)
    live.holds(lambda: live.secret() == VALUE, 2)


# C-081, C-082
def test_c_081_c_082_merge_into_an_existing_secret(live: Case):
    live.foreign_secret(data={"foreign": "kept"}, labels={"theirs": "yes"}, annotations={"theirs": "yes"})
    live.external_secret(target={"creationPolicy": "Merge"}, labels={"ours": "yes"}, annotations={"ours": "yes"})
    live.synced()
    live.eventually(lambda: live.secret() == {"foreign": "kept", **VALUE})
    meta = live.raw_secret()["metadata"]
    assert meta["labels"] == {"theirs": "yes", "ours": "yes", MANAGED: "true"}
    assert meta["annotations"] == {
        "theirs": "yes",
        "ours": "yes",
        DATA_HASH: data_hash({"foreign": b"kept", "targetProperty": b"some-value"}),
    }
    assert "ownerReferences" not in meta
    owned = live.manager_fields(MANAGER)
    assert set(owned["f:data"]) <= {".", "f:targetProperty"}
    assert set(owned["f:metadata"]["f:labels"]) - {"."} == {"f:ours", f"f:{MANAGED}"}
    assert set(owned["f:metadata"]["f:annotations"]) - {"."} == {"f:ours", f"f:{DATA_HASH}"}
    assert "f:foreign" in live.manager_fields("somebody")["f:data"]


# C-083
def test_c_083_merge_without_a_target(live: Case):
    live.external_secret(target={"creationPolicy": "Merge"}, refreshInterval="1h")
    ready = live.synced()
    assert (ready["reason"], ready["message"]) == (
        "SecretMissing",
        "secret will not be created due to CreationPolicy=Merge",
    )
    assert live.secret() is None
    lines = [
        line for line in live.operator.metrics().splitlines() if line.startswith("externalsecret_sync_calls_error{")
    ]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) == 0
    passes = live.passes()
    live.holds(lambda: live.passes() == passes, 2)


# C-084
def test_c_084_merge_overwrites_a_colliding_key(live: Case):
    live.foreign_secret(data={"targetProperty": "theirs"})
    live.external_secret(target={"creationPolicy": "Merge"})
    live.eventually(lambda: live.secret() == VALUE)
    assert "f:targetProperty" in live.manager_fields(MANAGER)["f:data"]
    assert "ownerReferences" not in live.raw_secret()["metadata"]


# C-085
def test_c_085_merge_reacts_to_foreign_edits(live: Case):
    live.foreign_secret(data={"foreign": "one"})
    live.external_secret(target={"creationPolicy": "Merge"}, refreshInterval="1h")
    live.eventually(lambda: live.secret() == {"foreign": "one", **VALUE})
    live.edit("secrets", "test-secret", {"data": {"foreign": "dHdv"}})
    wanted = data_hash({"foreign": b"two", "targetProperty": b"some-value"})
    live.eventually(lambda: live.raw_secret()["metadata"]["annotations"][DATA_HASH] == wanted, within=5)
    assert live.secret() == {"foreign": "two", **VALUE}
    live.edit("secrets", "test-secret", {"data": {"targetProperty": None}})
    live.eventually(lambda: live.secret() == {"foreign": "two", **VALUE}, within=5)


# C-086
def test_c_086_merge_without_a_difference_does_not_write(live: Case):
    live.foreign_secret(data={"foreign": "one"})
    live.external_secret(target={"creationPolicy": "Merge"}, refreshInterval="1s")
    live.eventually(lambda: live.secret() == {"foreign": "one", **VALUE})
    before = live.raw_secret()["metadata"]["resourceVersion"]
    live.edit("secrets", "test-secret", {})
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() >= reads + 3)
    assert live.raw_secret()["metadata"]["resourceVersion"] == before


# C-087
def test_c_087_two_objects_merge_into_one_secret_without_oscillation(live: Case):
    live.foreign_secret()
    for name in ("one", "two"):
        live.external_secret(
            name,
            target={"creationPolicy": "Merge"},
            refreshInterval="1s",
            data=[{"secretKey": name, "remoteRef": {"key": name}}],
        )
    live.eventually(lambda: live.secret() == {"one": "some-value", "two": "some-value"})
    live.synced("one")
    live.synced("two")
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() >= reads + 4)
    before = live.raw_secret()["metadata"]["resourceVersion"]
    reads = live.provider.count()
    live.eventually(lambda: live.provider.count() >= reads + 6)
    assert live.raw_secret()["metadata"]["resourceVersion"] == before


# C-088
def test_c_088_merge_removes_keys_it_no_longer_produces(live: Case):
    live.foreign_secret(data={"foreign": "kept"})
    data = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")]
    live.external_secret(target={"creationPolicy": "Merge"}, data=data)
    live.eventually(lambda: set(live.secret()) == {"foreign", "one", "two"})
    live.edit_es({"spec": {"data": data[:1]}})
    live.eventually(lambda: set(live.secret()) == {"foreign", "one"}, within=5)


# C-089
def test_c_089_an_identical_value_does_not_transfer_ownership(live: Case):
    live.foreign_secret(data={"same": "some-value"})
    data = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("same", "other")]
    live.external_secret(target={"creationPolicy": "Merge"}, data=data)
    live.eventually(lambda: set(live.secret()) == {"same", "other"})
    live.edit_es({"spec": {"data": data[1:]}})
    live.eventually(lambda: live.es()["status"].get("observedGeneration") == live.es()["metadata"]["generation"])
    live.synced()
    assert live.secret() == {"same": "some-value", "other": "some-value"}


# C-090
def test_c_090_create_or_merge_merges(live: Case):
    live.foreign_secret(data={"owned-elsewhere": "kept"})
    live.external_secret(target={"creationPolicy": "CreateOrMerge"})
    live.eventually(lambda: live.secret() == {"owned-elsewhere": "kept", **VALUE})
    assert "ownerReferences" not in live.raw_secret()["metadata"]


# C-091
def test_c_091_create_or_merge_creates_recreates_and_retains(live: Case):
    live.external_secret(refreshPolicy="CreatedOnce", target={"creationPolicy": "CreateOrMerge"})
    live.synced()
    first = live.raw_secret()["metadata"]["uid"]
    live.delete("secrets", "test-secret")
    live.eventually(lambda: (live.raw_secret() or {"metadata": {"uid": first}})["metadata"]["uid"] != first, within=5)
    gone(live)
    live.holds(lambda: live.secret() == VALUE, 2)


# C-092
def test_c_092_create_or_merge_and_immutable(live: Case):
    live.external_secret(refreshPolicy="CreatedOnce", target={"creationPolicy": "CreateOrMerge", "immutable": True})
    live.synced()
    assert live.raw_secret()["immutable"] is True
    first = live.raw_secret()["metadata"]["uid"]
    live.delete("secrets", "test-secret")
    live.eventually(lambda: (live.raw_secret() or {"metadata": {"uid": first}})["metadata"]["uid"] != first, within=5)
    assert live.raw_secret()["immutable"] is True


# C-093
def test_c_093_none(live: Case):
    live.external_secret(target={"creationPolicy": "None"})
    ready = live.synced()
    assert (ready["reason"], ready["message"]) == ("SecretSynced", "secret synced")
    assert live.secret() is None
    assert live.es()["status"]["binding"] == {"name": ""}
    assert live.provider.count() >= 1


# C-094
def test_c_094_none_still_labels_an_existing_secret(live: Case):
    before = live.foreign_secret(data={"x": "foreign"})
    live.external_secret(target={"creationPolicy": "None"})
    live.synced()
    after = live.raw_secret()
    assert after["metadata"]["labels"] == {MANAGED: "true"}
    assert after["data"] == before["data"] and "annotations" not in after["metadata"]


# C-095
def test_c_095_a_foreign_secret_is_labelled_before_anything_else(live: Case):
    live.provider.value = EsoError("boom")
    live.foreign_secret(data={"x": "foreign"})
    live.external_secret()
    live.failed()
    assert live.raw_secret()["metadata"]["labels"] == {MANAGED: "true"}
    assert live.secret() == {"x": "foreign"}
    assert live.passes() >= 2


# C-096
def test_c_096_a_removed_managed_label_is_restored_at_the_next_pass(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    passes = live.passes()
    live.edit("secrets", "test-secret", {"metadata": {"labels": {MANAGED: None}}})
    live.holds(lambda: live.passes() == passes and MANAGED not in live.raw_secret()["metadata"]["labels"], 2)
    live.edit_es({"metadata": {"annotations": {"next": "pass"}}})
    live.eventually(lambda: live.raw_secret()["metadata"].get("labels", {}).get(MANAGED) == "true", within=5)
