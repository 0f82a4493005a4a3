"""Where variables are looked for, which of several counts, searches; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
    batches,
    writes,
)
from eso.providers.gitlab import codec, refusal
from eso.providers.gitlab.client import Client
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.gitlab import FakeGitlab, Variable
from tests.unit.providers.gitlab.conftest import World

PLANTED = "planted-7f3a9c"
ROOT, TEAM = ("group", "1"), ("group", "2")


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


def paths(world: World) -> list[str]:
    return [asked.path.removeprefix("/api/v4") for asked in world.fake.asked]


def scopes(world: World) -> list[str | None]:
    return [asked.query.get("filter[environment_scope]") for asked in world.fake.asked]


# one variable


async def test_a_variable_of_the_project_is_asked_for_with_the_token(world: World) -> None:
    world.fake.put("DB_PASS", "x")
    client = await world.open()
    assert await read(client, "DB-PASS") == b"x"
    assert paths(world) == ["/projects/7/variables/DB_PASS"]
    assert scopes(world) == [None]
    assert world.fake.asked[0].headers["PRIVATE-TOKEN"] == "glpat-planted"
    assert writes(client) is None
    assert client.lifetime is None
    assert not await client.renew()


async def test_a_project_may_be_named_by_its_path(world: World) -> None:
    world.fake.put("A", "x", place=("project", "shop/api"))
    assert await read(await world.open(projectID="shop/api"), "A") == b"x"


async def test_what_is_not_there_for_the_environment_is_looked_for_in_all_of_them(world: World) -> None:
    world.fake.put("A", "for all")
    world.fake.put("B", "for prd", "prd")
    client = await world.open(environment="prd")
    assert [await read(client, key) for key in ("A", "B")] == [b"for all", b"for prd"]
    assert scopes(world) == ["prd", "*", "prd"]


async def test_a_store_for_all_environments_asks_once(world: World) -> None:
    client = await world.open(environment="*")
    with pytest.raises(NothingThere, match=r"^404 Not Found$"):
        await read(client, "A")
    assert scopes(world) == ["*"]


async def test_groups_are_asked_from_the_last_to_the_first_each_for_the_environment_first(world: World) -> None:
    world.fake.put("A", "root", place=ROOT)
    world.fake.put("B", "root prd", "prd", place=ROOT)
    world.fake.put("B", "team", "*", place=TEAM)
    client = await world.open(groupIDs=["1", "2"], environment="prd")
    assert await read(client, "A") == b"root"
    assert paths(world) == [
        *["/projects/7/variables/A"] * 2,
        *["/groups/2/variables/A"] * 2,
        *["/groups/1/variables/A"] * 2,
    ]
    assert scopes(world) == ["prd", "*"] * 3, "the filter of one group is not that of the next"
    assert await read(client, "B") == b"team"


async def test_a_store_of_groups_alone_asks_no_project(world: World) -> None:
    world.fake.put("A", "root", place=ROOT)
    assert await read(await world.open(projectID="", groupIDs=["1"]), "A") == b"root"
    assert paths(world) == ["/groups/1/variables/A"]


async def test_groups_above_the_project_are_asked_the_closest_first(world: World) -> None:
    world.fake.ancestors["7"] = [("shop/team", 2), ("shop", 1)]
    world.fake.put("A", "root", place=ROOT)
    world.fake.put("A", "team", place=TEAM)
    world.fake.put("B", "root", place=ROOT)
    world.fake.put("C", "own")
    client = await world.open(inheritFromGroups=True)
    assert [await read(client, key) for key in ("C", "A", "B")] == [b"own", b"team", b"root"]
    assert paths(world)[:4] == [
        "/projects/7/variables/C",
        "/projects/7/variables/A",
        "/projects/7/groups",
        "/groups/2/variables/A",
    ]


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ("", "404 Not Found"),
        ("prd", "error getting variable A_B from GitLab (including wildcard retry): 404 Not Found"),
    ],
)
async def test_what_is_nowhere_is_an_ordinary_error(world: World, environment: str, text: str) -> None:
    client = await world.open(groupIDs=["1", "2"], environment=environment)
    with pytest.raises(EsoError) as missing:
        await read(client, "A-B")
    assert str(missing.value) == text
    assert not isinstance(missing.value, SecretNotFound)


@pytest.mark.parametrize("path", ["projects", "groups/2"])
async def test_an_error_that_is_no_absence_ends_the_search(world: World, path: str) -> None:
    world.fake.put("A", "root", place=ROOT)
    client = await world.open(groupIDs=["1", "2"])
    world.fake.fail(Fault(403, body='{"error":"insufficient_scope"}', path=path))
    with pytest.raises(Denied, match=r"^403 Forbidden \(insufficient_scope\)$"):
        await read(client, "A")


async def test_a_variable_of_several_environments_is_refused_by_gitlab_itself(world: World) -> None:
    world.fake.put("A", "1", "dev")
    world.fake.put("A", "2", "prd")
    with pytest.raises(InvalidConfig, match="409 Conflict") as refused:
        await read(await world.open(), "A")
    assert refused.value.fix.startswith("set environment")


async def test_values_and_what_is_in_them(world: World) -> None:
    world.fake.put("A", '{"x":{"y":"z"},"n":1.50,"e":""}')
    world.fake.put("HIDDEN", None)
    world.fake.put("EMP_TY", "")
    client = await world.open()
    assert [await read(client, "A", path) for path in ("x.y", "n", "e", "x")] == [b"z", b"1.5", b"", b'{"y":"z"}']
    for key, name in (("HIDDEN", "HIDDEN"), ("EMP-TY", "EMP_TY")):
        with pytest.raises(EsoError) as empty:
            await read(client, key)
        assert str(empty.value) == f"invalid secret received. no secret string for key: {name}"
    with pytest.raises(EsoError, match=r"^key gone does not exist in secret A$"):
        await read(client, "A", "gone")


async def test_members_are_texts(world: World) -> None:
    world.fake.put("A", '{"a":"1","b":null}')
    world.fake.put("BAD", f'{{"a":"{PLANTED}","b":7}}')
    client = await world.open()

    async def mapped(key: str, property: str = "") -> dict[str, bytes]:
        ref = RemoteRef(key, property)
        return client.mapping(await client.fetch(client.request(ref)), ref)

    assert await mapped("A") == {"a": b"1", "b": b""}
    with pytest.raises(Malformed, match="unable to unmarshal secret from JSON: ") as refused:
        await mapped("BAD")
    assert PLANTED not in str(refused.value)
    with pytest.raises(EsoError, match="error getting secret B-A-D: key x does not exist in secret B_A_D"):
        world.fake.put("B_A_D", "{}")
        await mapped("B-A-D", "x")


@pytest.mark.parametrize("key", ["", ".", ".."])
async def test_a_key_that_leaves_its_place_is_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(key))


async def test_property_version_and_metadata_policy_change_nothing(world: World) -> None:
    client = await world.open()
    assert client.request(RemoteRef("A-B", "p", "7", "Fetch")) == client.request(RemoteRef("A_B"))


# several


async def together(client: Client, *keys: str) -> list[Any]:
    asked = [client.request(RemoteRef(key)) for key in keys]
    answers = await client.fetch_many(asked)
    return [getattr(answers[one], "data", answers[one]) for one in asked]


async def test_variables_of_one_store_are_read_from_a_list(world: World) -> None:
    for number in range(5):
        world.fake.put(f"A{number}", str(number))
    client = await world.open()
    assert batches(client) is client
    assert client.batch(client.request(RemoteRef("A0"))) == client.batch(client.request(RemoteRef("A1")))
    assert await together(client, *(f"A{number}" for number in range(5))) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(world.fake.asked) == 1


@pytest.mark.parametrize("environment", ["", "*", "prd"])
@pytest.mark.parametrize("inherits", [False, True])
async def test_a_list_answers_as_single_reads_do(world: World, environment: str, inherits: bool) -> None:
    world.fake.ancestors["7"] = [("shop/team", 2), ("shop", 1)]
    for key, value, scope, place in (
        ("OWN", "o", "*", ("project", "7")),
        ("OWN", "o-prd", "prd", ("project", "7")),
        ("DEV", "d", "dev", ("project", "7")),
        ("DEV", "d-root", "*", ROOT),
        ("TEAM", "t", "*", TEAM),
        ("TEAM", "t-root", "prd", ROOT),
        ("ROOT", "r", "prd", ROOT),
    ):
        world.fake.put(key, value, scope, place)
    where = {"inheritFromGroups": True} if inherits else {"groupIDs": ["1", "2"]}
    client = await world.open(environment=environment, **where)
    keys = ("OWN", "DEV", "TEAM", "ROOT", "GONE")
    alone: list[Any] = []
    for key in keys:
        try:
            alone.append((await client.fetch(client.request(RemoteRef(key)))).data)
        except EsoError as error:
            alone.append(str(error))
    made = len(world.fake.asked)
    listed = [one if isinstance(one, bytes) else str(one) for one in await together(client, *keys)]
    assert listed == alone
    assert len(world.fake.asked) - made < made


async def test_a_long_list_is_read_no_further_than_it_pays(world: World) -> None:
    for number in range(450):
        world.fake.put(f"A{number}", str(number))
    client = await world.open()
    assert await together(client, "A449", "A3") == [b"449", b"3"]
    assert world.fake.count("variables$") == 2
    assert world.fake.count("variables/") == 2


@pytest.mark.parametrize("fault", [Fault(403), Fault(400), Fault(404), Fault(200, body="{}")])
async def test_a_list_that_is_refused_is_read_one_by_one(world: World, fault: Fault) -> None:
    world.fake.put("A", "1")
    client = await world.open()
    fault.path = "variables$"
    world.fake.fail(fault)
    first, second = await together(client, "A", "GONE")
    assert first == b"1"
    assert isinstance(second, NothingThere)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthExpired), (429, Throttled), (503, Unavailable)])
@pytest.mark.parametrize("keys", [("A",), ("A", "B")])
async def test_a_batch_that_fails_as_a_whole_raises(
    world: World, status: int, kind: type, keys: tuple[str, ...]
) -> None:
    client = await world.open()
    world.fake.fail(Fault(status))
    with pytest.raises(kind):
        await together(client, *keys)


# a search

EVERY = Find(name_regexp="")


@pytest.mark.parametrize(
    ("block", "find", "text"),
    [
        ({}, Find(name_regexp="x", tags=(("team", "a"),)), "'find.tags' only supports 'environment_scope'"),
        (
            {"environment": "prd"},
            Find(name_regexp="x", tags=(("environment_scope", "dev"),)),
            "'find.tags' is constrained by 'environment_scope' of the store",
        ),
        (
            {"environment": "prd"},
            Find(name_regexp="x", tags=(("environment_scope", "prd"),)),
            "'find.tags' is constrained by 'environment_scope' of the store",
        ),
        ({}, Find(path="", name_regexp="x"), "'find.path' is not implemented in the GitLab provider"),
        ({}, Find(), "'find.name' is mandatory"),
        ({}, Find(tags=(("environment_scope", "dev"),)), "'find.name' is mandatory"),
    ],
)
async def test_a_search_that_cannot_be_made_is_told_and_asks_nothing(
    world: World, block: dict[str, Any], find: Find, text: str
) -> None:
    with pytest.raises(InvalidConfig) as refused:
        await found(await world.open(**block), find)
    assert str(refused.value) == text
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("environment", "tag", "expected"),
    [
        ("", None, {"A": b"dev", "B": b"all", "C": b"prd"}),
        ("", "*", {"A": b"dev", "B": b"all", "C": b"prd"}),
        ("dev", None, {"A": b"dev", "B": b"all"}),
        ("dev", "*", {"A": b"dev", "B": b"all", "C": b"prd"}),
        ("", "prd", {"A": b"all", "B": b"all", "C": b"prd"}),
        ("*", "prd", {"A": b"all", "B": b"all", "C": b"prd"}),
        ("", "d*v", {"A": b"all", "B": b"all"}),
    ],
)
async def test_a_search_finds_what_is_for_the_environment(
    world: World, environment: str, tag: str | None, expected: dict[str, bytes]
) -> None:
    for variable in (
        Variable("A", "dev", "dev"),
        Variable("A", "all"),
        Variable("B", "all"),
        Variable("C", "prd", "prd"),
    ):
        world.fake.variables.append(variable)
    find = Find(name_regexp="", tags=None if tag is None else (("environment_scope", tag),))
    assert await found(await world.open(environment=environment), find) == expected


async def test_the_project_wins_over_groups_and_later_groups_over_earlier_ones(world: World) -> None:
    for place, key, value, scope in (
        (ROOT, "A", "root", "*"),
        (ROOT, "B", "root", "prd"),
        (ROOT, "C", "root", "*"),
        (ROOT, "D", "root", "prd"),
        (TEAM, "A", "team", "*"),
        (TEAM, "B", "team", "prd"),
        (("project", "7"), "C", "own", "*"),
        (("project", "7"), "D", "own", "*"),
    ):
        world.fake.put(key, value, scope, place)
    client = await world.open(groupIDs=["1", "2"])
    assert await found(client, EVERY) == {"A": b"root", "B": b"team", "C": b"own", "D": b"own"}
    assert await found(client, Find(name_regexp="^[AB]$")) == {"A": b"root", "B": b"team"}


async def test_of_a_project_the_last_specific_variable_counts() -> None:
    own = [Variable("A", "all"), Variable("A", "1", "dev"), Variable("A", "all again"), Variable("A", "2", "prd")]
    project = [codec.variable_in(one.shown()) for one in own]
    assert codec.chosen([], project, "", frozenset({"A"})) == {"A": b"2"}


@pytest.mark.parametrize(("totals", "tells_next"), [(True, True), (False, True), (False, False)])
async def test_a_search_reads_every_page(world: World, totals: bool, tells_next: bool) -> None:
    world.fake.totals, world.fake.tells_next = totals, tells_next
    for number in range(250):
        world.fake.put(f"A{number}", str(number))
    assert len(await found(await world.open(), EVERY)) == 250
    assert len(world.fake.asked) == 3


async def test_a_search_of_groups_alone_asks_no_project(world: World) -> None:
    world.fake.put("A", "root", place=ROOT)
    assert await found(await world.open(projectID="", groupIDs=["1"]), EVERY) == {"A": b"root"}


async def test_pages_without_end_are_not_followed_for_ever(world: World) -> None:
    for number in range(101):
        world.fake.put(f"A{number}", str(number))
    for body in ("[]", '[{"key":"A","value":"1","environment_scope":"*"}]'):
        for told in ("1", "7", "-1", "x", "9" * 30):
            world.fake.fail(Fault(200, body=body, headers={"X-Next-Page": told}))
            world.fake.asked.clear()
            await found(await world.open(), EVERY)
            assert len(world.fake.asked) == 1


# stores


async def test_a_store_validates_by_listing_what_it_reads(world: World) -> None:
    world.fake.ancestors["7"] = [("shop", 1)]
    world.fake.places[ROOT] = []
    assert await (await world.open(inheritFromGroups=True)).validate() is Validation.READY
    assert paths(world) == ["/projects/7/groups", "/projects/7/variables", "/groups/1/variables"]


@pytest.mark.parametrize(
    ("fault", "text", "cause"),
    [
        (Fault(401), "could not verify whether the gitlabClient is valid: 401 Unauthorized", AuthExpired),
        (Fault(404), "could not verify whether the gitlabClient is valid: 404 Not Found", NothingThere),
        (Fault(204), "gitlabClient is not allowed to get secrets for project id [7]", Malformed),
        (
            Fault(204, path="groups/1"),
            "gitlabClient is not allowed to get secrets for group id [1]",
            Malformed,
        ),
    ],
)
async def test_a_store_that_is_not_valid_says_why(world: World, fault: Fault, text: str, cause: type) -> None:
    world.fake.places[ROOT] = []
    world.fake.fail(fault)
    with pytest.raises(ValidationFailed) as failed:
        await (await world.open(groupIDs=["1"])).validate()
    assert str(failed.value) == text
    assert isinstance(failed.value.__cause__, cause)


async def test_a_token_that_no_header_can_carry_is_named(world: World) -> None:
    world.credentials.secrets["login/token"] = "glpat-planted\n"
    with pytest.raises(InvalidConfig, match="the access token ends in a line break"):
        await world.open()


async def test_the_stores_authority_is_trusted_instead_of_the_systems(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("gitlab", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with FakeGitlab(serving) as fake:
        world.credentials.ca = authority.cert.read_bytes()
        assert await (await world.open(url=fake.address)).validate() is Validation.READY
        world.credentials.ca = None
        with pytest.raises(ValidationFailed, match="cannot trust"):
            await (await world.open(url=fake.address)).validate()
        world.credentials.ca = b"planted"
        with pytest.raises(InvalidConfig, match="failed to append ca bundle: "):
            await world.open(url=fake.address)


async def test_every_await_of_many_reads_may_be_cancelled(world: World) -> None:
    world.fake.put("A", "1", place=ROOT)
    world.fake.put("B", "2")
    client = await world.open(groupIDs=["1", "2"])
    async for _ in every_await(lambda: together(client, "A", "B")):
        continue
    assert await together(client, "A", "B") == [b"1", b"2"]


# hostile replies


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (
            401,
            '{"error":"invalid_token","error_description":"Token was revoked. You"}',
            "401 Unauthorized (invalid_token, Token was revoked)",
        ),
        (403, '{"message":"403 Forbidden"}', "403 Forbidden"),
        (404, '{"message":"404 Variable Not Found"}', "404 Not Found"),
        (400, f'{{"message":{{"value":["{PLANTED}"]}}}}', "400 Bad Request"),
        (400, f'{{"message":"{PLANTED}"}}', "400 Bad Request"),
        (502, "<html>", "502 Bad Gateway"),
        (599, "[" * 5000, "599"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, text: str) -> None:
    assert str(refusal.refuse(Reply(status, {}, body.encode()))) == text


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", "value", "environment_scope", "id", "full_path", "message"]), inner)
    ),
    max_leaves=9,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for read_reply in (codec.variable_of, codec.variables_of, codec.groups_of):
        try:
            read_reply(body)
        except EsoError as error:
            assert isinstance(error, Malformed)
    assert isinstance(refusal.refuse(Reply(status, {}, body)), EsoError)
