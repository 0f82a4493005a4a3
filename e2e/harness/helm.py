"""helm on the chart in manifests/chart: what a set of values renders, and releases of a cluster.

Neighbours: ../helm/build.sh builds the program, cluster.py says where releases go.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from e2e.harness.cluster import MANIFESTS, REPO, Cluster, Json

CHART = MANIFESTS / "chart"
BUILD = REPO / "e2e" / "helm" / "build.sh"
MONITORED = ("monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PrometheusRule")


class HelmFailed(RuntimeError):
    """helm exited with an error; the message is its own."""


def program() -> Path:
    """helm, built first where it is not there yet (a minute). Raises HelmFailed."""
    done = subprocess.run([str(BUILD)], capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise HelmFailed(f"{BUILD} failed:\n{done.stderr[-3000:]}")
    return Path(done.stdout.split()[-1])


class Helm:
    """`cluster` None renders only. Nothing is written beside `folder`."""

    def __init__(self, folder: Path, cluster: Cluster | None = None) -> None:
        self.program, self.folder, self.cluster = program(), folder, cluster

    def render(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        release: str = "external-secrets",
        namespace: str = "external-secrets",
        has: Sequence[str] = (),
        version: str = "1.36.0",
        crds: bool = False,
    ) -> list[Json]:
        """The objects of the chart. `has` are API versions that the cluster is said to serve. Raises HelmFailed."""
        argv = ["template", release, str(CHART), "--namespace", namespace, "--kube-version", version]
        argv += [f"--api-versions={one}" for one in has]
        text = self.run(*argv, values={"installCRDs": crds, **(values or {})})
        return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]

    def upgrade(
        self,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *,
        release: str,
        namespace: str,
        args: Sequence[str] = (),
    ) -> str:
        """Installs the release, or upgrades it in place."""
        return self.run("upgrade", "--install", release, str(chart), "--namespace", namespace, *args, values=values)

    def uninstall(self, release: str, namespace: str) -> str:
        return self.run("uninstall", release, "--namespace", namespace)

    def run(self, *argv: str, values: Mapping[str, Any] | None = None) -> str:
        """Standard output. Raises HelmFailed with standard error."""
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        if self.cluster is not None:
            env["KUBECONFIG"] = str(self.cluster.admin_kubeconfig)
        given = ["--values", "-"] if values else []
        done = subprocess.run(
            [str(self.program), *argv, *given],
            input=yaml.safe_dump(dict(values)) if values else None,
            capture_output=True,
            text=True,
            env=env,
            cwd=self.folder,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise HelmFailed(f"helm {' '.join(argv)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return done.stdout


def one(objects: Sequence[Json], kind: str, name: str = "") -> Json:
    """The only object of that kind, or the one of that name. Raises LookupError."""
    found = [each for each in objects if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    if len(found) != 1:
        raise LookupError(f"{len(found)} objects {kind}/{name}")
    return found[0]
