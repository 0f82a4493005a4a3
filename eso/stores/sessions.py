"""One login per identity: opened when first needed, renewed ahead of its end, replaced once when it ran out, closed
when nobody is left.

Neighbours: call.py borrows a session for each call, credentials.py reads what a login needs, flight.py makes equal
logins one. An identity is a provider, an endpoint, the login part of the store's spec and the content of its
credentials.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import orjson

from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Consumer,
    Place,
    Quota,
    StoreClient,
    naming,
)
from eso.providers.env import Env
from eso.stores.credentials import Ambient, Credentials, namespace_of
from eso.stores.flight import Flights
from eso.stores.gate import GateClosed, Gates, Route, endpoint_gate, foreign, identity_gate, route
from eso.stores.plans import Store
from eso.stores.registry import Registry

SWEEP: Final = 1.0  # seconds between two looks at all sessions
GRACE: Final = 30.0  # seconds that a session without a store is kept: an edited store usually logs in as before
RENEW_AT: Final = 2 / 3  # of the lifetime
LAST_WORDS: Final = 5.0  # seconds for all logouts when the process stops; tokens end by themselves later

Holder = tuple[str, int, str]  # store uid, its generation, the consumer's namespace where the login depends on it
Current = Callable[[str, str, str], tuple[str, int] | None]


class Log(Protocol):
    def warning(self, event: str, **fields: Any) -> Any: ...


@dataclass(eq=False, slots=True)
class Session:
    """One login. `client` is replaced by renewals; `users` are calls in flight on the present client."""

    digest: str
    store: Store  # the one that opened it last can open it again
    namespace: str
    client: StoreClient
    since: float
    used: float
    users: dict[int, int] = field(default_factory=dict)  # id(client) → calls in flight
    retired: list[StoreClient] = field(default_factory=list)  # to be closed once their last call is back
    orphaned: float | None = None  # when its last store went
    renew_after: float = 0.0  # not before, after a renewal failed
    trailing: tuple[str, ...] = ()  # credentials that end in a line break, until a call shows that they are good
    ambient: bool = False  # the login used the operator's own cloud identity

    @property
    def owner(self) -> str:
        """Through whose gates, and from whose memory, it is kept: not those of the namespace that happened to open it,
        where it is everybody's."""
        return self.namespace if self.store.per_consumer else self.store.view.namespace

    @property
    def ends(self) -> float | None:
        return None if self.client.lifetime is None else self.since + self.client.lifetime

    @property
    def renews(self) -> float | None:
        return (
            None
            if self.client.lifetime is None
            else max(self.since + self.client.lifetime * RENEW_AT, self.renew_after)
        )


@dataclass(slots=True)
class Binding:
    """Which identity a store has for a consumer, and where its credentials lie."""

    digest: str
    store: tuple[str, str, str]  # kind, namespace, name
    places: frozenset[Place]


@dataclass(eq=False, slots=True)
class Attempt:
    """A login being made: did its credentials change meanwhile, or go?"""

    key: Holder
    store: tuple[str, str, str]
    places: frozenset[Place]
    stale: bool = False
    gone: bool = False
    credentials: Credentials | None = None  # which may read more places than the store names

    def reads(self, place: Place) -> bool:
        return place in self.places or (self.credentials is not None and place in self.credentials.used)


