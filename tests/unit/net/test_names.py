"""Names: lookups that take long hold up nobody else's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from eso.net import names
from eso.net.http import Pools, Unreachable
from eso.net.names import PLACES, Lookups, lookups
from eso.runtime.clock import SystemClock
from eso.runtime.memory import Memory, holding
from tests.fakes.clock import until
from tests.unit.net.test_http import serving
from tests.unit.net.test_reach import nothing


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that were looked up. Those of `slow.example` get no answer until the test is over."""
    real, over, asked = socket.getaddrinfo, threading.Event(), list[str]()

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(host))
        if str(host).endswith("slow.example"):
            over.wait(120)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1" if str(host).endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    over.set()


async def test_names_without_an_answer_hold_up_no_other_namespace(looked: list[str]) -> None:
    memory = Memory(64 << 20, SystemClock())

    async def look(namespace: str, host: str) -> list[Any]:
        with holding(memory.open(namespace)):
            return await lookups().getaddrinfo(host, 443, type=socket.SOCK_STREAM)

    slow = [asyncio.create_task(look(f"greedy-{n % 4}", f"{n}.slow.example")) for n in range(200)]
    await until(lambda: len(looked) >= PLACES // 2)
    async with asyncio.timeout(60):
        found = await look("team", "vault.example")
        assert found[0][4][0] == "127.0.0.1"
        assert await asyncio.to_thread(lambda: "free"), "the threads of the loop are for others"
    assert len(looked) <= PLACES + 1
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def test_requests_and_connections_look_names_up_there(looked: list[str]) -> None:
    async with serving(nothing) as server:
        port = server.rpartition(":")[2]
        pools = Pools()
        pool = pools.open("http://vault.example")
        assert (await pool.request("GET", f"http://vault.example:{port}/")).status
        (await pools.connected(f"http://other.example:{port}")).close()
        await pool.close()
    assert looked == ["vault.example", "other.example"]


async def test_a_lookup_that_takes_too_long_is_given_up_and_keeps_its_place(
    looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "LONGEST", 0.01)
    mine = Lookups()
    for _ in range(PLACES * 3):
        with pytest.raises(socket.gaierror):
            await mine.getaddrinfo("a.slow.example", 443)
    assert len(looked) <= PLACES * 3 // 4
    assert mine.slots.free >= PLACES // 4
    with pytest.raises(Unreachable, match="no such host"):
        await Pools().connected("http://b.slow.example")
