"""Default credentials of the operator in each form that Google's own tools write, and people of workforce pools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, InvalidConfig, RemoteRef
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.gcp import EMAIL, PROJECT, GcpCredentials, service_account_key
from tests.unit.providers.gcpsm.conftest import World

WORKFORCE = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/idp"
WORKLOAD = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
URL = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
PERSON = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": "client-secret",
    "refresh_token": "refresh-me",
}
STAFF = PERSON | {
    "type": "external_account_authorized_user",
    "audience": WORKFORCE,
    "token_url": "https://sts.googleapis.com/v1/oauthtoken",
}
KEY = json.loads(service_account_key())

Written = Callable[[Any], GcpCredentials]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """The operator with these default credentials."""

    def write(info: Any) -> GcpCredentials:
        (tmp_path / "token").write_text("file-token")
        (tmp_path / "credentials").write_text(json.dumps(info))
        return GcpCredentials(environ={"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "credentials")})

    return write


def external(tmp_path: Path, **members: Any) -> dict[str, Any]:
    source = {"file": str(tmp_path / "token")}
    return {"type": "external_account", "audience": WORKLOAD, "credential_source": source} | members


async def reads(world: World, credentials: GcpCredentials) -> None:
    world.fake.put("app", b"value")
    client = await world.open(credentials, auth={})
    ref = RemoteRef("app")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"value"
    await client.close()


async def refused(world: World, credentials: GcpCredentials) -> EsoError:
    with pytest.raises(EsoError) as failed:
        await world.open(credentials, auth={})
    assert not [planted for planted in ("refresh-me", "client-secret", "planted") if planted in str(failed.value)]
    return failed.value


# impersonation


@pytest.mark.parametrize("source", [KEY, PERSON, STAFF], ids=["a key", "a person", "a person of a workforce pool"])
async def test_the_source_of_an_impersonation_gets_the_token_of_its_target(
    world: World, written: Written, source: dict[str, Any]
) -> None:
    world.fake.impersonable.add(EMAIL)
    info = {"type": "impersonated_service_account", "service_account_impersonation_url": URL}
    await reads(world, written(info | {"source_credentials": source, "delegates": []}))
    assert world.fake.count("generateAccessToken") == 1
    assert world.provider.world.meant[1] == URL


async def test_delegates_stand_between_the_source_and_the_target(world: World, written: Written) -> None:
    world.fake.impersonable.add(EMAIL)
    world.fake.delegates = ["projects/-/serviceAccounts/between@shop.iam.gserviceaccount.com"]
    info = {"type": "impersonated_service_account", "service_account_impersonation_url": URL}
    await reads(world, written(info | {"source_credentials": PERSON, "delegates": world.fake.delegates}))


async def test_a_federation_is_the_source_of_an_impersonation(world: World, written: Written, tmp_path: Path) -> None:
    world.fake.impersonable.add(EMAIL)
    world.fake.subjects["file-token"] = WORKLOAD
    info = {"type": "impersonated_service_account", "service_account_impersonation_url": URL}
    await reads(world, written(info | {"source_credentials": external(tmp_path)}))


async def test_the_account_of_a_machine_may_be_the_target(world: World, written: Written) -> None:
    """Its address is not one of a project's own domain."""
    target = "1234-compute@developer.gserviceaccount.com"
    world.fake.impersonable.add(target)
    url = URL.replace(EMAIL, target)
    info = {"type": "impersonated_service_account", "service_account_impersonation_url": url}
    await reads(world, written(info | {"source_credentials": PERSON}))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"service_account_impersonation_url": None}, "impersonation_url", id="no target"),
        pytest.param({"service_account_impersonation_url": 7}, "impersonation_url", id="a number for the target"),
        pytest.param(
            {"service_account_impersonation_url": "http://iamcredentials.googleapis.com/planted:generateAccessToken"},
            "impersonation_url",
            id="a target in clear",
        ),
        pytest.param(
            {"service_account_impersonation_url": f"https://planted.example/?{URL}"},
            "impersonation_url",
            id="elsewhere",
        ),
        pytest.param({"source_credentials": None}, "are no JSON object", id="no source"),
        pytest.param({"source_credentials": ["planted"]}, "are no JSON object", id="a list for the source"),
        pytest.param({"source_credentials": {"type": "planted"}}, "of a type that", id="an unknown source"),
        pytest.param(
            {"source_credentials": {"type": "impersonated_service_account"}}, "of a type that", id="impersonation again"
        ),
        pytest.param({"delegates": "planted"}, "delegates", id="a text for the delegates"),
        pytest.param({"delegates": [7]}, "delegates", id="a number for a delegate"),
    ],
)
async def test_an_impersonation_that_names_no_target_or_source(
    world: World, written: Written, changes: dict[str, Any], text: str
) -> None:
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": URL,
        "source_credentials": PERSON,
    }
    error = await refused(world, written(info | changes))
    assert isinstance(error, InvalidConfig)
    assert str(error).startswith("unable to get credentials: the operator's default credentials ")
    assert text in str(error)
    assert world.fake.asked == []


