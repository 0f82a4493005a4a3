"""Every alert is provoked once: processes in trouble are scraped, and Prometheus's own engine says what follows.

A scrape before the trouble, two while it lasts and one after it become hours: gauges stay as they were seen, counters
go on growing as they did between the two.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from e2e.harness.cluster import MANIFESTS, REPO, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, push_secret, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.promql import Evaluate, Row
from e2e.harness.waiting import eventually
from e2e.harness.webhook import LocalWebhook
from eso.gocompat.duration import parse_duration

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]  # one fixture tells the whole story
RULES = {
    rule["alert"]: rule
    for rule in yaml.safe_load((MANIFESTS / "monitoring" / "rules.yaml").read_text())["spec"]["groups"][0]["rules"]
}
# what a test can wait for instead of minutes: the rest of the expression is as it is installed
SHORTER = {"ExternalSecretsStale": ("> 300", "> 2")}
MINUTE = 60.0
CALM, AFTERWARDS = 20, 150  # minutes before a trouble, and after it: longer than the longest window of an alert
LEASE = "external-secrets-controller"

Sample = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Scrape:
    """(name, labels) → value, and the names of counters."""

    samples: dict[Sample, float] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()

    def sum(self, metric: str, /, **labels: str) -> float:
        wanted = set(labels.items())
        return sum(value for (one, have), value in self.samples.items() if one == metric and wanted <= have)


def scrape(address: str) -> Scrape:
    reply = requests.get(f"http://{address}/metrics", timeout=180)
    reply.raise_for_status()
    declared = set(re.findall(r"^(\w+)", reply.text, re.MULTILINE))
    samples, counters = {}, set()
    for family in text_string_to_metric_families(reply.text):
        for one in family.samples:  # the parser adds _total to counters of the reference that have none
            name = one.name if one.name in declared else one.name.removesuffix("_total")
            samples[name, frozenset(one.labels.items())] = one.value
            if family.type in ("counter", "histogram"):
                counters.add(name)
    return Scrape(samples, frozenset(counters))


@dataclass(frozen=True)
class Trouble:
    """`first` and `second` are scraped while it lasts; `named` are labels that the alert has to have."""

    before: Scrape
    first: Scrape
    second: Scrape
    after: Scrape
    named: dict[str, str]


def hours(trouble: Trouble, lasts: int) -> dict[Sample, list[tuple[float, float]]]:
    """The scrapes as minutes: calm, trouble for `lasts` of them, calm again."""
    scrapes = (trouble.before, trouble.first, trouble.second, trouble.after)
    counters = frozenset().union(*(one.counters for one in scrapes))
    series: dict[Sample, list[tuple[float, float]]] = {}
    for key in {key for one in scrapes for key in one.samples}:
        before, first, second, after = (one.samples.get(key) for one in scrapes)
        points = [(minute, before) for minute in range(CALM) if before is not None]
        last = before
        if second is not None:
            grown = second - (first or 0.0) if key[0] in counters else 0.0
            begin = (first or 0.0) if key[0] in counters else second
            points += [(CALM + minute, begin + grown * minute) for minute in range(lasts)]
            last = begin + grown * (lasts - 1)
        if after is not None:
            still = last if key[0] in counters and last is not None else after
            points += [(CALM + lasts + minute, still) for minute in range(AFTERWARDS)]
        series[key] = points
    return series


def firing(row: Row, start: float, waits: float) -> set[int]:
    """The minutes at which the alert fires: the expression has given the series for so long without a gap."""
    found, since, last = set(), None, None
    for at in row.at:
        if last is None or at - last > MINUTE:
            since = at
        assert since is not None
        if at - since >= waits:
            found.add(round((at - start) / MINUTE))
        last = at
    return found


class Backend:
    """A service that answers any GET with a value, and refuses every login. `away`: 503 to all. `slow`: takes its
    time."""

    def __init__(self) -> None:
        self.away = self.slow = False
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, code: int, body: Json) -> None:
                data = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                if backend.slow:
                    time.sleep(0.5)  # it is a slow one
                self.answer(503, {}) if backend.away else self.answer(200, {"v": "value"})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(400, {"errors": ["invalid role or secret ID"]})

            do_PUT = do_POST

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def provider(self) -> Json:
        return {"webhook": {"url": f"{self.url}/{{{{ .remoteRef.key }}}}", "result": {"jsonPath": "$.v"}}}

    def vault(self) -> Json:
        role = {"path": "approle", "roleId": "role", "secretRef": {"name": "login", "key": "id"}}
        return {"vault": {"server": self.url, "path": "secret", "version": "v2", "auth": {"appRole": role}}}


@contextmanager
def at_work(backend: Backend) -> Iterator[Backend]:
    thread = threading.Thread(target=backend.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.server.shutdown()
        backend.server.server_close()
        thread.join()


@contextmanager
def led_by_somebody_else(plane: ControlPlane, namespace: str) -> Iterator[None]:
    """A Lease that another candidate has just renewed."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    plane.kubectl("-n", namespace, "delete", "lease", LEASE, "--ignore-not-found")
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 15, "acquireTime": now, "renewTime": now}
    plane.api.request("POST", path, thing("Lease", LEASE, namespace, api="coordination.k8s.io/v1", spec=spec))
    try:
        yield
    finally:
        plane.kubectl("-n", namespace, "delete", "lease", LEASE, "--ignore-not-found")


