"""H. Immutable target."""

from __future__ import annotations

import pytest

from eso.api.hashing import data_hash
from tests.conformance.conftest import Case

DATA_HASH = "reconcile.external-secrets.io/data-hash"
VALUE = {"targetProperty": "some-value"}


def refreshes(case: Case, times: int = 3) -> None:
    reads = case.provider.count()
    case.eventually(lambda: case.provider.count() >= reads + times, what=f"{times} more reads")


def at_rest(case: Case, seconds: float = 2) -> None:
    """No pass happens without a new event."""
    passes = case.passes()
    case.holds(lambda: case.passes() == passes, seconds)


def hash_is_honest(case: Case) -> bool:
    values = {key: value.encode() for key, value in case.secret().items()}
    return bool(case.raw_secret()["metadata"]["annotations"][DATA_HASH] == data_hash(values))


# C-122
def test_c_122_immutable_creation(live: Case):
    live.external_secret(target={"immutable": True})
    live.synced()
    assert live.raw_secret()["immutable"] is True
    assert live.secret() == VALUE and hash_is_honest(live)


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge"], ids=lambda p: f"C-123 {p}")
def test_c_123_immutable_is_never_rewritten(live: Case, policy: str):
    if policy == "Merge":
        live.foreign_secret(data=VALUE, immutable=True)
    live.external_secret(refreshInterval="1s", target={"creationPolicy": policy, "immutable": True})
    live.synced()
    live.eventually(lambda: (live.raw_secret() or {}).get("immutable"))
    refreshes(live)
    before = live.raw_secret()
    live.provider.value = b"other"
    refreshes(live)
    assert live.raw_secret() == before
    assert live.secret() == VALUE and live.ready()["status"] == "True"


# C-124
def test_c_124_immutable_set_on_a_mutable_secret(live: Case):
    live.external_secret()
    live.synced()
    before = live.raw_secret()
    live.provider.value = b"other"
    live.edit_es({"metadata": {"labels": {"late": "yes"}}, "spec": {"target": {"immutable": True}}})
    live.eventually(lambda: live.raw_secret().get("immutable"))
    after = live.raw_secret()
    assert after["data"] == before["data"] and after["metadata"]["labels"] == before["metadata"]["labels"]
    assert live.synced()["reason"] == "SecretSynced" and hash_is_honest(live)


# C-125
def test_c_125_a_secret_made_immutable_by_hand(live: Case):
    live.external_secret(refreshInterval="1s")
    live.synced()
    live.edit("secrets", "test-secret", {"immutable": True})
    live.eventually(lambda: live.raw_secret().get("immutable"))
    refreshes(live)
    assert live.ready()["status"] == "True"
    live.provider.value = b"other"
    live.failed("could not update secret, target is immutable")
    live.told("unable to update secret test-secret: secret is immutable")
    assert live.secret() == VALUE and hash_is_honest(live)
    at_rest(live)


# C-126
def test_c_126_only_the_metadata_of_an_immutable_secret_changes(live: Case):
    live.external_secret()
    live.synced()
    live.edit("secrets", "test-secret", {"immutable": True})
    live.edit_es({"metadata": {"labels": {"late": "yes"}, "annotations": {"late": "yes"}}})
    live.eventually(lambda: live.raw_secret()["metadata"]["labels"].get("late") == "yes", within=5)
    assert live.raw_secret()["metadata"]["annotations"]["late"] == "yes"
    assert live.synced()["reason"] == "SecretSynced" and live.events(reason="UpdateFailed") == []
    assert live.secret() == VALUE
