"""Cold sync of N ExternalSecrets, next to a bare writer that sends the very same writes: `make bench`, or

    python -m e2e.bench.cold --objects 2000 --backend openbao -o json

Neighbours: world.py is what both start from, writer.py the other side, README.md says how to read the table. Only
ratios and counts mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field

from e2e.bench.measure import (
    Probe,
    Progress,
    Usage,
    by_kind,
    is_secret_create,
    is_status_write,
    resident_mb,
    strangers,
    window,
)
from e2e.bench.world import Seed, Shape
from e2e.harness.audit import Request
from e2e.harness.cluster import REPO
from e2e.harness.controlplane import ControlPlane
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator, deployment
from e2e.harness.process import Child
from e2e.harness.say import Narrator
from e2e.harness.waiting import eventually

PATIENCE = 0.5  # seconds per object that either side may take: far beyond any machine that is worth measuring on
SETTLE = 2.0  # seconds after the last status write in which Events and late writes are still counted

Plan = list[list[tuple[str, str, object]]]


@dataclass(frozen=True, slots=True)
class Side:
    """One run. `requests`: `verb resource` → number; `cpu_ms`: process → milliseconds per object; `wait_ms`: answers of
    /healthz."""

    seconds: float
    objects: int
    requests: dict[str, int]
    cpu_ms: dict[str, float]
    backend_requests: dict[str, int] = field(default_factory=dict)
    resident_mb: float = 0.0
    wait_ms: dict[str, float] = field(default_factory=dict)
    strangers: dict[str, int] = field(default_factory=dict)
    unready: int = 0
    refused: int = 0

    @property
    def rate(self) -> float:
        """Objects per second."""
        return self.objects / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    shape: Shape
    ours: Side
    bare: Side

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.bare.rate if self.bare.rate else 0.0

    def json(self) -> dict[str, object]:
        sides = {
            name: asdict(side) | {"objects_per_second": side.rate}
            for name, side in (("ours", self.ours), ("bare", self.bare))
        }
        return {"shape": asdict(self.shape), "ratio": self.ratio, **sides}


def compare(shape: Shape, narrator: Narrator) -> Result:
    """Both sides, one after the other, each alone on the machine with a control plane of its own."""
    say = narrator.note
    bao = OpenBao(say=say).start() if shape.backend == "openbao" else None
    try:
        if bao is not None:
            bao.mount_kv("secret")
        with narrator.step(f"a control plane with a store and {shape.objects} ExternalSecrets"):
            seed = Seed(shape, bao, say)
        try:
            with narrator.step("the operator"), seed.planted() as plane:
                ours, plan = run_operator(plane, shape, bao)
            with narrator.step("the bare writer, with the operator's own writes"), seed.planted() as plane:
                bare = run_writer(plane, shape, plan)
        finally:
            seed.remove()
    finally:
        if bao is not None:
            bao.stop()
    return Result(shape, ours, bare)


def run_operator(plane: ControlPlane, shape: Shape, bao: OpenBao | None) -> tuple[Side, Plan]:
    """The operator as the Deployment starts it, from its first Secret to its last status write; and its writes, by
    object."""
    operator = LocalOperator(plane)
    began, bao_began = plane.audit.mark(), bao.mark() if bao else 0
    operator.start()
    try:
        pids = {"operator": operator.child.pid} | servers(plane)
        with Usage(pids) as usage, Probe(operator.live_address) as probe:
            progress = Progress(plane.audit, began)
            operator.child.wait_until(
                lambda: progress.read() >= shape.objects,
                60 + PATIENCE * shape.objects,
                what="every status written",
                every=0.25,
            )
            probe_end = len(probe.waits)
            eventually(lambda: quiet(progress), 30, every=SETTLE, what="no more writes")
        memory = resident_mb(operator.child.pid)
        unready = sum(not ready(es) for es in plane.api.list("externalsecrets"))
    finally:
        code = operator.stop()
    assert code == 0, f"the operator ended with exit code {code}:\n{operator.child.tail()}"
    del probe.waits[probe_end:]
    everything = list(plane.audit.requests(since=began))
    ours = [one for one in everything if one.user == operator.user]
    first, last = window(ours)
    side = Side(
        seconds=last - first,
        objects=shape.objects,
        requests=dict(by_kind(ours)),
        cpu_ms={name: 1000 * usage.cpu(name, first, last) / shape.objects for name in pids},
        backend_requests=dict(Counter(operation_of(one) for one in bao.requests(bao_began))) if bao else {},
        resident_mb=memory,
        wait_ms={
            "p50": 1000 * probe.quantile(0.5),
            "p99": 1000 * probe.quantile(0.99),
            "max": 1000 * probe.quantile(1.0),
        },
        strangers=dict(strangers(everything, operator.user)),
        unready=unready,
    )
    return side, plan_of(ours)


def run_writer(plane: ControlPlane, shape: Shape, plan: Plan) -> Side:
    spec = deployment()
    namespace, account = spec["metadata"]["namespace"], spec["spec"]["template"]["spec"]["serviceAccountName"]
    user = f"system:serviceaccount:{namespace}:{account}"
    at = plane.credentials
    file = plane.folder / "plan.json"
    file.write_text(
        json.dumps(
            {"server": at.server, "ca": at.ca.decode(), "token": plane.token(namespace, account), "objects": plan}
        )
    )
    began = plane.audit.mark()
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(plane.folder), "PYTHONPATH": str(REPO)}
    writer = Child(
        "writer", [sys.executable, "-m", "e2e.bench.writer", str(file)], plane.folder / "writer.log", env=env
    )
    writer.start()
    with Usage(servers(plane)) as usage:
        assert writer.popen is not None
        try:
            code = writer.popen.wait(60 + PATIENCE * shape.objects)
        except subprocess.TimeoutExpired:
            writer.kill()
            raise
    assert code == 0, f"the bare writer failed:\n{writer.tail()}"
    printed = json.loads(writer.tail(1))
    everything = list(plane.audit.requests(since=began))
    own = [one for one in everything if one.user == user]
    first, last = window(own)
    cpu = {"writer": 1000 * printed["cpu_seconds"] / shape.objects}
    return Side(
        seconds=last - first,
        objects=shape.objects,
        requests=dict(by_kind(own)),
        cpu_ms=cpu | {name: 1000 * usage.cpu(name, first, last) / shape.objects for name in usage.pids},
        strangers=dict(strangers(everything, user)),
        unready=sum(not ready(es) for es in plane.api.list("externalsecrets")),
        refused=printed["refused"],
    )


def servers(plane: ControlPlane) -> dict[str, int]:
    return {child.name: child.pid for child in plane.children}


def quiet(progress: Progress) -> bool:
    """No status write since the last look."""
    before = progress.count
    return progress.read() == before


def ready(es: dict[str, object]) -> bool:
    status = es.get("status") or {}
    assert isinstance(status, dict)
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def operation_of(request: tuple[str, str]) -> str:
    """`read secret/data`: operation, mount and what is asked of it."""
    operation, path = request
    return f"{operation} {'/'.join(path.split('/')[:2])}"


def plan_of(requests: list[Request]) -> Plan:
    """The accepted writes of Secrets and statuses, by object in the order of their first write."""
    objects: dict[tuple[str, str], list[tuple[str, str, object]]] = {}
    for one in requests:
        if one.code < 300 and (is_secret_create(one) or is_status_write(one)):
            name = one.name or one.body["metadata"]["name"]  # a POST names the object in its body only
            objects.setdefault((one.namespace, name), []).append((one.verb, one.uri, one.body))
    return list(objects.values())


def table(result: Result, narrator: Narrator) -> None:
    ours, bare, n = result.ours, result.bare, result.shape.objects
    narrator.head(f"cold sync of {n} ExternalSecrets, {result.shape.backend}, {result.shape.refs} references each")
    narrator.line()
    rows = [("", "operator", "bare writer")]
    rows.append(("objects/s", f"{ours.rate:.0f}", f"{bare.rate:.0f}"))
    rows.append(("of the bare writer", f"{result.ratio:.2f}", "1"))
    rows.append(("own CPU per object, ms", f"{ours.cpu_ms['operator']:.2f}", f"{bare.cpu_ms['writer']:.2f}"))
    for name in sorted(ours.cpu_ms.keys() & bare.cpu_ms.keys()):
        rows.append((f"CPU of {name} per object, ms", f"{ours.cpu_ms[name]:.2f}", f"{bare.cpu_ms[name]:.2f}"))
    rows.append(("resident, MB", f"{ours.resident_mb:.0f}", ""))
    rows.append(
        (
            "answer of /healthz p50 / p99 / max, ms",
            " / ".join(f"{ours.wait_ms[name]:.0f}" for name in ("p50", "p99", "max")),
            "",
        )
    )
    for kind in sorted(ours.requests.keys() | bare.requests.keys()):
        rows.append(
            (
                f"{kind}, per object",
                per_object(ours.requests.get(kind, 0), n),
                per_object(bare.requests.get(kind, 0), n),
            )
        )
    for kind, count in sorted(ours.backend_requests.items()):
        rows.append((f"backend: {kind}, per object", per_object(count, n), ""))
    rows.append(("not Ready at the end", str(ours.unready), str(bare.unready)))
    rows.append(("writes by anybody else", str(sum(ours.strangers.values())), str(sum(bare.strangers.values()))))
    narrator.table(rows)
    for side in (ours, bare):
        for what, count in side.strangers.items():
            narrator.line(f"  somebody else wrote {count} times: {what}")


def per_object(count: int, objects: int) -> str:
    return f"{count / objects:.2f}" if count * 100 >= objects or not count else f"({count} in all)"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.cold", description="Cold sync next to a bare writer of the same writes."
    )
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--backend", choices=("fake", "openbao"), default="fake")
    parser.add_argument("--refs", type=int, default=5, help="remote references per object")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    narrator = Narrator(sys.stderr if options.output == "json" else sys.stdout)
    result = compare(Shape(options.objects, options.backend, options.refs), narrator)
    if options.output == "json":
        print(json.dumps(result.json(), indent=2))
    else:
        table(result, narrator)
    if result.ours.unready or result.bare.refused or result.ours.strangers:
        sys.exit("not a fair run: objects were left not Ready, writes were refused, or somebody else wrote")


if __name__ == "__main__":
    main()
