"""The front door of stores before one FakeAws, in a cluster reduced to dicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eso.api.externalsecret import StoreRef
from eso.api.meta import Condition, ObjectMeta
from eso.api.secretstore import SecretStore, SecretStoreSpec, SecretStoreStatus
from eso.providers.contract import RemoteRef
from eso.runtime.clock import Clock
from eso.stores.credentials import Ambient
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import Registry
from eso.stores.resolve import Rules
from tests.fakes.aws import FakeAws
from tests.fakes.awslogin import KEYS, STATIC
from tests.fakes.credentials import DictRest
from tests.fakes.env import TestPools, env

MAIN, CLUSTER = StoreRef(name="main"), StoreRef(name="main", kind="ClusterSecretStore")
READY = Condition("Ready", "True", "Valid", "store validated")
NAMESPACED = {
    "secretRef": {name: selector | {"namespace": "platform"} for name, selector in STATIC["secretRef"].items()}
}


class World:
    """Stores of one cluster in front of one FakeAws."""

    def __init__(self, server: FakeAws, clock: Clock) -> None:
        self.server, self.rest = server, DictRest()
        self.records: dict[tuple[str, str, str], SecretStore] = {}
        rules = Rules(lambda *place: self.records.get(place), {}.get, Plans(Registry()))
        self.pools = TestPools(hosts=server.hosts)
        given = env(clock, pools=self.pools)
        rest: Any = self.rest  # it only reads and requests tokens
        self.requests: list[tuple[str, str]] = []  # the metric's labels of each
        gates = Gates(clock, lambda gate, count: 0, meter=self)
        self.stores = Stores(rules, rest, gates, given, jitter=lambda: 0.0, ambient=Ambient({}, "all"))
        for namespace in ("team-a", "platform"):
            secrets = {"id": KEYS["keys/id"], "secret": KEYS["keys/secret"]}
            self.rest.secret(namespace, "keys", **secrets)

    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None:
        self.requests.append((provider, call))

    def add(self, kind: str = "SecretStore", **block: Any) -> SecretStore:
        namespace = "team-a" if kind == "SecretStore" else ""
        whole = {"service": "SecretsManager", "region": "eu-central-1", "auth": STATIC} | block
        record = SecretStore(
            metadata=ObjectMeta(name="main", namespace=namespace, uid=f"uid-{kind}", generation=1),
            spec=SecretStoreSpec(provider={"aws": whole}, retry_settings={"maxRetries": 1}),
            status=SecretStoreStatus(conditions=(READY,)),
        )
        self.put(record)
        return record

    def put(self, record: SecretStore) -> None:
        place = (record.kind, record.namespace, record.name)
        self.records[place] = record
        self.stores.store_changed(*place)

    async def read(self, key: str, namespace: str = "team-a", store: StoreRef = MAIN, property: str = "") -> bytes:
        return (await self.stores.read(namespace, store, RemoteRef(key, property))).reveal()


@asynccontextmanager
async def world(clock: Clock | None = None) -> AsyncIterator[World]:
    async with FakeAws() as server:
        server.clock = clock or server.clock
        made = World(server, server.clock)
        running = asyncio.ensure_future(made.stores.run())
        await asyncio.sleep(0)
        yield made
        running.cancel()
        await asyncio.wait([running])
        connections = [pool for pool in made.pools.opened if pool._session is not None]
        assert connections == [], "the end of the process lets go of what logins share"