async def test_an_impersonation_that_is_not_allowed_is_a_refused_login(world: World, written: Written) -> None:
    info = {"type": "impersonated_service_account", "service_account_impersonation_url": URL}
    error = await refused(world, written(info | {"source_credentials": PERSON}))
    assert isinstance(error, AuthRejected)


# people of workforce pools


async def test_a_person_of_a_workforce_pool_who_logged_in_with_gcloud(world: World, written: Written) -> None:
    await reads(world, written(STAFF))
    assert world.provider.world.meant[0] == "https://sts.googleapis.com/v1/oauthtoken"
    assert "client-secret" not in world.fake.asked[0].text


@pytest.mark.parametrize("url", ["http://sts.googleapis.com/v1/oauthtoken", "https://planted.example/token", 7])
async def test_the_grant_of_a_person_goes_to_a_token_server_of_google(world: World, written: Written, url: Any) -> None:
    error = await refused(world, written(STAFF | {"token_url": url}))
    assert isinstance(error, InvalidConfig)
    assert "token_url" in str(error)
    assert world.fake.asked == []


async def test_a_person_whose_grant_ended_is_a_refused_login(world: World, written: Written) -> None:
    world.fake.fail(Fault(400, body='{"error":"invalid_grant","error_description":"planted"}'))
    assert isinstance(await refused(world, written(STAFF)), AuthRejected)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"workforce_pool_user_project": PROJECT}, id="a project"),
        pytest.param({"client_id": "id", "client_secret": "client-secret"}, id="a client"),
        pytest.param(
            {"client_id": "id", "client_secret": "client-secret", "workforce_pool_user_project": PROJECT},
            id="a client before a project",
        ),
    ],
)
@pytest.mark.parametrize("whose", ["the operator's", "a store's"])
async def test_a_workforce_pool_says_who_answers_for_the_requests(
    world: World, written: Written, tmp_path: Path, members: dict[str, str], whose: str
) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["file-token"] = WORKFORCE
    info = external(tmp_path, audience=WORKFORCE, **members)
    credentials = written(info)
    auth: dict[str, Any] = {}
    if whose == "a store's":
        credentials = GcpCredentials(maps={"config/json": json.dumps(info)}, environ={})
        auth = {"workloadIdentityFederation": {"credConfig": {"name": "config", "key": "json"}}}
    client = await world.open(credentials, auth=auth)
    await client.fetch(client.request(RemoteRef("app")))
    await client.close()


async def test_a_project_without_a_workforce_pool_is_refused(world: World, written: Written, tmp_path: Path) -> None:
    error = await refused(world, written(external(tmp_path, workforce_pool_user_project=PROJECT)))
    assert "workforce_pool_user_project" in str(error)
    assert world.fake.asked == []


# at every await


@pytest.mark.parametrize("info", [STAFF, PERSON], ids=["a person of a workforce pool", "a person"])
async def test_every_await_of_an_impersonation_may_be_cancelled(
    world: World, written: Written, info: dict[str, Any]
) -> None:
    world.fake.impersonable.add(EMAIL)
    target = {"type": "impersonated_service_account", "service_account_impersonation_url": URL}
    credentials = written(target | {"source_credentials": info})

    async def opened() -> None:
        await (await world.open(credentials, auth={})).close()

    async for _ in every_await(opened):
        assert all(pool._session is None for pool in world.provider.world.opened)
    await opened()
