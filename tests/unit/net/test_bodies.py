"""Bodies that hold too much together: which one is given up, and that nothing stays counted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from eso.net.bodies import Bodies, Crowded, TooLong, TooSlow
from tests.fakes.cancel import every_await
from tests.fakes.clock import until


class Sender:
    """A request whose body comes when the test says so."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies, self.parts = bodies, asyncio.Queue[bytes]()
        self.task = asyncio.ensure_future(self.read())

    async def readany(self) -> bytes:
        return await self.parts.get()

    async def read(self) -> bytes:
        request: Any = SimpleNamespace(content=self)
        with self.bodies.holding() as held:
            return await self.bodies.read(request, held)

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.parts.put_nowait(part)
        await until(lambda: self.parts.empty() or self.task.done())


async def test_the_one_that_has_been_read_for_longest_is_given_up():
    bodies = Bodies(100, 100, 60.0)
    first, second, third = (Sender(bodies) for _ in range(3))
    for one in (third, second, first):
        await one.send(b"x" * 33)
    await third.send(b"y" * 33, b"")
    assert await third.task == b"x" * 33 + b"y" * 33
    with pytest.raises(Crowded):
        await first.task
    await second.send(b"")
    assert await second.task == b"x" * 33 and bodies.size == 0


async def test_a_body_that_was_read_is_not_given_up():
    bodies = Bodies(100, 100, 60.0)
    with bodies.holding() as held:
        held.size = bodies.size = 80
        late = Sender(bodies)
        await late.send(b"x" * 33)
        with pytest.raises(Crowded):
            await late.task
        assert bodies.size == 80
    assert bodies.size == 0


async def test_one_that_made_room_takes_none_with_what_comes_just_then():
    bodies = Bodies(100, 100, 60.0)
    first, second = Sender(bodies), Sender(bodies)
    await first.send(b"x" * 60)
    second.parts.put_nowait(b"x" * 60)
    first.parts.put_nowait(b"x" * 10)
    await second.send(b"")
    assert len(await second.task) == 60
    with pytest.raises(Crowded):
        await first.task
    assert bodies.size == 0


async def test_long_and_slow_bodies_are_told_apart():
    long = Sender(Bodies(10, 100, 60.0))
    await long.send(b"x" * 11)
    with pytest.raises(TooLong):
        await long.task
    slow = Sender(Bodies(10, 100, 0.01))
    with pytest.raises(TooSlow):
        await slow.task
    assert long.bodies.size == slow.bodies.size == 0


async def test_every_await_may_be_cancelled():
    bodies = Bodies(100, 100, 60.0)

    async def life() -> None:
        content = Sender.__new__(Sender)
        content.parts = asyncio.Queue()
        for part in (b"x", b"y", b""):
            content.parts.put_nowait(part)
        request: Any = SimpleNamespace(content=content)
        with bodies.holding() as held:
            await asyncio.sleep(0)
            await bodies.read(request, held)
            await asyncio.sleep(0)

    async for _ in every_await(life):
        assert bodies.size == 0
