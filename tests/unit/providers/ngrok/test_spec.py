"""What admission refuses, what makes a login, whose key is used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Push, Remote, Source, Validation
from eso.providers.ngrok.spec import SPEC
from tests.unit.providers.ngrok.conftest import AUTH, World, view


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"apiUrl": "ftp://x"}, '"ftp://x": invalid API URL'),
        ({"apiUrl": "https://user:pass@x"}, '"x": invalid API URL'),
        ({"auth": {}}, "ngrok provider auth APIKey is required"),
        ({"auth": {"apiKey": {}}}, "ngrok provider auth APIKey is required"),
        ({"vault": {}}, "ngrok provider vault name is required"),
        ({"vault": {"name": ""}}, "ngrok provider vault name is required"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_vaults_share_a_login_and_servers_and_keys_do_not() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.capability == "WriteOnly"
    one = SPEC.plan(view())
    assert one.endpoint == "https://api.ngrok.com"
    assert SPEC.plan(view(vault={"name": "other"})) == one
    assert SPEC.plan(view(apiUrl="https://other")) != one
    assert SPEC.plan(view(auth={"apiKey": {"secretRef": {"name": "other", "key": "key"}}})) != one
    assert one.references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    named = {"apiKey": {"secretRef": AUTH["apiKey"]["secretRef"] | {"namespace": "team-a"}}}
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.push(Push(Remote("a"), "k"), Source({"k": b"v"}))
    await client.close()
