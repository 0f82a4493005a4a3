"""Fixtures on real parts: here the cluster always is the local control plane. In which order tests run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.harness.cluster import Cluster
from e2e.harness.controlplane import ControlPlane
from e2e.harness.fixtures import (
    controlplane,
    helm,
    kubectl,
    namespace,
    openbao,
    operator,
    promql,
    pytest_collection_finish,
    say,
    shared_operator,
)
from e2e.harness.webhook import LocalWebhook

__all__ = [
    "admission",
    "cluster",
    "controlplane",
    "helm",
    "kubectl",
    "namespace",
    "openbao",
    "operator",
    "promql",
    "pytest_collection_finish",
    "say",
    "shared_operator",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick comes first; and last comes what shares an operator, which sees every namespace: it would take the
    work of all others."""

    def place(item: pytest.Item) -> int:
        needed = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
        return 2 if "shared_operator" in needed else not needed.isdisjoint({"controlplane", "oracle", "real"})

    items.sort(key=place)


@pytest.fixture(scope="session")
def cluster(controlplane: ControlPlane) -> Cluster:  # the fixture, not the import
    return controlplane


@pytest.fixture(scope="session")
def admission(controlplane: ControlPlane) -> Iterator[LocalWebhook]:
    """The admission webhook, running. The API server asks it inside `with asked(…)` only."""
    with LocalWebhook(controlplane.folder) as webhook:
        yield webhook
