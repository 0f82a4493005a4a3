"""What every provider that writes promises, in the same words for each of them."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Push, Remote, RemoteRef, Source, StoreClient, Writes, writes
from tests.contract.benches import PLANTED, Bench
from tests.fakes.cancel import every_await
from tests.fakes.logs import captured


async def writer(bench: Bench) -> Writes | None:
    """A client that can write; None for a provider that does not, which then has no `push` at all."""
    client = await bench.open()
    found = writes(client)
    assert (found is not None) is bench.writes, "the bench says what the provider can do"
    if found is None:
        await client.close()
    return found


def source(value: bytes, **others: bytes) -> Source:
    return Source({"value": value, **others}, "app", "team-a", "Opaque")


def prepare(bench: Bench) -> None:
    """The entry is there, where a push makes none."""
    if not bench.creates:
        bench.put("pushed", {"user": "before"})


def entry(bench: Bench, key: str) -> Push:
    """One value of the source; all of it where a provider keeps single values under properties only."""
    return Push(Remote(key), "value" if bench.keyed else "", bench.metadata)


async def read(client: StoreClient, key: str) -> bytes:
    ref = RemoteRef(key)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_what_is_pushed_is_there(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    assert not await client.exists(Remote("pushed"))
    prepare(bench)
    await client.push(entry(bench, "pushed"), source(bench.value))
    assert await client.exists(Remote("pushed"))
    if bench.reads:
        assert b"me" in await read(client, "pushed")
    await client.close()


async def test_a_push_of_what_is_there_writes_nothing(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    prepare(bench)
    await client.push(entry(bench, "pushed"), source(bench.value))
    if bench.server is not None:
        seen = len(bench.server.asked)
        await client.push(entry(bench, "pushed"), source(bench.value))
        changed = [asked for asked in bench.server.asked[seen:] if asked.method in ("PUT", "PATCH", "DELETE")]
        assert changed == []
    await client.close()


async def test_a_property_is_pushed_beside_the_others(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    if bench.merges:
        for name in ("user", "pass"):
            await client.push(Push(Remote("pushed", name), "value"), source(f"{name}-1".encode()))
        await client.push(Push(Remote("pushed", "user"), "value"), source(b"user-2"))
        found = json.loads(await read(client, "pushed"))
        assert (found["user"], found["pass"]) == ("user-2", "pass-1")
        assert await client.exists(Remote("pushed", "pass"))
        assert not await client.exists(Remote("pushed", "gone"))
    await client.close()


async def test_a_deleted_entry_is_gone_and_may_be_deleted_again(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    prepare(bench)
    await client.push(entry(bench, "pushed"), source(bench.value))
    if not bench.deletes:
        with pytest.raises(InvalidConfig):
            await client.delete(Remote("pushed"))
        assert await client.exists(Remote("pushed"))
        await client.close()
        return
    for _ in range(2):
        await client.delete(Remote("pushed"))
        assert not await client.exists(Remote("pushed"))
    await client.close()


async def test_a_deleted_property_leaves_the_others_and_the_last_one_takes_the_entry_along(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    if bench.merges:
        for name in ("user", "pass"):
            await client.push(Push(Remote("pushed", name), "value"), source(b"x"))
        await client.delete(Remote("pushed", "user"))
        assert not await client.exists(Remote("pushed", "user"))
        assert await client.exists(Remote("pushed", "pass"))
        await client.delete(Remote("pushed", "pass"))
        assert not await client.exists(Remote("pushed"))
    await client.close()


async def test_an_entry_of_somebody_else_is_neither_overwritten_nor_deleted(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    if bench.marks:
        bench.put("theirs", {"user": PLANTED})
        with pytest.raises(EsoError) as refused:
            await client.push(entry(bench, "theirs"), source(bench.value))
        assert PLANTED not in str(refused.value)
        await client.delete(Remote("theirs"))
        assert PLANTED.encode() in await read(client, "theirs")
    await client.close()


async def test_writes_to_one_entry_have_one_place(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    assert client.place(Remote("a", "x")) == client.place(Remote("a", "y"))
    assert (client.place(Remote("a")) == client.place(Remote("b"))) is bench.one_place
    await client.close()


async def test_no_pushed_value_is_told(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    prepare(bench)
    with captured() as log:
        for pushed in (entry(bench, "pushed"), Push(Remote("pushed", "user.deep.er"), "value")):
            try:
                await client.push(pushed, source(f"{PLANTED} is no object".encode()))
            except EsoError as error:
                assert PLANTED not in f"{error}{error.fix}{error.__cause__}"
        assert PLANTED not in log
    await client.close()


async def test_every_await_of_a_push_may_be_cancelled_and_a_later_push_heals_it(bench: Bench) -> None:
    client = await writer(bench)
    if client is None:
        return
    prepare(bench)
    async for _ in every_await(lambda: client.push(entry(bench, "pushed"), source(bench.value))):
        continue
    await client.push(entry(bench, "pushed"), source(bench.value))
    assert await client.exists(Remote("pushed"))
    if bench.reads:
        assert b"me" in await read(client, "pushed")
    await client.close()
