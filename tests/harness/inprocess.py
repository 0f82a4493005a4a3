"""The operator in a thread of the test, on a real API server under its own ServiceAccount, with a provider that the
test scripts.

Neighbours: tests/conformance builds its cases on it. Only the provider and the flags differ from the process that users
run.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from e2e.harness.cluster import Cluster
from e2e.harness.waiting import PATIENCE
from eso.app.flags import ControllerSettings, parse
from eso.app.lifecycle import run
from eso.app.tasks import Stop
from eso.app.wiring import Operator
from eso.kube.config import connect
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.kit.room import Room
from eso.runtime.clock import SystemClock
from eso.runtime.outcome import Wake
from eso.runtime.queuestate import Running
from eso.runtime.workqueue import Key, WorkQueue
from eso.stores.registry import PROVIDERS, Backend, Registry

SYSTEM, ACCOUNT = "external-secrets-system", "external-secrets"


class Log:
    """Takes every line; `lines` are (level, text, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        if level.startswith("_"):
            raise AttributeError(level)
        return lambda text, **fields: self.lines.append((level, text, fields))

    def bind(self, **_: Any) -> Log:
        return self


class InProcess:
    """`flags` by name, as on the command line; `providers` replace those of the same key. Use as a context manager."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        flags: Mapping[str, str] | None = None,
        providers: Mapping[str, Any] | None = None,
    ) -> None:
        # Named after the thread, so that operators side by side do not share a file that is being written.
        self.environ = {"KUBECONFIG": str(cluster.kubeconfig_for_serviceaccount(SYSTEM, ACCOUNT))}
        self.settings = parse(
            ControllerSettings,
            [
                f"--{name}={value}"
                for name, value in ({"metrics-addr": "0", "live-addr": "0"} | dict(flags or {})).items()
            ],
        )
        given = dict(providers or {})  # each is Spec and Connector in one
        self.registry = Registry(PROVIDERS | {key: Backend(made, "") for key, made in given.items()}, given)
        self.log = Log()
        self.wakes: list[tuple[Key, Wake]] = []  # of ExternalSecrets, as their passes began
        self.operator: Operator | None = None
        self.error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Stop | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._live, name="operator", daemon=True)

    def __enter__(self) -> InProcess:
        self._thread.start()
        if not self._up.wait(PATIENCE) or self.error is not None:
            raise RuntimeError(f"the operator did not start: {self.error!r}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.error is not None and error is None:
            raise self.error

    def stop(self) -> None:
        """As SIGTERM does; returns when everything has ended."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.signal)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError(f"the operator did not stop within {PATIENCE:g} s")

    def ask(self, question: Callable[[Operator], Any]) -> Any:
        """`question(operator)`, answered on the operator's own loop."""
        assert self._loop is not None and self.operator is not None
        operator = self.operator

        async def answer() -> Any:
            return question(operator)

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(PATIENCE)

    def failures(self, key: tuple[str, str]) -> int:
        """Of an ExternalSecret, in a row."""
        return int(self.ask(lambda operator: external_secrets(operator).queue.failures(key)))

    def in_hand(self, key: tuple[str, str]) -> bool:
        """Whether a pass over an ExternalSecret runs."""
        return isinstance(self.ask(lambda operator: external_secrets(operator).queue.explain(key)).place, Running)

    def watched(self) -> list[str]:
        """The kinds of targets, other than Secrets, that are followed."""
        return [resource.kind for resource in self.ask(lambda operator: generic_targets(operator).watched())]

    def metrics(self) -> str:
        """One scrape."""
        assert self._loop is not None and self.operator is not None
        return asyncio.run_coroutine_threadsafe(self.operator.metrics.scrape(), self._loop).result(PATIENCE).decode()

    def _live(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.error = error
        finally:
            self._up.set()

    def _note_wakes(self, queue: WorkQueue) -> None:
        take = queue.get

        async def noted() -> tuple[Key, Wake]:
            taken = await take()
            self.wakes.append(taken)
            return taken

        queue.get = noted  # type: ignore[method-assign]

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), Stop()
        access = await connect(self.environ)
        try:
            self.operator = Operator(self.settings, access, SystemClock(), self.log, registry=self.registry)
            self._note_wakes(external_secrets(self.operator).queue)
            self._loop.call_soon(self._up.set)
            await run(self.operator, self._stop)
        finally:
            await access.close()


def external_secrets(operator: Operator) -> Room:
    return next(room for room in operator.rooms if room.name == "externalsecret")


def generic_targets(operator: Operator) -> GenericTargets:
    """They run in the background of their room."""
    (run,) = external_secrets(operator).background
    targets = run.__self__  # type: ignore[attr-defined]  # a bound method
    assert isinstance(targets, GenericTargets)
    return targets
