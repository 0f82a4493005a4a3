"""Builds what all rooms share, then the rooms: one line for each kind. Nothing here takes part in a pass.

Neighbours: lifecycle.py starts and stops what is built here, vitals.py shows it to probes and metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from eso.api.externalsecret import GeneratorRef
from eso.api.hosts import hosts_of
from eso.api.pushsecret import PUSH_SECRETS, PushSecret
from eso.app.election import lease_of, may_write
from eso.app.flags import ControllerSettings
from eso.app.roomsettings import (
    cluster_external_secret_settings,
    cluster_push_secret_settings,
    external_secret_settings,
    push_secret_settings,
    store_settings,
    validated_kinds,
)
from eso.app.vitals import Vitals
from eso.generators.front import Generators
from eso.generators.registry import Registry as GeneratorKinds
from eso.generators.states import WATCHED_STATES, Owner, States
from eso.kube.catalogue import Catalogue
from eso.kube.config import pod_namespace
from eso.kube.events import Recorder
from eso.kube.ration import Ration
from eso.kube.rest import Access, Rest
from eso.net.http import Pools, Proxies
from eso.net.reach import Reach, addresses_of
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.providers.contract import StoreView
from eso.providers.env import Env
from eso.reconcile.changesource import room as changesource
from eso.reconcile.clusterexternalsecret import room as clusterexternalsecret
from eso.reconcile.clusterpushsecret import room as clusterpushsecret
from eso.reconcile.externalsecret import room as externalsecret
from eso.reconcile.generatorstate import room as generatorstate
from eso.reconcile.kit.accounts import AccountWatch
from eso.reconcile.kit.changes import Changes
from eso.reconcile.kit.room import Room, Shared
from eso.reconcile.kit.storewatch import StoreWatch
from eso.reconcile.kit.watched import WATCHED_NAMESPACES
from eso.reconcile.pushsecret import room as pushsecret
from eso.reconcile.secretstore import room as secretstore
from eso.runtime.clock import Clock
from eso.runtime.container import memory_limit, shares
from eso.runtime.fence import Fence
from eso.runtime.memory import Memory
from eso.runtime.offload import Offload
from eso.runtime.pool import Pool
from eso.runtime.zygote import MEMORY
from eso.stores.credentials import Ambient, Credentials
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import Registry
from eso.stores.resolve import Rules


class Operator:
    """Everything one process is made of. `access` is the API server, `registry` the providers, `clock` the time and
    `environ` the process's variables, for cloud identities."""

    def __init__(
        self,
        settings: ControllerSettings,
        access: Access,
        clock: Clock,
        log: Log,
        *,
        registry: Registry | None = None,
        generators: GeneratorKinds | None = None,
        proxies: Proxies | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings, self.access, self.clock, self.log = settings, access, clock, log
        self.metrics = Metrics(extended_labels=settings.enable_extended_metric_labels, monotonic=clock.monotonic)
        self.rest = Rest(
            access,
            # A write must finish before the lease can expire. Half the duration tolerates a few failed renewals.
            write_timeout=min(10.0, settings.leader_election_lease_duration / 2),
            may_write=may_write(lambda: self.lease),
            counted=self.metrics.api_request,
            group=self.tenant,
            heavy=lambda resource, namespace, name: self.catalogue.heavy(resource, namespace, name),
        )
        # For the Lease itself, and for Events, which may tell that it was lost.
        unfenced = Rest(access, counted=self.metrics.api_request)
        self.recorder = Recorder(unfenced, clock=clock, log=log)
        self.lease = lease_of(settings, unfenced, self.recorder, clock, log)
        sizes = shares(memory_limit(), settings.memory_budget, MEMORY)
        ration = Ration(sizes.passes, self.tenant)
        self.catalogue = Catalogue(self.rest, clock=clock, namespace=settings.namespace, log=log, ration=ration)
        validated = validated_kinds(settings)
        self.accounts = AccountWatch(self.rest, clock=clock, namespace=settings.namespace, log=log)
        watch = StoreWatch(self.catalogue, dict.fromkeys(("SecretStore", *validated)), self.accounts)
        self._tenants = (
            self.catalogue.informer(WATCHED_NAMESPACES) if settings.tenant_label and not settings.namespace else None
        )
        self.gates = Gates(clock, self._release, meter=self.metrics, group=self.tenant)
        rules = Rules(
            watch.store,
            watch.namespace_labels,
            Plans(registry or Registry(), watch.planned),
            controller_class=settings.controller_class,
            flood_gate=settings.enable_flood_gate,
        )
        variables = dict(environ or {})
        self.compute = Pool("eso.app.calls", clock, memory=sizes.worker, group=self.tenant)
        pools, offload = Pools(proxies, reach_of(settings, access.server)), Offload(1, "values", self.tenant)
        self.memory = Memory(sizes.passes, clock, self.tenant)
        env = Env(pools, offload, clock, log, variables, self.compute, self.memory)
        ambient = Ambient(variables, settings.ambient_credentials)
        self.stores = Stores(
            rules,
            self.rest,
            self.gates,
            env,
            meter=self.metrics,
            validating=validated,
            window=settings.read_window,
            ambient=ambient,
        )
        watch.connect(self.stores)
        shared = Shared(
            clock=clock,
            log=log,
            rest=self.rest,
            catalogue=self.catalogue,
            watch=watch,
            gates=self.gates,
            stores=self.stores,
            generators=Generators(
                self.rest,
                env,
                # A generator is served like a SecretStore: every namespace that its spec names is ignored.
                lambda namespace: Credentials(
                    self.rest, StoreView("SecretStore", "", namespace, "", {}), namespace, ambient=ambient
                ),
                States(self.rest, self.catalogue.informer(WATCHED_STATES), settings.generator_gc_grace_period),
                registry=generators,
                tracked=settings.enable_generator_state,
                forgotten=frozenset() if settings.revoke_vault_leases else frozenset({"VaultDynamicSecret"}),
            ),
            recorder=self.recorder,
            metrics=self.metrics,
            compute=self.compute,
            memory=self.memory,
            pass_seconds=settings.pass_timeout,
            changes=Changes(on=hears(settings), most=settings.event_trust),
            group=self.tenant,
        )
        # Stores first: when a gate opens, a store that turns Ready wakes the keys that wait for it.
        self.rooms: list[Room] = [
            *secretstore.rooms(shared, store_settings(settings)),
            externalsecret.room(shared, external_secret_settings(settings)),
            *clusterexternalsecret.rooms(shared, cluster_external_secret_settings(settings)),
            *pushsecret.rooms(shared, push_secret_settings(settings), PushedValues(shared.generators)),
            *clusterpushsecret.rooms(shared, cluster_push_secret_settings(settings)),
            generatorstate.room(shared),
            *change_sources(shared, settings, env, ambient),
        ]
        self.vitals = Vitals(self.rooms, self.catalogue, self.gates, self.lease, self.metrics, log)
        self.metrics.memory(
            lambda: {"budget": self.memory.total, "held": self.memory.used, "peak": self.memory.peak},
            lambda: self.memory.waiting,
        )
        self._fence = Fence("gates", log)

    def tenant(self, namespace: str) -> str:
        """Who shares with whom: namespaces whose label has the same value. Never the name of a namespace, so that one
        without the label stands alone."""
        record = self._tenants.get(("", namespace)) if self._tenants is not None and namespace else None
        value = (record.labels or {}).get(self.settings.tenant_label) if record is not None else None
        return f"tenant {value}" if value else namespace

    def room(self, name: str) -> Room:
        """Raises KeyError for a kind that is not reconciled here."""
        return {room.name: room for room in self.rooms}[name]

    def _release(self, gate: str, count: int) -> int:
        """`count` keys for all rooms together."""
        released = 0
        for room in self.rooms:
            released += self._fence.ask(0, room.release, gate, count - released)
        return released


def reach_of(settings: ControllerSettings, api_server: str) -> Reach:
    """What stores may reach. The API server is known by the address that this process uses."""
    parts = urlsplit(api_server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Reach(
        settings.allow_link_local_stores,
        settings.own_ports(),
        hosts_of(settings.store_hosts_allowed),
        hosts_of(settings.store_hosts_denied),
        addresses_of(parts.hostname or "", port) if settings.deny_api_server_stores else frozenset(),
    )


def listens(settings: ControllerSettings) -> bool:
    """Whether change events may be sent to us."""
    return settings.change_events_addr not in ("", "0")


def hears(settings: ControllerSettings) -> bool:
    """Whether ChangeSources are served."""
    return settings.enable_change_sources or listens(settings)


def change_sources(shared: Shared, settings: ControllerSettings, env: Env, ambient: Ambient) -> list[Room]:
    """The room of ChangeSource with its doors; none unless a flag asks for it."""
    if not hears(settings):
        return []
    from eso.notify.driver import Driver  # most processes hear no events, and signatures need a large library
    from eso.notify.keyring import Keyring
    from eso.notify.limits import Limits
    from eso.notify.receiving import Intakes
    from eso.notify.registry import kinds
    from eso.notify.server import Door, serving

    limits = Limits()

    async def serve(sources: changesource.Sources) -> None:
        keyring = Keyring(env.pools, shared.clock)
        door = Door(
            sources.served,
            sources.take,
            sources.heard,
            keyring,
            clock=shared.clock,
            meter=shared.metrics,
            log=shared.log,
            limits=limits,
        )
        async with serving(settings.change_events_addr, door) as (host, port):
            shared.log.info("change events are accepted", host=host, port=port)
            await asyncio.Event().wait()

    def drive(sources: changesource.Sources) -> Driver:
        intakes = Intakes(sources.take, sources.heard, limits, shared.metrics)
        table = kinds(
            shared.stores,
            shared.changes.readers,
            sources,
            # A source is served like a SecretStore of its namespace.
            lambda namespace: Credentials(
                shared.rest, StoreView("SecretStore", "", namespace, "", {}), namespace, ambient=ambient
            ),
            shared.gates,
            env,
            intakes,
        )
        return Driver(table, sources.told, shared.clock, shared.log, env.holding)

    # Where the Lease is may be somebody else's namespace; it only stands for the own one outside of a pod.
    own = pod_namespace() or settings.leader_election_namespace
    return [changesource.room(shared, own, changesource.Doors(serve if listens(settings) else None, drive))]


@dataclass(frozen=True, slots=True)
class PushedValues:
    """The generators, asked for a PushSecret."""

    generators: Generators

    async def make(self, ps: PushSecret, ref: GeneratorRef) -> Mapping[str, bytes]:
        owner = Owner(PUSH_SECRETS, ps.metadata)
        return await self.generators.for_push(owner, ref, ps.status.refresh_time)

    async def superseded(self, ps: PushSecret) -> None:
        await self.generators.after_push(Owner(PUSH_SECRETS, ps.metadata))
