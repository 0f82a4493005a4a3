"""A scripted provider that can be pushed to: what is at the backend is a dict, and every call may be made to fail.

Neighbours: scripted.py is the reading half; tests of PushSecret run the operator with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar

from eso.errors import EsoError
from eso.providers.contract import CredentialReader, Plan, Push, Remote, Source, StoreView
from eso.providers.kit.payload import pushed
from tests.harness.scripted import Scripted, ScriptedClient, again

Entry = tuple[str, str, str]  # store, remote key, property


@dataclass(frozen=True)
class Sent:
    store: str
    entry: Push
    source: Source


class Pushable(Scripted):
    """`remote`: (store, key, property) → bytes; a store is `<namespace>/<name>`. `push_error`, `delete_error`,
    `exists_error` fail the calls, for one store if they are in `only`. `pushes`, `deletes`, `asked` are what came."""

    maintained: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.remote: dict[Entry, bytes] = {}
        self.pushes: list[Sent] = []
        self.deletes: list[Entry] = []
        self.asked: list[Entry] = []
        self.push_error: EsoError | None = None
        self.delete_error: EsoError | None = None
        self.exists_error: EsoError | None = None
        self.open_error: EsoError | None = None
        self.only = ""  # the store whose calls fail; "" for all
        self.before_push: Callable[[Sent], None] = lambda sent: None
        self.hang: asyncio.Event | None = None

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> PushableClient:
        if self.open_error is not None and self.only in ("", place(store)):
            raise again(self.open_error)
        await super().open(store, plan, credentials)
        return PushableClient(self, store)

    async def write(self, do: Callable[[], object]) -> None:
        """Where a change of `remote` is made."""
        do()

    def calls_of_writes(self) -> int:
        return len(self.pushes) + len(self.deletes) + len(self.asked)

    def keys(self, store: str = "team/store") -> list[str]:
        return sorted(f"{key}/{prop}" if prop else key for where, key, prop in self.remote if where == store)

    def at(self, key: str, prop: str = "", store: str = "team/store") -> bytes | None:
        return self.remote.get((store, key, prop))


def place(store: StoreView) -> str:
    return f"{store.namespace}/{store.name}"


class PushableClient(ScriptedClient):
    script: Pushable

    def bind(self, store: StoreView) -> PushableClient:
        return PushableClient(self.script, store)

    def place(self, remote: Remote) -> Hashable:
        return place(self.store), remote.key

    def _refuse(self, error: EsoError | None) -> None:
        if error is not None and self.script.only in ("", place(self.store)):
            raise again(error)

    async def push(self, entry: Push, source: Source) -> None:
        script, sent = self.script, Sent(place(self.store), entry, source)
        script.pushes.append(sent)
        script.before_push(sent)
        if script.hang is not None:
            await script.hang.wait()
        self._refuse(script.push_error)
        there = place(self.store), entry.remote.key, entry.remote.property
        await script.write(lambda: script.remote.update({there: pushed(entry, source)}))

    async def delete(self, remote: Remote) -> None:
        script, entry = self.script, (place(self.store), remote.key, remote.property)
        script.deletes.append(entry)
        self._refuse(script.delete_error)
        await script.write(lambda: script.remote.pop(entry, None))

    async def exists(self, remote: Remote) -> bool:
        script, entry = self.script, (place(self.store), remote.key, remote.property)
        script.asked.append(entry)
        self._refuse(script.exists_error)
        return entry in script.remote
