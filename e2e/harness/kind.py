"""A kind cluster with our image loaded, where Docker runs.

Neighbours: cluster.py is what callers see of it; operator.py's PodOperator is the operator in it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from e2e.harness.cluster import MANIFESTS, REPO, Cluster
from e2e.harness.operator import deployment
from e2e.harness.say import Say, silent


def available() -> bool:
    """Docker answers, and kind and kubectl are on PATH."""
    if not all(shutil.which(name) for name in ("docker", "kind", "kubectl")):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


class KindCluster(Cluster):
    """`start()` creates the cluster, builds and loads the image; `stop()` deletes the cluster."""

    def __init__(self, say: Say = silent) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="eso-kind-")), None)
        self.say, self.keep = say, False
        self.name = f"eso-e2e-{uuid.uuid4().hex[:6]}"

    def start(self) -> KindCluster:
        try:
            self.say(f"creating the kind cluster {self.name}")
            self._run(
                "kind",
                "create",
                "cluster",
                "--name",
                self.name,
                "--kubeconfig",
                str(self.admin_kubeconfig),
                "--wait",
                "120s",
            )
            image = deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
            self.say(f"building {image}")
            self._run("docker", "build", "--tag", image, str(REPO))
            self._run("kind", "load", "docker-image", image, "--name", self.name)
            self.host_address = self._gateway()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        if self.keep:
            self.say(
                f"kept the kind cluster {self.name}: KUBECONFIG={self.admin_kubeconfig}; kind delete cluster "
                f"--name {self.name}"
            )
            return
        self._run("kind", "delete", "cluster", "--name", self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def deploy(self) -> None:
        self.apply_manifests(MANIFESTS)

    def _gateway(self) -> str:
        """The host as pods see it: the IPv4 gateway of kind's network."""
        networks = json.loads(self._run("docker", "network", "inspect", "kind"))
        configs = [config for network in networks for config in network["IPAM"]["Config"]]
        return next(str(config["Gateway"]) for config in configs if "." in config.get("Gateway", ""))

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return done.stdout
