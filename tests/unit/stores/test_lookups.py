"""Paths into values: what is cheap is followed here, the rest in a process that can be killed."""

from __future__ import annotations

import pytest

from eso.api.externalsecret import StoreRef
from eso.app import calls
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, RemoteRef, SecretNotFound
from eso.values import lookups
from eso.values.gjsonscan import PathRefused
from tests.fakes.cancel import every_await
from tests.unit.stores.backends import World

MAIN = StoreRef(name="main")
MEMBERS = b"{" + b",".join(b'"\\u0061%d":{"b":%d}' % (n, n) for n in range(9_000)) + b"}"


PAIRS = b"[" + b"[]," * 30_000 + b"1]"


class Processes:
    """Runs what a worker would run; remembers who asked for what."""

    def __init__(self, failure: EsoError | None = None, reply: bytes | None = None) -> None:
        self.failure, self.reply, self.asked = failure, reply, list[tuple[str, str]]()

    async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes:
        self.asked.append((namespace, name))
        if self.failure is not None:
            raise self.failure
        return self.reply if self.reply is not None else calls.CALLS[name](body)


async def read(world: World, document: bytes, path: str) -> bytes:
    world.backend.values["db"] = document
    return (await world.reader.read("team-a", MAIN, RemoteRef("db", property=path))).reveal()


@pytest.mark.parametrize(
    ("document", "path", "found"),
    [
        pytest.param(b'{"a":{"b":1}}', "a.b", b"1", id="a small document"),
        pytest.param(MEMBERS, "a7.b", b"7", id="a large document"),
        pytest.param(b'{"a":{"b":1}}', "@this|a|b", b"1", id="a path with modifiers"),
        pytest.param(b'{"a":"' + b"x" * 100_000 + b'","b":2}', "b", b"2", id="a long text before the value"),
    ],
)
async def test_a_path_of_everyday_is_followed_here(document: bytes, path: str, found: bytes) -> None:
    processes = Processes()
    assert await read(World(compute=processes), document, path) == found
    assert processes.asked == []


@pytest.mark.parametrize(
    ("document", "path", "found"),
    [
        pytest.param(PAIRS, "@reverse|1", b"[]", id="a large array from its end"),
        pytest.param(MEMBERS, "@values|@reverse|0.b", b"8999", id="a large object from its end"),
    ],
)
async def test_a_path_that_asks_for_more_is_followed_in_a_process(document: bytes, path: str, found: bytes) -> None:
    processes = Processes()
    assert await read(World(), document, path) == found  # without processes
    assert await read(World(compute=processes), document, path) == found
    assert processes.asked == [("team-a", lookups.LOOKUP)]


async def test_a_path_that_asks_for_too_much_is_refused_in_the_process() -> None:
    processes = Processes()
    with pytest.raises(PathRefused, match="asks for too much work"):
        await read(World(compute=processes), PAIRS, "@reverse|@reverse|@reverse|0")
    assert len(processes.asked) == 1


async def test_a_path_that_names_nothing_is_not_found_wherever_it_is_followed() -> None:
    with pytest.raises(SecretNotFound):
        await read(World(compute=Processes()), MEMBERS, "@values|a")


async def test_a_path_that_is_too_long_asks_nobody() -> None:
    processes = Processes()
    with pytest.raises(PathRefused, match="longer than"):
        await read(World(compute=processes), b"{}", "a" * 5_000)
    assert processes.asked == []


@pytest.mark.parametrize("reply", [b"", b"\xc1", b"\x93\x01\xa0\xa0", b"\x80", b"\x91" * 10_000])
async def test_a_reply_that_is_none_is_an_error_of_ours(reply: bytes) -> None:
    with pytest.raises(EsoError, match="could not follow the property path: the reply"):
        await read(World(compute=Processes(reply=reply)), PAIRS, "@reverse|1")


async def test_a_process_that_was_ended_is_told_as_such() -> None:
    failure = EsoError("the computation takes longer than 10 s")
    with pytest.raises(InvalidConfig, match="could not follow the property path: the computation takes longer"):
        await read(World(compute=Processes(failure)), PAIRS, "@reverse|1")


async def test_every_await_of_a_long_look_up_may_be_cancelled() -> None:
    world = World(compute=Processes())

    async def look() -> bytes:
        return await read(world, PAIRS, "@reverse|1")

    assert await look() == b"[]"
    async for _ in every_await(look):
        pass
