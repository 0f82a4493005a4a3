"""The process may end at any moment, between any two requests: nothing is lost, nothing is done twice, the next one
finishes the work."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.proxy import Fate, Lose, Refuse, Seen
from e2e.harness.waiting import eventually
from eso.api.hashing import owner_hash
from tests.harness.behind import Behind, at_rest

pytestmark = pytest.mark.real

SIDE_BY_SIDE = 4
Point = tuple[str, int]  # a request, and which of those of that name
VALUES = {"user": "admin", "password": "correct horse"}


@contextmanager
def fresh(cluster: Cluster, name: str) -> Iterator[Behind]:
    """A namespace of its own with a store and an ExternalSecret nobody has looked at, and the operator for it."""
    namespace = cluster.create_namespace(f"{name}-{uuid.uuid4().hex[:5]}")
    try:
        with Behind(cluster, namespace) as behind:
            # deletionPolicy Delete, because then the finalizer is one more request to be killed at
            behind.apply_fake(["app"], VALUES, target={"deletionPolicy": "Delete"})
            yield behind
    finally:
        cluster.delete_namespace(namespace)


def points(requests: list[str]) -> list[Point]:
    """Requests by name, numbered among those of the same name: side by side they come in any order."""
    return [(name, requests[: n + 1].count(name)) for n, name in enumerate(requests)]


def finish(behind: Behind) -> Json:
    """The state in which the operator leaves the namespace when nothing disturbs it any more."""
    behind.proxy.calm()
    behind.cluster.wait_ready("externalsecrets", behind.namespace, "app", 30)
    behind.cluster.wait_ready("secretstores", behind.namespace, "store", 30)
    behind.settle()
    state = at_rest(behind.cluster, behind.namespace)
    created_by = state["secrets/app"]["labels"].pop("reconcile.external-secrets.io/created-by")
    assert created_by == owner_hash(behind.namespace, "app")
    return state


def killed_at(cluster: Cluster, point: Point, *, delivered: bool) -> tuple[bool, Json]:
    """Whether that request came, and the state after a restart."""
    with fresh(cluster, "killed-late" if delivered else "killed-early") as behind:
        so_far: list[str] = []
        hit: list[Seen] = []

        def rule(seen: Seen) -> Fate | None:
            if hit:
                return Refuse()  # what was on its way when the process died
            if not behind.about_objects(seen):
                return None
            so_far.append(seen.what)
            if points(so_far)[-1] != point:
                return None
            hit.append(seen)
            if delivered:
                return Lose()
            behind.kill_now()
            return Refuse()

        def replied(seen: Seen, status: int) -> None:
            if seen in hit:
                behind.kill_now()

        behind.proxy.rule, behind.proxy.replied = rule, replied
        behind.operator.start()

        def dead_or_done() -> bool:
            return (
                not behind.operator.child.alive
                or cluster.condition("externalsecrets", behind.namespace, "app").get("status") == "True"
            )

        eventually(dead_or_done, 30, what=f"{point}")
        if behind.operator.child.alive:
            behind.settle()  # the rest of its requests may still kill it
        behind.proxy.calm()
        if hit:
            behind.operator.restart()
        return bool(hit), finish(behind)


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster) -> tuple[list[Point], Json]:
    """The requests of one first sync, and where it ends."""
    with fresh(cluster, "calm") as behind:
        behind.operator.start()
        state = finish(behind)
        return points([seen.what for seen in behind.proxy.requests if behind.about_objects(seen)]), state


@pytest.mark.parametrize(
    "delivered",
    [
        pytest.param(False, id="before the API server saw it"),
        pytest.param(True, id="after the API server did it, before the reply"),
    ],
)
def test_a_process_killed_at_any_request_of_a_first_sync_leaves_nothing_that_the_next_one_does_not_finish(
    cluster: Cluster, undisturbed: tuple[list[Point], Json], delivered: bool
) -> None:
    requests, wanted = undisturbed
    certain = {
        "POST secrets",
        "PATCH externalsecrets/app/status",
        "PATCH externalsecrets/app",
        "PATCH secretstores/store/status",
    }
    assert certain <= {name for name, _ in requests}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as runs:
        results = list(runs.map(lambda point: killed_at(cluster, point, delivered=delivered), requests))
    for point, (hit, state) in zip(requests, results, strict=True):
        assert hit or point[1] > 1 or point[0] not in certain, f"{point} never came"
        assert state == wanted, f"killed at {point}"


# -- random edits
# -----------------------------------------------------------------------------------------------------------------

OBJECTS = [f"es-{n}" for n in range(10)]
STORES = ["store-0", "store-1"]
KEYS = ["alpha", "beta", "gamma"]


class Edits:
    """A seeded list of edits that can be made in several namespaces. Keys never vanish from a store, so the end does
    not depend on timing."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.generation = 0

    def store(self, name: str) -> Json:
        self.generation += 1
        data = [{"key": key, "value": f"{key}-{name}-{self.generation}"} for key in KEYS]
        return {
            "apiVersion": "external-secrets.io/v1",
            "kind": "SecretStore",
            "metadata": {"name": name},
            "spec": {"provider": {"fake": {"data": data}}},
        }

    def external_secret(self, name: str) -> Json:
        chosen = self.random.sample(KEYS, self.random.randint(1, len(KEYS)))
        target: Json = {"name": self.random.choice([name, f"{name}-renamed"])}
        if self.random.random() < 0.3:
            target["deletionPolicy"] = "Delete"
        if self.random.random() < 0.3:
            target["template"] = {
                "metadata": {"labels": {"team": self.random.choice(["red", "blue"])}},
                "data": {"text": f"{{{{ .{chosen[0]} }}}}!"},
            }
        spec = {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": self.random.choice(STORES), "kind": "SecretStore"},
            "target": target,
            "data": [{"secretKey": key, "remoteRef": {"key": key}} for key in chosen],
        }
        return {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name},
            "spec": spec,
        }

    def next(self) -> tuple[str, str, Json]:
        """(what, name, body)."""
        what = self.random.choices(
            ["write", "delete", "tamper", "remove", "store", "recreate store"], [6, 1, 5, 3, 3, 1]
        )[0]
        match what:
            case "write":
                name = self.random.choice(OBJECTS)
                return what, name, self.external_secret(name)
            case "store" | "recreate store":
                name = self.random.choice(STORES)
                return what, name, self.store(name)
            case "tamper":
                key = self.random.choice([*KEYS, "foreign"])
                return what, self.random.choice(OBJECTS), {"data": {key: "dGFtcGVyZWQ="}}
            case _:
                return what, self.random.choice(OBJECTS), {}


