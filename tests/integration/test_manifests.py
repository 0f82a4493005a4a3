"""manifests/ as a user applies them: with every kind of apply, onto a real API server, and what the Deployment
promises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.harness.cluster import MANIFESTS, Cluster, Json, KubectlFailed
from e2e.harness.controlplane import ControlPlane
from e2e.harness.operator import deployment
from eso.app.flags import ControllerSettings, parse

pytestmark = pytest.mark.real


@pytest.fixture
def fresh() -> Iterator[ControlPlane]:
    """A control plane nothing was applied to. One for each test: to delete everything again takes the API server longer
    than to start another."""
    with ControlPlane() as plane:
        yield plane


def applied(cluster: Cluster) -> set[str]:
    """Objects of manifests/ that are in the cluster, as kind/name."""
    found = cluster.kubectl("get", "-k", str(MANIFESTS), "-o", "name", "--ignore-not-found")
    return {line.strip() for line in found.splitlines()}


@pytest.mark.parametrize(
    "mode", [pytest.param((), id="client-side"), pytest.param(("--server-side",), id="server-side")]
)
def test_manifests_apply_and_apply_again_without_a_change(fresh: ControlPlane, mode: tuple[str, ...]) -> None:
    first = fresh.kubectl("apply", *mode, "-k", str(MANIFESTS))
    assert len(first.splitlines()) == len(fresh.rendered())
    assert len(applied(fresh)) == len(fresh.rendered())
    before = {
        one["metadata"]["name"]: one["metadata"]["generation"] for one in fresh.api.list("customresourcedefinitions")
    }
    fresh.kubectl("apply", *mode, "-k", str(MANIFESTS))
    after = {
        one["metadata"]["name"]: one["metadata"]["generation"] for one in fresh.api.list("customresourcedefinitions")
    }
    assert before and after == before


def test_client_side_and_server_side_apply_can_follow_each_other(fresh: ControlPlane) -> None:
    fresh.kubectl("apply", "-k", str(MANIFESTS))
    fresh.kubectl("apply", "--server-side", "-k", str(MANIFESTS))  # no conflict: same manager, migrated by kubectl
    fresh.kubectl("apply", "-k", str(MANIFESTS))


def pod_of(namespace: str, name: str, template: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": template["spec"],
    }


def test_the_pod_passes_the_restricted_pod_security_standard(controlplane: ControlPlane) -> None:
    # the namespace enforces it, and admission runs it on a dry run although no node would ever start the pod
    template = deployment()["spec"]["template"]
    namespace = deployment()["metadata"]["namespace"]
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    controlplane.api.request("POST", path, pod_of(namespace, "as-shipped", template))
    worse = {**template, "spec": {**template["spec"], "hostNetwork": True}}
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        controlplane.api.request("POST", path, pod_of(namespace, "host-network", worse))


def test_the_container_gives_everything_up_that_it_does_not_need() -> None:
    spec = deployment()["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "volumes" not in spec  # nothing to write to either
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert set(container["resources"]) == {"requests", "limits"}


def test_leader_election_is_on_and_the_probes_ask_the_probe_port() -> None:
    container = deployment()["spec"]["template"]["spec"]["containers"][0]
    assert "--enable-leader-election=true" in container["args"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": 8080, "live": 8082}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "live"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "live"}


def test_the_names_that_policies_in_the_field_rely_on() -> None:
    spec = deployment()
    assert spec["metadata"]["namespace"] == "external-secrets-system"
    assert spec["spec"]["template"]["spec"]["serviceAccountName"] == "external-secrets"


@pytest.mark.parametrize(
    ("verb", "role", "allowed"),
    [
        pytest.param("list", "view", True, id="view may list"),
        pytest.param("create", "view", False, id="view may not create"),
        pytest.param("create", "edit", True, id="edit may create"),
        pytest.param("deletecollection", "admin", True, id="admin may delete all"),
    ],
)
def test_the_cluster_s_own_roles_cover_our_kinds(
    controlplane: ControlPlane, namespace: str, verb: str, role: str, allowed: bool
) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "someone", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "someone"}],
    }
    controlplane.apply([binding])
    for kind in (
        "externalsecrets.external-secrets.io",
        "secretstores.external-secrets.io",
        "changesources.extensions.external-secrets.io",
    ):
        try:
            answer = controlplane.kubectl("auth", "can-i", verb, kind, "-n", namespace, "--as=someone").strip()
        except KubectlFailed as failed:  # exit code 1 is how it says no
            answer = "no" if "\nno" in str(failed) else str(failed)
        assert answer == ("yes" if allowed else "no"), kind


def test_the_component_of_change_events_adds_the_flag_the_port_and_the_service(
    controlplane: ControlPlane, tmp_path: Path
) -> None:
    folder = os.path.relpath(MANIFESTS, tmp_path)
    overlay = {"resources": [folder], "components": [f"{folder}/components/change-events"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = [one for one in yaml.safe_load_all(controlplane.kubectl("kustomize", str(tmp_path))) if one]
    (workload,) = [one for one in objects if one["kind"] == "Deployment"]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == [*deployment()["spec"]["template"]["spec"]["containers"][0]["args"], FLAG]
    assert {"name": "events", "containerPort": 8083, "protocol": "TCP"} in container["ports"]
    (service,) = [one for one in objects if one["metadata"]["name"] == "external-secrets-events"]
    assert service["spec"]["selector"] == workload["spec"]["selector"]["matchLabels"]
    parse(ControllerSettings, container["args"])


FLAG = "--change-events-addr=:8083"
