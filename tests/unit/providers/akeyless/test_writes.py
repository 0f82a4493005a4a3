"""Push, delete and exists, on the contract server."""

from __future__ import annotations

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, InvalidConfig, Push, Remote, Source, Unavailable, writes
from tests.fakes.akeyless import TAG, FakeAkeyless
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.unit.providers.akeyless.conftest import World

SOURCE = Source({"user": b"me", "pass": b"planted<"})
WRITES = ("create-secret", "update-secret-val", "delete-item")


def written(fake: FakeAkeyless) -> list[str]:
    return [asked.path.rpartition("/")[2] for asked in fake.asked if asked.path.rpartition("/")[2] in WRITES]


# P-195
async def test_p_195_a_new_item_holds_the_whole_source_and_our_tag(world: World) -> None:
    client = await world.open()
    assert writes(client) is client
    await client.push(Push(Remote("/app"), "user"), SOURCE)
    sent = world.fake.asked[-1].body
    assert (sent["name"], sent["value"], sent["tags"]) == ("/app", r'{"pass":"planted\u003c","user":"me"}', [TAG])


@pytest.mark.parametrize(
    ("live", "entry", "value"),
    [
        pytest.param(
            '{"old":1.50,"user":"x"}',
            Push(Remote("/app")),
            r'{"old":1.50,"pass":"planted\u003c","user":"me"}',
            id="merged",
        ),
        pytest.param('{"a":"1"}', Push(Remote("/app", "b"), "user"), '{"a":"1","b":"me"}', id="one member"),
        pytest.param('{"a":"1"}', Push(Remote("/app", "x.y"), "user"), '{"a":"1","x.y":"me"}', id="a name with a dot"),
        pytest.param("null", Push(Remote("/app", "b"), "user"), '{"b":"me"}', id="beside nothing"),
    ],
)
# P-195
async def test_p_195_members_are_merged_into_what_is_there(world: World, live: str, entry: Push, value: str) -> None:
    world.fake.put("/app", live)
    client = await world.open()
    for _ in range(2):
        await client.push(entry, SOURCE)
    assert world.fake.value("/app") == value
    assert written(world.fake) == ["update-secret-val"]


async def test_a_member_that_the_source_does_not_have_changes_nothing(world: World) -> None:
    world.fake.put("/app", '{"a":"1"}')
    await (await world.open()).push(Push(Remote("/app", "b"), "none"), SOURCE)
    assert written(world.fake) == []


@pytest.mark.parametrize("live", ["planted", "[]", '"text"', '{"a":'])
async def test_an_item_that_is_no_object_is_left_alone(world: World, live: str) -> None:
    world.fake.put("/app", live, tags=[TAG])
    client = await world.open()
    for write in (
        lambda: client.push(Push(Remote("/app")), SOURCE),
        lambda: client.delete(Remote("/app", "user")),
        lambda: client.exists(Remote("/app", "user")),
    ):
        with pytest.raises(InvalidConfig) as failed:
            await write()
        assert str(failed.value) == "failed to unmarshal remote secret: invalid JSON format"
    assert written(world.fake) == []


async def test_a_dynamic_secret_is_not_made_for_a_look_at_it(world: World) -> None:
    world.fake.put("/db", {"user": "u"}, type="DYNAMIC_SECRET", tags=[TAG])
    client = await world.open()
    for write in (
        lambda: client.push(Push(Remote("/db")), SOURCE),
        lambda: client.exists(Remote("/db", "user")),
        lambda: client.delete(Remote("/db", "user")),
    ):
        with pytest.raises(InvalidConfig, match="invalid item type: DYNAMIC_SECRET"):
            await write()
    assert await client.exists(Remote("/db"))
    assert world.fake.leases == 0
    assert written(world.fake) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(403, body='{"error":"access denied"}'), Denied, id="denied"),
        pytest.param(Fault(503), Unavailable, id="down"),
        pytest.param(Fault(404, body="<html>"), EsoError, id="a proxy's 404"),
    ],
)
async def test_a_look_that_fails_creates_nothing(world: World, fault: Fault, kind: type) -> None:
    client = await world.open()
    for write in (lambda: client.push(Push(Remote("/app")), SOURCE), lambda: client.exists(Remote("/app"))):
        world.fake.faults = [Fault(fault.status, fault.body, path="describe-item")]
        with pytest.raises(kind):
            await write()
    assert written(world.fake) == []


# P-195
async def test_p_195_what_lacks_our_tag_is_not_deleted(world: World) -> None:
    world.fake.put("/app", '{"user":"me"}')
    client = await world.open()
    await client.delete(Remote("/app"))
    await client.delete(Remote("/app", "user"))
    assert written(world.fake) == []


async def test_a_pushed_member_is_deleted_and_the_last_one_takes_the_item_along(world: World) -> None:
    world.fake.put("/app", '{"a":"1","n":1.50}', tags=[TAG])
    client = await world.open()
    await client.delete(Remote("/app", "none"))
    await client.delete(Remote("/app", "a"))
    assert world.fake.value("/app") == '{"n":1.50}'
    await client.delete(Remote("/app", "n"))
    assert written(world.fake) == ["update-secret-val", "delete-item"]
    await client.delete(Remote("/app", "n"))
    assert not await client.exists(Remote("/app"))


async def test_an_item_is_deleted_once(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("/app")), SOURCE)
    assert await client.exists(Remote("/app"))
    assert await client.exists(Remote("/app", "user"))
    assert not await client.exists(Remote("/app", "none"))
    for _ in range(2):
        await client.delete(Remote("/app"))
    assert written(world.fake) == ["create-secret", "delete-item"]


async def test_somebody_who_is_faster_deletes_it_too(world: World) -> None:
    world.fake.put("/app", "{}", tags=[TAG])
    client = await world.open()
    world.fake.fail(Fault(404, body='{"error":"item not found"}', path="delete-item"))
    await client.delete(Remote("/app"))


async def test_places_have_one_slash_before_them(world: World) -> None:
    client = await world.open()
    assert client.place(Remote("app", "x")) == client.place(Remote("/app/", "y"))
    assert client.place(Remote("/app")) != client.place(Remote("/other"))


async def test_every_await_of_a_write_may_be_cancelled_and_a_later_one_heals_it(world: World) -> None:
    client = await world.open()
    async for _ in every_await(lambda: client.push(Push(Remote("/app")), SOURCE)):
        continue
    await client.push(Push(Remote("/app")), SOURCE)
    assert await client.exists(Remote("/app", "user"))
    async for _ in every_await(lambda: client.delete(Remote("/app"))):
        continue
    await client.delete(Remote("/app"))
    assert not await client.exists(Remote("/app"))
