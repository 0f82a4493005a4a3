"""F. Ownership, conflicts, renames."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.harness.cluster import Json
from eso.api.hashing import owner_hash
from eso.app.wiring import Operator
from tests.conformance.conftest import Case
from tests.conformance.undeletable import undeletable_secrets

MANAGED = "reconcile.external-secrets.io/managed"
CREATED_BY = "reconcile.external-secrets.io/created-by"
VALUE = {"targetProperty": "some-value"}
REFUSED = "target is owned by another ExternalSecret"


def owner(kind: str, name: str, uid: str, api_version: str = "v1") -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def config_map_as_owner(case: Case) -> Json:
    """A controller of another kind that really exists, so that the garbage collector leaves what it owns alone."""
    made = case.api.create(
        "configmaps", case.namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other-owner"}}
    )
    return owner("ConfigMap", "other-owner", made["metadata"]["uid"])


def settled(case: Case, name: str = "test-es") -> bool:
    es = case.es(name)
    return (
        es.get("status", {}).get("observedGeneration") == es["metadata"]["generation"]
        and case.ready(name).get("status") == "True"
    )


def at_rest(case: Case, name: str, seconds: float = 2) -> None:
    """No pass happens without a new event."""
    passes = case.passes(name)
    case.holds(lambda: case.passes(name) == passes, seconds)


@pytest.mark.parametrize("policy", ["Owner", "Merge", "Orphan", "CreateOrMerge"], ids=lambda p: f"C-097 {p}")
def test_c_097_owned_by_another_external_secret(live: Case, policy: str):
    live.external_secret("a")
    live.synced("a")
    before = live.raw_secret()
    live.external_secret("b", target={"creationPolicy": policy})
    assert live.failed(REFUSED, "b")["reason"] == "SecretSyncedError"
    live.told("secret is owned by another ExternalSecret: a", "b")
    assert live.raw_secret() == before
    at_rest(live, "b")


# C-098
def test_c_098_owned_by_another_controller_policy_owner(live: Case):
    reference = config_map_as_owner(live)
    before = live.foreign_secret(data={"x": "foreign"}, ownerReferences=[reference])
    live.external_secret()
    live.failed("failed to take ownership of target secret")
    live.told(
        f"could not set controller reference on secret: Object {live.namespace}/test-secret is already owned by "
        "another ConfigMap controller other-owner"
    )
    after = live.raw_secret()
    assert after["data"] == before["data"] and after["metadata"]["ownerReferences"] == [reference]
    at_rest(live, "test-es")


# C-099
def test_c_099_owned_by_another_controller_policy_merge(live: Case):
    reference = config_map_as_owner(live)
    live.foreign_secret(data={"x": "foreign"}, ownerReferences=[reference])
    live.external_secret(target={"creationPolicy": "Merge"})
    live.synced()
    live.eventually(lambda: live.secret() == {"x": "foreign", **VALUE})
    assert live.raw_secret()["metadata"]["ownerReferences"] == [reference]


# C-100
def test_c_100_the_secret_goes_to_the_next_one_when_its_owner_disappears(live: Case):
    live.external_secret("a")
    live.synced("a")
    live.external_secret("b")
    live.failed(REFUSED, "b")
    live.delete("externalsecrets", "a")
    live.eventually(lambda: live.api.get("externalsecrets", live.namespace, "a") is None)
    live.delete("secrets", "test-secret")  # the garbage collector may have been faster
    live.eventually(lambda: live.secret() == VALUE)
    live.synced("b")
    assert live.raw_secret()["metadata"]["ownerReferences"][0]["name"] == "b"


@pytest.mark.parametrize("policy", ["Orphan", "Merge", "CreateOrMerge"], ids=lambda p: f"C-101 Owner to {p}")
def test_c_101_the_binding_goes_with_the_policy_owner(live: Case, policy: str):
    live.external_secret()
    live.synced()
    uid = live.raw_secret()["metadata"]["uid"]
    live.edit_es({"spec": {"target": {"creationPolicy": policy}}})
    live.eventually(lambda: "ownerReferences" not in live.raw_secret()["metadata"])
    live.eventually(lambda: settled(live))
    meta = live.raw_secret()["metadata"]
    assert CREATED_BY not in meta["labels"] and meta["labels"][MANAGED] == "true"
    assert meta["uid"] == uid and live.secret() == VALUE


# C-102
def test_c_102_the_binding_comes_with_the_policy_owner(live: Case):
    es = live.external_secret(target={"creationPolicy": "Orphan"})
    live.synced()
    live.edit_es({"spec": {"target": {"creationPolicy": "Owner"}}})
    live.eventually(lambda: live.raw_secret()["metadata"].get("ownerReferences"))
    meta = live.raw_secret()["metadata"]
    assert meta["ownerReferences"] == [
        owner("ExternalSecret", "test-es", es["metadata"]["uid"], "external-secrets.io/v1")
    ]
    assert meta["labels"][CREATED_BY] == owner_hash(live.namespace, "test-es")


@pytest.mark.parametrize("version", ["v1", "v1beta1"], ids=lambda v: f"C-103 bound by {v}")
def test_c_103_a_recreated_object_adopts_its_secret_again(case: Case, version: str):
    old = owner("ExternalSecret", "test-es", "3f5c1b2e-0000-4000-8000-000000000000", f"external-secrets.io/{version}")
    with undeletable_secrets(case):  # or the garbage collector may be faster than we are
        es = case.external_secret()
        before = case.foreign_secret(data=VALUE, ownerReferences=[old], labels={MANAGED: "true"})
        with case.running():
            case.store()
            case.synced()
            after = case.raw_secret()["metadata"]
            assert after["uid"] == before["metadata"]["uid"]
            assert after["ownerReferences"] == [
                owner("ExternalSecret", "test-es", es["metadata"]["uid"], "external-secrets.io/v1")
            ]
            assert not [e for e in case.events() if "owner" in e]


# C-104
def test_c_104_a_rename_removes_the_old_target(live: Case):
    live.external_secret()
    live.synced()
    live.edit_es({"spec": {"target": {"name": "new-foo"}}})
    live.eventually(lambda: live.secret("new-foo") == VALUE and live.secret() is None, within=10)
    live.told("secret deleted because it was orphaned")
    assert live.events(reason="Deleted") == ["secret deleted because it was orphaned"]
    live.eventually(lambda: live.es()["status"]["binding"]["name"] == "new-foo")


@pytest.mark.parametrize("policy", ["Orphan", "CreateOrMerge"], ids=lambda p: f"C-105 {p}")
def test_c_105_other_policies_leave_the_old_target(live: Case, policy: str):
    live.external_secret(target={"creationPolicy": policy})
    live.synced()
    live.edit_es({"spec": {"target": {"name": "new-foo"}}})
    live.eventually(lambda: live.secret("new-foo") == VALUE)
    live.eventually(lambda: settled(live))
    at_rest(live, "test-es", 2)
    assert live.secret() == VALUE and live.events(reason="Deleted") == []


# C-106
def test_c_106_a_copied_label_costs_no_secret(live: Case):
    """Ours: only a Secret that also is bound to the object is an orphan; the reference deletes whatever carries the
    label."""
    live.external_secret(refreshInterval="1s")
    live.synced()
    labels = dict(live.raw_secret()["metadata"]["labels"])
    assert labels[CREATED_BY] == owner_hash(live.namespace, "test-es")
    live.foreign_secret("copy", data={"x": "copied"}, labels=labels)
    live.provider.value = b"other"
    live.eventually(lambda: live.secret() == {"targetProperty": "other"})
    live.edit_es({"spec": {"target": {"name": "new-foo"}}})
    live.eventually(lambda: live.secret() is None and live.secret("new-foo") == {"targetProperty": "other"})
    assert live.secret("copy") == {"x": "copied"}
    assert live.events(reason="Deleted") == ["secret deleted because it was orphaned"]


def refused_writes(case: Case, since: int) -> list[str]:
    """Writes of Secrets that the API server answered with 409."""
    requests = case.cluster.audit.requests(since=since)
    return [r.verb for r in requests if r.namespace == case.namespace and r.resource == "secrets" and r.code == 409]


def targets_of(operator: Operator) -> Any:
    """The target Secrets as the passes see them."""
    passes: Any = operator.room("externalsecret").controller.reconcile
    return passes.__self__.targets


# C-107
def test_c_107_a_secret_that_changes_between_read_and_write(live: Case):
    live.external_secret(target={"creationPolicy": "Merge"})
    live.foreign_secret(data={"theirs": "one"})
    live.eventually(lambda: live.secret() == {"theirs": "one", **VALUE})
    live.synced()
    since = live.cluster.audit.mark()
    conditions: list[Any] = []

    def interfere(operator: Operator) -> None:
        """The next read of the target for a write is followed by somebody's edit."""
        targets = targets_of(operator)
        read = targets.live

        async def read_then_edited(es: Any) -> Any:
            found = await read(es)
            targets.live = read  # type: ignore[method-assign]  # the end of it
            live.edit("secrets", "test-secret", {"data": {"theirs": "dHdv"}})
            conditions.append(live.ready())
            return found

        targets.live = read_then_edited  # type: ignore[method-assign]  # the moment between two requests has no other handle

    live.operator.ask(interfere)
    before = live.ready()
    live.provider.value = b"other"
    live.edit_es({"metadata": {"annotations": {"force-sync": "1"}}})
    live.eventually(lambda: live.secret() == {"theirs": "two", "targetProperty": "other"})
    assert refused_writes(live, since) == ["patch"]
    assert conditions == [before]
    live.eventually(lambda: settled(live))
    assert (
        live.ready()["lastTransitionTime"] == before["lastTransitionTime"] and live.events(reason="UpdateFailed") == []
    )


# C-107
def test_c_107_a_secret_that_appears_between_read_and_write(live: Case):
    """Ours: somebody else's creation is a conflict like any other; the reference tells `could not update secret` before
    it tries again."""

    def interfere(operator: Operator) -> None:
        """The first write of the target comes just after somebody else's."""
        targets = targets_of(operator)
        write = targets.apply

        async def late(*args: Any) -> None:
            targets.apply = write  # type: ignore[method-assign]  # the end of it
            live.foreign_secret(data={"theirs": "one"})
            await write(*args)

        targets.apply = late  # type: ignore[method-assign]  # the moment between two requests has no other handle

    since = live.cluster.audit.mark()
    live.operator.ask(interfere)
    live.external_secret(target={"creationPolicy": "CreateOrMerge"})
    live.synced()
    assert live.secret() == {"theirs": "one", **VALUE}
    assert refused_writes(live, since) == ["create"]
    assert live.events(reason="UpdateFailed") == []
