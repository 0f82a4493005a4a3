"""One operator's stores in a process of their own: what each kind of store costs it, in modules and in memory.

Neighbours: test_one_process.py starts it beside the contract servers and writes the stores to its input, as JSON; the
answer is JSON as well.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from resource import getpagesize
from typing import Any

import eso.app.lifecycle  # what every operator loads
from eso.api.externalsecret import StoreRef
from eso.api.meta import Condition, ObjectMeta
from eso.api.secretstore import SecretStore, SecretStoreSpec, SecretStoreStatus
from eso.providers.contract import Remote, RemoteRef
from eso.stores.credentials import Ambient
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import Registry
from eso.stores.resolve import Rules
from tests.fakes.credentials import DictRest
from tests.fakes.env import TestPools, env

ROUNDS = 30
SWIFT = {"extensions.external-secrets.io/requests-per-second": "1000"}


class Operator:
    """The front door of stores, over a cluster that is a dict."""

    def __init__(self, hosts: dict[str, str]) -> None:
        assert eso.app.lifecycle
        self.rest, self.records = DictRest(), dict[tuple[str, str, str], SecretStore]()
        rules = Rules(lambda *place: self.records.get(place), lambda name: {}, Plans(Registry()))
        given = env(pools=TestPools(hosts=hosts))
        rest: Any = self.rest  # it only reads and requests tokens
        self.stores = Stores(rules, rest, Gates(given.clock), given, ambient=Ambient({}))

    def add(self, store: dict[str, Any]) -> None:
        namespace = store["namespace"]
        for name, data in store["secrets"].items():
            self.rest.secret(namespace, name, store["labels"].get(name), **data)
        for name, data in store["config_maps"].items():
            self.rest.objects[f"configmaps/{namespace}/{name}"] = {"data": data}
        place = ("SecretStore", namespace, "store")
        self.records[place] = SecretStore(
            metadata=ObjectMeta(name="store", namespace=namespace, uid=namespace, generation=1, annotations=SWIFT),
            spec=SecretStoreSpec(provider={store["provider"]: store["block"]}),
            status=SecretStoreStatus(conditions=(Condition("Ready", "True", "Valid", ""),)),
        )
        self.stores.store_changed(*place)

    async def ask(self, store: dict[str, Any]) -> None:
        """One read, one look where nothing can be read, or nothing where there is nobody to ask."""
        namespace = store["namespace"]
        if not store["asks"]:
            await self.stores.sessions.registry.connector(store["provider"], self.stores.sessions.env)
            return
        if store["reads"]:
            ref = RemoteRef(store["key"], store["property"])
            found = (await self.stores.read(namespace, StoreRef(name="store"), ref)).reveal()
            assert b"me" in found, store["provider"]
        else:
            assert await self.stores.exists(namespace, self.records["SecretStore", namespace, "store"], Remote("app"))


def resident() -> float:
    """MiB that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / (1 << 20)


async def measured(given: dict[str, Any]) -> dict[str, Any]:
    operator = Operator(given["hosts"])
    running = asyncio.ensure_future(operator.stores.run())
    await asyncio.sleep(0)
    told: dict[str, Any] = {"bare": resident(), "stores": []}
    for store in given["stores"]:
        before, held, began = set(sys.modules), resident(), time.process_time()
        operator.add(store)
        await operator.ask(store)
        spent = time.process_time() - began
        new = sorted(set(sys.modules) - before)
        told["stores"].append(
            {"provider": store["provider"], "modules": new, "mib": resident() - held, "seconds": spent}
        )
    told["all"] = resident()
    for _ in range(ROUNDS):
        for store in given["stores"]:
            await operator.ask(store)
    told["later"] = resident()
    running.cancel()
    await asyncio.wait([running])
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.load(sys.stdin)))))
