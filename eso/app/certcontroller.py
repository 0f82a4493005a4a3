"""The process of `eso certcontroller`: probes, metrics and watches on every replica, passes on the one that leads.

Neighbours: main.py calls `serve`, `eso.certs` does the work.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Final

from eso.app.election import leading, lease_in, may_write
from eso.app.flags import CertControllerSettings
from eso.app.scrapers import guarding
from eso.app.tasks import Stop, background, before, leaves, settle, unless
from eso.certs.inject import Service
from eso.certs.room import Certs, CertSettings
from eso.errors import EsoError
from eso.kube.config import connect, pod_namespace
from eso.kube.events import Recorder
from eso.kube.lease import LeaseTimes
from eso.kube.rest import Access, Rest
from eso.observe import log as logging
from eso.observe.health import Health, serving
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.confine import undumpable

LEASE: Final = "crd-certs-controller"
TIMES: Final = LeaseTimes()
DRAIN_SECONDS: Final = 3.0


class CertController:
    """Everything the process is made of. Raises EsoError where there is no namespace for the Lease."""

    def __init__(self, settings: CertControllerSettings, access: Access, clock: Clock, log: Log) -> None:
        self.settings, self.access, self.clock, self.log = settings, access, clock, log
        self.metrics, self.health = Metrics(), Health()
        rest = Rest(
            access,
            write_timeout=TIMES.duration / 2,  # a write must be over before the lease can be
            may_write=may_write(lambda: self.lease),
            counted=self.metrics.api_request,
        )
        unfenced = Rest(access, counted=self.metrics.api_request)
        self.recorder = Recorder(unfenced, clock=clock, log=log)
        self.lease = None
        if settings.enable_leader_election:
            # Outside of a pod the Lease lies beside the Secret that it is about.
            namespace = pod_namespace() or settings.secret_namespace
            self.lease = lease_in(namespace, LEASE, TIMES, unfenced, self.recorder, clock, log)
        self.certs = Certs(
            CertSettings(
                Service(settings.service_namespace, settings.service_name),
                settings.secret_namespace,
                settings.secret_name,
                settings.crd_names,
                settings.crd_requeue_interval,
                settings.enable_partial_cache,
            ),
            rest,
            self.recorder,
            self.metrics,
            clock,
            log,
            leading=lambda: self.lease is None or self.lease.leading,
        )
        self.health.ready("crd-inject", self.certs.crds_ready)
        self.health.ready("validation-webhook-inject", self.certs.configurations_ready)


def serve(settings: CertControllerSettings, environ: Mapping[str, str]) -> int:
    """From start to SIGTERM. Returns the exit code; what went wrong is in the log."""
    undumpable()  # a core file would hold the key of the CA
    logging.configure(settings.loglevel, settings.zap_time_encoding)
    log = logging.get("setup")
    for text in settings.without_effect():
        log.info("flag has no effect here", flag=text)
    code = 0
    try:
        asyncio.run(until_told(settings, environ))
    except* EsoError as failed:
        for error in leaves(failed):
            log.error("the process ends", error=str(error), fix=getattr(error, "fix", ""))
        code = 1
    return code


async def until_told(settings: CertControllerSettings, environ: Mapping[str, str]) -> None:
    """Runs until SIGTERM or SIGINT; a second signal does not wait for the pass in hand."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.signal)
    access = await connect(environ, log=logging.get("kube"))
    try:
        log = logging.get("controllers.webhook-certs-updater")
        await run(CertController(settings, access, SystemClock(), log), stop)
    finally:
        await access.close()


async def run(process: CertController, stop: Stop) -> None:
    settings, certs = process.settings, process.certs
    async with (
        guarding(settings, process.access, process.clock, process.metrics, process.log) as guard,
        serving(
            settings.metrics_addr,
            settings.healthz_addr,
            process.metrics.scrape,
            process.health,
            tls=guard.tls,
            admit=guard.admit,
        ),
        background(*guard.renewing, process.recorder.run(), *(informer.run() for informer in certs.informers)),
    ):
        if process.lease is not None and not await unless(stop, process.lease.acquire()):
            return
        settle()
        async with leading(process.lease, LEASE, process.metrics), background(cut_off(process, stop)):
            process.log.info("keeping certificates", secret=f"{settings.secret_namespace}/{settings.secret_name}")
            try:
                await certs.run(stop.asked)
            finally:
                certs.offload.close()
            await before(stop.now, process.recorder.drain(DRAIN_SECONDS))
    process.log.info("stopped")


async def cut_off(process: CertController, stop: Stop) -> None:
    await stop.now.wait()
    for controller in process.certs.controllers:
        controller.cut_off()
