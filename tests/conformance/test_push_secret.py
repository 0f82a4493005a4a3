"""PushSecret and ClusterPushSecret on a real API server, with a provider that the test scripts.

What only the operator decides is tested in tests/unit/reconcile/test_push*.py under the same numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.harness.cluster import ApiRefused, Cluster, Json
from eso.providers.contract import Denied
from tests.conformance.conftest import Case
from tests.harness.pushable import Pushable

PUSH, CLUSTER_PUSH = "pushsecrets", "clusterpushsecrets"
V1ALPHA1 = "external-secrets.io/v1alpha1"
FINALIZER = "pushsecret.externalsecrets.io/finalizer"
HELD = "secretstore.externalsecrets.io/finalizer"
OK = "PushSecret synced successfully"


def entry(key: str, remote: str, prop: str = "", **others: Any) -> Json:
    ref = {"remoteKey": remote} | ({"property": prop} if prop else {})
    return {"match": ({"secretKey": key} if key else {}) | {"remoteRef": ref}} | others


class Pushes:
    """The default fixture of these cases: `test-store`, the Secret `test-secret`, the PushSecret `test-ps`."""

    def __init__(self, case: Case, backend: Pushable) -> None:
        self.case, self.backend, self.api, self.namespace = case, backend, case.api, case.namespace

    def source(self, name: str = "test-secret", labels: Json | None = None, **data: str) -> None:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in (data or {"key": "value"}).items()}
        body = {"metadata": {"name": name, "labels": labels or {}}, "data": encoded}
        if self.api.get("secrets", self.namespace, name) is None:
            self.api.create("secrets", self.namespace, body)
        else:
            self.api.patch("secrets", self.namespace, name, {"data": encoded, "metadata": {"labels": labels}})

    def push(self, name: str = "test-ps", **spec: Any) -> Json:
        default = {
            "secretStoreRefs": [{"name": "test-store", "kind": "SecretStore"}],
            "selector": {"secret": {"name": "test-secret"}},
            "data": [entry("key", "path/to/key")],
        }
        wanted = {k: v for k, v in (default | spec).items() if v is not None}
        body = {"apiVersion": V1ALPHA1, "kind": "PushSecret", "metadata": {"name": name}, "spec": wanted}
        return self.api.create(PUSH, self.namespace, body)

    def get(self, name: str = "test-ps") -> Json:
        return self.api.get(PUSH, self.namespace, name) or {}

    def edit(self, patch: Json, name: str = "test-ps") -> None:
        self.api.patch(PUSH, self.namespace, name, patch)

    def delete(self, name: str = "test-ps") -> None:
        self.api.delete(PUSH, self.namespace, name)

    def books(self, name: str = "test-ps") -> dict[str, list[str]]:
        recorded = self.get(name).get("status", {}).get("syncedPushSecrets", {})
        return {store: sorted(entries) for store, entries in recorded.items()}

    def said(self, name: str = "test-ps") -> tuple[str, str, str]:
        ready = self.case.ready(name, PUSH)
        return ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")

    def keys(self, store: str = "test-store") -> list[str]:
        return self.backend.keys(f"{self.namespace}/{store}")

    def at(self, key: str, prop: str = "", store: str = "test-store") -> bytes | None:
        return self.backend.at(key, prop, f"{self.namespace}/{store}")

    def held(self, name: str = "test-store") -> bool:
        found = self.api.get("secretstores", self.namespace, name) or {}
        return HELD in found.get("metadata", {}).get("finalizers", [])

    # then

    def synced(self, name: str = "test-ps") -> None:
        self.until(lambda: self.said(name)[:2] == ("True", "Synced"), f"{name} is synced")

    def failed(self, message: str, name: str = "test-ps", reason: str = "Errored") -> None:
        self.until(lambda: self.said(name) == ("False", reason, message), f"{name} fails with {message!r}")

    def gone(self, name: str = "test-ps") -> None:
        self.until(lambda: not self.get(name), f"{name} is gone")

    def until(self, check: Any, what: str = "") -> None:
        self.case.eventually(check, within=20, what=what)

    def stays(self, check: Any, seconds: float = 2.0) -> None:
        self.case.holds(check, seconds)


@pytest.fixture
def idle(case: Case) -> Pushes:
    """Nothing runs yet."""
    case.provider = Pushable()
    return Pushes(case, case.provider)


@pytest.fixture
def live(idle: Pushes) -> Iterator[Pushes]:
    with idle.case.running():
        idle.case.store()
        idle.source()
        yield idle


# --- schema


def refusal(cluster: Cluster, namespace: str, spec: Json) -> str:
    default = {"secretStoreRefs": [{"name": "s"}], "selector": {"secret": {"name": "x"}}}
    body = {"apiVersion": V1ALPHA1, "kind": "PushSecret", "metadata": {"name": "x"}, "spec": default | spec}
    try:
        cluster.api.request("POST", cluster.api.path(PUSH, namespace) + "?dryRun=All", body)
    except ApiRefused as error:
        return str(error)
    return ""


# P-001
def test_p_001_defaults(cluster: Cluster, namespace: str) -> None:
    spec = {
        "secretStoreRefs": [{"name": "s"}],
        "selector": {"secret": {"name": "x"}},
        "data": [{"match": {"remoteRef": {"remoteKey": "k"}}}],
    }
    body = {"apiVersion": V1ALPHA1, "kind": "PushSecret", "metadata": {"name": "x"}, "spec": spec}
    made = cluster.api.create(PUSH, namespace, body)["spec"]
    assert (made["refreshInterval"], made["updatePolicy"], made["deletionPolicy"]) == ("1h0m0s", "Replace", "None")
    assert made["secretStoreRefs"][0]["kind"] == "SecretStore"
    assert made["data"][0]["conversionStrategy"] == "None"


STORE = {"storeRef": {"name": "s"}}
REWRITE = {"regexp": {"source": "a", "target": "b"}}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"selector": {}}, "spec.selector", id="P-002 no source"),
        pytest.param(
            {"selector": {"secret": {"name": "x"}, "generatorRef": {"kind": "Fake", "name": "x"}}},
            "spec.selector",
            id="P-002 two sources",
        ),
        pytest.param({"updatePolicy": "Merge"}, "updatePolicy", id="P-003 update policy"),
        pytest.param({"deletionPolicy": "Orphan"}, "deletionPolicy", id="P-003 deletion policy"),
        pytest.param(
            {"data": [entry("", "k", conversionStrategy="Default")]}, "conversionStrategy", id="P-003 conversion"
        ),
        pytest.param({"secretStoreRefs": [{"name": "s", "kind": "Vault"}]}, "kind", id="P-003 kind of a store"),
        pytest.param(
            {"dataTo": [STORE | {"remoteKey": "k", "rewrite": [REWRITE]}]},
            "remoteKey and rewrite are mutually exclusive",
            id="P-004 remoteKey beside rewrite",
        ),
        pytest.param({"dataTo": [{}]}, "storeRef must specify either name or labelSelector", id="P-005 no target"),
        pytest.param(
            {"dataTo": [{"storeRef": {"kind": "SecretStore"}}]},
            "storeRef must specify either name or labelSelector",
            id="P-005 an empty target",
        ),
        pytest.param(
            {"dataTo": [STORE | {"rewrite": [REWRITE | {"transform": {"template": "x"}}]}]},
            "exactly one of regexp or transform must be set",
            id="P-006 both",
        ),
        pytest.param(
            {"dataTo": [STORE | {"rewrite": [{}]}]},
            "exactly one of regexp or transform must be set",
            id="P-006 neither",
        ),
    ],
)
def test_what_the_schema_refuses(cluster: Cluster, namespace: str, spec: Json, text: str) -> None:
    assert text in refusal(cluster, namespace, spec)


# P-007
def test_p_007_columns(cluster: Cluster, namespace: str) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = cluster.api.session.get(
        cluster.credentials.server + cluster.api.path(PUSH, namespace), headers=accept, timeout=180
    )
    assert [c["name"] for c in answer.json()["columnDefinitions"]][:4] == ["Name", "AGE", "Status", "Last Sync"]


# --- basic


# P-010, P-070, P-072
def test_p_010_p_070_p_072_the_life_of_a_push_secret(live: Pushes) -> None:
    live.push(deletionPolicy="Delete", data=[entry("key", "path/to/key"), entry("key", "other", "field")])
    live.synced()
    assert live.said() == ("True", "Synced", OK)
    assert live.at("path/to/key") == b"value"
    assert live.books() == {"SecretStore/test-store": ["other/field", "path/to/key"]}
    status = live.get()["status"]
    assert status["refreshTime"] and status["syncedResourceVersion"].startswith("1-")
    live.case.told(OK, "test-ps")
    assert live.get()["metadata"]["finalizers"] == [FINALIZER]
    live.until(live.held, "the store is held")  # P-090
    live.delete()
    live.gone()
    assert live.keys() == []
    live.until(lambda: not live.held(), "the store is let go")  # P-092


# P-011, P-013, P-050
def test_p_011_p_013_p_050_cluster_stores_by_name_and_by_label(live: Pushes) -> None:
    name = f"css-{live.namespace}"[:63].rstrip("-")
    live.case.store(name, "ClusterSecretStore")
    live.api.patch("clustersecretstores", "", name, {"metadata": {"labels": {"of": live.namespace}}})
    by_name = [{"name": name, "kind": "ClusterSecretStore"}, {"name": "test-store"}]
    by_label = [{"kind": "ClusterSecretStore", "labelSelector": {"matchLabels": {"of": live.namespace}}}]
    live.push("by-name", secretStoreRefs=by_name)
    live.push("by-label", secretStoreRefs=by_label)
    live.synced("by-name")
    live.synced("by-label")
    assert live.books("by-name") == {
        f"ClusterSecretStore/{name}": ["path/to/key"],
        "SecretStore/test-store": ["path/to/key"],
    }
    assert live.books("by-label") == {f"ClusterSecretStore/{name}": ["path/to/key"]}


# P-012, P-126
def test_p_012_p_126_stores_and_rules_by_label(live: Pushes) -> None:
    live.api.patch("secretstores", live.namespace, "test-store", {"metadata": {"labels": {"foo": "bar"}}})
    chosen = {"kind": "SecretStore", "labelSelector": {"matchLabels": {"foo": "bar"}}}
    live.push(secretStoreRefs=[chosen | {"name": "unrelated"}], data=None, dataTo=[{"storeRef": chosen}])
    live.synced()
    assert live.keys() == ["key"]


# P-014
def test_p_014_a_store_of_another_namespace_is_never_chosen(live: Pushes) -> None:
    live.push(secretStoreRefs=[{"labelSelector": {"matchLabels": {"nobody": "has-it"}}}])
    live.stays(lambda: "status" not in live.get())


# P-030, P-039
def test_p_030_p_039_a_source_that_comes_and_changes_is_pushed_at_once(live: Pushes) -> None:
    """Ours: the reference waits for its back-off, then for the interval."""
    live.push(selector={"secret": {"name": "late"}})
    live.failed("could not get source secret")
    live.source("late", key="one")
    live.synced()
    live.source("late", key="two")
    live.until(lambda: live.at("path/to/key") == b"two", "the new value is pushed")


# P-032
def test_p_032_sources_by_label(live: Pushes) -> None:
    live.source("one", {"foo": "bar"}, a="1")
    live.source("two", {"foo": "bar"}, b="2")
    live.push(
        selector={"secret": {"selector": {"matchExpressions": [{"key": "foo", "operator": "In", "values": ["bar"]}]}}},
        data=None,
        dataTo=[{"storeRef": {"name": "test-store"}}],
        deletionPolicy="Delete",
    )
    live.synced()
    assert live.keys() == ["a", "b"]
    live.source("two", {"foo": "no"}, b="2")
    live.until(lambda: live.keys() == ["a"], "what lost its label is deleted")


# P-040
def test_p_040_to_p_042_stores_that_are_not_there(live: Pushes) -> None:
    live.push("a", secretStoreRefs=[{"name": "no"}])
    live.push("b", secretStoreRefs=[{"name": "unexisting", "kind": "ClusterSecretStore"}])
    live.push("c", secretStoreRefs=[{}])
    live.failed('could not get SecretStore "no", SecretStore.external-secrets.io "no" not found', "a")
    live.failed(
        'could not get ClusterSecretStore "unexisting", ClusterSecretStore.external-secrets.io "unexisting" not found',
        "b",
    )
    live.failed("refStore Name must be provided", "c")


# P-044
def test_p_044_a_push_that_fails(live: Pushes) -> None:
    live.backend.push_error = Denied("boom")
    live.push()
    text = "set secret failed: could not write remote ref key to target secretstore test-store: boom"
    live.failed(text)
    live.case.told(text, "test-ps")
    live.backend.push_error = None
    live.synced()


# P-047
def test_p_047_a_store_that_is_going_is_skipped(live: Pushes) -> None:
    live.case.store("going")
    live.api.patch("secretstores", live.namespace, "going", {"metadata": {"finalizers": ["example.com/hold"]}})
    live.api.delete("secretstores", live.namespace, "going")
    live.push(secretStoreRefs=[{"name": "going"}, {"name": "test-store"}])
    live.synced()
    assert live.books() == {"SecretStore/test-store": ["path/to/key"]}
    live.api.patch("secretstores", live.namespace, "going", {"metadata": {"finalizers": []}})


# P-055, P-056, P-057
def test_p_055_p_056_p_057_if_not_exists(live: Pushes) -> None:
    live.backend.remote[f"{live.namespace}/test-store", "there", ""] = b"theirs"
    live.push(updatePolicy="IfNotExists", data=[entry("key", "there"), entry("key", "new")])
    live.synced()
    assert live.said()[2] == f"{OK}. Existing secrets in providers unchanged."
    assert (live.at("there"), live.at("new")) == (b"theirs", b"value")
    assert live.books() == {"SecretStore/test-store": ["new", "there"]}


# P-062, P-063
def test_p_062_p_063_a_restart_pushes_nothing_that_is_not_due(idle: Pushes) -> None:
    with idle.case.running():
        idle.case.store()
        idle.source()
        idle.push()
        idle.push("zero", refreshInterval="0s", data=[entry("key", "zero")])
        idle.synced()
        idle.synced("zero")
        idle.stays(lambda: True, 6.0)  # the source is older than the success by more than clocks may differ
        idle.edit({"metadata": {"annotations": {"again": "1"}}})
        idle.until(lambda: len(idle.backend.pushes) >= 3, "an edit is compared")
        idle.stays(lambda: True, 2.0)
    pushes = len(idle.backend.pushes)
    with idle.case.running():
        idle.stays(lambda: len(idle.backend.pushes) == pushes, 5.0)


# P-073, P-074, P-075
def test_p_073_p_074_p_075_deletions_that_fail(live: Pushes) -> None:
    live.push(deletionPolicy="Delete")
    live.synced()
    live.backend.delete_error = Denied("Nope")
    live.edit({"spec": {"data": [entry("key", "new-key")]}})
    live.failed("Failed to Delete Secrets from Provider: Nope")
    assert live.books() == {"SecretStore/test-store": ["new-key", "path/to/key"]}
    live.delete()
    live.stays(lambda: live.get().get("metadata", {}).get("finalizers") == [FINALIZER])
    live.backend.delete_error = None
    live.gone()
    assert live.keys() == []


# P-079
def test_p_079_the_source_is_deleted_and_comes_back(live: Pushes) -> None:
    live.push(deletionPolicy="Delete")
    live.synced()
    live.api.delete("secrets", live.namespace, "test-secret")
    live.failed("source secret deleted; provider secrets cleaned up", reason="SourceDeleted")
    assert live.keys() == [] and live.books() == {}
    live.source(key="again")
    live.synced()
    assert live.at("path/to/key") == b"again"


# P-091, P-093, P-094, P-096
def test_p_091_p_093_p_094_p_096_a_store_is_held_as_long_as_it_is_needed(live: Pushes) -> None:
    live.push()
    live.synced()
    live.stays(lambda: not live.held(), 1.0)
    live.edit({"spec": {"deletionPolicy": "Delete"}})
    live.until(live.held, "the store is held")
    live.edit({"spec": {"deletionPolicy": "None"}})
    live.until(lambda: not live.held(), "the store is let go")
    live.edit({"spec": {"deletionPolicy": "Delete"}})
    live.until(live.held, "the store is held again")
    live.api.delete("secretstores", live.namespace, "test-store")
    live.stays(lambda: live.api.get("secretstores", live.namespace, "test-store") is not None)
    live.delete()
    live.gone()
    live.until(lambda: live.api.get("secretstores", live.namespace, "test-store") is None, "the store goes too")
    assert live.keys() == []


# --- ClusterPushSecret


# P-200
def test_p_200_to_p_213_the_life_of_a_cluster_push_secret(live: Pushes) -> None:
    name, space = f"cps-{live.namespace}"[:63].rstrip("-"), live.namespace
    selector = {"matchLabels": {"kubernetes.io/metadata.name": space}}
    child = {
        "secretStoreRefs": [{"name": "test-store"}],
        "selector": {"secret": {"name": "test-secret"}},
        "data": [entry("key", "path/to/key")],
    }
    spec = {"pushSecretSpec": child, "namespaceSelectors": [selector], "pushSecretMetadata": {"labels": {"a": "b"}}}
    body = {"apiVersion": V1ALPHA1, "kind": "ClusterPushSecret", "metadata": {"name": name}, "spec": spec}
    try:
        live.api.create(CLUSTER_PUSH, "", body)
        live.synced(name)
        made = live.get(name)
        assert made["metadata"]["labels"] == {"a": "b"}
        assert [o["kind"] for o in made["metadata"]["ownerReferences"]] == ["ClusterPushSecret"]

        def told() -> bool:
            status = (live.api.get(CLUSTER_PUSH, "", name) or {}).get("status", {})
            assert status == {
                "pushSecretName": name,
                "provisionedNamespaces": [space],
                "conditions": [{"type": "Ready", "status": "True"}],
            }
            return True

        live.until(told, "the status names the namespace")
        live.edit({"metadata": {"labels": {"foreign": "1"}}}, name)
        live.until(lambda: live.get(name)["metadata"]["labels"] == {"a": "b"}, "P-203 foreign labels go")
        live.delete(name)
        live.until(lambda: bool(live.get(name)), "P-213 a deleted child comes back")
        generation = live.get(name)["metadata"]["generation"]
        live.stays(lambda: live.get(name)["metadata"]["generation"] == generation)
        live.api.patch(CLUSTER_PUSH, "", name, {"spec": {"pushSecretName": "renamed"}})
        live.until(lambda: bool(live.get("renamed")) and not live.get(name), "P-202 the old child goes")
        live.api.patch(CLUSTER_PUSH, "", name, {"spec": {"namespaceSelectors": []}})
        live.gone("renamed")
    finally:
        live.api.delete(CLUSTER_PUSH, "", name)
