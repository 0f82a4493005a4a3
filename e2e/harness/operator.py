"""The operator as the Deployment in manifests/ describes it: as a process here, or as the pod of a cluster that runs
pods.

Neighbours: cluster.py gives it its ServiceAccount's kubeconfig; whatever it may do comes from the RBAC rules in
manifests/ alone.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import orjson
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from e2e.harness.cluster import MANIFESTS, Cluster, Json
from e2e.harness.process import Child, free_port
from e2e.harness.say import Say, silent
from e2e.harness.waiting import PATIENCE, eventually

LEASE = "external-secrets-controller"
# A leader that gets no time for as long as a pod's lease lasts ends, which on a busy machine says nothing about it.
LEASE_TIMES = {"leader-election-lease-duration": "100s", "leader-election-renew-deadline": "90s"}


class Operator(Protocol):
    """What tests do with a running operator."""

    user: str

    def wait_ready(self, within_seconds: float = 60.0) -> None: ...
    def restart(self) -> None:
        """The process ends without a chance to say goodbye; returns when the next one is ready."""

    def ended(self) -> str:
        """Why it does not run, with the end of its log; "" while it runs."""

    def logs(self) -> str: ...
    def metrics(self) -> Metrics: ...


class Metrics:
    """One scrape. `samples`: (name, labels) → value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = {
            (s.name, frozenset(s.labels.items())): s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }

    def sum(self, name: str, /, **labels: str) -> float:
        """Sum over all series of that name whose labels include the given ones; 0 when there are none."""
        wanted = set(labels.items())
        return sum(value for (one, have), value in self.samples.items() if one == name and wanted <= have)


def deployment(manifests: Path = MANIFESTS) -> Json:
    """The operator's Deployment. Raises LookupError."""
    for document in yaml.safe_load_all((manifests / "deployment.yaml").read_text()):
        if document and document["kind"] == "Deployment":
            found: Json = document
            return found
    raise LookupError(f"no Deployment in {manifests / 'deployment.yaml'}")


def command_line(container: Json, program: Sequence[str], overrides: Mapping[str, str]) -> list[str]:
    """What the kubelet would run: the image's entry point (or `command`) and `args`; `overrides` replace or add flags
    by name."""
    entry = [*program, *container["command"][1:]] if container.get("command") else list(program)
    kept = [word for word in container.get("args", []) if word.split("=")[0].lstrip("-") not in overrides]
    return entry + kept + [f"--{name}={value}" for name, value in overrides.items()]


def environment(container: Json, pod: Mapping[str, str]) -> dict[str, str]:
    """The container's variables; `pod` answers fieldRefs by field path. Raises LookupError for sources we cannot
    have."""
    variables: dict[str, str] = {}
    for entry in container.get("env", []):
        if "value" in entry:
            variables[entry["name"]] = entry["value"]
        else:
            variables[entry["name"]] = pod[entry["valueFrom"]["fieldRef"]["fieldPath"]]
    return variables


