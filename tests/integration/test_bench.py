"""The benchmark measures what it says: a small run, and its counters. No rate and no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from e2e.harness.cluster import REPO

pytestmark = pytest.mark.real

OBJECTS = 30


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    command = [sys.executable, "-m", "e2e.bench.cold", "--objects", str(OBJECTS), "-o", "json"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_cold_sync_is_two_durable_writes_per_object(result: dict[str, Any]) -> None:
    writes = {
        what: count
        for what, count in result["ours"]["requests"].items()
        if what.split()[0] in ("create", "update", "patch", "delete")
    }
    events = writes.pop("create events")
    assert events > 0  # told after the fact, one at a time
    leases = {what: writes.pop(what) for what in list(writes) if what.endswith("leases")}
    assert sum(leases.values()) < OBJECTS
    assert writes == {"create secrets": OBJECTS, "patch externalsecrets/status": OBJECTS}


def test_the_cold_path_reads_no_target(result: dict[str, Any]) -> None:
    assert "get secrets" not in result["ours"]["requests"]


def test_nobody_but_the_operator_writes(result: dict[str, Any]) -> None:
    assert result["ours"]["strangers"] == {} and result["ours"]["unready"] == 0


def test_the_bare_writer_sends_the_same_durable_writes_and_nothing_else(result: dict[str, Any]) -> None:
    assert result["bare"]["requests"] == {"create secrets": OBJECTS, "patch externalsecrets/status": OBJECTS}
    assert (result["bare"]["refused"], result["bare"]["unready"]) == (0, 0)


def test_both_sides_are_measured(result: dict[str, Any]) -> None:
    assert result["ratio"] > 0
    assert result["ours"]["cpu_ms"]["operator"] > 0 and result["bare"]["cpu_ms"]["writer"] > 0
    assert result["ours"]["resident_mb"] > 10


def test_reviews_are_measured_and_none_is_refused() -> None:
    flags = ("--seconds", "0.3", "--rate", "50", "--idle", "20", "-o", "json")
    command = [sys.executable, "-m", "e2e.bench.admission", *flags]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert [row["refused"] for row in rows] == [0, 0, 0]
    assert [row["reviews"] for row in rows[1:]] == [15, 15] and rows[0]["reviews"] > 0
    assert rows[0]["cpu_ms_per_review"] > 0 and all(row["p50"] <= row["p99"] <= row["worst"] for row in rows)
