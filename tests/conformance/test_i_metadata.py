"""I. Metadata and managed fields."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eso.api.hashing import sha3
from tests.conformance.conftest import Case

PREFIX = "externalsecrets.external-secrets.io/"
MANAGER = PREFIX + "test-es"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWN_LABELS = {"reconcile.external-secrets.io/managed", "reconcile.external-secrets.io/created-by"}
OWN_ANNOTATIONS = {"reconcile.external-secrets.io/data-hash"}
VALUE = {"targetProperty": "some-value"}


def labels(case: Case, name: str = "test-secret") -> dict[str, str]:
    """Without the two that every target has."""
    return {k: v for k, v in case.raw_secret(name)["metadata"]["labels"].items() if k not in OWN_LABELS}


def annotations(case: Case, name: str = "test-secret") -> dict[str, str]:
    return {k: v for k, v in case.raw_secret(name)["metadata"]["annotations"].items() if k not in OWN_ANNOTATIONS}


def settled(case: Case, name: str = "test-es") -> bool:
    es = case.es(name)
    return (
        es.get("status", {}).get("observedGeneration") == es["metadata"]["generation"]
        and case.ready(name).get("status") == "True"
    )


def template(case: Case, **block: object) -> None:
    """The target's template becomes exactly this block."""
    case.edit_es({"spec": {"target": {"template": None}}})
    case.edit_es({"spec": {"target": {"template": block}}})


@pytest.fixture
def released(live: Case) -> Iterator[Case]:
    """Finalizers that templates put on are taken off in the end: the namespace has to go."""
    yield live
    if live.raw_secret() is not None:
        live.edit("secrets", "test-secret", {"metadata": {"finalizers": None}})


# C-127
def test_c_127_metadata_is_copied_without_a_template(live: Case):
    live.external_secret(labels={"team": "a"}, annotations={"note": "b", LAST_APPLIED: "{}"})
    live.synced()
    assert labels(live) == {"team": "a"}
    assert annotations(live) == {"note": "b"}, f"ours: {LAST_APPLIED} is about the ExternalSecret, and stays with it"


# C-128
def test_c_128_foreign_metadata_is_kept(live: Case):
    live.foreign_secret(labels={"theirs": "yes", "both": "theirs"}, annotations={"theirs": "yes", "both": "theirs"})
    live.external_secret(labels={"ours": "yes", "both": "ours"}, annotations={"ours": "yes", "both": "ours"})
    live.synced()
    assert labels(live) == annotations(live) == {"theirs": "yes", "ours": "yes", "both": "ours"}


# C-129
def test_c_129_stale_metadata_is_removed(live: Case):
    live.foreign_secret(labels={"stale": "yes", "kept": "no"}, annotations={"stale": "yes"}, manager=MANAGER)
    live.external_secret(labels={"kept": "yes"})
    live.synced()
    assert labels(live) == {"kept": "yes"} and annotations(live) == {}
    live.edit_es({"metadata": {"labels": {"kept": None, "late": "yes"}, "annotations": {"late": "yes"}}})
    live.eventually(lambda: labels(live) == annotations(live) == {"late": "yes"}, within=5)


# C-130
def test_c_130_metadata_of_a_template_replaces_copying(released: Case):
    meta = {"labels": {"t": "label"}, "annotations": {"t": "annotation"}, "finalizers": ["example.com/hold"]}
    released.external_secret(
        labels={"es": "label"}, annotations={"es": "annotation"}, target={"template": {"metadata": meta}}
    )
    released.synced()
    assert labels(released) == {"t": "label"} and annotations(released) == {"t": "annotation"}
    assert released.raw_secret()["metadata"]["finalizers"] == ["example.com/hold"]
    assert released.secret() == VALUE


# C-131
def test_c_131_an_empty_template_stops_copying(live: Case):
    live.external_secret(labels={"es": "label"}, annotations={"es": "annotation"}, target={"template": {}})
    live.synced()
    assert labels(live) == {} and annotations(live) == {}
    assert live.secret() == VALUE


# C-131
def test_c_131_copied_metadata_goes_when_an_empty_template_comes(live: Case):
    live.external_secret(labels={"es": "label"}, annotations={"es": "annotation"})
    live.synced()
    assert labels(live) == {"es": "label"}
    live.edit_es({"spec": {"target": {"template": {}}}})
    live.eventually(lambda: labels(live) == {} and annotations(live) == {}, within=5)
    assert live.secret() == VALUE


# C-132
def test_c_132_metadata_of_a_template_is_rendered(live: Case):
    text = "{{ .targetProperty }}"
    live.external_secret(target={"template": {"metadata": {"annotations": {"value": text}, "labels": {"value": text}}}})
    live.synced()
    assert annotations(live) == labels(live) == {"value": "some-value"}


# C-133
def test_c_133_finalizers_of_a_template_are_not_removed(released: Case):
    released.external_secret(
        target={"template": {"metadata": {"finalizers": ["example.com/hold", "example.com/hold"]}}}
    )
    released.synced()
    assert released.raw_secret()["metadata"]["finalizers"] == ["example.com/hold"]
    template(released, metadata={"labels": {"late": "yes"}})
    released.eventually(lambda: labels(released) == {"late": "yes"}, within=5)
    assert released.raw_secret()["metadata"]["finalizers"] == ["example.com/hold"]


@pytest.mark.parametrize(
    ("length", "hashed"),
    [
        pytest.param(27, False, id="C-134 27 bytes"),
        pytest.param(28, True, id="C-134 28 bytes"),
        pytest.param(63, True, id="C-134 63 bytes"),
    ],
)
def test_c_134_field_manager_of_a_long_name(live: Case, length: int, hashed: bool):
    """Ours: stale labels and annotations go for every length; the reference leaves them for names of 28 to 63 bytes."""
    name = "n" * length
    manager = f"{PREFIX}sha3/{sha3(name)}" if hashed else PREFIX + name
    data = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")]
    live.foreign_secret(data={"foreign": "kept"})
    live.external_secret(name, labels={"stale": "yes"}, target={"creationPolicy": "Merge"}, data=data)
    live.eventually(lambda: set(live.secret()) == {"foreign", "one", "two"})
    assert {"f:one", "f:two"} <= set(live.manager_fields(manager)["f:data"])
    assert {e["manager"] for e in live.raw_secret()["metadata"]["managedFields"]} == {"somebody", manager}
    live.edit_es({"metadata": {"labels": {"stale": None}}, "spec": {"data": data[:1]}}, name)
    live.eventually(lambda: set(live.secret()) == {"foreign", "one"} and labels(live) == {}, within=5)


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge"], ids=lambda p: f"C-135 {p}")
def test_c_135_a_key_removed_from_the_template(live: Case, policy: str):
    if policy == "Merge":
        live.foreign_secret()
    text = "{{ .targetProperty }}"
    live.external_secret(target={"creationPolicy": policy, "template": {"data": {"key": text}}})
    live.eventually(lambda: live.secret() == {"key": "some-value"})
    live.edit_es({"spec": {"target": {"template": {"data": {"key": None, "new": text}}}}})
    live.eventually(lambda: live.secret() == {"new": "some-value"}, within=5)
    live.eventually(lambda: settled(live))
