"""What admission refuses, what makes a login, whose token is used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.beyondtrustworkloadcredentials.spec import SPEC
from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from tests.fakes.workloadcredentials import ADDRESS, SITE, TOKEN
from tests.unit.providers.beyondtrustworkloadcredentials.conftest import AUTH, SERVER, World, view

FOREIGN = {"apikey": {"token": {"name": "n", "key": "k", "namespace": "other"}}}
NO_HTTPS = "invalid apiUrl: apiUrl must be an https URL with a host"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"auth": {}}, "auth.apikey.token.name is required"),
        ({"auth": {"apikey": {"token": {"key": "k"}}}}, "auth.apikey.token.name is required"),
        ({"auth": FOREIGN}, "namespace should either be empty or match the namespace of the SecretStore for a"),
        ({"server": None}, "server is required"),
        ({"server": {"siteId": SITE}}, "invalid apiUrl: it is empty"),
        ({"server": SERVER | {"apiUrl": "http://bt.example"}}, NO_HTTPS),
        ({"server": SERVER | {"apiUrl": "https://"}}, NO_HTTPS),
        ({"server": SERVER | {"apiUrl": "https://user:pass@bt.example"}}, NO_HTTPS),
        ({"server": {"apiUrl": ADDRESS}}, 'invalid siteId: siteId must be a valid UUID format, got ""'),
        ({"server": SERVER | {"siteId": "x/.."}}, 'invalid siteId: siteId must be a valid UUID format, got "x/.."'),
        (
            {"server": SERVER | {"siteId": SITE.replace("-4", "-1")}},
            "invalid siteId: siteId must be a valid UUID format, got ",
        ),
        ({"server": SERVER | {"siteId": f"{SITE}\n"}}, "invalid siteId: siteId must be a valid UUID format, got "),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)
    assert "pass" not in str(error.value)


def test_a_cluster_store_names_the_namespace_of_its_token() -> None:
    with pytest.raises(InvalidConfig, match=r"^cluster scope requires namespace$"):
        SPEC.check(view("ClusterSecretStore"))
    named = {"apikey": {"token": AUTH["apikey"]["token"] | {"namespace": "team-a"}}}
    assert SPEC.check(view("ClusterSecretStore", auth=named)) == []
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE


def test_folders_share_a_login_and_sites_tokens_and_authorities_do_not() -> None:
    assert SPEC.check(view()) == []
    one = SPEC.plan(view())
    assert one.endpoint == ADDRESS
    assert SPEC.plan(view(folderPath="a/b")) == one
    other_site = {"server": SERVER | {"siteId": SITE.replace("8d", "9d")}}
    for other in (other_site, {"auth": FOREIGN}, {"caBundle": "x"}):
        assert SPEC.plan(view(**other)) != one
    authority = {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}
    assert SPEC.plan(view(caProvider=authority)).references == (("Secret", "", "login"), ("ConfigMap", "", "ca"))


async def test_a_token_of_each_consumer_is_asked_of_nobody_while_the_store_is_validated(world: World) -> None:
    """Admission refuses such a store; one that is there already asks nothing."""
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


async def test_a_token_without_a_key_and_one_that_no_header_can_hold_are_refused(world: World) -> None:
    with pytest.raises(InvalidConfig, match=r"^auth.apikey.token.key is required$"):
        await world.open(auth={"apikey": {"token": {"name": "login"}}})
    world.credentials.secrets["login/token"] = f"{TOKEN}\nX: y"
    with pytest.raises(InvalidConfig, match="no header can carry") as error:
        await world.open()
    assert TOKEN not in str(error.value)
    world.credentials.secrets["login/token"] = f"{TOKEN}\n"  # as an editor leaves it
    client = await world.open()
    assert await client.validate() is Validation.READY
    await client.close()
