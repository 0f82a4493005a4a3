"""ClusterPushSecret: which namespaces get a child, what is written, what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS
from eso.api.meta import NAMESPACES
from eso.api.pushsecret import PUSH_SECRETS
from tests.fakes.apiserver import FakeApiServer, Json, Status
from tests.unit.app.operating import condition, put_store
from tests.unit.reconcile.pushing import Pushing, entry, pushing, put_push, put_source

SPEC: Json = {
    "refreshInterval": "1h0m0s",
    "updatePolicy": "Replace",
    "deletionPolicy": "None",
    "secretStoreRefs": [{"name": "store", "kind": "SecretStore"}],
    "selector": {"secret": {"name": "source"}},
    "data": [entry("key", "path/to/key")],
}
TEAM_X = [{"matchLabels": {"team": "x"}}]
READY = {"type": "Ready", "status": "True"}
NOT_READY = {"type": "Ready", "status": "False", "message": "one or more namespaces failed"}


@pytest.fixture
async def api() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        for name, team in (("a", "x"), ("b", "x"), ("c", "y")):
            put_namespace(server, name, team=team)
        yield server


def put_namespace(api: FakeApiServer, name: str, **labels: str) -> None:
    api.put(NAMESPACES, {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name} | labels}})


def put_cluster_push(api: FakeApiServer, name: str = "cps", **spec: Any) -> None:
    body = {"pushSecretSpec": SPEC, "namespaceSelectors": TEAM_X} | spec
    api.put(CLUSTER_PUSH_SECRETS, {"metadata": {"name": name}, "spec": body})


def status(api: FakeApiServer, name: str = "cps") -> Json:
    return dict((api.get(CLUSTER_PUSH_SECRETS, "", name) or {}).get("status") or {})


def places(api: FakeApiServer) -> list[str]:
    return sorted(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in api.all(PUSH_SECRETS))


async def becomes(one: Pushing, wanted: Json, name: str = "cps") -> None:
    for _ in range(5):
        await one.clock.advance(1.0)  # between two status writes
        await one.one.idle()
    await one.one.until(lambda: status(one.api, name) == wanted)


# P-200
async def test_p_200_a_child_in_each_matching_namespace_with_one_write_each(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await becomes(one, {"pushSecretName": "cps", "provisionedNamespaces": ["a", "b"], "conditions": [READY]})
        assert places(api) == ["a/cps", "b/cps"]
        child = api.get(PUSH_SECRETS, "a", "cps") or {}
        assert child["spec"] == SPEC
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"], owner["blockOwnerDeletion"]) == (
            "ClusterPushSecret",
            "cps",
            True,
            True,
        )
        made = [request for request in one.one.written(PUSH_SECRETS) if request.method == "POST"]
        assert len(made) == 2 and len(one.one.written(CLUSTER_PUSH_SECRETS)) <= 2
        await one.clock.advance(7200.0)
        await one.one.idle()
        assert len([request for request in one.one.written(PUSH_SECRETS) if "status" not in request.path]) == 2


# P-201
async def test_p_201_name_and_metadata_of_the_children(api: FakeApiServer) -> None:
    meta = {"labels": {"l": "1"}, "annotations": {"n": "2"}}
    put_cluster_push(api, pushSecretName="child", pushSecretMetadata=meta)
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/child", "b/child"])
        found = (api.get(PUSH_SECRETS, "a", "child") or {})["metadata"]
        assert (found["labels"], found["annotations"]) == ({"l": "1"}, {"n": "2"})


# P-202
async def test_p_202_a_rename(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])
        api.edit(CLUSTER_PUSH_SECRETS, "", "cps", {"spec": {"pushSecretName": "new"}})
        await becomes(one, {"pushSecretName": "new", "provisionedNamespaces": ["a", "b"], "conditions": [READY]})
        assert places(api) == ["a/new", "b/new"]


# P-203, P-213
async def test_p_203_p_213_children_follow_and_are_put_back(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])
        api.edit(CLUSTER_PUSH_SECRETS, "", "cps", {"spec": {"pushSecretMetadata": {"labels": {"l": "1"}}}})
        await one.one.until(lambda: labels(api, "a") == {"l": "1"})
        api.edit(PUSH_SECRETS, "a", "cps", {"metadata": {"labels": {"foreign": "1"}}, "spec": {"data": []}})
        await one.one.until(lambda: labels(api, "a") == {"l": "1"})
        assert (api.get(PUSH_SECRETS, "a", "cps") or {})["spec"] == SPEC
        api.remove(PUSH_SECRETS, "b", "cps")
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])


def labels(api: FakeApiServer, namespace: str) -> Json:
    return dict((api.get(PUSH_SECRETS, namespace, "cps") or {})["metadata"].get("labels", {}))


# P-204, P-205
async def test_p_204_p_205_a_foreign_object_of_the_name(api: FakeApiServer) -> None:
    put_cluster_push(api)
    put_push(api, "cps", "a")
    foreign = api.get(PUSH_SECRETS, "a", "cps") or {}
    async with pushing(api) as one:
        await becomes(
            one,
            {
                "pushSecretName": "cps",
                "provisionedNamespaces": ["b"],
                "failedNamespaces": [{"namespace": "a", "reason": "push secret already exists in namespace"}],
                "conditions": [NOT_READY],
            },
        )
        assert (api.get(PUSH_SECRETS, "a", "cps") or {})["spec"] == foreign["spec"]
        api.remove(PUSH_SECRETS, "a", "cps")
        await becomes(one, {"pushSecretName": "cps", "provisionedNamespaces": ["a", "b"], "conditions": [READY]})


# P-206, P-210
async def test_p_206_p_210_namespaces_that_leave_and_come(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])
        put_namespace(api, "b", team="z")
        await one.one.until(lambda: places(api) == ["a/cps"])
        put_namespace(api, "d", team="x")
        await one.one.until(lambda: places(api) == ["a/cps", "d/cps"])
        await becomes(one, {"pushSecretName": "cps", "provisionedNamespaces": ["a", "d"], "conditions": [READY]})


@pytest.mark.parametrize(
    ("selectors", "namespaces"),
    [
        pytest.param(
            [{"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["c", "a"]}]}],
            ["a", "c"],
            id="P-207 expressions",
        ),
        pytest.param(
            [*TEAM_X, {"matchLabels": {"kubernetes.io/metadata.name": "a"}}], ["a", "b"], id="P-208 any of them"
        ),
        pytest.param([{"matchLabels": {"team": "no"}}], [], id="P-209 none matches"),
        pytest.param([], [], id="P-209 no selector"),
    ],
)
async def test_the_namespaces_of_the_selectors(
    api: FakeApiServer, selectors: list[Json], namespaces: list[str]
) -> None:
    put_cluster_push(api, namespaceSelectors=selectors)
    async with pushing(api) as one:
        found = {"provisionedNamespaces": namespaces} if namespaces else {}
        await becomes(one, {"pushSecretName": "cps", **found, "conditions": [READY]})


# P-211
async def test_p_211_a_selector_that_is_none(api: FakeApiServer) -> None:
    put_cluster_push(api, namespaceSelectors=[{"matchExpressions": [{"key": "a", "operator": "Near"}]}])
    async with pushing(api) as one:
        await one.one.until(lambda: condition(api.get(CLUSTER_PUSH_SECRETS, "", "cps"), "Ready") != {})
        ready = condition(api.get(CLUSTER_PUSH_SECRETS, "", "cps"), "Ready")
        assert (ready["status"], ready["reason"], ready["message"]) == (
            "False",
            "Errored",
            "failed to get target Namespaces",
        )
        await one.one.until(lambda: len(one.events("Errored")) == 1)
        writes = len(one.one.written(CLUSTER_PUSH_SECRETS))
        await one.clock.advance(30.0)
        await one.one.idle()
        assert len(one.one.written(CLUSTER_PUSH_SECRETS)) == writes, "the same is not told again"


# P-212
async def test_p_212_a_parent_that_goes_leaves_its_children_to_the_garbage_collector(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])
        api.remove(CLUSTER_PUSH_SECRETS, "", "cps")
        await one.one.idle()
        assert places(api) == ["a/cps", "b/cps"]
        await one.one.until(lambda: 'name="cps",namespace=""' not in one.one.metrics())


async def test_a_child_pushes(api: FakeApiServer) -> None:
    put_cluster_push(api, namespaceSelectors=[{"matchLabels": {"kubernetes.io/metadata.name": "a"}}])
    put_store(api, namespace="a", ready=True)
    put_source(api, namespace="a")
    async with pushing(api) as one:
        await one.synced("cps", "a")
        assert one.backend.keys("a/store") == ["path/to/key"]


async def test_a_child_that_is_refused_fails_its_namespace_only(api: FakeApiServer) -> None:
    put_cluster_push(api)
    api.fail(Status(422, "Invalid", "no"), method="POST", path="/namespaces/a/pushsecrets$", times=99)
    async with pushing(api) as one:
        await becomes(
            one,
            {
                "pushSecretName": "cps",
                "provisionedNamespaces": ["b"],
                "failedNamespaces": [{"namespace": "a", "reason": "could not create or update push secret: no"}],
                "conditions": [NOT_READY],
            },
        )


async def test_a_namespace_that_goes_is_no_failure(api: FakeApiServer) -> None:
    put_cluster_push(api)
    text = "unable to create new content in namespace a because it is being terminated"
    api.fail(Status(403, "Forbidden", text), method="POST", path="/namespaces/a/pushsecrets$", times=99)
    async with pushing(api) as one:
        await becomes(one, {"pushSecretName": "cps", "provisionedNamespaces": ["b"], "conditions": [READY]})


async def test_a_paused_parent_leaves_its_children_alone(api: FakeApiServer) -> None:
    put_cluster_push(api)
    note = "extensions.external-secrets.io/suspend"
    async with pushing(api) as one:
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])
        api.edit(CLUSTER_PUSH_SECRETS, "", "cps", {"metadata": {"annotations": {note: "true"}}})
        await one.one.until(
            lambda: condition(api.get(CLUSTER_PUSH_SECRETS, "", "cps"), "Ready").get("reason") == "Suspended"
        )
        api.remove(PUSH_SECRETS, "a", "cps")
        await one.one.idle()
        assert places(api) == ["b/cps"]
        api.edit(CLUSTER_PUSH_SECRETS, "", "cps", {"metadata": {"annotations": {note: None}}})
        await one.one.until(lambda: places(api) == ["a/cps", "b/cps"])


async def test_a_restart_writes_nothing(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api) as one:
        await becomes(one, {"pushSecretName": "cps", "provisionedNamespaces": ["a", "b"], "conditions": [READY]})
    before = len(api.writes)
    async with pushing(api) as one:
        await one.one.until(lambda: one.one.passes("clusterpushsecret") >= 1)
        await one.one.idle()
        written = [request.path for request in api.writes[before:] if "clusterpushsecrets" in request.path]
        assert written == [] and places(api) == ["a/cps", "b/cps"]


async def test_without_the_reconciler_nothing_is_made(api: FakeApiServer) -> None:
    put_cluster_push(api)
    async with pushing(api, "--enable-cluster-push-secret-reconciler=false") as one:
        await one.one.idle()
        assert places(api) == []
