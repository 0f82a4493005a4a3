"""tests/fakes/fieldownership.py says of a Secret what a real API server says."""

from __future__ import annotations

import random
from typing import Any

import pytest

from e2e.harness.cluster import MERGE_PATCH, Cluster
from tests.fakes.apiserver import Json
from tests.fakes.fieldownership import created, fields, owners, patched

MANAGERS = ["kubectl", "externalsecrets.external-secrets.io/test-es"]
PARTS = {"data": ["MQ==", "Mg==", ""], "labels": ["x", "y", ""], "annotations": ["x", "y", ""]}


def body(chance: random.Random, *, removals: bool) -> Json:
    """Some keys of some parts; with `removals` as a merge patch that also takes keys away."""
    made: dict[str, Any] = {
        part: {key: chance.choice([*values, None] if removals else values) for key in "abc" if chance.random() < 0.6}
        for part, values in PARTS.items()
    }
    return {"data": made["data"], "metadata": {"labels": made["labels"], "annotations": made["annotations"]}}


def named(secret: Json) -> dict[str, set[tuple[str, str]]]:
    """Managers that own none of what the fake follows are left out."""
    return {name: held for name, held in owners(secret).items() if held}


@pytest.mark.parametrize("seed", range(8))
def test_a_key_belongs_to_whom_the_api_server_says(cluster: Cluster, namespace: str, seed: int):
    chance = random.Random(seed)
    path = cluster.api.path("secrets", namespace)
    first = body(chance, removals=False)
    first = {
        "apiVersion": "v1",
        "kind": "Secret",
        **first,
        "metadata": {"name": "s", "namespace": namespace, **first["metadata"]},
    }
    real = cluster.api.request("POST", f"{path}?fieldManager={MANAGERS[0]}", first)
    fake = created(first, MANAGERS[0])
    for _ in range(8):
        assert named(fake) == named(real)
        assert fields(fake) == fields(real)
        manager, patch = chance.choice(MANAGERS), body(chance, removals=True)
        real = cluster.api.request("PATCH", f"{path}/s?fieldManager={manager}", patch, content_type=MERGE_PATCH)
        fake = patched(fake, patch, manager)
    assert named(fake) == named(real)
