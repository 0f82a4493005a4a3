"""What admission refuses, what makes a login, whose token is used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.previder.spec import SPEC
from tests.unit.providers.previder.conftest import World, view


def token(**selector: str) -> dict[str, Any]:
    return {"auth": {"secretRef": {"accessToken": selector}}}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"auth": {}}, "missing Previder Auth SecretRef"),
        ({"auth": {"secretRef": None}}, "missing Previder Auth SecretRef"),
        ({"auth": {"secretRef": {}}}, "missing Previder accessToken name"),
        (token(key="k"), "missing Previder accessToken name"),
        (token(name="n"), "missing Previder accessToken key"),
        ({"baseUri": "vault.previder.io"}, 'invalid baseUri: "vault.previder.io"'),
        ({"baseUri": "https://me:secret@x"}, 'invalid baseUri: "x"'),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_the_vendors_vault_is_asked_where_the_store_names_no_server() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.check(view(**token(name="n", key="k", namespace="other"))) == []
    assert SPEC.plan(view()).endpoint == "https://vault.previder.io"
    assert SPEC.plan(view(baseUri="https://vault.example.com/")).endpoint == "https://vault.example.com"
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


async def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(world: World) -> None:
    world.credentials.secrets["login/token"] = "planted\n"
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"
    assert world.fake.asked == []
