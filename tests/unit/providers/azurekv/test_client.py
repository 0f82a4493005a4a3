"""Reads and searches, on the contract server."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound, Unavailable
from eso.providers.kit import search
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.azurekv.conftest import World, extracted, read

JWK = {"kid": "https://v/keys/k/1", "kty": "EC", "crv": "P-256", "x": "AQ", "y": "Ag", "key_ops": ["sign"]}


@pytest.mark.parametrize("modern", [False, True])
async def test_each_type_has_its_own_path(world: World, modern: bool) -> None:
    world.fake.put("app", "text")
    world.fake.keep("certificates", "app", {"cer": base64.b64encode(b"\x30\xff").decode(), "kid": "k", "sid": "s"})
    world.fake.keep("keys", "app", {"key": JWK})
    client = await world.open(useAzureSDK=modern)
    assert await read(client, "app") == await read(client, "secret/app/more") == b"text"
    assert await read(client, "cert/app", "ignored") == b"\x30\xff"
    assert await read(client, "key/app", "crv") == b"P-256"
    assert [asked.path for asked in world.fake.asked[-4:]] == [
        "/secrets/app/",
        "/secrets/app/",
        "/certificates/app/",
        "/keys/app/",
    ]


async def test_a_version_is_read_by_its_name(world: World) -> None:
    world.fake.put("app", "one")
    world.fake.put("app", "two")
    client = await world.open()
    assert [await read(client, "app", version=version) for version in ("1", "2", "")] == [b"one", b"two", b"two"]


@pytest.mark.parametrize("key", ["app", "secret/app", "cert/app", "key/app"])
async def test_what_is_not_there_is_proven(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound) as missing:
        await read(client, key)
    assert str(missing.value) == "Secret does not exist"


async def test_a_version_that_is_not_there_is_proven(world: World) -> None:
    world.fake.put("app", "one")
    with pytest.raises(SecretNotFound):
        await read(await world.open(), "app", version="7")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(404, body="<html>404</html>"), id="a proxy's"),
        pytest.param(Fault(404, body='{"error":{"code":"VaultNotFound"}}'), id="of the vault"),
        pytest.param(Fault(404, body='{"error":{"code":"NotFound","message":"SecretNotFound"}}'), id="a message"),
    ],
)
async def test_another_404_proves_nothing(world: World, fault: Fault) -> None:
    client = await world.open()
    world.fake.fail(fault)
    with pytest.raises(EsoError) as refused:
        await read(client, "app")
    assert not isinstance(refused.value, SecretNotFound)


async def test_a_disabled_secret_is_denied_and_an_older_version_is_not(world: World) -> None:
    world.fake.put("app", "one")
    world.fake.put("app", "two", enabled=False)
    client = await world.open()
    with pytest.raises(Denied, match=r"403 Forbidden \(Forbidden, SecretDisabled\)"):
        await read(client, "app")
    assert await read(client, "app", version="1") == b"one"


@pytest.mark.parametrize("key", ["foo/app", "/app", "secrets/app", "Secret/app"])
async def test_a_type_that_is_none_asks_nothing(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as refused:
        client.request(RemoteRef(key))
    assert str(refused.value) == "unknown Azure Keyvault object Type for app"


@pytest.mark.parametrize("key", ["", "secret/", "secret/..", "."])
async def test_a_name_that_is_none_asks_nothing(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(key))


async def test_a_name_stays_in_its_place(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "a?b#c%2F..", version="x/y")
    assert world.meant[-1] == "https://shop.vault.azure.net/secrets/a%3Fb%23c%252F../x%2Fy"
    with pytest.raises(InvalidConfig):
        await read(client, "a", version="x/../y")


async def test_tags_and_values_are_one_request(world: World) -> None:
    world.fake.put("app", '{"a":"1"}', {"team": "a"}, exp=1_735_675_200)
    client = await world.open()
    refs = [RemoteRef("app"), RemoteRef("secret/app", "a"), RemoteRef("app", "team", "", "Fetch")]
    assert len({client.request(ref) for ref in refs}) == 1
    assert await read(client, "app", "team", policy="Fetch") == b"a"
    assert await read(client, "app", "attribute.expires", policy="Fetch") == b"2024-12-31T20:00:00Z"
    assert (await extracted(client, "app", policy="Fetch"))["app_team"] == b"a"
    assert await extracted(client, "app") == {"a": b"1"}


async def test_the_newer_way_has_no_attributes_among_the_tags(world: World) -> None:
    world.fake.put("app", "v", {"team": "a"}, exp=1_735_675_200)
    client = await world.open(useAzureSDK=True)
    assert await read(client, "app", policy="Fetch") == b'{"team":"a"}'
    assert await extracted(client, "app", policy="Fetch") == {"app_team": b"a"}


# find


async def test_a_search_without_a_filter_finds_every_enabled_secret_over_all_pages(world: World) -> None:
    for number in range(60):
        world.fake.put(f"s{number:02}", f"v{number}", enabled=number != 7 or None)
    world.fake.put("s07", "off", enabled=False)
    world.fake.keep("certificates", "c", {"cer": "eA=="})
    client = await world.open()
    values = await found(client, Find(path="ignored/", tags=()))
    assert values == {f"s{number:02}": f"v{number}".encode() for number in range(60) if number != 7}
    assert [asked.path for asked in world.fake.asked].count("/secrets") == 3


@pytest.mark.parametrize(
    ("find", "names"),
    [
        pytest.param(Find(name_regexp=""), ["prod-api", "prod-db", "test-db"], id="an empty name filters nothing"),
        pytest.param(Find(name_regexp="db$"), ["prod-db", "test-db"], id="a name"),
        pytest.param(Find(tags=(("team", "a"),)), ["prod-api", "prod-db"], id="a tag"),
        pytest.param(Find(tags=(("team", "a"), ("tier", "1"))), ["prod-db"], id="all tags"),
        pytest.param(Find(name_regexp="api", tags=(("team", "a"),)), ["prod-api"], id="name and tag"),
        pytest.param(Find(tags=(("team", "A"),)), [], id="values are compared exactly"),
    ],
)
async def test_searches(world: World, find: Find, names: list[str]) -> None:
    world.fake.put("prod-db", "1", {"team": "a", "tier": "1"})
    world.fake.put("prod-api", "2", {"team": "a", "tier": None})
    world.fake.put("test-db", "3")
    assert sorted(await found(await world.open(), find)) == names


async def test_a_secret_that_vanishes_meanwhile_is_left_out(world: World) -> None:
    world.fake.put("a", "1")
    world.fake.put("b", "2")
    client = await world.open()
    world.fake.fail(Fault(404, body='{"error":{"code":"SecretNotFound"}}', path="/secrets/a/"))
    assert await found(client, Find()) == {"b": b"2"}


async def test_a_secret_that_cannot_be_read_fails_the_search(world: World) -> None:
    world.fake.put("a", "1")
    world.fake.put("b", "2")
    world.fake.denied.add("a")
    with pytest.raises(Denied):
        await found(await world.open(), Find())


@pytest.mark.parametrize(
    ("following", "kind"),
    [
        pytest.param("https://evil.example.com/secrets?x=1", Malformed, id="on another server"),
        pytest.param("https://shop.vault.azure.net/keys?x=1", Malformed, id="at another place"),
        pytest.param("https://shop.vault.azure.net/secrets?x=1", Malformed, id="the same one again"),
    ],
)
async def test_no_list_leads_away_or_on_for_ever(world: World, following: str, kind: type) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=f'{{"value":[],"nextLink":"{following}"}}', path="/secrets$", times=9))
    with pytest.raises(kind):
        await found(client, Find())
    assert not [url for url in world.meant if "evil" in url]


async def test_a_list_without_end_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 5)
    monkeypatch.setattr("tests.fakes.azurekv.FakeAzure._list", endless)
    with pytest.raises(InvalidConfig, match="looks into more than 5"):
        await found(await world.open(), Find())


def endless(fake: Any, asked: Any) -> Any:
    from aiohttp import web

    number = int(asked.query.get("x", "0")) + 1
    return web.json_response({"value": [], "nextLink": f"{fake.vault}/secrets?api-version=7.0&x={number}"})


async def test_a_search_bounds_what_it_brings_home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_BYTES", 100)
    for number in range(5):
        world.fake.put(f"s{number}", "x" * 30)
    with pytest.raises(InvalidConfig, match="more than 100 bytes"):
        await found(await world.open(), Find())


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    for number in range(3):
        world.fake.put(f"s{number}", "v")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find())):
        continue
    assert len(await found(client, Find())) == 3


# hostile vaults


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(200, body="[" * 1_000_000), Malformed, id="a million brackets"),
        pytest.param(Fault(200, body='{"value":"' + "x" * (5 << 20) + '"}'), Malformed, id="five megabytes"),
        pytest.param(Fault(200, body='{"tags":' + '{"a":' * 500 + "1" + "}" * 501), Malformed, id="deep"),
        pytest.param(Fault(200, body="<html>sign in</html>"), Malformed, id="a page"),
        pytest.param(Fault(204, body=""), Malformed, id="nothing"),
        pytest.param(
            Fault(307, headers={"Location": "https://evil.example.com/secrets/app/"}, times=3),
            Unavailable,
            id="elsewhere",
        ),
    ],
)
async def test_a_hostile_vault_ends_one_read(world: World, fault: Fault, kind: type) -> None:
    world.fake.put("app", "fine")
    client = await world.open()
    fault.path = "/secrets/"
    world.fake.fail(fault)
    with pytest.raises(kind):
        await read(client, "app")
    fault.times = 0
    assert await read(client, "app") == b"fine"
    assert not [url for url in world.meant if "evil" in url]


async def test_a_thousand_reads_at_once_share_one_pool(world: World) -> None:
    for number in range(50):
        world.fake.put(f"s{number}", f"v{number}")
    client = await world.open()
    values = await asyncio.gather(*(read(client, f"s{number % 50}") for number in range(1000)))
    assert values == [f"v{number % 50}".encode() for number in range(1000)]
    await client.close()


async def test_versions_of_a_thousand_secrets_cost_pages_and_no_read(world: World) -> None:
    names = [f"app-{n:04}" for n in range(1000)]
    for name in names:
        world.fake.put(name, "planted")
    client = await world.open()
    asked = len(world.fake.asked)
    before = await client.probe([*names, "gone"])
    assert sorted(before) == names
    assert [one.path for one in world.fake.asked[asked:]] == ["/secrets"] * 40
    world.fake.put("app-0007", "planted-2")
    after = await client.probe(names)
    assert [name for name in names if before[name] != after[name]] == ["app-0007"]


async def test_versions_of_every_type_are_told_whatever_the_case_of_a_name(world: World) -> None:
    world.fake.put("app", "text")
    world.fake.keep("certificates", "app", {"cer": "AA", "kid": "k", "sid": "s"})
    world.fake.keep("keys", "app", {"key": JWK})
    client = await world.open()
    told = await client.probe(["APP", "secret/app", "cert/App", "key/app", "nothing/app"])
    assert set(told) == {"APP", "secret/app", "cert/App", "key/app"}


@pytest.mark.parametrize("word", ["cert", "key"])
async def test_versions_of_certificates_and_keys_are_asked_over_all_pages(world: World, word: str) -> None:
    where = {"cert": "certificates", "key": "keys"}[word]
    body = {"cer": "eA=="} if word == "cert" else {"key": {"kty": "oct"}}
    for number in range(60):
        world.fake.keep(where, f"app-{number}", body)
    client = await world.open()
    found = await client.probe([f"{word}/app-{number}" for number in range(60)])
    assert len(found) == 60
    await client.close()
