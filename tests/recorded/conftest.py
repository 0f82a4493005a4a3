"""One operator for all recorded cases, and several cases side by side: most of a case's time is waiting.

Neighbours: tests/conftest.py brings the control plane, replay.py runs a case.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually
from tests.recorded.case import NAMES, Case, load
from tests.recorded.replay import Replay, Trust

SIDE_BY_SIDE = 8
RIGHTS = "recorded-generic-targets"


class Replays:
    """Cases that run, in the order in which they were asked for. Use as a context manager."""

    def __init__(self, cluster: Cluster, variables: Mapping[str, str]) -> None:
        self.cluster, self.variables = cluster, variables
        self._trust = Trust(cluster.folder / "recorded")
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="replay")
        self._running: dict[str, tuple[Case, Future[list[Json]]]] = {}

    def start(self, name: str) -> None:
        if name not in self._running:
            case = load(name)
            replay = Replay(case, self.cluster.api, self._stop, self._trust, self.variables)
            self._running[name] = case, self._pool.submit(replay.run)

    def of(self, name: str) -> tuple[Case, list[Json]]:
        """The case with the snapshots that were taken of it; waits for them. Raises what ended the replay."""
        self.start(name)
        case, future = self._running[name]
        return case, future.result()

    def __enter__(self) -> Replays:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def generic_targets(cluster: Cluster) -> Iterator[None]:
    """The right to write what the cases have as generic targets."""
    groups = {path.split("/")[2] for name in NAMES for kind, path in load(name).kinds.items() if kind == "Widget"}
    rules = [
        {"apiGroups": ["", *sorted(groups)], "resources": ["configmaps", "widgets"], "verbs": ["*"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": RIGHTS}
    account = {"kind": "ServiceAccount", "name": "external-secrets", "namespace": "external-secrets-system"}
    cluster.api.create("clusterroles", "", {"metadata": {"name": RIGHTS}, "rules": rules})
    cluster.api.create(
        "clusterrolebindings", "", {"metadata": {"name": RIGHTS}, "roleRef": role, "subjects": [account]}
    )
    yield
    cluster.api.delete("clusterrolebindings", "", RIGHTS)
    cluster.api.delete("clusterroles", "", RIGHTS)


@pytest.fixture(scope="module")
def bao(cluster: Cluster) -> Iterator[OpenBao]:
    """A server that has nothing but what the cases write: some of them list it."""
    server = OpenBao(host=cluster.host_address).start()
    try:
        server.mount_kv("secret")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def replays(request: pytest.FixtureRequest, cluster: Cluster, generic_targets: None, bao: OpenBao) -> Iterator[Replays]:
    """The operator sees all namespaces and runs no longer than these cases; those that were collected run at once."""
    flags = {"unsafe-allow-generic-targets": "true", "enable-leader-election": "false"}
    with LocalOperator(cluster, args=flags, name="operator-of-the-recordings") as operator:
        with Replays(cluster, {"${BAO}": bao.address, "${BAO_TOKEN}": bao.root_token}) as running:
            for item in request.session.items:
                if isinstance(item, pytest.Function) and "recorded_case" in item.fixturenames:
                    running.start(str(item.callspec.params["recorded_case"]))
            yield running
        # no finalizer may outlive the operator: a namespace would keep it for ever
        eventually(lambda: not left(cluster), 30, what="the ExternalSecrets of all cases gone")
        if reason := operator.ended():
            pytest.fail(reason)


def left(cluster: Cluster) -> list[str]:
    """Namespaces of cases that still have an ExternalSecret."""
    found = (one["metadata"]["namespace"] for one in cluster.api.list("externalsecrets"))
    return [name for name in found if name.removeprefix("r-") in NAMES]
