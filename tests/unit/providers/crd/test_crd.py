"""Objects of any kind: what a login asks, keys, whitelist, values, searches; hostile replies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eso.errors import EsoError
from eso.gocompat.regexp import TooCostly
from eso.providers.contract import (
    Consumer,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Unavailable,
    Validation,
    writes,
)
from eso.providers.crd import spec
from eso.providers.crd.client import CrdClient
from eso.providers.crd.spec import NO_SECRETS, SPEC
from eso.providers.kit.clusterspec import NO_ROOTS
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.crd import GROUP, TOKEN, FakeKinds
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.front import Front, manifests

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "crd.md"
BEARER = {"token": {"bearerToken": {"name": "login", "key": "token"}}}
WIDGET = {"group": GROUP, "version": "v1", "kind": "Widget"}
GADGET = {"group": GROUP, "version": "v1", "kind": "gadget"}
MEMBERS = {"spec": {"user": "me", "db": {"port": 5432, "ratio": 1.50, "big": 2**60}, "html": "<&>", "none": None}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    auth = {"token": {"bearerToken": {"name": "login", "key": "token", "namespace": "ops"}}}
    made = {"auth": BEARER if kind == "SecretStore" else auth, "resource": WIDGET} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "crd", made, "uid", 1)


class World:
    def __init__(self, cluster: FakeKinds) -> None:
        self.cluster, self.provider = cluster, Whole("crd")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, kind: str = "SecretStore", **block: Any) -> CrdClient:
        store = view(kind, **{"server": {"url": self.cluster.address}, **block})
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, CrdClient)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeKinds() as cluster:
        made = World(cluster)
        yield made
        await made.provider.close()


async def read(client: CrdClient, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: CrdClient, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


# rules


def rule(**parts: Any) -> dict[str, Any]:
    return {"whitelist": {"rules": [parts]}}


@pytest.mark.parametrize(
    ("kind", "block", "told"),
    [
        pytest.param(
            "SecretStore",
            {"auth": None, "server": {"url": "https://h"}},
            "server.url requires auth or authRef when set",
            id="an address without a login",
        ),
        pytest.param("SecretStore", {"resource": {"kind": "X"}}, "resource.version is required", id="no version"),
        pytest.param("SecretStore", {"resource": {"version": "v1"}}, "resource.kind is required", id="no kind"),
        pytest.param("SecretStore", {"resource": {"version": "v1", "kind": "sECRET"}}, NO_SECRETS, id="Secrets"),
        pytest.param(
            "SecretStore", {"resource": {"group": "core", "version": "v1", "kind": "Secret"}}, NO_SECRETS, id="core"
        ),
        pytest.param(
            "SecretStore",
            rule(),
            "crd: whitelist.rules[0]: whitelist rule must define name, namespace, or properties",
            id="an empty rule",
        ),
        pytest.param(
            "SecretStore", rule(name="("), 'crd: invalid whitelist.rules[0].name regex "(": ', id="no expression"
        ),
        pytest.param(
            "SecretStore",
            rule(properties=["a", "["]),
            'crd: invalid whitelist.rules[0].properties[1] regex "[": ',
            id="no expression for a property",
        ),
        pytest.param("SecretStore", rule(namespace="x"), "only supported with ClusterSecretStore", id="a namespace"),
        pytest.param(
            "SecretStore",
            rule(properties=[f"\\pL{{9}}{n}" for n in range(100)]),
            "crd: the whitelist rules together exceed 20000 steps",
            id="expressions that take long to compile",
        ),
        pytest.param(
            "ClusterSecretStore",
            {"auth": {"token": {"bearerToken": {"name": "n", "key": "k"}}}},
            "cluster scope requires namespace",
            id="no namespace of a token",
        ),
    ],
)
def test_admission_refuses(kind: str, block: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfig) as failed:
        SPEC.check(view(kind, **block))
    assert told in str(failed.value)


def test_admission_warns_without_an_authority() -> None:
    assert SPEC.check(view()) == [NO_ROOTS]
    assert SPEC.check(view(server={"caBundle": "eA=="})) == []
    assert SPEC.check(view(resource={"group": "other.example.com", "version": "v1", "kind": "Secret"})) == [NO_ROOTS]


def test_a_store_of_secrets_is_refused_though_admission_was_not_asked() -> None:
    with pytest.raises(InvalidConfig, match="use the Kubernetes provider"):
        SPEC.plan(view(resource={"group": "", "version": "v1", "kind": "secret"}))


def test_whitelists_share_a_login_and_a_credential_of_the_consumer_makes_one_each() -> None:
    assert SPEC.plan(view(**rule(name="a"))).login == SPEC.plan(view()).login
    account = {"serviceAccount": {"name": "reader"}}
    assert SPEC.plan(view("ClusterSecretStore", auth=account)).consumer is Consumer.CREDENTIALS
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.NONE


# logging in


async def test_a_login_looks_up_the_kind_and_asks_whether_it_may_be_read(world: World) -> None:
    client = await world.open()
    assert [asked.path.rpartition("/")[2] for asked in world.cluster.asked] == ["v1", "selfsubjectaccessreviews"]
    attributes = world.cluster.asked[1].body["spec"]["resourceAttributes"]
    assert attributes == {
        "group": GROUP,
        "version": "v1",
        "resource": "widgets",
        "verb": "get",
        "namespace": "team-a",
    }
    assert await client.validate() is Validation.READY
    assert writes(client) is None
    await client.close()


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        pytest.param(
            WIDGET | {"group": "gone.example.com"}, 'crd: group/version "gone.example.com/v1" is not', id="group"
        ),
        pytest.param(WIDGET | {"kind": "Gone"}, 'crd: kind "Gone" not found in group/version "shop.example', id="kind"),
    ],
)
async def test_a_kind_that_is_not_there_fails_the_login(world: World, resource: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidConfig) as failed:
        await world.open(resource=resource)
    assert str(failed.value).startswith(told)
    assert "is not registered in the cluster" in str(failed.value)


@pytest.mark.parametrize(
    "resource",
    [
        {"group": "shop/../..", "version": "metrics"},
        {"group": "", "version": "v1/namespaces/team-b"},
        {"group": "", "version": "v1?watch=true#"},
        {"group": "..", "version": ".."},
    ],
)
async def test_the_lookup_of_a_kind_stays_in_its_place(world: World, resource: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig):
        await world.open(resource=WIDGET | resource)
    place = f"/apis/{resource['group']}" if resource["group"] else "/api"
    for asked in world.cluster.asked:
        assert asked.path == f"{place}/{resource['version']}", "unescaped by the fake: one segment each"
        assert asked.query == {}


async def test_a_login_that_may_not_read_is_told(world: World) -> None:
    world.cluster.refused = {"get"}
    with pytest.raises(Denied) as failed:
        await world.open()
    told = 'crd: serviceaccount is not allowed to "get" resource "widgets" in apiGroup "shop.example.com"'
    assert str(failed.value) == told


async def test_a_credential_that_is_missing_is_told(world: World) -> None:
    world.credentials.secrets.clear()
    with pytest.raises(
        EsoError, match=r"^crd: failed to prepare api connection: could not fetch Auth.Token.BearerToken"
    ):
        await world.open()


async def test_a_store_that_logs_in_for_each_consumer_is_unknown_without_one(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore", auth=BEARER)
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await read(client, "a/b")
    assert world.cluster.asked == []
    await client.close()


# keys


@pytest.mark.parametrize(
    ("kind", "resource", "key", "told"),
    [
        pytest.param("SecretStore", WIDGET, "", "crd: ref.key must not be empty", id="nothing"),
        pytest.param("SecretStore", WIDGET, "a/b", "must not contain '/' for SecretStore", id="a namespace"),
        pytest.param("ClusterSecretStore", WIDGET, "a", "in the form namespace/objectName", id="no namespace"),
        pytest.param("ClusterSecretStore", WIDGET, "/a", "namespace segment before '/' must not be empty", id="empty"),
        pytest.param("ClusterSecretStore", WIDGET, "a/", "object name after '/' must not be empty", id="no name"),
        pytest.param("ClusterSecretStore", WIDGET, "a/b/c", "exactly one '/'", id="two slashes"),
        pytest.param("ClusterSecretStore", GADGET, "a/b", "does not allow '/' in remoteRef.key", id="cluster-scoped"),
        pytest.param("SecretStore", WIDGET, "..", "is no name of an object", id="a step up"),
    ],
)
async def test_a_key_of_another_form_is_refused(
    world: World, kind: str, resource: dict[str, str], key: str, told: str
) -> None:
    client = await world.open(kind, resource=resource)
    before = len(world.cluster.asked)
    with pytest.raises(InvalidConfig) as failed:
        await read(client, key)
    assert told in str(failed.value)
    assert len(world.cluster.asked) == before
    await client.close()


@pytest.mark.parametrize(
    ("kind", "resource", "key", "namespace"),
    [
        pytest.param("SecretStore", WIDGET, "app", "team-a", id="in the store's namespace"),
        pytest.param("SecretStore", GADGET, "app", "", id="a cluster-scoped object"),
        pytest.param("ClusterSecretStore", WIDGET, "other/app", "other", id="in any namespace"),
        pytest.param("ClusterSecretStore", GADGET, "app", "", id="a cluster-scoped object of a cluster store"),
    ],
)
async def test_a_key_names_an_object(
    world: World, kind: str, resource: dict[str, str], key: str, namespace: str
) -> None:
    world.cluster.put("app", MEMBERS, namespace)
    client = await world.open(kind, resource=resource)
    assert await read(client, key, "spec.user") == b"me"
    with pytest.raises(SecretNotFound):
        await read(client, key.replace("app", "gone"))
    await client.close()


# values


@pytest.mark.parametrize(
    ("property", "expected"),
    [
        pytest.param("spec.user", b"me", id="a text"),
        pytest.param("spec.db.port", b"5432", id="a number"),
        pytest.param("spec.db.big", b"1152921504606846976", id="a number beyond 53 bits"),
        pytest.param("spec.db", b'{"big":1152921504606846976,"port":5432,"ratio":1.5}', id="an object, sorted"),
        pytest.param("spec.none", b"null", id="null"),
        pytest.param("metadata.name", b"app", id="its metadata"),
    ],
)
async def test_a_property_is_a_path(world: World, property: str, expected: bytes) -> None:
    world.cluster.put("app", MEMBERS)
    client = await world.open()
    assert await read(client, "app", property) == expected
    await client.close()


async def test_without_a_property_it_is_the_whole_object(world: World) -> None:
    world.cluster.put("app", {"spec": {"html": "<&>"}})
    client = await world.open()
    expected = (
        b'{"apiVersion":"shop.example.com/v1","kind":"Widget","metadata":{"name":"app","namespace":"team-a"},'
        b'"spec":{"html":"\\u003c\\u0026\\u003e"}}'
    )
    assert await read(client, "app") == expected
    await client.close()


async def test_a_property_that_is_missing_is_no_proven_absence(world: World) -> None:
    world.cluster.put("app", MEMBERS)
    client = await world.open()
    with pytest.raises(EsoError) as failed:
        await read(client, "app", "spec.gone")
    assert str(failed.value) == 'crd: property "spec.gone" not found in object "app"'
    assert not isinstance(failed.value, SecretNotFound)
    await client.close()


async def test_members_become_a_map_and_anything_else_one_value(world: World) -> None:
    world.cluster.put("app", MEMBERS | {"text": '{"a":"b"}', "list": [1, "x"]})
    client = await world.open()
    assert (await extract(client, "app", "spec"))["db"].startswith(b'{"big":')
    assert (await extract(client, "app", "spec"))["none"] == b""
    assert await extract(client, "app", "text") == {"a": b"b"}
    assert await extract(client, "app", "list") == {"value": b'[1,"x"]'}
    assert await extract(client, "app", "spec.user") == {"value": b"me"}
    await client.close()


# the whitelist


@pytest.mark.parametrize(
    ("kind", "block", "key", "property", "let"),
    [
        pytest.param("SecretStore", rule(name="^app$"), "app", "", True, id="its name"),
        pytest.param("SecretStore", rule(name="^app$"), "app2", "", False, id="another name"),
        pytest.param("SecretStore", rule(name="pp"), "app2", "spec.user", True, id="a part of the name"),
        pytest.param("SecretStore", rule(properties=["^spec"]), "app", "spec.user", True, id="a property"),
        pytest.param("SecretStore", rule(properties=["^spec"]), "app", "metadata.name", False, id="another property"),
        pytest.param("SecretStore", rule(properties=["^spec"]), "app", "", False, id="the whole object"),
        pytest.param("ClusterSecretStore", rule(namespace="^team-a$"), "team-a/app", "", True, id="its namespace"),
        pytest.param("ClusterSecretStore", rule(namespace="^team-a$"), "other/app", "", False, id="another one"),
        pytest.param(
            "ClusterSecretStore",
            rule(namespace=".*") | {"resource": GADGET},
            "app",
            "",
            False,
            id="no namespace at all",
        ),
        pytest.param("ClusterSecretStore", rule(name="^team-a/"), "team-a/app", "", False, id="the bare name counts"),
        pytest.param(
            "SecretStore",
            {"whitelist": {"rules": [{"name": "x"}, {"name": "app", "properties": ["user"]}]}},
            "app",
            "spec.user",
            True,
            id="one rule is enough",
        ),
    ],
)
async def test_the_whitelist_is_asked_before_the_api_server(
    world: World, kind: str, block: dict[str, Any], key: str, property: str, let: bool
) -> None:
    for namespace in ("team-a", "other", ""):
        for name in ("app", "app2"):
            world.cluster.put(name, MEMBERS, namespace)
    client = await world.open(kind, **block)
    before = len(world.cluster.asked)
    if let:
        assert await read(client, key, property)
    else:
        with pytest.raises(Denied) as failed:
            await read(client, key, property)
        assert str(failed.value) == f'crd: request for "{key}" denied by whitelist rules'
        assert len(world.cluster.asked) == before
    await client.close()


# searches


async def test_a_search_goes_over_all_pages(world: World) -> None:
    for name in ("prod-db", "prod-api", "dev-db"):
        world.cluster.put(name, MEMBERS)
        world.cluster.put(name, MEMBERS, "other")
    client = await world.open()
    assert sorted(await found(client, Find(name_regexp="db$"))) == ["dev-db", "prod-db"]
    values = await found(client, Find(path="ignored", tags=(("a", "b"),)))
    assert sorted(values) == ["dev-db", "prod-api", "prod-db"]
    assert json.loads(values["prod-db"])["spec"]["user"] == "me"
    await client.close()


async def test_a_search_of_a_cluster_store_has_namespaces_in_its_names(world: World) -> None:
    world.cluster.put("app", MEMBERS)
    world.cluster.put("app", MEMBERS, "other")
    client = await world.open("ClusterSecretStore", **rule(namespace="other"))
    assert list(await found(client, Find(name_regexp="/app$", conversion_strategy="Unicode"))) == ["other_U002f_app"]
    await client.close()


async def test_rules_for_properties_let_no_search_through(world: World) -> None:
    world.cluster.put("app", MEMBERS)
    client = await world.open(**rule(properties=["."]))
    assert await found(client, Find()) == {}
    await client.close()


async def test_only_a_search_needs_the_right_to_list(world: World) -> None:
    world.cluster.refused = {"list"}
    world.cluster.put("app", MEMBERS)
    client = await world.open()
    assert await read(client, "app", "spec.user") == b"me"
    with pytest.raises(Denied, match='is not allowed to "list" resource "widgets"'):
        await found(client, Find())
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="no metadata"),
        pytest.param('{"metadata":1}', id="metadata of another kind"),
        pytest.param("<html>", id="a page"),
        pytest.param('{"metadata":{},"x":' + "[" * 10_000, id="deep"),
    ],
)
async def test_a_hostile_object_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.cluster.fail(Fault(200, body=body, path="/widgets"))
    with pytest.raises(Malformed):
        await read(client, "app")
    await client.close()


@pytest.mark.parametrize("body", ["[]", "{}", '{"resources":{}}', '{"resources":[1,{"name":1,"kind":[]}]}', "<html>"])
async def test_a_hostile_list_of_kinds_fails_the_login(world: World, body: str) -> None:
    world.cluster.fail(Fault(200, body=body, path="/v1$"))
    with pytest.raises((Malformed, InvalidConfig)):
        await world.open()


@pytest.mark.parametrize("body", ["[]", '"x"', '{"status":[]}', '{"status":{"allowed":"yes"}}', "<html>"])
async def test_a_hostile_review_grants_nothing(world: World, body: str) -> None:
    world.cluster.fail(Fault(201, body=body, path="reviews$"))
    with pytest.raises((Malformed, Denied)):
        await world.open()


@pytest.mark.parametrize("body", ['{"items":{}}', '{"items":[1]}', '{"items":[{"metadata":[]}]}', '{"items":[{}]}'])
async def test_a_hostile_list_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.cluster.fail(Fault(200, body=body, path="/widgets$"))
    with pytest.raises(Malformed):
        await found(client, Find())
    await client.close()


async def test_an_api_server_that_is_busy_is_unavailable(world: World) -> None:
    client = await world.open()
    world.cluster.down = True
    with pytest.raises(Unavailable, match=r"^crd: failed to get Widget team-a/app: "):
        await read(client, "app")
    with pytest.raises(Unavailable):
        await found(client, Find())
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    for number in range(5):
        world.cluster.put(f"app{number}", MEMBERS)
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find())):
        continue
    assert len(await found(client, Find())) == 5
    await client.close()


# the page


async def test_the_manifest_of_the_page_is_served_with_three_requests(world: World) -> None:
    world.cluster.put("database", {"spec": {"password": "secret"}})
    words = {"https://kubernetes.default.svc": world.cluster.address}
    objects = manifests(PAGE, **words)
    front = Front(world.provider, objects)
    front.rest.objects["configmaps/team-a/kube-root-ca.crt"] = {"data": {"ca.crt": "of an https server"}}
    world.cluster.tokens = {"token-of-team-a-database-reader"}
    async with front.running():
        assert await front.read() == b"secret"
    assert [(provider, call) for provider, call, _ in front.calls.seen] == [
        ("CRD", "Discover"),
        ("CRD", "CreateSelfSubjectAccessReview"),
        ("CRD", "GetObject"),
    ]


def test_asking_the_rules_for_one_object_has_a_price() -> None:
    found = spec.rules({"whitelist": {"rules": [{"name": f"a{{50}}{n}$"} for n in range(200)]}})
    store = StoreView("SecretStore", "store", "team-a", "crd", {})
    assert not spec.lets(found, store, "b", "", "")
    with pytest.raises(TooCostly):
        spec.lets(found, store, "b" * 1000, "", "")
