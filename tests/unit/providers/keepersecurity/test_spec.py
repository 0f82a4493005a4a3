"""What admission refuses, what makes a login, whose keys are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.keepersecurity.spec import SPEC
from tests.unit.providers.keepersecurity.conftest import REF, World, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


@pytest.mark.parametrize(
    ("kind", "block", "words"),
    (
        ("SecretStore", {"authRef": REF | {"namespace": "other"}}, FOREIGN),
        ("ClusterSecretStore", {}, "cluster scope requires namespace"),
        ("SecretStore", {"folderID": ""}, "missing: spec.provider.keepersecurity.folderID"),
    ),
)
def test_admission_refuses(kind: str, block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(kind, **block))
    assert str(error.value) == words


def test_folders_share_a_login_and_secrets_do_not() -> None:
    assert SPEC.check(view()) == []
    one = SPEC.plan(view())
    assert SPEC.plan(view(folderID="other", getByTitleFallback=True)) == one
    other = SPEC.plan(view(authRef=REF | {"name": "other"}))
    assert (one.login, one.endpoint) != (other.login, other.endpoint)
    assert one.endpoint == "the host in team-a/login/config"
    assert one.references == (("Secret", "", "login"),)
    assert one.consumer is Consumer.NONE


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    """Admission refuses it; where there is no admission, it works."""
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


async def test_a_validation_asks_nobody(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    assert world.fake.asked == []
    await client.close()
