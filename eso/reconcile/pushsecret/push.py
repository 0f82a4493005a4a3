"""Sends the entries of one PushSecret to one store, and deletes what is stale there.

Neighbours: reconcile.py calls it for each store, plan.py made the entries, known.py remembers what is where. No other
module of this room writes to a backend.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

import orjson

from eso.api.externalsecret import StoreRef
from eso.api.meta import ObjectMeta
from eso.api.pushsecret import PushData, PushSecret
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.observe import redact
from eso.observe.echo import MOST, told
from eso.providers.contract import Busy, Push, Remote, Source, Timeout, prefixed
from eso.reconcile.pushsecret.books import Place, Stale, found, is_found, ours, place
from eso.reconcile.pushsecret.known import Claims, Known
from eso.reconcile.pushsecret.plan import Planned, Whole, prepared
from eso.reconcile.pushsecret.select import store_key
from eso.runtime.loopshare import Shares, on_loop, share_of
from eso.runtime.memory import reserved, volume
from eso.stores.gate import GateClosed
from eso.stores.resolve import Rules, resolve

Job = tuple[Planned, Whole]
There = Mapping[str, bool]  # by the key of an entry
T = TypeVar("T")
MANY: Final = 100  # entries; of more, one begins in each turn of the loop, and namespaces take turns
_turns: Final[Shares] = WeakKeyDictionary()
MOST_MASKED: Final = 500  # values that are looked for in a text, some twenty microseconds each
NEVER: Final = datetime.min.replace(tzinfo=UTC)
COPIES: Final = 4  # of a value that is sent: in base64, in JSON, as the body of a request
MOST_SENT: Final = 16 << 20  # bytes that one object has on its way, whatever the number of its stores


class Backends(Protocol):
    """The front door of `stores`, as far as pushing needs it."""

    rules: Rules

    def identity(self, namespace: str, store: StoreRef) -> str | None: ...
    async def reach(self, namespace: str, store: SecretStore) -> None: ...
    def closed(self, namespace: str, store: SecretStore) -> GateClosed | None: ...
    async def push(self, namespace: str, store: SecretStore, entry: Push, source: Source) -> None: ...
    async def delete(self, namespace: str, store: SecretStore, remote: Remote) -> None: ...
    async def exists(self, namespace: str, store: SecretStore, remote: Remote) -> bool: ...


class Unexpected(EsoError):
    """A bug in a provider, as the failure of this store. The text of a foreign exception may quote a value."""


@dataclass(slots=True)
class Result:
    """What became of one store's entries. `failed` is worded, `closed` the gate that refused; `left` were not sent.
    `doubtful`: sent, and nobody knows whether it arrived."""

    store: str
    done: dict[str, PushData] = field(default_factory=dict)
    doubtful: dict[str, PushData] = field(default_factory=dict)
    failed: EsoError | None = None
    closed: GateClosed | None = None
    busy: bool = False
    left: tuple[str, ...] = ()
    sent: int = 0

    @property
    def refused(self) -> bool:
        return self.failed is not None or self.closed is not None or self.busy


@dataclass(slots=True)
class Cleaned:
    """What became of stale entries."""

    gone: list[Stale] = field(default_factory=list)
    failed: EsoError | None = None
    closed: GateClosed | None = None


class Pusher:
    """`log` hears of exceptions that are no EsoErrors."""

    def __init__(self, stores: Backends, known: Known, claims: Claims, log: Any) -> None:
        self.stores, self.known, self.claims, self.log = stores, known, claims, log

    def backend(self, namespace: str, store: str) -> str:
        """What tells the login and the settings of a store ("Kind/name") from those of another one; "" when there is no
        such store, or none that can work."""
        kind, _, name = store.partition("/")
        identity = self.stores.identity(namespace, StoreRef(name, kind))
        record = self.stores.rules.store(kind, "" if kind == "ClusterSecretStore" else namespace, name)
        if identity is None or record is None:
            return ""
        spec = orjson.dumps(record.spec.provider, option=orjson.OPT_SORT_KEYS)
        return f"{identity}/{hashlib.sha256(spec).hexdigest()[:16]}"

    def usable(self, namespace: str, store: str) -> SecretStore:
        """The store, if this namespace may use it now; whether it is Ready does not matter. Raises the refusal."""
        kind, _, name = store.partition("/")
        return resolve(StoreRef(name, kind), namespace, replace(self.stores.rules, flood_gate=False)).object

    async def found_there(self, ps: PushSecret, store: SecretStore, jobs: Sequence[Job]) -> There:
        """Entries that are not ours yet: whether the backend has them. What fails is left out, and is asked again and
        told when the entry's turn comes. Never raises but for a cancellation."""
        recorded, there = ps.status.synced_push_secrets.get(store_key(store), {}), dict[str, bool]()
        try:
            await self._reach(ps.namespace, store_key(store), store.name)
            for entry, _ in jobs:
                if len(jobs) > MANY:
                    await share_of(_turns).step(ps.namespace)
                known = recorded.get(entry.key)
                if known is not None and not is_found(known):
                    continue
                there[entry.key] = await self.stores.exists(ps.namespace, store, entry.remote)
        except Exception as error:
            self.log.debug("cannot tell what is in a store", store=store.name, error=type(error).__name__)
        return there

    async def reached(self, ps: PushSecret, store: SecretStore) -> Result:
        """Whether the store takes anything now: logged in, and no gate is closed. Never raises but for a
        cancellation."""
        result = await self.push(ps, store, (), NEVER, NEVER, {}, Turns.of(()))
        if result.failed is None and result.closed is None:
            result.closed = self.stores.closed(ps.namespace, store)
        return result

    async def push(
        self,
        ps: PushSecret,
        store: SecretStore,
        jobs: Sequence[Job],
        since: datetime,
        at: datetime,
        there: There,
        turns: Turns,
    ) -> Result:
        """Sends `jobs` in their order until one fails. What is known to be there since `since` is not sent. `at`:
        when the pass began; `there`: what was found out since; `turns`: of the object's entries that are sent at a
        time. Never raises but for a cancellation."""
        result = Result(f"{store.kind}/{store.name}")
        rest = [job[0].key for job in jobs]
        try:
            await self._reach(ps.namespace, result.store, store.name)
            backend = self.backend(ps.namespace, result.store)
            for entry, source in jobs:
                if len(jobs) > MANY:
                    await share_of(_turns).step(ps.namespace)
                await self._one(ps, store, backend, entry, source, since, at, result, there.get(entry.key), turns)
                rest.pop(0)
        except GateClosed as closed:
            result.closed = closed
        except Busy:
            result.busy = True
        except EsoError as error:
            result.failed = error
        except Exception as error:
            result.failed = self._unexpected(store.name, ps.metadata, error)
        result.left = tuple(rest)
        return result

    async def _one(
        self,
        ps: PushSecret,
        store: SecretStore,
        backend: str,
        entry: Planned,
        source: Whole,
        since: datetime,
        at: datetime,
        result: Result,
        there: bool | None,
        turns: Turns,
    ) -> None:
        push, whole, digest = await on_loop(ps.namespace, partial(self._ready, entry, source))
        recorded = ps.status.synced_push_secrets.get(result.store, {}).get(entry.key)
        if ps.spec.update_policy == "IfNotExists":
            if there is None:
                try:
                    there = await self.stores.exists(ps.namespace, store, push.remote)
                except GateClosed:
                    raise
                except EsoError as error:
                    raise prefixed("could not verify if secret exists in store: ", hidden(error, whole)) from error
            if there:
                mine = recorded is not None and not is_found(recorded)
                result.done[entry.key] = entry.data if mine else found(entry.data)
                return
        spot = place(entry.data)
        if not (backend and self.known.there(backend, spot, digest, since)):
            if backend:
                self.known.forget(backend, spot)
            result.sent += 1
            try:
                async with turns.turn():
                    await self.stores.push(ps.namespace, store, push, whole)
            except (GateClosed, Busy):
                result.sent -= 1
                raise
            except EsoError as error:
                if isinstance(error, Timeout):
                    result.doubtful[entry.key] = entry.data
                text = f"could not write remote ref {push.secret_key} to target secretstore {store.name}: "
                raise prefixed(text, hidden(error, whole)) from error
            if backend:
                self.known.put(backend, spot, digest, at)
        result.done[entry.key] = ours(entry.data)

    def _ready(self, entry: Planned, source: Whole) -> tuple[Push, Source, bytes]:
        """What is handed to the provider, and its digest. Raises KeysCollide, KeyMissing."""
        push, whole = prepared(entry, source)
        if entry.payload is not None:
            return push, whole, self.known.digest(push, whole)
        strategy = entry.data.conversion_strategy
        if strategy not in source.digests:
            source.digests[strategy] = self.known.body(whole)
        return push, whole, self.known.digest(push, whole, source.digests[strategy])

    async def clean(
        self,
        ps: PushSecret,
        stale: Sequence[Stale],
        wanted: Mapping[str, Mapping[str, PushData]],
        result: Cleaned,
    ) -> None:
        """Deletes `stale` entries, unless they were there before us, or somebody (this object through another store, or
        another PushSecret) still pushes there. A store that fails does not stop the others. `result` is filled on the
        way, so that it survives a cancellation, the only thing that is raised."""
        stores: dict[str, list[Stale]] = {}
        for one in stale:
            stores.setdefault(one.store, []).append(one)
        mine: dict[Place, list[str]] = {}
        for store, pushed in wanted.items() if stale else ():
            for data in pushed.values():
                mine.setdefault(place(data), []).append(store)
        for store, entries in stores.items():
            try:
                await self._clean_store(ps, store, entries, mine, result)
            except GateClosed as closed:
                result.closed = result.closed or closed
            except EsoError as error:
                result.failed = result.failed or error
            except Exception as error:
                result.failed = result.failed or self._unexpected(store, ps.metadata, error)

    async def _clean_store(
        self,
        ps: PushSecret,
        store: str,
        entries: Sequence[Stale],
        mine: Mapping[Place, Sequence[str]],
        result: Cleaned,
    ) -> None:
        result.gone += [one for one in entries if is_found(one.data)]
        left = [one for one in entries if not is_found(one.data)]
        if not left:
            return
        await self._reach(ps.namespace, store, store)
        record = self.usable(ps.namespace, store)
        for one in left:
            if len(left) > MANY:
                await share_of(_turns).step(ps.namespace)
            backend, spot = self.backend(ps.namespace, store), place(one.data)
            if not await on_loop(ps.namespace, partial(self._still_pushed, ps, backend, one, mine)):
                if backend:
                    self.known.forget(backend, spot)
                metadata = one.data.metadata if isinstance(one.data.metadata, Mapping) else None
                await self.stores.delete(ps.namespace, record, Remote(spot[0], spot[1], metadata))
            result.gone.append(one)

    def _still_pushed(self, ps: PushSecret, backend: str, one: Stale, mine: Mapping[Place, Sequence[str]]) -> bool:
        """`mine`: the stores through which this object pushes to a place."""
        spot = place(one.data)
        for store in mine.get(spot, ()):
            if store == one.store or self.backend(ps.namespace, store) == backend:
                return True
        others = self.claims.others(spot, (ps.namespace, ps.name))
        return backend in {self.backend(*where) for where in {(who[0], store) for who, store in others}}

    async def _reach(self, namespace: str, store: str, shown: str) -> None:
        try:
            await self.stores.reach(namespace, self.usable(namespace, store))
        except GateClosed:
            raise
        except EsoError as error:
            raise prefixed(f"could not get secrets client for store {shown}: ", error) from error

    def _unexpected(self, store: str, meta: ObjectMeta, error: Exception) -> EsoError:
        self.log.error(
            "a provider failed unexpectedly",
            store=store,
            namespace=meta.namespace,
            name=meta.name,
            error=type(error).__name__,
            stacktrace=redact.stack(error),
        )
        text = f"the provider failed unexpectedly: {type(error).__name__}"
        return Unexpected(text, fix="report this as a bug of the operator; its log has the place")


