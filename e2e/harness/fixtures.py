"""pytest fixtures on real parts: one cluster per session, a fresh namespace per test.

Neighbours: tests/conftest.py and e2e/suite/conftest.py import what they use. What was started in a session is stopped
at its end; after a failure its folder is kept and named.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from e2e.harness import kind
from e2e.harness.cluster import Cluster
from e2e.harness.controlplane import ControlPlane, binaries
from e2e.harness.helm import Helm, program
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator, Operator, PodOperator
from e2e.harness.promql import Evaluate, evaluate
from e2e.harness.promql import program as promql_program
from e2e.harness.say import Say


def needed(session: pytest.Session) -> set[str]:
    """The fixtures that the collected tests ask for, directly or not; none when they are only listed."""
    if session.config.option.collectonly:
        return set()
    return {name for item in session.items for name in getattr(item, "fixturenames", ())}


def pytest_collection_finish(session: pytest.Session) -> None:
    """A first build takes minutes: before the tests, so that it does not count as the time of one of them."""
    wanted = needed(session)
    if "controlplane" in wanted or ("cluster" in wanted and not kind.available()):
        binaries(teller(session.config))
    if "helm" in wanted:
        program()
    if "promql" in wanted:
        promql_program()


def teller(config: pytest.Config) -> Say:
    """Prints on the terminal although pytest captures output."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def tell(text: str) -> None:
        if capture is None:
            print(text, flush=True)
            return
        with capture.global_and_fixture_disabled():
            print(text, flush=True)

    return tell


@pytest.fixture(scope="session")
def promql() -> Evaluate:
    """Prometheus's engine."""
    return evaluate


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Say:
    return teller(request.config)


@pytest.fixture(scope="session")
def controlplane(request: pytest.FixtureRequest, say: Say) -> Iterator[ControlPlane]:
    """A local control plane with everything of manifests/ applied."""
    plane = ControlPlane(say=say).start()
    try:
        plane.apply_manifests()
        yield plane
    finally:
        plane.keep = request.session.testsfailed > 0
        plane.stop()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, say: Say) -> Iterator[Cluster]:
    """kind where Docker runs and kind is installed, otherwise the local control plane; manifests/ applied either
    way."""
    if not kind.available():
        yield request.getfixturevalue("controlplane")
        return
    made = kind.KindCluster(say=say).start()
    try:
        made.apply_manifests()
        yield made
    finally:
        made.keep = request.session.testsfailed > 0
        made.stop()


@pytest.fixture(scope="session")
def openbao(request: pytest.FixtureRequest, cluster: Cluster, say: Say) -> Iterator[OpenBao]:
    """An OpenBao server with a KV v2 mount `secret` and the kubernetes auth method against the cluster."""
    server = OpenBao(host=cluster.host_address, say=say).start()
    try:
        server.mount_kv("secret")
        server.kubernetes_auth(cluster)
        yield server
    finally:
        server.keep = request.session.testsfailed > 0
        server.stop()


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm that renders the chart, and has no cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def shared_operator(cluster: Cluster) -> Iterator[Operator]:
    """One operator per session; tests take `operator`."""
    if not isinstance(cluster, ControlPlane):
        pod = PodOperator(cluster)
        pod.wait_ready()
        yield pod
        return
    with LocalOperator(cluster) as local:
        yield local


@pytest.fixture
def operator(shared_operator: Operator) -> Iterator[Operator]:
    """The operator from manifests/, ready, under its own ServiceAccount. Shared: a test that kills or configures it
    starts its own.

    A test during which it ends fails; the next test finds it started again, as the kubelet would do it.
    """
    if shared_operator.ended():
        shared_operator.restart()
    yield shared_operator
    if reason := shared_operator.ended():
        pytest.fail(reason)


@pytest.fixture
def namespace(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, named after the test; its deletion is not waited for."""
    word = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    name = cluster.create_namespace(f"{word}-{uuid.uuid4().hex[:5]}")
    yield name
    cluster.delete_namespace(name)


@pytest.fixture
def kubectl(cluster: Cluster) -> Callable[..., str]:
    """`kubectl("get", "ns")` as cluster administrator; standard output back."""
    return cluster.kubectl
