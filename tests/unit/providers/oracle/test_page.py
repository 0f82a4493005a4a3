"""The manifest of docs/providers/oracle.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.oracle import COMPARTMENT, FINGERPRINT, MASTER_KEY, TENANCY, USER, VAULT, pem
from tests.unit.providers.oracle.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "oracle.md"


def front(world: World) -> Front:
    world.fake.put("database", b'{"password":"secret"}')
    words = {
        "VAULT_OCID": VAULT,
        "COMPARTMENT_OCID": COMPARTMENT,
        "MASTER_KEY_OCID": MASTER_KEY,
        "TENANCY_OCID": TENANCY,
        "USER_OCID": USER,
        "PRIVATE_KEY": "|\n    " + pem("user").replace("\n", "\n    "),
        "FINGERPRINT": f'"{FINGERPRINT}"',
    }
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSecretBundleByName"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("p"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("p"))
        await cluster.stores.delete("team-a", cluster.store, Remote("p"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "GetSecretBundleByName",
        "CreateSecret",
        "UpdateSecret",
        "ScheduleSecretDeletion",
    }
    assert len(cluster.calls.seen) == len(world.fake.asked)
