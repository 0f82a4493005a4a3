"""How long good ExternalSecrets wait while hostile ones render: the same creations twice, once in bad company.

    python -m e2e.bench.hostile --objects 1000

Neighbours: the times are the API server's own, from its audit log: from the creation of an ExternalSecret to the
creation of its Secret. What counts is the difference between the two runs, not the times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import datetime

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator
from e2e.harness.say import Narrator, Say
from e2e.harness.waiting import eventually

HOSTILE = {
    "a long loop": "{{ range $i := until 1000 }}{{ range $j := until 1000 }}{{ add $i $j }}{{ end }}{{ end }}",
    "a giant repeat": '{{ repeat 60000000 "x" }}',
    "a giant width": '{{ printf "%50000000d" 1 }}',
    "exponential templates": (
        '{{ define "a" }}{{ template "b" . }}{{ template "b" . }}{{ end }}'
        '{{ define "b" }}{{ range until 999 }}{{ . }}{{ end }}{{ end }}'
        '{{ range until 999 }}{{ template "a" . }}{{ end }}'
    ),
    "key generation": '{{ genPrivateKey "rsa" }}',
    "a derived password": '{{ derivePassword 1 "long" "a" "b" "c" }}',
}
EVERY = 0.02  # seconds between two good objects


def hostile(namespace: str, name: str, text: str, engine: str = "v2") -> Json:
    template = {"engineVersion": engine, "data": {"out": text}}
    return external_secret(namespace, name, {"key": "key"}, target={"template": template}, interval="1s")


def latencies(plane: ControlPlane, namespace: str, since: int) -> list[float]:
    """Milliseconds from POST ExternalSecret to POST Secret, per good object."""
    began: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}
    # in the order in which they finished: a Secret may come before its cause
    for request in plane.audit.requests(since=since):
        name = request.name or (request.body or {}).get("metadata", {}).get("name", "")
        if request.namespace == namespace and request.verb == "create" and name.startswith("good-"):
            times = {"externalsecrets": began, "secrets": ended}.get(request.path)
            if times is not None:
                times[name] = datetime.fromisoformat(request.received)
    return sorted((ended[name] - began[name]).total_seconds() * 1000 for name in began if name in ended)


def measured(plane: ControlPlane, namespace: str, count: int, company: list[Json], say: Say) -> list[float]:
    plane.create_namespace(namespace)
    plane.apply([secret_store(namespace, fake_provider({"key": "value"}))])
    with LocalOperator(plane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace):
        plane.wait_ready("secretstores", namespace, "store")
        for one in company:
            plane.api.create(
                "externalsecrets", namespace, {**one, "metadata": {**one["metadata"], "namespace": namespace}}
            )
        since = plane.audit.mark()
        for n in range(count):
            plane.api.create("externalsecrets", namespace, external_secret(namespace, f"good-{n}", {"key": "key"}))
            time.sleep(EVERY)
            if n % 100 == 99:
                say(f"    {n + 1} of {count} objects")
        return eventually(
            lambda: found if len(found := latencies(plane, namespace, since)) == count else None,
            60,
            every=1.0,
            what="every good Secret",
        )


def quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("-o", "--format", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    say = Narrator(sys.stderr).line
    company = [hostile("", f"hostile-{n}", text) for n, text in enumerate(HOSTILE.values())]
    company.append(
        hostile(
            "",
            "hostile-jinja",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "jinja2",
        )
    )
    with ControlPlane(say=say) as plane:
        plane.apply_manifests()
        say("  alone")
        alone = measured(plane, "alone", arguments.objects, [], say)
        say(f"  beside {len(company)} hostile ones, each tried again and again")
        beside = measured(plane, "beside", arguments.objects, company, say)
    rows = {
        name: {
            "alone_ms": round(pick(alone), 1),
            "beside_ms": round(pick(beside), 1),
            "added_ms": round(pick(beside) - pick(alone), 1),
        }
        for name, pick in (
            ("median", statistics.median),
            ("p99", lambda values: quantile(values, 0.99)),
            ("longest", max),
        )
    }
    if arguments.format == "json":
        print(json.dumps({"objects": arguments.objects, "hostile": len(company), "latency": rows}, indent=2))
        return 0
    print(
        f"\n{arguments.objects} good ExternalSecrets, POST to Secret, milliseconds\n"
        f"{'':10}{'alone':>10}{'beside':>10}{'added':>10}"
    )
    for name, row in rows.items():
        print(f"{name:10}{row['alone_ms']:>10}{row['beside_ms']:>10}{row['added_ms']:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
