"""The operator's own cloud identity, for stores of the clouds that name no credentials: who may use it, who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from eso.api.meta import ObjectMeta
from eso.api.secretstore import SecretStore, SecretStoreSpec
from eso.errors import EsoError
from eso.stores.credentials import Ambient
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import PROVIDERS, Registry
from eso.stores.resolve import Rules
from tests.fakes.aws import FakeAws
from tests.fakes.awslogin import KEYS, STATIC
from tests.fakes.azurekv import VAULT, FakeAzure, WholeAzure
from tests.fakes.backend import Backend
from tests.fakes.credentials import DictRest
from tests.fakes.env import Whole, env
from tests.fakes.gcp import PROJECT, FakeGoogle, WholeGcp
from tests.fakes.oracle import REGION, FakeOracle, WholeOracle
from tests.fakes.oracle import VAULT as OCI_VAULT
from tests.fakes.yandex import FakeYandex, WholeYandex

AWS = {"service": "SecretsManager", "region": "eu-central-1"}
AWS_ENVIRON = {"AWS_ACCESS_KEY_ID": KEYS["keys/id"], "AWS_SECRET_ACCESS_KEY": KEYS["keys/secret"]}


@dataclass(frozen=True)
class Cloud:
    """`block`: of a store without credentials. `environ`: of an operator that has an identity there."""

    name: str
    server: type[Backend]
    block: dict[str, Any]
    environ: Mapping[str, str] = field(default_factory=dict)

    def whole(self, server: Any) -> Whole:
        match self.name:
            case "azurekv":
                return WholeAzure(server)
            case "gcpsm":
                return WholeGcp(server)
            case "oracle":
                return WholeOracle(server)
            case "yandexlockbox":
                return WholeYandex(server)
        return Whole("aws", hosts=server.hosts)


CLOUDS = [
    pytest.param(Cloud("aws", FakeAws, AWS, AWS_ENVIRON), id="aws"),
    pytest.param(Cloud("azurekv", FakeAzure, {"vaultUrl": VAULT, "authType": "ManagedIdentity"}), id="azurekv"),
    pytest.param(Cloud("gcpsm", FakeGoogle, {"projectID": PROJECT}), id="gcpsm"),
    pytest.param(Cloud("oracle", FakeOracle, {"region": REGION, "vault": OCI_VAULT}), id="oracle"),
    pytest.param(Cloud("yandexlockbox", FakeYandex, {"auth": {}}), id="yandexlockbox"),
]


@asynccontextmanager
async def stores(cloud: Cloud, flag: str, *known: SecretStore) -> AsyncIterator[tuple[Stores, DictRest, Backend]]:
    """The front door of stores of an operator that was started with this flag; its cluster, with the stores that are
    known there, and the cloud."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(cloud.server())
        whole, rest = cloud.whole(server), DictRest()
        stack.push_async_callback(whole.close)
        records = {(one.kind, one.namespace, one.name): one for one in known}
        plans = Plans(Registry(PROVIDERS, {cloud.name: whole.connector}))
        rules = Rules(lambda *place: records.get(place), lambda name: {}, plans)
        given = env(pools=whole.pools)
        cluster: Any = rest  # it only reads
        made = Stores(rules, cluster, Gates(given.clock), given, ambient=Ambient(cloud.environ, flag))
        running = asyncio.ensure_future(made.run())
        await asyncio.sleep(0)
        yield made, rest, server
        running.cancel()
        await asyncio.wait([running])


def record(kind: str, cloud: Cloud, name: str = "main", **more: Any) -> SecretStore:
    namespace = "team-a" if kind == "SecretStore" else ""
    meta = ObjectMeta(name=name, namespace=namespace, uid=f"uid-{kind}-{name}", generation=1)
    return SecretStore(metadata=meta, spec=SecretStoreSpec(provider={cloud.name: cloud.block | more}))


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(
    ("flag", "kind", "allowed"),
    [
        ("all", "SecretStore", True),
        ("all", "ClusterSecretStore", True),
        ("cluster", "SecretStore", False),
        ("cluster", "ClusterSecretStore", True),
        ("none", "SecretStore", False),
        ("none", "ClusterSecretStore", False),
    ],
)
async def test_the_flag_says_which_stores_use_the_operators_identity(
    cloud: Cloud, flag: str, kind: str, allowed: bool
) -> None:
    store = record(kind, cloud)
    async with stores(cloud, flag, store) as (front, _, server):
        if allowed:
            await front.validate(store)
            assert front.ambient(store)
        else:
            with pytest.raises(EsoError, match="this store may not use the operator's own cloud identity"):
                await front.validate(store)
            assert not front.ambient(store)
            assert server.asked == []


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_second_store_of_the_same_login_uses_the_identity_as_well(cloud: Cloud) -> None:
    first, second = record("SecretStore", cloud), record("SecretStore", cloud, name="other")
    async with stores(cloud, "all", first, second) as (front, _, _server):
        await front.validate(first)
        assert not front.ambient(second)
        await front.validate(second)
        assert front.ambient(second)


async def test_a_store_with_credentials_of_its_own_uses_none_of_the_operators() -> None:
    cloud: Cloud = CLOUDS[0].values[0]
    store = record("SecretStore", cloud, auth=STATIC)
    async with stores(cloud, "all", store) as (front, rest, _):
        rest.secret("team-a", "keys", id=KEYS["keys/id"], secret=KEYS["keys/secret"])
        await front.validate(store)
        assert not front.ambient(store)
