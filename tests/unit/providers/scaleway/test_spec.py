"""What admission refuses, what makes a login, whose keys are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import AuthRejected, Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.scaleway.spec import SPEC
from tests.fakes.scaleway import ACCESS, SECRET
from tests.unit.providers.scaleway.conftest import World, view


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"apiUrl": "ftp://x"}, 'invalid api url: "ftp://x"'),
        ({"apiUrl": "https://user:pass@x"}, 'invalid api url: "x"'),
        ({"region": "paris"}, 'invalid region: "paris"'),
        ({"region": ""}, 'invalid region: ""'),
        ({"region": "fr-par/.."}, 'invalid region: "fr-par/.."'),
        ({"projectId": "p"}, 'invalid project id: "p"'),
        ({"accessKey": {}}, "must specify either value or reference"),
        ({"secretKey": {"value": "v", "secretRef": {"name": "n", "key": "k"}}}, "cannot specify both value and"),
        ({"secretKey": {"secretRef": {"name": "n"}}}, "must specify a secret key"),
        ({"secretKey": {"secretRef": {"name": "n", "key": "k", "namespace": "other"}}}, "namespace should either be"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_regions_and_projects_share_a_login_and_servers_do_not() -> None:
    assert SPEC.check(view()) == []
    one = SPEC.plan(view())
    assert one.endpoint == "https://api.scaleway.com"
    assert SPEC.plan(view(region="nl-ams")) == one
    assert SPEC.plan(view(apiUrl="https://other")) != one
    assert one.references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    assert SPEC.plan(view("ClusterSecretStore", secretKey={"value": SECRET})).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("name:app")))
    await client.close()


@pytest.mark.parametrize(
    ("block", "secret"),
    (
        ({"accessKey": {"value": "SCWSHORT"}}, SECRET),
        ({"accessKey": {"value": f"{ACCESS}@nobody"}}, SECRET),
        ({}, "no-uuid"),
        ({}, f"{SECRET}\n"),
    ),
)
async def test_keys_that_are_none_are_refused_without_showing_them(
    world: World, block: dict[str, Any], secret: str
) -> None:
    world.credentials.secrets["login/secret"] = secret
    with pytest.raises(AuthRejected) as error:
        await world.open(**block)
    assert secret.strip() not in str(error.value)
    assert world.fake.asked == []
