"""The life of a secret as a user of the cluster sees it: OpenBao behind, a real API server and its controllers
around."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from e2e.harness.cluster import Cluster
from e2e.harness.objects import allow_namespace, cluster_secret_store, external_secret, secret_store, vault_provider
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import Operator
from e2e.harness.waiting import always, eventually

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("operator")]

SOON = 30.0  # seconds; generous, because these sentences are about what happens, not how fast


@pytest.fixture
def db(cluster: Cluster, openbao: OpenBao, namespace: str) -> str:
    """A SecretStore `store` in the namespace and `{password: one}` at the returned key."""
    role = allow_namespace(cluster, openbao, namespace)
    cluster.apply([secret_store(namespace, vault_provider(openbao, role=role, account="default"))])
    put(openbao, f"{namespace}/db", "one")
    return f"{namespace}/db"


def put(openbao: OpenBao, key: str, password: str) -> None:
    openbao.put("secret", key, {"password": password})


def spoil(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    cluster.api.patch("secrets", namespace, name, {"data": {"password": base64.b64encode(value.encode()).decode()}})


def becomes(
    cluster: Cluster, namespace: str, name: str, wanted: dict[str, str] | None, within_seconds: float = SOON
) -> None:
    def same() -> bool:
        found = cluster.secret(namespace, name)
        assert found == wanted, f"{found}, condition {cluster.condition('externalsecrets', namespace, name)}"
        return True

    eventually(same, within_seconds, what=f"Secret {namespace}/{name} is {wanted}")


def test_a_value_becomes_a_secret_that_belongs_to_its_externalsecret(cluster: Cluster, namespace: str, db: str) -> None:
    cluster.apply([external_secret(namespace, "app", {"pass": (db, "password")})])
    becomes(cluster, namespace, "app", {"pass": "one"})
    condition = cluster.wait_ready("externalsecrets", namespace, "app")
    assert (condition["reason"], condition["message"]) == ("SecretSynced", "secret synced")
    secret, owner = cluster.api.get("secrets", namespace, "app"), cluster.api.get("externalsecrets", namespace, "app")
    assert secret is not None and owner is not None
    assert secret["metadata"]["labels"]["reconcile.external-secrets.io/managed"] == "true"
    references = [
        (one["kind"], one["name"], one["uid"], one["controller"]) for one in secret["metadata"]["ownerReferences"]
    ]
    assert references == [("ExternalSecret", "app", owner["metadata"]["uid"], True)]
    assert owner["status"]["binding"] == {"name": "app"}


def test_kubectl_get_shows_store_interval_status_and_readiness(
    cluster: Cluster, kubectl: Callable[..., str], namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"pass": (db, "password")})])
    cluster.wait_ready("externalsecrets", namespace, "app")
    row = kubectl("-n", namespace, "get", "externalsecret", "app", "--no-headers").split()
    assert row[0] == "app"
    assert {"store", "1h", "SecretSynced", "True"} <= set(row)


def test_a_rotated_value_is_followed_within_the_interval(
    cluster: Cluster, openbao: OpenBao, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")}, interval="2s")])
    becomes(cluster, namespace, "app", {"password": "one"})
    put(openbao, db, "two")
    becomes(cluster, namespace, "app", {"password": "two"})


def test_an_edited_secret_is_put_back_without_waiting_for_the_interval(
    cluster: Cluster, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")}, interval="24h")])
    becomes(cluster, namespace, "app", {"password": "one"})
    spoil(cluster, namespace, "app", "tampered")
    becomes(cluster, namespace, "app", {"password": "one"})


def test_a_deleted_secret_is_written_again(cluster: Cluster, namespace: str, db: str) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")}, interval="24h")])
    becomes(cluster, namespace, "app", {"password": "one"})
    first = cluster.api.get("secrets", namespace, "app")
    cluster.api.delete("secrets", namespace, "app")
    becomes(cluster, namespace, "app", {"password": "one"})
    second = cluster.api.get("secrets", namespace, "app")
    assert first and second and first["metadata"]["uid"] != second["metadata"]["uid"]


def test_the_garbage_collector_removes_the_secret_of_a_deleted_externalsecret(
    cluster: Cluster, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")})])
    becomes(cluster, namespace, "app", {"password": "one"})
    cluster.api.delete("externalsecrets", namespace, "app")
    becomes(cluster, namespace, "app", None, 90)  # the collector learns of new kinds every 30 s


def test_an_orphan_outlives_its_externalsecret(cluster: Cluster, namespace: str, db: str) -> None:
    cluster.apply(
        [external_secret(namespace, "app", {"password": (db, "password")}, target={"creationPolicy": "Orphan"})]
    )
    becomes(cluster, namespace, "app", {"password": "one"})
    cluster.api.delete("externalsecrets", namespace, "app")
    eventually(lambda: cluster.api.get("externalsecrets", namespace, "app") is None, SOON)
    always(lambda: cluster.secret(namespace, "app") == {"password": "one"}, 3, what="the Secret stays")


def test_deletion_policy_delete_removes_the_secret_once_the_value_is_gone(
    cluster: Cluster, openbao: OpenBao, namespace: str, db: str
) -> None:
    cluster.apply(
        [
            external_secret(
                namespace, "app", {"password": (db, "password")}, interval="2s", target={"deletionPolicy": "Delete"}
            )
        ]
    )
    becomes(cluster, namespace, "app", {"password": "one"})
    openbao.delete("secret", db)
    becomes(cluster, namespace, "app", None)
    put(openbao, db, "back")
    becomes(cluster, namespace, "app", {"password": "back"})


def test_deletion_policy_retain_keeps_the_last_value_and_says_what_is_missing(
    cluster: Cluster, openbao: OpenBao, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")}, interval="2s")])
    becomes(cluster, namespace, "app", {"password": "one"})
    openbao.delete("secret", db)
    cluster.wait_ready("externalsecrets", namespace, "app", SOON, status="False")
    assert cluster.secret(namespace, "app") == {"password": "one"}


def test_an_externalsecret_that_came_before_its_store_is_served_when_the_store_comes(
    cluster: Cluster, openbao: OpenBao, namespace: str
) -> None:
    role = allow_namespace(cluster, openbao, namespace)
    put(openbao, f"{namespace}/db", "one")
    cluster.apply([external_secret(namespace, "app", {"password": (f"{namespace}/db", "password")})])
    cluster.wait_ready("externalsecrets", namespace, "app", SOON, status="False")
    cluster.apply([secret_store(namespace, vault_provider(openbao, role=role, account="default"))])
    becomes(cluster, namespace, "app", {"password": "one"})


def test_a_clustersecretstore_serves_only_the_namespaces_of_its_conditions(
    cluster: Cluster, openbao: OpenBao, namespace: str, db: str
) -> None:
    name = f"for-{namespace}"
    provider = vault_provider(openbao, role=namespace, account="default", account_namespace=namespace)
    cluster.apply(
        [
            cluster_secret_store(
                name, provider, conditions=[{"namespaceSelector": {"matchLabels": {"team": namespace}}}]
            ),
            external_secret(
                namespace, "app", {"password": (db, "password")}, store=name, store_kind="ClusterSecretStore"
            ),
        ]
    )
    try:
        cluster.wait_ready("externalsecrets", namespace, "app", SOON, status="False")
        assert cluster.secret(namespace, "app") is None
        cluster.api.patch("namespaces", "", namespace, {"metadata": {"labels": {"team": namespace}}})
        becomes(cluster, namespace, "app", {"password": "one"}, 60)
    finally:
        cluster.api.delete("clustersecretstores", "", name)


def test_while_the_backend_is_sealed_secrets_stay_and_afterwards_they_follow(
    cluster: Cluster, openbao: OpenBao, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")}, interval="2s")])
    becomes(cluster, namespace, "app", {"password": "one"})
    put(openbao, db, "two")
    becomes(cluster, namespace, "app", {"password": "two"})
    openbao.seal()
    try:
        cluster.wait_ready("externalsecrets", namespace, "app", SOON, status="False")
        assert cluster.secret(namespace, "app") == {"password": "two"}
    finally:
        openbao.unseal()
    put(openbao, db, "three")
    becomes(cluster, namespace, "app", {"password": "three"}, 60)
    cluster.wait_ready("externalsecrets", namespace, "app", SOON)


def test_a_namespace_with_finalizers_in_it_goes_away(
    cluster: Cluster, openbao: OpenBao, kubectl: Callable[..., str]
) -> None:
    name = cluster.create_namespace("goes-away")
    role = allow_namespace(cluster, openbao, name)
    put(openbao, f"{name}/db", "one")
    store = secret_store(name, vault_provider(openbao, role=role, account="default"))
    cluster.apply(
        [
            store,
            external_secret(name, "app", {"password": (f"{name}/db", "password")}, target={"deletionPolicy": "Delete"}),
        ]
    )
    becomes(cluster, name, "app", {"password": "one"})
    kubectl("delete", "namespace", name, "--timeout=90s")
    assert cluster.api.get("namespaces", "", name) is None


def test_v1beta1_manifests_are_served(cluster: Cluster, namespace: str, db: str) -> None:
    old = external_secret(namespace, "app", {"password": (db, "password")}) | {
        "apiVersion": "external-secrets.io/v1beta1"
    }
    cluster.apply([old])
    becomes(cluster, namespace, "app", {"password": "one"})


def test_a_restarted_operator_carries_on_and_rewrites_nothing(
    cluster: Cluster, operator: Operator, openbao: OpenBao, namespace: str, db: str
) -> None:
    cluster.apply(
        [
            external_secret(namespace, "slow", {"password": (db, "password")}),
            external_secret(namespace, "quick", {"password": (db, "password")}, interval="2s"),
        ]
    )
    for name in ("slow", "quick"):
        becomes(cluster, namespace, name, {"password": "one"})
        cluster.wait_ready("externalsecrets", namespace, name)
    before = cluster.api.get("secrets", namespace, "slow")
    operator.restart()
    put(openbao, db, "two")
    becomes(cluster, namespace, "quick", {"password": "two"}, 60)  # the Lease of a killed holder has to run out first
    after = cluster.api.get("secrets", namespace, "slow")
    assert before and after and before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


def test_no_secret_value_is_in_a_log_an_event_a_status_or_a_metric(
    cluster: Cluster, operator: Operator, openbao: OpenBao, namespace: str, db: str
) -> None:
    canary = "canary-7f3a91c2e5"
    openbao.put("secret", db, {"password": canary, "number": "5"})
    broken = {"template": {"engineVersion": "v2", "data": {"x": "{{ mustFromJson .password }}"}}}
    cluster.apply(
        [
            external_secret(namespace, "app", {"password": (db, "password")}),
            external_secret(namespace, "broken", {"password": (db, "password")}, target=broken),
        ]
    )
    becomes(cluster, namespace, "app", {"password": canary})
    cluster.wait_ready("externalsecrets", namespace, "broken", SOON, status="False")
    places = {
        "the operator's log": operator.logs(),
        "its metrics": operator.metrics().text,
        "Events": str(cluster.api.list("events", namespace)),
        "statuses": str([one.get("status") for one in cluster.api.list("externalsecrets", namespace)]),
        "stores": str(cluster.api.list("secretstores", namespace)),
    }
    encoded = base64.b64encode(canary.encode()).decode()
    assert [place for place, text in places.items() if canary in text or encoded in text] == []


def test_the_reference_s_series_tell_that_it_synced(
    cluster: Cluster, operator: Operator, namespace: str, db: str
) -> None:
    cluster.apply([external_secret(namespace, "app", {"password": (db, "password")})])
    cluster.wait_ready("externalsecrets", namespace, "app")

    def told() -> bool:
        metrics = operator.metrics()
        assert (
            metrics.sum(
                "externalsecret_status_condition", namespace=namespace, name="app", condition="Ready", status="True"
            )
            == 1
        )
        assert metrics.sum("externalsecret_sync_calls_total", namespace=namespace, name="app") >= 1
        return True

    eventually(told, 15)
