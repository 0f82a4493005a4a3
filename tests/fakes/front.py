"""The front door of stores over a cluster of a few objects: what a page's manifest or a bench is tried through.

Neighbours: tests of docs/providers and the contract tests. The API server is a dict; the provider and its backend are
whatever the test brings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson
import yaml

from eso.api.externalsecret import ExternalSecret, StoreRef, decode_external_secret
from eso.api.secretstore import SecretStore, decode_secret_store
from eso.providers.contract import RemoteRef
from eso.runtime.clock import Clock
from eso.stores.credentials import Ambient
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import PROVIDERS, Registry, load
from eso.stores.resolve import Rules
from tests.fakes.clock import settle
from tests.fakes.credentials import DictRest
from tests.fakes.env import Whole, env


class Calls:
    """The metric's labels of every request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None:
        self.seen.append((provider, call, status))


def manifests(page: Path, **words: str) -> list[dict[str, Any]]:
    """The objects of the first YAML block of a page; `words` are put in for others, as a reader would do."""
    text = page.read_text().split("```yaml\n")[1].split("```")[0]
    for name, value in words.items():
        text = text.replace(name, value)
    return list(yaml.safe_load_all(text))


class Front:
    """Stores with SecretStores that are Ready, `store` the first of them. `objects`: manifests; Secrets with stringData
    among them are in the cluster. `clock`: everything here and the logins go by it."""

    def __init__(
        self,
        whole: Whole,
        objects: list[dict[str, Any]],
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.rest, self.calls, self.whole = DictRest(), Calls(), whole
        self.wanted: ExternalSecret | None = None
        self.all: dict[tuple[str, str, str], SecretStore] = {}
        for found in objects:
            meta = found["metadata"]
            match found["kind"]:
                case "SecretStore":
                    self.all["SecretStore", meta["namespace"], meta["name"]] = store_of(found)
                case "ExternalSecret":
                    self.wanted = decode_external_secret(orjson.dumps(found))
                case "Secret":
                    self.secret(meta["name"], meta.get("labels"), **found["stringData"])
        self.store = next(iter(self.all.values()))
        given = env(clock, pools=whole.pools)
        connector = whole.connector if clock is None else load(PROVIDERS[whole.name], given)
        plans = Plans(Registry(PROVIDERS, {whole.name: connector}))
        rules = Rules(lambda *asked: self.all.get(asked), lambda name: {}, plans)
        rest: Any = self.rest  # it only reads
        gates = Gates(given.clock, meter=self.calls)
        self.stores = Stores(rules, rest, gates, given, ambient=Ambient(environ or {}))
        for place in self.all:
            self.stores.store_changed(*place)

    @property
    def namespace(self) -> str:
        return self.store.metadata.namespace

    def secret(self, name: str, labels: Mapping[str, str] | None = None, /, **data: str) -> None:
        """Writes a Secret beside the store; a change is announced by `changed`."""
        self.rest.secret("team-a", name, labels, **data)

    def changed(self, name: str) -> None:
        self.stores.credential_changed("Secret", self.namespace, name)

    async def read(self, key: str = "", property: str = "", store: str = "") -> bytes:
        """By default what the page's ExternalSecret reads first, from the first store."""
        remote = RemoteRef(key, property)
        if not key:
            assert isinstance(self.wanted, ExternalSecret)
            first = self.wanted.spec.data[0].remote_ref
            remote = RemoteRef(first.key, first.property)
        return (
            await self.stores.read(self.namespace, StoreRef(name=store or self.store.metadata.name), remote)
        ).reveal()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        task = asyncio.ensure_future(self.stores.run())
        await settle()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])


def store_of(found: Mapping[str, Any]) -> SecretStore:
    raw = dict(found)
    raw["metadata"] = {**found["metadata"], "uid": f"uid-of-{found['metadata']['name']}", "generation": 1}
    raw["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    store = decode_secret_store(orjson.dumps(raw))
    assert isinstance(store, SecretStore)
    return store
