"""Refreshes that find nothing changed: what they cost the operator, the API server and the backend.

    python -m e2e.bench.refresh --objects 500 --interval 5s --seconds 30 --backend openbao

Neighbours: cold.py is the first sync, README.md says how to read the table. Uses the default `--status-heartbeat`
unless told otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

from e2e.bench.cold import operation_of, ready
from e2e.bench.measure import by_kind, cpu_seconds, resident_mb
from e2e.bench.world import Seed, Shape
from e2e.harness.controlplane import ControlPlane
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.say import Narrator
from e2e.harness.waiting import eventually

WARM_UP = 3.0  # seconds after the last first sync, so that its Events and echoes are over
PASSES = "externalsecret_sync_calls_total"


@dataclass(frozen=True, slots=True)
class Cost:
    """`refreshes` that happened in `seconds`; requests are `verb resource` → number in all."""

    shape: Shape
    seconds: float
    refreshes: int
    cpu_ms: float  # per refresh
    requests: dict[str, int]
    backend_requests: dict[str, int]
    resident_mb: float


def measure(shape: Shape, seconds: float, heartbeat: str, narrator: Narrator) -> Cost:
    bao = OpenBao(say=narrator.note).start() if shape.backend == "openbao" else None
    try:
        if bao is not None:
            bao.mount_kv("secret")
        with narrator.step(f"a control plane with a store and {shape.objects} ExternalSecrets"):
            seed = Seed(shape, bao, narrator.note)
        try:
            with seed.planted() as plane:
                return run(plane, shape, bao, seconds, heartbeat, narrator)
        finally:
            seed.remove()
    finally:
        if bao is not None:
            bao.stop()


def run(
    plane: ControlPlane, shape: Shape, bao: OpenBao | None, seconds: float, heartbeat: str, narrator: Narrator
) -> Cost:
    args = {"status-heartbeat": heartbeat} if heartbeat else {}
    with LocalOperator(plane, args=args) as operator:
        with narrator.step("the first sync"):
            eventually(
                lambda: all(map(ready, plane.api.list("externalsecrets"))),
                60 + shape.objects,
                every=1,
                what="every object Ready",
            )
            time.sleep(WARM_UP)
        with narrator.step(f"{seconds:.0f} s of refreshes"):
            before = operator.metrics().sum(PASSES)
            api_began, bao_began = plane.audit.mark(), bao.mark() if bao else 0
            began, cpu = time.monotonic(), cpu_seconds(operator.child.pid)
            time.sleep(seconds)
            took, cpu = time.monotonic() - began, cpu_seconds(operator.child.pid) - cpu
            requests = by_kind(plane.audit.requests(user=operator.user, since=api_began))
            backend = Counter(map(operation_of, bao.requests(bao_began))) if bao else Counter[str]()
            memory = resident_mb(operator.child.pid)
            refreshes = int(operator.metrics().sum(PASSES) - before)
    return Cost(shape, took, refreshes, 1000 * cpu / max(1, refreshes), dict(requests), dict(backend), memory)


def table(cost: Cost, narrator: Narrator) -> None:
    narrator.head(
        f"refresh without change: {cost.shape.objects} objects every {cost.shape.interval}, "
        f"{cost.shape.backend}, {cost.shape.refs} references each"
    )
    narrator.line()
    rows = [("", "")]
    rows.append(("refreshes", f"{cost.refreshes} in {cost.seconds:.0f} s"))
    rows.append(("CPU per refresh, ms", f"{cost.cpu_ms:.2f}"))
    rows.append(("resident, MB", f"{cost.resident_mb:.0f}"))
    for kind, count in sorted(cost.requests.items()):
        rows.append((f"{kind}, per refresh", f"{count / max(1, cost.refreshes):.3f}"))
    for kind, count in sorted(cost.backend_requests.items()):
        rows.append((f"backend: {kind}, per refresh", f"{count / max(1, cost.refreshes):.3f}"))
    narrator.table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.refresh", description="Refreshes that find nothing changed."
    )
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--backend", choices=("fake", "openbao"), default="fake")
    parser.add_argument("--refs", type=int, default=5, help="remote references per object")
    parser.add_argument("--interval", default="5s", help="refreshInterval of every object")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to look")
    parser.add_argument("--status-heartbeat", default="", help="the operator's flag; default: the operator's default")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    narrator = Narrator(sys.stderr if options.output == "json" else sys.stdout)
    cost = measure(
        Shape(options.objects, options.backend, options.refs, options.interval),
        options.seconds,
        options.status_heartbeat,
        narrator,
    )
    if options.output == "json":
        print(json.dumps(asdict(cost), indent=2))
    else:
        table(cost, narrator)


if __name__ == "__main__":
    main()
