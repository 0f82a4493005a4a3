"""All series of this process: the reference's names and labels, and our own next to them. Only this module names
metrics.

Neighbours: all parts count through the small meters below; health.py serves `scrape`. Per object there is one compact
record instead of a handful of client-library children; gauges are read from snapshots at the scrape; the text
is made in a thread.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics, generate_latest

from eso.observe import managers

Key = tuple[str, str]  # namespace, name
Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PLAIN: Final = ("name", "namespace")
CONDITION: Final = ("name", "namespace", "condition", "status")
EXTENDED: Final = ("name", "instance", "version", "component", "part_of", "managed_by")
KEPT_DELETED: Final = 10_000  # names of objects that are gone and still told as such
DELETED_SECONDS: Final = 600.0  # for so long: a few scrapes see it

KEPT_SERIES: Final = 10_000  # of one counter
OWN_SERIES: Final = 100  # which a namespace may have even then
KNOWN_STORES: Final = 1_000  # names of stores that have a histogram of their own
OWN_STORES: Final = 10  # of these by the objects of one namespace
STORES: Final = frozenset(("secretstore", "clustersecretstore"))
GATE: Final = ("level", "provider", "namespace")
LEVELS: Final = frozenset(("endpoint", "service", "use", "identity", "quota", "retry"))
SERVED: Final = frozenset(("endpoint", "service", "use", "quota"))  # their names go on with the provider
OWNED: Final = frozenset(("endpoint", "service", "use", "retry"))  # their names end in the namespace
PROVIDER: Final = re.compile(r"[a-z0-9]{1,40}")
NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

RECONCILE_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(
        1.25,
        1.5,
        1.75,
        2.0,
        2.5,
        3.0,
        3.5,
        4.0,
        4.5,
        5.0,
        6.0,
        7.0,
        8.0,
        9.0,
        10.0,
        15.0,
        20.0,
        25.0,
        30.0,
        40.0,
        50.0,
        60.0,
    ),
)
QUEUE_BUCKETS: Final = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
CALL_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WEBHOOK_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RESULTS: Final = ("success", "error", "requeue", "requeue_after")


class QueueState(Protocol):
    """What a work queue tells at a scrape."""

    @property
    def ready(self) -> Mapping[Any, int]: ...
    @property
    def scheduled(self) -> int: ...
    @property
    def parked(self) -> Mapping[str, int]: ...
    @property
    def oldest_overdue_seconds(self) -> float: ...
    @property
    def longest_running_seconds(self) -> float: ...
    @property
    def unfinished_seconds(self) -> float: ...


class Family:
    """One metric: label values → number. Counters only grow. Where one of the labels is a namespace, a full counter
    makes room among the oldest series of the namespace that wants another one, and leaves those of all others."""

    def __init__(self, name: str, kind: str, text: str, labels: Labels = ()) -> None:
        self.name, self.kind, self.text, self.labels = name, kind, text, labels
        self.values: dict[Labels, float] = {}
        self._owner = labels.index("namespace") if "namespace" in labels else None
        self._owned: dict[str, dict[Labels, None]] = {}

    def inc(self, labels: Labels = (), amount: float = 1) -> None:
        known = self.values.get(labels)
        if known is None:
            self._make_room(labels)
        self.values[labels] = (known or 0) + amount

    def set(self, labels: Labels, value: float) -> None:
        self.values[labels] = value

    def known(self, labels: Labels) -> None:
        """The series is there, at zero as long as nothing counted: its first count is an increase."""
        self.values.setdefault(labels, 0)

    def drop(self, labels: Labels) -> None:
        self.values.pop(labels, None)
        if self._owner is not None:
            owned = self._owned.get(labels[self._owner], {})
            owned.pop(labels, None)
            if not owned:
                self._owned.pop(labels[self._owner], None)

    def drop_of(self, namespace: str, wanted: Callable[[Mapping[str, str]], bool]) -> None:
        """Drops the series of the namespace for whose labels `wanted` is True."""
        for labels in list(self._owned.get(namespace, ())):
            if wanted(dict(zip(self.labels, labels, strict=True))):
                self.drop(labels)

    def samples(self) -> Samples:
        return self.values.copy().items()  # a copy is one step: the scrape runs in a thread

    def _make_room(self, labels: Labels) -> None:
        if self._owner is None:
            if len(self.values) >= KEPT_SERIES:
                self.values.pop(next(iter(self.values)), None)
            return
        owned = self._owned.setdefault(labels[self._owner], {})
        if len(self.values) >= KEPT_SERIES and len(owned) >= OWN_SERIES:
            self.drop(next(iter(owned)))
            owned = self._owned.setdefault(labels[self._owner], owned)
        owned[labels] = None


class Metrics:
    """The registry. `extended_labels` is --enable-extended-metric-labels. One per process; used from the event loop
    unless said otherwise."""

    def __init__(self, *, extended_labels: bool = False, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.extended_labels, self.monotonic = extended_labels, monotonic
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self._families: list[Family] = []
        self._objects: list[ObjectMeter] = []
        self._gauges: list[tuple[str, str, Labels, Callable[[], Samples]]] = []
        self._histograms: list[tuple[str, str, str, Labels]] = []
        self._controllers: dict[str, ControllerMeter] = {}
        self._left: OrderedDict[tuple[str, Key], float] = OrderedDict()  # kind, key of what went, and when
        self._scraping = asyncio.Lock()
        self._unread = self._family(
            "externalsecrets_scrape_errors_total", "counter", "Gauges that could not be read at a scrape.", ("metric",)
        )
        self._calls = self._family(
            "externalsecret_provider_api_calls_count",
            "counter",
            "Number of API calls towards the secret provider",
            ("provider", "call", "status"),
        )
        self._call_seconds = self._histogram(
            "externalsecrets_provider_call_duration_seconds",
            "Duration of calls to a provider.",
            ("provider", "call"),
            CALL_BUCKETS,
        )
        self._reads = self._family(
            "externalsecrets_reads_total",
            "counter",
            "Reads by where the answer came from: a call of their own, or a shared one.",
            ("provider", "origin"),
        )
        self._drift = self._family(
            "externalsecrets_drift_detected_total",
            "counter",
            "Managed Secrets found changed by somebody else.",
            ("name", "namespace", "manager"),
        )
        self._auth = self._family(
            "externalsecrets_store_auth_failure_total",
            "counter",
            "Logins that a backend refused.",
            ("store", "namespace", "kind"),
        )
        self._requests = self._family(
            "rest_client_requests_total",
            "counter",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ("code", "method", "host"),
        )
        self._leader = self._family(
            "leader_election_master_status",
            "gauge",
            "1 while this process holds the Lease, 0 while another one does.",
            ("name",),
        )
        # All controllers share these: the client library refuses a name that it knows.
        self.reconcile_seconds = self._histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of time per reconciliation per controller",
            ("controller",),
            RECONCILE_BUCKETS,
        )
        self.waited_seconds = self._histogram(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested",
            ("name", "controller"),
            QUEUE_BUCKETS,
        )
        self.worked_seconds = self._histogram(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            ("name", "controller"),
            QUEUE_BUCKETS,
        )
        self._change_events = self._family(
            "externalsecrets_change_events_total",
            "counter",
            "Change events by ChangeSource and what became of them; without a source where there is none of the name.",
            ("namespace", "source", "outcome"),
        )
        self._change_seconds = self._histogram(
            "externalsecrets_change_event_written_seconds",
            "From a change event to the end of a pass that it led to, for each object.",
            (),
            CALL_BUCKETS,
        )
        self._changes_missed = self._family(
            "externalsecrets_events_missed_found_by_poll_total",
            "counter",
            "Changed values that a refresh or a poll found and no change event had told of.",
            ("namespace", "source"),
        )
        self._breaches = self._family(
            "externalsecrets_watchdog_breaches_total",
            "counter",
            "Limits that the watchdog found exceeded.",
            ("measure",),
        )

    # counted as it happens

    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None:
        """One request to a backend, failed ones included. `status`: success or error."""
        self._calls.inc((provider, call, status))
        if seconds is not None:
            self._call_seconds.observe((provider, call), seconds)

    def read(self, provider: str, origin: str) -> None:
        """One read of a pass. `origin`: call, flight, batch, …"""
        self._reads.inc((provider, origin))

    def drift(self, key: Key, manager: str) -> None:
        """The target of the object was found changed by this field manager."""
        namespace, name = key
        self._drift.inc((name, namespace, managers.shown(manager)))

    def forget_drift(self, key: Key) -> None:
        namespace, name = key
        self._drift.drop_of(namespace, lambda labels: labels["name"] == name)

    def forget_store(self, kind: str, key: Key) -> None:
        """The store is gone. `kind` in lower case."""
        namespace, name = key
        self._auth.drop_of(namespace, lambda labels: labels["store"] == name and labels["kind"].lower() == kind)

    def forget_changes(self, key: Key) -> None:
        """The ChangeSource is gone."""
        namespace, name = key
        for family in (self._change_events, self._changes_missed):
            family.drop_of(namespace, lambda labels: labels["source"] == name)

    def left(self, kind: str, key: Key) -> None:
        """The object is gone: what its last calls still count makes no series of it again."""
        self._left[kind, key] = self.monotonic()
        self._left.move_to_end((kind, key))
        while len(self._left) > KEPT_DELETED:
            self._left.popitem(last=False)

    def came(self, kind: str, key: Key) -> None:
        self._left.pop((kind, key), None)

    def is_gone(self, kind: str, key: Key) -> bool:
        since = self._left.get((kind, key))
        return since is not None and self.monotonic() - since < DELETED_SECONDS

    def names_of_stores(self) -> frozenset[str] | None:
        """Of those that there are; None where nobody tells."""
        meters = [one for one in self._objects if one.kind in STORES]
        return frozenset(name for one in meters for name in one.names()) if meters else None

    def auth_failure(self, store: str, namespace: str, kind: str) -> None:
        if not self.is_gone(kind.lower(), (namespace, store)):
            self._auth.inc((store, namespace, kind))

    def api_request(self, code: int | str, method: str, host: str) -> None:
        """One request to the API server; `code` is the HTTP status, or <error> when there was no answer."""
        self._requests.inc((str(code), method, host))

    def certificate_read(self, good: bool) -> None:
        """A certificate of ours was read from its files, or could not be used."""
        self._family("certwatcher_read_certificate_total", "counter", "Total number of certificate reads").inc()
        errors = self._family(
            "certwatcher_read_certificate_errors_total", "counter", "Total number of certificate read errors"
        )
        errors.inc((), 0 if good else 1)

    def change_event(self, source: Key | None, outcome: str) -> None:
        """One event at the door. `source`: the ChangeSource, None where there is none of the name that was asked for;
        `outcome` is of a closed set."""
        if source is not None and self.is_gone("changesource", source):
            return
        namespace, name = source or ("", "")
        self._change_events.inc((namespace, name, outcome))

    def change_written(self, seconds: float) -> None:
        """An object has read what an event told of, so many seconds after it."""
        self._change_seconds.observe((), seconds)

    def change_missed(self, source: Key) -> None:
        if not self.is_gone("changesource", source):
            self._changes_missed.inc(source)

    def leading(self, lease: str, holds: bool) -> None:
        self._leader.set((lease,), int(holds))

    def breached(self, measure: str) -> None:
        """For the watchdog; called from its thread, which is the only one that counts here."""
        self._breaches.inc((measure,))

    # one per controller or kind

    def controller(self, name: str, workers: int) -> ControllerMeter:
        """Series `controller_runtime_*` and `workqueue_*` of one controller, at zero from now on."""
        self._controllers[name] = meter = ControllerMeter(self, name, workers)
        return meter

    def webhook(self, paths: Iterable[str]) -> WebhookMeter:
        """Series `controller_runtime_webhook_*` of the admission webhook, at zero from now on."""
        return WebhookMeter(self, paths)

    def external_secrets(
        self,
        *,
        store_of: Callable[[Key], str] | None = None,
        labels_of: Callable[[Key], Mapping[str, str] | None] | None = None,
    ) -> ExternalSecretMeter:
        """`store_of(key)` names the object's store; `labels_of(key)` are the object's own labels, None when it is gone
        (for the extended set)."""
        meter = ExternalSecretMeter(self, store_of, labels_of)
        self._objects.append(meter)
        return meter

    def objects(self, kind: str, labels_of: Callable[[Key], Mapping[str, str] | None] | None = None) -> ObjectMeter:
        """`<kind>_reconcile_duration` and `<kind>_status_condition`; `kind` for example secretstore,
        clustersecretstore."""
        meter = ObjectMeter(self, kind, labels_of)
        self._objects.append(meter)
        return meter

    def gauge(self, name: str, text: str, labels: Labels, read: Callable[[], Samples]) -> None:
        """A gauge that is read on the loop at every scrape: `read()` gives (label values, number)."""
        self._gauges.append((name, text, labels, read))

    def secrets(self, read: Callable[[], Mapping[str, int]]) -> None:
        """How many ExternalSecrets there are, by the provider of their store."""
        self.gauge(
            "externalsecrets_secrets_total",
            "ExternalSecrets by the provider of their store.",
            ("store_provider",),
            lambda: [((p,), n) for p, n in read().items()],
        )

    def gates(self, read: Callable[[], Mapping[str, str]]) -> None:
        """Gate → state (open, paced, closed, half-open). Their names hold servers that authors of stores chose, and
        digests of logins: the metric has neither."""
        self.gauge(
            "externalsecrets_gate_state",
            "Gates of backends by the state that they are in.",
            (*GATE, "state"),
            lambda: Counter((*gate_labels(gate), state) for gate, state in read().items()).items(),
        )

    def watchdog(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Measure → seconds, as the watchdog saw them last; loop lag is one of them."""

        def measures() -> Samples:
            seen = read()
            for measure in seen:
                self._breaches.known((measure,))
            return [((measure,), seconds) for measure, seconds in seen.items()]

        self.gauge(
            "externalsecrets_watchdog_seconds",
            "How late the loop, or how old what it measures, is.",
            ("measure",),
            measures,
        )
        self.gauge(
            "externalsecrets_loop_lag_seconds",
            "How late the event loop is.",
            (),
            lambda: [((), read().get("loop lag", 0.0))],
        )

    def serving_certificate(self, read: Callable[[], float]) -> None:
        """`read()`: the Unix time at which the serving certificate stops being valid."""
        self.gauge(
            "externalsecrets_serving_certificate_expiry_timestamp_seconds",
            "When the serving certificate of the admission webhook stops being valid.",
            (),
            lambda: [((), read())],
        )

    def memory(self, read: Callable[[], Mapping[str, int]], waiting: Callable[[], int]) -> None:
        """`read()`: bytes by what they are (budget, held, peak); `waiting()`: steps that wait for some."""
        self.gauge(
            "externalsecrets_memory_bytes",
            "Memory for what passes hold: the budget, what is held, and the most that was.",
            ("what",),
            lambda: [((what,), count) for what, count in read().items()],
        )
        self.gauge(
            "externalsecrets_memory_waiting", "Steps of passes that wait for memory.", (), lambda: [((), waiting())]
        )

    def running(self, read: Callable[[], Mapping[str, bool]]) -> None:
        """Controller → whether it takes keys."""
        self.gauge(
            "externalsecrets_controller_running",
            "1 while a controller takes keys, 0 while it waits for its resources or the Lease.",
            ("controller",),
            lambda: [((controller,), int(takes)) for controller, takes in read().items()],
        )

    def watches(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Watched resource → seconds since its watch was last heard of."""
        self.gauge(
            "externalsecrets_watch_age_seconds",
            "Time since a watch was last heard of.",
            ("resource",),
            lambda: [((r,), s) for r, s in read().items()],
        )

    # scraped

    async def scrape(self) -> bytes:
        """The exposition, Prometheus text format 0.0.4. One at a time; the loop only takes the snapshots."""
        async with self._scraping:
            return await asyncio.to_thread(self.render, self.freeze())

    def freeze(self) -> list[Frozen]:
        """Read every gauge, on the loop. One that fails is left out and counted."""
        frozen: list[Frozen] = []
        for counted in self._objects:
            counted.forget()
        for meter in self._controllers.values():
            frozen.extend(meter.freeze())
        for name, text, labels, read in self._gauges:
            try:
                frozen.append((name, "gauge", text, labels, tuple(read())))
            except Exception:
                self._unread.inc((name,))
        return frozen

    def render(self, frozen: Iterable[Frozen] = ()) -> bytes:
        """Callable from a thread: everything is copied before it is walked."""
        families: OrderedDict[str, tuple[str, str, Labels, list[Samples]]] = OrderedDict()
        parts: list[Iterable[Frozen]] = [((f.name, f.kind, f.text, f.labels, f.samples()) for f in self._families)]
        parts.extend(meter.families() for meter in self._objects)
        parts.append(frozen)
        for part in parts:
            for name, kind, text, labels, samples in part:
                families.setdefault(name, (kind, text, labels, []))[3].append(samples)
        out: list[str] = []
        for name, (kind, text, labels, found) in families.items():
            out.append(f"# HELP {name} {text}\n# TYPE {name} {kind}\n")
            for samples in found:
                out.extend(f"{name}{_braces(labels, values)} {number!r}\n" for values, number in samples)
        return "".join(out).encode("utf-8", "replace") + generate_latest(self.registry)

    # for the meters

    def _family(self, name: str, kind: str, text: str, labels: Labels = ()) -> Family:
        for family in self._families:
            if family.name == name:
                return family
        family = Family(name, kind, text, labels)
        self._families.append(family)
        return family

    def described(self) -> list[tuple[str, str, str, Labels]]:
        """Name, type, help and label names of every metric that there is so far, also of those without a series."""
        found = [(one.name, one.kind, one.text, one.labels) for one in self._families]
        found += [
            (name, kind, text, labels) for meter in self._objects for name, kind, text, labels, _ in meter.families()
        ]
        found += [(name, kind, text, labels) for name, kind, text, labels, _ in self.freeze()]
        found += self._histograms
        for one in self.registry.collect():
            if one.name.startswith("process_"):
                name = f"{one.name}_total" if one.type == "counter" else one.name
                found.append((name, one.type, one.documentation, ()))
        return list(dict.fromkeys(found))

    def _histogram(self, name: str, text: str, labels: Labels, buckets: tuple[float, ...]) -> Timings:
        self._histograms.append((name, "histogram", text, labels))
        return Timings(Histogram(name, text, labels, buckets=buckets, registry=self.registry))


Frozen = tuple[str, str, str, Labels, Samples]  # name, kind, help, label names, samples


class Timings:
    """A histogram with its children at hand: looking one up in the client library costs more than the observation."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._children: dict[Labels, Histogram] = {}

    def child(self, labels: Labels) -> Histogram:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._histogram.labels(*labels) if labels else self._histogram
        return child

    def observe(self, labels: Labels, seconds: float) -> None:
        self.child(labels).observe(seconds)

    def drop(self, place: int, value: str) -> None:
        """Drops the series whose label at `place` has this value."""
        for labels in [labels for labels in self._children if labels[place] == value]:
            del self._children[labels]
            self._histogram.remove(*labels)


class ControllerMeter:
    """Implements the meters of `runtime.workqueue` and `runtime.controller`."""

    def __init__(self, metrics: Metrics, name: str, workers: int) -> None:
        self.name, self.workers = name, workers
        self._queue: Callable[[], QueueState] | None = None
        self._in_flight: Callable[[], int] = lambda: 0
        family = metrics._family
        self._total = family(
            "controller_runtime_reconcile_total",
            "counter",
            "Total number of reconciliations per controller",
            ("controller", "result"),
        )
        self._errors = family(
            "controller_runtime_reconcile_errors_total",
            "counter",
            "Total number of reconciliation errors per controller",
            ("controller",),
        )
        self._terminal = family(
            "controller_runtime_terminal_reconcile_errors_total",
            "counter",
            "Total number of terminal reconciliation errors per controller",
            ("controller",),
        )
        self._panics = family(
            "controller_runtime_reconcile_panics_total",
            "counter",
            "Total number of unexpected errors per controller",
            ("controller",),
        )
        self._adds = family(
            "workqueue_adds_total", "counter", "Total number of adds handled by workqueue", ("name", "controller")
        )
        self._retries = family(
            "workqueue_retries_total", "counter", "Total number of retries handled by workqueue", ("name", "controller")
        )
        self._both = (name, name)
        self._time = metrics.reconcile_seconds.child((name,))
        self._waited, self._worked = metrics.waited_seconds.child(self._both), metrics.worked_seconds.child(self._both)
        for result in RESULTS:
            self._total.inc((name, result), 0)
        for counter in (self._errors, self._terminal, self._panics):
            counter.inc((name,), 0)
        for counter in (self._adds, self._retries):
            counter.inc(self._both, 0)

    def observe(self, queue: Callable[[], QueueState], in_flight: Callable[[], int]) -> None:
        """Where the gauges come from: `WorkQueue.snapshot` and the controller's passes in flight."""
        self._queue, self._in_flight = queue, in_flight

    # the queue

    def added(self) -> None:
        self._adds.inc(self._both)

    def retried(self) -> None:
        self._retries.inc(self._both)

    def started(self, waited_seconds: float) -> None:
        self._waited.observe(waited_seconds)

    def finished(self, seconds: float) -> None:
        self._worked.observe(seconds)

    # the controller

    def passed(self, result: str, seconds: float) -> None:
        self._total.inc((self.name, result))
        self._time.observe(seconds)

    def failed(self, *, terminal: bool = False, panic: bool = False) -> None:
        self._errors.inc((self.name,))
        if terminal:
            self._terminal.inc((self.name,))
        if panic:
            self._panics.inc((self.name,))

    def freeze(self) -> Iterator[Frozen]:
        one = (self.name,)
        yield (
            "controller_runtime_max_concurrent_reconciles",
            "gauge",
            "Maximum number of concurrent reconciles per controller",
            ("controller",),
            [(one, self.workers)],
        )
        yield (
            "controller_runtime_active_workers",
            "gauge",
            "Number of currently used workers per controller",
            ("controller",),
            [(one, self._in_flight())],
        )
        if self._queue is None:
            return
        state, labels, both = self._queue(), ("name", "controller"), self._both
        yield "workqueue_depth", "gauge", "Current depth of workqueue", labels, [(both, sum(state.ready.values()))]
        yield (
            "workqueue_unfinished_work_seconds",
            "gauge",
            "Seconds of work in progress, summed over its items",
            labels,
            [(both, state.unfinished_seconds)],
        )
        yield (
            *(
                "workqueue_longest_running_processor_seconds",
                "gauge",
                "How many seconds the longest running pass takes so far",
                labels,
            ),
            [(both, state.longest_running_seconds)],
        )
        lanes = [((self.name, lane.name.lower()), count) for lane, count in state.ready.items()]
        yield "externalsecrets_queue_ready", "gauge", "Keys that could run now, by lane.", ("controller", "lane"), lanes
        yield (
            "externalsecrets_queue_scheduled",
            "gauge",
            "Keys that wait for their time.",
            ("controller",),
            [(one, state.scheduled)],
        )
        yield (
            "externalsecrets_queue_oldest_overdue_seconds",
            "gauge",
            "Age of the oldest key that could run now.",
            ("controller",),
            [(one, state.oldest_overdue_seconds)],
        )
        parked: Counter[Labels] = Counter()
        for gate, count in state.parked.items():
            parked[self.name, *gate_labels(gate)] += count
        yield (
            "externalsecrets_queue_parked",
            "gauge",
            "Keys that wait for a backend's gate.",
            ("controller", *GATE),
            parked.items(),
        )


class WebhookMeter:
    """Implements the meter of `admission.server`."""

    def __init__(self, metrics: Metrics, paths: Iterable[str]) -> None:
        self._total = metrics._family(
            "controller_runtime_webhook_requests_total",
            "counter",
            "Total number of admission requests by HTTP status code.",
            ("webhook", "code"),
        )
        self._in_flight = metrics._family(
            "controller_runtime_webhook_requests_in_flight",
            "gauge",
            "Current number of admission requests being served.",
            ("webhook",),
        )
        self._seconds = metrics._histogram(
            "controller_runtime_webhook_latency_seconds",
            "Histogram of the latency of processing admission requests",
            ("webhook",),
            WEBHOOK_BUCKETS,
        )
        for path in paths:
            self._in_flight.set((path,), 0)
            self._seconds.child((path,))
            for code in ("200", "500"):
                self._total.inc((path, code), 0)

    def received(self, path: str) -> None:
        self._in_flight.inc((path,))

    def answered(self, path: str, code: int, seconds: float) -> None:
        self._in_flight.inc((path,), -1)
        self._total.inc((path, str(code)))
        self._seconds.observe((path,), seconds)


class _Object:
    """What is told of one object."""

    __slots__ = ("calls", "errors", "extra", "failed", "left", "nanoseconds", "ready", "successes")

    def __init__(self) -> None:
        self.extra: Labels = ()
        self.nanoseconds: int | None = None
        self.ready = ""  # status of the Ready condition; "" when none was told, "Deleted" when the object is gone
        self.left = False  # it went in the pass that runs now
        self.calls = self.errors = self.successes = 0
        self.failed = False  # in the pass that runs now


class ObjectMeter:
    """Duration and Ready condition of the objects of one kind. An object that is gone takes its series with it."""

    def __init__(
        self, metrics: Metrics, kind: str, labels_of: Callable[[Key], Mapping[str, str] | None] | None = None
    ) -> None:
        self._metrics, self.kind = metrics, kind
        self._labels_of = labels_of if metrics.extended_labels else None
        self._extended: Labels = (
            tuple(f"app_kubernetes_io_{label}" for label in EXTENDED) if metrics.extended_labels else ()
        )
        self._records: dict[Key, _Object] = {}

    def names(self) -> Iterable[str]:
        return (name for _, name in self._records)

    def passed(self, key: Key, seconds: float) -> None:
        """A pass has ended."""
        record = self._record(key)
        record.nanoseconds = None if record.left else round(seconds * 1e9)
        record.left = False

    def ready(self, key: Key, status: str) -> None:
        """The Ready condition as just evaluated: True or False."""
        self._record(key).ready = status

    def gone(self, key: Key) -> None:
        self._records.pop(key, None)
        self._metrics.left(self.kind, key)
        if self.kind == "changesource":
            self._metrics.forget_changes(key)
        else:
            self._metrics.forget_store(self.kind, key)

    def forget(self) -> None:
        """Before a scrape: lets go of what need not be told any more."""

    def families(self) -> Iterator[Frozen]:
        records = self._frozen()
        yield self._duration(records)
        yield self._condition(records)

    def _duration(self, records: list[tuple[Labels, _Object]]) -> Frozen:
        samples = [(labels + o.extra, o.nanoseconds) for labels, o in records if o.nanoseconds is not None]
        return (
            f"{self.kind}_reconcile_duration",
            "gauge",
            "The duration time to reconcile, in nanoseconds",
            PLAIN + self._extended,
            samples,
        )

    def _condition(self, records: list[tuple[Labels, _Object]]) -> Frozen:
        samples: list[tuple[Labels, float]] = []
        for labels, record in records:
            match record.ready:
                case "":
                    pass
                case "Deleted":
                    samples.append(((*labels, "Deleted", "False", *record.extra), 1))
                case status:
                    samples += [
                        ((*labels, "Ready", each, *record.extra), int(each == status)) for each in ("True", "False")
                    ]
        return f"{self.kind}_status_condition", "gauge", "The status condition", CONDITION + self._extended, samples

    def _record(self, key: Key) -> _Object:
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = _Object()
            record.extra = ("",) * len(self._extended)
            self._metrics.came(self.kind, key)
        if self._labels_of is not None and (own := self._labels_of(key)) is not None:
            # Only the six known labels: an object labelled name=… must not overwrite whose series this is.
            record.extra = tuple(own.get(f"app.kubernetes.io/{label.replace('_', '-')}", "") for label in EXTENDED)
        return record

    def _frozen(self) -> list[tuple[Labels, _Object]]:
        return [((name, namespace), record) for (namespace, name), record in self._records.copy().items()]


class ExternalSecretMeter(ObjectMeter):
    """Counts passes too. Of an object that is gone `Deleted` and the counters stay for ten minutes."""

    def __init__(
        self,
        metrics: Metrics,
        store_of: Callable[[Key], str] | None = None,
        labels_of: Callable[[Key], Mapping[str, str] | None] | None = None,
    ) -> None:
        super().__init__(metrics, "externalsecret", labels_of)
        self._store_of = store_of or (lambda key: "")
        self._deleted: dict[str, OrderedDict[Key, float]] = {}  # namespace → what went of it, and when
        self._stores: dict[str, str] = {}  # and the namespace whose object brought it in
        self._seconds = metrics._histogram(
            "externalsecrets_sync_duration_seconds",
            "Duration of passes over ExternalSecrets.",
            ("store", "status"),
            CALL_BUCKETS,
        )

    def passed(self, key: Key, seconds: float) -> None:
        record = self._record(key)
        record.calls += 1
        status = "error" if record.failed else "success"
        if not record.failed:
            record.successes += 1
        if not record.left:
            self._seconds.observe((self._store_name(key), status), seconds)
        record.failed = False
        super().passed(key, seconds)

    def _store_name(self, key: Key) -> str:
        """As the object has it, as long as there are not too many, in all and from this namespace."""
        name, (namespace, _) = self._store_of(key), key
        if name and name not in self._stores:
            brought = sum(owner == namespace for owner in self._stores.values())
            if len(self._stores) >= KNOWN_STORES or brought >= OWN_STORES:
                return "other"
            self._stores[name] = namespace
        return name

    def drifted(self, key: Key, manager: str) -> None:
        """The target was found changed by `manager`."""
        self._metrics.drift(key, manager)

    def missed(self, key: Key, slots: int) -> None:
        """Slots that passed while the key was parked: each is a refresh that did not happen."""
        record = self._record(key)
        record.calls += slots
        record.errors += slots

    def errored(self, key: Key) -> None:
        """The pass that runs now has failed; counted once per pass."""
        record = self._record(key)
        if not record.failed:
            record.failed = True
            record.errors += 1

    def ready(self, key: Key, status: str) -> None:
        self._back(key)
        super().ready(key, status)

    def gone(self, key: Key) -> None:
        record = self._record(key)
        record.ready, record.nanoseconds, record.left = "Deleted", None, True
        gone = self._deleted.setdefault(key[0], OrderedDict[Key, float]())
        gone[key] = self._metrics.monotonic()
        gone.move_to_end(key)
        self._metrics.forget_drift(key)
        if len(gone) > OWN_SERIES and sum(map(len, self._deleted.values())) > KEPT_DELETED:
            self._drop(next(iter(gone)))

    def _back(self, key: Key) -> None:
        gone = self._deleted.get(key[0], OrderedDict[Key, float]())
        gone.pop(key, None)
        if not gone:
            self._deleted.pop(key[0], None)

    def _drop(self, key: Key) -> None:
        self._back(key)
        self._records.pop(key, None)

    def forget(self) -> None:
        """Lets go of objects that are gone for ten minutes, and of stores that are not there any more."""
        ended = self._metrics.monotonic() - DELETED_SECONDS
        for gone in list(self._deleted.values()):
            while gone and gone[key := next(iter(gone))] <= ended:
                self._drop(key)
        stores = self._metrics.names_of_stores()
        for name in [name for name in self._stores if stores is not None and name not in stores]:
            del self._stores[name]
            self._seconds.drop(0, name)

    def families(self) -> Iterator[Frozen]:
        records, plain = self._frozen(), PLAIN + self._extended
        yield (
            "externalsecret_sync_calls_total",
            "counter",
            "Total number of the External Secret sync calls",
            plain,
            [(k + o.extra, o.calls) for k, o in records],
        )
        yield (
            "externalsecret_sync_calls_error",
            "counter",
            "Total number of the External Secret sync errors",
            plain,
            [(k + o.extra, o.errors) for k, o in records],
        )
        yield self._duration(records)
        yield self._condition(records)
        by_status = [
            ((*key, status), count)
            for key, o in records
            for status, count in (("success", o.successes), ("error", o.errors))
        ]
        yield (
            "externalsecrets_sync_calls_total",
            "counter",
            "Passes over an ExternalSecret by how they ended.",
            (*PLAIN, "status"),
            by_status,
        )


def gate_labels(gate: str) -> Labels:
    """Level, provider and namespace of a gate, "" for what its name does not have."""
    level, _, rest = gate.partition(":")
    if level not in LEVELS:
        return "other", "", ""
    provider = rest.partition(":")[0] if level in SERVED else ""
    _, at, namespace = rest.rpartition("@") if level in OWNED else ("", "", "")
    return (
        level,
        provider if PROVIDER.fullmatch(provider) else "",
        namespace if at and NAMESPACE.fullmatch(namespace) else "",
    )


def _braces(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value
