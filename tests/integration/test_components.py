"""The components of manifests/: what each takes away is gone, and the operator is content with what is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.harness.cluster import MANIFESTS, Cluster, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.helm import one
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator

pytestmark = pytest.mark.real


def composed(cluster: Cluster, folder: Path, component: str) -> list[Json]:
    """The kustomization of somebody who uses manifests/ with a component. Kustomize takes relative paths only."""

    def relative(path: Path) -> str:
        return str(Path(*[".."] * (len(folder.parts) - 1), *path.parts[1:]))

    uses = {"resources": [relative(MANIFESTS)], "components": [relative(MANIFESTS / "components" / component)]}
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


def test_without_token_requests_the_right_is_gone(plane: ControlPlane, tmp_path: Path) -> None:
    objects = composed(plane, tmp_path, "no-token-requests")
    resources = {
        resource
        for each in objects
        if each["kind"] in ("Role", "ClusterRole")
        for rule in each["rules"]
        for resource in rule.get("resources", ())
    }
    assert "secrets" in resources and "serviceaccounts/token" not in resources
    assert [each for each in objects if each["metadata"]["name"] == "external-secrets-token-requests"] == [
        each for each in objects if each["kind"].startswith("ValidatingAdmissionPolicy")
    ]