class Story:
    """One operator that meets all troubles which an operator can have."""

    def __init__(self, plane: ControlPlane, namespace: str, operator: LocalOperator) -> None:
        self.plane, self.namespace, self.operator = plane, namespace, operator

    def seen(self, what: str, check: Callable[[Scrape], bool], within: float = 60) -> Scrape:
        """The first scrape that shows it."""

        def look() -> Scrape | None:
            found = scrape(self.operator.metrics_address)
            return found if check(found) else None

        return eventually(look, within, 0.2, what=what, give_up=self.operator.ended)

    def grown(self, since: Scrape, metric: str, /, **labels: str) -> Scrape:
        before = since.sum(metric, **labels)
        return self.seen(f"{metric} grows", lambda one: one.sum(metric, **labels) > before)

    def patch(self, plural: str, name: str, spec: Json) -> None:
        self.plane.api.patch(plural, self.namespace, name, {"spec": spec})


@pytest.fixture(scope="module")
def troubles(controlplane: ControlPlane, admission: LocalWebhook) -> Iterator[dict[str, Trouble]]:
    namespace = controlplane.create_namespace("alerts")
    try:
        yield of_the_webhook(admission) | of_the_operator(controlplane, namespace)
    finally:
        controlplane.delete_namespace(namespace)  # an operator of another test would go on with all of it


def of_the_operator(controlplane: ControlPlane, namespace: str) -> dict[str, Trouble]:
    found: dict[str, Trouble] = {}
    # one pass at a time: what is slow then holds up what is due
    flags = {"namespace": namespace, "passes-in-flight": "1"}
    with ExitStack() as stack:
        service, slow = (stack.enter_context(at_work(Backend())) for _ in range(2))
        with led_by_somebody_else(controlplane, "external-secrets-system"):
            operator = stack.enter_context(LocalOperator(controlplane, args=flags, name=namespace))
            story = Story(controlplane, namespace, operator)
            standby = story.seen(
                "an operator that does not lead",
                lambda one: (
                    ("externalsecrets_controller_running", frozenset({("controller", "externalsecret")})) in one.samples
                ),
            )
        leads = story.seen(
            "an operator that leads",
            lambda one: one.sum("externalsecrets_controller_running", controller="externalsecret") == 1,
        )
        found["OperatorNotReconciling"] = Trouble(leads, standby, standby, leads, {"controller": "externalsecret"})
        found |= of_objects_and_backends(story, leads, service)
        found["ExternalSecretsStale"] = staleness(story, slow)
        found["OperatorWatchdog"] = standstill(story)
    return found


