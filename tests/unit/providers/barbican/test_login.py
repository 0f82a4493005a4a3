"""Versions of Keystone, scopes, catalogs; what a Keystone that lies gets."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.barbican import codec
from eso.providers.barbican.login import VERSIONED
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, RemoteRef, Unavailable
from tests.fakes.backend import Backend, Fault
from tests.fakes.barbican import PASSWORD, REGION, USER
from tests.unit.providers.barbican.conftest import AUTH, World

FAILED = "barbican provider authentication failed: "


async def read(world: World, **options: Any) -> bytes:
    world.fake.put("app", b"value")
    client = await world.open(**options)
    try:
        payload = await client.fetch(client.request(RemoteRef("app")))
        return client.value(payload, RemoteRef("app"))
    finally:
        await client.close()


@pytest.mark.parametrize("path", ("/v3", "/v3/"))
async def test_the_version_in_the_address_is_used_as_it_is(world: World, path: str) -> None:
    assert await read(world, path=path) == b"value"
    assert [asked.path for asked in world.fake.asked] == ["/v3/auth/tokens", "/key-manager/v1/secrets/app/payload"]


async def test_the_old_api_is_spoken_where_the_address_names_it(world: World) -> None:
    assert await read(world, path="/v2.0", domainName="") == b"value"
    assert [asked.path for asked in world.fake.asked] == ["/v2.0/tokens", "/key-manager/v1/secrets/app/payload"]


@pytest.mark.parametrize("path", ("", "/", "/v3.14/"))
async def test_without_a_version_the_best_one_that_is_listed_is_used(world: World, path: str) -> None:
    assert await read(world, path=path) == b"value"
    assert [asked.path for asked in world.fake.asked][:2] == ["/", "/v3/auth/tokens"]


@pytest.mark.parametrize(
    ("url", "asked"),
    (
        ("https://v3/identity/", "https://v3/identity/"),
        ("https://v2/v3.14/", "https://v2/"),
        ("https://keystone/identity/v2/x/", "https://keystone/identity/"),
    ),
)
def test_a_host_that_is_called_like_a_version_is_a_host(url: str, asked: str) -> None:
    assert VERSIONED.sub("/", url) == asked


async def test_a_version_that_is_no_longer_served_is_passed_over(world: World) -> None:
    old = {"id": "v3.0", "status": "EXPERIMENTAL", "links": [{"rel": "self", "href": "http://x/v3/"}]}
    good = {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://x/v2.0"}]}
    world.fake.versions = [old, good]
    assert await read(world, path="") == b"value"
    assert world.fake.asked[1].path == "/v2.0/tokens"
    world.fake.versions = [old]
    with pytest.raises(InvalidConfig, match="no supported version"):
        await world.open(path="")


async def test_a_list_of_versions_sends_the_password_to_no_other_host(world: World) -> None:
    async with Backend() as stranger:
        link = {"rel": "self", "href": f"{stranger.address}/identity/v3"}
        world.fake.versions = [{"id": "v3.14", "status": "stable", "links": [link]}]
        assert await read(world, path="/identity/") == b"value"
        assert stranger.asked == []
    assert [asked.path for asked in world.fake.asked][:2] == ["/identity/", "/identity/v3/auth/tokens"]


async def test_a_region_chooses_the_endpoint(world: World) -> None:
    assert await read(world, region=REGION) == b"value"
    here = {
        "interface": "public",
        "region": "old-name",
        "region_id": "two",
        "url": f"{world.fake.address}/key-manager/v1",
    }
    world.fake.catalog = [{"type": "key-manager", "endpoints": [here]}]
    assert await read(world, region="two") == b"value"
    assert await read(world, region="old-name") == b"value"
    with pytest.raises(InvalidConfig, match=f"^{FAILED}No suitable endpoint could be found in the service catalog"):
        await world.open(region="three")


async def test_a_token_without_a_project_has_no_catalog(world: World) -> None:
    with pytest.raises(InvalidConfig, match="No suitable endpoint"):
        await world.open(tenantName="")
    assert "scope" not in world.fake.asked[0].body["auth"]


async def test_a_user_needs_a_domain_before_anything_is_sent(world: World) -> None:
    with pytest.raises(InvalidConfig, match=f"^{FAILED}You must provide exactly one of DomainID or DomainName"):
        await world.open(domainName="")
    assert world.fake.asked == []


async def test_a_name_that_is_written_down_counts_before_one_in_a_secret(world: World) -> None:
    written = {"value": USER, "secretRef": {"name": "gone", "key": "gone"}}
    assert await read(world, auth=AUTH | {"username": written}) == b"value"


async def test_a_refused_password_is_told_without_what_was_sent(world: World) -> None:
    world.credentials.secrets["login/password"] = "planted-wrong"
    with pytest.raises(AuthRejected) as error:
        await world.open()
    assert str(error.value) == f"{FAILED}401 Unauthorized"
    world.fake.fail(Fault(503, echo=True))
    with pytest.raises(Unavailable) as down:
        await world.open()
    assert "planted" not in f"{down.value}{down.value.fix}"


async def test_a_token_is_used_for_as_long_as_keystone_says(world: World) -> None:
    world.fake.seconds = 600
    client = await world.open()
    assert client.lifetime == 540
    await client.close()
    for odd in ("", '"issued_at":7,', '"issued_at":"soon","expires_at":"later",'):
        session = codec.session_of_v3(f'{{"token":{{{odd}"catalog":[{CATALOG}]}}}}'.encode(), "t", "")
        assert session.lifetime is None


CATALOG = '{"type":"key-manager","endpoints":[{"interface":"public","url":"https://b:9311"}]}'


def test_the_version_of_barbican_is_appended_once() -> None:
    for url in ("https://b:9311", "https://b:9311/", "https://b:9311/v1", "https://b:9311/v1/"):
        assert codec.base_of({"url": url}, "url") == "https://b:9311/v1"


@pytest.mark.parametrize(
    "body",
    (
        "[]",
        '{"token":{"catalog":7}}',
        '{"token":{"catalog":[7]}}',
        '{"token":{"catalog":[{"type":"key-manager","endpoints":{"a":1}}]}}',
        '{"token":{"catalog":[{"type":"key-manager","endpoints":[{"interface":"public","url":7}]}]}}',
        '{"token":{"catalog":[{"type":"key-manager","endpoints":[{"interface":"public","url":"file:///etc"}]}]}}',
        '{"token":{"catalog":[{"type":"key-manager","endpoints":[{"interface":"public","url":"https://u:p@b"}]}]}}',
    ),
)
async def test_a_token_of_another_form_is_malformed(world: World, body: str) -> None:
    world.fake.fail(Fault(201, body=body, headers={"X-Subject-Token": "t"}))
    with pytest.raises(Malformed):
        await world.open()
    assert len(world.fake.asked) == 1


async def test_a_login_without_a_token_is_malformed_and_leaves_no_connection(world: World) -> None:
    world.fake.fail(Fault(201, body=f'{{"token":{{"catalog":[{CATALOG}]}}}}'))
    with pytest.raises(Malformed, match="X-Subject-Token"):
        await world.open()
    world.fake.fail(Fault(201, body=f'{{"token":{{"catalog":[{CATALOG}]}}}}', headers={"X-Subject-Token": "t\x85"}))
    with pytest.raises(InvalidConfig, match="a character that no header can carry"):
        await world.open()
    assert PASSWORD not in str([asked.path for asked in world.fake.asked])
