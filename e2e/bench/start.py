"""From the start of the process to the first Secret, with N ExternalSecrets that wait: imports, lists, logins included.

    python -m e2e.bench.start --objects 2000 --runs 3

Neighbours: cold.py leaves the start out and looks at the rate; README.md says how to read the table. The clock of the
machine is the only one: the process is started here, and the API server stamps the requests in its audit log.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from statistics import median

from e2e.bench.cold import PATIENCE, quiet, ready
from e2e.bench.measure import Progress, Usage, epoch, is_secret_create, is_status_write
from e2e.bench.world import STORE, Seed, Shape
from e2e.harness.audit import Request
from e2e.harness.cluster import REPO
from e2e.harness.controlplane import ControlPlane
from e2e.harness.operator import LocalOperator
from e2e.harness.say import Narrator
from e2e.harness.waiting import eventually

SETTLE = 2.0  # seconds without a status write after which no more is expected


@dataclass(frozen=True, slots=True)
class Start:
    """One start. Seconds since the process was started; CPU is the operator's own. `most_statuses`: status writes of
    the object that had the most."""

    first_request: float
    listed: float
    first_secret: float
    first_status: float
    last_status: float
    cpu_until_first_request: float
    cpu_until_first_secret: float
    statuses: int
    most_statuses: int
    unready: int


def compiled(folder: str) -> dict[str, str]:
    """Variables of a process that finds its modules compiled, as in the image."""
    where = {"PYTHONPYCACHEPREFIX": folder}
    warm = "import eso.app.lifecycle; from eso.kube.config import loaders; loaders()"
    environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(REPO), **where}
    subprocess.run([sys.executable, "-c", warm], env=environ, check=True)
    return where


def run(plane: ControlPlane, shape: Shape, env: dict[str, str], *, validated: bool) -> Start:
    """`validated` False: the store was never validated either, as when everything is applied together."""
    if not validated:
        forget_validation(plane)
    operator = LocalOperator(plane, env=env)
    mark = plane.audit.mark()
    began = time.time()
    operator.start()
    try:
        with Usage({"operator": operator.child.pid}) as usage:
            progress = Progress(plane.audit, mark)
            operator.child.wait_until(
                lambda: progress.read() >= shape.objects,
                60 + PATIENCE * shape.objects,
                what="every status written",
                every=0.25,
            )
            eventually(lambda: quiet(progress), 30, every=SETTLE, what="no more writes")
        unready = sum(not ready(es) for es in plane.api.list("externalsecrets"))
    finally:
        code = operator.stop()
    assert code == 0, f"the operator ended with exit code {code}:\n{operator.child.tail()}"
    ours = [one for one in plane.audit.requests(since=mark) if one.user == operator.user and one.code < 300]
    statuses = Counter((one.namespace, one.name) for one in ours if is_status_write(one))
    times = sorted(epoch(one.received) for one in ours if is_status_write(one))
    secret = min(epoch(one.received) for one in ours if is_secret_create(one))
    request = min(epoch(one.received) for one in ours)
    return Start(
        first_request=request - began,
        listed=max(epoch(one.received) for one in ours if is_list(one)) - began,
        first_secret=secret - began,
        first_status=times[0] - began,
        last_status=times[-1] - began,
        cpu_until_first_request=usage.total("operator", request),
        cpu_until_first_secret=usage.total("operator", secret),
        statuses=statuses.total(),
        most_statuses=max(statuses.values()),
        unready=unready,
    )


def is_list(request: Request) -> bool:
    return request.verb == "list"


def forget_validation(plane: ControlPlane) -> None:
    gone = {"status": {"conditions": None, "capabilities": None}}
    plane.api.patch("clustersecretstores", "", STORE, gone, subresource="status")


def table(shape: Shape, starts: list[Start], narrator: Narrator) -> None:
    narrator.head(f"start with {shape.objects} ExternalSecrets waiting, median of {len(starts)}")
    narrator.line()
    rows = [("seconds since the process was started", "")]
    for name, text in (
        ("first_request", "first request to the API server"),
        ("listed", "last list asked for"),
        ("first_secret", "first Secret"),
        ("first_status", "first status"),
        ("last_status", "last status"),
        ("cpu_until_first_request", "own CPU until the first request"),
        ("cpu_until_first_secret", "own CPU until the first Secret"),
    ):
        rows.append((text, f"{median(getattr(one, name) for one in starts):.2f}"))
    rows.append(("status writes per object", f"{median(one.statuses for one in starts) / shape.objects:.2f}"))
    rows.append(("most status writes of one object", str(max(one.most_statuses for one in starts))))
    rows.append(("not Ready at the end", str(sum(one.unready for one in starts))))
    narrator.table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.start", description="From the start of the process to the first Secret."
    )
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--new-store", action="store_true", help="the store was never validated either")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    narrator = Narrator(sys.stderr if options.output == "json" else sys.stdout)
    shape = Shape(options.objects)
    with narrator.step(f"a control plane with a store and {shape.objects} ExternalSecrets"):
        seed = Seed(shape, None, narrator.note)
    starts = []
    try:
        with tempfile.TemporaryDirectory(prefix="eso-bench-compiled-") as folder:
            env = compiled(folder)
            for number in range(options.runs):
                with narrator.step(f"start {number + 1}"), seed.planted() as plane:
                    starts.append(run(plane, shape, env, validated=not options.new_store))
    finally:
        seed.remove()
    if options.output == "json":
        print(json.dumps({"shape": asdict(shape), "starts": [asdict(one) for one in starts]}, indent=2))
    else:
        table(shape, starts, narrator)
    if any(one.unready for one in starts):
        sys.exit("objects were left not Ready")


if __name__ == "__main__":
    main()
