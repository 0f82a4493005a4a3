"""docs/metrics.md is what the registry holds, and the registry holds what dashboards of the reference ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import eso
from eso.observe.metrics import EXTENDED, Metrics
from tests.pages import METRICS, every_metric, metrics

PLAIN = ("name", "namespace")
CONDITION = (*PLAIN, "condition", "status")
QUEUE = ("name", "controller")
# what dashboards and alerts of the field ask for: (type, labels)
ASKED = {
    "externalsecret_sync_calls_total": ("counter", PLAIN),
    "externalsecret_sync_calls_error": ("counter", PLAIN),
    "externalsecret_provider_api_calls_count": ("counter", ("provider", "call", "status")),
    **{
        f"{kind}_reconcile_duration": ("gauge", PLAIN)
        for kind in ("externalsecret", "secretstore", "clustersecretstore", "clusterexternalsecret", "pushsecret")
    },
    **{
        f"{kind}_status_condition": ("gauge", CONDITION)
        for kind in ("externalsecret", "secretstore", "clustersecretstore", "clusterexternalsecret", "pushsecret")
    },
    "clusterpushsecret_reconcile_duration": ("gauge", PLAIN),
    "clusterpushsecret_status_condition": ("gauge", CONDITION),
    "controller_runtime_reconcile_total": ("counter", ("controller", "result")),
    "controller_runtime_reconcile_errors_total": ("counter", ("controller",)),
    "controller_runtime_terminal_reconcile_errors_total": ("counter", ("controller",)),
    "controller_runtime_reconcile_panics_total": ("counter", ("controller",)),
    "controller_runtime_reconcile_time_seconds": ("histogram", ("controller",)),
    "controller_runtime_max_concurrent_reconciles": ("gauge", ("controller",)),
    "controller_runtime_active_workers": ("gauge", ("controller",)),
    "workqueue_depth": ("gauge", QUEUE),
    "workqueue_adds_total": ("counter", QUEUE),
    "workqueue_retries_total": ("counter", QUEUE),
    "workqueue_queue_duration_seconds": ("histogram", QUEUE),
    "workqueue_work_duration_seconds": ("histogram", QUEUE),
    "workqueue_unfinished_work_seconds": ("gauge", QUEUE),
    "workqueue_longest_running_processor_seconds": ("gauge", QUEUE),
    "rest_client_requests_total": ("counter", ("code", "method", "host")),
    "leader_election_master_status": ("gauge", ("name",)),
    "controller_runtime_webhook_requests_total": ("counter", ("webhook", "code")),
    "controller_runtime_webhook_latency_seconds": ("histogram", ("webhook",)),
    "controller_runtime_webhook_requests_in_flight": ("gauge", ("webhook",)),
    "certwatcher_read_certificate_total": ("counter", ()),
    "certwatcher_read_certificate_errors_total": ("counter", ()),
    "process_cpu_seconds_total": ("counter", ()),
    "process_resident_memory_bytes": ("gauge", ()),
    "process_open_fds": ("gauge", ()),
    "process_start_time_seconds": ("gauge", ()),
}


def test_the_page_is_what_the_registry_holds() -> None:
    assert METRICS.read_text() == metrics(), "make docs writes it anew"


@pytest.mark.parametrize("name", ASKED)
def test_a_metric_that_dashboards_ask_for_has_its_type_and_labels(name: str) -> None:
    found = {each: (kind, labels) for each, kind, _, labels in every_metric().described()}
    assert found[name] == ASKED[name]


def test_every_metric_has_one_description() -> None:
    names = [name for name, _, _, _ in every_metric().described()]
    assert len(names) == len(set(names))


def test_the_labels_of_an_object_are_on_the_reference_s_metrics_alone() -> None:
    metrics = Metrics(extended_labels=True)
    metrics.external_secrets()
    metrics.objects("pushsecret")
    more = tuple(f"app_kubernetes_io_{label}" for label in EXTENDED)
    for name, _, _, labels in metrics.described():
        theirs = re.match(r"(externalsecret|pushsecret)_(sync|reconcile|status)", name) is not None
        assert (labels[-len(more) :] == more) is theirs, name


def test_one_module_names_metrics() -> None:
    folder = Path(eso.__file__).parent
    named = re.compile(r"\"(externalsecrets|controller_runtime|workqueue|certwatcher|rest_client)_[a-z_]+\"")
    found = [path.name for path in folder.rglob("*.py") if named.search(path.read_text())]
    assert found == ["metrics.py"]
