"""Runs the planned reads together; each result is a value or a typed error, never half of the plan.

Neighbours: readplan.py says what, `stores.reader` reads, assemble.py merges. A closed gate stops the whole pass: it is
not a failed read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, Protocol

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError, Terminal
from eso.providers.contract import Find, RemoteRef, SecretNotFound
from eso.reconcile.externalsecret.assemble import Raw
from eso.reconcile.externalsecret.readplan import Extract, FindAll, Generate, One, Read
from eso.secretbytes import SecretBytes
from eso.stores.gate import GateClosed

TOGETHER: Final = 1000  # reads of one pass at a time
MOST_BYTES: Final = 32 << 20  # of all values of one pass


class Reads(Protocol):
    """The front door of `stores`, as far as a pass needs it. The namespace is always the consumer's."""

    async def read(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretBytes: ...
    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> dict[str, SecretBytes]: ...
    async def find(
        self, namespace: str, store: StoreRef, find: Find, since: float | None = None
    ) -> dict[str, SecretBytes]: ...


async def gather(
    plan: tuple[Read, ...], reader: Reads, namespace: str, since: float | None, *, urgent: bool = False
) -> list[tuple[Read, Raw]]:
    """All results in plan order. `since`: join only flights started after it (a trigger told us that older ones may be
    stale). `urgent`: no read waits for others that could travel with it.

    Raises GateClosed when any store may not be called now.
    """
    volume = Volume()
    results: list[Raw] = []
    for start in range(0, len(plan), TOGETHER):
        async with asyncio.TaskGroup() as group:
            some = plan[start : start + TOGETHER]
            tasks = [
                group.create_task(
                    outcome(read_one(read, reader, namespace, since, volume, urgent)), name=f"read-{read.index}"
                )
                for read in some
            ]
        results += [task.result() for task in tasks]
    for result in results:
        if isinstance(result, GateClosed):
            raise result
    return list(zip(plan, results, strict=True))


class Volume:
    """Counts the bytes that a pass holds in memory, and ends it at the limit."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def counted(self, values: dict[str, bytes]) -> dict[str, bytes]:
        self.left -= sum(map(len, values.values()))
        self.check()
        return values

    def check(self) -> None:
        if self.left < 0:
            raise Terminal(
                f"the values are more than {MOST_BYTES} bytes",
                fix="a Secret takes 1 MiB: read less, or use several ExternalSecrets",
            )


async def outcome(reading: Awaitable[Raw]) -> Raw:
    try:
        return await reading
    except EsoError as error:
        return error


async def read_one(read: Read, reader: Reads, namespace: str, since: float | None, volume: Volume, urgent: bool) -> Raw:
    volume.check()
    match read:
        case One(store=store, remote=ref):
            value = await reader.read(namespace, store, ref, since, urgent=urgent)
            return volume.counted({"": value.reveal()})[""]
        case Extract(store=store, remote=ref):
            return volume.counted(revealed(await reader.read_map(namespace, store, ref, since, urgent=urgent)))
        case FindAll(store=store, find=find):
            try:
                return volume.counted(revealed(await reader.find(namespace, store, find, since)))
            except GateClosed:
                raise
            except SecretNotFound as error:
                raise SecretNotFound(f"error getting all secrets: {error}") from error
            except EsoError as error:
                raise EsoError(f"error getting all secrets: {error}", fix=error.fix) from error
        case Generate(kind=kind):
            raise Terminal(
                f"unable to get generator: terminal error: generatorRef has unknown kind {kind}",
                fix="this version has no generators yet",
            )


def revealed(values: dict[str, SecretBytes]) -> dict[str, bytes]:
    return {key: value.reveal() for key, value in values.items()}
