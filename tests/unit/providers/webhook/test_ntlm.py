"""NTLM: the handshake with a server that checks the proof, on one connection; nothing is sent in clear."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import AuthExpired, AuthRejected, InvalidConfig, RemoteRef, StoreView, Unavailable
from eso.providers.webhook.client import Client
from eso.providers.webhook.ntlm import Login, challenge, context_of, step
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.webhook import NtlmService

PASSWORD = "planted-ntlm-password"
USER = "SHOP\\svc"
AUTH = {"ntlm": {"usernameSecret": {"name": "n", "key": "user"}, "passwordSecret": {"name": "n", "key": "pass"}}}


@pytest.fixture
async def whole() -> AsyncIterator[Whole]:
    provider = Whole("webhook")
    yield provider
    await provider.close()


async def opened(whole: Whole, service: NtlmService, password: str = PASSWORD, **block: object) -> Client:
    made = {"url": f"{service.address}/doc", "result": {"jsonPath": "$.v"}, "auth": AUTH} | block
    store = StoreView("SecretStore", "store", "team-a", "webhook", made, "uid", 1)
    client = await whole.open(store, StaticCredentials({"n/user": USER, "n/pass": password}))
    assert isinstance(client, Client)
    return client


async def read(client: Client) -> bytes:
    ref = RemoteRef("k")
    return client.value(await client.fetch(client.request(ref)), ref)


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_connection_logs_in_once(whole: Whole, scheme: str) -> None:
    async with NtlmService(USER, PASSWORD, (scheme,)) as service:
        client = await opened(whole, service)
        assert [await read(client) for _ in range(3)] == [b"behind ntlm"] * 3
        given = [asked.headers.get("Authorization", "")[: len(scheme)] for asked in service.asked]
        assert given == ["", scheme, scheme, "", ""]
        await client.close()


async def test_reads_at_once_share_the_connection(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD) as service:
        client = await opened(whole, service)
        async with asyncio.TaskGroup() as group:
            reads = [group.create_task(read(client)) for _ in range(20)]
        assert {one.result() for one in reads} == {b"behind ntlm"}
        assert len(service.connections) == 1
        await client.close()


async def test_a_header_of_the_store_gives_way(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD) as service:
        client = await opened(whole, service, headers={"authorization": "Bearer x", "X-Other": "1"})
        await read(client)
        assert all(not asked.headers.get("Authorization", "").startswith("Bearer") for asked in service.asked)
        assert {asked.headers["X-Other"] for asked in service.asked} == {"1"}
        await client.close()


async def test_a_wrong_password_is_a_login_that_ended(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD) as service:
        client = await opened(whole, service, "planted-wrong")
        with pytest.raises(AuthExpired, match=r"^endpoint gave error 401 Unauthorized$"):
            await read(client)
        assert len(service.asked) == 3
        await client.close()


async def test_a_server_that_asks_for_basic_gets_nothing_in_clear(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD, ("Basic realm=shop",)) as service:
        client = await opened(whole, service)
        with pytest.raises(AuthRejected, match="it does not offer NTLM"):
            await read(client)
        assert [asked.headers.get("Authorization") for asked in service.asked] == [None]
        await client.close()


async def test_every_await_of_a_handshake_may_be_cancelled(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD) as service:

        async def once() -> None:
            client = await opened(whole, service)
            try:
                assert await read(client) == b"behind ntlm"
            finally:
                await client.close()

        async for _ in every_await(once):
            continue
        await once()


def reply(*headers: str) -> Reply:
    return Reply(401, {"WWW-Authenticate": headers[0]} if headers else {}, b"")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("NTLM", ("NTLM", None), id="an offer"),
        pytest.param("ntlm TlRMTQ==", ("NTLM", b"NTLM"), id="a challenge"),
        pytest.param("Basic realm=x, Negotiate", ("Negotiate", None), id="one of two"),
        pytest.param("Basic realm=NTLM-x", ("", None), id="a word in another scheme"),
        pytest.param("", ("", None), id="nothing"),
    ],
)
def test_an_offer_is_read(header: str, expected: tuple[str, bytes | None]) -> None:
    assert challenge(reply(header)) == expected


def test_a_challenge_that_cannot_be_read_is_the_server_s_fault() -> None:
    with pytest.raises(Unavailable):
        challenge(reply("NTLM A"))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"NTLMSSP\x00", id="a beginning"),
        pytest.param(b"NTLMSSP\x00\x02\x00\x00\x00" + b"\xff" * 60, id="offsets beyond the end"),
        pytest.param(b"NTLMSSP\x00\x02\x00\x00\x00" + b"\x00" * 60, id="zeros"),
        pytest.param(b"x" * 5000, id="something else"),
    ],
)
def test_a_hostile_challenge_ends_in_a_message_or_an_error_of_ours_that_shows_nothing(token: bytes) -> None:
    context = context_of(Login(USER, PASSWORD))
    step(context, None)
    try:
        assert PASSWORD.encode() not in base64.b64decode(step(context, token))
    except InvalidConfig as error:
        assert PASSWORD not in str(error)


def test_a_login_does_not_print() -> None:
    assert PASSWORD not in repr(Login(USER, PASSWORD))


async def test_an_empty_password_is_told(whole: Whole) -> None:
    async with NtlmService(USER, PASSWORD) as service:
        client = await opened(whole, service, "")
        with pytest.raises(EsoError):
            await read(client)
        await client.close()
