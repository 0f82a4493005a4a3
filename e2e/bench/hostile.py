"""What one tenant costs the others: attacks.py beside a victim, against an operator sized for 512 MiB.

    python -m e2e.bench.hostile                                # every attack, 30 s each
    python -m e2e.bench.hostile --seconds 60 gjson-path small-maps

Neighbours: attacks.py and backend.py are the tenant, bystander.py measures how late others answer. A liveness probe as
the kubelet's (every 10 s, 5 s of patience, three failures) and a limit of 512 MiB decide over restarts; the victim
creates an ExternalSecret again and again and waits for its Secret, and for the one that a bare controller writes for
the same object: what both are waited for is the API server's. Every attack has a control plane of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import requests

from e2e.bench.attacks import ATTACKS, Attack
from e2e.bench.backend import HostileBackend
from e2e.bench.bystander import PREFIX
from e2e.bench.measure import resident_mb
from e2e.harness.cluster import ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.say import Narrator, Say

LIMIT_MB = 537  # 512 MiB
BUDGET = "128Mi"  # what the operator gives itself in a container of 512 MiB
MOST_WAIT, MOST_LAG = 1_000, 50  # milliseconds, of 99 in 100
VICTIM = "victim"
PATIENCE = 20.0  # seconds that the victim waits for one Secret
EVERY = 0.3  # seconds between two of its objects
PLURALS = {
    "ExternalSecret": "externalsecrets",
    "SecretStore": "secretstores",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "PushSecret": "pushsecrets",
    "ChangeSource": "changesources",
    "MFA": "mfas",
    "Password": "passwords",
    "SSHKey": "sshkeys",
    "Namespace": "namespaces",
}
HANDS = 6  # requests at a time with which a tenant applies


@dataclass(frozen=True, slots=True)
class Row:
    """One attack. `refused`: objects that the API server did not take. Milliseconds: `victim` from the moment at which
    the API server has the object to its Secret, `bare` the same of a controller that does nothing but write one, `lag`
    is the answer of /healthz and `idle` that of a process that does nothing. Megabytes at their highest: of the
    operator, and of it with the processes that compute for it. `load`: processes that wanted a core at the end."""

    attack: str
    objects: int
    refused: int
    restarts: int
    served: int
    unserved: int
    victim_p50: float
    victim_p99: float
    bare_p50: float
    bare_p99: float
    lag_p50: float
    lag_p99: float
    lag_max: float
    idle_p99: float
    resident: float
    together: float
    load: float

    @property
    def held(self) -> bool:
        served = not self.restarts and not self.unserved and self.victim_p99 <= MOST_WAIT
        return served and self.lag_p99 <= MOST_LAG and self.together < LIMIT_MB


class Bystander:
    """A process of bystander.py, for as long as the block lasts."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "e2e.bench.bystander", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Bystander:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def heard(self) -> None:
        """Returns once it has said something."""
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def anew(self) -> None:
        """What it measured so far does not count."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def result(self) -> list[list[float]]:
        measured: list[list[float]] = json.loads(self._process.communicate()[0])
        return measured


class Kubelet:
    """Probes as the Deployment asks for, and starts the container again when it fails, ends or is too large."""

    def __init__(self, operator: LocalOperator) -> None:
        self.operator, self.restarts = operator, 0
        self.resident = self.together = 0.0
        self._stop, self._hands = threading.Event(), threading.Lock()
        self._threads = [
            threading.Thread(target=self._probe, name="kubelet", daemon=True),
            threading.Thread(target=self._weigh, name="memory", daemon=True),
        ]

    def __enter__(self) -> Kubelet:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _probe(self) -> None:
        failed = 0
        while not self._stop.wait(10):
            try:
                fine = requests.get(f"http://{self.operator.live_address}/healthz", timeout=5).status_code == 200
            except requests.RequestException:
                fine = False
            failed = 0 if fine else failed + 1
            if failed >= 3 or not self.operator.child.alive:
                failed = 0
                self.restarts += 1
                self.again()

    def _weigh(self) -> None:
        rounds = 0
        while not self._stop.wait(0.05):
            with suppress(OSError, ValueError, IndexError):
                pid = self.operator.child.pid
                self.resident = max(self.resident, resident_mb(pid))
                rounds += 1
                if rounds % 10 == 0:
                    self.together = max(self.together, sum(map(proportional_mb, tree(pid))))

    def again(self) -> None:
        """The container, anew."""
        with self._hands:
            self.operator.kill()
            self.operator.start()


def tree(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            yield from tree(int(child))


def proportional_mb(pid: int) -> float:
    """What the process adds to the memory of its container: pages that it shares count in part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return resident_mb(pid)


@contextmanager
def stage(attack: Attack, backend: HostileBackend, say: Say) -> Iterator[tuple[ControlPlane, LocalOperator]]:
    with ControlPlane(say=say) as plane:
        plane.apply_manifests()
        plane.create_namespace(VICTIM)
        applied(plane, (thing("Namespace", name, api="v1") for name in attack.namespaces))
        plane.apply([secret_store(VICTIM, fake_provider({"key": "value"}))])
        arguments = {"enable-leader-election": "false", "memory-budget": BUDGET, **attack.flags}
        with LocalOperator(plane, args=arguments) as operator:
            plane.wait_ready("secretstores", VICTIM, "store")
            yield plane, operator


