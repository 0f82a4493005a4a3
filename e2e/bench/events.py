"""One change event for N ExternalSecrets on one key: reads of the backend, and the time to the last Secret, next to a
bare writer that sends as many writes of the same kind.

    python -m e2e.bench.events --objects 500

Neighbours: cold.py is the first sync, writer.py the other side, README.md says how to read the table. Everything is
real: the API server, OpenBao, the signed event.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import requests

from e2e.bench.cold import PATIENCE, Plan, operation_of, run_writer
from e2e.bench.measure import epoch, is_status_write, strangers
from e2e.bench.world import CREDENTIALS_NAMESPACE, SENDERS, STORE, Shape
from e2e.harness.audit import Request
from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import cluster_secret_store, external_secret, thing
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator, deployment
from e2e.harness.process import free_port
from e2e.harness.say import Narrator
from e2e.harness.waiting import eventually
from eso.notify.verify import signed

KEY = b"the key of the sender"
REMOTE = "bench/shared"


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds from the moment at which the event is sent: to the answer, to the last write of a Secret. `reads`: what
    the backend was asked for meanwhile. `bare_seconds`: what as many writes of Secrets and statuses take by
    themselves."""

    objects: int
    answer_seconds: float
    last_secret_seconds: float
    bare_seconds: float
    reads: dict[str, int]
    secrets: int
    statuses: int
    strangers: dict[str, int]
    refused: int

    @property
    def ratio(self) -> float:
        return self.bare_seconds / self.last_secret_seconds if self.last_secret_seconds else 0.0


def measure(objects: int, narrator: Narrator) -> Result:
    shape = Shape(objects, "openbao", 1, "24h")
    with OpenBao(say=narrator.note) as bao, ControlPlane(say=narrator.note) as plane:
        bao.mount_kv("secret")
        with narrator.step(f"a control plane with a store and {objects} ExternalSecrets on one key"):
            plane.apply_manifests()
            furnish(plane, shape, bao)
        port = free_port()
        with LocalOperator(plane, args={"change-events-addr": f"127.0.0.1:{port}"}) as operator:
            with narrator.step("the first sync"):
                for namespace, name in shape.keys:
                    plane.wait_ready("externalsecrets", namespace, name, 60 + PATIENCE * objects)
                plane.wait_ready("changesources", system(), "bench", 60)
            with narrator.step("one event"):
                run = told(plane, shape, bao, operator, port)
        with narrator.step("the bare writer"):
            bare = run_writer(plane, shape, changed(run.writes))
    return Result(
        objects,
        run.answer,
        run.last,
        bare.seconds,
        run.reads,
        sum(one.path == "secrets" for one in run.writes),
        sum(is_status_write(one) for one in run.writes),
        run.strangers,
        bare.refused,
    )


@dataclass(frozen=True, slots=True)
class Run:
    answer: float
    last: float
    reads: dict[str, int]
    writes: list[Request]
    strangers: dict[str, int]


def told(plane: ControlPlane, shape: Shape, bao: OpenBao, operator: LocalOperator, port: int) -> Run:
    bao.put("secret", REMOTE, {"p0": "rotated"})
    began, bao_began, sent = plane.audit.mark(), bao.mark(), time.time()
    body = json.dumps({"keys": [f"secret/{REMOTE}"]}).encode()
    url = f"http://127.0.0.1:{port}/v1/changes/{system()}/bench"
    reply = requests.post(url, data=body, headers=signed(KEY, "bench", int(sent), body), timeout=60)
    answer = time.time() - sent
    assert reply.status_code == 202 and reply.json()["objects"] == shape.objects, reply.text
    writes: list[Request] = []

    def all_written() -> bool:
        writes[:] = [one for one in plane.audit.requests(user=operator.user, since=began) if is_write(one)]
        return sum(one.path == "secrets" for one in writes) >= shape.objects

    eventually(all_written, 60 + PATIENCE * shape.objects, every=0.25, what="every Secret has the new value")
    everything = list(plane.audit.requests(since=began))
    last = max(epoch(one.received) for one in writes if one.path == "secrets") - sent
    reads = Counter(map(operation_of, bao.requests(bao_began)))
    return Run(answer, last, dict(reads), list(writes), dict(strangers(everything, operator.user)))


