"""What a connector is made with in tests, and a provider's two halves in one object."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import structlog

from eso.net.http import IN_FLIGHT, Pool, Pools, Proxies, Reply, Timeouts, tls_context
from eso.providers.contract import Connector, CredentialReader, Find, Spec, StoreClient, StoreView
from eso.providers.env import Env
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.offload import Offload
from eso.stores.registry import PROVIDERS, load

if TYPE_CHECKING:
    from eso.net.http2 import Channel

DEFAULT: Final = Timeouts()


class Detour(Pool):
    """Sends what goes to a host of `hosts` to another address instead, and waits at most `patience` seconds for a
    reply."""

    hosts: Mapping[str, str] = {}
    patience: float | None = None

    async def request(self, method: str, url: str, *, timeouts: Timeouts = DEFAULT, **options: Any) -> Reply:
        if self.patience is not None:
            timeouts = replace(timeouts, total=self.patience)
        return await super().request(method, around(url, self.hosts), timeouts=timeouts, **options)


def around(url: str, hosts: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    address = hosts.get(parts.netloc)
    if address is None:
        return url
    there = urlsplit(address)
    return urlunsplit((there.scheme, there.netloc, parts.path, parts.query, parts.fragment))


class TestPools(Pools):
    """Pools that a test can look at, and lead around: `hosts` is the vendor's host → the contract server's address."""

    __test__ = False  # not a test class

    def __init__(
        self, proxies: Proxies | None = None, hosts: Mapping[str, str] | None = None, patience: float | None = None
    ) -> None:
        super().__init__(proxies)
        self.hosts, self.patience = dict(hosts or {}), patience
        self.opened: list[Pool | Channel] = []

    def channel(self, server: str, *, ca: bytes | None = None) -> Channel:
        from tests.fakes.detour import DetourChannel  # imported late, as what it stands for

        address = around(server, self.hosts).rstrip("/")
        tls = tls_context(ca_pem=ca, protocols=("h2",)) if address.startswith("https") else None
        made = DetourChannel(address, self.connected, tls, self.proxies.for_url(server))
        made.patience = self.patience
        self.opened.append(made)
        return made

    async def dial(self, url: str, seconds: float = 15.0) -> None:
        await super().dial(around(url, self.hosts), seconds)

    def pool(self, *, tls: ssl.SSLContext | None) -> Pool:
        made = Detour(tls=tls, proxies=self.proxies, reach=self.reach, in_flight=IN_FLIGHT)
        made.hosts, made.patience = self.hosts, self.patience
        self.opened.append(made)
        return made


class Recording(Detour):
    """Remembers for which address a request was meant; one for a host that no server stands for fails."""

    def __init__(self, hosts: Mapping[str, str], meant: list[str]) -> None:
        super().__init__()
        self.hosts, self.meant = hosts, meant

    async def request(self, method: str, url: str, **options: Any) -> Reply:
        assert urlsplit(url).netloc in self.hosts, url
        self.meant.append(url)
        return await super().request(method, url, **options)


class RecordingPools(TestPools):
    """`meant`: addresses that were asked through these pools; `direct_meant`: past the proxies."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        super().__init__(hosts=hosts)
        self.meant: list[str] = []
        self.direct_meant: list[str] = []

    def pool(self, *, tls: ssl.SSLContext | None) -> Pool:
        return self._recording(self.meant)

    def direct(self) -> Pool:
        return self._recording(self.direct_meant)

    def _recording(self, meant: list[str]) -> Pool:
        made = Recording(self.hosts, meant)
        self.opened.append(made)
        return made


def env(clock: Clock | None = None, proxies: Proxies | None = None, pools: Pools | None = None) -> Env:
    return Env(
        pools or TestPools(proxies), Offload(threads=1, name="values"), clock or SystemClock(), structlog.get_logger()
    )


class Whole:
    """The provider `name` with a connector of its own."""

    def __init__(
        self,
        name: str,
        proxies: Proxies | None = None,
        hosts: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> None:
        self.name = name
        self.spec: Spec = PROVIDERS[name].spec
        self.pools = TestPools(proxies, hosts, patience)
        self.connector: Connector = load(PROVIDERS[name], env(pools=self.pools))

    async def open(self, store: StoreView, credentials: CredentialReader) -> StoreClient:
        return await self.connector.open(store, self.spec.plan(store), credentials)

    async def close(self) -> None:
        """Closes what a test did not."""
        await self.connector.close()
        for pool in self.pools.opened:
            await pool.close()


async def found(client: StoreClient, find: Find) -> dict[str, bytes]:
    """All pages of a search."""
    values: dict[str, bytes] = {}
    async with aclosing(client.find(find)) as pages:  # type: ignore[type-var]  # an async generator
        async for page in pages:
            values.update(page)
    return values
