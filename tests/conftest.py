"""Fixtures on real parts for tests/integration: there the cluster always is the local control plane."""

from __future__ import annotations

import pytest

from e2e.harness.cluster import Cluster
from e2e.harness.controlplane import ControlPlane
from e2e.harness.fixtures import controlplane, kubectl, namespace, openbao, operator, say, shared_operator

__all__ = ["cluster", "controlplane", "kubectl", "namespace", "openbao", "operator", "say", "shared_operator"]


@pytest.fixture(scope="session")
def cluster(controlplane: ControlPlane) -> Cluster:  # the fixture, not the import
    return controlplane
