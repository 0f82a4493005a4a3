"""Asks stores which versions their secrets have, and tells of those that have changed since the last time.

Neighbours: driver.py makes the steps, `eso.stores` asks the backend under the store's own login and gates, the room of
ExternalSecret says which keys are read. No value is read here: an object that reads a changed key does that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from eso.api.changesource import SHORTEST_INTERVAL, Change, Driven, Full, Place, StoreKey, Taken
from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.notify.driver import Key
from eso.notify.receiving import FULL, PAUSE, Intakes
from eso.runtime.clock import Clock
from eso.stores.gate import GateClosed

BUCKETS: Final = 64  # digests that stand for all tokens in the status
DIGITS: Final = 8  # of one digest
TOGETHER: Final = 64  # changes that are handed over at once
MOST_LOGINS: Final = 64  # of one ClusterSecretStore whose login depends on the namespace
MOST_ASKERS: Final = 64  # namespaces in whose name one login asks, until the gates of one are open
MOST_KEYS: Final = 50_000  # of one store
REST: Final = 9.0  # times the time that a probe took: nobody's quota is spent on probes alone
STRIDE: Final = 500  # keys that are looked at until the loop gets a turn

Seen = tuple[str, ...]  # one digest for each bucket
Token = tuple[StoreKey, str, str]  # store, namespace whose login asked, remote key
Readers = Callable[[StoreKey, str], Iterable[tuple[str, str]]]


class Stores(Protocol):
    """`stores.front`, as far as versions are asked for."""

    def per_consumer(self, namespace: str, ref: StoreRef) -> bool: ...
    async def probe(self, namespace: str, ref: StoreRef, keys: tuple[str, ...]) -> Mapping[str, str]: ...


class Notes(Protocol):
    """What the status of a source keeps between two processes."""

    def recall(self, key: Key) -> Seen: ...
    def remember(self, key: Key, seen: Seen) -> None: ...


class Polling:
    """One source. `readers(store, within)`: namespace and key of everything that is read from a store."""

    def __init__(
        self,
        key: Key,
        driven: Driven,
        stores: Stores,
        readers: Readers,
        notes: Notes,
        intakes: Intakes,
        clock: Clock,
    ) -> None:
        self._key, self._driven, self._stores, self._readers = key, driven, stores, readers
        self._notes, self._intakes, self._clock = notes, intakes, clock
        self._tokens: dict[Token, str] | None = None
        self._owed: dict[str, None] = {}  # remote keys that have changed and are not handed over yet

    async def step(self) -> float:
        """Asks every store once. A store that fails leaves its tokens as they are; raises its error once the others are
        asked."""
        if self._owed:
            return await self._hand_over() or self._interval
        found: dict[Token, str] = {}
        failed: list[EsoError] = []
        began = self._clock.monotonic()
        for place in dict.fromkeys(self._driven.places):
            try:
                found |= await self._asked(place)
            except EsoError as error:
                failed.append(error)
                found |= {token: its for token, its in (self._tokens or {}).items() if token[0] == place.store}
        await self._compare(found)
        pause = await self._hand_over()
        if failed:
            raise failed[0]
        return pause or max(self._interval, REST * (self._clock.monotonic() - began))

    async def close(self) -> None:
        """Stores keep their logins themselves."""

    @property
    def _interval(self) -> float:
        poll = self._driven.spec.poll
        return max(SHORTEST_INTERVAL, poll.interval_seconds) if poll is not None else SHORTEST_INTERVAL

    async def _asked(self, place: Place) -> dict[Token, str]:
        """Tokens of everything that is read from the store; "" where the backend names none."""
        readers = await self._by_namespace(place)
        if not readers:
            return {}
        kind, _, name = place.store
        ref = StoreRef(name=name, kind=kind)
        found: dict[Token, str] = {}
        failed: list[EsoError] = []
        groups = self._logins(readers, ref)
        for askers, keys in groups:
            namespace, asked = askers[0], tuple(sorted(keys)[:MOST_KEYS])
            try:
                told = await self._by_any(askers, ref, asked)
            except EsoError as error:
                failed.append(error)  # the login of one namespace: its keys stay as they are
                before = self._tokens or {}
                tokens = ((place.store, namespace, key) for key in asked)
                found |= {token: before[token] for token in tokens if token in before}
            else:
                found |= {(place.store, namespace, key): told.get(key, "") for key in asked}
        if len(failed) == len(groups):
            raise failed[0]
        return found

    async def _by_any(self, askers: Sequence[str], ref: StoreRef, keys: tuple[str, ...]) -> Mapping[str, str]:
        """One of them asks for all. Gates that one namespace has closed keep the others from nothing. Raises as
        `probe`."""
        for namespace in askers[:-1]:
            try:
                return await self._stores.probe(namespace, ref, keys)
            except GateClosed:
                continue
        return await self._stores.probe(askers[-1], ref, keys)

    def _logins(self, readers: Mapping[str, set[str]], ref: StoreRef) -> list[tuple[Sequence[str], set[str]]]:
        """Who may ask for which keys, of one login each; the first one stands for it in tokens. Namespaces that may not
        use the store keep nobody else from being asked for. Raises the store's refusal where all of them may not."""
        admitted: list[str] = []
        refusal: EsoError | None = None
        own = False
        for namespace in sorted(readers):
            try:
                own = self._stores.per_consumer(namespace, ref)
            except EsoError as error:
                refusal = error
            else:
                admitted.append(namespace)
        if not admitted and refusal is not None:
            raise refusal
        if own:
            return [((namespace,), readers[namespace]) for namespace in admitted[:MOST_LOGINS]]
        return [(admitted[:MOST_ASKERS], set().union(*(readers[namespace] for namespace in admitted)))]

    async def _by_namespace(self, place: Place) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for n, (namespace, key) in enumerate(self._readers(place.store, place.within)):
            found.setdefault(namespace, set()).add(key)
            if n % STRIDE == STRIDE - 1:
                await asyncio.sleep(0)
        return found

    async def _compare(self, found: dict[Token, str]) -> None:
        """A key that is met for the first time counts as changed: it may have changed between the first reading of its
        object and now. After a start the digests of the status tell which keys may have."""
        before, self._tokens = self._tokens, found
        seen = await digests(found)
        if before is not None:
            changed = [token for token, its in found.items() if before.get(token) != its]
        elif earlier := self._notes.recall(self._key):
            moved = {n for n, digest in enumerate(seen) if len(earlier) != BUCKETS or earlier[n] != digest}
            changed = [token for token in found if bucket_of(token) in moved]
        else:
            changed = []
        self._owed |= dict.fromkeys(sorted({key for _, _, key in changed}))
        if not self._owed:
            self._notes.remember(self._key, seen)

    async def _hand_over(self) -> float:
        """Seconds to wait before the rest may be taken; 0 when nothing is left."""
        together = TOGETHER
        while self._owed:
            keys = list(self._owed)[:together]
            intake = await self._intakes.take(self._key, tuple(map(Change, keys)), self._clock.now())
            if isinstance(intake, Full) and len(keys) > 1:
                together = len(keys) // 2  # keys that nobody reads may be pending for long: fewer may fit beside them
                continue
            if not isinstance(intake, Taken):
                outcome = "full" if isinstance(intake, Full) else "unwritten"
                self._count(outcome)
                return FULL if outcome == "full" else PAUSE
            self._count("accepted")
            for key in keys:
                del self._owed[key]
            if not self._owed and self._tokens is not None:
                self._notes.remember(self._key, await digests(self._tokens))
        return 0.0

    def _count(self, outcome: str) -> None:
        self._intakes.meter.change_event(self._key, outcome)
        self._intakes.heard(self._key, outcome)


def bucket_of(token: Token) -> int:
    return hashlib.blake2b("\0".join((*token[0], *token[1:])).encode("utf-8", "replace"), digest_size=2).digest()[0] % (
        BUCKETS
    )


async def digests(tokens: Mapping[Token, str]) -> Seen:
    """One digest for each bucket; "" for an empty one. They tell nothing about values."""
    parts: list[list[str]] = [[] for _ in range(BUCKETS)]
    for n, (token, its) in enumerate(tokens.items()):
        parts[bucket_of(token)].append("\0".join((*token[0], *token[1:], its)))
        if n % STRIDE == STRIDE - 1:
            await asyncio.sleep(0)
    made: list[str] = []
    for part in parts:
        text = "\1".join(sorted(part)).encode("utf-8", "replace")
        made.append(hashlib.blake2b(text, digest_size=DIGITS // 2).hexdigest() if part else "")
    return tuple(made)
