"""The manifests of docs/providers/ngrok.md, applied through the front door of stores; a store that can only be
written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from eso.api.pushsecret import decode_push_secret
from eso.errors import EsoError
from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.ngrok import KEY
from tests.unit.providers.ngrok.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "ngrok.md"


def front(world: World) -> tuple[Front, Push]:
    """The cluster, and what the page's PushSecret pushes."""
    objects = manifests(PAGE, **{"https://api.ngrok.com": world.fake.address, "API_KEY": KEY})
    (pushing,) = [one for one in objects if one["kind"] == "PushSecret"]
    (data,) = pushing["spec"]["data"]
    assert decode_push_secret(orjson.dumps(pushing))
    match = data["match"]
    remote = Remote(match["remoteRef"]["remoteKey"])
    return Front(world.provider, objects), Push(remote, match["secretKey"], data["metadata"])


async def test_the_manifest_of_the_page_pushes_with_three_requests(world: World) -> None:
    cluster, pushed = front(world)
    async with cluster.running():
        await cluster.stores.push("team-a", cluster.store, pushed, Source({pushed.secret_key: b"secret"}))
    (held,) = world.fake.secrets.values()
    assert (held.name, held.value, held.description) == ("shop-database", "secret", "Database of the shop")
    assert [call for _, call, _ in cluster.calls.seen] == ["ListVaults", "ListSecrets", "CreateSecret"]


async def test_every_request_goes_through_a_gate_and_a_read_asks_nothing(world: World) -> None:
    cluster, pushed = front(world)
    async with cluster.running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, pushed, Source({pushed.secret_key: value}))
        assert await cluster.stores.exists("team-a", cluster.store, pushed.remote)
        await cluster.stores.delete("team-a", cluster.store, pushed.remote)
        asked = len(world.fake.asked)
        with pytest.raises(EsoError, match="only supports write operations"):
            await cluster.read("shop-database")
    seen = {call for _, call, _ in cluster.calls.seen}
    assert seen == {"ListVaults", "ListSecrets", "CreateSecret", "UpdateSecret", "DeleteSecret"}
    assert len(cluster.calls.seen) == len(world.fake.asked) == asked
