"""Paths of names, fields, shared lists, databases that are replaced; hostile replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
)
from eso.providers.passworddepot import client as module
from eso.providers.passworddepot.client import Client
from eso.providers.passworddepot.codec import FIELDS
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.unit.providers.passworddepot.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "pass") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_an_entry_is_found_by_the_names_on_the_way_to_it(world: World) -> None:
    world.fake.put("team.prod.db", **{"pass": PLANTED})
    world.fake.put("top", **{"pass": "t"})
    client = await world.open()
    assert await read(client, "team.prod.db") == PLANTED.encode()
    assert await read(client, "top") == b"t"
    await client.close()


async def test_a_name_counts_before_names_that_contain_it(world: World) -> None:
    world.fake.put("my-db-old", **{"pass": "old"})
    world.fake.put("db", **{"pass": "exact"})
    world.fake.put("db-new", **{"pass": "new"})
    client = await world.open()
    assert [await read(client, key) for key in ("db", "b-", "new")] == [b"exact", b"old", b"new"]
    await client.close()


async def test_a_name_that_is_not_listed_is_an_error_and_proves_nothing(world: World) -> None:
    world.fake.put("team.db", **{"pass": PLANTED})
    client = await world.open()
    for key in ("gone", "team.gone", "gone.db", "team.db.deeper", "TEAM.db"):
        with pytest.raises(EsoError) as missing:
            await read(client, key)
        assert str(missing.value) == "secret not found"
        assert not isinstance(missing.value, SecretNotFound)
    await client.close()


@pytest.mark.parametrize("key", ("", ".", "team.", ".db", "team..db"))
async def test_an_empty_name_is_refused_for_every_name_contains_it(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^remoteRef.key has an empty name$"):
        client.request(RemoteRef(key))
    await client.close()


async def test_a_key_has_a_bound_of_names(world: World) -> None:
    client = await world.open()
    assert client.request(RemoteRef("a." * 63 + "a"))
    with pytest.raises(InvalidConfig, match=r"^remoteRef.key has more than 64 names$"):
        client.request(RemoteRef("a." * 64 + "a"))
    await client.close()


async def test_many_names_are_compared_beside_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fake.put("team.db", **{"pass": "d"})
    client = await world.open()
    offload, ran = client.connection.offload, list[object]()
    run_for = offload.run_for

    async def counted(owner: str, function: Any, *given: Any) -> Any:
        ran.append(function)
        return await run_for(owner, function, *given)

    monkeypatch.setattr(offload, "run_for", counted)
    assert await read(client, "team.db") == b"d"
    assert ran == []
    monkeypatch.setattr(module, "FEW", 0)
    assert await read(client, "team.db") == b"d"
    assert ran == [module.descended] * 2
    await client.close()


async def test_a_property_is_one_of_the_fields(world: World) -> None:
    world.fake.put("db", login="me", url=None, comment="é", custom="x")
    client = await world.open()
    assert [await read(client, "db", name) for name in ("name", "login", "url", "comment", "pass", "safemode")] == [
        b"db",
        b"me",
        b"",
        "é".encode(),
        b"",
        b"",
    ]
    for name in ("", "custom", "date", "Login"):
        with pytest.raises(InvalidConfig, match=r"^key not found in secret data$"):
            await read(client, "db", name)
    await client.close()


async def test_a_map_has_every_field(world: World) -> None:
    mark = world.fake.put("db", login="me")
    client = await world.open()
    ref = RemoteRef("db", "ignored")
    found = client.mapping(await client.fetch(client.request(ref)), ref)
    filled = {"name": b"db", "fingerprint": mark.encode(), "itemclass": b"0", "login": b"me"}
    assert found == dict.fromkeys(FIELDS, b"") | filled
    assert len(FIELDS) == 23
    await client.close()


async def test_entries_that_are_read_together_share_the_lists_of_their_folders(world: World) -> None:
    for at in range(5):
        world.fake.put(f"team.s{at}", **{"pass": str(at)})
    world.fake.put("other.s", **{"pass": "o"})
    client = await world.open()
    wanted = [client.request(RemoteRef(f"team.s{at}")) for at in range(5)]
    wanted += [client.request(RemoteRef(key)) for key in ("other.s", "team.gone", "gone")]
    assert len({client.batch(request) for request in wanted}) == 1
    before = len(world.fake.asked)
    answers = await client.fetch_many(wanted)
    assert [client.value(answers[one], RemoteRef("x", "pass")) for one in wanted[:6]] == [
        b"0",
        b"1",
        b"2",
        b"3",
        b"4",
        b"o",
    ]
    assert [str(answers[one]) for one in wanted[6:]] == ["secret not found"] * 2
    assert len(world.fake.asked) - before == 3 + 6
    await client.close()


async def test_what_ails_one_folder_fails_its_entries_alone(world: World) -> None:
    mark = world.fake.put("closed")
    world.fake.put("closed.db", **{"pass": PLANTED})
    world.fake.put("open.db", **{"pass": "o"})
    client = await world.open()
    wanted = [client.request(RemoteRef(key)) for key in ("closed.db", "open.db")]
    world.fake.closed.add(mark)
    answers = await client.fetch_many(wanted)
    assert isinstance(answers[wanted[0]], Denied)
    assert client.value(answers[wanted[1]], RemoteRef("x", "pass")) == b"o"
    await client.close()


@pytest.mark.parametrize(("status", "kind"), ((401, AuthExpired), (429, Throttled)))
async def test_what_ails_the_login_or_the_server_fails_the_whole_batch(
    world: World, status: int, kind: type[EsoError]
) -> None:
    world.fake.put("db", **{"pass": PLANTED})
    client = await world.open()
    for path in ("/list", "/read"):
        world.fake.fail(Fault(status, path=path))
        with pytest.raises(kind) as error:
            await client.fetch_many([client.request(RemoteRef("db"))])
        assert str(error.value) == f"failed to authenticate with the given credentials: {status}"
    await client.close()


async def test_a_database_that_was_replaced_is_looked_up_by_a_new_login(world: World) -> None:
    world.fake.put("db", **{"pass": PLANTED})
    client = await world.open()
    world.fake.fail(Fault(404, path="/list"))
    with pytest.raises(EsoError) as error:
        await read(client, "db")
    assert not isinstance(error.value, AuthExpired)
    world.fake.databases = {"DB-2": "Shop"}
    world.fake.fail(Fault(400, path="/list"))
    with pytest.raises(AuthExpired, match=r"^the database was replaced$"):
        await read(client, "db")
    await client.close()


async def test_nothing_can_be_searched(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^GetAllSecrets not implemented$"):
        await found(client, Find(name_regexp="db"))
    await client.close()


@pytest.mark.parametrize(
    ("path", "body"),
    (
        ("/list", '{"entries":[7]}'),
        ("/list", '{"entries":[{"name":"db"}]}'),
        ("/list", '{"entries":[{"name":"db","fingerprint":7}]}'),
        ("/list", '{"entries":[{"name":"db","fingerprint":""}]}'),
        ("/list", "null"),
        ("/list", "[" * 5000),
        ("/read", '{"pass":7}'),
        ("/read", json.dumps({"pass": {"deep": PLANTED}})),
        ("/read", "[]"),
    ),
)
async def test_a_reply_of_another_form_is_malformed(world: World, path: str, body: str) -> None:
    world.fake.put("db", **{"pass": PLANTED})
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path=path))
    with pytest.raises(Malformed) as error:
        await read(client, "db")
    assert PLANTED not in str(error.value)
    await client.close()


async def test_a_folder_without_a_fingerprint_is_not_the_top_of_the_database(world: World) -> None:
    world.fake.put("db", **{"pass": PLANTED})
    client = await world.open()
    world.fake.fail(Fault(200, body='{"entries":[{"name":"team","fingerprint":""}]}', path="/list"))
    with pytest.raises(Malformed):
        await read(client, "team.db")
    await client.close()


async def test_a_fingerprint_stays_a_value_of_the_query(world: World) -> None:
    world.fake.entries["a&db=x#/../y"] = {"name": "db", "fingerprint": "a&db=x#/../y", "pass": PLANTED}
    world.fake.within["a&db=x#/../y"] = ""
    client = await world.open()
    assert await read(client, "db") == PLANTED.encode()
    assert world.fake.asked[-1].query == {"db": "DB-1", "entry": "a&db=x#/../y"}
    await client.close()
