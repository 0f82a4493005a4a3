"""Several reads of one batch, each with its own answer or its own error."""

from __future__ import annotations

import asyncio

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound, Throttled, Unavailable
from eso.providers.kit.together import each
from tests.fakes.cancel import every_await


async def test_each_read_has_its_own_answer_in_the_order_of_asking() -> None:
    errors = {"b": Denied("b"), "c": SecretNotFound()}

    async def fetch(name: str) -> str:
        if name in errors:
            raise errors[name]
        return name.upper()

    assert list((await each(iter("abcd"), fetch)).items()) == [
        ("a", "A"),
        ("b", errors["b"]),
        ("c", errors["c"]),
        ("d", "D"),
    ]
    assert await each([], fetch) == {}


@pytest.mark.parametrize("error", [AuthExpired("x"), Throttled("x"), Unavailable("x")])
async def test_what_ails_the_login_or_the_server_is_the_answer_for_all(error: EsoError) -> None:
    async def fetch(name: str) -> str:
        if name == "b":
            raise error
        return name

    with pytest.raises(type(error)) as raised:
        await each("abc", fetch)
    assert raised.value is error


async def test_a_fault_of_the_program_is_no_answer() -> None:
    async def fetch(name: str) -> str:
        raise KeyError(name)

    with pytest.raises(BaseExceptionGroup) as raised:
        await each("a", fetch)
    assert raised.group_contains(KeyError)


async def test_every_await_may_be_cancelled() -> None:
    async def fetch(name: str) -> str:
        await asyncio.sleep(0)
        return name

    async for _ in every_await(lambda: each("abc", fetch)):
        continue