def applied(plane: ControlPlane, objects: Iterator[Json]) -> tuple[int, int]:
    """How many were taken and how many were refused."""

    def taken(one: Json) -> bool | None:
        try:
            plane.api.create(PLURALS[one["kind"]], one["metadata"].get("namespace", ""), one)
        except ApiRefused as error:
            return None if error.code == 409 else False
        except requests.RequestException:
            return False
        return True

    counts = Counter[bool | None]()
    with ThreadPoolExecutor(HANDS) as hands:
        while some := list(islice(objects, 4 * HANDS)):
            counts.update(hands.map(taken, some))
    return counts[True], counts[False]


@contextmanager
def at_work(plane: ControlPlane, attack: Attack) -> Iterator[None]:
    """What the tenant does meanwhile."""
    stop, busy = threading.Event(), attack.busy

    def work() -> None:
        while busy is not None and not stop.is_set():
            with suppress(ApiRefused, requests.RequestException):
                busy(plane.api, stop)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(attack.threads if busy else 0)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


Waits = list[float | None]


def victims(plane: ControlPlane, seconds: float, template: Json | None, prefix: str = "warm") -> tuple[Waits, Waits]:
    """Seconds from the moment at which the API server has an ExternalSecret to its Secret, and to the one that the bare
    controller writes for it; None for one that did not come."""
    waits, bare = Waits(), Waits()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        name = f"{prefix}-{len(waits)}"
        target = {"template": template} if template else None
        plane.api.create("externalsecrets", VICTIM, external_secret(VICTIM, name, {"key": "key"}, target=target))
        began = time.monotonic()
        missing = {name: waits, PREFIX + name: bare}
        while missing:
            for one in list(missing):
                late = time.monotonic() - began > PATIENCE
                if late or plane.api.get("secrets", VICTIM, one) is not None:
                    missing.pop(one).append(None if late else time.monotonic() - began)
            time.sleep(0.01)
        time.sleep(EVERY)
    return waits, bare


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(waits: Waits, share: float) -> float:
    return round(1000 * quantile([PATIENCE if wait is None else wait for wait in waits], share), 0)


def measured(attack: Attack, seconds: float, say: Say, folder: Path) -> Row:
    with HostileBackend(folder) as backend, stage(attack, backend, say) as (plane, operator), ExitStack() as around:
        kubelet = around.enter_context(Kubelet(operator))
        around.enter_context(Bystander("react", str(operator.kubeconfig), VICTIM)).heard()
        probe = around.enter_context(Bystander("probe", operator.live_address))
        victims(plane, 2.0, attack.victim)  # undisturbed, so that nothing is done for the first time below
        probe.anew()
        taken, refused = applied(plane, attack.make(backend))
        if attack.restart:
            kubelet.again()
            operator.wait_ready()
        with at_work(plane, attack):
            waits, bare = victims(plane, seconds, attack.victim, "victim")
        lag, idle = probe.result()
        if os.environ.get("HOSTILE_LOG"):
            say(operator.child.tail(60))
    return Row(
        attack.name,
        taken,
        refused,
        kubelet.restarts,
        len(waits) - waits.count(None),
        waits.count(None),
        milliseconds(waits, 0.5),
        milliseconds(waits, 0.99),
        milliseconds(bare, 0.5),
        milliseconds(bare, 0.99),
        round(1000 * quantile(lag, 0.5), 1),
        round(1000 * quantile(lag, 0.99), 1),
        round(1000 * quantile(lag, 1.0), 1),
        round(1000 * quantile(idle, 0.99), 1),
        round(kubelet.resident, 0),
        round(kubelet.together, 0),
        round(os.getloadavg()[0], 1),
    )


HEAD = (
    "| attack | restarts | not served | victim p50 / p99, ms | bare controller p50 / p99, ms |"
    " /healthz p99 / max, ms | idle process p99, ms | operator / with workers, MB |"
)


def table(rows: list[Row]) -> str:
    lines = [HEAD, "|---" * 8 + "|"]
    lines += [
        f"| {row.attack} | {row.restarts} | {row.unserved} of {row.served + row.unserved} |"
        f" {row.victim_p50:.0f} / {row.victim_p99:.0f} | {row.bare_p50:.0f} / {row.bare_p99:.0f} |"
        f" {row.lag_p99:.0f} / {row.lag_max:.0f} | {row.idle_p99:.0f} | {row.resident:.0f} / {row.together:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="attack", help="one of " + ", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("-o", "--format", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if unknown := set(arguments.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    say = Narrator(sys.stderr).line
    rows = []
    for name in arguments.attacks or ATTACKS:
        say(f"  {name}: {ATTACKS[name].name}")
        with tempfile.TemporaryDirectory(prefix="eso-hostile-") as folder:
            rows.append(measured(ATTACKS[name], arguments.seconds, say, Path(folder)))
        say(f"    {rows[-1]}")
    print(json.dumps([asdict(row) for row in rows], indent=2) if arguments.format == "json" else table(rows))
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
