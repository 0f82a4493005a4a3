"""Work in threads. The threads wait for events of the test, never for time."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from eso.runtime.offload import Offload
from tests.fakes.clock import settle, until

REQUEST = contextvars.ContextVar("request", default="none")


@pytest.fixture
def offload():
    made = Offload(threads=2)
    yield made
    made.close()


async def test_the_answer_comes_from_another_thread(offload):
    assert await offload.run(threading.get_ident) != threading.get_ident()


async def test_arguments_and_errors_travel(offload):
    assert await offload.run(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        await offload.run(int, "no")


async def test_context_variables_are_copied(offload):
    REQUEST.set("pass 7")
    assert await offload.run(REQUEST.get) == "pass 7"
    await offload.run(REQUEST.set, "changed in the thread")
    assert REQUEST.get() == "pass 7"


async def test_no_more_calls_run_than_there_are_threads(offload):
    go, running = threading.Event(), []

    def work(n):
        running.append(n)
        go.wait(10)
        return n

    calls = [asyncio.ensure_future(offload.run(work, n)) for n in range(5)]
    await until(lambda: len(running) == 2)
    await settle()
    assert len(running) == 2
    go.set()
    assert [await call for call in calls] == [0, 1, 2, 3, 4]


async def test_a_cancelled_caller_leaves_at_once_and_its_place_stays_taken_until_the_call_ends(offload):
    go, running = threading.Event(), []

    def work():
        running.append(True)
        go.wait(10)

    calls = [asyncio.ensure_future(offload.run(work)) for _ in range(2)]
    await until(lambda: len(running) == 2)
    third = asyncio.ensure_future(offload.run(len, "abc"))
    for call in calls:
        call.cancel()
    await settle()
    assert all(call.cancelled() for call in calls)
    assert not third.done()
    go.set()
    assert await third == 3


async def test_a_caller_cancelled_in_line_takes_no_place(offload):
    go = threading.Event()
    calls = [asyncio.ensure_future(offload.run(go.wait, 10)) for _ in range(2)]
    waiting = asyncio.ensure_future(offload.run(len, "abc"))
    await settle()
    waiting.cancel()
    await settle()
    assert waiting.cancelled()
    go.set()
    assert [await call for call in calls] == [True, True]
    assert await offload.run(len, "abc") == 3


async def test_a_closed_pool_refuses_and_gives_the_place_back(offload):
    offload.close()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await offload.run(len, "abc")


async def test_who_asks_for_much_lets_the_others_come_in_between():
    offload, go, order = Offload(threads=1), threading.Event(), []

    def work(owner):
        go.wait(10)
        order.append(owner)

    calls = [asyncio.ensure_future(offload.run_for(owner, work, owner)) for owner in ["greedy"] * 5 + ["late"]]
    await settle()
    go.set()
    for call in calls:
        await call
    offload.close()
    assert order.index("late") <= 2
