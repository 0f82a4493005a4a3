"""What admission refuses, what makes a login, where it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.cloudru.connect import Connector
from eso.providers.cloudru.spec import SPEC
from eso.providers.contract import (
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    RemoteRef,
    Throttled,
    Unavailable,
    Validation,
)
from tests.fakes.backend import Fault
from tests.fakes.cloudru import KEY_ID, SECRET
from tests.fakes.grpc import framed, refused
from tests.unit.providers.cloudru.conftest import AUTH, World, read, view

OTHER = {"secretRef": AUTH["secretRef"] | {"accessKeyIDSecretRef": {"name": "n", "key": "k", "namespace": "other"}}}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"auth": {}}, "invalid spec: auth.secretRef is required"),
        ({"projectID": ""}, "invalid spec: projectID is required"),
        ({"projectID": "p"}, "invalid spec: projectID is invalid UUID"),
        ({"auth": OTHER}, "namespace should either be empty or match"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    "project",
    (
        "99999999-2222-4333-8444-55555555555A",
        "urn:uuid:99999999-2222-4333-8444-555555555555",
        "{99999999-2222-4333-8444-555555555555}",
        "99999999222243338444555555555555",
    ),
)
def test_a_project_is_a_uuid_in_any_form(project: str) -> None:
    assert SPEC.check(view(projectID=project)) == []


def test_projects_share_a_login_and_a_cluster_store_without_a_namespace_has_one_for_each_consumer() -> None:
    one = SPEC.plan(view())
    assert SPEC.plan(view(projectID="99999999222243338444555555555555")) == one
    assert one.references == (("Secret", "", "login"),)
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS


async def test_a_login_asks_for_the_services_and_a_token(world: World) -> None:
    client = await world.open()
    assert len(world.fake.discovery.asked) == 1
    assert [asked.path for asked in world.fake.asked] == ["/sbercloud.cp.iam.api.v1.auth.AuthService/GetToken"]
    assert client.lifetime == 3600 - 60
    assert await client.validate() is Validation.READY
    await client.close()


async def test_a_cluster_store_whose_key_belongs_to_each_consumer_validates_without_one(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    assert world.fake.asked == world.fake.discovery.asked == []
    await client.close()


@pytest.mark.parametrize("place", ("login/id", "login/secret"))
async def test_an_empty_key_is_refused_before_anything_is_asked(world: World, place: str) -> None:
    world.credentials.secrets[place] = ""
    with pytest.raises(InvalidConfig, match="keyID and secret must be provided"):
        await world.open()
    assert world.fake.discovery.asked == []


@pytest.mark.parametrize(("code", "kind"), ((16, AuthRejected), (5, AuthRejected), (14, Unavailable), (8, Throttled)))
async def test_a_refused_login_is_told_without_the_key(world: World, code: int, kind: type[EsoError]) -> None:
    world.fake.fail(refused(code, **{"grpc-message": f"{KEY_ID} {SECRET}"}))
    with pytest.raises(kind, match="failed to get token: rpc error: code = ") as error:
        await world.open()
    assert SECRET not in str(error.value)
    assert KEY_ID not in str(error.value)


@pytest.mark.parametrize(
    "endpoints",
    (
        None,
        7,
        [],
        [7],
        [{"id": 7, "address": "x:1"}],
        [{"id": "iam", "address": "iam:443"}],
        [{"id": "iam", "address": "iam:443"}, {"id": "secret-manager", "address": "https://x"}],
        [{"id": "iam", "address": {}}, {"id": "secret-manager", "address": "x:443"}],
        [{"id": "iam", "address": "a b"}, {"id": "secret-manager", "address": "x:443"}],
    ),
)
async def test_a_list_of_services_without_theirs_is_malformed(world: World, endpoints: Any) -> None:
    world.fake.discovery.endpoints = endpoints
    with pytest.raises(Malformed):
        await world.open()
    assert world.fake.asked == []


async def test_a_list_that_cannot_be_had_is_an_outage(world: World) -> None:
    world.fake.discovery.fail(Fault(503))
    with pytest.raises(Unavailable, match=r"cannot get the addresses of Cloud.ru: 503"):
        await world.open()


@pytest.mark.parametrize("reply", (b"", b"\x0a\x01t", b"\x0a\x01t\x20\x00", b"\x08\x01", b"\xff"))
async def test_a_token_that_is_none_or_has_ended_is_told(world: World, reply: bytes) -> None:
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises((Malformed, AuthRejected)):
        await world.open()


async def test_addresses_of_the_operators_surroundings_win_where_both_are_named(world: World) -> None:
    world.fake.put("app", b"v")
    connector = world.provider.connector
    assert isinstance(connector, Connector)
    here = {"CLOUDRU_IAM_ADDRESS": "iam.private:8443", "CLOUDRU_CSM_ADDRESS": "csm.private"}
    world.provider.pools.hosts |= {"iam.private:8443": world.fake.address, "csm.private:443": world.fake.address}
    connector.env = replace(connector.env, environ=here)
    client = await world.open()
    assert await read(client, "app") == b"v"
    assert world.fake.discovery.asked == []
    await client.close()
    connector.env = replace(connector.env, environ={"CLOUDRU_IAM_ADDRESS": "iam.private:8443"})
    await (await world.open()).close()
    assert len(world.fake.discovery.asked) == 1
    connector.env = replace(connector.env, environ=here | {"CLOUDRU_IAM_ADDRESS": "https://x"})
    with pytest.raises(InvalidConfig, match="CLOUDRU_IAM_ADDRESS"):
        await world.open()
