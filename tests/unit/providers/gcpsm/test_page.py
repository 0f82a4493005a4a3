"""The manifest of docs/providers/gcpsm.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from eso.api.externalsecret import ExternalSecret, StoreRef, decode_external_secret
from eso.api.secretstore import SecretStore, decode_secret_store
from eso.providers.contract import Push, Remote, RemoteRef, Source
from eso.runtime.clock import SystemClock
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import PROVIDERS, Registry
from eso.stores.resolve import Rules
from tests.fakes.clock import settle
from tests.fakes.credentials import DictRest
from tests.fakes.env import env
from tests.unit.providers.gcpsm.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "gcpsm.md"
CLUSTER = "https://container.googleapis.com/v1/projects/shop/locations/europe-west3/clusters/main"


class Calls:
    """The metric's labels of every request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None:
        self.seen.append((provider, call, status))


class Front:
    """The store of the page behind the front door, in a cluster that has its account."""

    def __init__(self, world: World) -> None:
        text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
        raw_store, raw_secret = yaml.safe_load_all(text)
        raw_store["metadata"] |= {"uid": "uid-1", "generation": 1}
        raw_store["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        store = decode_secret_store(orjson.dumps(raw_store))
        wanted = decode_external_secret(orjson.dumps(raw_secret))
        assert isinstance(store, SecretStore)
        assert isinstance(wanted, ExternalSecret)
        self.store, self.wanted, self.rest, self.calls = store, wanted, DictRest(), Calls()
        self.rest.objects["serviceaccounts/team-a/app"] = {"metadata": {"name": "app", "uid": "u"}}
        world.fake.put("database", b'{"password":"secret"}')
        world.fake.subjects["token-of-team-a-app"] = f"identitynamespace:shop.svc.id.goog:{CLUSTER}"
        place = ("SecretStore", "team-a", "google")
        plans = Plans(Registry(PROVIDERS, {"gcpsm": world.provider.gcp}))
        rules = Rules(lambda *asked: store if asked == place else None, lambda name: {}, plans)
        rest: Any = self.rest  # it only reads
        self.stores = Stores(rules, rest, Gates(SystemClock(), meter=self.calls), env(pools=world.provider.world))
        self.stores.store_changed(*place)

    async def read(self) -> bytes:
        remote = self.wanted.spec.data[0].remote_ref
        ref = StoreRef(name=self.wanted.spec.secret_store_ref.name)
        return (await self.stores.read("team-a", ref, RemoteRef(remote.key, remote.property))).reveal()


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    front = Front(world)
    running = asyncio.ensure_future(front.stores.run())
    await settle()
    yield front
    running.cancel()
    await asyncio.wait([running])


async def test_the_manifest_of_the_page_is_served(world: World, front: Front) -> None:
    assert await front.read() == await front.read() == b"secret"
    assert front.rest.tokens == [
        {"namespace": "team-a", "name": "app", "audiences": ["shop.svc.id.goog"], "expirationSeconds": 900}
    ]
    assert [call for _, call, _ in front.calls.seen] == [
        "GenerateIDBindToken",
        "AccessSecretVersion",
        "AccessSecretVersion",
    ]


async def test_every_request_of_a_write_goes_through_a_gate(world: World, front: Front) -> None:
    await front.stores.push("team-a", front.store, Push(Remote("pushed"), "k"), Source({"k": b"v"}))
    assert await front.stores.exists("team-a", front.store, Remote("pushed"))
    await front.stores.delete("team-a", front.store, Remote("pushed"))
    assert {call for _, call, _ in front.calls.seen} == {
        "GenerateIDBindToken",
        "AccessSecretVersion",
        "GetSecret",
        "CreateSecret",
        "AddSecretVersion",
        "ListSecretVersions",
        "DeleteSecret",
    }
    assert {provider for provider, _, _ in front.calls.seen} == {"GCP/SecretManager"}
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_a_token_that_ends_is_replaced_without_a_failed_read(world: World, front: Front) -> None:
    for _ in range(5):
        world.fake.tokens.clear()
        assert await front.read() == b"secret"
    assert world.fake.count("identitybindingtoken") == 5
