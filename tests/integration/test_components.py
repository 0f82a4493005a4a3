"""The components of manifests/: what each takes away is gone, and the operator is content with what is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.harness.cluster import MANIFESTS, ApiRefused, Cluster, Json, KubectlFailed
from e2e.harness.controlplane import ControlPlane
from e2e.harness.helm import one
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator

pytestmark = pytest.mark.real


def composed(cluster: Cluster, folder: Path, *components: str) -> list[Json]:
    """The kustomization of somebody who uses manifests/ with components. Kustomize takes relative paths only."""

    def relative(path: Path) -> str:
        return str(Path(*[".."] * (len(folder.parts) - 1), *path.parts[1:]))

    uses = {
        "resources": [relative(MANIFESTS)],
        "components": [relative(MANIFESTS / "components" / name) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(uses))
    return cluster.rendered(folder)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One that nothing was applied to, since each test applies something else."""
    with ControlPlane() as made:
        yield made


def started(plane: ControlPlane, objects: list[Json]) -> Iterator[LocalOperator]:
    plane.apply(objects)
    names = [each["metadata"]["name"] for each in objects if each["kind"] == "CustomResourceDefinition"]
    plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names))
    with LocalOperator(plane, spec=one(objects, "Deployment"), name=f"operator-{plane.audit.mark()}") as operator:
        yield operator


def granted(objects: list[Json]) -> set[str]:
    """Resources of all roles."""
    return {
        resource
        for each in objects
        if each["kind"] in ("Role", "ClusterRole")
        for rule in each["rules"]
        for resource in rule.get("resources", ())
    }


@pytest.mark.parametrize(
    "components",
    [
        pytest.param(["one-namespace", "no-token-requests"], id="one namespace without tokens"),
        pytest.param(
            ["one-namespace", "no-cluster-stores", "no-token-requests", "change-events", "metrics-auth"],
            id="all of them",
        ),
        pytest.param(["no-cluster-stores", "no-token-requests"], id="neither cluster stores nor tokens"),
    ],
)
def test_components_go_together(plane: ControlPlane, tmp_path: Path, components: list[str]) -> None:
    objects = composed(plane, tmp_path, *components)
    assert "secrets" in granted(objects) and "serviceaccounts/token" not in granted(objects)
    scoped = "one-namespace" in components
    names = [each["metadata"]["name"] for each in objects if each["kind"] == "ClusterRoleBinding"]
    assert ("external-secrets-controller" in names) is not scoped


def test_components_in_an_order_that_would_give_the_right_back_are_refused(plane: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(KubectlFailed, match="no resource matches"):
        composed(plane, tmp_path, "no-token-requests", "one-namespace")


def serves(plane: ControlPlane, name: str) -> bool:
    """Whether an ExternalSecret in the default namespace is synced."""
    plane.apply([secret_store("default", fake_provider({"a": "1"})), external_secret("default", name, {"a": "a"})])
    plane.wait_ready("externalsecrets", "default", name)
    return plane.secret("default", name) == {"a": "1"}


def test_one_namespace_is_served_by_a_role_in_it(plane: ControlPlane, tmp_path: Path) -> None:
    objects = composed(plane, tmp_path, "one-namespace")
    bound = [each for each in objects if each["kind"] == "ClusterRoleBinding"]
    assert bound == []
    plane.create_namespace("elsewhere")
    since = plane.audit.mark()
    for operator in started(plane, objects):
        plane.apply(
            [
                secret_store("elsewhere", fake_provider({"a": "1"})),
                external_secret("elsewhere", "app", {"a": "a"}),
            ]
        )
        assert serves(plane, "one")
        assert [each.what for each in plane.audit.forbidden(user=operator.user, since=since)] == []
        assert (plane.api.get("externalsecrets", "elsewhere", "app") or {}).get("status") is None
        where = {each.namespace for each in plane.audit.requests(user=operator.user, since=since) if each.resource}
        assert where <= {"default", operator.spec["metadata"]["namespace"]}


def test_without_cluster_stores_their_kind_is_not_asked_for(plane: ControlPlane, tmp_path: Path) -> None:
    objects = composed(plane, tmp_path, "no-cluster-stores")
    plane.kubectl("delete", "crd", "clustersecretstores.external-secrets.io", "--ignore-not-found")
    since = plane.audit.mark()
    for operator in started(plane, objects):
        assert serves(plane, "two")
        asked = {each.resource for each in plane.audit.requests(user=operator.user, since=since)}
        assert "externalsecrets" in asked and "clustersecretstores" not in asked
        assert operator.probe("readyz") == 200


def test_without_token_requests_the_operator_serves_other_stores_and_gets_no_token(
    plane: ControlPlane, tmp_path: Path
) -> None:
    objects = composed(plane, tmp_path, "no-token-requests")
    assert "secrets" in granted(objects) and "serviceaccounts/token" not in granted(objects)
    assert [each for each in objects if each["metadata"]["name"] == "external-secrets-token-requests"] == [
        each for each in objects if each["kind"].startswith("ValidatingAdmissionPolicy")
    ]
    for kind in ("clusterrolebinding", "clusterrole"):  # of the tests before
        plane.kubectl("delete", kind, "external-secrets-token-requests", "--ignore-not-found")
    plane.kubectl("delete", "role,rolebinding", "-n", "default", "external-secrets-controller", "--ignore-not-found")
    for operator in started(plane, objects):
        assert serves(plane, "three")
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["vault"]}}
        with pytest.raises(ApiRefused, match="cannot create resource"):
            plane.api_as(operator.spec["metadata"]["namespace"], "external-secrets").request("POST", path, body)
