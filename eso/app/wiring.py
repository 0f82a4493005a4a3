"""Builds each object once and tells it who its neighbours are: the only module that knows everybody.

Neighbours: lifecycle.py starts and stops what is built here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef, decode_external_secret
from eso.api.meta import CONFIG_MAPS, LEASES, NAMESPACES, SECRETS, ObjectMeta, Resource, Undecodable
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore, decode_secret_store
from eso.app.flags import ControllerSettings
from eso.errors import EsoError
from eso.kube.config import pod_namespace
from eso.kube.events import Recorder
from eso.kube.informer import Informer
from eso.kube.lease import Lease, LeaseTimes, new_identity
from eso.kube.rest import Access, Rest
from eso.net.http import Pools, Proxies
from eso.net.reach import Reach
from eso.observe.health import Health
from eso.observe.metrics import Metrics
from eso.providers.env import Env
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.externalsecret.readplan import stores_of
from eso.reconcile.externalsecret.reconcile import PassSettings, ReconcileExternalSecret
from eso.reconcile.externalsecret.records import Sight, TargetRecord, target_record
from eso.reconcile.externalsecret.targets import Targets
from eso.reconcile.externalsecret.triggers import SOURCE_CHANGED, Key, ReverseIndex, Triggers
from eso.reconcile.kit.event import Event
from eso.reconcile.secretstore.reconcile import ReconcileStore
from eso.reconcile.secretstore.report import Event as StoreEvent
from eso.runtime.backoff import backoff
from eso.runtime.clock import Clock
from eso.runtime.controller import Controller
from eso.runtime.offload import Offload
from eso.runtime.outcome import Lane, Parked
from eso.runtime.watchdog import Limit, Reading, Watchdog
from eso.runtime.workqueue import WorkQueue
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans, Store
from eso.stores.registry import Registry
from eso.stores.resolve import Rules
from eso.template.apply import Terms

STORE_KINDS = {"SecretStore": SECRET_STORES, "ClusterSecretStore": CLUSTER_SECRET_STORES}
STORE_COMPONENTS = {"SecretStore": "secret-store", "ClusterSecretStore": "cluster-secret-store"}
STORE_WORKERS = 32
QUEUE_LIMIT = Limit(60.0, 600.0)  # a dispatch stalled for so long: told, then unhealthy
WATCH_LIMIT = Limit(600.0)  # an API server that is away is no reason to restart


class NamespaceRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a Namespace."""

    name: str
    resource_version: str
    labels: dict[str, str]
    namespace: str = ""


class ConfigMapRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a ConfigMap that something refers to."""

    namespace: str
    name: str
    resource_version: str


class _Object(msgspec.Struct):
    metadata: ObjectMeta


_object = msgspec.json.Decoder(_Object)


def namespace_record(raw: msgspec.Raw) -> NamespaceRecord:
    meta = _object.decode(raw).metadata
    return NamespaceRecord(meta.name, meta.resource_version, meta.labels)


def config_map_record(raw: msgspec.Raw) -> ConfigMapRecord:
    meta = _object.decode(raw).metadata
    return ConfigMapRecord(meta.namespace, meta.name, meta.resource_version)


class World:
    """What the informers know, as the rooms below ask for it."""

    external_secrets: Informer[ExternalSecret | Undecodable]
    stores: dict[str, Informer[SecretStore | Undecodable]]
    namespaces: Informer[NamespaceRecord] | None
    secrets: Informer[TargetRecord]
    config_maps: Informer[ConfigMapRecord]

    def external_secret(self, key: Key) -> ExternalSecret | Undecodable | None:
        return self.external_secrets.get(key)

    def learned(self, raw: bytes) -> None:
        self.external_secrets.learned(raw)

    def store(self, kind: str, namespace: str, name: str) -> SecretStore | None:
        informer = self.stores.get(kind)
        record = informer.get((namespace, name)) if informer else None
        return record if isinstance(record, SecretStore) else None

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        if ref.kind not in ("", *STORE_KINDS):
            raise EsoError(f"unsupported secret store kind: {ref.kind}", fix="use SecretStore or ClusterSecretStore")
        found = self.store(
            "ClusterSecretStore" if ref.cluster_scoped else "SecretStore",
            "" if ref.cluster_scoped else namespace,
            ref.name,
        )
        return found.spec.controller if found else None

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        record = self.namespaces.get(("", namespace)) if self.namespaces is not None else None
        return record.labels if record else None

    def secret(self, namespace: str, name: str) -> TargetRecord | None:
        return self.secrets.get((namespace, name))

    def labelled(self, namespace: str, created_by: str) -> list[TargetRecord]:
        return self.secrets.by("owner", (namespace, created_by))

    @property
    def informers(self) -> list[Informer[Any]]:
        """In the order in which their first lists are wanted: what Secrets mean is known only once everybody who refers
        to them is."""
        namespaces = [self.namespaces] if self.namespaces is not None else []
        return [*self.stores.values(), *namespaces, self.external_secrets, self.secrets, self.config_maps]


class Operator:
    """Everything one process is made of. `access` is the API server, `registry` the providers, `clock` the time."""

    def __init__(
        self,
        settings: ControllerSettings,
        access: Access,
        clock: Clock,
        log: Any,
        *,
        registry: Registry | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self.settings, self.clock, self.log = settings, clock, log
        self.metrics = Metrics(extended_labels=settings.enable_extended_metric_labels)
        self.lease: Lease | None = None
        # A write must be over before the lease can be: half of it leaves room for a few renewals that fail.
        self.rest = Rest(
            access,
            write_timeout=min(10.0, settings.leader_election_lease_duration / 2),
            may_write=self._may_write,
            counted=self.metrics.api_request,
        )
        # for the Lease itself and for Events, which may tell that it was lost
        self.unfenced = Rest(access, counted=self.metrics.api_request)
        self.recorder = Recorder(self.unfenced, clock=clock, log=log)
        if settings.enable_leader_election:
            self.lease = self._lease()
        self.offload = Offload(threads=1)  # each further one takes as much of the interpreter as the loop gets
        self.world = World()
        self.gates = Gates(clock, self._release, meter=self.metrics)
        reach = Reach(settings.allow_link_local_stores, settings.own_ports())
        env = Env(Pools(proxies, reach), Offload(threads=1, name="values"), clock, log)
        self.stores = Stores(
            self._rules(registry or Registry()),
            self.rest,
            self.gates,
            env,
            meter=self.metrics,
            validating=self._store_kinds(),
        )
        self.targets = Targets(self.rest, self.world.secret, self.world.labelled, self._secret_seen)
        self.index, self.store_index = ReverseIndex(), ReverseIndex()
        self._meters = {name: self.metrics.controller(name, workers) for name, workers in self._workers().items()}
        self.queue = WorkQueue(
            clock,
            gate_epoch=self.gates.epoch,
            admit=self._admit,
            log=log,
            meter=self._meters["externalsecret"],
            workers=settings.passes_in_flight,
        )
        self.triggers = Triggers(
            self.index, self.queue.add, lambda key: self.world.external_secrets.get(key), clock.now
        )
        self.generic = GenericTargets(
            self.rest,
            self._generic_changed,
            namespace=settings.namespace,
            log=log,
            enabled=settings.unsafe_allow_generic_targets,
        )
        self.store_queues = {
            kind: WorkQueue(
                clock,
                gate_epoch=self.gates.epoch,
                admit=lambda key, kind=kind: self._admit_store(kind, key),  # type: ignore[misc]  # a default argument binds the loop's value
                meter=self._meters[kind.lower()],
                log=log,
                workers=STORE_WORKERS,
            )
            for kind in self._store_kinds()
        }
        self._inform()
        self.controllers = [
            self._external_secret_controller(),
            *(self._store_controller(kind) for kind in self.store_queues),
        ]
        self.watchdog = Watchdog(log=log, meter=self.metrics)
        self.health = Health()
        self._observe()

    # what is built

    def _store_kinds(self) -> list[str]:
        enabled = {
            "SecretStore": self.settings.enable_secret_store_reconciler,
            "ClusterSecretStore": self.settings.enable_cluster_store_reconciler,
        }
        return [kind for kind, on in enabled.items() if on]

    def _workers(self) -> dict[str, int]:
        """Controller → passes in flight."""
        return {"externalsecret": self.settings.passes_in_flight} | {
            kind.lower(): STORE_WORKERS for kind in self._store_kinds()
        }

    def _rules(self, registry: Registry) -> Rules:
        return Rules(
            self.world.store,
            self.world.namespace_labels,
            Plans(registry, self._planned),
            controller_class=self.settings.controller_class,
            flood_gate=self.settings.enable_flood_gate,
        )

    def _lease(self) -> Lease:
        flags, name = self.settings, self.settings.leader_election_id
        namespace = flags.leader_election_namespace or pod_namespace()
        if not namespace:
            raise EsoError(
                "leader election needs a namespace, and this process runs in no pod",
                fix="give --leader-election-namespace",
            )
        times = LeaseTimes(
            flags.leader_election_lease_duration,
            flags.leader_election_renew_deadline,
            flags.leader_election_retry_period,
        )

        def told(message: str) -> None:
            assert self.lease is not None
            meta = ObjectMeta(name=name, namespace=namespace, uid=self.lease.uid)
            self.recorder.emit(self.lease.identity, LEASES, meta, "Normal", "LeaderElection", message)

        return Lease(self.unfenced, namespace, name, new_identity(), times, clock=self.clock, told=told, log=self.log)

    def _inform(self) -> None:
        one, world = self.settings.namespace, self.world
        common: dict[str, Any] = {"clock": self.clock, "log": self.log}
        world.stores = {
            kind: Informer(
                self.rest,
                resource,
                decode_secret_store,
                lambda old, new, kind=kind: self._store_changed(kind, old, new),  # type: ignore[misc]  # as above
                namespace=one if resource.namespaced else "",
                **common,
            )
            for kind, resource in STORE_KINDS.items()
            if kind in self._store_kinds() or kind == "SecretStore"
        }
        cluster_wide = "ClusterSecretStore" in world.stores
        world.namespaces = (
            Informer(self.rest, NAMESPACES, namespace_record, self._namespace_changed, metadata_only=True, **common)
            if cluster_wide
            else None
        )
        world.external_secrets = Informer(
            self.rest, EXTERNAL_SECRETS, decode_external_secret, self._external_secret_changed, namespace=one, **common
        )
        world.secrets = Informer(
            self.rest,
            SECRETS,
            target_record,
            self._secret_changed,
            namespace=one,
            metadata_only=True,
            **common,
        )
        world.secrets.index("owner", lambda r: [(r.namespace, r.created_by)] if r.created_by else [])
        world.config_maps = Informer(
            self.rest,
            CONFIG_MAPS,
            config_map_record,
            self._config_map_changed,
            namespace=one,
            metadata_only=True,
            keep=self._referenced,
            **common,
        )

    def _external_secret_controller(self) -> Controller:
        flags = self.settings
        passes = ReconcileExternalSecret(
            self.world,
            self.targets,
            self.generic,
            self.stores,
            self.rest,
            PassSettings(
                controller_class=flags.controller_class,
                cluster_stores=flags.enable_cluster_store_reconciler,
                generic_targets=flags.unsafe_allow_generic_targets,
                heartbeat_seconds=flags.status_heartbeat,
                terms=Terms(flags.template_left_delimiter, flags.template_right_delimiter),
            ),
            identity=self.stores.identity,
            emit=self._emit,
            offload=self.offload.run_for,
            sharing=self.triggers.sharing,
            meter=self.metrics.external_secrets(store_of=self._store_of, labels_of=self._labels_of),
            monotonic=self.clock.monotonic,
            log=self.log,
        )
        return Controller(
            "externalsecret",
            self.queue,
            passes.reconcile,
            self.clock,
            flags.passes_in_flight,
            log=self.log,
            meter=self._meters["externalsecret"],
            kind="ExternalSecret",
        )

    def _store_controller(self, kind: str) -> Controller:
        resource = STORE_KINDS[kind]
        passes = ReconcileStore(
            resource,
            lambda key: self.world.store(kind, *key),
            self.stores,
            self.rest,
            controller_class=self.settings.controller_class,
            requeue_seconds=self.settings.store_requeue_interval,
            emit=lambda store, event: self._emit_store(resource, store, event),
            meter=self.metrics.objects(kind.lower()),
            monotonic=self.clock.monotonic,
            log=self.log,
        )
        name = kind.lower()
        return Controller(
            name,
            self.store_queues[kind],
            passes.reconcile,
            self.clock,
            STORE_WORKERS,
            log=self.log,
            meter=self._meters[name],
            kind=kind,
        )

    # what gates and queues ask each other

    def _may_write(self, seconds: float) -> bool:
        return self.lease is None or self.lease.holds_for(seconds)

    def _release(self, gate: str, count: int) -> int:
        """Stores first: a store that turns Ready wakes everybody who waits for it."""
        released = 0
        for queue in (*self.store_queues.values(), self.queue):
            released += queue.release(gate, count - released)
        return released

    def _admit(self, key: Key) -> Parked | None:
        """Parks a key that would only meet a closed gate, once its condition has told so; until then a pass must tell
        it."""
        es = self.world.external_secrets.get(key)
        if (
            not isinstance(es, ExternalSecret)
            or es.metadata.deletion_timestamp is not None
            or self.triggers.synced(key)
            or not es.status.conditions
        ):
            return None
        namespace = es.metadata.namespace
        closed = self.gates.admit(
            dict.fromkeys(name for ref in stores_of(es.spec) for name in self.stores.gates_of(namespace, ref))
        )
        return Parked(closed.gate, closed.epoch) if closed else None

    def _admit_store(self, kind: str, key: Key) -> Parked | None:
        store = self.world.store(kind, *key)
        if store is None or store.ready or not store.status.conditions:
            return None
        closed = self.gates.admit(self.stores.gates_of_store(store))
        return Parked(closed.gate, closed.epoch) if closed else None

    def _planned(self, store: Store) -> None:
        """Its credentials are known now: news of one of them reaches the store."""
        view = store.view
        tokens = {(kind, namespace or view.namespace, name) for kind, namespace, name in store.plan.references}
        self.store_index.put((view.kind, f"{view.namespace}/{view.name}"), tokens)

    # what the watches tell

    def _store_changed(
        self, kind: str, old: SecretStore | Undecodable | None, new: SecretStore | Undecodable | None
    ) -> None:
        record = new or old
        assert record is not None
        key = (record.metadata.namespace, record.metadata.name)
        self.stores.store_changed(kind, *key)
        if not isinstance(new, SecretStore):
            self.store_index.drop((kind, "/".join(key)))
            if kind in self.store_queues:
                # its series go in a pass, after one that may run now
                self.store_queues[kind].add(key, Lane.NEW, "gone")
            return
        before = old if isinstance(old, SecretStore) else None
        self.triggers.store(before, new)
        edited = before is None or (before.metadata.uid, before.metadata.generation) != (
            new.metadata.uid,
            new.metadata.generation,
        )
        if kind in self.store_queues and (
            edited or before is None or before.metadata.annotations != new.metadata.annotations
        ):
            self.store_queues[kind].add(key, Lane.NEW, "changed")

    def _external_secret_changed(
        self, old: ExternalSecret | Undecodable | None, new: ExternalSecret | Undecodable | None
    ) -> None:
        self.triggers.external_secret(old, new)
        if isinstance(old, ExternalSecret) and ("Target", old.namespace, old.target_name) not in self.index:
            self.targets.released((old.namespace, old.target_name))

    def _secret_changed(self, old: TargetRecord | None, new: TargetRecord | None) -> None:
        record = new or old
        assert record is not None
        sight = self.targets.observed(old, new)
        # The first list is no news: every ExternalSecret gets its pass anyway.
        if sight is not None and self.world.secrets.has_synced.is_set():
            self._secret_seen(record, sight, appeared=old is None)

    def _secret_seen(self, record: TargetRecord, sight: Sight, *, appeared: bool = False) -> None:
        self.triggers.secret(record, sight, appeared=appeared)
        self._credential_changed("Secret", record.namespace, record.name)

    def _config_map_changed(self, old: ConfigMapRecord | None, new: ConfigMapRecord | None) -> None:
        record = new or old
        assert record is not None
        if self.world.config_maps.has_synced.is_set():
            self.triggers.depended("ConfigMap", record.namespace, record.name, SOURCE_CHANGED)
            self._credential_changed("ConfigMap", record.namespace, record.name)

    def _credential_changed(self, kind: str, namespace: str, name: str) -> None:
        """Of a store; of the consumer's namespace, when the store names none."""
        stores, referent = self.store_index.keys((kind, namespace, name)), self.store_index.keys((kind, "", name))
        if stores or referent:
            self.stores.credential_changed(kind, namespace, name)
        for store_kind, where in stores:
            key = (where.partition("/")[0], where.partition("/")[2])
            if store_kind in self.store_queues:
                self.store_queues[store_kind].add(key, Lane.EVENT, "credential changed")
            self.triggers.depended(store_kind, *key, "credential changed")
        for store_kind, where in referent:  # each namespace has its own: nobody else logs in with this one
            self.triggers.depended(store_kind, "", where.partition("/")[2], "credential changed", within=namespace)

    def _namespace_changed(self, old: NamespaceRecord | None, new: NamespaceRecord | None) -> None:
        if old is not None and new is not None:
            self.triggers.namespace(new.name, old.labels, new.labels)

    def _generic_changed(self, api_version: str, kind: str, namespace: str, name: str, writer: Key | None) -> None:
        self.triggers.target(namespace, name, f"{api_version}/{kind}", writer)

    def _referenced(self, record: ConfigMapRecord) -> bool:
        tokens = (("ConfigMap", record.namespace, record.name), ("ConfigMap", "", record.name))
        return tokens[0] in self.index or any(token in self.store_index for token in tokens)

    # what is told

    def _emit(self, es: ExternalSecret | Undecodable, event: Event) -> None:
        again = timedelta(seconds=backoff(self.queue.failures((es.namespace, es.name))))
        self.recorder.emit(
            "external-secrets",
            EXTERNAL_SECRETS,
            es.metadata,
            event.type,
            event.reason,
            event.message,
            next_attempt=self.clock.now() + again if event.again else None,
        )

    def _emit_store(self, resource: Resource, store: SecretStore, event: StoreEvent) -> None:
        self.recorder.emit(
            STORE_COMPONENTS[resource.kind], resource, store.metadata, event.type, event.reason, event.message
        )

    def _observe(self) -> None:
        """Gauges and checks: read when somebody asks."""
        for name, queue in (
            ("externalsecret", self.queue),
            *((kind.lower(), queue) for kind, queue in self.store_queues.items()),
        ):
            meter = self._meters[name]
            meter.observe(queue.snapshot, lambda name=name: self._in_flight(name))  # type: ignore[misc]  # binds the loop's value
            self.watchdog.watch(f"queue {name}", lambda queue=queue: self._overdue(queue), QUEUE_LIMIT)  # type: ignore[misc]  # binds the loop's value
        for informer in self.world.informers:
            self.watchdog.watch(
                f"watch {informer.resource.plural}",
                lambda informer=informer: Reading(informer.age()),  # type: ignore[misc]  # as above
                WATCH_LIMIT,
            )
        self.metrics.gates(self.gates.states)
        self.metrics.watchdog(self.watchdog.readings)
        self.metrics.watches(lambda: {informer.resource.plural: informer.age() for informer in self.world.informers})
        self.metrics.secrets(self._by_provider)
        self.health.live("watchdog", self.watchdog.unhealthy)
        self.health.ready("caches", self._unsynced)

    def _in_flight(self, name: str) -> int:
        return next(controller.in_flight for controller in self.controllers if controller.name == name)

    def _overdue(self, queue: WorkQueue) -> Reading:
        if self.lease is not None and not self.lease.leading:
            return Reading()  # a standby's queue fills and nobody is late
        state = queue.snapshot()
        return Reading(state.stalled_seconds, "/".join(state.oldest_overdue_key or ()))

    def _unsynced(self) -> str:
        late = [informer.resource.plural for informer in self.world.informers if not informer.has_synced.is_set()]
        return f"first lists not complete: {', '.join(late)}" if late else ""

    def _by_provider(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for es in self.world.external_secrets.values():
            ref = es.spec.secret_store_ref if isinstance(es, ExternalSecret) else None
            store = (
                self.world.store(
                    "ClusterSecretStore" if ref.cluster_scoped else "SecretStore",
                    "" if ref.cluster_scoped else es.namespace,
                    ref.name,
                )
                if ref
                else None
            )
            provider = next(iter(store.spec.provider), "") if store else ""
            counts[provider] = counts.get(provider, 0) + 1
        return counts

    def _store_of(self, key: Key) -> str:
        es = self.world.external_secrets.get(key)
        ref = es.spec.secret_store_ref if isinstance(es, ExternalSecret) else None
        return ref.name if ref else ""

    def _labels_of(self, key: Key) -> Mapping[str, str] | None:
        es = self.world.external_secrets.get(key)
        return es.metadata.labels if es is not None else None
