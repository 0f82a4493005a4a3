"""One release of the chart on a real API server: it takes over an older one in place, runs, and goes away."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.harness.cluster import REPO, ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.helm import CHART, Helm
from e2e.harness.objects import external_secret, fake_provider, push_secret, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real

RELEASE = NAMESPACE = "external-secrets"
TENANT = "tenant"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretstore-validate"
VALUES: Json = {
    "leaderElect": True,
    "livenessProbe": {"enabled": True},
    "readinessProbe": {"enabled": True},
    "webhook": {"create": False},
    "certController": {"create": False},
}


def labels(suffix: str) -> dict[str, str]:
    return {
        "helm.sh/chart": "external-secrets-2.9.0",
        "app.kubernetes.io/name": f"external-secrets{suffix}",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/version": "v2.9.0",
        "app.kubernetes.io/managed-by": "Helm",
    }


def installed_before() -> list[Json]:
    """A release as it is found in clusters: names, labels and selectors of the reference, contents cut short."""
    objects: list[Json] = []
    for suffix in ("", "-webhook", "-cert-controller"):
        selector = {key: labels(suffix)[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}
        container = {"name": "external-secrets", "image": "before:v2.9.0", "args": ["--concurrent=1"]}
        pod = {"serviceAccountName": f"external-secrets{suffix}", "containers": [container]}
        template = {"metadata": {"labels": labels(suffix)}, "spec": pod}
        objects += [
            thing("ServiceAccount", f"external-secrets{suffix}", NAMESPACE, api="v1"),
            thing(
                "Deployment",
                f"external-secrets{suffix}",
                NAMESPACE,
                api="apps/v1",
                spec={"replicas": 1, "selector": {"matchLabels": selector}, "template": template},
            ),
        ]
        objects[-1]["metadata"]["labels"] = objects[-2]["metadata"]["labels"] = labels(suffix)
    rbac = "rbac.authorization.k8s.io/v1"
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "external-secrets-controller"}
    account = {"kind": "ServiceAccount", "name": "external-secrets", "namespace": NAMESPACE}
    service = {"namespace": NAMESPACE, "name": "external-secrets-webhook", "path": "/validate"}
    hook = {
        "name": "validate.secretstore.external-secrets.io",
        "rules": [
            {
                "apiGroups": ["external-secrets.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["secretstores"],
            }
        ],
        "clientConfig": {"service": service},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "SecretStore", "plural": "secretstores", "singular": "secretstore", "listKind": "SecretStoreList"}
    crd = {"group": "external-secrets.io", "scope": "Namespaced", "names": names, "versions": [version]}
    return [
        *objects,
        thing("Secret", "external-secrets-webhook", NAMESPACE, api="v1"),
        thing("ClusterRole", "external-secrets-controller", api=rbac, rules=everything),
        thing("ClusterRoleBinding", "external-secrets-controller", api=rbac, roleRef=role, subjects=[account]),
        thing(
            "ValidatingWebhookConfiguration",
            "secretstore-validate",
            api="admissionregistration.k8s.io/v1",
            webhooks=[hook],
        ),
        thing("CustomResourceDefinition", "secretstores.external-secrets.io", api="apiextensions.k8s.io/v1", spec=crd),
    ]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One that nothing was applied to: a release owns its CRDs."""
    with ControlPlane() as made:
        made.create_namespace(NAMESPACE)
        yield made


@pytest.fixture(scope="module")
def installer(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("release"), plane)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: external-secrets\nversion: 2.9.0\n")
    (tmp_path / "templates" / "all.yaml").write_text(yaml.safe_dump_all(installed_before()))
    return tmp_path