def is_write(one: Request) -> bool:
    return one.code < 300 and ((one.path == "secrets" and one.verb == "patch") or is_status_write(one))


def changed(writes: list[Request]) -> Plan:
    """The same writes with other values, since a write that changes nothing costs the API server nothing, and without
    the versions that they were for."""
    objects: dict[tuple[str, str], list[tuple[str, str, object]]] = {}
    for one in writes:
        if one.path == "secrets" or one.path == "externalsecrets/status":
            body = json.loads(json.dumps(one.body))
            objects.setdefault((one.namespace, one.name), []).append((one.verb, one.uri, altered(body)))
    return list(objects.values())


def altered(body: Any) -> Any:
    if isinstance(body, list):  # a JSON patch of a status
        for step in body:
            if isinstance(step.get("value"), dict):
                step["value"]["refreshTime"] = "2024-01-01T00:00:00Z"
        return body
    for name in ("resourceVersion", "uid"):
        body.get("metadata", {}).pop(name, None)
    for name in body.get("data") or {}:
        body["data"][name] = base64.b64encode(b"as long").decode()
    return body


def system() -> str:
    namespace: str = deployment()["metadata"]["namespace"]
    return namespace


def furnish(plane: ControlPlane, shape: Shape, bao: OpenBao) -> None:
    for namespace in [CREDENTIALS_NAMESPACE, *shape.namespaces]:
        plane.create_namespace(namespace)
    bao.put("secret", REMOTE, {"p0": "at first"})
    token = {"token": bao.root_token}
    login = {"name": "login", "namespace": CREDENTIALS_NAMESPACE, "key": "token"}
    provider = {
        "openBao": {"server": bao.address, "path": "secret", "version": "v2", "auth": {"tokenSecretRef": login}}
    }
    auth = {"hmac": {"secretRefs": [{"name": "sender", "key": "key"}]}}
    source = {"storeRefs": [{"name": STORE, "kind": "ClusterSecretStore"}], "webhook": {"auth": auth}}
    plane.apply(
        [
            thing("Secret", "login", CREDENTIALS_NAMESPACE, api="v1", stringData=token),
            thing("Secret", "sender", system(), api="v1", stringData={"key": KEY.decode()}),
            cluster_secret_store(STORE, provider),
            thing("ChangeSource", "bench", system(), api="extensions.external-secrets.io/v1alpha1", spec=source),
        ]
    )
    with ThreadPoolExecutor(SENDERS) as senders:
        for _ in senders.map(
            lambda one: plane.api.create("externalsecrets", one["metadata"]["namespace"], one), objects_of(shape)
        ):
            pass  # an exception of a sender surfaces here


def objects_of(shape: Shape) -> Iterator[Json]:
    for namespace, name in shape.keys:
        yield external_secret(
            namespace,
            name,
            {"value": (REMOTE, "p0")},
            store=STORE,
            store_kind="ClusterSecretStore",
            interval=shape.interval,
        )


def table(result: Result, narrator: Narrator) -> None:
    narrator.head(f"one change event for {result.objects} ExternalSecrets on one key of OpenBao")
    narrator.line()
    rows = [("", "operator", "bare writer")]
    rows.append(("answer 202 after, s", f"{result.answer_seconds:.2f}", ""))
    rows.append(("last Secret after, s", f"{result.last_secret_seconds:.2f}", f"{result.bare_seconds:.2f}"))
    rows.append(("of the bare writer", f"{result.ratio:.2f}", "1"))
    for kind, count in sorted(result.reads.items()):
        rows.append((f"backend: {kind}", str(count), ""))
    rows.append(("Secrets written", str(result.secrets), str(result.secrets)))
    rows.append(("statuses written", str(result.statuses), str(result.statuses)))
    rows.append(("writes by anybody else", str(sum(result.strangers.values())), ""))
    narrator.table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.events", description="One change event for many objects on one key."
    )
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    narrator = Narrator(sys.stderr if options.output == "json" else sys.stdout)
    result = measure(options.objects, narrator)
    if options.output == "json":
        print(json.dumps(asdict(result) | {"ratio": result.ratio}, indent=2))
    else:
        table(result, narrator)
    if result.strangers or result.refused:
        sys.exit("not a fair run: writes were refused, or somebody else wrote")


if __name__ == "__main__":
    main()
