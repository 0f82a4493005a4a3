"""What admission refuses, what makes a login, whose key is used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.fortanix.spec import SPEC
from tests.unit.providers.fortanix.conftest import World, view

FOREIGN = {"name": "n", "key": "k", "namespace": "other"}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"apiKey": None}, "apiKey is required"),
        ({"apiKey": {}}, "apiKey.secretRef is required"),
        ({"apiKey": {"secretRef": {"key": "k"}}}, "apiKey.secretRef.name is required"),
        ({"apiKey": {"secretRef": {"name": "n"}}}, "apiKey.secretRef.key is required"),
        ({"apiKey": {"secretRef": FOREIGN}}, "namespace should either be empty or match the namespace of the"),
        ({"apiUrl": "sdkms.fortanix.com"}, 'invalid apiUrl: "sdkms.fortanix.com"'),
        ({"apiUrl": "https://me:secret@x"}, 'invalid apiUrl: "x"'),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_the_vendors_cloud_is_asked_where_the_store_names_no_server() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.plan(view()).endpoint == "https://sdkms.fortanix.com"
    assert SPEC.plan(view(apiUrl="https://dsm.example.com/")).endpoint == "https://dsm.example.com"
    assert SPEC.plan(view()).references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


@pytest.mark.parametrize("key", ("planted\n", "planted\u00e9", "plan\r\nted"))
async def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(world: World, key: str) -> None:
    world.credentials.secrets["login/key"] = key
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert "plan" not in f"{error.value}{error.value.fix}"
    assert world.fake.asked == []