def paths() -> dict[str, str]:
    """What both releases have, and where."""
    where = {
        "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
        "Secret": f"/api/v1/namespaces/{NAMESPACE}/secrets",
        "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
        "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "ValidatingWebhookConfiguration": HOOKS.rpartition("/")[0],
        "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    }
    found = ((each["kind"], each["metadata"]["name"]) for each in installed_before())
    return {f"{kind}/{name}": f"{where[kind]}/{name}" for kind, name in found}


def probe(operator: LocalOperator, name: str) -> int:
    """What the kubelet would get. The port is the operator's own in this process."""
    container = operator.spec["spec"]["template"]["spec"]["containers"][0]
    assert container[name]["httpGet"]["port"] == "live"
    return operator.probe(container[name]["httpGet"]["path"].strip("/"))


def test_an_installed_release_is_upgraded_in_place_runs_and_goes(
    plane: ControlPlane, installer: Helm, older: Path
) -> None:
    installer.upgrade(older, release=RELEASE, namespace=NAMESPACE)
    plane.api.patch("secrets", NAMESPACE, "external-secrets-webhook", {"data": {"tls.crt": "Y2VydA=="}})
    bundle = base64.b64encode(plane.ca.read_bytes()).decode()
    injected = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    plane.api.request("PATCH", HOOKS, injected, content_type="application/json-patch+json")
    before = {name: plane.api.request("GET", path) for name, path in paths().items()}

    installer.upgrade(CHART, release=RELEASE, namespace=NAMESPACE)
    after = {name: plane.api.request("GET", path) for name, path in paths().items()}
    assert [name for name in before if before[name]["metadata"]["uid"] != after[name]["metadata"]["uid"]] == []
    for name in before:
        if name.startswith("Deployment/"):
            assert before[name]["spec"]["selector"] == after[name]["spec"]["selector"]
            container = after[name]["spec"]["template"]["spec"]["containers"]
            assert [each["image"] for each in container] == ["external-secrets:dev"]
    assert after["Secret/external-secrets-webhook"]["data"] == {"tls.crt": "Y2VydA=="}
    hook = after["ValidatingWebhookConfiguration/secretstore-validate"]["webhooks"][0]
    assert hook["clientConfig"]["caBundle"] == bundle
    assert hook["clientConfig"]["service"]["path"] == "/validate-external-secrets-io-v1-secretstore"

    # no node runs the webhook here: without it, and with probes, as the Deployment says it
    installer.upgrade(CHART, VALUES, release=RELEASE, namespace=NAMESPACE)
    spec = plane.api.request("GET", paths()["Deployment/external-secrets"])
    since = plane.audit.mark()
    with LocalOperator(plane, spec=spec, name="released") as operator:
        plane.apply(
            [
                secret_store("default", fake_provider({"a": "1"})),
                external_secret("default", "app", {"a": "a"}, target={"deletionPolicy": "Delete"}),
                cluster_external_secret(),
            ]
        )
        plane.wait_ready("externalsecrets", "default", "app")
        assert plane.secret("default", "app") == {"a": "1"}
        eventually(lambda: plane.secret("default", "fleet"), 30, what="the Secret of the child")
        assert (probe(operator, "livenessProbe"), probe(operator, "readinessProbe")) == (200, 200)
        plane.api.delete("externalsecrets", "default", "app")
        plane.api.delete("clusterexternalsecrets", "", "fleet")
        eventually(lambda: plane.api.get("externalsecrets", "default", "app") is None, 30, what="the object is gone")
        plane.create_namespace(TENANT)
        plane.apply(
            [
                secret_store(TENANT, fake_provider({"a": "1"})),
                external_secret(TENANT, "kept", {"a": "a"}, target={"deletionPolicy": "Delete"}),
                push_secret(TENANT, "pushed", {"a": "b"}, source="kept", deletionPolicy="Delete"),
            ]
        )
        eventually(lambda: len(held(plane)) == 3, 60, what="three objects that wait for the operator")
        refused = plane.audit.forbidden(user=operator.user, since=since)
    assert [each.what for each in refused] == []

    finish(plane)
    assert held(plane) == []
    assert plane.secret(TENANT, "kept") == {"a": "1"}
    installer.uninstall(RELEASE, NAMESPACE)
    for name, path in paths().items():
        eventually(lambda path=path: gone(plane, path), 30, what=f"{name} is gone")
    eventually(lambda: not crds(plane), 60, what="every CRD of ours is gone")
    plane.delete_namespace(TENANT)
    eventually(lambda: plane.api.get("namespaces", "", TENANT) is None, 60, what="the namespace of a tenant is gone")
    plane.delete_namespace(NAMESPACE)
    eventually(lambda: plane.api.get("namespaces", "", NAMESPACE) is None, 60, what="its namespace is gone")


def held(plane: ControlPlane) -> list[str]:
    """Names of the objects in the tenant's namespace that have a finalizer."""
    kinds = ("externalsecrets", "pushsecrets", "secretstores")
    objects = [each for kind in kinds for each in plane.api.list(kind, TENANT)]
    return [each["metadata"]["name"] for each in objects if each["metadata"].get("finalizers")]


def finish(plane: ControlPlane) -> None:
    """What docs/chart.md says to do before `helm uninstall`; the last line is the test's own."""
    page = (REPO / "docs" / "chart.md").read_text().partition("## Before it is uninstalled")[2]
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    script, line, _ = block.partition("helm uninstall")
    assert line
    path = f"{plane.binaries}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(plane.folder), "KUBECONFIG": str(plane.admin_kubeconfig)}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def crds(plane: ControlPlane) -> list[str]:
    names = [each["metadata"]["name"] for each in plane.api.list("customresourcedefinitions", "")]
    return [name for name in names if name.endswith("external-secrets.io")]


def cluster_external_secret() -> Json:
    child = {"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
    return thing("ClusterExternalSecret", "fleet", spec={"externalSecretSpec": child, "namespaces": ["default"]})


def gone(plane: ControlPlane, path: str) -> bool:
    try:
        plane.api.request("GET", path)
    except ApiRefused as refused:
        return refused.code == 404
    return False
