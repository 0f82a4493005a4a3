"""The manifest of docs/providers/github.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.github import PEM
from tests.unit.providers.github.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "github.md"


def page() -> list[dict[str, Any]]:
    return manifests(PAGE, PRIVATE_KEY=PEM.strip().replace("\n", "\n    "))


async def test_the_manifest_of_the_page_pushes_its_secret(world: World) -> None:
    objects = page()
    front = Front(world.provider, objects)
    source, push = objects[2]["stringData"], objects[3]["spec"]
    match = push["data"][0]["match"]
    assert push["secretStoreRefs"] == [{"name": front.store.metadata.name, "kind": "SecretStore"}]
    async with front.running():
        entry = Push(Remote(match["remoteRef"]["remoteKey"]), match["secretKey"])
        data = Source({name: value.encode() for name, value in source.items()})
        for _ in range(2):
            await front.stores.push("team-a", front.store, entry, data)
        assert await front.stores.exists("team-a", front.store, entry.remote)
        assert world.fake.secrets()["DEPLOY_TOKEN"].value == b"DEPLOY_TOKEN"
        await front.stores.delete("team-a", front.store, entry.remote)
    assert world.fake.secrets() == {}
    assert [call for _, call, _ in front.calls.seen] == [
        "CreateInstallationToken",
        *["GetSecret", "GetPublicKey", "PutSecret", "GetSecret"],
        "GetSecret",
        "GetSecret",
        "DeleteSecret",
    ]
    assert {label for label, _, _ in front.calls.seen} == {"GitHub"}
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_a_token_that_ended_is_replaced_and_nothing_is_written_twice(world: World) -> None:
    front = Front(world.provider, page())
    async with front.running():
        for _ in range(3):
            world.fake.tokens.clear()
            await front.stores.push("team-a", front.store, Push(Remote("A"), "k"), Source({"k": b"v"}))
    assert world.fake.count("access_tokens") == 3
    assert world.fake.count(method="PUT") == 1
