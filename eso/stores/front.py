"""The front door of stores: reads, writes and validations for passes, answers for the queue, news from the watches.

Neighbours: reconcile.* reads and validates through here and knows nothing of what lies behind; `app` tells what
changed. The journey of a read: resolve.py → sessions.py → flight.py → batch.py → call.py → gate.py → provider.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

from eso.api.externalsecret import StoreRef
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.observe.meter import UNCOUNTED
from eso.providers.contract import Push, Remote, Source, Validation
from eso.providers.env import Env
from eso.stores.batch import Batches
from eso.stores.call import Calls
from eso.stores.credentials import Ambient
from eso.stores.flight import Flights
from eso.stores.gate import GateClosed, Gates
from eso.stores.newcomers import Newcomers
from eso.stores.pauses import Pauses
from eso.stores.plans import Store
from eso.stores.reads import Reads
from eso.stores.resolve import Rules, resolve
from eso.stores.sessions import Holder, Sessions, gates_of, holder, public_identity
from eso.stores.writes import Writing

VALIDATION = "validation"
WINDOW = 0.05  # seconds that a batch of periodic reads waits for more


class Meter(Protocol):
    def read(self, provider: str, origin: str) -> None: ...
    def auth_failure(self, store: str, namespace: str, kind: str) -> None: ...


class Stores:
    """For every pass of this process. `run()` must be running for calls to be shared, logins renewed and gates
    reopened.

    `validating`: the store kinds whose own passes run here. `window`: seconds that a batch waits for more reads.
    """

    def __init__(
        self,
        rules: Rules,
        rest: Rest,
        gates: Gates,
        env: Env,
        *,
        meter: Meter = UNCOUNTED,
        jitter: Callable[[], float] = random.random,
        ambient: Ambient | None = None,
        validating: Collection[str] = (),
        window: float = WINDOW,
    ) -> None:
        clock = env.clock
        self.newcomers = Newcomers(gates, clock, validating, rules.controller_class)
        self.pauses = Pauses(gates, clock)
        self.rules = replace(rules, unvalidated=self.newcomers.reason, paused=self.pauses.reason)
        self.plans, self.gates = rules.plans, gates
        self.flights = Flights(clock.monotonic, clock.call_later)
        registry = rules.plans.registry
        self.sessions = Sessions(rest, registry, env, gates, self.flights, self._current, ambient or Ambient())
        self.calls = Calls(self.sessions, gates, clock, meter, jitter)
        self.reads = Reads(
            self.rules, self.calls, self.flights, Batches(self.flights, clock, window), env.offload, meter, env.compute
        )
        self.read, self.read_map, self.find = self.reads.read, self.reads.read_map, self.reads.find
        self.probe = self.reads.probe
        self.writing = Writing(self.calls)
        self._public: dict[tuple[str, str, str], dict[Holder, str]] = {}

    async def run(self) -> None:
        """The background work, until cancelled; then calls in flight end and every login is closed."""
        self.calls.parks = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.gates.run(), name="gates")
                group.create_task(self.sessions.run(), name="sessions")
                async with self.flights.open():
                    await asyncio.Event().wait()
        finally:
            self.calls.parks = False

    async def close(self) -> None:
        """Logs everybody out; for callers that never ran `run()`."""
        await self.sessions.close()

    # what a PushSecret's pass asks

    async def reach(self, namespace: str, store: SecretStore) -> None:
        """Logs in, unless the store is logged in. Raises the store's refusal, GateClosed, or what the login raises."""
        await self.calls.session(self.plans.of(store), namespace)

    def closed(self, namespace: str, store: SecretStore) -> GateClosed | None:
        """The gate that would refuse a call now, of a store that is logged in as well."""
        return self.gates.admit(self._gates(store, namespace))

    async def push(self, namespace: str, store: SecretStore, entry: Push, source: Source) -> None:
        """Raises what `writes.Writing` says; here and below also the store's refusal."""
        await self.writing.push(namespace, self.plans.of(store), entry, source)

    async def delete(self, namespace: str, store: SecretStore, remote: Remote) -> None:
        await self.writing.delete(namespace, self.plans.of(store), remote)

    async def exists(self, namespace: str, store: SecretStore, remote: Remote) -> bool:
        return await self.writing.exists(namespace, self.plans.of(store), remote)

    # what a store's own pass asks

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        """(READY or UNKNOWN, capability). Raises ValidationFailed, GateClosed, or the error that kept the client from
        being built."""
        found = self.plans.of(store)
        result = await self.calls.read(found, store.namespace, lambda client: client.validate(), what=VALIDATION)
        return result, found.spec.capability

    def maintained(self, store: SecretStore) -> bool:
        """Whether somebody looks after the provider; True for one that we do not know."""
        try:
            return self.plans.of(store).spec.maintained
        except EsoError:
            return True

    def ambient(self, store: SecretStore) -> bool:
        """Whether the store's own validation logged in with the operator's own cloud identity."""
        found = self.plans.known(store)
        return found is not None and self.sessions.as_operator(found, store.namespace)

    def identity(self, namespace: str, store: StoreRef) -> str | None:
        """A name for the login behind `store`, the same after a restart; None when there is no such store."""
        record = self._record(namespace, store)
        if record is None:
            return None
        try:
            found = self.plans.of(record)
        except EsoError:
            return None
        names = self._public.setdefault((found.view.kind, found.view.namespace, found.view.name), {})
        if not found.per_consumer:
            key = holder(found, namespace)
            if key not in names:
                names[key] = public_identity(found, namespace)
            return names[key]
        return public_identity(found, namespace)  # one per namespace: not kept, namespaces come and go

    def per_consumer(self, namespace: str, store: StoreRef) -> bool:
        """Whether each namespace has a login of its own. Raises what keeps the store from being used."""
        return resolve(store, namespace, self.rules).per_consumer

    # what the queue asks: no provider code runs, nothing waits

    def gates_of(self, namespace: str, store: StoreRef) -> tuple[str, ...]:
        """Names of the gates that a read would go through, for `Gates.admit`; () while no pass has used the store."""
        record = self._record(namespace, store)
        return self._gates(record, namespace) if record is not None else ()

    def gates_of_store(self, store: SecretStore) -> tuple[str, ...]:
        """The same for the store's own validation."""
        return self._gates(store, store.namespace)

    def _gates(self, record: SecretStore, namespace: str) -> tuple[str, ...]:
        found = self.plans.known(record)
        return gates_of(found, namespace, self.sessions.identity(found, namespace)) if found is not None else ()

    def _record(self, namespace: str, ref: StoreRef) -> SecretStore | None:
        """The store, whether or not it may be used now: neither a name nor a gate depends on that."""
        kind, where = ("ClusterSecretStore", "") if ref.cluster_scoped else ("SecretStore", namespace)
        return self.rules.store(kind, where, ref.name)

    # what the watches tell

    def store_changed(self, kind: str, namespace: str, name: str) -> None:
        """The informer's cache has moved: logins of an older generation, or of a store that is gone, are let go."""
        where = (kind, namespace, name)
        record = self.rules.store(*where)
        current = self._current(*where)
        if record is None:
            self.plans.forget(*where)
        self.newcomers.changed(where, record)
        self.pauses.changed(where)
        if any(key[:2] != current for key in self._public.get(where, ())):
            del self._public[where]
        self.sessions.store_changed(kind, namespace, name, current)

    def _current(self, kind: str, namespace: str, name: str) -> tuple[str, int] | None:
        store = self.rules.store(kind, namespace, name)
        return (store.metadata.uid, store.metadata.generation) if store is not None else None

    def credential_changed(self, kind: str, namespace: str, name: str, *, gone: bool = False) -> None:
        """A Secret, ConfigMap or ServiceAccount was written or deleted: stores that log in with it read it again.
        `gone`: it was deleted, or another one of that name took its place; logins that nothing else holds end."""
        self.sessions.credential_changed(kind, namespace, name, gone=gone)

    def logins_with(self, kind: str) -> Collection[tuple[str, str]]:
        """(namespace, name) of the credentials of this kind behind the logins that are known."""
        return self.sessions.logins_with(kind)


__all__ = ["Store", "Stores"]
