"""What a connector is made with in tests, and a provider's two halves in one object."""

from __future__ import annotations

from contextlib import aclosing

import structlog

from eso.net.http import Pools, Proxies
from eso.providers.contract import Connector, CredentialReader, Find, Spec, StoreClient, StoreView
from eso.providers.env import Env
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.offload import Offload
from eso.stores.registry import PROVIDERS, load


def env(clock: Clock | None = None, proxies: Proxies | None = None) -> Env:
    return Env(Pools(proxies), Offload(threads=1, name="values"), clock or SystemClock(), structlog.get_logger())


class Whole:
    """The provider `name` with a connector of its own."""

    def __init__(self, name: str, proxies: Proxies | None = None) -> None:
        self.name = name
        self.spec: Spec = PROVIDERS[name].spec
        self.connector: Connector = load(PROVIDERS[name], env(proxies=proxies))

    async def open(self, store: StoreView, credentials: CredentialReader) -> StoreClient:
        return await self.connector.open(store, self.spec.plan(store), credentials)


async def found(client: StoreClient, find: Find) -> dict[str, bytes]:
    """All pages of a search."""
    values: dict[str, bytes] = {}
    async with aclosing(client.find(find)) as pages:  # type: ignore[type-var]  # an async generator
        async for page in pages:
            values.update(page)
    return values
