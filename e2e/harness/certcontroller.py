"""The cert-controller as its Deployment describes it, as a process here, with the rights of its ServiceAccount alone.

Neighbours: webhook.py is what it makes certificates for, cluster.py gives it its kubeconfig.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType

import requests

from e2e.harness.cluster import Cluster
from e2e.harness.operator import Metrics, command_line, entry_point
from e2e.harness.process import Child, free_port
from e2e.harness.waiting import PATIENCE
from e2e.harness.webhook import documents


class LocalCertController:
    """The Deployment's container as a child process on loopback ports. `args` replace or add flags by name."""

    def __init__(
        self, cluster: Cluster, *, args: Mapping[str, str] | None = None, name: str = "cert-controller"
    ) -> None:
        (deployment,) = documents("certcontroller.yaml", "Deployment")
        namespace, pod = deployment["metadata"]["namespace"], deployment["spec"]["template"]["spec"]
        account = pod["serviceAccountName"]
        self.user = f"system:serviceaccount:{namespace}:{account}"
        home = cluster.folder / name
        home.mkdir()
        self.metrics_address, self.health_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        overrides = {"metrics-addr": self.metrics_address, "healthz-addr": self.health_address, **(args or {})}
        env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "KUBECONFIG": str(cluster.kubeconfig_for_serviceaccount(namespace, account)),
        }
        command = command_line(pod["containers"][0], entry_point(), overrides)
        self.child = Child(name, command, home / "cert-controller.log", env=env, cwd=home)
        self._session = requests.Session()
        self._session.trust_env = False

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text, for example of `readyz/crd-inject`."""
        reply = self._session.get(f"http://{self.health_address}/{path}", timeout=PATIENCE)
        return reply.status_code, reply.text

    def metrics(self) -> Metrics:
        reply = self._session.get(f"http://{self.metrics_address}/metrics", timeout=PATIENCE)
        reply.raise_for_status()
        return Metrics(reply.text)

    def __enter__(self) -> LocalCertController:
        self.child.start()
        self.child.wait_until(lambda: self.probe("healthz")[0] == 200, 60, what="the cert-controller alive", every=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.stop(30)
