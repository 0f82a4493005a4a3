"""The admission webhook as its Deployment describes it, as a process here; and the API server told to ask it by url.

Neighbours: operator.py is the other component. Certificates come from certs.py; a test may renew them while it runs.
"""

from __future__ import annotations

import base64
import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import requests
import yaml

from e2e.harness.certs import Authority
from e2e.harness.cluster import MANIFESTS, Api, ApiRefused, Cluster, Json
from e2e.harness.objects import thing
from e2e.harness.operator import Metrics, command_line, entry_point
from e2e.harness.process import Child, free_port
from e2e.harness.waiting import PATIENCE, eventually

ADMISSION = MANIFESTS / "admission"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "localhost"


def documents(file: str, kind: str) -> list[Json]:
    """The objects of that kind in one file of manifests/admission."""
    found = yaml.safe_load_all((ADMISSION / file).read_text())
    return [one for one in found if one and one["kind"] == kind]


class LocalWebhook:
    """The Deployment's container as a child process on loopback ports. `args` replace or add flags by name."""

    def __init__(self, folder: Path, *, args: Mapping[str, str] | None = None, name: str = "webhook") -> None:
        home = folder / name
        self.certificates = home / "certs"
        self.certificates.mkdir(parents=True)
        self.port = free_port()
        self.metrics_address, self.health_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        (deployment,) = documents("webhook.yaml", "Deployment")
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        overrides = {
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "dns-name": NAME,
            "cert-dir": str(self.certificates),
            "lookahead-interval": "24h",  # certs.py signs for thirty days
            "metrics-addr": self.metrics_address,
            "healthz-addr": self.health_address,
            **(args or {}),
        }
        env = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
        self.child = Child(
            name, command_line(container, entry_point(), overrides), home / "webhook.log", env=env, cwd=home
        )
        self.authority = Authority(home / "authority", "external-secrets")
        self._issued = 0
        self._session = requests.Session()
        self._session.trust_env = False

    def renew(self, days: int = 30) -> None:
        """Another certificate by the same authority, valid for so long. One file comes after the other, as a careless
        tool would write them."""
        self._issued += 1
        pair = self.authority.server(f"tls-{self._issued}", dns=(NAME,), days=days)
        for name, source in (("ca.crt", self.authority.cert), ("tls.crt", pair.cert), ("tls.key", pair.key)):
            partial = self.certificates / f"{name}.new"
            partial.write_bytes(source.read_bytes())
            partial.rename(self.certificates / name)

    def start(self) -> LocalWebhook:
        self.renew()
        self.child.start()
        return self

    def wait_ready(self, within_seconds: float = 60.0) -> None:
        """Raises DiedEarly with the end of the log."""
        self.child.wait_until(lambda: self.probe("readyz") == 200, within_seconds, what="the webhook ready", every=0.1)

    def probe(self, name: str) -> int:
        return self._session.get(f"http://{self.health_address}/{name}", timeout=PATIENCE).status_code

    def metrics(self) -> Metrics:
        reply = self._session.get(f"http://{self.metrics_address}/metrics", timeout=PATIENCE)
        reply.raise_for_status()
        return Metrics(reply.text)

    def stop(self) -> int:
        return self.child.stop(30)

    def __enter__(self) -> LocalWebhook:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.child.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def configurations(self, *, failure_policy: str = "") -> list[Json]:
        """Those of manifests/admission, with a url in the place of the Service. `failure_policy` "" keeps theirs."""
        made = copy.deepcopy(documents("webhook.yaml", "ValidatingWebhookConfiguration"))
        bundle = base64.b64encode(self.authority.cert.read_bytes()).decode()
        for one in (hook for configuration in made for hook in configuration["webhooks"]):
            path = one["clientConfig"]["service"]["path"]
            one["clientConfig"] = {"url": f"https://{NAME}:{self.port}{path}", "caBundle": bundle}
            one["failurePolicy"] = failure_policy or one["failurePolicy"]
        return made


@contextmanager
def asked(cluster: Cluster, webhook: LocalWebhook) -> Iterator[None]:
    """The API server asks the webhook for as long as the block lasts."""
    made = webhook.configurations()
    try:
        for one in made:
            configure(cluster.api, one)
        eventually(lambda: in_force(cluster.api), 30, what="the API server asks the webhook")
        yield
    finally:
        for one in made:
            cluster.api.request("DELETE", f"{CONFIGURATIONS}/{one['metadata']['name']}")


def in_force(api: Api) -> bool:
    """Whether an ExternalSecret that the webhook would refuse, or nobody can be asked about, is refused: the API server
    takes a moment to learn of a configuration."""
    empty = thing("ExternalSecret", "in-force", "default", spec={})
    try:
        api.request("POST", api.path("externalsecrets", "default") + "?dryRun=All", empty)
    except ApiRefused as refused:
        return "webhook" in str(refused)
    return False


def configure(api: Api, configuration: Json) -> None:
    path = f"{CONFIGURATIONS}/{configuration['metadata']['name']}?fieldManager=harness&force=true"
    api.request("PATCH", path, configuration, content_type="application/apply-patch+yaml")
