"""Whose server a token names, what the library is told, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import threading

import pytest

from eso.api.hosts import hosts_of
from eso.net.reach import Reach
from eso.providers.contract import AuthRejected, InvalidConfig, Remote, Timeout
from eso.providers.onepasswordsdk import native
from eso.providers.onepasswordsdk.client import Client
from eso.providers.onepasswordsdk.connect import server
from tests.fakes.cancel import every_await
from tests.fakes.onepasswordsdk import TOKEN, VAULT, token
from tests.unit.providers.onepasswordsdk.conftest import World


@pytest.mark.parametrize(
    "address", ("my.1password.com", "https://team.1password.eu", "https://team.1password.ca/", "1password.com")
)
def test_a_token_names_a_server_of_1password(address: str) -> None:
    assert server(token(address)) == address.removeprefix("https://").removesuffix("/")


@pytest.mark.parametrize(
    "address",
    (
        "127.0.0.1:8443",
        "169.254.169.254",
        "my.1password.com.evil.example",
        "evil.example/.1password.com",
        "evil.example#my.1password.com",
        "user@my.1password.com",
        "my.1password.com:8443",
        "http://my.1password.com",
        "evil1password.com",
        "my.1password.com\n",
        "MY.1PASSWORD.COM",
        "",
    ),
)
async def test_a_token_that_names_another_server_is_not_handed_to_the_library(world: World, address: str) -> None:
    world.credentials.secrets["login/token"] = token(address)
    with pytest.raises(InvalidConfig, match=r"names a server that is not 1Password's"):
        await world.open()
    assert world.account.asked == []


@pytest.mark.parametrize(
    "text", ("", "ops_", "ops_!!!", "ops_e30", "x" + TOKEN, TOKEN[4:], token(7), token(None), "ops_W10", "ops_\u00e9")
)
async def test_what_is_no_token_is_refused_without_showing_it(world: World, text: str) -> None:
    world.credentials.secrets["login/token"] = text
    with pytest.raises(AuthRejected) as error:
        await world.open()
    assert str(error.value) == "the service account token had invalid format"
    assert world.account.asked == []


async def test_a_token_with_a_newline_is_told(world: World) -> None:
    world.credentials.secrets["login/token"] = f"{TOKEN}\n"
    with pytest.raises(AuthRejected, match=r"newline"):
        await world.open()


@pytest.mark.parametrize(
    ("allowed", "denied"), (("vault.example.com", ""), ("", "*.1password.com")), ids=("not allowed", "denied")
)
async def test_lists_of_hosts_hold_for_the_server_of_a_token(world: World, allowed: str, denied: str) -> None:
    lists = {name: hosts_of([text]) for name, text in (("allowed", allowed), ("denied", denied)) if text}
    world.provider.pools.reach = Reach(**lists)
    with pytest.raises(InvalidConfig, match=r"the token's server is"):
        await world.open()
    assert world.account.asked == []


async def test_the_library_is_told_who_asks(world: World) -> None:
    clients = [await world.open(), await world.open(vault=VAULT, integrationInfo={"name": "mine", "version": "v2"})]
    told = [(config["integrationName"], config["integrationVersion"]) for config in world.account.clients.values()]
    assert told == [("1Password SDK", "v1.0.0"), ("mine", "v2")]
    assert all(config["serviceAccountToken"] == TOKEN for config in world.account.clients.values())
    for client in clients:
        await client.close()


async def test_a_token_that_the_server_refuses_closes_the_login(world: World) -> None:
    world.account.tokens.clear()
    with pytest.raises(AuthRejected, match=r"^bad service account token$"):
        await world.open()


async def test_the_library_works_on_a_thread_that_ends_with_the_connector(world: World) -> None:
    client = await world.open()
    assert "onepassword" in [thread.name for thread in threading.enumerate()]
    await client.close()
    await world.provider.close()
    assert "onepassword" not in [thread.name for thread in threading.enumerate()]


async def test_a_call_without_an_end_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await world.open()
    monkeypatch.setattr(native, "SECONDS", 0.01)
    world.account.stalled = True
    with pytest.raises(Timeout):
        await client.exists(Remote("app"))
    world.account.stalled = False
    await client.close()


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    """The library forgets a login that nobody waits for any more: it would keep the token until the process ends."""

    opened: list[Client] = []

    async def login() -> None:
        opened.append(await world.open())

    async for _ in every_await(login):
        pass
    for client in opened:  # of the runs that came to their end
        await client.close()
    await world.provider.close()
    assert not world.account.clients


async def test_a_login_that_is_made_after_its_caller_was_cancelled_is_released(world: World) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def computing(name: str) -> None:
        busy.set()
        assert go_on.wait(30)

    world.account.fault = computing
    opening = asyncio.create_task(world.open())
    assert await asyncio.to_thread(busy.wait, 30)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go_on.set()
    await world.provider.close()
    assert world.account.asked == ["init_client"]
    assert not world.account.clients
