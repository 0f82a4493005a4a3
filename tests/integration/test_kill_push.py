"""The process may end at any request of a push or of a deletion, to either side: the next one finishes the work, and no
remote secret is forgotten.

Each write is killed at after it was done and before its reply; before it arrives, nothing but the write before it has
happened. The backend is the provider `kubernetes`, behind the same proxy as the API server.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import pytest

from e2e.harness.cluster import Cluster
from e2e.harness.objects import push_secret, secret_store, thing
from e2e.harness.proxy import Fate, Lose, Refuse, Seen
from e2e.harness.waiting import eventually
from tests.harness.behind import Behind

pytestmark = pytest.mark.real
Phase = Literal["push", "deletion"]
Point = tuple[str, int]  # a write, and which of those of that name
PHASES: list[Phase] = ["push", "deletion"]
WRITES: dict[Phase, list[str]] = {
    "push": [
        "PATCH pushsecrets/app",
        "PATCH secretstores/store",
        "PATCH pushsecrets/app/status",
        "POST remote secrets",
    ],
    "deletion": [
        "DELETE remote secrets/a",
        "DELETE remote secrets/b",
        "PATCH pushsecrets/app",
        "PATCH secretstores/store",
    ],
}
ROLE = "rbac.authorization.k8s.io/v1"


class Pushes:
    """A namespace with a PushSecret `app` of policy Delete that nobody has looked at, and the operator for it."""

    def __init__(self, behind: Behind, remote: str) -> None:
        self.behind, self.remote = behind, remote
        self.cluster, self.api, self.namespace = behind.cluster, behind.cluster.api, behind.namespace

    def apply(self) -> None:
        data = {"key": base64.b64encode(b"value").decode()}
        self.api.create("secrets", self.namespace, {"metadata": {"name": "source"}, "data": data})
        proxy = self.behind.proxy
        server = {"url": proxy.server, "caBundle": base64.b64encode(proxy.ca.read_bytes()).decode()}
        auth = {"serviceAccount": {"name": "default"}}
        provider = {"kubernetes": {"remoteNamespace": self.remote, "server": server, "auth": auth}}
        rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pushed"}
        pushed = push_secret(self.namespace, "app", {}, source="source", deletionPolicy="Delete")
        pushed["spec"]["data"] = [
            {"match": {"secretKey": "key", "remoteRef": {"remoteKey": name, "property": "key"}}} for name in ("a", "b")
        ]
        self.cluster.apply(
            [
                thing("Role", "pushed", self.remote, api=ROLE, rules=rules),
                thing("RoleBinding", "pushed", self.remote, api=ROLE, roleRef=role, subjects=[subject]),
                secret_store(self.namespace, provider),
                pushed,
            ]
        )

    def held(self) -> bool:
        found = self.api.get("secretstores", self.namespace, "store") or {}
        return bool(found["metadata"].get("finalizers"))

    def contents(self) -> dict[str, dict[str, str] | None]:
        return {name: self.cluster.secret(self.remote, name) for name in ("a", "b")}

    def finish(self, phase: Phase) -> None:
        """To the end of the phase, with nothing in the way."""
        if phase == "push":
            self.cluster.wait_ready("pushsecrets", self.namespace, "app", 60)
            eventually(self.held, 30, what="the store is held")
            assert self.contents() == {"a": {"key": "value"}, "b": {"key": "value"}}
            status = (self.api.get("pushsecrets", self.namespace, "app") or {})["status"]
            assert list(status["syncedPushSecrets"]["SecretStore/store"]) == ["a/key", "b/key"]
        else:
            eventually(lambda: self.api.get("pushsecrets", self.namespace, "app") is None, 60, what="it goes")
            assert self.contents() == {"a": None, "b": None}
            eventually(lambda: not self.held(), 30, what="the store is let go")

    def done(self, phase: Phase) -> bool:
        """The object says so; the store's finalizer may still be on its way."""
        if phase == "deletion":
            return self.api.get("pushsecrets", self.namespace, "app") is None
        return self.cluster.condition("pushsecrets", self.namespace, "app").get("status") == "True"

    def begin(self, phase: Phase) -> None:
        if phase == "deletion":
            self.api.delete("pushsecrets", self.namespace, "app")
        elif not self.behind.operator.child.alive:
            self.behind.operator.start()

    def name(self, seen: Seen) -> str:
        if f"/{self.remote}/" not in seen.path:
            return seen.what
        return seen.what.replace(" ", " remote ", 1)

    def write(self, seen: Seen) -> bool:
        """A write of the operator, to the namespace or to the backend: not an Event, not a question."""
        mine = f"/namespaces/{self.namespace}" in seen.path
        return mine and seen.method != "GET" and "/events" not in seen.path and "/token" not in seen.path


