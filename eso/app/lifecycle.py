"""Who lives inside whom: what opens last closes first, and a background task that dies ends the process.

Neighbours: wiring.py built the parts, main.py calls `serve`, tasks.py has what all subcommands do with tasks.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Mapping

from eso.app.election import leading
from eso.app.flags import ControllerSettings
from eso.app.scrapers import guarding
from eso.app.tasks import Stop, background, before, leaves, settle, unless
from eso.app.wiring import Operator
from eso.errors import EsoError
from eso.kube.config import connect
from eso.kube.standing import Missing, Refused
from eso.net.http import Proxies
from eso.observe import log as logging
from eso.observe.health import serving
from eso.observe.log import Log
from eso.reconcile.kit.room import Room
from eso.runtime.clock import SystemClock
from eso.runtime.confine import undumpable
from eso.runtime.watchdog import Watchdog

DRAIN_SECONDS = 3.0


def serve(settings: ControllerSettings, environ: Mapping[str, str]) -> int:
    """The controller process, from start to SIGTERM. Returns the exit code; what went wrong is in the log."""
    undumpable()  # a core file would hold values, and so would a look from another process of the same user
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each address that stores name may take a socket
    settle()  # the modules stay, and the first lists are read faster without a collection for each thousand objects
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
    stop, loop = Stop(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.signal)
    access = await connect(environ, log=logging.get("kube"))
    try:
        await run(
            Operator(
                settings,
                access,
                SystemClock(),
                logging.get("controllers"),
                proxies=Proxies.from_environ(environ),
                environ=environ,
            ),
            stop,
        )
    finally:
        await access.close()


async def run(operator: Operator, stop: Stop) -> None:
    """One process's life, as nesting: probes and watches outside, then the lease, then logins, then the passes."""
    settings, vitals, log = operator.settings, operator.vitals, logging.get("setup")
    async with (
        guarding(settings, operator.access, operator.clock, operator.metrics, log) as guard,
        serving(
            settings.metrics_addr,
            settings.live_addr,
            operator.metrics.scrape,
            vitals.health,
            tls=guard.tls,
            admit=guard.admit,
        ),
        background(*guard.renewing, watchdog=vitals.watchdog),
        background(vitals.watchdog.run(), operator.recorder.run(), watchdog=vitals.watchdog),
        background(operator.catalogue.run(), watchdog=vitals.watchdog),
        background(after_the_lists(operator, log)),
    ):
        # A standby keeps its caches warm, and one with cold caches does not compete with it.
        if operator.lease is not None and not (
            await unless(stop, operator.catalogue.listed.wait()) and await unless(stop, operator.lease.acquire())
        ):
            return
        async with leading(operator.lease, settings.leader_election_id, operator.metrics, vitals.watchdog):
            async with (
                background(
                    operator.stores.run(), operator.accounts.run(), operator.compute.tend(), watchdog=vitals.watchdog
                ),
                background(cut_off(operator, stop)),
                asyncio.TaskGroup() as rooms,
            ):
                for room in operator.rooms:
                    rooms.create_task(live(room, stop, vitals.watchdog, operator.log), name=room.name)
            await before(stop.now, operator.recorder.drain(DRAIN_SECONDS))
    log.info("stopped")


async def live(room: Room, stop: Stop, watchdog: Watchdog, log: Log) -> None:
    """A room from the moment its informers know enough until `stop`."""
    if not await unless(stop, known(room, log)):
        return
    async with background(*(run() for run in room.background), watchdog=watchdog):
        room.started.set()
        log.info("reconciling", controller=room.name)
        await room.controller.run(stop.asked)


async def known(room: Room, log: Log) -> None:
    """Waits until the room may start. A resource that is not served keeps this room waiting, and no other."""
    for informer in room.needs:
        match await informer.settled():
            case Missing(error) | Refused(error):
                log.warning(
                    "a controller waits for its resource",
                    controller=room.name,
                    resource=informer.resource.plural,
                    error=error,
                )
        await informer.has_synced.wait()
    for informer in room.heeds:
        match await informer.settled():
            case Missing(error) | Refused(error):
                log.warning(
                    "a controller starts without a resource",
                    controller=room.name,
                    resource=informer.resource.plural,
                    error=error,
                )


async def cut_off(operator: Operator, stop: Stop) -> None:
    """Cancels the passes in hand once the second signal comes."""
    await stop.now.wait()
    for room in operator.rooms:
        room.controller.cut_off()


async def after_the_lists(operator: Operator, log: Log) -> None:
    await operator.catalogue.listed.wait()
    settle()
    log.info("caches synced", **{informer.resource.plural: len(informer) for informer in operator.catalogue.informers})
