"""Writes for passes: push, delete, exists. Never shared, never repeated blindly, one after the other per remote entry.

Neighbours: front.py offers these, call.py makes the calls behind the same gates, sessions and credentials as reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from eso.errors import Terminal
from eso.providers.contract import Push, Remote, Source, StoreClient, Writes, writes
from eso.stores.call import Calls
from eso.stores.credentials import Credentials
from eso.stores.plans import Store

T = TypeVar("T")


class ReadOnly(Terminal):
    """The provider of this store has no writes."""


class InTurn:
    """One holder per key at a time, in the order of asking; a key without holders costs nothing."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


class Writing:
    """Every method raises ReadOnly, GateClosed, Busy, Denied or another EsoError; no text holds a value. `namespace`:
    of the consumer. A failure without an answer leaves open whether the backend changed."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._turns = InTurn()

    async def push(self, namespace: str, store: Store, entry: Push, source: Source) -> None:
        reader = Credentials(self.calls.sessions.rest, store.view, namespace)
        given = replace(source, reader=reader)
        await self._in_turn(namespace, store, entry.remote, lambda client: client.push(entry, given))

    async def delete(self, namespace: str, store: Store, remote: Remote) -> None:
        await self._in_turn(namespace, store, remote, lambda client: client.delete(remote))

    async def exists(self, namespace: str, store: Store, remote: Remote) -> bool:
        return await self._in_turn(namespace, store, remote, lambda client: client.exists(remote))

    async def _in_turn(
        self, namespace: str, store: Store, remote: Remote, write: Callable[[Writes], Awaitable[T]]
    ) -> T:
        session = await self.calls.session(store, namespace)
        place = writer(session.client.bind(store.view), store).place(remote)
        async with self._turns.turn((session.digest, place)):
            return await self.calls.write(store, namespace, lambda client: write(writer(client, store)))


def writer(client: StoreClient, store: Store) -> Writes:
    found = writes(client)
    if found is None:
        raise ReadOnly(f"the provider {store.view.provider} cannot write", fix="push to a store that is ReadWrite")
    return found
