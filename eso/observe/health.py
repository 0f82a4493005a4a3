"""Serves /metrics, /healthz and /readyz.

Neighbours: metrics.py makes the text, `app` adds the checks (watchdog, caches synced) and says who may scrape.
The HTTP library is used here as a server; calls to the outside go through `net`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from eso.errors import EsoError
from eso.observe.metrics import CONTENT_TYPE

Check = Callable[[], str]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHUTDOWN_SECONDS: Final = 1.0
PLAIN_TEXT: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


class CannotListen(EsoError):
    """A bind address that is malformed or taken."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a scrape is not answered: HTTP status and text."""

    status: int
    text: str


Admission = Callable[[str], Awaitable[Refused | None]]  # of the Authorization header; None: the scrape is answered


class Health:
    """Named checks of two kinds. A check answers "" when all is well, else the reason; it must not wait."""

    def __init__(self) -> None:
        self._checks: dict[str, dict[str, Check]] = {"healthz": {"healthz": _ping}, "readyz": {"readyz": _ping}}
        self._notes: dict[str, Check] = {}

    def live(self, name: str, check: Check) -> None:
        """While `check` gives a reason, the process asks to be restarted."""
        self._checks["healthz"][name] = check

    def ready(self, name: str, check: Check) -> None:
        """While `check` gives a reason, the process is not ready."""
        self._checks["readyz"][name] = check

    def note(self, name: str, check: Check) -> None:
        """What `check` says stands in the answer of /readyz and changes nothing else."""
        self._notes[name] = check

    def ask(self, kind: str, name: str = "", *, verbose: bool = False) -> tuple[int, str]:
        """HTTP status and text for `kind` (healthz, readyz), or for one of its checks. 404 for a check that does not
        exist."""
        checks = self._checks[kind]
        if name:
            if name not in checks:
                return 404, "404 page not found"
            checks = {name: checks[name]}
        reasons = {each: check() for each, check in checks.items()}
        failed = any(reasons.values())
        notes = [f"[!]{each}: {text}" for each, note in self._notes.items() if kind == "readyz" and (text := note())]
        if not failed and not verbose:
            return 200, "\n".join(["ok", *notes])
        lines = [f"[-]{each} failed: {reason}" if reason else f"[+]{each} ok" for each, reason in reasons.items()]
        lines += notes
        return (
            (500, "\n".join([*lines, f"{kind} check failed\n"]))
            if failed
            else (200, "\n".join([*lines, f"{kind} check passed\n"]))
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the servers listen: (address, port), None when switched off. Both may be the same."""

    metrics: tuple[str, int] | None
    health: tuple[str, int] | None


@asynccontextmanager
async def serving(
    metrics_addr: str,
    health_addr: str,
    scrape: Callable[[], Awaitable[bytes]],
    health: Health,
    *,
    tls: ssl.SSLContext | None = None,
    admit: Admission | None = None,
) -> AsyncIterator[Bound]:
    """Serve for as long as the block lasts. Addresses like `:8080`, `127.0.0.1:8080`, `[::1]:8080`; `0` or empty
    switches one off. `tls` and `admit` guard /metrics; probes are plain and open to everybody, as the kubelet asks
    them.

    Raises CannotListen.
    """

    async def metrics(request: web.Request) -> web.StreamResponse:
        if admit is not None and (refused := await admit(request.headers.get("Authorization", ""))) is not None:
            return web.Response(status=refused.status, text=f"{refused.text}\n", headers=PLAIN_TEXT)
        return web.Response(body=await scrape(), headers={"Content-Type": CONTENT_TYPE})

    async def probe(request: web.Request) -> web.StreamResponse:
        kind, name = request.match_info["kind"], request.match_info.get("name", "")
        status, text = health.ask(kind, name, verbose="verbose" in request.query)
        return web.Response(status=status, text=text, headers=PLAIN_TEXT)

    for_metrics: dict[str, Handler] = {"/metrics": metrics}
    for_health: dict[str, Handler] = {
        "/{kind:healthz|readyz}": probe,
        "/{kind:healthz|readyz}/": probe,
        "/{kind:healthz|readyz}/{name}": probe,
    }
    at_metrics, at_health = bind_address(metrics_addr), bind_address(health_addr)
    async with AsyncExitStack() as servers:
        if at_metrics is not None and at_metrics == at_health and at_metrics[1] != 0:
            if tls is not None or admit is not None:
                raise CannotListen(
                    "metrics that are guarded cannot share an address with the probes", fix="give each its own port"
                )
            both = await servers.enter_async_context(_server(at_metrics, for_metrics | for_health))
            yield Bound(both, both)
            return
        yield Bound(
            await servers.enter_async_context(_server(at_metrics, for_metrics, tls)) if at_metrics else None,
            await servers.enter_async_context(_server(at_health, for_health)) if at_health else None,
        )


def bind_address(text: str) -> tuple[str, int] | None:
    """`host:port` → (host, port); the host is empty for "all interfaces". None for `0` and for nothing. Raises
    CannotListen."""
    if text in ("", "0"):
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CannotListen(
            f"{text!r} is no address to listen on", fix="use :8080, 127.0.0.1:8080, or 0 to switch it off"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


@asynccontextmanager
async def _server(
    address: tuple[str, int], routes: dict[str, Handler], tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address[0] or None, address[1], ssl_context=tls).start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {address[0]}:{address[1]}: {error.strerror}", fix="choose another address"
            ) from error
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()


def _ping() -> str:
    return ""
