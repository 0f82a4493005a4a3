"""Reads for passes: resolve → session → flight (→ batch) → call → the asked-for part of the reply.

Neighbours: front.py offers these, call.py makes the calls. Equal reads in flight are one call; a flight belongs to the
login that it is named after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence, Sized
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    NotYet,
    RemoteRef,
    StoreClient,
    Unshared,
    batches,
    probes,
)
from eso.providers.env import Compute
from eso.providers.kit.search import apart, every
from eso.runtime.loopshare import on_loop
from eso.runtime.memory import CURRENT, decoded, reserve, reserved, reserved_for, scratch, volume
from eso.runtime.offload import Offload
from eso.runtime.reply import checked
from eso.secretbytes import SecretBytes, SecretMap
from eso.stores.batch import Answers, Batches
from eso.stores.call import Ask, Calls, LoginReplaced
from eso.stores.flight import Flights
from eso.stores.gate import GateClosed, foreign, retry_gate
from eso.stores.plans import Store
from eso.stores.resolve import Rules, resolve
from eso.stores.sessions import Session, route_of
from eso.values.jsonmap import cheap
from eso.values.lookups import LOOKUP, LOOP_UNITS, SECONDS, THREAD_UNITS, Costly, LookUps, answer, request, within

T = TypeVar("T")
MOST_NAMES, MOST_BYTES = 50_000, 32 << 20  # of one search, over all its pages; a Secret takes 1 MiB
LOGINS = 3  # how often a read starts again because the store's login was replaced meanwhile


class Origins(Protocol):
    """Counts reads by where the answer came from: call, flight or batch."""

    def read(self, provider: str, origin: str) -> None: ...


class Reads:
    """`since` in every method: monotonic seconds; flights that started before are not joined. `urgent`: the read
    does not wait for a batch to fill."""

    def __init__(
        self,
        rules: Rules,
        calls: Calls,
        flights: Flights,
        batcher: Batches,
        offload: Offload,
        meter: Origins,
        compute: Compute | None = None,
    ) -> None:
        self.rules, self.calls, self.flights, self.batcher = rules, calls, flights, batcher
        self.offload, self.meter, self.compute = offload, meter, compute

    async def read(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretBytes:
        """One value for a consumer in `namespace`. Raises GateClosed, SecretNotFound (proven), or another EsoError; no
        text holds a value."""
        with scratch() as spare:
            client, payload = await self._fetch(namespace, store, ref, since, urgent)
            take = lambda: client.value(payload, ref)  # noqa: E731  # perhaps not on the loop
            value = await reserved_for(lambda: self._taken(namespace, payload, take, ref.property), len)
            spare.keep(len(value))
            return SecretBytes(value)

    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretMap:
        """All members of one remote secret. Errors as `read`."""
        ref = replace(ref, members=True)
        with scratch() as spare:
            client, payload = await self._fetch(namespace, store, ref, since, urgent)
            take = lambda: weighed(client.mapping(payload, ref))  # noqa: E731  # of a large map, not on the loop
            values = await reserved_for(lambda: self._taken(namespace, payload, take, ref.property), size_of)
            spare.keep(values.size)
            return values

    async def find(self, namespace: str, store: StoreRef, find: Find, since: float | None = None) -> SecretMap:
        """Every remote secret that `find` matches. Errors as `read`."""
        found = resolve(store, namespace, self.rules)

        async def collect(client: StoreClient) -> Found:
            with apart(self.compute, namespace):
                return await collected(client, find)

        async def search(session: Session) -> SecretMap:
            # Two stores of one login may look at different mounts: a search is shared within its store only.
            key = (session.digest, found.view.uid, found.view.generation, find)
            shared, own = await self._fly(found, namespace, session, key, collect, since)
            if not own:
                return shared
            client, left = session.client.bind(found.view), MOST_BYTES - shared.size

            async def made(name: str) -> bytes:
                nonlocal left
                value = client.value(await self._own(found, namespace, session, own[name]), RemoteRef(name))
                left -= len(value)
                if left < 0:
                    raise too_much()
                return value

            names = list(own)
            values = dict(zip(names, await every(names, made), strict=True))
            return SecretMap(dict(shared.reveal()) | values, shared.size + volume(values))

        with scratch() as spare:
            values = await self._under_one_login(found, namespace, search)
            await reserve(values.size)
            spare.keep(values.size)
            return values

    async def probe(self, namespace: str, store: StoreRef, keys: tuple[str, ...]) -> Mapping[str, str]:
        """Remote key → version, as `contract.Probes` has it. Raises InvalidConfig where the backend cannot be asked,
        otherwise as `read`."""
        found = resolve(store, namespace, self.rules)

        async def ask(client: StoreClient) -> Mapping[str, str]:
            bound = probes(client)
            if bound is None:
                raise InvalidConfig(
                    f"the provider {found.view.provider} tells no versions without values",
                    fix="let the backend send events, or refresh more often",
                )
            return await bound.probe(keys)

        return await self.calls.read(found, namespace, ask)

    async def _fetch(
        self, namespace: str, ref: StoreRef, remote: RemoteRef, since: float | None, urgent: bool
    ) -> tuple[StoreClient, Any]:
        store = resolve(ref, namespace, self.rules)

        async def fetch(session: Session) -> tuple[StoreClient, Any]:
            client = session.client.bind(store.view)
            request = client.request(remote)
            key = (session.digest, request)
            together = batches(client)
            kind = together.batch(request) if together is not None else None
            batch = None if together is None or kind is None else (session.digest, kind, together.most, urgent)
            payload = await self._fly(store, namespace, session, key, lambda bound: bound.fetch(request), since, batch)
            if isinstance(payload, Unshared):
                payload = await self._own(store, namespace, session, payload)
            return client, payload

        return await self._under_one_login(store, namespace, fetch)

    async def _own(self, store: Store, namespace: str, session: Session, payload: Unshared) -> Any:
        """What one pass alone may have. Its reads that ask together get the same, for a user and a password of two
        answers do not belong together; outside of a pass each read is alone."""
        hold = CURRENT.get()
        key = (session.digest, payload.request, hold.root if hold is not None else object())
        return await self._fly(store, namespace, session, key, lambda bound: bound.fetch(payload.request), None)

    async def _under_one_login(self, store: Store, namespace: str, read: Callable[[Session], Awaitable[T]]) -> T:
        for _ in range(LOGINS):
            session = await self.calls.session(store, namespace)
            try:
                return await read(session)
            except LoginReplaced:
                continue
        raise NotYet("the store's login is replaced faster than it can be used")

    async def _fly(
        self,
        store: Store,
        namespace: str,
        session: Session,
        key: Hashable,
        ask: Ask[T],
        since: float | None,
        batch: tuple[str, Hashable, int, bool] | None = None,
    ) -> T:
        """One shared read, counted by where its answer came from."""
        provider, digest = store.view.provider, session.digest
        what = f"{hash(key) & (1 << 64) - 1:016x}"  # the request itself is the tenants' business

        async def alone() -> T:
            self.meter.read(provider, "call")
            return await self.calls.read(store, namespace, ask, digest, what)

        async def together() -> T:
            assert batch is not None and isinstance(key, tuple)
            _, kind, most, urgent = batch
            made = False

            async def call(requests: Sequence[Hashable]) -> Answers:
                nonlocal made
                made = True
                return await self.calls.read(store, namespace, lambda bound: many(bound, requests), digest, what)

            answer: T = await self.batcher.join((digest, kind), key[1], most, call, urgent=urgent)
            self.meter.read(provider, "call" if made else "batch")
            return answer

        def joined() -> None:
            self.meter.read(provider, "flight")

        own = route_of(store, namespace, digest)
        try:
            return await self.flights.fly(key, together if batch is not None else alone, since, joined)
        except GateClosed as closed:
            if not foreign(
                closed, own, retry_gate(store.view.kind, store.view.namespace, store.view.name, namespace, what)
            ):
                raise
        return await self.flights.fly((own.endpoint, key), alone, since, joined)

    async def _taken(self, namespace: str, payload: Any, take: Callable[[], T], path: str) -> T:
        """On the loop while it is cheap, else in a thread, for a megabyte of JSON is work. A path that asks for more is
        followed in a process that can be killed, and the reading begins again with what it names."""
        size = len(payload) if isinstance(payload, Sized) else 0
        here, answers = cheap(size, path), LookUps(LOOP_UNITS if cheap(size, path) else THREAD_UNITS)

        def taken() -> T:
            with within(answers if self.compute is not None else None):
                return take()

        with scratch():
            if not here and isinstance(payload, bytes):
                await reserve(await on_loop(namespace, partial(decoded, payload)))
            while True:
                try:
                    return await (on_loop(namespace, taken) if here else self.offload.run_for(namespace, taken))
                except Costly as asked:
                    answers.learn(asked, await self._looked_up(namespace, asked))

    async def _looked_up(self, namespace: str, asked: Costly) -> bytes | None:
        assert self.compute is not None
        async with reserved(len(asked.document)):
            try:
                reply = await checked(await self.compute.run(namespace, LOOKUP, request(asked), SECONDS))
            except EsoError as error:
                raise InvalidConfig(
                    f"could not follow the property path: {error}", fix="name the value by a plain path"
                ) from error
        return answer(reply)


async def many(client: StoreClient, requests: Sequence[Hashable]) -> Answers:
    together = batches(client)
    assert together is not None  # clients of one login are of one class
    return await together.fetch_many(requests)


Found = tuple[SecretMap, dict[str, Unshared]]  # values that are shared, and names of those that are not


async def collected(client: StoreClient, find: Find) -> Found:
    """All pages of a search. Raises InvalidConfig for one that brings home more than a pass may hold."""
    found: dict[str, bytes] = {}
    own: dict[str, Unshared] = {}
    size = taken = 0
    pages = client.find(find)
    async with aclosing(pages):  # type: ignore[type-var]  # an async generator in every provider
        async for page in pages:
            own |= {name: one for name, one in page.items() if isinstance(one, Unshared)}
            values = {name: value for name, value in page.items() if not isinstance(value, Unshared)}
            found |= values
            more = volume(values)
            taken += more
            await reserve(more)
            size += sum(map(len, values.values()))
            if len(found) + len(own) > MOST_NAMES:
                raise InvalidConfig(
                    f"the search lists more than {MOST_NAMES} names", fix="narrow find.name or find.path"
                )
            if size > MOST_BYTES:
                raise too_much()
    return SecretMap(found, taken), own


def too_much() -> InvalidConfig:
    return InvalidConfig(f"the search finds more than {MOST_BYTES} bytes", fix="narrow find.name or find.path")


def size_of(values: SecretMap) -> int:
    return values.size


def weighed(values: Mapping[str, bytes]) -> SecretMap:
    return SecretMap(values, volume(values))
