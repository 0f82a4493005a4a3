"""What every provider promises, in the same words for each of them."""

from __future__ import annotations

import json

import pytest

from eso.app.calls import CALLS
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
from eso.providers.kit import search
from tests.contract.benches import PLANTED, Bench
from tests.fakes.cancel import every_await
from tests.fakes.env import found


async def read(client: StoreClient, ref: RemoteRef) -> bytes:
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_whole_secret_is_its_json(bench: Bench) -> None:
    if not bench.whole:
        return
    bench.put("app", {"user": "me", "password": PLANTED})
    client = await bench.open()
    assert json.loads(await read(client, RemoteRef("app"))) == {"user": "me", "password": PLANTED}
    await client.close()


async def test_a_property_is_taken_out(bench: Bench) -> None:
    if not bench.properties:
        return
    bench.put("app", {"user": "me", "empty": ""} | ({"on": True} if bench.scalars else {}))
    client = await bench.open()
    values = [await read(client, RemoteRef("app", name)) for name in ("user", "empty")]
    assert values == ([b'"me"', b'""'] if bench.quoted else [b"me", b""])
    if bench.scalars:
        assert await read(client, RemoteRef("app", "on")) == b"true"
    await client.close()


async def test_members_become_a_map(bench: Bench) -> None:
    if not bench.extracts:
        return
    others = {"count": 3, "null": None, "list": [1, "a"]} if bench.scalars else {}
    bench.put("app", {"user": "me"} | others)
    client = await bench.open()
    ref = RemoteRef("app")
    mapped = client.mapping(await client.fetch(client.request(ref)), ref)
    expected = {"user": b"me"} | ({"count": b"3", "null": b"", "list": b'[1,"a"]'} if bench.scalars else {})
    assert mapped == expected
    await client.close()


async def test_nested_objects_are_reached_by_a_path_where_the_provider_has_paths(bench: Bench) -> None:
    if not bench.properties:
        return
    bench.put("app", {"db": {"pass": "x"}, "a.b": "dotted"})
    client = await bench.open()
    if bench.nested:
        assert await read(client, RemoteRef("app", "db.pass")) == (b'"x"' if bench.quoted else b"x")
    else:
        with pytest.raises(EsoError):
            await read(client, RemoteRef("app", "db.pass"))
    await client.close()


async def test_a_missing_secret_is_a_proven_not_found_where_the_reference_proves_it(bench: Bench) -> None:
    client = await bench.open()
    with pytest.raises(EsoError) as missing:
        await read(client, RemoteRef("gone"))
    assert isinstance(missing.value, SecretNotFound) is bench.proves_absence
    await client.close()


async def test_a_secret_that_was_removed_is_missing(bench: Bench) -> None:
    if bench.remove is None:
        return
    bench.put("app", {"user": PLANTED})
    client = await bench.open()
    assert PLANTED.encode() in await read(client, RemoteRef("app"))
    bench.remove("app")
    with pytest.raises(EsoError) as missing:
        await read(client, RemoteRef("app"))
    assert isinstance(missing.value, SecretNotFound) is bench.proves_absence
    await client.close()


async def test_a_missing_property_is_an_error(bench: Bench) -> None:
    if not bench.properties:
        return
    bench.put("app", {"user": PLANTED})
    client = await bench.open()
    with pytest.raises(EsoError) as missing:
        await read(client, RemoteRef("app", "nope"))
    assert PLANTED not in str(missing.value)
    await client.close()


async def test_equal_references_are_one_request_and_properties_share_it(bench: Bench) -> None:
    if not bench.reads:
        return
    client = await bench.open()
    assert client.request(RemoteRef("app", "a")) == client.request(RemoteRef("app", "b"))
    assert client.request(RemoteRef("app")) != client.request(RemoteRef("other"))
    assert hash(client.request(RemoteRef("app"))) == hash(client.request(RemoteRef("app", "a")))
    await client.close()


async def test_find_by_name_searches(bench: Bench) -> None:
    if not bench.finds:
        return
    for key in ("prod-db", "prod-api", "dev-db"):
        bench.put(key, {"key": key})
    client = await bench.open()
    assert sorted(await found(client, Find(name_regexp="db$"))) == ["dev-db", "prod-db"]
    assert list(await found(client, Find(name_regexp="^prod-db$"))) == ["prod-db"]
    await client.close()


async def test_names_that_are_dear_to_match_are_matched_in_a_process_of_their_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not bench.finds:
        return

    class Served:
        asked = 0

        async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes:
            self.asked += 1
            return CALLS[name](body)

    for key in ("prod-db", "prod-api", "dev-db"):
        bench.put(key, {"key": key})
    client, served = await bench.open(), Served()
    monkeypatch.setattr(search, "CHEAP", -1)
    with search.apart(served, "team-a"):
        assert sorted(await found(client, Find(name_regexp="db$"))) == ["dev-db", "prod-db"]
    assert served.asked
    await client.close()


async def test_an_expression_that_does_not_compile_is_told(bench: Bench) -> None:
    if not bench.finds:
        return
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
    assert view.lifetime == client.lifetime
    if bench.reads:
        assert await read(view, RemoteRef("app")) == await read(client, RemoteRef("app"))
    await client.close()


async def test_a_backend_that_is_down_is_unavailable_in_every_call_and_closing_still_works(bench: Bench) -> None:
    if bench.break_down is None:
        return
    bench.put("app", {"user": PLANTED})
    client = await bench.open()
    bench.break_down()
    calls = [lambda: read(client, RemoteRef("app"))]
    if bench.finds:
        calls.append(lambda: found(client, Find(name_regexp=".*")))
    for call in calls:
        with pytest.raises(Unavailable) as down:
            await call()
        assert PLANTED not in str(down.value)
    if bench.validates:
        with pytest.raises(ValidationFailed) as failed:
            await client.validate()
        assert isinstance(failed.value.__cause__, Unavailable)
    await client.close()


async def test_every_await_of_a_read_may_be_cancelled(bench: Bench) -> None:
    if not bench.reads:
        return
    bench.put("app", {"user": "me"})
    client = await bench.open()
    ref = RemoteRef("app", "user" if bench.properties else "")
    async for _ in every_await(lambda: read(client, ref)):
        continue
    assert b"me" in await read(client, ref)
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