class Sessions:
    """All logins of this process. `current(kind, namespace, name)`: (uid, generation) of the store now, None when it is
    gone."""

    def __init__(
        self,
        rest: Rest,
        registry: Registry,
        env: Env,
        gates: Gates,
        flights: Flights,
        current: Current,
        ambient: Ambient,
    ) -> None:
        self.rest, self.registry, self.env, self.gates, self.flights = rest, registry, env, gates, flights
        self.clock, self.log, self.current, self.ambient = env.clock, env.log, current, ambient
        self._sessions: dict[str, Session] = {}
        self._bindings: dict[Holder, Binding] = {}
        # every Secret of the cluster is announced here: no walk over all bindings
        self._by_place: dict[Place, set[Holder]] = {}
        self._by_store: dict[tuple[str, str, str], set[Holder]] = {}
        self._by_digest: dict[str, set[Holder]] = {}
        self._attempts: set[Attempt] = set()
        self._group: asyncio.TaskGroup | None = None

    # what the reader asks; nothing here waits

    def identity(self, store: Store, namespace: str) -> str | None:
        """Digest of the login behind `store` for a consumer in `namespace`, None before the first one."""
        binding = self._bindings.get(holder(store, namespace))
        return binding.digest if binding else None

    def as_operator(self, store: Store, namespace: str) -> bool:
        """Whether the present login behind `store` uses the operator's own cloud identity."""
        session = self._sessions.get(self.identity(store, namespace) or "")
        return session is not None and session.ambient

    def credential_changed(self, kind: str, namespace: str, name: str, *, gone: bool = False) -> None:
        """A Secret, ConfigMap or ServiceAccount moved: each store that logs in with it reads it again before its next
        call. `gone`: the credential does not exist any more, and a login that no other credential holds ends now."""
        place = (kind, namespace, name)
        for attempt in self._attempts:
            if attempt.reads(place):
                attempt.stale, attempt.gone = True, attempt.gone or gone
        orphans = self._drop(list(self._by_place.get(place, ())))
        if gone:
            self._finish(orphans)

    def logins_with(self, kind: str) -> list[tuple[str, str]]:
        """(namespace, name) of the credentials of this kind that logins were made with."""
        return [(namespace, name) for found, namespace, name in self._by_place if found == kind]

    def store_changed(self, kind: str, namespace: str, name: str, current: tuple[str, int] | None) -> None:
        """`current`: (uid, generation) of the store now, None when it is gone: its logins end unless another store
        shares them."""
        stale = [key for key in self._by_store.get((kind, namespace, name), ()) if key[:2] != current]
        orphans = self._drop(stale)
        if current is None:
            self._finish(orphans)

    def _finish(self, sessions: list[Session]) -> None:
        """Logs out as soon as the last call in hand is back."""
        for session in sessions:
            session.orphaned = -math.inf  # the sweep does not wait for a successor
            if self._group is not None:
                self._group.create_task(self._end(session), name="logout")

    def _drop(self, keys: list[Holder]) -> list[Session]:
        dropped = []
        orphans = []
        for key in keys:
            binding = self._bindings.pop(key)
            dropped.append(binding)
            for place in binding.places:
                discard(self._by_place, place, key)
            discard(self._by_store, binding.store, key)
            discard(self._by_digest, binding.digest, key)
        for digest in {binding.digest for binding in dropped} - self._by_digest.keys():
            session = self._sessions.get(digest)
            if session is None:
                self.gates.forget(identity_gate(digest))
            elif session.orphaned is None:
                session.orphaned = self.clock.monotonic()
                orphans.append(session)
        return orphans

    def _bind(self, key: Holder, binding: Binding) -> None:
        self._drop([key] if key in self._bindings else [])
        self._bindings[key] = binding
        for place in binding.places:
            self._by_place.setdefault(place, set()).add(key)
        self._by_store.setdefault(binding.store, set()).add(key)
        self._by_digest.setdefault(binding.digest, set()).add(key)

    def _hold(self, key: Holder, digest: str, places: set[Place]) -> None:
        """The login depends on these places as well: a token in a Secret that only its account names, for one."""
        binding = self._bindings.get(key)
        if binding is None or binding.digest != digest:
            return
        self._bindings[key] = replace(binding, places=binding.places | places)
        for place in places - binding.places:
            self._by_place.setdefault(place, set()).add(key)

    # logging in and using a login

    @contextmanager
    def using(self, session: Session) -> Iterator[StoreClient]:
        """The session's client; it is not closed meanwhile."""
        client = session.client
        session.users[id(client)] = session.users.get(id(client), 0) + 1
        session.used = self.clock.monotonic()
        try:
            yield client
        finally:
            session.users[id(client)] -= 1
            if session.users[id(client)] == 0:
                del session.users[id(client)]

    async def session(self, store: Store, namespace: str) -> Session:
        """The login behind `store` for a consumer in `namespace`. Raises GateClosed, AuthRejected, Unavailable,
        InvalidConfig, CredentialMissing."""
        found = self._known(store, namespace)
        if found is not None:
            return found
        key = ("login", holder(store, namespace))
        own = route_of(store, namespace, self.identity(store, namespace) or "")
        try:
            return await self.flights.fly(key, lambda: self._log_in(store, namespace))
        except GateClosed as closed:
            if store.per_consumer or not foreign(closed, own):
                raise
        return await self.flights.fly((own.endpoint, key), lambda: self._log_in(store, namespace))

    def _known(self, store: Store, namespace: str) -> Session | None:
        binding = self._bindings.get(holder(store, namespace))
        session = self._sessions.get(binding.digest) if binding else None
        if session is None or (session.ends is not None and self.clock.monotonic() >= session.ends):
            return None
        return session

    async def _log_in(self, store: Store, namespace: str) -> Session:
        """Which identity is it, and is somebody logged in as it already?"""
        view = store.view
        places = frozenset(places_of(store, namespace))
        attempt = Attempt(holder(store, namespace), (view.kind, view.namespace, view.name), places)
        self._attempts.add(attempt)
        try:
            return await self._attempt(store, namespace, attempt)
        finally:
            self._attempts.discard(attempt)
            if self.current(*attempt.store) != attempt.key[:2] and attempt.key in self._bindings:
                self._drop([attempt.key])  # the store went or was edited meanwhile, and nobody will tell again

    async def _attempt(self, store: Store, namespace: str, attempt: Attempt) -> Session:
        known = self._bindings.get(attempt.key)
        self.gates.check(gates_of(store, namespace, known.digest if known else None))
        while True:
            attempt.stale = attempt.gone = False
            credentials = Credentials(self.rest, store.view, namespace, ambient=self.ambient)
            attempt.credentials = credentials
            digest = await identify(store, credentials)
            if not attempt.stale:
                break  # else it changed while we read: what we have may be the old one
        if known is None or known.digest != digest or attempt.key not in self._bindings:
            self._bind(attempt.key, Binding(digest, attempt.store, attempt.places))
        session = self._sessions.get(digest)
        if session is not None and (session.ends is None or self.clock.monotonic() < session.ends):
            session.orphaned = None
            return session
        session = await self._opened(store, namespace, credentials, digest)
        if attempt.stale:  # by a place that nothing told of when the login began
            self._drop([attempt.key] if attempt.key in self._bindings else [])
        self._hold(attempt.key, digest, credentials.used)
        if attempt.gone and digest not in self._by_digest:
            self._finish([session])  # the credential went while the login was made
        return session

    async def _opened(self, store: Store, namespace: str, credentials: Credentials, digest: str) -> Session:
        """Whoever needs the same login waits for one of them, across namespaces as long as the gates of all are
        open."""
        key = ("open", digest)
        try:
            return await self.flights.fly(key, lambda: self._open(store, namespace, credentials, digest))
        except GateClosed as closed:
            own = route_of(store, namespace, digest)
            if not foreign(closed, own):
                raise
        return await self.flights.fly((own.endpoint, key), lambda: self._open(store, namespace, credentials, digest))

    async def _open(self, store: Store, namespace: str, credentials: Credentials, digest: str) -> Session:
        connector = await self.registry.connector(store.view.provider, self.env)
        async with self.gates.call(route_of(store, namespace, digest), login=True):
            with naming(credentials):
                client = await connector.open(store.view, store.plan, credentials)
        now = self.clock.monotonic()
        old = self._sessions.get(digest)
        if old is None:
            session = self._sessions[digest] = Session(digest, store, namespace, client, now, now)
        else:
            session = old
            old.retired.append(old.client)
            old.client, old.store, old.namespace = client, store, namespace
            old.since, old.renew_after, old.orphaned = now, 0.0, None
        session.ambient, session.trailing = credentials.as_operator, tuple(credentials.trailing)
        if digest not in self._by_digest:
            session.orphaned = now  # the credential was edited while the login was made
        return session

    async def log_in_again(self, store: Store, namespace: str, session: Session, expired: StoreClient) -> None:
        """The backend says that the login ran out. Callers that hear it together log in once. Raises AuthRejected and
        the rest of `open`."""
        if session.client is not expired:
            return  # somebody did it meanwhile
        credentials = Credentials(self.rest, store.view, namespace, ambient=self.ambient)
        digest = await identify(store, credentials)
        if digest != session.digest:
            # the credential was edited and the watch has not told yet
            self._drop([key for key in (holder(store, namespace),) if key in self._bindings])
            return
        if session.client is not expired:
            return
        await self._opened(store, namespace, credentials, digest)

    # in the background

    async def run(self) -> None:
        """Renews and closes, until cancelled; then logs everybody out."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    await self.clock.sleep(SWEEP)
                    self.sweep(group)
        finally:
            self._group = None
            await self.close()

    def sweep(self, group: asyncio.TaskGroup) -> None:
        now = self.clock.monotonic()
        for session in list(self._sessions.values()):
            self._close_retired(session, group)
            idle = not session.users
            if session.orphaned is not None and now - session.orphaned >= GRACE and idle:
                group.create_task(self._end(session), name="logout")
            elif session.renews is not None and now >= session.renews:
                if session.used >= session.since:
                    # not twice at the same time
                    session.renew_after = now + max(SWEEP, ((session.ends or now) - now) / 4)
                    group.create_task(self._renew(session), name="renew")
                elif now >= (session.ends or now) and idle:
                    group.create_task(self._end(session), name="logout")  # nobody read since: let it go

    async def _renew(self, session: Session) -> None:
        with self.env.holding(session.owner):
            await self._renewed(session)

    async def _renewed(self, session: Session) -> None:
        store, client = session.store, session.client
        namespace = session.owner
        if await self._outdated(store, session):
            return
        try:
            async with self.gates.call(route_of(store, namespace, session.digest), login=True):
                renewed = await client.renew()
            if session.client is not client:
                return
            if renewed:
                session.since, session.renew_after = self.clock.monotonic(), 0.0
                return
        except AuthExpired:
            pass
        # also what a backend's odd reply made the provider trip over: it must not end the process
        except Exception as error:
            self.log.warning(
                "could not renew a login", store=store.view.name, namespace=store.view.namespace, error=shown(error)
            )
            return
        try:
            await self.log_in_again(store, namespace, session, client)
        except Exception as error:  # as above
            self.log.warning(
                "could not log in again", store=store.view.name, namespace=store.view.namespace, error=shown(error)
            )

    async def _outdated(self, store: Store, session: Session) -> bool:
        """Whether the credential of the login is proven to be another one by now, or gone, and no other store holds
        the login. A watch tells so at once; where it may not be watched, a login lives to its next renewal."""
        credentials = Credentials(self.rest, store.view, session.namespace, ambient=self.ambient)
        digest = await identify(store, credentials)
        if digest == session.digest or credentials.unread:
            return False
        key = holder(store, session.namespace)
        self._finish(self._drop([key] if key in self._bindings else []))
        return session.orphaned is not None

    def _close_retired(self, session: Session, group: asyncio.TaskGroup) -> None:
        for client in [c for c in session.retired if id(c) not in session.users]:
            session.retired.remove(client)
            group.create_task(self._log_out(client, session.owner), name="logout")

    async def _end(self, session: Session) -> None:
        if session.users:
            return  # the sweep comes back to it
        if self._sessions.get(session.digest) is session:
            del self._sessions[session.digest]
        self._drop(list(self._by_digest.get(session.digest, ())))
        self.gates.forget(identity_gate(session.digest))
        for client in (*session.retired, session.client):
            await self._log_out(client, session.owner)

    async def _log_out(self, client: StoreClient, namespace: str) -> None:
        try:
            with self.env.holding(namespace):
                await client.close()
        except Exception as error:  # as in _renew
            self.log.warning("could not log out", error=shown(error))

    async def close(self) -> None:
        """Logs everybody out and lets go of what logins share, for at most LAST_WORDS seconds: leaving a token behind
        is better than not stopping."""
        clients = [
            (client, session.owner)
            for session in self._sessions.values()
            for client in (*session.retired, session.client)
        ]
        self._sessions.clear()
        self._drop(list(self._bindings))
        try:
            async with asyncio.timeout(LAST_WORDS):
                async with asyncio.TaskGroup() as group:
                    for client, namespace in clients:
                        group.create_task(self._log_out(client, namespace), name="logout")
                await self.registry.close()
        except TimeoutError:
            self.log.warning("not every login could be closed in time")


def shown(error: Exception) -> str:
    """Only our own errors are known to hold no value."""
    return str(error) if isinstance(error, EsoError) else type(error).__name__


def discard(index: dict[Any, set[Holder]], key: Any, holder_key: Holder) -> None:
    left = index[key]
    left.discard(holder_key)
    if not left:
        del index[key]


def route_of(store: Store, namespace: str, digest: str) -> Route:
    """The gates that a call for `store` and a consumer in `namespace` goes through under the login `digest`."""
    return route(store.view.provider, store.plan.endpoint, namespace, digest, counted_by(store) or digest, store.pace)


def counted_by(store: Store) -> str:
    """What a quota of the endpoint is kept for: everything that one ClusterSecretStore asks, whatever its logins. ""
    where each login is counted: so no store can spend the quota of another one that it merely shares the address
    with."""
    if store.plan.quota is Quota.ENDPOINT and store.view.cluster_scoped:
        return f"ClusterSecretStore/{store.view.name}"
    return ""


def gates_of(store: Store, namespace: str, digest: str | None) -> tuple[str, ...]:
    """Their names, as far as they are known before the first login."""
    if digest is not None:
        return route_of(store, namespace, digest).names
    server = f"{store.view.provider}:{store.plan.endpoint}"
    counted = counted_by(store)
    return (endpoint_gate(server, namespace), *((f"quota:{server}:{counted}",) if counted else ()))


def holder(store: Store, namespace: str) -> Holder:
    """Consumers of one store share a binding unless their namespace has a login of its own."""
    return store.view.uid, store.view.generation, namespace if store.per_consumer else store.view.namespace


def places_of(store: Store, namespace: str) -> list[Place]:
    """Every credential of the store, as it is resolved for a consumer in `namespace`."""
    return [
        (kind, namespace_of(store.view, explicit, namespace), name) for kind, explicit, name in store.plan.references
    ]


def public_identity(store: Store, namespace: str) -> str:
    """A name for the login that is the same after a restart and shows no secret: where, as what, with which
    credential's names."""
    parts = [*login_of(store, namespace), sorted(places_of(store, namespace))]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def login_of(store: Store, namespace: str) -> list[Any]:
    """The kinds of stores share no login: what the operator's own identity may do for a ClusterSecretStore is not for
    every author of a SecretStore that looks the same."""
    consumer = namespace if store.plan.consumer is Consumer.IDENTITY else ""
    kind = store.view.cluster_scoped
    return [store.view.provider, store.plan.endpoint, dict(store.plan.login), consumer, kind]


async def identify(store: Store, credentials: Credentials) -> str:
    """Digest of everything that makes the login. Never raises for a credential that is missing: `open` words that."""
    login = login_of(store, credentials.namespace)
    bound = store.plan.consumer is not Consumer.CREDENTIALS or credentials.namespace
    content = await credentials.digest(store.plan.references) if bound else b"unbound"
    digest = hashlib.blake2b(orjson.dumps(login, option=orjson.OPT_SORT_KEYS), key=content, digest_size=16)
    return digest.hexdigest()


def rejected(error: EsoError) -> EsoError:
    """A login that runs out as soon as it was made is refused in fact. A wrapper (a failed validation, say) keeps its
    own type and text."""
    refusal = AuthRejected(str(error), fix=error.fix)
    if isinstance(error, AuthExpired):
        return refusal
    worded = copy.copy(error)
    worded.__cause__ = refusal
    return worded