def hidden(error: EsoError, source: Source) -> EsoError:
    """The error without the values of the source: a backend may quote what it refuses, and what it was sent."""
    values = list(source.data.values())
    if sum(map(len, values)) > MOST:  # then whole values are looked for, and a longer one than the text is not in it
        values = [value for value in values if len(value) <= len(str(error))]
    shown = told(str(error), values, trusted=True) if len(values) <= MOST_MASKED else None
    if shown == str(error):
        return error
    if shown is None:
        shown = f"the backend refused ({type(error).__name__}): its words may repeat a value and are not shown"
    out = prefixed("", error)
    out.message, out.args = shown, (shown,)
    return out


@dataclass(frozen=True, slots=True)
class Turns:
    """Of the entries of one object: `size` bytes for each that is on its way."""

    places: asyncio.Semaphore
    size: int

    @classmethod
    def of(cls, jobs: Iterable[Sequence[Job]]) -> Turns:
        """As many as may be sent at a time: all of them where they are small."""
        sources = {source for some in jobs for _, source in some}
        size = COPIES * max((volume(one.source.data) for one in sources), default=0)
        return cls(asyncio.Semaphore(max(1, MOST_SENT // max(1, size))), size)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self.places, reserved(self.size):
            yield


async def side_by_side(pushes: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All stores of one object at once: one that answers slowly keeps nobody else waiting. In order."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in pushes]
    return [task.result() for task in tasks]