def put(cluster: Cluster, plural: str, namespace: str, body: Json) -> None:
    """Creates it or replaces its spec."""
    name = body["metadata"]["name"]
    live = cluster.api.get(plural, namespace, name)
    if live is not None and "deletionTimestamp" in live["metadata"]:
        eventually(lambda: cluster.api.get(plural, namespace, name) is None, 30, what=f"{name} is gone")
        live = None
    if live is None:
        cluster.api.create(plural, namespace, body)
    else:
        cluster.api.patch(
            plural,
            namespace,
            name,
            [{"op": "replace", "path": "/spec", "value": body["spec"]}],
            content_type="application/json-patch+json",
        )


def edit(cluster: Cluster, namespace: str, what: str, name: str, body: Json) -> None:
    match what:
        case "write":
            put(cluster, "externalsecrets", namespace, body)
        case "delete":
            cluster.api.delete("externalsecrets", namespace, name)
        case "store":
            put(cluster, "secretstores", namespace, body)
        case "recreate store":
            cluster.api.delete("secretstores", namespace, name)
            put(cluster, "secretstores", namespace, body)
        case "tamper" | "remove":
            for target in (name, f"{name}-renamed"):
                if cluster.api.get("secrets", namespace, target) is None:
                    continue
                if what == "remove":
                    cluster.api.delete("secrets", namespace, target)
                else:
                    tamper(cluster, namespace, target, body)


def tamper(cluster: Cluster, namespace: str, target: str, body: Json) -> None:
    try:
        cluster.api.patch("secrets", namespace, target, body)
    except RuntimeError as gone:  # the operator or the collector was faster
        assert "404" in str(gone)


def outcome(cluster: Cluster, namespace: str) -> Json:
    """Where everything ended, without the names of the namespace in it. An edit in between that asked for a finalizer
    leaves it, if it was seen: an operator that was away or slow has not seen each edit."""
    state = at_rest(cluster, namespace, ownership=False)
    for es in cluster.api.list("externalsecrets", namespace):
        if es["spec"]["target"].get("deletionPolicy") != "Delete":
            state.get(f"externalsecrets/{es['metadata']['name']}", {}).pop("finalizers", None)
    for name, one in state.items():
        if name.startswith("secrets/"):
            one["labels"].pop("reconcile.external-secrets.io/created-by", None)
    return state


@pytest.mark.parametrize("seed", [20261124])
def test_two_hundred_random_edits_with_kills_in_between_end_where_a_calm_run_ends(cluster: Cluster, seed: int) -> None:
    calm, rough = (cluster.create_namespace(f"{word}-{uuid.uuid4().hex[:5]}") for word in ("calm", "rough"))
    edits = Edits(seed)
    first = [edits.store(name) for name in STORES]
    with Behind(cluster, calm) as quiet, Behind(cluster, rough) as noisy:
        for namespace in (calm, rough):
            for body in first:
                put(cluster, "secretstores", namespace, body)
        for behind in (quiet, noisy):
            behind.operator.start()
            behind.operator.wait_ready()
        for number in range(200):
            change = edits.next()
            for namespace in (calm, rough):
                edit(cluster, namespace, *change)
            if number % 40 == 20:
                noisy.operator.kill()
            if number % 40 == 28:
                noisy.operator.start()
        noisy.operator.wait_ready()
        # The edit of a store that nobody saw counts from the next refresh on; this one is seen by both.
        for name in STORES:
            body = edits.store(name)
            for namespace in (calm, rough):
                edit(cluster, namespace, "store", name, body)
        quiet.settle(60)

        def the_same() -> bool:
            left, right = outcome(cluster, calm), outcome(cluster, rough)
            different = {
                name: (left.get(name), right.get(name))
                for name in left.keys() | right.keys()
                if left.get(name) != right.get(name)
            }
            assert not different, f"calm and rough differ: {different}"
            return True

        # a Secret whose owner is gone waits for the garbage collector
        eventually(the_same, 60, every=1, what="both runs end in one state")
        state = outcome(cluster, calm)
        ready = {
            name: one["status"]["conditions"][0]["status"]
            for name, one in state.items()
            if name.startswith("externalsecrets/")
        }
        assert ready and set(ready.values()) == {"True"}
    for namespace in (calm, rough):
        cluster.delete_namespace(namespace)
