"""Computing for tenants in processes that can be killed: a deadline, bounded memory, nothing in reach but the request.

Neighbours: doors that would hold the loop or the interpreter for longer than a few milliseconds ask here; zygote.py is
the other side, confine.py what binds it. The processes start with the first request, so an operator that never needs
them pays nothing. A worker serves one namespace from its fork to its end.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from eso.errors import EsoError
from eso.runtime.clock import Clock
from eso.runtime.fair import Group, alone
from eso.runtime.memory import take
from eso.runtime.turns import REMEMBERED, Turns
from eso.runtime.zygote import FAILED, MEMORY

WORKERS: Final = 2  # each may use zygote.MEMORY: what the shipped memory limit has room for
START_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0  # a worker without requests for so long ends: its memory is worth more than a fork
FIRST: Final = 0.5  # seconds after which a call counts as long
MAX_REPLY: Final = 64 << 20  # bytes


Make = Callable[[], Sequence[bytes]]
"""Makes the body of a request, in parts."""


class OutOfTime(EsoError):
    """The computation did not end before its deadline; its process was killed."""


class OutOfMemory(EsoError):
    """The computation needed more memory than a worker may have, or its process died."""


class Crashed(EsoError):
    """The function raised what it promises not to raise: a bug of ours. The text names the type only."""


class Worker:
    """One process, bound to one namespace. `pipe` is non-blocking, `process` a pidfd."""

    __slots__ = ("namespace", "pipe", "process", "used")

    def __init__(self, namespace: str, pipe: socket.socket, process: int, used: float) -> None:
        self.namespace, self.pipe, self.process, self.used = namespace, pipe, process, used

    def end(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)
        os.close(self.process)
        self.pipe.close()


class _Parts(list[bytes]):
    """What a pickler writes. Long bytes are not copied; between two parts another thread has its turn."""

    def write(self, part: bytes) -> None:
        self.append(part)


def parcel(content: object) -> list[bytes]:
    """The pickle of `content` in parts, for a worker to load: long bytes in it are parts of their own, as they are."""
    parts = _Parts()
    pickle.Pickler(parts, pickle.HIGHEST_PROTOCOL).dump(content)
    return parts


class Pool:
    """`module`: its CALLS are served. `workers`: processes at a time; `memory`: bytes for each. Belongs to the loop it
    is first used on."""

    def __init__(
        self, module: str, clock: Clock, workers: int = WORKERS, memory: int = MEMORY, group: Group = alone
    ) -> None:
        self.module, self.most, self.clock, self.memory = module, workers, clock, memory
        self.started = self.killed = 0  # workers, for the metrics
        self._turns, self._group = Turns(workers, clock.monotonic), group
        self._long: OrderedDict[tuple[str, str, str], None] = OrderedDict()  # objects, with what is computed for them
        self._idle: list[Worker] = []
        self._zygote: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._forking = asyncio.Lock()

    async def run(
        self,
        namespace: str,
        name: str,
        body: bytes | Make,
        seconds: float,
        of: str = "",
        doubtful: bool = False,
    ) -> bytes:
        """`CALLS[name](body)` on behalf of `namespace`, within `seconds` from the moment a worker takes it. A body
        that is still to be made is made then, in a thread: what waits is not held twice. `of`: the object that it is
        for; `doubtful`: it has failed before, and may have been ended.

        A call is ended after FIRST seconds and begun again in a place for long ones, so that a short call of somebody
        else never waits for many long ones; calls of an object that was long, or is doubtful, go there at once.

        Raises OutOfTime, OutOfMemory, Crashed. Cancelled, it kills the worker: nobody else may read that reply.
        """
        owner, object_ = self._group(namespace), (namespace, of, name)
        if seconds > FIRST and not doubtful and object_ not in self._long:
            try:
                return await self._turn(owner, namespace, name, body, FIRST)
            except OutOfTime:
                self._long[object_] = None
                if len(self._long) > REMEMBERED:
                    self._long.popitem(last=False)
        return await self._turn(owner, namespace, name, body, seconds, long=seconds > FIRST, doubtful=doubtful)

    async def _turn(
        self,
        owner: str,
        namespace: str,
        name: str,
        body: bytes | Make,
        seconds: float,
        *,
        long: bool = False,
        doubtful: bool = False,
    ) -> bytes:
        async with self._turns.turn(owner, long=long, doubtful=doubtful):
            try:
                worker = await self._worker(namespace)
            except OSError:
                raise OutOfMemory("no process can be started to compute in") from None
            try:
                parts = [body] if isinstance(body, bytes) else await asyncio.to_thread(body)
                async with asyncio.timeout(seconds):
                    reply = await ask(worker.pipe, name, parts)
            except BaseException as error:
                self.killed += 1
                worker.end()
                if isinstance(error, TimeoutError):
                    self._turns.offended(owner)
                    raise OutOfTime(f"the computation takes longer than {seconds:g} s") from None
                if isinstance(error, OSError):
                    self._turns.offended(owner)
                    raise OutOfMemory("the computation needs more memory than there is") from None
                raise
            worker.used = self.clock.monotonic()
            self._idle.append(worker)
            self._turns.proved(owner)
        if reply[:1] == FAILED:
            what = reply[1:].decode("ascii", "replace")
            if what in ("MemoryError", "RecursionError"):
                raise OutOfMemory("the computation needs more memory than there is")
            raise Crashed(f"the computation failed: {what}")
        return reply[1:]

    async def tend(self) -> None:
        """Ends workers that were idle for long, until cancelled; then every process."""
        try:
            while True:
                await self.clock.sleep(IDLE_SECONDS / 6)
                self.sweep()
        finally:
            self.close()

    def sweep(self) -> None:
        limit = self.clock.monotonic() - IDLE_SECONDS
        for worker in [worker for worker in self._idle if worker.used < limit]:
            self._idle.remove(worker)
            worker.end()

    def close(self) -> None:
        """Ends every process. Calls that run fail."""
        for worker in self._idle:
            worker.end()
        self._idle.clear()
        if self._zygote is not None:
            process, pipe = self._zygote
            self._zygote = None
            pipe.close()
            process.kill()
            process.wait()

    async def _worker(self, namespace: str) -> Worker:
        """An idle worker of this namespace, else a new one; a worker of another namespace is never handed over."""
        for worker in reversed(self._idle):
            if worker.namespace == namespace:
                self._idle.remove(worker)
                return worker
        busy = self._turns.taken
        if len(self._idle) + busy > self.most:
            oldest = min(self._idle, key=lambda worker: worker.used)
            self._idle.remove(oldest)
            oldest.end()
        async with self._forking:
            try:
                return await self._fork(namespace)
            except OSError:
                self._lose_zygote()
                return await self._fork(namespace)  # a zygote that died is started again, once per request

    async def _fork(self, namespace: str) -> Worker:
        zygote = await self._ready()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(zygote, [b"F"], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            async with asyncio.timeout(START_SECONDS):
                await readable(zygote)
            _, processes, *_ = socket.recv_fds(zygote, 1, 1)
            if not processes:
                raise ConnectionResetError("the zygote ended")
        except BaseException:
            ours.close()
            self._lose_zygote()  # its answer would be taken for the next one's
            raise
        ours.setblocking(False)
        self.started += 1
        return Worker(namespace, ours, processes[0], self.clock.monotonic())

    async def _ready(self) -> socket.socket:
        if self._zygote is None:
            ours, theirs = socket.socketpair()
            arguments = [str(theirs.fileno()), self.module, str(self.memory)]
            command = [sys.executable, "-I", "-m", "eso.runtime.zygote", *arguments]
            quiet = subprocess.DEVNULL
            try:
                process = subprocess.Popen(  # noqa: ASYNC220  # a fork and an exec; everything slow is waited for below
                    command, pass_fds=[theirs.fileno()], stdin=quiet, stdout=quiet, stderr=quiet, env=ENVIRON, cwd="/"
                )
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._zygote = (process, ours)
            try:
                async with asyncio.timeout(START_SECONDS):
                    if await asyncio.get_running_loop().sock_recv(ours, 1) != b"R":
                        raise ConnectionResetError("the zygote did not start")
            except BaseException:
                self._lose_zygote()
                raise
        return self._zygote[1]

    def _lose_zygote(self) -> None:
        if self._zygote is not None:
            process, pipe = self._zygote
            self._zygote = None
            pipe.close()
            process.kill()
            process.wait()


ENVIRON: Final = {"PYTHONDONTWRITEBYTECODE": "1"}


async def ask(pipe: socket.socket, name: str, parts: Sequence[bytes]) -> bytes:
    loop = asyncio.get_running_loop()
    head = bytes([len(name)]) + name.encode()
    await loop.sock_sendall(pipe, (len(head) + sum(map(len, parts))).to_bytes(8, "big") + head)
    for part in parts:
        await loop.sock_sendall(pipe, part)
    size = int.from_bytes(await exactly(pipe, 8), "big")
    if not 0 < size <= MAX_REPLY:
        raise OSError("the reply is too large")
    take(size)  # without waiting: others wait for the worker
    return await exactly(pipe, size)


async def exactly(pipe: socket.socket, size: int) -> bytes:
    loop, body, filled = asyncio.get_running_loop(), bytearray(size), 0
    view = memoryview(body)
    while filled < size:
        count = await loop.sock_recv_into(pipe, view[filled:])
        if not count:
            raise ConnectionResetError("the worker ended")
        filled += count
    return bytes(body)


async def readable(pipe: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(pipe, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(pipe)
