"""Keys, values, managed accounts, files; texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.providers.beyondtrust.client import Client
from eso.providers.contract import AuthExpired, Denied, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.fakes.env import found
from tests.unit.providers.beyondtrust.conftest import World

PLANTED = "planted-7f3a9c"
INVALID = r"^invalid retrieval path\. Provide one path, separator and name$"
ID = "99999999-2222-4333-8444-555555555555"


async def read(client: Client, key: str) -> bytes:
    ref = RemoteRef(key)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_the_last_name_of_a_key_is_the_title_and_the_rest_the_path(world: World) -> None:
    world.fake.put("db", "1", "a/b")
    world.fake.put("top", "2", "top")
    client = await world.open()
    assert await read(client, " a/ b /db ") == b"1"
    assert world.fake.asked[-1].query == {"path": "a/b", "title": "db", "separator": "/", "decrypt": "true"}
    assert await read(client, "top") == b"2"
    await client.close()


async def test_separator_version_and_decrypt_are_the_stores(world: World) -> None:
    world.fake.put("d/b", "1", "a.b")
    world.fake.wrapped = True
    client = await world.open(separator=".", apiVersion="3.2", decrypt=True)
    assert await read(client, "a.b.d/b") == b"1"
    assert world.fake.asked[-1].query["version"] == "3.2"
    encrypted = await world.open(separator=".", decrypt=False)
    assert encrypted.request(RemoteRef("a.b.d/b")) != client.request(RemoteRef("a.b.d/b"))
    with pytest.raises(Malformed, match="no text in Password"):
        await read(encrypted, "a.b.d/b")
    assert world.fake.asked[-1].query["decrypt"] == "false"
    await encrypted.close()
    await client.close()


@pytest.mark.parametrize(
    "key",
    (
        "",
        " ",
        "/db",
        "a/",
        "a//b",
        "/".join("abcdefgh") + "/title",
        "x" * 1793 + "/t",
        "a/" + "t" * 257,
    ),
)
async def test_keys_that_name_no_secret_are_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=INVALID):
        client.request(RemoteRef(key))
    await client.close()


@pytest.mark.parametrize("key", ("", "a", "a/b/c", "/b", "a/", "s" * 129 + "/a", "s/" + "a" * 246))
async def test_keys_that_name_no_account_are_refused(world: World, key: str) -> None:
    client = await world.open(retrievalType=None)
    with pytest.raises(InvalidConfig, match=INVALID):
        client.request(RemoteRef(key))
    await client.close()


async def test_a_file_is_its_content_and_costs_a_second_request(world: World) -> None:
    world.fake.put("cert", "", kind="File", file=bytes(range(256)))
    client = await world.open(apiVersion="3.1")
    assert await read(client, "shop/cert") == bytes(range(256))
    assert world.fake.asked[-1].query == {"version": "3.1"}
    await client.close()


async def test_a_credential_of_an_account_is_requested_read_and_given_back(world: World) -> None:
    world.fake.accounts = {("host", "root"): 'pass"w\u00f6rd'}
    client = await world.open(retrievalType="anything")
    assert await read(client, "host/root") == 'pass"w\u00f6rd'.encode()
    assert world.fake.requests == {}
    calls = [(asked.method, asked.path.rpartition("/v3")[2]) for asked in world.fake.asked[1:]]
    assert calls == [
        ("GET", "/ManagedAccounts"),
        ("POST", "/Requests"),
        ("GET", "/Credentials/100"),
        ("PUT", "/Requests/100/checkin"),
    ]
    assert world.fake.asked[2].body == {
        "SystemID": 1,
        "AccountID": 1,
        "DurationMinutes": 5,
        "Reason": "External Secrets Operator",
        "ConflictOption": "reuse",
    }
    await client.close()


async def test_an_account_is_given_back_also_when_its_credential_cannot_be_read(world: World) -> None:
    world.fake.accounts = {("host", "root"): PLANTED}
    client = await world.open(retrievalType="")
    world.fake.fail(Fault(403, body="{}", path="/Credentials/"))
    with pytest.raises(Denied):
        await read(client, "host/root")
    assert world.fake.requests == {}
    world.fake.fail(Fault(500, path="/checkin$", times=3))
    assert await read(client, "host/root") == PLANTED.encode()
    await client.close()


async def test_what_is_missing_is_an_ordinary_error(world: World) -> None:
    safe, accounts = await world.open(), await world.open(retrievalType=None)
    for client, key in ((safe, "shop/gone"), (accounts, "host/gone")):
        with pytest.raises(NothingThere) as error:
            await read(client, key)
        assert str(error.value) == "error getting secret/managed account: error - status code: 404"
        assert not isinstance(error.value, SecretNotFound)
    await accounts.close()
    await safe.close()


async def test_what_is_not_implemented_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^GetSecretMap not implemented$"):
        client.request(RemoteRef("shop/db", members=True))
    with pytest.raises(InvalidConfig, match=r"^GetAllSecrets not implemented$"):
        await found(client, Find())
    await client.close()


async def test_a_session_that_ended_is_told_so_that_a_new_one_is_made(world: World) -> None:
    world.fake.put("db", "secret")
    client = await world.open()
    world.fake.tokens.clear()
    with pytest.raises(AuthExpired):
        await read(client, "shop/db")
    await client.close()


async def test_a_refusal_shows_its_status_alone(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(400, body=json.dumps(PLANTED)))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "shop/db")
    assert str(error.value) == "error getting secret/managed account: error - status code: 400"
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "body",
    (
        "{}",
        '{"Data":7}',
        "[7]",
        '[{"Id":"../../Auth/Signout","Title":"db","SecretType":"FILE"}]',
        '[{"Id":7,"Title":"db"}]',
        f'[{{"Id":"{ID}"}}]',
        f'[{{"Id":"{ID}","Title":"db","Password":7}}]',
        f'[{{"Id":"{ID}","Title":"db"}}]',
        "[" * 5000,
    ),
)
async def test_a_list_that_lies_is_malformed_and_leads_nowhere(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "shop/db")
    assert len(world.fake.asked) == 2
    await client.close()


@pytest.mark.parametrize(
    ("path", "body"),
    (
        ("/ManagedAccounts", "[]"),
        ("/ManagedAccounts", '{"SystemId":1}'),
        ("/ManagedAccounts", '{"SystemId":"1","AccountId":true}'),
        ("/Requests$", '"../x"'),
        ("/Requests$", "true"),
        ("/Requests$", "{}"),
        ("/Requests$", "-1"),
        ("/Credentials/", "7"),
        ("/Credentials/", '{"Password":"x"}'),
        ("/Credentials/", "plain text"),
    ),
)
async def test_an_answer_about_an_account_that_lies_is_malformed(world: World, path: str, body: str) -> None:
    world.fake.accounts = {("host", "root"): PLANTED}
    client = await world.open(retrievalType=None)
    world.fake.fail(Fault(200, body=body, path=path))
    with pytest.raises(Malformed) as error:
        await read(client, "host/root")
    assert "plain text" not in str(error.value)
    await client.close()


async def test_a_file_that_is_too_large_is_not_kept(world: World) -> None:
    world.fake.put("cert", "", kind="FILE", file=b"x" * 5_000_001)
    client = await world.open()
    with pytest.raises(Malformed):
        await read(client, "shop/cert")
    await client.close()


async def test_every_await_of_reads_may_be_cancelled(world: World) -> None:
    world.fake.put("db", "secret")
    world.fake.accounts = {("host", "root"): "r"}
    safe, accounts = await world.open(), await world.open(retrievalType=None)

    async def everything() -> None:
        await read(safe, "shop/db")
        await read(accounts, "host/root")

    async for _ in every_await(everything):
        continue
    assert await read(accounts, "host/root") == b"r"
    await accounts.close()
    await safe.close()


async def test_a_close_that_is_cancelled_hangs_up_all_the_same(world: World) -> None:
    async def closing() -> None:
        client = await world.open()
        await client.close()

    async for _ in every_await(closing):
        continue
    await world.provider.close()
    await until(lambda: world.fake.open_connections() == 0)
