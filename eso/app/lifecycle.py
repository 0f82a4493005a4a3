"""Who lives inside whom: what opens last closes first, and a background task that dies ends the process.

Neighbours: wiring.py built the parts, main.py calls `serve`.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from eso.app.flags import ControllerSettings
from eso.app.wiring import Operator
from eso.errors import EsoError
from eso.kube.config import connect
from eso.kube.informer import Informer
from eso.net.http import Proxies
from eso.observe import log as logging
from eso.observe.health import serving
from eso.runtime.clock import SystemClock

DRAIN_SECONDS = 3.0


def serve(settings: ControllerSettings, environ: Mapping[str, str]) -> int:
    """The controller process, from start to SIGTERM. Returns the exit code; what went wrong is in the log."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold values
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each address that stores name may take a socket
    logging.configure(settings.loglevel, settings.zap_time_encoding)
    log = logging.get("setup")
    for text in settings.without_effect():
        log.info("flag has no effect here", flag=text)
    code = 0
    try:
        asyncio.run(until_told(settings, environ))
    except* EsoError as failed:
        code = 1
        for error in leaves(failed):
            log.error("the process ends", error=str(error), fix=getattr(error, "fix", ""))
    return code


async def until_told(settings: ControllerSettings, environ: Mapping[str, str]) -> None:
    """Runs until SIGTERM or SIGINT; a second signal does not wait for passes in hand."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    access = await connect(environ, log=logging.get("kube"))
    try:
        await run(
            Operator(
                settings,
                access,
                SystemClock(),
                logging.get("controllers"),
                proxies=Proxies.from_environ(environ),
            ),
            stop,
        )
    finally:
        await access.close()


async def run(operator: Operator, stop: asyncio.Event) -> None:
    """One process's life, as nesting: probes and watches outside, then the lease, then logins, then the passes."""
    settings, world = operator.settings, operator.world
    log = logging.get("setup")
    probes = serving(settings.metrics_addr, settings.live_addr, operator.metrics.scrape, operator.health)
    async with probes, background(operator.watchdog.run(), operator.recorder.run()):
        # Everything that refers to Secrets is listed before Secrets are: only then is known what each of them means to
        # us.
        async with (
            following(world.informers[:-2], stop) as known,
            following(world.informers[-2:] if known else [], stop) as synced,
        ):
            if not synced:
                return
            settle()
            log.info("caches synced", externalsecrets=len(world.external_secrets), secrets=len(world.secrets))
            if operator.lease is not None and not await before(stop, operator.lease.acquire()):
                return
            async with leading(operator):
                log.info("reconciling")
                async with (
                    background(operator.stores.run(), operator.generic.run()),
                    asyncio.TaskGroup() as controllers,
                ):
                    for controller in operator.controllers:
                        controllers.create_task(controller.run(stop), name=controller.name)
                await operator.recorder.drain(DRAIN_SECONDS)
    log.info("stopped")


@asynccontextmanager
async def background(*running: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Runs the coroutines for as long as the block lasts; one that ends by an error ends the block with it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in running]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def following(informers: Sequence[Informer[Any]], stop: asyncio.Event) -> AsyncIterator[bool]:
    """Follows the API server for as long as the block lasts, which begins when all first lists are there; False when
    `stop` came first."""
    async with background(*(informer.run() for informer in informers)):
        yield bool(informers) and await before(stop, *(informer.has_synced.wait() for informer in informers))


@asynccontextmanager
async def leading(operator: Operator) -> AsyncIterator[None]:
    """Keeps the lease; gives it away after the last write, so that a standby need not wait for it to run out."""
    lease, name = operator.lease, operator.settings.leader_election_id
    if lease is None:
        yield
        return
    operator.metrics.leading(name, True)
    try:
        async with background(lease.keep()):
            yield
            await lease.release()
    finally:
        operator.metrics.leading(name, False)


async def before(stop: asyncio.Event, *wanted: Awaitable[Any]) -> bool:
    """Waits for all of `wanted`; False when `stop` came first."""
    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(stop.wait())
        waiting = group.create_task(together(*wanted))
        await asyncio.wait([stopped, waiting], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        waiting.cancel()
    return waiting.done() and not waiting.cancelled()


async def together(*wanted: Awaitable[Any]) -> None:
    for one in wanted:
        await one


def settle() -> None:
    """What the first lists made stays for long: take it out of the collector's sight, and let it run less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.001)  # a thread that renders gives the interpreter back to the loop five times as often


def leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
