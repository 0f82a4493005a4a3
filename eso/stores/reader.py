"""The front door: resolve → gate → session → flight → provider, for a pass that wants bytes.

Neighbours: reconcile.* reads and validates through here and knows nothing of what lies behind; wiring.py tells what
changed. Tries again as the store's retrySettings say, logs in again once when a login ran out; whatever else fails is
the caller's, typed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sized
from typing import Any, Protocol, TypeVar

from eso.api.externalsecret import StoreRef
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.gocompat.duration import DurationError, parse_duration
from eso.kube.rest import Rest
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Find,
    InvalidConfig,
    NotYet,
    RemoteRef,
    StoreClient,
    Throttled,
    Unavailable,
    Validation,
)
from eso.runtime.clock import Clock
from eso.runtime.offload import Offload
from eso.secretbytes import SecretBytes
from eso.stores.flight import Flights
from eso.stores.gate import GateClosed, Gates, foreign, identity_gate, typed
from eso.stores.resolve import Rules, Store, resolve, usable
from eso.stores.sessions import (
    Holder,
    Log,
    Session,
    Sessions,
    endpoint_of,
    holder,
    places_of,
    public_identity,
    rejected,
)

T = TypeVar("T")
LARGE = 64 << 10  # bytes
MOST_RETRIES, LONGEST_RETRY = 10, 60.0  # what a store may ask for, and seconds: a pass that waits keeps a place


class Meter(Protocol):
    def read(self, provider: str, origin: str) -> None: ...
    def auth_failure(self, store: str, namespace: str, kind: str) -> None: ...


class Unmetered:
    def read(self, provider: str, origin: str) -> None: ...
    def auth_failure(self, store: str, namespace: str, kind: str) -> None: ...


class Reader:
    """Reads for every pass of this process. `run()` must be running for calls to be shared, logins renewed and gates
    reopened."""

    def __init__(
        self,
        rules: Rules,
        rest: Rest,
        gates: Gates,
        clock: Clock,
        *,
        log: Log | None = None,
        meter: Meter | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.rules, self.gates, self.clock, self.jitter = rules, gates, clock, jitter
        self.meter: Meter = meter or Unmetered()
        self.flights = Flights(lambda: clock.now().timestamp())
        self.sessions = Sessions(rest, gates, self.flights, clock, self._current, log)
        self.offload = Offload(threads=1, name="values")
        self._public: dict[tuple[str, str, str], dict[Holder, str]] = {}

    async def run(self) -> None:
        """The background work, until cancelled; then calls in flight end and every login is closed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.gates.run(), name="gates")
            group.create_task(self.sessions.run(), name="sessions")
            async with self.flights.open():
                await asyncio.Event().wait()

    async def close(self) -> None:
        """Logs everybody out; for callers that never ran `run()`."""
        await self.sessions.close()

    # reading

    async def read(self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None) -> SecretBytes:
        """One value for a consumer in `namespace`. `since`: seconds since the epoch; older flights are not joined.

        Raises GateClosed, NotFound (proven), or another EsoError; no text holds a value.
        """
        client, payload = await self._fetch(namespace, store, ref, since)
        return SecretBytes(await self._taken(namespace, payload, lambda: client.value(payload, ref)))

    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None
    ) -> dict[str, SecretBytes]:
        """All members of one remote secret. Errors as `read`."""
        client, payload = await self._fetch(namespace, store, ref, since)
        return hidden(await self._taken(namespace, payload, lambda: client.mapping(payload, ref)))

    async def _taken(self, namespace: str, payload: Any, take: Callable[[], T]) -> T:
        """In a thread where the payload says that it is large: a path into a megabyte of JSON is work."""
        large = isinstance(payload, Sized) and len(payload) > LARGE
        return await self.offload.run_for(namespace, take) if large else take()

    async def find(
        self, namespace: str, store: StoreRef, find: Find, since: float | None = None
    ) -> dict[str, SecretBytes]:
        """Every remote secret that `find` matches. Errors as `read`."""
        found = resolve(store, namespace, self.rules)
        session = await self._session(found, namespace)
        # Two stores of one identity may look at different mounts: a search is shared within its store only.
        key = (session.digest, found.view.uid, found.view.generation, find)
        return hidden(await self._fly(found, namespace, key, lambda client: client.find(find), since))

    async def _fetch(
        self, namespace: str, ref: StoreRef, remote: RemoteRef, since: float | None
    ) -> tuple[StoreClient, Any]:
        store = resolve(ref, namespace, self.rules)
        session = await self._session(store, namespace)
        client = session.client.bind(store.view)
        request = client.request(remote)
        return client, await self._fly(
            store, namespace, (session.digest, request), lambda bound: bound.fetch(request), since
        )

    async def _fly(
        self,
        store: Store,
        namespace: str,
        key: Hashable,
        ask: Callable[[StoreClient], Awaitable[T]],
        since: float | None,
    ) -> T:
        """One shared read, counted by where its answer came from."""
        provider = store.view.provider

        async def call() -> T:
            self.meter.read(provider, "call")
            return await self._call(store, namespace, ask)

        def joined() -> None:
            self.meter.read(provider, "flight")

        try:
            return await self.flights.fly(key, call, since, joined)
        except GateClosed as closed:
            endpoint = endpoint_of(store, namespace)
            if not foreign(closed, endpoint):
                raise
        return await self.flights.fly((endpoint, key), call, since, joined)

    # what a store's own pass asks

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        """(READY or UNKNOWN, capability). Raises ValidationFailed, GateClosed, or the error that kept the client from
        being built."""
        registry = self.rules.registry
        if all(registry.loaded(key) for key in store.spec.provider):
            found = usable(store, registry)
        else:
            found = await asyncio.to_thread(usable, store, registry)  # an SDK takes up to half a second to import
        result = await self._call(found, store.namespace, lambda client: client.validate())
        return result, found.provider.capability

    def maintained(self, store: SecretStore) -> bool:
        """Whether somebody looks after the provider; True for one that we do not know."""
        try:
            return usable(store, self.rules.registry).provider.maintained
        except EsoError:
            return True

    def references(self, store: SecretStore) -> list[tuple[str, str, str]]:
        """(kind, namespace, name) of every credential; namespace "" = the consumer's. Empty for a store that cannot
        work."""
        try:
            found = usable(store, self.rules.registry)
            return places_of(found, store.namespace)
        except EsoError:
            return []

    # what the queue and the schedule ask: nothing here waits

    def identity(self, namespace: str, store: StoreRef) -> str | None:
        """A name for the login behind `store`, the same after a restart; None when there is no such store."""
        found = self._named(namespace, store)
        if found is None:
            return None
        names = self._public.setdefault((found.view.kind, found.view.namespace, found.view.name), {})
        key = holder(found, namespace)
        if key not in names:
            names[key] = public_identity(found, namespace)
        return names[key]

    def gates_of(self, namespace: str, store: StoreRef) -> tuple[str, ...]:
        """Names of the gates that a read would go through, for `Gates.admit`; () when the store cannot be used."""
        found = self._named(namespace, store)
        return self._gates(found, namespace) if found else ()

    def gates_of_store(self, store: SecretStore) -> tuple[str, ...]:
        """The same for the store's own validation."""
        try:
            found = usable(store, self.rules.registry)
        except EsoError:
            return ()
        return self._gates(found, store.namespace)

    def _named(self, namespace: str, ref: StoreRef) -> Store | None:
        """The store, whether or not it may be used now: neither a name nor a gate depends on that."""
        kind, where = ("ClusterSecretStore", "") if ref.cluster_scoped else ("SecretStore", namespace)
        try:
            found = self.rules.store(kind, where, ref.name)
            return usable(found, self.rules.registry) if found is not None else None
        except EsoError:
            return None

    def _gates(self, store: Store, namespace: str) -> tuple[str, ...]:
        digest = self.sessions.identity(store, namespace)
        endpoint = endpoint_of(store, namespace)
        return (endpoint, identity_gate(digest)) if digest else (endpoint,)

    # what the watches tell

    def store_changed(self, kind: str, namespace: str, name: str) -> None:
        """The informer's cache has moved: logins of an older generation, or of a store that is gone, are let go."""
        current = self._current(kind, namespace, name)
        if current is None:
            self.rules.registry.forget(kind, namespace, name)
        if any(key[:2] != current for key in self._public.get((kind, namespace, name), ())):
            del self._public[kind, namespace, name]
        self.sessions.store_changed(kind, namespace, name, current)

    def _current(self, kind: str, namespace: str, name: str) -> tuple[str, int] | None:
        store = self.rules.store(kind, namespace, name)
        return (store.metadata.uid, store.metadata.generation) if store is not None else None

    def credential_changed(self, kind: str, namespace: str, name: str) -> None:
        """A Secret, ConfigMap or ServiceAccount was written or deleted: whoever logged in with it looks again."""
        self.sessions.credential_changed(kind, namespace, name)

    # one call

    async def _session(self, store: Store, namespace: str) -> Session:
        return await self._again(store, namespace, lambda: self.sessions.session(store, namespace))

    async def _call(self, store: Store, namespace: str, ask: Callable[[StoreClient], Awaitable[T]]) -> T:
        """`ask` under the gates, tried again as the store says; a login that ran out is replaced once."""
        fresh = False

        async def once() -> T:
            nonlocal fresh
            while True:
                session = await self.sessions.session(store, namespace)
                with self.sessions.using(session) as client:
                    try:
                        async with self.gates.call(endpoint_of(store, namespace), identity_gate(session.digest)):
                            try:
                                return await ask(client.bind(store.view))
                            except EsoError as error:
                                if fresh and ran_out(error):
                                    raise rejected(error)  # noqa: B904  # it carries the cause that the gate reads
                                raise
                    except EsoError as error:
                        if fresh or not ran_out(error):
                            raise
                fresh = True
                await self.sessions.log_in_again(store, namespace, session, client)

        return await self._again(store, namespace, once)

    async def _again(self, store: Store, namespace: str, call: Callable[[], Awaitable[T]]) -> T:
        """Retries what may pass by itself, as long as the gate lets us. A gate that closed meanwhile parks the caller
        instead of failing it."""
        left, seconds = retries(store)
        while True:
            try:
                return await call()
            except GateClosed:
                raise
            except EsoError as error:
                cause = typed(error)
                if isinstance(cause, AuthRejected):
                    self.meter.auth_failure(store.view.name, store.view.namespace, store.view.kind)
                if not isinstance(cause, Unavailable | Throttled | NotYet):
                    raise
                try:
                    self.gates.check(endpoint_of(store, namespace))
                except GateClosed as closed:
                    raise closed from error
                if left <= 0:
                    raise
                left -= 1
            await self.clock.sleep(seconds * (1 + 0.5 * self.jitter()))


def retries(store: Store) -> tuple[int, float]:
    """(how often, seconds between). A provider that never retries ignores the store's settings, as in the reference.
    Raises InvalidConfig."""
    default, settings = store.provider.retries, store.view.retry_settings
    if default == (0, 0.0) or settings is None:
        return default
    return min(MOST_RETRIES, max(0, int(settings.get("maxRetries") or 0))), min(
        LONGEST_RETRY, interval(settings, default[1])
    )


def interval(settings: Mapping[str, Any], default: float) -> float:
    text = settings.get("retryInterval")
    if not text:
        return default
    try:
        return max(0.0, parse_duration(str(text)))
    except DurationError as error:
        raise InvalidConfig(f"failed to parse retryInterval: {error}", fix="write a Go duration such as 2s") from error


def ran_out(error: BaseException | None) -> bool:
    """Does the backend say that the login ended, be it inside a wrapper?"""
    while error is not None:
        if isinstance(error, AuthExpired):
            return True
        error = error.__cause__
    return False


def hidden(values: Mapping[str, bytes]) -> dict[str, SecretBytes]:
    return {name: SecretBytes(value) for name, value in values.items()}
