"""What admission refuses, what makes a login, whose credentials are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.barbican.spec import SPEC
from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from tests.unit.providers.barbican.conftest import AUTH, World, view

ELSEWHERE = {"secretRef": {"name": "login", "key": "k", "namespace": "other"}}
STRANGE = "barbican provider error: namespace should either be empty or match the namespace of the SecretStore"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"authURL": ""}, "barbican provider missing required field: authURL"),
        ({"authURL": "keystone:5000"}, 'barbican provider error: invalid authURL: "keystone:5000"'),
        ({"authURL": "https://me:secret@x"}, 'barbican provider error: invalid authURL: "x"'),
        ({"auth": AUTH | {"username": {}}}, "barbican provider missing required field: username"),
        ({"auth": AUTH | {"username": {"value": ""}}}, "barbican provider missing required field: username"),
        ({"auth": AUTH | {"password": {}}}, "barbican provider missing required field: password"),
        ({"auth": AUTH | {"username": ELSEWHERE}}, STRANGE),
        ({"auth": AUTH | {"password": ELSEWHERE}}, STRANGE),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_a_cluster_store_names_the_namespace_of_what_it_reads() -> None:
    with pytest.raises(InvalidConfig, match=r"^barbican provider error: cluster scope requires namespace$"):
        SPEC.check(view("ClusterSecretStore"))
    password = {"secretRef": {"name": "login", "key": "password", "namespace": "infra"}}
    whole = {"username": {"value": "eso"}, "password": password}
    assert SPEC.check(view("ClusterSecretStore", auth=whole)) == []
    assert SPEC.plan(view("ClusterSecretStore", auth=whole)).references == (("Secret", "infra", "login"),)


@pytest.mark.parametrize("member", ("tenantName", "domainName", "region"))
def test_each_part_of_the_scope_makes_another_login(member: str) -> None:
    assert SPEC.check(view()) == []
    assert SPEC.plan(view()).endpoint == "https://keystone:5000/v3/"
    assert SPEC.plan(view(**{member: "other"})).login != SPEC.plan(view()).login


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    assert world.fake.asked == []
    await client.close()
