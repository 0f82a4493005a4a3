"""The manifest of docs/providers/chef.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.api.externalsecret import StoreRef
from eso.providers.contract import RemoteRef
from tests.fakes.chef import USER, pem
from tests.fakes.front import Front, manifests
from tests.unit.providers.chef.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "chef.md"


def front(world: World) -> Front:
    world.fake.put("shop", "database", password="secret")
    words = {
        "https://chef.example.org/organizations/shop/": world.fake.url,
        "USERNAME": USER,
        "PRIVATE_KEY": "|\n    " + pem().replace("\n", "\n    "),
    }
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetDataBagItem"]


async def test_a_whole_bag_goes_through_the_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        found = await cluster.stores.read_map("team-a", StoreRef(name="chef"), RemoteRef("shop"))
        assert {name: value.reveal() for name, value in found.items()} == {
            "database": b'{"id":"database","password":"secret"}'
        }
    assert [call for _, call, _ in cluster.calls.seen] == ["ListDataBagItems", "GetDataBagItem"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
