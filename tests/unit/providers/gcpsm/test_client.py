"""Reads, versions, metadata and searches, on a fake of Secret Manager."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Unavailable,
    Validation,
)
from eso.providers.gcpsm import client as module
from eso.providers.gcpsm.client import Client
from eso.values.convert import KeyRefused
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.gcp import LOCATION, PROJECT
from tests.unit.providers.gcpsm.conftest import KEY_AUTH, World, view

READ = "unable to access Secret from SecretManager Client: "
REGION = f"projects/{PROJECT}/locations/{LOCATION}"


async def read(client: Client, key: str, name: str = "", version: str = "", policy: str = "") -> bytes:
    ref = RemoteRef(key, name, version, policy)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_the_latest_version_is_read(world: World) -> None:
    world.fake.put("app", b"one", b"two")
    client = await world.open()
    assert await read(client, "app") == b"two"
    assert world.provider.world.meant[-1] == (
        "https://secretmanager.googleapis.com/v1/projects/shop/secrets/app/versions/latest:access"
    )


async def test_a_version_is_read_by_its_number(world: World) -> None:
    world.fake.put("app", b"one", b"two")
    client = await world.open()
    assert await read(client, "app", version="1") == b"one"
    with pytest.raises(SecretNotFound) as missing:
        await read(client, "app", version="9")
    assert str(missing.value) == f"{READ}Secret does not exist"


async def test_a_secret_that_is_not_there_is_proven(world: World) -> None:
    world.fake.put("empty")
    client = await world.open()
    for key in ("gone", "empty"):
        with pytest.raises(SecretNotFound, match=f"^{READ}Secret does not exist$"):
            await read(client, key)
    with pytest.raises(SecretNotFound, match=f"^{READ}Secret does not exist$"):
        await read(client, "gone", policy="Fetch")


async def test_a_regional_secret_is_read_from_its_region(world: World) -> None:
    world.fake.put("app", b"here", where=REGION)
    client = await world.open(location=LOCATION)
    assert await read(client, "app") == b"here"
    assert world.provider.world.meant[-1].startswith(
        f"https://secretmanager.{LOCATION}.rep.googleapis.com/v1/{REGION}/secrets/app/"
    )
    assert list(await found(client, Find(name_regexp="."))) == ["app"]
    assert list(await found(client, Find(tags=(("team", "a"),)))) == []


@pytest.mark.parametrize(
    ("key", "version", "path"),
    [
        ("a/b", "", "secrets/a%2Fb/versions/latest:access"),
        ("a?b#c", "", "secrets/a%3Fb%23c/versions/latest:access"),
        ("app", "1/x", "secrets/app/versions/1%2Fx:access"),
        ("app:delete", "", "secrets/app%3Adelete/versions/latest:access"),
    ],
)
async def test_no_key_leaves_its_place_in_the_address(world: World, key: str, version: str, path: str) -> None:
    client = await world.open()
    with pytest.raises(EsoError):
        await read(client, key, version=version)
    assert world.provider.world.meant[-1].endswith(f"/v1/projects/shop/{path}")
    for name in ("..", ".", "", "a/../b", "..\\b"):
        with pytest.raises(InvalidConfig):
            client.request(RemoteRef(name))


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
async def test_the_newest_enabled_version_where_the_store_asks_for_it(world: World, state: str) -> None:
    secret = world.fake.put("app", b"one", b"two", b"three")
    secret.versions[2].state = state
    disabled = (
        f"^{READ}rpc error: code = FailedPrecondition desc = "
        rf"Secret Version \[projects/424242/secrets/app/versions/3\] is in {state} state\.$"
    )
    client = await world.open(secretVersionSelectionPolicy="LatestOrFetch")
    assert await read(client, "app") == b"two"
    with pytest.raises(InvalidConfig, match=disabled):
        await read(client, "app", version="3")
    plain = client.bind(view(projectID=PROJECT, auth=KEY_AUTH))
    with pytest.raises(InvalidConfig, match=disabled):
        await read(plain, "app")
    assert plain.request(RemoteRef("app")) != client.request(RemoteRef("app"))
    assert plain.request(RemoteRef("app", version="3")) == client.request(RemoteRef("app", version="3"))


async def test_the_newest_is_the_one_that_was_created_last_on_any_page(world: World) -> None:
    secret = world.fake.put("app", *(str(n).encode() for n in range(7)))
    secret.versions[6].state = "DISABLED"
    secret.versions[2].created = "2026-06-01T00:00:00.000000001Z"
    world.fake.page = 2
    client = await world.open(secretVersionSelectionPolicy="LatestOrFetch")
    assert await read(client, "app") == b"2"


async def test_without_an_enabled_version_the_latest_ones_error_is_told(world: World) -> None:
    world.fake.put("app", b"one").versions[0].state = "DISABLED"
    client = await world.open(secretVersionSelectionPolicy="LatestOrFetch")
    with pytest.raises(InvalidConfig, match="DISABLED state") as failed:
        await read(client, "app")
    assert not isinstance(failed.value, SecretNotFound)


async def test_metadata_is_one_call_whatever_the_version(world: World) -> None:
    world.fake.put("app", b"planted", labels={"team": "a"}, annotations={"a.b/c": "<1>"})
    client = await world.open()
    assert json.loads(await read(client, "app", policy="Fetch")) == {
        "annotations": {"a.b/c": "<1>"},
        "labels": {"team": "a"},
    }
    assert await read(client, "app", "annotations.a.b/c", policy="Fetch") == b"<1>"
    ref = RemoteRef("app", metadata_policy="Fetch")
    mapped = client.mapping(await client.fetch(client.request(ref)), ref)
    assert mapped == {"annotations": b'{"a.b/c":"\\u003c1\\u003e"}', "labels": b'{"team":"a"}'}
    assert client.request(RemoteRef("app", "labels", "7", "Fetch")) == client.request(ref)
    assert world.fake.count(":access") == 0


async def test_an_empty_payload_is_told(world: World) -> None:
    world.fake.put("app", b"")
    client = await world.open()
    with pytest.raises(EsoError, match=r"^invalid secret received. no secret string for key: app$"):
        await read(client, "app")


# searches


async def test_a_search_goes_through_all_pages(world: World) -> None:
    for number in range(50):
        world.fake.put(f"app-{number:02}", str(number).encode())
    world.fake.page = 7
    client = await world.open()
    values = await found(client, Find(name_regexp="app-[0-3]"))
    assert values == {f"app-{number:02}": str(number).encode() for number in range(40)}
    assert world.fake.count("/secrets$") == 8
    assert world.fake.count(":access") == 40


async def test_a_path_is_a_prefix_though_the_server_looks_everywhere(world: World) -> None:
    for key in ("prod-db", "prod-api", "old-prod-db"):
        world.fake.put(key, b"x", labels={"team": "a"})
    client = await world.open()
    assert sorted(await found(client, Find(path="prod-", name_regexp="db|api"))) == ["prod-api", "prod-db"]
    assert world.fake.asked[1].query["filter"] == "name:prod-"
    assert sorted(await found(client, Find(path="prod-", tags=(("team", "a"),)))) == ["prod-api", "prod-db"]


async def test_labels_are_all_asked_of_the_server_and_a_name_wins_over_them(world: World) -> None:
    world.fake.put("one", b"1", labels={"team": "a", "env": "prod"})
    world.fake.put("two", b"2", labels={"team": "a"})
    client = await world.open()
    assert await found(client, Find(tags=(("team", "a"), ("env", "prod")))) == {"one": b"1"}
    assert [asked.query.get("filter") for asked in world.fake.asked if asked.path.endswith("/secrets")] == [
        "labels.team=a labels.env=prod"
    ]
    assert sorted(await found(client, Find(name_regexp="", tags=(("team", "b"),)))) == ["one", "two"]


@pytest.mark.parametrize("find", [Find(), Find(tags=()), Find(path="x")], ids=["nothing", "no tags", "a path alone"])
async def test_a_search_says_what_it_looks_for(world: World, find: Find) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^unexpected find operator$"):
        await found(client, find)


async def test_two_names_that_become_one_key_end_the_search_before_a_value_is_read(world: World) -> None:
    world.fake.put("a_b", b"1")
    world.fake.put("a/b", b"2")
    client = await world.open()
    with pytest.raises(KeyRefused, match="secret name collision during conversion: a_b"):
        await found(client, Find(name_regexp="."))
    assert world.fake.count(":access") == 0


async def test_a_name_that_a_list_gives_stays_in_its_place(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"secrets": [{"name": "projects/1/secrets/../x"}]}), path="/secrets$"))
    with pytest.raises(InvalidConfig):
        await found(client, Find(name_regexp="."))
    assert world.provider.world.meant[-1].endswith("/v1/projects/shop/secrets")


@pytest.mark.parametrize("versions", [(), (b"",)], ids=["no version", "an empty one"])
async def test_a_search_with_a_secret_that_has_no_value_fails_and_proves_nothing(
    world: World, versions: tuple[bytes, ...]
) -> None:
    world.fake.put("app", b"value")
    world.fake.put("void", *versions)
    client = await world.open()
    with pytest.raises(EsoError) as failed:
        await found(client, Find(name_regexp="."))
    assert not isinstance(failed.value, SecretNotFound)


async def test_a_search_takes_the_newest_enabled_versions_where_the_store_asks_for_them(world: World) -> None:
    world.fake.put("app", b"one", b"two").versions[1].state = "DISABLED"
    client = await world.open(secretVersionSelectionPolicy="LatestOrFetch")
    assert await found(client, Find(name_regexp=".")) == {"app": b"one"}


async def test_a_refused_list_has_its_words(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(403, body='{"error":{"status":"PERMISSION_DENIED"}}', path="/secrets$"))
    with pytest.raises(Denied, match=r"^failed to list secrets: rpc error: code = PermissionDenied$"):
        await found(client, Find(name_regexp="."))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param('{"secrets":[],"nextPageToken":"again"}', Malformed, id="the same page for ever"),
        pytest.param('{"secrets":7}', Malformed, id="a number for the list"),
        pytest.param(json.dumps({"secrets": [{"name": "secrets/x"}]}), Malformed, id="a name that is none"),
    ],
)
async def test_a_list_that_lies_ends(world: World, body: str, kind: type) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path="/secrets$", times=1000))
    with pytest.raises(kind):
        await found(client, Find(name_regexp="."))
    assert world.fake.count("/secrets$") <= 2


async def test_a_list_that_grows_for_ever_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await world.open()
    pages = iter(range(10_000))

    def page(body: bytes) -> tuple[list[str], str]:
        return ["x"], str(next(pages))

    monkeypatch.setattr(module.codec, "secrets_page", page)
    with pytest.raises(InvalidConfig, match="the search"):
        await found(client, Find(name_regexp="."))


# replies


HOSTILE = [
    pytest.param("<html>sign in</html>", Malformed, id="a page"),
    pytest.param("{" * 100_000, Malformed, id="braces without end"),
    pytest.param('{"payload":{"data":"cGxhbnRlZA==","dataCrc32c":"1"}}', Malformed, id="a checksum that is wrong"),
    pytest.param('{"payload":{"data":{"planted":1}}}', Malformed, id="an object for the data"),
    pytest.param('{"payload":{"data":"' + "A" * (5 << 20) + '"}}', Malformed, id="five megabytes"),
]


@pytest.mark.parametrize(("body", "kind"), HOSTILE)
async def test_a_hostile_reply_is_malformed(world: World, body: str, kind: type) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path=":access"))
    with pytest.raises(kind) as failed:
        await read(client, "app")
    assert "planted" not in "".join(traceback.format_exception(failed.value))
    assert str(failed.value).startswith(READ)


async def test_a_large_value_is_read(world: World) -> None:
    value = b"x" * (1 << 20)
    world.fake.put("app", value)
    client = await world.open()
    assert await read(client, "app") == value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_token_along(world: World, status: int) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, headers={"Location": "https://idp.example.com/x"}, path=":access"))
    with pytest.raises(Unavailable):
        await read(client, "app")
    assert not any("idp.example.com" in url for url in world.provider.world.meant)


async def test_a_token_that_has_ended_asks_for_a_new_login(world: World) -> None:
    world.fake.put("app", b"value")
    client = await world.open()
    world.fake.tokens.clear()
    for call in (lambda: read(client, "app"), lambda: found(client, Find(name_regexp="."))):
        with pytest.raises(AuthExpired):
            await call()
    again = await world.open()
    assert await read(again, "app") == b"value"


async def test_validation_asks_nobody(world: World) -> None:
    client = await world.open()
    asked = len(world.fake.asked)
    assert await client.validate() is Validation.READY
    assert len(world.fake.asked) == asked


CALLS: list[tuple[str, Callable[[Client], object]]] = [
    ("read", lambda client: read(client, "app")),
    ("newest", lambda client: read(client, "off")),
    ("metadata", lambda client: read(client, "app", policy="Fetch")),
    ("find", lambda client: found(client, Find(name_regexp="."))),
]


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
async def test_every_await_may_be_cancelled(world: World, call: Callable[[Client], object]) -> None:
    world.fake.put("app", b"value")
    world.fake.put("off", b"one", b"two").versions[1].state = "DISABLED"
    client = await world.open(secretVersionSelectionPolicy="LatestOrFetch")
    async for _ in every_await(lambda: call(client)):  # type: ignore[arg-type,return-value]  # each is a coroutine
        continue
    assert await read(client, "off") == b"one"
