"""What every provider promises, in the same words for each of them."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    Consumer,
    Find,
    InvalidConfig,
    RemoteRef,
    SecretNotFound,
    StoreClient,
    Unavailable,
    Validation,
    ValidationFailed,
)
from tests.contract.benches import PLANTED, Bench
from tests.fakes.cancel import every_await
from tests.fakes.env import found


async def read(client: StoreClient, ref: RemoteRef) -> bytes:
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_whole_secret_is_its_json(bench: Bench) -> None:
    bench.put("app", {"user": "me", "password": PLANTED})
    client = await bench.open()
    assert json.loads(await read(client, RemoteRef("app"))) == {"user": "me", "password": PLANTED}
    await client.close()


async def test_a_property_is_taken_out(bench: Bench) -> None:
    bench.put("app", {"user": "me", "empty": "", "on": True})
    client = await bench.open()
    assert [await read(client, RemoteRef("app", name)) for name in ("user", "empty", "on")] == [b"me", b"", b"true"]
    await client.close()


async def test_members_become_a_map(bench: Bench) -> None:
    bench.put("app", {"user": "me", "count": 3, "null": None, "list": [1, "a"]})
    client = await bench.open()
    ref = RemoteRef("app")
    mapped = client.mapping(await client.fetch(client.request(ref)), ref)
    assert mapped == {"user": b"me", "count": b"3", "null": b"", "list": b'[1,"a"]'}
    await client.close()


async def test_nested_objects_are_reached_by_a_path_where_the_provider_has_paths(bench: Bench) -> None:
    bench.put("app", {"db": {"pass": "x"}, "a.b": "dotted"})
    client = await bench.open()
    if bench.nested:
        assert await read(client, RemoteRef("app", "db.pass")) == b"x"
    else:
        with pytest.raises(EsoError, match=r'cannot find secret data for key: "db\.pass"'):
            await read(client, RemoteRef("app", "db.pass"))
    await client.close()


async def test_a_missing_secret_is_a_proven_not_found_where_the_reference_proves_it(bench: Bench) -> None:
    client = await bench.open()
    with pytest.raises(EsoError) as missing:
        await read(client, RemoteRef("gone"))
    assert isinstance(missing.value, SecretNotFound) is bench.proves_absence
    await client.close()


async def test_a_missing_property_is_an_error(bench: Bench) -> None:
    bench.put("app", {"user": PLANTED})
    client = await bench.open()
    with pytest.raises(EsoError) as missing:
        await read(client, RemoteRef("app", "nope"))
    assert PLANTED not in str(missing.value)
    await client.close()


async def test_equal_references_are_one_request_and_properties_share_it(bench: Bench) -> None:
    client = await bench.open()
    assert client.request(RemoteRef("app", "a")) == client.request(RemoteRef("app", "b"))
    assert client.request(RemoteRef("app")) != client.request(RemoteRef("other"))
    assert hash(client.request(RemoteRef("app"))) == hash(client.request(RemoteRef("app", "a")))
    await client.close()


async def test_find_by_name_searches(bench: Bench) -> None:
    for key in ("prod-db", "prod-api", "dev-db"):
        bench.put(key, {"key": key})
    client = await bench.open()
    assert sorted(await found(client, Find(name_regexp="db$"))) == ["dev-db", "prod-db"]
    assert json.loads((await found(client, Find(name_regexp="^prod-db$")))["prod-db"]) == {"key": "prod-db"}
    await client.close()


async def test_an_expression_that_does_not_compile_is_told(bench: Bench) -> None:
    client = await bench.open()
    with pytest.raises(InvalidConfig, match=r"could not compile find.name.regexp \[\(\]: "):
        await found(client, Find(name_regexp="("))
    await client.close()


async def test_a_working_store_validates(bench: Bench) -> None:
    client = await bench.open()
    assert await client.validate() is Validation.READY
    await client.close()


async def test_a_view_through_another_store_is_the_same_login(bench: Bench) -> None:
    bench.put("app", {"user": "me"})
    client = await bench.open()
    view = client.bind(bench.view())
    assert await read(view, RemoteRef("app", "user")) == b"me"
    await client.close()


async def test_a_backend_that_is_down_is_unavailable_in_every_call_and_closing_still_works(bench: Bench) -> None:
    if bench.break_down is None:
        assert bench.provider.name == "fake"  # it has no backend
        return
    bench.put("app", {"user": PLANTED})
    client = await bench.open()
    bench.break_down()
    for call in (lambda: read(client, RemoteRef("app")), lambda: found(client, Find(name_regexp=".*"))):
        with pytest.raises(Unavailable) as down:
            await call()
        assert PLANTED not in str(down.value)
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert isinstance(failed.value.__cause__, Unavailable)
    await client.close()


async def test_every_await_of_a_read_may_be_cancelled(bench: Bench) -> None:
    bench.put("app", {"user": "me"})
    client = await bench.open()
    async for _ in every_await(lambda: read(client, RemoteRef("app", "user"))):
        continue
    assert await read(client, RemoteRef("app", "user")) == b"me"
    await client.close()


async def test_every_await_of_opening_may_be_cancelled(bench: Bench) -> None:
    async def opened() -> None:
        await (await bench.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


def test_static_rules_accept_the_store_of_these_tests(bench: Bench) -> None:
    assert bench.provider.spec.check(bench.view()) == []
    plan = bench.provider.spec.plan(bench.view())
    assert plan.consumer is Consumer.NONE
    assert plan.endpoint
    assert bench.provider.spec.capability in ("ReadOnly", "WriteOnly", "ReadWrite")