class LocalOperator:
    """The Deployment's container as a child process. `args` are flags by name, added to or replacing the Deployment's;
    `spec` is another Deployment than that of manifests/.

    It gets nothing a pod would not have, except KUBECONFIG (the files of a pod's ServiceAccount cannot be mounted
    here), the Lease's namespace (from the same files), a lease that lasts (LEASE_TIMES) and loopback ports instead of
    :8080 and :8082.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        args: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        spec: Json | None = None,
        name: str = "operator",
        say: Say = silent,
        outlive: bool = False,
    ) -> None:
        self.spec = spec = spec or deployment()
        namespace = spec["metadata"]["namespace"]
        pod = spec["spec"]["template"]["spec"]
        account = pod["serviceAccountName"]
        container = pod["containers"][0]
        self.user = f"system:serviceaccount:{namespace}:{account}"
        self.say = say
        self.metrics_address, self.live_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.kubeconfig = cluster.kubeconfig_for_serviceaccount(namespace, account)
        home = cluster.folder / name
        home.mkdir(exist_ok=True)
        overrides = {
            "metrics-addr": self.metrics_address,
            "live-addr": self.live_address,
            "leader-election-namespace": namespace,
            **LEASE_TIMES,
            **(args or {}),
        }
        self._cluster, self._namespace = cluster, namespace
        self._elects = overrides.get("enable-leader-election") != "false"
        fields = {
            "metadata.name": name,
            "metadata.namespace": namespace,
            "status.podIP": "127.0.0.1",
            "spec.serviceAccountName": account,
        }
        variables = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **environment(container, fields),
            "KUBECONFIG": str(self.kubeconfig),
            **(env or {}),
        }
        log = home / "operator.log"
        self.child = Child(
            name, command_line(container, entry_point(), overrides), log, env=variables, cwd=home, outlive=outlive
        )
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self) -> LocalOperator:
        """Does not wait for readiness: see `wait_ready`."""
        self.child.start()
        return self

    def wait_ready(self, within_seconds: float = 60.0) -> None:
        """Until /readyz says so. Raises DiedEarly with the end of the log."""
        self.child.wait_until(lambda: self.probe("readyz") == 200, within_seconds, what="the operator ready", every=0.1)

    def stop(self) -> int:
        """SIGTERM as the kubelet sends it, SIGKILL later. Returns the exit code."""
        return self.child.stop(PATIENCE)

    def kill(self) -> int:
        return self.child.kill()

    def restart(self) -> None:
        """The Lease of the killed holder is taken away: waiting until it runs out is a test of its own."""
        self.kill()
        if self._elects:
            self._cluster.api.delete("leases", self._namespace, LEASE)
        self.start()
        self.wait_ready()

    def ended(self) -> str:
        if self.child.alive:
            return ""
        code = self.child.popen.returncode if self.child.popen else "none"
        return f"the operator ended with exit code {code}\n--- end of {self.child.log}\n{self.child.tail()}"

    def probe(self, name: str) -> int:
        """HTTP status of /healthz or /readyz. Raises requests' errors while nobody listens."""
        return self._session.get(f"http://{self.live_address}/{name}", timeout=PATIENCE).status_code

    def metrics(self) -> Metrics:
        reply = self._session.get(f"http://{self.metrics_address}/metrics", timeout=PATIENCE)
        reply.raise_for_status()
        return Metrics(reply.text)

    def logs(self) -> str:
        return self.child.text()

    def entries(self) -> list[Json]:
        """Log lines that are JSON."""
        return [orjson.loads(line) for line in self.logs().splitlines() if line.startswith("{")]

    def __enter__(self) -> LocalOperator:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def entry_point() -> list[str]:
    """The image's ENTRYPOINT: `eso` beside this interpreter. Raises RuntimeError."""
    beside = Path(sys.executable).parent / "eso"
    found = str(beside) if beside.exists() else shutil.which("eso")
    if not found:
        raise RuntimeError(f"no program eso beside {sys.executable}: install the project first (make setup)")
    return [found]


class PodOperator:
    """The Deployment of a cluster that runs pods."""

    def __init__(self, cluster: Cluster, manifests: Path = MANIFESTS) -> None:
        spec = deployment(manifests)
        self.cluster, self.namespace, self.name = cluster, spec["metadata"]["namespace"], spec["metadata"]["name"]
        self.user = f"system:serviceaccount:{self.namespace}:{spec['spec']['template']['spec']['serviceAccountName']}"

    def wait_ready(self, within_seconds: float = 120.0) -> None:
        self.cluster.kubectl(
            "-n",
            self.namespace,
            "rollout",
            "status",
            f"deploy/{self.name}",
            f"--timeout={within_seconds:.0f}s",
            timeout=within_seconds + 30,
        )

    def restart(self) -> None:
        before = self._pods()
        self.cluster.kubectl("-n", self.namespace, "delete", "pod", *before, "--grace-period=0", "--force")
        eventually(lambda: set(self._pods()) - set(before), 30, what="a new pod")
        self.wait_ready()

    def ended(self) -> str:
        return ""  # the kubelet starts it again

    def _pods(self) -> list[str]:
        template = "jsonpath={.items[*].metadata.name}"
        return self.cluster.kubectl(
            "-n", self.namespace, "get", "pods", "-l", "app.kubernetes.io/component=controller", "-o", template
        ).split()

    def logs(self) -> str:
        return self.cluster.kubectl("-n", self.namespace, "logs", f"deploy/{self.name}", "--tail=-1")

    def metrics(self) -> Metrics:
        path = f"/api/v1/namespaces/{self.namespace}/services/{self.name}-metrics:metrics/proxy/metrics"
        return Metrics(str(self.cluster.api.request("GET", path)["text"]))