@contextmanager
def fresh(cluster: Cluster) -> Iterator[Pushes]:
    namespace = cluster.create_namespace(f"pushes-{uuid.uuid4().hex[:5]}")
    remote = cluster.create_namespace(f"{namespace}-remote")
    try:
        with Behind(cluster, namespace) as behind:
            made = Pushes(behind, remote)
            made.apply()
            yield made
    finally:
        for name in (namespace, remote):
            cluster.delete_namespace(name)


def points(writes: list[str]) -> list[Point]:
    """Writes by name, numbered among those of the same name: side by side they come in any order."""
    return [(name, writes[: n + 1].count(name)) for n, name in enumerate(writes)]


def killed_at(cluster: Cluster, phase: Phase, point: Point) -> None:
    """The process ends once that write is done, and the next one finishes both phases."""
    with fresh(cluster) as pushes:
        behind, so_far, hit = pushes.behind, list[str](), list[Seen]()

        def rule(seen: Seen) -> Fate | None:
            if hit:
                return Refuse()  # what was on its way when the process died
            if not pushes.write(seen):
                return None
            so_far.append(pushes.name(seen))
            if points(so_far)[-1] != point:
                return None
            hit.append(seen)
            return Lose()

        def replied(seen: Seen, status: int) -> None:
            if seen in hit:
                behind.kill_now()

        if phase == "deletion":
            pushes.begin("push")
            pushes.finish("push")
            behind.settle()
        behind.proxy.rule, behind.proxy.replied = rule, replied
        pushes.begin(phase)
        eventually(lambda: not behind.operator.child.alive or pushes.done(phase), 60, what=f"{point} of the {phase}")
        if behind.operator.child.alive:
            behind.settle()  # what comes after the last status may still end it
        behind.proxy.calm()
        assert hit or point[1] > 1 or point[0] not in WRITES[phase], f"{point} never came"
        if hit:
            behind.operator.restart()
        for rest in PHASES[PHASES.index(phase) :]:
            if rest != phase:
                pushes.begin(rest)
            pushes.finish(rest)


@pytest.fixture(scope="module")
def calm(cluster: Cluster) -> dict[Phase, list[Point]]:
    """The writes of an operator that nothing disturbs."""
    found: dict[Phase, list[Point]] = {}
    with fresh(cluster) as pushes:
        for phase in PHASES:
            pushes.behind.proxy.clear()
            pushes.begin(phase)
            pushes.finish(phase)
            pushes.behind.settle()
            found[phase] = points([pushes.name(seen) for seen in pushes.behind.proxy.requests if pushes.write(seen)])
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_a_process_killed_after_any_write_of_a_push_and_of_a_deletion_loses_nothing(
    cluster: Cluster, calm: dict[Phase, list[Point]], phase: Phase
) -> None:
    assert {(name, 1) for name in WRITES[phase]} <= set(calm[phase])
    with ThreadPoolExecutor(4) as runs:
        list(runs.map(lambda point: killed_at(cluster, phase, point), calm[phase]))
