"""What admission refuses, what makes a login, how vaults are looked up."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import AuthRejected, Consumer, InvalidConfig, Malformed, RemoteRef, Unavailable, Validation
from eso.providers.dvls.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.dvls import APP, VAULT, VAULT_ID
from tests.unit.providers.dvls.conftest import World, auth, view


def without(member: str, word: str) -> dict[str, Any]:
    found = auth()
    del found["secretRef"][member][word]
    return {"auth": found}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"serverUrl": ""}, "serverUrl is required"),
        ({"serverUrl": "dvls.test"}, 'invalid serverUrl: "dvls.test"'),
        ({"serverUrl": "ftp://dvls.test"}, 'invalid serverUrl: "ftp://dvls.test"'),
        ({"serverUrl": "https://me:secret@x"}, 'invalid serverUrl: "x"'),
        ({"serverUrl": "http://dvls.test"}, "http URLs require 'insecure: true' to be set explicitly"),
        (
            {"serverUrl": "HTTP://dvls.test", "insecure": False},
            "http URLs require 'insecure: true' to be set explicitly",
        ),
        ({"vault": " Shop"}, "vault must not have leading or trailing white space"),
        ({"vault": "Shop\n"}, "vault must not have leading or trailing white space"),
        (without("appId", "name"), "appId secret name is required"),
        (without("appId", "key"), "appId secret key is required"),
        (without("appSecret", "name"), "appSecret secret name is required"),
        (without("appSecret", "key"), "appSecret secret key is required"),
        ({"auth": {}}, "appId secret name is required"),
        (
            {"auth": auth(namespace="other")},
            "namespace should either be empty or match the namespace of the SecretStore",
        ),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_a_cluster_store_names_the_namespace_of_its_credentials() -> None:
    with pytest.raises(InvalidConfig, match=r"^cluster scope requires namespace$"):
        SPEC.check(view("ClusterSecretStore"))
    assert SPEC.check(view("ClusterSecretStore", auth=auth(namespace="infra"))) == []
    assert SPEC.plan(view("ClusterSecretStore", auth=auth(namespace="infra"))).consumer is Consumer.NONE


def test_a_vault_is_a_part_of_the_login() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.check(view(serverUrl="http://dvls.test", insecure=True)) == []
    assert SPEC.plan(view(serverUrl="https://dvls.test/dvls/")).endpoint == "https://dvls.test/dvls"
    assert SPEC.plan(view(vault="Other")).login != SPEC.plan(view()).login
    assert SPEC.plan(view()).references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    assert world.fake.asked == []
    await client.close()


@pytest.mark.parametrize(
    ("vault", "requests"),
    (
        ("", 1),
        (VAULT_ID, 1),
        (f"{{{VAULT_ID.upper()}}}", 1),
        (f"urn:uuid:{VAULT_ID}", 1),
        (VAULT_ID.replace("-", ""), 1),
        (VAULT, 3),
    ),
)
async def test_only_a_vault_that_is_named_is_looked_up(world: World, vault: str, requests: int) -> None:
    world.fake.vaults = {f"00000000-2222-4333-8444-{at:012d}": f"Other {at}" for at in range(25)} | world.fake.vaults
    client = await world.open(vault=vault)
    assert client.connection.vault == (VAULT_ID if vault else "")
    assert len(world.fake.asked) == requests
    assert world.fake.asked[0].text == f"AppKey={APP}&AppSecret=planted-app-secret"
    await client.close()


async def test_a_vault_that_none_or_several_are_called_is_told(world: World) -> None:
    with pytest.raises(InvalidConfig, match=r"^vault not found$"):
        await world.open(vault="shop")
    world.fake.vaults["00000000-2222-4333-8444-555555555555"] = VAULT
    with pytest.raises(InvalidConfig, match=r"^2 vaults have this name$"):
        await world.open()


@pytest.mark.parametrize("name", ("tokenId", "TokenId", "tokenid", "TOKENID"))
async def test_the_case_of_members_does_not_matter(world: World, name: str) -> None:
    world.fake.tokens.add("t")
    world.fake.fail(Fault(200, body=f'{{"{name}":"t"}}'))
    client = await world.open()
    assert client.connection.vault == VAULT_ID
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(401, echo=True), AuthRejected),
        (Fault(400, echo=True), AuthRejected),
        (Fault(503, echo=True), Unavailable),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body="{}"), Malformed),
        (Fault(200, body='{"tokenId":7}'), Malformed),
        (Fault(200, body='{"tokenId":"t\\r\\nx: y"}'), InvalidConfig),
        (Fault(200, body='{"data":[]}', path="/vault$"), Malformed),
        (
            Fault(200, body='{"data":[{"name":"Shop","id":"../x"}],"currentPage":1,"totalPage":1}', path="/vault$"),
            Malformed,
        ),
    ),
)
async def test_a_login_that_fails_shows_nothing_that_was_sent(world: World, fault: Fault, kind: type) -> None:
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"
