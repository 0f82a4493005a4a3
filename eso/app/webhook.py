"""The process of `eso webhook`: probes and metrics from the start, reviews once there is a certificate, an end when the
certificate nears its own.

Neighbours: main.py calls `serve`, `eso.admission` does the work. It asks no backend, and the API server
only who scrapes its metrics.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from eso.admission.certificate import Certificate
from eso.admission.connections import slim
from eso.admission.review import Reviewer
from eso.admission.server import Server
from eso.admission.tls import TlsPolicy, policy
from eso.app.flags import WebhookSettings
from eso.app.scrapers import guarding
from eso.app.tasks import Stop, background, before, leaves, unless
from eso.errors import EsoError
from eso.kube.config import FixedAccess, connect
from eso.kube.rest import Access
from eso.observe import log as logging
from eso.observe.health import Health, serving
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.confine import undumpable


class Webhook:
    """Everything the process is made of. Made on the loop that it runs on."""

    def __init__(self, settings: WebhookSettings, tls: TlsPolicy, clock: Clock, log: Log) -> None:
        self.settings, self.clock, self.log = settings, clock, log
        reviewer = Reviewer()
        self.metrics, self.health = Metrics(), Health()
        meter = self.metrics.webhook(reviewer.paths)
        self.certificate = Certificate(
            Path(settings.cert_dir), settings.dns_name, tls, clock, log, counted=self.metrics.certificate_read
        )
        self.server = Server(reviewer, self.certificate, meter, clock, log)
        self.metrics.serving_certificate(lambda: self.certificate.ends_at)
        self.health.ready("certs", self.certificate.fault)


def serve(settings: WebhookSettings, environ: Mapping[str, str]) -> int:
    """From start to SIGTERM. Returns the exit code; what went wrong is in the log."""
    undumpable()  # a core file would hold the key of the certificate
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    slim()
    logging.configure(settings.loglevel, settings.zap_time_encoding)
    log = logging.get("setup")
    for text in settings.without_effect():
        log.info("flag has no effect here", flag=text)
    code = 0
    try:
        tls = policy(settings.tls_ciphers, settings.tls_min_version)
        if tls.remark:
            log.warning(tls.remark, flag="--tls-min-version")
        asyncio.run(until_told(settings, tls, environ, log))
    except* EsoError as failed:
        for error in leaves(failed):
            log.error("the process ends", error=str(error), fix=getattr(error, "fix", ""))
        code = 1
    return code


async def until_told(settings: WebhookSettings, tls: TlsPolicy, environ: Mapping[str, str], log: Log) -> None:
    """Runs until SIGTERM or SIGINT; a second signal does not wait for the API server to go elsewhere."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.signal)
    async with reaching(settings, environ) as access:
        await run(Webhook(settings, tls, SystemClock(), log), access, stop)


@asynccontextmanager
async def reaching(settings: WebhookSettings, environ: Mapping[str, str]) -> AsyncIterator[Access]:
    """The API server where --metrics-auth needs it, and none otherwise: the process then has no credentials at all."""
    access = await connect(environ, log=logging.get("kube")) if settings.metrics_auth else FixedAccess("")
    try:
        yield access
    finally:
        await access.close()


async def run(webhook: Webhook, access: Access, stop: Stop) -> None:
    settings, certificate, server = webhook.settings, webhook.certificate, webhook.server
    async with (
        guarding(settings, access, webhook.clock, webhook.metrics, webhook.log) as guard,
        serving(
            settings.metrics_addr,
            settings.healthz_addr,
            webhook.metrics.scrape,
            webhook.health,
            tls=guard.tls,
            admit=guard.admit,
        ),
        background(*guard.renewing),
    ):
        if not await unless(stop, certificate.first()):
            return
        async with (
            background(certificate.follow(), certificate.guard(settings.check_interval, settings.lookahead_interval)),
            server.serving(settings.bind_address, settings.port) as port,
        ):
            webhook.log.info("answering reviews", port=port)
            await stop.asked.wait()
            await before(stop.now, server.drain())
    webhook.log.info("stopped")
