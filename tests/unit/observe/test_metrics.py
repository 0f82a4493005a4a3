"""Series: the reference's names, labels and values, read back through a parser that is not ours."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from unittest.mock import Mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from eso.observe import metrics as metrics_module
from eso.observe.metrics import DELETED_SECONDS, Metrics
from eso.runtime.controller import Meter as ControllerProtocol
from eso.runtime.outcome import After, Done, Lane, Parked
from eso.runtime.workqueue import Meter as QueueProtocol
from eso.runtime.workqueue import WorkQueue
from tests.fakes.clock import VirtualClock

A, B = ("shop", "a"), ("shop", "b")
PLAIN = (("name", "a"), ("namespace", "shop"))
VAULT = (("level", "endpoint"), ("namespace", ""), ("provider", "vault"))


def series(metrics):
    """{(sample name, sorted labels): value}"""
    text = metrics.render(metrics.freeze()).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser appends _total to the two counters of the reference that do not have it.
            bare = sample.name.removesuffix("_total")
            name = bare if f"\n{sample.name}{{" not in text and f"\n{bare}{{" in text else sample.name
            found[name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def named(metrics, name):
    """{labels: value} of one sample name."""
    return {labels: value for (each, labels), value in series(metrics).items() if each == name}


def conditions(metrics, name="externalsecret_status_condition"):
    return {
        (dict(labels)["condition"], dict(labels)["status"]): value for labels, value in named(metrics, name).items()
    }


def run(meter, key=A, status="True", seconds=0.5, errors=0):
    for _ in range(errors):
        meter.errored(key)
    if status:
        meter.ready(key, status)
    meter.passed(key, seconds)


@pytest.fixture
def metrics():
    return Metrics()


def type_lines(metrics):
    return dict(
        line.split()[2:] for line in metrics.render(metrics.freeze()).decode().splitlines() if line.startswith("# TYPE")
    )


class TestExternalSecret:
    def test_after_a_success(self, metrics):
        meter = metrics.external_secrets()
        run(meter)
        assert conditions(metrics) == {("Ready", "True"): 1, ("Ready", "False"): 0}
        assert named(metrics, "externalsecret_sync_calls_total") == {PLAIN: 1}
        assert named(metrics, "externalsecret_sync_calls_error") == {PLAIN: 0}
        assert named(metrics, "externalsecret_reconcile_duration") == {PLAIN: 500_000_000}, "nanoseconds"

    def test_after_two_failures(self, metrics):
        meter = metrics.external_secrets()
        run(meter, status="False", errors=1)
        run(meter, status="False", errors=1)
        assert conditions(metrics) == {("Ready", "True"): 0, ("Ready", "False"): 1}
        assert named(metrics, "externalsecret_sync_calls_error") == {PLAIN: 2}

    def test_a_pass_that_fails_twice_counts_once(self, metrics):
        meter = metrics.external_secrets()
        run(meter, status="False", errors=2)
        assert named(metrics, "externalsecret_sync_calls_error") == {PLAIN: 1}

    def test_a_skipped_object_is_counted_without_a_condition(self, metrics):
        meter = metrics.external_secrets()
        run(meter, status="")
        assert conditions(metrics) == {}
        assert named(metrics, "externalsecret_sync_calls_total") == {PLAIN: 1}

    def test_recovery_never_leaves_the_alert_on(self, metrics):
        meter = metrics.external_secrets()
        run(meter, status="False", errors=1)
        run(meter)
        assert conditions(metrics) == {("Ready", "True"): 1, ("Ready", "False"): 0}

    def test_an_object_that_is_gone_shows_deleted_until_its_name_is_ready_again(self, metrics):
        meter = metrics.external_secrets()
        run(meter)
        meter.gone(A)
        meter.passed(A, 0.1)
        assert conditions(metrics) == {("Deleted", "False"): 1}
        assert named(metrics, "externalsecret_reconcile_duration") == {}
        assert named(metrics, "externalsecret_sync_calls_total") == {PLAIN: 2}, "passes for deleted objects count"
        run(meter)
        assert conditions(metrics) == {("Ready", "True"): 1, ("Ready", "False"): 0}
        assert named(metrics, "externalsecret_reconcile_duration") == {PLAIN: 500_000_000}

    def test_names_that_come_and_go_do_not_fill_the_memory(self, metrics, monkeypatch):
        monkeypatch.setattr(metrics_module, "KEPT_DELETED", 10)
        monkeypatch.setattr(metrics_module, "OWN_SERIES", 10)
        meter = metrics.external_secrets()
        meter.gone(("victim", "es"))
        for n in range(50):
            run(meter, ("ci", str(n)))
            meter.gone(("ci", str(n)))
            meter.passed(("ci", str(n)), 0.1)
        told = [dict(labels) for labels in named(metrics, "externalsecret_status_condition")]
        assert len([labels for labels in told if labels["namespace"] == "ci"]) == 10
        assert [labels["name"] for labels in told if labels["namespace"] == "victim"] == ["es"], "others stay"

    def test_passes_by_status(self, metrics):
        meter = metrics.external_secrets()
        run(meter)
        run(meter, status="False", errors=1)
        run(meter)
        by_status = {
            dict(labels)["status"]: value
            for labels, value in named(metrics, "externalsecrets_sync_calls_total").items()
        }
        assert by_status == {"success": 2, "error": 1}

    def test_durations_by_store_and_status(self, metrics):
        meter = metrics.external_secrets(store_of=lambda key: "main")
        run(meter, seconds=0.2)
        run(meter, seconds=0.4, errors=1)
        assert named(metrics, "externalsecrets_sync_duration_seconds_sum") == {
            (("status", "success"), ("store", "main")): 0.2,
            (("status", "error"), ("store", "main")): 0.4,
        }

    def test_ten_thousand_objects_cost_little_memory(self, metrics):
        meter = metrics.external_secrets()
        keys = [("namespace", f"name-{n}") for n in range(10_000)]
        tracemalloc.start()
        for key in keys:
            run(meter, key)
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used / len(keys) < 400, "bytes per object, without its key"


class TestExtendedLabels:
    OWN: dict[str, str]

    @pytest.fixture
    def metrics(self):
        return Metrics(extended_labels=True)

    def meter(self, metrics):
        self.own = {
            "app.kubernetes.io/name": "web",
            "app.kubernetes.io/part-of": "shop",
            "name": "evil",
            "namespace": "evil",
            "status": "evil",
        }
        return metrics.external_secrets(labels_of=lambda key: self.own)

    def test_six_known_labels_and_no_other_are_taken_over(self, metrics):
        run(self.meter(metrics))
        (labels,) = named(metrics, "externalsecret_sync_calls_total")
        assert dict(labels) == {
            **dict(PLAIN),
            "app_kubernetes_io_name": "web",
            "app_kubernetes_io_instance": "",
            "app_kubernetes_io_version": "",
            "app_kubernetes_io_component": "",
            "app_kubernetes_io_part_of": "shop",
            "app_kubernetes_io_managed_by": "",
        }

    def test_a_relabelled_object_leaves_no_stale_copy(self, metrics):
        meter = self.meter(metrics)
        run(meter)
        self.own = {"app.kubernetes.io/name": "shop"}
        run(meter)
        assert len(named(metrics, "externalsecret_status_condition")) == 2
        assert {
            dict(labels)["app_kubernetes_io_name"] for labels in named(metrics, "externalsecret_status_condition")
        } == {"shop"}

    def test_an_object_that_is_gone_keeps_its_last_labels(self, metrics):
        meter = self.meter(metrics)
        run(meter)
        self.own = None
        meter.gone(A)
        (labels,) = named(metrics, "externalsecret_status_condition")
        assert dict(labels)["app_kubernetes_io_name"] == "web"

    def test_without_the_flag_they_are_absent(self):
        metrics = Metrics()
        run(self.meter(metrics))
        assert list(named(metrics, "externalsecret_sync_calls_total")) == [PLAIN]


@pytest.mark.parametrize("kind", ["secretstore", "clustersecretstore", "clusterexternalsecret", "pushsecret"])
class TestOtherKinds:
    def test_condition_and_duration(self, metrics, kind):
        meter = metrics.objects(kind)
        meter.ready(("", "main"), "False")
        meter.passed(("", "main"), 2)
        assert conditions(metrics, f"{kind}_status_condition") == {("Ready", "True"): 0, ("Ready", "False"): 1}
        assert named(metrics, f"{kind}_reconcile_duration") == {(("name", "main"), ("namespace", "")): 2e9}

    def test_the_series_disappear_with_the_object(self, metrics, kind):
        meter = metrics.objects(kind)
        meter.ready(A, "True")
        meter.passed(A, 2)
        meter.gone(A)
        assert named(metrics, f"{kind}_status_condition") == named(metrics, f"{kind}_reconcile_duration") == {}


class TestController:
    def test_everything_is_there_from_the_first_scrape(self, metrics):
        meter = metrics.controller("externalsecret", 256)
        queue = WorkQueue(VirtualClock(), gate_epoch=lambda gate: 0, meter=meter)
        meter.observe(queue.snapshot, lambda: 3)
        seen = series(metrics)
        one, both = (("controller", "externalsecret"),), (("controller", "externalsecret"), ("name", "externalsecret"))
        for result in ("success", "error", "requeue", "requeue_after"):
            assert seen["controller_runtime_reconcile_total", (*one, ("result", result))] == 0
        for name in ("reconcile_errors_total", "terminal_reconcile_errors_total", "reconcile_panics_total"):
            assert seen[f"controller_runtime_{name}", one] == 0
        assert seen["controller_runtime_max_concurrent_reconciles", one] == 256
        assert seen["controller_runtime_active_workers", one] == 3
        assert seen["controller_runtime_reconcile_time_seconds_count", one] == 0
        for name in (
            "depth",
            "adds_total",
            "retries_total",
            "unfinished_work_seconds",
            "longest_running_processor_seconds",
        ):
            assert seen[f"workqueue_{name}", both] == 0
        for name in ("queue_duration_seconds_count", "work_duration_seconds_count"):
            assert seen[f"workqueue_{name}", both] == 0

    def test_passes_are_counted(self, metrics):
        meter = metrics.controller("externalsecret", 1)
        meter.passed("error", 0.3)
        meter.failed(terminal=True)
        meter.failed(panic=True)
        one = (("controller", "externalsecret"),)
        seen = series(metrics)
        assert seen["controller_runtime_reconcile_total", (*one, ("result", "error"))] == 1
        assert seen["controller_runtime_reconcile_errors_total", one] == 2
        assert seen["controller_runtime_terminal_reconcile_errors_total", one] == 1
        assert seen["controller_runtime_reconcile_panics_total", one] == 1
        assert seen["controller_runtime_reconcile_time_seconds_sum", one] == 0.3

    async def test_the_queue_is_read_at_the_scrape(self, metrics):
        meter, clock = metrics.controller("externalsecret", 1), VirtualClock()
        queue = WorkQueue(clock, gate_epoch=lambda gate: 0, meter=meter)
        meter.observe(queue.snapshot, lambda: 0)
        queue.add(A, Lane.NEW)
        queue.done((await queue.get())[0], Parked("endpoint:vault", 0))
        queue.add(("shop", "c"), Lane.NEW)
        await queue.get()
        queue.add(("shop", "d"), Lane.NEW)
        queue.done((await queue.get())[0], After(60))
        queue.add(B, Lane.EVENT)
        clock.jump(4)
        seen = series(metrics)
        one, both = (("controller", "externalsecret"),), (("controller", "externalsecret"), ("name", "externalsecret"))
        assert seen["workqueue_depth", both] == 1
        assert seen["workqueue_longest_running_processor_seconds", both] == 4
        assert seen["workqueue_adds_total", both] == 4
        assert seen["externalsecrets_queue_ready", (*one, ("lane", "event"))] == 1
        assert seen["externalsecrets_queue_ready", (*one, ("lane", "periodic"))] == 0
        assert seen["externalsecrets_queue_scheduled", one] == 1
        assert seen["externalsecrets_queue_oldest_overdue_seconds", one] == 4
        assert seen["externalsecrets_queue_parked", (*one, *VAULT)] == 1
        queue.done(("shop", "c"), Done())
        assert series(metrics)["workqueue_work_duration_seconds_sum", both] == 4

    def test_two_controllers_share_the_names(self, metrics):
        for name in ("externalsecret", "secretstore"):
            meter = metrics.controller(name, 1)
            meter.observe(WorkQueue(VirtualClock(), gate_epoch=lambda gate: 0).snapshot, lambda: 0)
        text = metrics.render(metrics.freeze()).decode()
        assert text.count("# TYPE workqueue_depth gauge\n") == 1
        assert len(named(metrics, "workqueue_depth")) == 2

    @pytest.mark.parametrize(
        ("name", "bounds"),
        [
            pytest.param(
                "controller_runtime_reconcile_time_seconds",
                [
                    *(
                        0.005,
                        0.01,
                        0.025,
                        0.05,
                        0.1,
                        0.15,
                        0.2,
                        0.25,
                        0.3,
                        0.35,
                        0.4,
                        0.45,
                        0.5,
                        0.6,
                        0.7,
                        0.8,
                        0.9,
                        1,
                        1.25,
                        1.5,
                        1.75,
                        2,
                    ),
                    *(2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
                ],
                id="passes",
            ),
            pytest.param("workqueue_queue_duration_seconds", [10.0**n for n in range(-8, 4)], id="waiting"),
            pytest.param("workqueue_work_duration_seconds", [10.0**n for n in range(-8, 4)], id="working"),
        ],
    )
    def test_histograms_have_the_known_bounds(self, metrics, name, bounds):
        metrics.controller("externalsecret", 1)
        found = [float(dict(labels)["le"]) for labels in named(metrics, f"{name}_bucket")]
        assert sorted(found) == pytest.approx([*bounds, float("inf")])


class TestOthers:
    def test_provider_calls(self, metrics):
        metrics.provider_call("HashiCorp/Vault", "ReadSecretData", "success", 0.02)
        metrics.provider_call("HashiCorp/Vault", "ReadSecretData", "error")
        calls = {
            dict(labels)["status"]: value
            for labels, value in named(metrics, "externalsecret_provider_api_calls_count").items()
        }
        assert calls == {"success": 1, "error": 1}
        assert list(named(metrics, "externalsecrets_provider_call_duration_seconds_sum").values()) == [0.02]

    @pytest.mark.parametrize(
        ("count", "name", "labels"),
        [
            pytest.param(
                lambda m: m.read("vault", "flight"),
                "externalsecrets_reads_total",
                {"provider": "vault", "origin": "flight"},
                id="reads",
            ),
            pytest.param(
                lambda m: m.drift(A, "kubectl"),
                "externalsecrets_drift_detected_total",
                {"name": "a", "namespace": "shop", "manager": "kubectl"},
                id="drift",
            ),
            pytest.param(
                lambda m: m.auth_failure("main", "", "ClusterSecretStore"),
                "externalsecrets_store_auth_failure_total",
                {"store": "main", "namespace": "", "kind": "ClusterSecretStore"},
                id="refused logins",
            ),
            pytest.param(
                lambda m: m.api_request(200, "GET", "10.0.0.1:443"),
                "rest_client_requests_total",
                {"code": "200", "method": "GET", "host": "10.0.0.1:443"},
                id="API requests",
            ),
            pytest.param(
                lambda m: m.leading("l", True), "leader_election_master_status", {"name": "l"}, id="the Lease"
            ),
            pytest.param(
                lambda m: m.breached("loop lag"),
                "externalsecrets_watchdog_breaches_total",
                {"measure": "loop lag"},
                id="breaches",
            ),
            pytest.param(
                lambda m: m.secrets(lambda: {"vault": 1}),
                "externalsecrets_secrets_total",
                {"store_provider": "vault"},
                id="secrets by provider",
            ),
            pytest.param(
                lambda m: m.gates(lambda: {"endpoint:vault:https://v@shop": "open"}),
                "externalsecrets_gate_state",
                {"level": "endpoint", "provider": "vault", "namespace": "shop", "state": "open"},
                id="gates",
            ),
            pytest.param(
                lambda m: m.watches(lambda: {"secrets": 1}),
                "externalsecrets_watch_age_seconds",
                {"resource": "secrets"},
                id="watches",
            ),
            pytest.param(
                lambda m: m.watchdog(lambda: {"x": 1}),
                "externalsecrets_watchdog_seconds",
                {"measure": "x"},
                id="the watchdog",
            ),
            pytest.param(
                lambda m: m.watchdog(lambda: {"loop lag": 1}),
                "externalsecrets_loop_lag_seconds",
                {},
                id="the loop's lag",
            ),
        ],
    )
    def test_each_is_told_under_its_name(self, metrics, count, name, labels):
        count(metrics)
        assert named(metrics, name) == {tuple(sorted(labels.items())): 1}

    def test_the_process_is_told(self, metrics):
        assert named(metrics, "process_cpu_seconds_total")

    def test_switched_off_controllers_have_no_series(self, metrics):
        assert not [
            name
            for name, _ in series(metrics)
            if name.startswith(("externalsecret_s", "secretstore_", "workqueue_", "controller_runtime_"))
        ]

    def test_types_are_the_known_ones(self, metrics):
        run(metrics.external_secrets())
        metrics.provider_call("p", "c", "success")
        types = type_lines(metrics)
        assert {name: types[name] for name in types if name.startswith("externalsecret_")} == {
            "externalsecret_sync_calls_total": "counter",
            "externalsecret_sync_calls_error": "counter",
            "externalsecret_reconcile_duration": "gauge",
            "externalsecret_status_condition": "gauge",
            "externalsecret_provider_api_calls_count": "counter",
        }
        assert not [name for name in types if name.endswith("_created")]

    def test_labels_are_escaped(self, metrics):
        metrics.auth_failure('the "main"\\\n', "shop", "SecretStore")
        (labels,) = named(metrics, "externalsecrets_store_auth_failure_total")
        assert dict(labels)["store"] == 'the "main"\\\n'

    def test_a_gauge_that_cannot_be_read_costs_only_itself(self, metrics):
        metrics.gauge("externalsecrets_broken", "x", (), lambda: 1 / 0)
        metrics.secrets(lambda: {"vault": 2})
        assert list(named(metrics, "externalsecrets_secrets_total").values()) == [2]
        assert named(metrics, "externalsecrets_broken") == {}
        assert named(metrics, "externalsecrets_scrape_errors_total")[(("metric", "externalsecrets_broken"),)] >= 1


async def test_gauges_are_read_on_the_loop_and_the_text_is_made_elsewhere():
    metrics, threads = Metrics(), {}
    metrics.gauge("externalsecrets_x", "x", (), lambda: threads.setdefault("read", threading.get_ident()) and [((), 1)])
    render = metrics.render

    def rendering(frozen):
        threads["render"] = threading.get_ident()
        return render(frozen)

    metrics.render = rendering
    assert b"externalsecrets_x 1\n" in await metrics.scrape()
    assert threads["read"] == threading.get_ident() != threads["render"]


async def test_scrapes_wait_for_each_other():
    metrics, running = Metrics(), []
    render = metrics.render

    def rendering(frozen):
        running.append(len(running))
        assert running == [0]
        body = render(frozen)
        running.clear()
        return body

    metrics.render = rendering
    async with asyncio.TaskGroup() as group:
        scrapes = [group.create_task(metrics.scrape()) for _ in range(4)]
    assert all(b"process_" in scrape.result() for scrape in scrapes)


@pytest.mark.parametrize("protocol", [ControllerProtocol, QueueProtocol], ids=["controller", "queue"])
def test_one_meter_serves_the_controller_and_its_queue(metrics, protocol):
    meter = metrics.controller("externalsecret", 1)
    wanted = {name for name in vars(protocol) if not name.startswith("_")}
    assert wanted
    assert {name for name in wanted if callable(getattr(meter, name, None))} == wanted


def test_managers_that_are_not_known_are_one_series(metrics):
    """Anybody who may write a Secret chooses the name of the manager."""
    for manager in ("kubectl-edit", "helm", "deleted", "", "evil", "another", "KUBECTL-EDIT", "kubectl-edit "):
        metrics.drift(("shop", "db"), manager)
    assert {labels[2]: count for labels, count in metrics._drift.values.items()} == {
        "kubectl-edit": 1,
        "helm": 1,
        "deleted": 1,
        "": 1,
        "other": 4,
    }


def test_names_of_stores_that_users_choose_do_not_fill_the_memory(metrics, monkeypatch):
    monkeypatch.setattr("eso.observe.metrics.KNOWN_STORES", 5)
    monkeypatch.setattr("eso.observe.metrics.OWN_STORES", 2)
    meter = metrics.external_secrets(store_of=lambda key: key[1])
    for n in range(10):
        meter.passed(("shop", f"store-{n}"), 0.1)
    meter.passed(("team", "store-9"), 0.1)
    meter.passed(("team", "store-0"), 0.1)
    assert set(meter._stores) == {"store-0", "store-1", "store-9"}
    stores = {dict(labels)["store"] for labels in named(metrics, "externalsecrets_sync_duration_seconds_count")}
    assert stores == {"store-0", "store-1", "store-9", "other"}


def test_a_namespace_makes_room_among_its_own_series_only(metrics, monkeypatch):
    monkeypatch.setattr("eso.observe.metrics.KEPT_SERIES", 6)
    monkeypatch.setattr("eso.observe.metrics.OWN_SERIES", 2)
    for n in range(3):
        metrics.drift(("victim", f"es-{n}"), "helm")
    for n in range(20):
        metrics.drift(("crowd", f"es-{n}"), "helm")
    metrics.drift(("late", "es"), "helm")
    kept = [(labels[1], labels[0]) for labels in metrics._drift.values]
    assert [name for namespace, name in kept if namespace == "victim"] == ["es-0", "es-1", "es-2"]
    assert [name for namespace, name in kept if namespace == "crowd"] == ["es-17", "es-18", "es-19"]
    assert ("late", "es") in kept


def test_series_of_what_is_gone_leave():
    now = [1000.0]
    metrics = Metrics(monotonic=lambda: now[0])
    meter = metrics.external_secrets()
    stores = {kind: metrics.objects(kind.lower()) for kind in ("SecretStore", "ClusterSecretStore")}
    for kind, namespace in (("SecretStore", "shop"), ("ClusterSecretStore", "")):
        metrics.auth_failure("main", namespace, kind)
    metrics.auth_failure("other", "shop", "SecretStore")
    run(meter)
    metrics.drift(A, "helm")
    metrics.drift(("shop", "another"), "helm")
    meter.gone(A)
    meter.passed(A, 0.1)
    stores["SecretStore"].gone(("shop", "main"))
    assert [dict(labels)["name"] for labels in named(metrics, "externalsecrets_drift_detected_total")] == ["another"]
    assert {
        (dict(labels)["store"], dict(labels)["kind"])
        for labels in named(metrics, "externalsecrets_store_auth_failure_total")
    } == {("main", "ClusterSecretStore"), ("other", "SecretStore")}
    stores["ClusterSecretStore"].gone(("", "main"))
    assert len(named(metrics, "externalsecrets_store_auth_failure_total")) == 1
    assert conditions(metrics) == {("Deleted", "False"): 1}
    now[0] += DELETED_SECONDS
    assert conditions(metrics) == {}
    assert named(metrics, "externalsecret_sync_calls_total") == {}


def test_a_store_that_is_not_there_has_no_series(metrics):
    meter, stores = metrics.external_secrets(store_of=lambda key: key[1]), metrics.objects("secretstore")
    meter.passed(("shop", ""), 0.1)
    for n in range(3):
        stores.ready(("shop", f"store-{n}"), "True")
        meter.passed(("shop", f"store-{n}"), 0.1)
    for n in range(2):
        stores.gone(("shop", f"store-{n}"))
    counts = "externalsecrets_sync_duration_seconds_count"
    assert {dict(labels)["store"] for labels in named(metrics, counts)} == {"", "store-2"}
    for n in range(metrics_module.OWN_STORES):
        stores.ready(("shop", f"new-{n}"), "True")
        meter.passed(("shop", f"new-{n}"), 0.1)
    told = {dict(labels)["store"] for labels in named(metrics, counts)}
    assert {f"new-{n}" for n in range(metrics_module.OWN_STORES - 1)} <= told, "there is room for the next ones"


def test_a_call_that_ends_after_its_store_makes_no_series_again():
    now = [1000.0]
    metrics = Metrics(monotonic=lambda: now[0])
    stores, sources = metrics.objects("secretstore"), metrics.objects("changesource")
    for meter in (stores, sources):
        meter.ready(A, "True")
        meter.gone(A)
    metrics.auth_failure(A[1], A[0], "SecretStore")
    metrics.change_event(A, "accepted")
    metrics.change_missed(A)
    assert named(metrics, "externalsecrets_store_auth_failure_total") == {}
    assert named(metrics, "externalsecrets_change_events_total") == {}
    assert named(metrics, "externalsecrets_events_missed_found_by_poll_total") == {}
    metrics.auth_failure(A[1], A[0], "ClusterSecretStore")
    stores.ready(A, "False")
    metrics.auth_failure(A[1], A[0], "SecretStore")
    assert len(named(metrics, "externalsecrets_store_auth_failure_total")) == 2, "another kind; the same name again"


@pytest.mark.parametrize("way", ["gates", "parked"])
def test_gates_show_no_word_of_who_wrote_a_store(metrics, way):
    text = "https://planted:text@planted.example:8200/planted?x=planted@planted"
    names = [
        *(f"endpoint:vault:{text}{n}@shop" for n in range(5_000)),
        *(f"service:aws:{text}{n}@shop" for n in range(5_000)),
        *(f"use:aws:{text}{n}@shop" for n in range(5_000)),
        *(f"identity:{n:x}planted" for n in range(5_000)),
        *(f"quota:gcpsm:{text}{n}:planted@planted" for n in range(5_000)),
        *(f"retry:SecretStore/shop/main:planted {n}@shop" for n in range(5_000)),
        *(f"planted-{n}:planted@shop" for n in range(5_000)),
        *("endpoint:Planted words:x@Planted words", "endpoint", "retry:", "planted", ""),
    ]
    if way == "gates":
        metrics.gates(lambda: dict.fromkeys(names, "closed"))
        found = named(metrics, "externalsecrets_gate_state")
    else:
        controller = metrics.controller("externalsecret", 1)
        state = Mock(ready={}, scheduled=0, parked=dict.fromkeys(names, 1), oldest_overdue_seconds=0.0)
        state.longest_running_seconds = state.unfinished_seconds = 0.0
        controller.observe(lambda: state, lambda: 0)
        found = named(metrics, "externalsecrets_queue_parked")
    told = {tuple(dict(labels)[one] for one in ("level", "provider", "namespace")): n for labels, n in found.items()}
    assert told == {
        ("endpoint", "vault", "shop"): 5_000,
        ("service", "aws", "shop"): 5_000,
        ("use", "aws", "shop"): 5_000,
        ("identity", "", ""): 5_000,
        ("quota", "gcpsm", ""): 5_000,
        ("retry", "", "shop"): 5_000,
        ("other", "", ""): 5_002,
        ("endpoint", "", ""): 2,
        ("retry", "", ""): 1,
    }


def test_the_first_breach_of_a_measure_is_an_increase() -> None:
    metrics = Metrics()
    metrics.watchdog(lambda: {"loop lag": 0.1})
    name = 'externalsecrets_watchdog_breaches_total{measure="loop lag"}'
    assert f"{name} 0\n" in metrics.render(metrics.freeze()).decode()
    metrics.breached("loop lag")
    assert f"{name} 1\n" in metrics.render(metrics.freeze()).decode()


def test_change_sources_that_come_and_go_leave_no_series_behind(metrics):
    meter = metrics.objects("changesource")
    metrics.change_event(None, "unknown")
    metrics.change_event(("shop", "stays"), "accepted")
    for number in range(1_000):
        key = (f"team-{number}", f"source-{number}")
        meter.passed(key, 1.0)
        metrics.change_event(key, "accepted")
        metrics.change_event(key, "refused")
        metrics.change_missed(key)
        meter.gone(key)
    assert set(metrics._change_events.values) == {("", "", "unknown"), ("shop", "stays", "accepted")}
    assert metrics._changes_missed.values == {}
    assert not [line for line in metrics.render(metrics.freeze()).decode().splitlines() if "team-" in line]
