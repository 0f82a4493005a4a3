"""One queue of a cloud in front of its contract server, for the tests of sqs.py, pubsub.py and servicebus.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from eso.notify.contract import Feed
from eso.notify.queues import Opener
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from tests.fakes.backend import Backend
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until
from tests.fakes.env import TestPools, env

Server = TypeVar("Server", bound=Backend)


class Rig(Generic[Server]):
    """`feed()` opens a queue; what a test leaves open is closed with the rig."""

    def __init__(self, server: Server, opener: Opener, block: dict[str, Any], credentials: CredentialReader) -> None:
        self.server, self.opener, self.block, self.credentials = server, opener, block, credentials
        self.clock = VirtualClock()
        self.pools = TestPools(hosts=server.hosts)  # type: ignore[attr-defined]  # every contract server has them
        self.env: Env = env(self.clock, pools=self.pools)
        self.feeds: list[Feed] = []

    async def feed(self, credentials: CredentialReader | None = None, **members: Any) -> Feed:
        """Members that are None are left out of the block."""
        block = {name: value for name, value in (self.block | members).items() if value is not None}
        feed = await self.opener.open(block, credentials or self.credentials, self.env)
        self.feeds.append(feed)
        return feed

    async def taken(self, feed: Feed) -> list[bytes]:
        """One batch, acknowledged."""
        messages = await feed.receive()
        if messages:
            await feed.acknowledge([message.receipt for message in messages])
        return [message.body for message in messages]

    async def close(self) -> None:
        for feed in self.feeds:
            await feed.close()
        self.feeds.clear()

    def sockets(self) -> int:
        return sum(pool._session is not None for pool in self.pools.opened)


@asynccontextmanager
async def rig(
    server: Server, opener: Opener, block: dict[str, Any], credentials: CredentialReader
) -> AsyncIterator[Rig[Server]]:
    """At the end nothing may be connected any more."""
    async with server:
        made = Rig(server, opener, block, credentials)
        yield made
        await made.close()
        assert made.sockets() == 0, "a feed that was closed lets go of its connections"
        await until(lambda: server.open_connections() == 0)


async def cancelled_everywhere(made: Rig[Any], run: Callable[[], Coroutine[Any, Any, Any]]) -> int:
    """Runs, cancelled at each await; what was opened is closed each time. Returns how often."""
    count = 0
    async for _ in every_await(run):
        await made.close()
        assert made.sockets() == 0, "a cancelled call leaves no connection behind"
        count += 1
    return count
