"""Fixtures of the end-to-end suite: `cluster` is kind where Docker runs, otherwise the local control plane."""

from __future__ import annotations

from e2e.harness.fixtures import (
    cluster,
    controlplane,
    kubectl,
    namespace,
    openbao,
    operator,
    pytest_collection_finish,
    say,
    shared_operator,
)

__all__ = [
    "cluster",
    "controlplane",
    "kubectl",
    "namespace",
    "openbao",
    "operator",
    "pytest_collection_finish",
    "say",
    "shared_operator",
]
