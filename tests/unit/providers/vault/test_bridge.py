"""Blocking code on the loop: values, errors, cancellation and context come through."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from eso.providers.vault.bridge import call_name, drive, switch
from tests.fakes.cancel import Way, every_await
from tests.fakes.clock import settle

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def slowly(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def test_a_blocking_function_waits_on_the_loop() -> None:
    assert await drive(lambda: switch(slowly(1)) + switch(slowly(2))) == 3
    assert await drive(lambda: 5) == 5


async def test_two_of_them_run_side_by_side() -> None:
    order: list[str] = []

    def work(name: str) -> None:
        for step in range(3):
            order.append(f"{name}{step}")
            switch(asyncio.sleep(0))

    async with asyncio.TaskGroup() as group:
        group.create_task(drive(lambda: work("a")))
        group.create_task(drive(lambda: work("b")))
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_an_error_is_raised_where_it_is_waited_for() -> None:
    async def broken() -> None:
        raise ValueError("x")

    def careful() -> str:
        try:
            switch(broken())
        except ValueError as error:
            return f"caught {error}"
        return "missed"

    assert await drive(careful) == "caught x"
    with pytest.raises(ValueError, match="x"):
        await drive(lambda: switch(broken()))


async def test_a_cancellation_reaches_the_function() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            switch(asyncio.sleep(3600))
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.ensure_future(drive(work))
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert seen == ["cancelled"]


async def test_context_variables_are_the_callers() -> None:
    WHO.set("me")
    assert await drive(WHO.get) == "me"
    await drive(lambda: WHO.set("function"))
    assert WHO.get() == "me"


async def test_outside_of_drive_nobody_can_wait() -> None:
    coroutine = slowly(1)
    with pytest.raises(RuntimeError, match="outside of drive"):
        switch(coroutine)
    coroutine.close()


async def test_every_await_may_be_cancelled() -> None:
    count = 0
    async for _ in every_await(lambda: drive(lambda: switch(slowly(1)) + switch(slowly(2)))):
        count += 1
    assert count == 2 * len(Way)


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("POST", "auth/approle/login", {}, "Login"),
        ("POST", "auth/token/revoke-self", {}, "RevokeSelf"),
        ("GET", "auth/token/lookup-self", {}, "LookupSelf"),
        ("GET", "secret/metadata/x", {"list": "true"}, "ListSecrets"),
        ("GET", "secret/data/x", {"version": "1"}, "ReadSecretData"),
    ],
)
def test_requests_are_counted_under_the_names_of_the_reference(
    method: str, path: str, query: dict[str, str], name: str
) -> None:
    assert call_name(method, f"http://v/v1/{path}", query) == name
