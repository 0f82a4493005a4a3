"""T. Metrics, as a scrape shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from eso.errors import EsoError
from tests.conformance.conftest import Case

SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")


def series(case: Case, metric: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
    """Labels → value of every sample of `metric` that has `labels`."""
    assert case.operator is not None
    found: dict[frozenset[tuple[str, str]], float] = {}
    for line in case.operator.metrics().splitlines():
        match = SAMPLE.fullmatch(line)
        if match and match["name"] == metric:
            own = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
            if labels.items() <= own.items():
                found[frozenset(own.items())] = float(match["value"])
    return found


def value(case: Case, metric: str, **labels: str) -> float:
    """The one sample with these labels; 0 when there is none."""
    found = list(series(case, metric, **labels).values())
    assert len(found) <= 1, found
    return found[0] if found else 0.0


def conditions(case: Case, metric: str, **labels: str) -> Mapping[tuple[str, str], float]:
    """(condition, status) → gauge."""
    return {
        (dict(own)["condition"], dict(own)["status"]): number for own, number in series(case, metric, **labels).items()
    }


# C-310
def test_c_310_counters_after_success(live: Case):
    live.external_secret()
    live.synced()
    own = {"name": "test-es", "namespace": live.namespace}
    live.eventually(lambda: value(live, "externalsecret_sync_calls_total", **own) >= 1)
    assert conditions(live, "externalsecret_status_condition", **own) == {("Ready", "True"): 1, ("Ready", "False"): 0}
    assert value(live, "externalsecret_reconcile_duration", **own) > 0
    assert value(live, "externalsecret_sync_calls_error", **own) == 0


# C-311
def test_c_311_counters_after_failure(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    live.failed()
    own = {"name": "test-es", "namespace": live.namespace}
    live.eventually(lambda: value(live, "externalsecret_sync_calls_error", **own) >= 2, what="two failed passes")
    assert value(live, "externalsecret_sync_calls_total", **own) >= value(
        live, "externalsecret_sync_calls_error", **own
    )
    assert conditions(live, "externalsecret_status_condition", **own) == {("Ready", "False"): 1, ("Ready", "True"): 0}


# C-312
def test_c_312_a_skipped_object(live: Case):
    live.store("theirs", controller="something-else")
    live.external_secret(secretStoreRef={"name": "theirs", "kind": "SecretStore"})
    own = {"name": "test-es", "namespace": live.namespace}
    live.eventually(lambda: value(live, "externalsecret_sync_calls_total", **own) >= 1, what="a pass")
    live.holds(lambda: not any(conditions(live, "externalsecret_status_condition", **own).values()), 2)
    assert "conditions" not in live.es().get("status", {})
    assert value(live, "externalsecret_sync_calls_error", **own) == 0


# C-313
@pytest.mark.parametrize(
    ("kind", "plural"), [("SecretStore", "secretstores"), ("ClusterSecretStore", "clustersecretstores")]
)
def test_c_313_the_series_of_a_deleted_store_disappear(live: Case, kind: str, plural: str):
    name = f"gone-{live.namespace}"[:63].rstrip("-")
    live.store(name, kind)
    namespace = live.namespace if kind == "SecretStore" else ""
    metrics = [f"{kind.lower()}_status_condition", f"{kind.lower()}_reconcile_duration"]
    live.eventually(
        lambda: all(series(live, metric, name=name, namespace=namespace) for metric in metrics),
        what="the series are there",
    )
    assert conditions(live, metrics[0], name=name, namespace=namespace) == {("Ready", "True"): 1, ("Ready", "False"): 0}
    live.api.delete(plural, namespace, name)
    live.eventually(lambda: not any(series(live, metric, name=name) for metric in metrics), what="the series are gone")
    if kind == "SecretStore":
        assert series(live, metrics[0], name="test-store"), "the series of other stores stay"