def of_objects_and_backends(story: Story, before: Scrape, service: Backend) -> dict[str, Trouble]:
    plane, namespace = story.plane, story.namespace
    service.away = True
    plane.apply(
        [
            thing("Secret", "login", namespace, api="v1", stringData={"id": "secret"}),
            secret_store(namespace, fake_provider({"k": "v"}), "good"),
            secret_store(namespace, service.vault(), "refused"),
            secret_store(namespace, service.provider(), "service"),
            external_secret(namespace, "failing", {"a": "missing"}, store="good"),
            external_secret(namespace, "fought", {"a": "k"}, store="good", interval="1s"),
            *(
                external_secret(namespace, f"away-{n}", {"a": f"k{n}"}, store="service", interval="1s")
                for n in range(4)
            ),
            push_secret(namespace, "pushed", {"a": "a"}, source="missing", stores=[{"name": "good"}]),
        ]
    )
    calls, logins, drift = (
        "externalsecret_provider_api_calls_count",
        "externalsecrets_store_auth_failure_total",
        "externalsecrets_drift_detected_total",
    )
    failed = {"condition": "Ready", "status": "False"}
    eventually(lambda: plane.secret(namespace, "fought") == {"a": "v"}, 60, what="the Secret that is fought for")
    spoil(story, "fought")
    first = story.seen(
        "everything fails that should",
        lambda one: (
            one.sum("externalsecret_status_condition", name="failing", **failed) == 1
            and one.sum("pushsecret_status_condition", name="pushed", **failed) == 1
            and one.sum("secretstore_status_condition", name="refused", **failed) == 1
            and one.sum("externalsecrets_gate_state", state="closed") >= 1
            and one.sum(logins, store="refused") >= 1
            and one.sum(calls, provider="Webhook", status="error") >= 1
            and one.sum(drift, name="fought") >= 1
        ),
        90,
    )
    spoil(story, "fought")
    story.grown(first, drift, name="fought")
    story.grown(first, calls, provider="Webhook", status="error")
    plane.apply([thing("Secret", "login", namespace, api="v1", stringData={"id": "another"})])  # is tried at once
    story.grown(first, logins, store="refused")
    second = story.seen("a gate that is closed", lambda one: one.sum("externalsecrets_gate_state", state="closed") >= 1)
    assert second.sum(calls, provider="Webhook", status="success") == 0

    service.away = False
    story.patch("externalsecrets", "failing", {"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
    story.patch("secretstores", "refused", {"provider": {"vault": None, **fake_provider({"k": "v"})}})
    plane.apply([thing("Secret", "missing", namespace, api="v1", stringData={"a": "v"})])
    after = story.seen(
        "everything is well again",
        lambda one: (
            not any(
                one.sum(f"{kind}_status_condition", **failed)
                for kind in ("externalsecret", "pushsecret", "secretstore")
            )
            and one.sum("externalsecrets_gate_state", state="closed") == 0
        ),
        120,
    )
    named: dict[str, dict[str, str]] = {
        "ExternalSecretNotSynced": {"namespace": namespace, "name": "failing"},
        "PushSecretNotSynced": {"namespace": namespace, "name": "pushed"},
        "SecretStoreNotReady": {"namespace": namespace, "name": "refused"},
        "SecretStoreLoginFailing": {"namespace": namespace, "store": "refused", "kind": "SecretStore"},
        "ManagedSecretDrift": {"namespace": namespace, "name": "fought"},
        "BackendGateClosed": {},
        "ProviderCallsFailing": {"provider": "Webhook"},
    }
    return {alert: Trouble(before, first, second, after, labels) for alert, labels in named.items()}


def spoil(story: Story, name: str) -> None:
    story.plane.api.patch("secrets", story.namespace, name, {"stringData": {"a": f"spoilt {time.monotonic()}"}})


def staleness(story: Story, slow: Backend) -> Trouble:
    """Passes that take their time, one after the other, while many are due."""
    plane, namespace, late = story.plane, story.namespace, "externalsecrets_queue_oldest_overdue_seconds"
    before = scrape(story.operator.metrics_address)
    slow.slow = True
    names = [f"slow-{n}" for n in range(16)]
    plane.apply([secret_store(namespace, slow.provider(), "slow")])
    plane.apply([external_secret(namespace, name, {"a": name}, store="slow", interval="1s") for name in names])
    overdue = story.seen("refreshes that are late", lambda one: one.sum(late, controller="externalsecret") > 3, 90)
    slow.slow = False
    for name in names:
        plane.api.delete("externalsecrets", namespace, name)
    after = story.seen("nothing is late", lambda one: one.sum(late, controller="externalsecret") < 1)
    return Trouble(before, overdue, overdue, after, {"controller": "externalsecret"})


def standstill(story: Story) -> Trouble:
    """A process that gets no CPU for seconds."""
    breaches, before = "externalsecrets_watchdog_breaches_total", scrape(story.operator.metrics_address)
    scrapes = [before]
    child = story.operator.child.popen
    assert child is not None
    for _ in range(2):

        def stand() -> Scrape | None:
            child.send_signal(signal.SIGSTOP)
            time.sleep(2.0)  # longer than the limit: nothing can be waited for in a process that stands still
            child.send_signal(signal.SIGCONT)
            seen = scrape(story.operator.metrics_address)
            return (
                seen if seen.sum(breaches, measure="loop lag") > scrapes[-1].sum(breaches, measure="loop lag") else None
            )

        # whoever wakes first, the loop or the thread that watches it, decides whether it is seen
        scrapes.append(eventually(stand, 60, 0.5, what="the watchdog saw it"))
    return Trouble(before, scrapes[1], scrapes[2], scrape(story.operator.metrics_address), {"measure": "loop lag"})


def of_the_webhook(webhook: LocalWebhook) -> dict[str, Trouble]:
    ends, failures = (
        "externalsecrets_serving_certificate_expiry_timestamp_seconds",
        "controller_runtime_webhook_requests_total",
    )

    def ending(after_days: int) -> Scrape:
        webhook.renew(after_days)
        soon = time.time() + (after_days - 1) * 86400

        def read() -> Scrape | None:
            seen = scrape(webhook.metrics_address)
            return seen if abs(seen.sum(ends) - soon) < 2 * 86400 else None

        return eventually(read, 30, what="the certificate is read")

    long, short = ending(400), ending(30)
    before = scrape(webhook.metrics_address)
    failing = [before]
    for _ in range(2):
        overload(webhook)

        def refused() -> Scrape | None:
            seen = scrape(webhook.metrics_address)
            return seen if seen.sum(failures, code="503") > failing[-1].sum(failures, code="503") else None

        failing.append(eventually(refused, 30, what="reviews that are refused"))
    return {
        "WebhookCertificateNearItsEnd": Trouble(long, short, short, long, {}),
        "WebhookFailing": Trouble(before, failing[1], failing[2], failing[2], {}),
    }


def overload(webhook: LocalWebhook) -> None:
    """Bodies that need more memory together than reviews may have: those that were read for longest make room."""
    trust = ssl.create_default_context(cafile=str(webhook.authority.cert))
    size = 6 << 20
    head = f"POST /validate-external-secrets-io-v1-externalsecret HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(7):
            plain = stack.enter_context(closing(socket.create_connection(("127.0.0.1", webhook.port), timeout=180)))
            wrapped = stack.enter_context(closing(trust.wrap_socket(plain, server_hostname="localhost")))
            wrapped.sendall(head.encode() + b"x" * (size - 1))


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_fires_while_the_trouble_lasts_and_not_before_or_after(
    troubles: dict[str, Trouble], promql: Evaluate, alert: str
) -> None:
    rule, trouble = RULES[alert], troubles[alert]
    expression = rule["expr"].replace(*SHORTER.get(alert, ("", "")))
    assert (expression != rule["expr"]) is (alert in SHORTER)
    waits = parse_duration(rule.get("for", "0s"))
    lasts = round(waits / MINUTE) + 30
    start = time.time() // MINUTE * MINUTE
    wanted = {name for name in re.findall(r"\w+", expression)}
    series = {
        key: [(start + minute * MINUTE, value) for minute, value in points]
        for key, points in hours(trouble, lasts).items()
        if key[0] in wanted
    }
    end = start + (CALM + lasts + AFTERWARDS - 1) * MINUTE
    rows = [
        row for row in promql(expression, series, start, end, MINUTE) if trouble.named.items() <= row.labels.items()
    ]
    minutes = sorted({minute for row in rows for minute in firing(row, start, waits)})
    assert minutes, f"never fires: {[(dict(row.labels), len(row.at)) for row in rows]}"
    assert minutes[0] >= CALM + waits / MINUTE
    assert CALM + lasts - 1 in minutes
    assert minutes[-1] < CALM + lasts + 90


def test_an_operator_that_nobody_scrapes_is_told(promql: Evaluate) -> None:
    rule = RULES["OperatorNotReconciling"]
    start = time.time() // MINUTE * MINUTE
    (row,) = promql(rule["expr"], {}, start, start + 30 * MINUTE, MINUTE)
    assert min(firing(row, start, parse_duration(rule["for"]))) == 10


def test_every_metric_that_a_process_shows_has_a_line_on_the_page(troubles: dict[str, Trouble]) -> None:
    page = set(re.findall(r"^\| `(\w+)`", (REPO / "docs" / "metrics.md").read_text(), re.MULTILINE))
    shown = {name for trouble in troubles.values() for name, _ in trouble.second.samples}
    assert len(shown) > 60
    assert {name for name in shown if not {name, re.sub("_(bucket|sum|count)$", "", name)} & page} == set()
