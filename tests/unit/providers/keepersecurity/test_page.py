"""The manifest of docs/providers/keepersecurity.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.keepersecurity import FOLDER
from tests.unit.providers.keepersecurity.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "keepersecurity.md"
RECORD = "OqPt3Vd37My7G8rTb-8Q1w"


def front(world: World) -> Front:
    held = world.fake.put("database", id=RECORD, fields=[{"type": "password", "value": ["secret"]}], folder=FOLDER)
    world.fake.attach(held, "ca.pem", b"x")
    return Front(world.provider, manifests(PAGE, CONFIGURATION=world.fake.device.secret, FOLDER_UID=FOLDER))


async def test_the_manifest_of_the_page_is_served_with_a_request_for_the_record_and_one_for_its_file(
    world: World,
) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSecrets", "GetFile"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("db/token"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("db/token"))
        await cluster.stores.delete("team-a", cluster.store, Remote("db/token"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "GetSecretsByTitle",
        "CreateSecretWithRecordData",
        "Save",
        "DeleteSecrets",
    }
    assert len(cluster.calls.seen) == len(world.fake.asked)
