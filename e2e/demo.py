"""`python -m e2e.demo`: one secret, from OpenBao through a real API server into a Secret, and what happens to it
afterwards. The cluster is kind where Docker runs, otherwise a control plane of processes.

Neighbours: harness/ starts the parts, examples/vault-kubernetes-auth is what gets applied. Exit codes: 0 all shown, 1 a
step failed,
2 wrong arguments, 3 a part could not be started, 130 interrupted.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from e2e.harness.cluster import REPO, Cluster, KubectlFailed
from e2e.harness.controlplane import ControlPlane, NoBinaries, binaries
from e2e.harness.kind import KindCluster, KindFailed, unavailable
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator, PodOperator, entry_point
from e2e.harness.process import Child, DiedEarly
from e2e.harness.say import Narrator
from e2e.harness.waiting import NeverHappened, eventually

EXAMPLES = REPO / "examples" / "vault-kubernetes-auth"
NAMESPACE, NAME = "shop", "database"
STATE = "demo.json"
PARTS = " (operator: controlplane/operator/operator.log; API server: controlplane/logs, controlplane/audit.log)"
FAILED, UNFIT, INTERRUPTED = 1, 3, 130


class Demo:
    """Everything it starts lives in `folder`. `keep` leaves the processes running when this one ends; `local` takes no
    kind cluster, also where there could be one."""

    def __init__(self, folder: Path, narrator: Narrator, keep: bool, local: bool = False) -> None:
        self.folder, self.tell, self.keep, self.local = folder, narrator, keep, local
        self.plane: Cluster | None = None
        self.bao: OpenBao | None = None
        self.operator: LocalOperator | PodOperator | None = None
        self.rows: list[tuple[str, str, float]] = []

    # -- the parts ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.tell.head("Starting the parts")
        self.plane = self.kind() or self.processes()
        with self.tell.step("OpenBao: a KV v2 mount, role shop for ServiceAccount shop/shop"):
            host = self.plane.host_address
            self.bao = OpenBao(folder=self.folder / "openbao", outlive=self.keep, host=host).start()
            self.bao.mount_kv("secret")
            self.bao.put("secret", "shop/database", {"username": "shop", "password": "first"})
            self.bao.policy("shop", {"secret/data/shop/*": ["read"]})
            self.bao.kubernetes_auth(self.plane)
            self.bao.kubernetes_role("shop", [NAMESPACE], ["shop"], ["shop"])
        with self.tell.step("kubectl apply --server-side -k manifests/"):
            self.plane.apply_manifests()
        if isinstance(self.plane, ControlPlane):
            with self.tell.step("the operator, as its own ServiceAccount with the ClusterRole from manifests/"):
                self.operator = LocalOperator(self.plane, outlive=self.keep).start()
                self.operator.wait_ready()
        else:
            with self.tell.step("the operator, as the Deployment from manifests/"):
                self.operator = PodOperator(self.plane)
                self.operator.wait_ready()

    def kind(self) -> KindCluster | None:
        """A kind cluster with our image; None, with the reason told, where there can be none."""
        if self.local:
            return None
        if reason := unavailable():
            self.tell.note(f"no kind cluster ({reason}): a control plane of processes stands in")
            return None
        try:
            with self.tell.step("a kind cluster with our image (minutes the first time)"):
                return KindCluster(say=self.tell.note).start()
        except (KindFailed, OSError, subprocess.TimeoutExpired) as error:
            self.tell.note(f"a control plane of processes stands in: {str(error).strip()[-400:]}")
            return None

    def processes(self) -> ControlPlane:
        with self.tell.step("programs of the control plane"):
            found = binaries(self.tell.note)
            self.tell.note(str(found))
        with self.tell.step("etcd, kube-apiserver (RBAC on), kube-controller-manager"):
            plane = ControlPlane(folder=self.folder / "controlplane", outlive=self.keep)
            self.plane = plane  # it may end half-way, with processes that have to be stopped
            plane.start()
        return plane

    @property
    def children(self) -> list[Child]:
        """In the order they should end."""
        found = [self.operator.child] if isinstance(self.operator, LocalOperator) else []
        found += [self.bao.child] if self.bao else []
        return found + (list(reversed(self.plane.children)) if isinstance(self.plane, ControlPlane) else [])

    def render(self) -> None:
        """What the manifest would give, before anything runs."""
        self.tell.head("The Secret that the manifest gives, without a cluster (eso render)")
        data = self.folder / "data.yaml"
        data.write_text("username: shop\npassword: first\n")
        words = ["render", "-f", str(EXAMPLES / "externalsecret.yaml"), "--data", str(data)]
        done = subprocess.run([*entry_point(), *words], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stderr)
        for line in done.stdout.splitlines():
            self.tell.line(f"  {line}")

    # -- the story ----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        assert self.plane is not None and self.bao is not None
        plane, bao = self.plane, self.bao
        self.tell.head("One secret")

        def password(wanted: str) -> Callable[[], bool]:
            def check() -> bool:
                found = (plane.secret(NAMESPACE, NAME) or {}).get("password")
                told = plane.condition("externalsecrets", NAMESPACE, NAME).get("message", "none")
                assert found == wanted, f"password is {found!r}, condition of the ExternalSecret: {told}"
                return True

            return check

        def rotate() -> None:
            bao.put("secret", "shop/database", {"username": "shop", "password": "second"})

        def gone() -> bool:
            return plane.secret(NAMESPACE, NAME) is None

        plane.apply(self.example("namespace"))
        self.step(
            "synced",
            f"SecretStore and ExternalSecret applied: Secret {NAMESPACE}/{NAME} appears",
            self.apply_example,
            password("first"),
            30,
        )
        plane.wait_ready("externalsecrets", NAMESPACE, NAME, 10)
        self.step("rotated", "new password written to OpenBao: followed", rotate, password("second"), 30)
        self.step("drift", "Secret edited with kubectl: put back", self.spoil, password("second"), 30)
        self.step(
            "deleted",
            "ExternalSecret deleted: the garbage collector removes its Secret",
            lambda: plane.kubectl("-n", NAMESPACE, "delete", "externalsecret", NAME),
            gone,
            90,
            hint="the collector learns of new kinds every 30 s",
        )

    def step(
        self,
        word: str,
        text: str,
        act: Callable[[], object],
        check: Callable[[], bool],
        within_seconds: float,
        hint: str = "",
    ) -> None:
        with self.tell.step(text) as took:
            if hint:
                self.tell.note(hint)
            act()
            took.began = time.monotonic()  # from the moment the change is in the server
            eventually(check, within_seconds, 0.05, what=text, waiting=took.waiting)
        self.rows.append((word, text, took.seconds))

    def example(self, name: str) -> str:
        assert self.bao is not None
        return (EXAMPLES / f"{name}.yaml").read_text().replace("http://openbao.openbao.svc:8200", self.bao.address)

    def apply_example(self) -> None:
        assert self.plane is not None
        self.plane.apply(self.example("secretstore") + "---\n" + self.example("externalsecret"))

    def spoil(self) -> None:
        assert self.plane is not None
        value = base64.b64encode(b"tampered").decode()
        self.plane.kubectl(
            "-n", NAMESPACE, "patch", "secret", NAME, "--type=merge", "-p", json.dumps({"data": {"password": value}})
        )

    # -- the end ------------------------------------------------------------------------------------------------------

    def summary(self) -> None:
        self.tell.head("What happened, and how long it took")
        self.tell.table(
            [("", "what", "seconds"), *((word, text, f"{seconds:.2f}") for word, text, seconds in self.rows)]
        )
        self.tell.line()

    def next_steps(self, kept: bool) -> None:
        self.tell.head("What to try next")
        if not kept:
            self.tell.line("  make demo KEEP=1            leaves all of it running, for docs/quickstart.md")
        self.tell.line("  .venv/bin/eso doctor        is everything there, and does it work?")
        self.tell.line("  .venv/bin/eso render --help what a manifest of yours would give")
        self.tell.line("  docs/providers/README.md    the backends, each with a manifest that works")
        self.tell.line()

    def failure(self, error: BaseException) -> None:
        self.tell.head("It did not work")
        self.tell.line("  " + str(error).split("\n--- ")[0])  # the end of a log follows below
        if isinstance(self.operator, PodOperator):
            self.tell.head("Last lines of the log of the operator")
            try:
                said = self.operator.logs()
            except KubectlFailed as refused:
                said = f"  cannot be read: {refused}"
            self.tell.line("\n".join(said.splitlines()[-20:]) or "  (empty)")
        local = self.operator.child if isinstance(self.operator, LocalOperator) else None
        child = local or next((one for one in self.children if not one.alive), None)
        if child is not None:
            self.tell.head(f"Last lines of the log of {child.name}")
            self.tell.line(child.tail(20) or "  (empty)")
        self.tell.line()
        parts = "" if isinstance(self.plane, KindCluster) else PARTS
        self.tell.line(f"  logs: {self.folder}{parts}")

    def stop(self) -> None:
        if isinstance(self.operator, LocalOperator):
            self.operator.stop()
        for child in self.children:
            child.kill()
        if isinstance(self.plane, KindCluster):
            self.plane.stop()

    def leave_running(self) -> None:
        assert self.plane is not None and self.bao is not None
        pids = [
            {"name": child.name, "pid": child.pid, "started": started(child.pid)}
            for child in self.children
            if child.alive
        ]
        kind = (
            {"name": self.plane.name, "folder": str(self.plane.folder)} if isinstance(self.plane, KindCluster) else {}
        )
        (self.folder / STATE).write_text(json.dumps({"processes": pids, "kind": kind}))
        self.tell.head("Left running")
        self.tell.line(f"  export KUBECONFIG={self.plane.admin_kubeconfig}")
        self.tell.line(f"  export BAO_ADDR={self.bao.address} BAO_TOKEN={self.bao.root_token}")
        if isinstance(self.operator, LocalOperator):
            self.tell.line(
                f"  metrics: http://{self.operator.metrics_address}/metrics    operator's log: "
                f"{self.operator.child.log}"
            )
        ours = f"kubectl, if you have none: {self.plane.binaries}/kubectl    " if self.plane.binaries else ""
        self.tell.line(f"  {ours}try: kubectl apply -f {EXAMPLES.relative_to(REPO)}/externalsecret.yaml")
        self.tell.line(f"  stop it: {Path(sys.executable)} -m e2e.demo --stop {self.folder}")
        self.tell.line()


def started(pid: int) -> str:
    """When that process started, in clock ticks since boot; "" when there is none. With the pid it names one process
    for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""


