"""The whole operator on the fake API server: everything between the watch and the write is real, time stands still.

Neighbours: tests/fakes has the API server and the clock; providers are scripted by the tests
(tests/harness/scripted.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import SECRETS, Resource
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES
from eso.app.flags import ControllerSettings, parse
from eso.app.lifecycle import run
from eso.app.tasks import Stop
from eso.app.wiring import Operator
from eso.generators.registry import Registry as GeneratorKinds
from eso.stores.registry import PROVIDERS, Backend, Registry
from tests.fakes.apiserver import FakeApiServer, Json, Request, UnhurriedAccess
from tests.fakes.clock import VirtualClock, until
from tests.harness.inprocess import Log
from tests.harness.scripted import Scripted

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated"}]}


class Operating:
    """One process at work. `providers` replace those of the same key; each is spec and connector in one. `missing`:
    keys of providers whose connector cannot be imported. `kinds` are the generators in place of all others."""

    def __init__(
        self,
        api: FakeApiServer,
        flags: Iterable[str] = (),
        providers: Mapping[str, Any] | None = None,
        missing: Iterable[str] = (),
        start: datetime = START,
        environ: Mapping[str, str] | None = None,
        kinds: GeneratorKinds | None = None,
    ) -> None:
        self.api, self.clock, self.log, self.stop = api, VirtualClock(start), Log(), Stop()
        given = dict(providers or {})
        self.access = UnhurriedAccess(api.url)
        self.operator = Operator(
            parse(ControllerSettings, ["--metrics-addr=0", "--live-addr=0", *flags]),
            self.access,
            self.clock,
            self.log,
            registry=Registry(
                PROVIDERS
                | {key: Backend(made, "") for key, made in given.items()}
                | {key: Backend(Scripted(), "a_package.that_is_missing") for key in missing},
                given,
            ),
            generators=kinds,
            environ=environ,
        )
        self.task = asyncio.create_task(run(self.operator, self.stop))

    async def end(self) -> None:
        if not self.task.done():
            self.stop.signal()
        try:
            await self.task
        finally:
            await self.access.close()

    async def until(self, what: Any) -> None:
        """Real time: until the condition holds. Fails at once when the process has ended."""
        await until(lambda: self.task.done() or what(), 300.0)
        if self.task.done():
            self.task.result()
        assert what()

    async def running(self) -> None:
        """Every room has started."""
        await self.until(lambda: all(room.started.is_set() for room in self.operator.rooms))

    async def idle(self) -> None:
        """No key runs or waits for a worker."""

        def quiet() -> bool:
            snapshots = [room.queue.snapshot() for room in self.operator.rooms]
            return not any(one.running or one.depth for one in snapshots)

        await self.until(quiet)

    def passes(self, kind: str = "externalsecret") -> int:
        """How many passes have ended."""
        head = f'controller_runtime_reconcile_total{{controller="{kind}"'
        return int(sum(float(line.rpartition(" ")[2]) for line in self.metrics().splitlines() if line.startswith(head)))

    def lines(self, level: str) -> list[tuple[str, dict[str, Any]]]:
        return [(text, fields) for kind, text, fields in self.log.lines if kind == level]

    def written(self, resource: Resource, subresource: str = "") -> list[Request]:
        """Writes of this process."""
        end = f"/{subresource}" if subresource else ""
        return [one for one in self.api.writes if resource.plural in one.path.split("/") and one.path.endswith(end)]

    def knows(self, resource: Resource, name: str, namespace: str = "team") -> bool:
        """Whether the informer keeps the object."""
        informers = {informer.resource: informer for informer in self.operator.catalogue.informers}
        return informers[resource].get((namespace, name)) is not None

    def knows_account(self, name: str, namespace: str = "team") -> bool:
        """Whether the ServiceAccount is followed."""
        informer = self.operator.accounts.informer
        return informer is not None and informer.has_synced.is_set() and informer.get((namespace, name)) is not None

    def events(self) -> list[Json]:
        """Bodies of the Events that were sent."""
        return [request.body for request in self.api.writes if request.path.endswith("/events")]

    def metrics(self) -> str:
        return self.operator.metrics.render(self.operator.metrics.freeze()).decode()

    def secret(self, name: str = "secret", namespace: str = "team") -> Json | None:
        return self.api.get(SECRETS, namespace, name)

    def ready(self, name: str = "secret", namespace: str = "team") -> str:
        """Status of the object's Ready condition, "" without one."""
        return condition(self.api.get(EXTERNAL_SECRETS, namespace, name), "Ready").get("status", "")

    def cluster_store(self, name: str) -> Json | None:
        return self.api.get(CLUSTER_SECRET_STORES, "", name)


def condition(body: Json | None, kind: str) -> Json:
    conditions = ((body or {}).get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def put_store(
    api: FakeApiServer,
    name: str = "store",
    namespace: str = "team",
    *,
    provider: Json | None = None,
    ready: bool = False,
    conditions: list[Json] | None = None,
    **meta: Any,
) -> Json:
    """Without a namespace a ClusterSecretStore. `ready`: it was validated before."""
    body: Json = {
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {}), **meta},
        "spec": {"provider": provider or {"fake": {"data": [{"key": "key", "value": "value"}]}}},
    }
    if conditions:
        body["spec"]["conditions"] = conditions
    if ready:
        body["status"] = READY
    return api.put(SECRET_STORES if namespace else CLUSTER_SECRET_STORES, body)


def put_external_secret(
    api: FakeApiServer,
    name: str = "secret",
    namespace: str = "team",
    *,
    store: str = "store",
    kind: str = "SecretStore",
    key: str = "key",
    status: Json | None = None,
    **spec: Any,
) -> Json:
    body: Json = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": store, "kind": kind},
            "data": [{"secretKey": "x", "remoteRef": {"key": key}}],
            **spec,
        },
    }
    return api.put(EXTERNAL_SECRETS, body | ({"status": status} if status else {}))


@asynccontextmanager
async def operating(
    api: FakeApiServer,
    *flags: str,
    providers: Mapping[str, Any] | None = None,
    missing: Iterable[str] = (),
    start: datetime = START,
    environ: Mapping[str, str] | None = None,
    kinds: GeneratorKinds | None = None,
) -> AsyncIterator[Operating]:
    one = Operating(api, flags, providers, missing, start, environ, kinds)
    try:
        yield one
    finally:
        await one.end()
