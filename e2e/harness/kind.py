"""A kind cluster with our image loaded, where Docker runs.

Neighbours: cluster.py is what callers see of it; operator.py's PodOperator is the operator in it.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import uuid
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from e2e.harness.cluster import REPO, Cluster
from e2e.harness.operator import deployment
from e2e.harness.say import Say, silent

PATIENCE: Final = 30  # seconds for Docker to say that it runs


def unavailable() -> str:
    """Why there can be no kind cluster here; "" where Docker answers, and kind and kubectl are on PATH."""
    if missing := [name for name in ("docker", "kind", "kubectl") if shutil.which(name) is None]:
        return f"not on PATH: {', '.join(missing)}"
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return "Docker does not answer"
    except OSError as error:
        return f"docker cannot be run: {error.strerror}"
    return "" if done.returncode == 0 else f"Docker does not run: {(done.stderr.strip() or 'no reason given')[-200:]}"


def available() -> bool:
    return not unavailable()


class KindFailed(RuntimeError):
    """kind or docker ended with an error; the message has the end of what it printed."""


class KindCluster(Cluster):
    """`start()` creates the cluster, builds and loads the image; `stop()` deletes the cluster."""

    def __init__(self, say: Say = silent) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="eso-kind-")), None)
        self.say, self.keep = say, False
        self.name = f"eso-e2e-{uuid.uuid4().hex[:6]}"

    def start(self) -> KindCluster:
        try:
            self.say(f"creating the kind cluster {self.name}")
            where = ("--name", self.name, "--kubeconfig", str(self.admin_kubeconfig))
            self._run("kind", "create", "cluster", *where, "--wait", "120s")
            image = deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
            self.say(f"building {image}")
            self._run("docker", "build", "--tag", image, str(REPO))
            self._run("kind", "load", "docker-image", image, "--name", self.name)
            self.host_address = self._gateway()
            bindable(self.host_address)
        except BaseException:
            try:
                self.stop()
            except KindFailed as error:  # the first error is the one to tell
                self.say(f"the kind cluster {self.name} may still be there: {error}")
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

    def _gateway(self) -> str:
        return gateway(json.loads(self._run("docker", "network", "inspect", "kind")))

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise KindFailed(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return done.stdout


def gateway(networks: list[dict[str, Any]]) -> str:
    """The host as pods see it: the IPv4 gateway of kind's network, which is its first address where Docker does not
    name it. Raises KindFailed."""
    for config in (config for network in networks for config in network.get("IPAM", {}).get("Config") or ()):
        if "." in config.get("Gateway", ""):
            return str(config["Gateway"])
        if "." in config.get("Subnet", ""):
            return str(IPv4Network(config["Subnet"])[1])
    raise KindFailed("the network of kind has no IPv4 addresses")


def bindable(address: str) -> None:
    """Servers for pods listen there. Raises KindFailed, for example where Docker runs in a machine of its own."""
    try:
        with socket.socket() as tried:
            tried.bind((address, 0))
    except OSError as error:
        raise KindFailed(f"pods reach no server of this machine: nothing can listen at {address}: {error}") from error