def stop_left_running(folder: Path, tell: Narrator) -> int:
    """Ends what `--keep` left behind. Only processes that still are the ones it started."""
    state = folder / STATE
    if not state.exists():
        tell.line(f"{state} is not there: nothing was left running from that folder")
        return FAILED
    left = json.loads(state.read_text())
    for entry in left["processes"]:
        if entry["started"] and started(entry["pid"]) == entry["started"]:
            os.kill(entry["pid"], signal.SIGTERM if entry["name"] == "operator" else signal.SIGKILL)
            try:
                eventually(
                    lambda pid=entry["pid"], at=entry["started"]: started(pid) != at or zombie(pid),  # type: ignore[misc]
                    30,
                    what=f"{entry['name']} ends",
                )
            except NeverHappened:
                os.kill(entry["pid"], signal.SIGKILL)
            tell.line(f"stopped {entry['name']}")
    if kind := left["kind"]:
        done = subprocess.run(["kind", "delete", "cluster", "--name", kind["name"]], timeout=300, check=False)
        if done.returncode != 0:
            return FAILED
        shutil.rmtree(kind["folder"], ignore_errors=True)
        tell.line(f"deleted the kind cluster {kind['name']}")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(keep: bool, tell: Narrator, local: bool = False) -> int:
    demo = Demo(Path(tempfile.mkdtemp(prefix="eso-demo-")), tell, keep, local)
    signal.signal(signal.SIGTERM, interrupt)
    code = 0
    try:
        demo.render()
        demo.start()
        demo.show()
        demo.summary()
        demo.next_steps(keep)
    except KeyboardInterrupt:
        tell.line()
        tell.line("interrupted")
        code, keep = INTERRUPTED, False
    except (NoBinaries, DiedEarly, KindFailed, OSError) as error:
        demo.failure(error)
        code, keep = UNFIT, False
    except (NeverHappened, KubectlFailed, RuntimeError) as error:
        demo.failure(error)
        code = FAILED
    finally:
        if keep and demo.operator is not None:
            demo.leave_running()
        else:
            demo.stop()
            if code in (0, INTERRUPTED):
                shutil.rmtree(demo.folder, ignore_errors=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.demo", description="One secret, from OpenBao through a real API server into a Secret."
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running and say how to reach it and how to stop it"
    )
    parser.add_argument("--stop", metavar="FOLDER", type=Path, help="end what --keep left running")
    parser.add_argument("--local", action="store_true", help="a control plane of processes, also where kind could run")
    given = parser.parse_args()
    tell = Narrator()
    if given.stop:
        return stop_left_running(given.stop, tell)
    return run(given.keep or bool(os.environ.get("KEEP")), tell, given.local)


if __name__ == "__main__":
    raise SystemExit(main())
