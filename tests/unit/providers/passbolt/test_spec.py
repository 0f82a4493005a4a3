"""What admission refuses, what makes a login, whose keys are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, StoreView, Validation
from eso.providers.passbolt.spec import SPEC
from tests.unit.providers.passbolt.conftest import AUTH, World, view

MISSING = "missing: spec.provider.passbolt"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"auth": None}, f"{MISSING}.auth"),
        ({"auth": {}}, f"{MISSING}.auth.passwordSecretRef"),
        ({"auth": AUTH | {"passwordSecretRef": {"key": "k"}}}, f"{MISSING}.auth.passwordSecretRef"),
        ({"auth": AUTH | {"passwordSecretRef": {"name": "n"}}}, f"{MISSING}.auth.passwordSecretRef"),
        ({"auth": AUTH | {"privateKeySecretRef": {"name": "n"}}}, f"{MISSING}.auth.privateKeySecretRef"),
        ({"host": ""}, f"{MISSING}.host"),
        ({"host": "http://passbolt.test"}, "host Url has to be https scheme"),
        ({"host": "passbolt.test"}, "host Url has to be https scheme"),
        ({"host": "https://user:secret@passbolt.test"}, "host is no address"),
        ({"host": "https://"}, "host Url has to be https scheme"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_a_store_without_a_block_is_refused() -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(StoreView("SecretStore", "store", "team-a", "passbolt", {}))
    assert str(error.value) == MISSING


def test_hosts_keys_and_authorities_make_a_login() -> None:
    assert SPEC.check(view()) == []
    one = SPEC.plan(view())
    assert one.endpoint == "https://passbolt.test"
    assert SPEC.plan(view(host="https://passbolt.test/")) == one
    other = AUTH | {"privateKeySecretRef": {"name": "other", "key": "privateKey"}}
    for block in ({"host": "https://other.test"}, {"auth": other}, {"caBundle": "QQ=="}):
        assert SPEC.plan(view(**block)) != one
    provider = {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}
    assert SPEC.plan(view(caProvider=provider)).references == (("Secret", "", "login"), ("ConfigMap", "", "ca"))
    with pytest.raises(InvalidConfig):
        SPEC.plan(view(host="http://passbolt.test"))


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    named = {member: reference | {"namespace": "vault"} for member, reference in AUTH.items()}
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE
    client = await world.open("ClusterSecretStore")
    assert client.connection.apart.namespace == "team-a"
    await client.close()
    shared = await world.open("ClusterSecretStore", auth=named)
    assert shared.connection.apart.namespace == ""
    await shared.close()
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()
