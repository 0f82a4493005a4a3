"""Runs the planned reads together; each result is a value or a typed error, never half of the plan.

Neighbours: readplan.py says what, `stores.reader` reads, `generators.front` makes values, assemble.py merges. A closed
gate stops the whole pass: it is not a failed read. Values are made once every read has succeeded, so that no backend
makes some for a pass that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError, Terminal, bare
from eso.providers.contract import Find, RemoteRef, SecretNotFound
from eso.reconcile.externalsecret.assemble import Raw, proven_missing
from eso.reconcile.externalsecret.readplan import Extract, FindAll, Generate, One, Read
from eso.runtime.loopshare import Shares, share_of
from eso.runtime.memory import READ, reserved, take, volume
from eso.secretbytes import SecretBytes, SecretMap
from eso.stores.gate import GateClosed

TOGETHER: Final = 50  # reads of one pass at a time; one namespace may send 48 to a server at once
FEW: Final = 20  # reads of one pass that begin whenever it runs
ERROR: Final = 1 << 10  # bytes of a failed read: two errors, their texts, the place in the plan
MOST_BYTES: Final = 32 << 20  # of all values of one pass, a little for each key counted in

# So many reads take the loop for some milliseconds, and all passes that run may begin theirs in one turn of it.
_turns: Final[Shares] = WeakKeyDictionary()


class Reads(Protocol):
    """The front door of `stores`, as far as a pass needs it. The namespace is always the consumer's."""

    async def read(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretBytes: ...
    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> Mapping[str, SecretBytes]: ...
    async def find(
        self, namespace: str, store: StoreRef, find: Find, since: float | None = None
    ) -> Mapping[str, SecretBytes]: ...


Make = Callable[[Generate], Awaitable[Mapping[str, bytes]]]


async def no_values(read: Generate) -> Mapping[str, bytes]:
    raise Terminal(f"{read.ref.kind} {read.ref.name} makes its values in a cluster only")


async def gather(
    plan: Iterable[Read],
    reader: Reads,
    namespace: str,
    since: float | None,
    *,
    urgent: bool = False,
    make: Make = no_values,
    skip_missing: bool = False,
) -> list[tuple[Read, Raw]]:
    """All results in plan order; without those of reads and generators that were not asked, because something failed
    before.

    `since`: join only flights started after it (a trigger told us that older ones may be stale). `urgent`: no read
    waits for others that could travel with it. `make` asks a generator. `skip_missing`: a proven not-found is no
    failure. Raises GateClosed when any store may not be called now.
    """
    held = Volume()
    left, planned, found = iter(plan), list[Read](), dict[int, Raw]()
    while some := list(islice(left, TOGETHER)):  # not all of them at once: there may be thousands
        planned += some
        reads = [read for read in some if not isinstance(read, Generate)]
        if len(reads) > FEW:
            await share_of(_turns).step(namespace)
        async with reserved(READ * len(reads)), asyncio.TaskGroup() as group:
            held.reading = tasks = [
                group.create_task(
                    outcome(partial(read_one, read, reader, namespace, since, held, urgent)),
                    name=f"read-{read.index}",
                )
                for read in reads
            ]
        found |= {id(read): task.result() for read, task in zip(reads, tasks, strict=True) if not task.cancelled()}
        if fatal([found.get(id(read)) for read in reads], skip_missing):
            break
    for asked in planned:
        if isinstance(result := found.get(id(asked)), GateClosed) and not isinstance(asked, Generate):
            raise result.of(f'{asked.store.kind or "SecretStore"} "{asked.store.name}"')
    for read in planned:
        if isinstance(read, Generate):
            if fatal(found.values(), skip_missing):
                break
            found[id(read)] = await outcome(partial(made, read, make, held))
    return [(read, found[id(read)]) for read in planned if id(read) in found]


def fatal(found: Iterable[Raw | None], skip_missing: bool) -> bool:
    return any(isinstance(raw, EsoError) and not (skip_missing and proven_missing(raw)) for raw in found)


async def made(read: Generate, make: Make, volume: Volume) -> Raw:
    return volume.counted(dict(await make(read)))


class Volume:
    """Counts the bytes that a pass holds in memory, and ends it at the limit, with all of `reading` that are on their
    way."""

    def __init__(self) -> None:
        self.left = MOST_BYTES
        self.reading: list[asyncio.Task[Raw]] = []

    def counted(self, values: dict[str, bytes]) -> dict[str, bytes]:
        self.count(volume(values))
        return values

    def count(self, size: int) -> None:
        self.left -= size
        self.check()

    def check(self) -> None:
        if self.left < 0:
            for task in self.reading:
                if task is not asyncio.current_task():
                    task.cancel()
            raise Terminal(
                f"the values are more than {MOST_BYTES} bytes",
                fix="a Secret takes 1 MiB: read less, or use several ExternalSecrets",
            )


async def outcome(reading: Callable[[], Awaitable[Raw]]) -> Raw:
    try:
        return await reading()
    except EsoError as error:
        take(ERROR)  # until the pass ends, which may wait for its turn with thousands of them
        return bare(error)


async def read_one(
    read: One | Extract | FindAll, reader: Reads, namespace: str, since: float | None, volume: Volume, urgent: bool
) -> Raw:
    volume.check()
    match read:
        case One(store=store, remote=ref):
            value = await reader.read(namespace, store, ref, since, urgent=urgent)
            return volume.counted({"": value.reveal()})[""]
        case Extract(store=store, remote=ref):
            return counted(await reader.read_map(namespace, store, ref, since, urgent=urgent), volume)
        case FindAll(store=store, find=find):
            try:
                return counted(await reader.find(namespace, store, find, since), volume)
            except GateClosed:
                raise
            except SecretNotFound as error:
                raise SecretNotFound(f"error getting all secrets: {error}") from error
            except EsoError as error:
                raise EsoError(f"error getting all secrets: {error}", fix=error.fix) from error


def counted(values: Mapping[str, SecretBytes], volume: Volume) -> Mapping[str, bytes]:
    """The values, once they are counted. A large map tells its size itself."""
    if isinstance(values, SecretMap):
        volume.count(values.size)
        return values.reveal()
    return volume.counted({key: value.reveal() for key, value in values.items()})
