"""A real control plane on loopback: etcd, kube-apiserver with RBAC and audit log, kube-controller-manager.

Neighbours: cluster.py is what callers see of it, audit.py reads its log, ../controlplane/build.sh builds the binaries.
As many side by side as ports last. No nodes: nothing here runs a pod.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from e2e.harness.audit import POLICY, AuditLog
from e2e.harness.certs import Authority, write_key
from e2e.harness.cluster import REPO, Cluster, Credentials
from e2e.harness.process import Child, free_port
from e2e.harness.say import Say, silent

NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
)
ISSUER = "https://kubernetes.default.svc.cluster.local"


class NoBinaries(RuntimeError):
    """There is no usable set of binaries; the message says what to do."""


def binaries(say: Say = silent) -> Path:
    """The folder of the four programs: KUBEBUILDER_ASSETS, or what build.sh makes (once; minutes). Progress goes to
    `say`."""
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        missing = [name for name in NEEDED if not (Path(given) / name).exists()]
        if missing:
            raise NoBinaries(
                f"KUBEBUILDER_ASSETS={given} has no {', '.join(missing)}: add them, or unset it to build all "
                "four from source"
            )
        return Path(given)
    script = REPO / "e2e" / "controlplane" / "build.sh"
    with subprocess.Popen([str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr is not None and build.stdout is not None
        for line in build.stderr:  # one line of output only, so stdout cannot fill up meanwhile
            say(line.rstrip())
        printed = build.stdout.read().split()
    if build.returncode != 0 or not printed:
        raise NoBinaries(
            f"{script} failed with exit code {build.returncode}: its messages are above; it needs Go and about 8 "
            "minutes"
        )
    return Path(printed[-1])


class ControlPlane(Cluster):
    """`start()` to use, `stop()` to end; also a context manager. The folder is removed by `stop()` unless `keep` is
    set.

    `outlive=True` lets the processes live on when this one ends; the caller then has to end them by their pids.
    """

    audit: AuditLog

    def __init__(self, *, folder: Path | None = None, say: Say = silent, outlive: bool = False) -> None:
        super().__init__(folder or Path(tempfile.mkdtemp(prefix="eso-controlplane-")), binaries(say))
        assert self.binaries is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.say, self.keep = say, False
        self.port, self._etcd_port, etcd_peer_port = free_port(), free_port(), free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.audit = AuditLog(self.folder / "audit.log")
        self.logs = self.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self._pki(self.folder / "pki")
        etcd, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{etcd_peer_port}"
        self.etcd = self._child(
            "etcd",
            outlive,
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--quota-backend-bytes={4 << 30}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        self.apiserver = self._child("kube-apiserver", outlive, *self._apiserver_flags(etcd))
        self.controller_manager = self._child("kube-controller-manager", outlive, *self._controller_manager_flags())

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> ControlPlane:
        """Returns when the API is usable and the default namespace has its ServiceAccount. Raises DiedEarly; stops what
        it started."""
        try:
            self.etcd.start()
            self.start_apiserver()
            self.controller_manager.start()
            self.controller_manager.wait_until(
                lambda: self.api.get("serviceaccounts", "default", "default"),
                60,
                what="the ServiceAccount of the default namespace",
            )
        except BaseException:
            self.keep = True
            self.stop()
            raise
        return self

    def start_apiserver(self) -> None:
        """First start, or again after `kill_apiserver` with the same data, port and certificates."""
        self.apiserver.start()
        self.apiserver.wait_until(
            lambda: self.api.request("GET", "/readyz", timeout=10)["text"] == "ok", 60, what="the API server ready"
        )

    def kill_apiserver(self) -> None:
        """An outage: connections break, the data stays in etcd."""
        self.apiserver.kill()

    def stop(self) -> None:
        """Ends the three processes at once: nothing of theirs is worth a clean shutdown. Keeps the folder when `keep`
        is set."""
        for child in (self.controller_manager, self.apiserver, self.etcd):
            child.kill()
        if self.keep:
            self.say(f"kept {self.folder} (logs in {self.logs}, audit log in {self.audit.path})")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> ControlPlane:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep = self.keep or error is not None
        self.stop()

    @property
    def children(self) -> tuple[Child, ...]:
        return (self.etcd, self.apiserver, self.controller_manager)

    # -- making -------------------------------------------------------------------------------------------------------

    def _child(self, name: str, outlive: bool, *flags: str) -> Child:
        assert self.binaries is not None
        return Child(
            name, [str(self.binaries / name), *flags], self.logs / f"{name}.log", cwd=self.folder, outlive=outlive
        )

    def _pki(self, folder: Path) -> None:
        authority = Authority(folder)
        self.ca = authority.cert
        dns = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        self._serving = authority.server("apiserver", dns=dns, addresses=("127.0.0.1", "10.0.0.1"))
        # RS256: what every consumer of these tokens understands
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._token_key, self._token_public = folder / "sa.key", folder / "sa.pub"
        write_key(self._token_key, key)
        self._token_public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        for user, path in (
            ("admin", self.admin_kubeconfig),
            ("system:kube-controller-manager", self.folder / "controller-manager.kubeconfig"),
        ):
            pair = authority.client(path.stem, user, ["system:masters"])
            Credentials(self.server, self.ca.read_bytes(), pair.cert.read_bytes(), pair.key.read_bytes()).kubeconfig(
                path, user
            )
        (self.folder / "audit-policy.yaml").write_text(POLICY)

    def _apiserver_flags(self, etcd: str) -> list[str]:
        return [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-jwks-uri={self.server}/openid/v1/jwks",
            f"--service-account-key-file={self._token_public}",
            f"--service-account-signing-key-file={self._token_key}",
            f"--api-audiences={ISSUER}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            # as on OpenShift: an owner reference that blocks deletion needs the right to set the owner's finalizers
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-maxsize=4096",
        ]

    def _controller_manager_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self.folder / 'controller-manager.kubeconfig'}",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={self._token_key}",
            f"--root-ca-file={self.ca}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]
