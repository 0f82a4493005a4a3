"""The provider `crd` on a real API server: the page's manifests, an account that may read one kind and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "crd.md"
GROUP = "shop.example.com"


def definition() -> Json:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def test_objects_of_a_kind_of_ones_own(controlplane: ControlPlane, namespace: str) -> None:
    manifest, rights = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for ours, theirs in (("https://kubernetes.default.svc", controlplane.server), ("team-a", namespace)):
        assert ours in manifest
        manifest, rights = manifest.replace(ours, theirs), rights.replace(ours, theirs)
    controlplane.apply([definition()])

    def served() -> bool:
        found = controlplane.api.get("customresourcedefinitions", "", f"widgets.{GROUP}") or {}
        conditions = (found.get("status") or {}).get("conditions") or ()
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    eventually(served, 30, what="the kind is served")
    controlplane.apply(
        [
            thing("Widget", "database", namespace, api=f"{GROUP}/v1", spec={"password": "secret", "port": 5432}),
            thing("Widget", "other", namespace, api=f"{GROUP}/v1", spec={"password": "not for us"}),
        ]
    )
    controlplane.apply(rights)
    controlplane.apply(manifest)
    refused = external_secret(namespace, "refused", {"x": ("other", "spec.password")}, store="databases")
    missing = external_secret(namespace, "missing", {"x": ("database", "spec.gone")}, store="databases")
    controlplane.apply([refused, missing])
    with LocalOperator(controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace):
        controlplane.wait_ready("externalsecrets", namespace, "database")
        assert controlplane.secret(namespace, "database") == {"password": "secret"}
        for name in ("refused", "missing"):
            controlplane.wait_ready("externalsecrets", namespace, name, status="False")
            assert controlplane.secret(namespace, name) is None
    controlplane.api.delete("customresourcedefinitions", "", f"widgets.{GROUP}")
