"""What guards /metrics: TLS by --metrics-secure, bearers of a Kubernetes token by --metrics-auth.

Neighbours: lifecycle.py serves with it; `net.serving` has the certificate, `kube.bearers` asks the API server.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eso.app.flags import Settings
from eso.errors import EsoError
from eso.kube.bearers import Allowed, Bearers, NotAllowed, Unknown
from eso.kube.rest import Access, Rest
from eso.net.serving import FilePair, SelfSigned
from eso.observe.health import Admission, Refused, bind_address
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Guard:
    """`tls` None: plain HTTP. `admit` None: whoever asks is answered. `renewing`: to be awaited while it serves."""

    tls: ssl.SSLContext | None = None
    admit: Admission | None = None
    renewing: tuple[Awaitable[Any], ...] = ()


@asynccontextmanager
async def guarding(
    settings: Settings, access: Access, clock: Clock, metrics: Metrics, log: Log
) -> AsyncIterator[Guard]:
    """The guard that the flags ask for. Raises TlsError for a certificate that cannot be used."""
    if not settings.metrics_secure or bind_address(settings.metrics_addr) is None:
        yield Guard()
        return
    admit = None
    if settings.metrics_auth:
        # No turns of the other requests: scrapes must not hold up the Lease.
        asking = Rest(access, tries=1, turns=None, counted=metrics.api_request)
        admit = admission(Bearers(asking, clock), log)
    pair: FilePair | SelfSigned
    if settings.metrics_cert_dir:
        folder = Path(settings.metrics_cert_dir)
        files = folder / settings.metrics_cert_name, folder / settings.metrics_key_name
        pair = FilePair(*files, clock, log, metrics.certificate_read)
    else:
        pair = SelfSigned(clock)
        log.info("metrics are served with a certificate that no authority signed", flag="--metrics-cert-dir")
    await pair.start()
    renewing = pair.run()
    try:
        yield Guard(pair.context, admit, (renewing,))
    finally:
        renewing.close()  # without effect on one that was awaited


def admission(bearers: Bearers, log: Log) -> Admission:
    """Answers as the reference's filter does: 401 without a known token, 403 without the right, 500 without an
    answer."""

    async def admit(authorization: str) -> Refused | None:
        try:
            verdict = await bearers.verdict(authorization)
        except EsoError as error:
            log.warning("cannot ask who scrapes the metrics", error=str(error))
            return Refused(500, "Authentication failed")
        match verdict:
            case Allowed():
                return None
            case NotAllowed(user):
                return Refused(403, f"Authorization denied for user {user}")
            case Unknown():
                return Refused(401, "Unauthorized")

    return admit
