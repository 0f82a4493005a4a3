"""The process may end at any request of a generator's first value: the next one gives the Secret values that are good,
and what the earlier one made is remembered."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from e2e.harness.cluster import Cluster
from e2e.harness.objects import thing
from e2e.harness.proxy import Fate, Lose, Refuse, Seen
from e2e.harness.waiting import eventually
from tests.harness.behind import Behind
from tests.harness.deploytokens import DeployTokens

pytestmark = pytest.mark.real

API = "generators.external-secrets.io/v1alpha1"
STORED = "POST generatorstates"


@contextmanager
def fresh(cluster: Cluster) -> Iterator[tuple[Behind, DeployTokens]]:
    namespace = cluster.create_namespace(f"generated-{uuid.uuid4().hex[:5]}")
    login = {"metadata": {"name": "login"}, "data": {"token": base64.b64encode(b"t").decode()}}
    cluster.api.create("secrets", namespace, login)
    try:
        with DeployTokens() as server, Behind(cluster, namespace) as behind:
            auth = {"token": {"secretRef": {"name": "login", "key": "token"}}}
            spec = {"url": server.address, "projectID": "p", "name": "d", "scopes": ["read_registry"], "auth": auth}
            entry = {"sourceRef": {"generatorRef": {"kind": "GitlabDeployToken", "name": "gen"}}}
            wanted = {"refreshInterval": "0", "target": {"name": "app"}, "dataFrom": [entry]}
            cluster.apply(
                [
                    thing("GitlabDeployToken", "gen", namespace, api=API, spec=spec),
                    thing("ExternalSecret", "app", namespace, spec=wanted),
                ]
            )
            yield behind, server
            for state in cluster.api.list("generatorstates", namespace):
                name = state["metadata"]["name"]
                cluster.api.patch("generatorstates", namespace, name, {"metadata": {"finalizers": None}})
    finally:
        cluster.delete_namespace(namespace)


def check(behind: Behind, server: DeployTokens, lost: int) -> None:
    """The Secret has a token that is good. All tokens that are good are remembered, but `lost` of them."""
    cluster, namespace = behind.cluster, behind.namespace
    cluster.wait_ready("externalsecrets", namespace, "app", 60)
    behind.settle()
    number = int((cluster.secret(namespace, "app") or {})["username"].removeprefix("user-"))
    remembered = {one["spec"]["state"]["tokenID"] for one in cluster.api.list("generatorstates", namespace)}
    assert number in server.valid and number in remembered
    assert len(server.valid - remembered) <= lost


def killed_at(cluster: Cluster, request: str, *, delivered: bool) -> None:
    with fresh(cluster) as (behind, server):
        hit: list[Seen] = []

        def rule(seen: Seen) -> Fate | None:
            if hit:
                return Refuse()  # what was on its way when the process died
            if not behind.about_objects(seen) or seen.what != request:
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
        eventually(lambda: not behind.operator.child.alive, 30, what=f"killed at {request}")
        behind.proxy.calm()
        behind.operator.restart()
        # Between the backend's answer and the stored state nothing can remember the values.
        check(behind, server, lost=1 if request == STORED and not delivered else 0)


@pytest.mark.parametrize("delivered", [False, True], ids=["before it arrives", "after it was done, before the reply"])
def test_values_are_good_and_remembered_wherever_the_process_was_killed(cluster: Cluster, delivered: bool) -> None:
    with fresh(cluster) as (behind, server):
        behind.operator.start()
        check(behind, server, lost=0)
        requests = [seen.what for seen in behind.proxy.requests if behind.about_objects(seen)]
    names = [name for name in dict.fromkeys(requests) if "events" not in name]
    assert {"GET gitlabdeploytokens/gen", STORED, "POST secrets", "PATCH externalsecrets/app/status"} <= set(names)
    with ThreadPoolExecutor(3) as runs:
        list(runs.map(lambda name: killed_at(cluster, name, delivered=delivered), names))
