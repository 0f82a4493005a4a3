"""`eso doctor` on a real API server: before anything is installed it fails, beside a running operator it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import thing
from e2e.harness.operator import deployment, entry_point
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real


def doctor(kubeconfig: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [*entry_point(), "doctor", *words],
        env={"KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def checks(kubeconfig: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in json.loads(doctor(kubeconfig, "-o", "json")[1]):
        found.setdefault(one["check"], []).append(one)
    return found


def test_the_doctor_knows_the_manifests(controlplane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    admin = controlplane.admin_kubeconfig
    found = checks(admin)
    assert [one["state"] for one in found["CRDs"]] == ["ok"]
    assert [one["state"] for one in found["rights"]] == ["ok"]
    # nothing runs pods here: the Deployment is there and never gets ready
    assert [one["state"] for one in found["controller"]] == ["fail"]
    assert "has no ready pod" in found["controller"][0]["told"]
    code, table = doctor(admin)
    assert code == 1 and "ok    CRDs" in table

    name = deployment()["metadata"]
    where = f"/apis/apps/v1/namespaces/{name['namespace']}/deployments/{name['name']}/status"
    ready = {"status": {"replicas": 1, "readyReplicas": 1}}
    controlplane.api.request("PATCH", where, ready, content_type="application/merge-patch+json")
    assert eventually(lambda: checks(admin)["controller"][0]["state"] == "ok", 30, what="the Deployment is ready")


def test_who_may_not_look_is_told_what_was_left_out(controlplane: ControlPlane, namespace: str) -> None:
    controlplane.apply([thing("ServiceAccount", "viewer", namespace, api="v1")])
    viewer = controlplane.kubeconfig_for_serviceaccount(namespace, "viewer")
    assert doctor(viewer)[0] == 3
    found = checks(viewer)
    assert found["API server"][0]["state"] == "ok"
    assert {one["state"] for check in ("CRDs", "controller", "webhook", "ExternalSecret") for one in found[check]} == {
        "skip"
    }


def test_kubectl_finds_it_as_a_plugin(controlplane: ControlPlane) -> None:
    beside = Path(sys.executable).parent
    done = subprocess.run(
        [str(controlplane.binaries / "kubectl"), "eso", "doctor", "-o", "json"],
        env={"KUBECONFIG": str(controlplane.admin_kubeconfig), "PATH": f"{beside}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert {one["check"] for one in json.loads(done.stdout)} > {"API server", "CRDs"}, done.stderr
