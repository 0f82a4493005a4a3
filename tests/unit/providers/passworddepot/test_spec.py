"""Which server is asked, what makes a login, whose credentials are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Consumer, InvalidConfig, Malformed, RemoteRef, Unavailable, Validation
from eso.providers.passworddepot.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.passworddepot import USER
from tests.unit.providers.passworddepot.conftest import World, view


@pytest.mark.parametrize(
    ("host", "shown"),
    (
        ("", ""),
        ("https://depot.test", "https://depot.test"),
        ("depot.test/v2", "depot.test/v2"),
        ("depot.test:443", "depot.test:443"),
        ("me:secret@depot.test", "depot.test"),
        ("depot.test?x=", "depot.test?x="),
        ("depot test", "depot test"),
    ),
)
def test_a_host_that_is_none_is_refused(host: str, shown: str) -> None:
    for rule in (SPEC.check, SPEC.plan):
        with pytest.raises(InvalidConfig) as error:
            rule(view(host=host))
        assert str(error.value) == f'invalid host: "{shown}"'


def test_the_port_and_the_version_are_fixed() -> None:
    foreign = {"secretRef": {"credentials": {"name": "login", "namespace": "other"}}}
    assert SPEC.check(view(auth=foreign)) == []
    assert SPEC.plan(view()).endpoint == "https://depot.test:8714/v1.0"
    assert SPEC.plan(view(host="[::1]")).endpoint == "https://[::1]:8714/v1.0"
    assert SPEC.plan(view()).references == (("Secret", "", "login"),)
    assert SPEC.plan(view(database="Other")).login != SPEC.plan(view()).login


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    assert world.fake.asked == []
    await client.close()


async def test_the_user_and_the_tokens_are_headers(world: World) -> None:
    world.fake.users[USER] = world.credentials.secrets["login/password"] = "Pässwörd 1"
    world.fake.put("db", login="me")
    client = await world.open()
    await client.fetch(client.request(RemoteRef("db")))
    first, *others = world.fake.asked
    assert (first.method, first.path, first.headers["user"]) == ("GET", "/v1.0/login", USER)
    assert all("pass" not in asked.headers and "user" not in asked.headers for asked in others)
    assert {asked.headers["client_id"] for asked in others} == {"client"}
    await client.close()


@pytest.mark.parametrize(
    ("secrets", "auth", "words"),
    (
        ({}, {"secretRef": {}}, "credentials are empty"),
        ({}, {"secretRef": {"credentials": {"name": ""}}}, "credentials are empty"),
        ({"login/username": "u"}, None, "missing credentials while setting auth"),
        ({"login/password": "p"}, None, "missing credentials while setting auth"),
        ({"login/username": "u", "login/password": ""}, None, "missing credentials while setting auth"),
        ({}, None, 'cannot get Kubernetes secret "login" from namespace "team-a"'),
        ({"login/username": "u", "login/password": "planted\n"}, None, "the password ends in a line break"),
        ({"login/username": "u\x00", "login/password": "p"}, None, "the username holds a character"),
    ),
)
async def test_credentials_that_are_none_are_told_before_anything_is_sent(
    world: World, secrets: dict[str, str], auth: dict[str, Any] | None, words: str
) -> None:
    world.credentials.secrets = secrets
    with pytest.raises(EsoError) as error:
        await world.open(**({"auth": auth} if auth is not None else {}))
    assert str(error.value).startswith(words)
    assert "planted" not in f"{error.value}{error.value.fix}"
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(401, echo=True), AuthRejected),
        (Fault(403, echo=True), AuthRejected),
        (Fault(500, echo=True), Unavailable),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body='{"client_id":"c"}'), Malformed),
        (Fault(200, body='{"client_id":7,"access_token":"t"}'), Malformed),
        (Fault(200, body='{"client_id":"c","access_token":"t\\nx: y"}'), InvalidConfig),
        (Fault(200, body='{"databases":7}', path="/list"), Malformed),
        (Fault(200, body='{"databases":[{"name":"Shop"}]}', path="/list"), Malformed),
    ),
)
async def test_a_login_that_fails_shows_nothing_that_was_sent(world: World, fault: Fault, kind: type) -> None:
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"
    if fault.echo:
        assert str(error.value) == f"failed to authenticate with the given credentials: {fault.status}"


async def test_a_database_is_the_one_with_the_name_else_the_first_that_contains_it(world: World) -> None:
    world.fake.databases = {"DB-0": "My Shop", "DB-1": "Shop", "DB-2": "Shopping"}
    world.fake.put("db", login="me")
    for database in ("Shop", "hop"):
        client = await world.open(database=database)
        assert client.connection.database == ("DB-1" if database == "Shop" else "DB-0")
        await client.close()
    with pytest.raises(InvalidConfig, match=r"^database not found$"):
        await world.open(database="shop")
