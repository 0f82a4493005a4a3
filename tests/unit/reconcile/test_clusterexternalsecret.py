"""One ExternalSecret for many namespaces: which ones, what is written, what is told."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from eso.api.clusterexternalsecret import (
    CLUSTER_EXTERNAL_SECRETS,
    ClusterExternalSecret,
    decode_cluster_external_secret,
)
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, decode_external_secret
from eso.api.meta import NAMESPACES, ObjectMeta, Undecodable
from eso.reconcile.clusterexternalsecret import child
from eso.reconcile.clusterexternalsecret.reconcile import ReconcileClusterExternalSecret
from eso.reconcile.clusterexternalsecret.triggers import Triggers
from eso.runtime.outcome import After, Done, Lane, Outcome, Retry, Wake
from tests.fakes.apiserver import FakeApiServer, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock
from tests.harness.inprocess import Log
from tests.unit.app.operating import condition, operating, put_store

Json = dict[str, Any]
FINALIZER = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
ON_NAMESPACES = "externalsecrets.external-secrets.io/ces-"
SPEC: Json = {"refreshInterval": "1h", "secretStoreRef": {"name": "s"}, "dataFrom": [{"extract": {"key": "k"}}]}


@dataclass(frozen=True)
class Space:
    name: str
    labels: dict[str, str]
    finalizers: tuple[str, ...]
    terminating: bool
    meta: ObjectMeta


class Figures:
    def __init__(self) -> None:
        self.readiness: list[str] = []
        self.forgotten: list[str] = []

    def passed(self, key: tuple[str, str], seconds: float) -> None: ...

    def ready(self, key: tuple[str, str], status: str) -> None:
        self.readiness.append(status)

    def gone(self, key: tuple[str, str]) -> None:
        self.forgotten.append(key[1])


class World:
    """The pass on an API server in this process; its cache is always up to date."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.clock, self.figures, self.rest = api, VirtualClock(), Figures(), api.rest(tries=1)
        self.passes = ReconcileClusterExternalSecret(
            self, self.rest, meter=self.figures, monotonic=self.clock.monotonic, log=Log()
        )

    # Cache

    def get(self, name: str) -> ClusterExternalSecret | Undecodable | None:
        found = self.api.get(CLUSTER_EXTERNAL_SECRETS, "", name)
        return decode_cluster_external_secret(orjson.dumps(found)) if found is not None else None

    def namespaces(self) -> list[Space]:
        found = []
        for one in self.api.all(NAMESPACES):
            meta = one["metadata"]
            finalizers = tuple(meta.get("finalizers", ()))
            found.append(
                Space(
                    meta["name"],
                    meta.get("labels", {}),
                    finalizers,
                    "deletionTimestamp" in meta,
                    self.api.meta(NAMESPACES, "", meta["name"]),
                )
            )
        return found

    def external_secret(self, namespace: str, name: str) -> ExternalSecret | Undecodable | None:
        found = self.api.get(EXTERNAL_SECRETS, namespace, name)
        return decode_external_secret(orjson.dumps(found)) if found is not None else None

    def children(self, name: str) -> list[ExternalSecret | Undecodable]:
        every = [decode_external_secret(orjson.dumps(one)) for one in self.api.all(EXTERNAL_SECRETS)]
        return [one for one in every if (owner := one.metadata.controller) is not None and owner.name == name]

    # what a test does

    def namespace(self, name: str, finalizers: Iterable[str] = (), **labels: str) -> None:
        meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name} | labels}
        self.api.put(NAMESPACES, {"metadata": meta | ({"finalizers": list(finalizers)} if finalizers else {})})

    def ces(self, name: str = "ces", annotations: Json | None = None, **spec: Any) -> None:
        spec = {"externalSecretSpec": SPEC, "namespaceSelectors": [{"matchLabels": {"team": "x"}}]} | spec
        self.api.put(
            CLUSTER_EXTERNAL_SECRETS, {"metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}
        )

    async def run(self, name: str = "ces") -> Outcome:
        self.clock.jump(2.0)
        return await self.passes.reconcile(("", name), Wake(), self.clock.now())

    def status(self, name: str = "ces") -> Json:
        found = self.api.get(CLUSTER_EXTERNAL_SECRETS, "", name)
        assert found is not None
        status: Json = found.get("status", {})
        return status

    def child(self, namespace: str, name: str = "ces") -> Json | None:
        return self.api.get(EXTERNAL_SECRETS, namespace, name)

    def places(self) -> list[str]:
        return sorted(
            f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in self.api.all(EXTERNAL_SECRETS)
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        made = World(api)
        for name in ("a", "b"):
            made.namespace(name, team="x")
        made.namespace("c", team="y")
        yield made
        await made.rest.access.close()


READY: Json = {"type": "Ready", "status": "True"}
NOT_READY: Json = {"type": "Ready", "status": "False", "message": "one or more namespaces failed"}


async def test_a_child_for_each_matching_namespace_with_one_write_each(world: World) -> None:
    world.ces()
    assert await world.run() == After(3600.0)
    assert world.places() == ["a/ces", "b/ces"]
    child = world.child("a")
    assert child is not None
    assert child["spec"] == SPEC
    (owner,) = child["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ClusterExternalSecret", "ces", True)
    assert world.status() == {
        "externalSecretName": "ces",
        "provisionedNamespaces": ["a", "b"],
        "conditions": [READY],
    }
    assert [one.method for one in world.api.writes] == ["POST", "POST", "PATCH"]
    await world.run()
    assert len(world.api.writes) == 3
    found = world.api.get(CLUSTER_EXTERNAL_SECRETS, "", "ces")
    assert found is not None and "finalizers" not in found["metadata"]


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        pytest.param({"namespaceSelectors": []}, [], id="no selector at all"),
        pytest.param(
            {"namespaceSelectors": [{"matchLabels": {"team": "z"}}]}, [], id="a selector that matches nothing"
        ),
        pytest.param({"namespaceSelectors": [{}]}, ["a", "b", "c"], id="an empty selector"),
        pytest.param(
            {"namespaceSelectors": [{"matchLabels": {"team": "y"}}, {"matchLabels": {"team": "x"}}, {}]},
            ["a", "b", "c"],
            id="selectors are ORed",
        ),
        pytest.param({"namespaceSelectors": [], "namespaceSelector": {"matchLabels": {"team": "y"}}}, ["c"], id="one"),
        pytest.param({"namespaceSelectors": [], "namespaces": ["nowhere", "c"]}, ["c"], id="names"),
        pytest.param(
            {"namespaceSelectors": [{"matchExpressions": [{"key": "team", "operator": "In", "values": ["x"]}]}]},
            ["a", "b"],
            id="expressions",
        ),
    ],
)
async def test_which_namespaces(world: World, spec: Json, places: list[str]) -> None:
    world.ces(**spec)
    await world.run()
    assert world.places() == [f"{name}/ces" for name in places]
    assert world.status()["conditions"] == [READY]
    assert world.status().get("provisionedNamespaces") == (places or None)


async def test_a_selector_that_is_none_is_told_and_tried_again(world: World) -> None:
    world.ces(namespaceSelectors=[{"matchExpressions": [{"key": "team", "operator": "Like"}]}])
    assert isinstance(await world.run(), Retry)
    assert world.status()["conditions"] == [NOT_READY]
    assert world.status()["failedNamespaces"] == [
        {"namespace": "unknown", "reason": '"Like" is not a valid label selector operator'}
    ]


async def test_the_name_and_the_metadata_of_children_are_exactly_what_the_object_says(world: World) -> None:
    metadata = {"labels": {"l": "1"}, "annotations": {"n": "2"}}
    world.ces(externalSecretName="child", externalSecretMetadata=metadata)
    await world.run()
    child = world.child("a", "child")
    assert child is not None
    assert (child["metadata"]["labels"], child["metadata"]["annotations"]) == ({"l": "1"}, {"n": "2"})
    world.api.edit(
        EXTERNAL_SECRETS, "a", "child", {"metadata": {"labels": {"mine": "1"}}, "spec": {"refreshInterval": "2h"}}
    )
    await world.run()
    child = world.child("a", "child")
    assert child is not None
    assert child["metadata"]["labels"] == {"l": "1"}
    assert child["spec"] == SPEC


async def test_equal_durations_are_no_difference(world: World) -> None:
    world.ces()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"spec": {"refreshInterval": "60m0s"}})
    before = len(world.api.writes)
    await world.run()
    assert len(world.api.writes) == before


async def test_a_rename_replaces_the_children(world: World) -> None:
    world.ces()
    await world.run()
    world.ces(externalSecretName="other")
    await world.run()
    assert world.places() == ["a/other", "b/other"]
    assert world.status()["externalSecretName"] == "other"


async def test_a_namespace_that_stops_matching_loses_its_child_also_when_it_failed_in_between(world: World) -> None:
    world.ces()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"spec": {"refreshInterval": "2h"}})
    world.api.fail(Status(500, "InternalError"), method="PATCH", path="/namespaces/a/externalsecrets")
    await world.run()
    assert world.status()["provisionedNamespaces"] == ["b"]
    world.namespace("a", team="z")
    before = len(world.api.writes)
    await world.run()
    assert world.places() == ["b/ces"]
    assert [one.method for one in world.api.writes[before:]] == ["DELETE", "PATCH"]


async def test_an_edit_of_one_child_compares_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The author of one namespace edits as often as they like, and siblings may be thousands."""
    world.ces()
    await world.run()
    held: dict[tuple[str, str], ExternalSecret | Undecodable | None] = {}  # as an informer: one record for one version
    read = world.external_secret

    def record(namespace: str, name: str) -> ExternalSecret | Undecodable | None:
        found = read(namespace, name)
        old = held.get((namespace, name))
        if old is None or found is None or old.metadata.resource_version != found.metadata.resource_version:
            held[namespace, name] = found
        return held[namespace, name]

    compared: list[str] = []

    def as_wanted(ces: ClusterExternalSecret, live: ExternalSecret | Undecodable) -> bool:
        compared.append(live.metadata.namespace)
        return real(ces, live)

    real = child.as_wanted
    monkeypatch.setattr(world, "external_secret", record)
    monkeypatch.setattr(child, "as_wanted", as_wanted)
    await world.run()
    assert compared == ["a", "b"]
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"spec": {"refreshInterval": "2h"}})
    await world.run()
    assert compared == ["a", "b", "a"]
    assert (world.child("a") or {})["spec"] == SPEC
    world.api.edit(CLUSTER_EXTERNAL_SECRETS, "", "ces", {"spec": {"refreshTime": "2h"}})
    await world.run()
    assert compared == ["a", "b", "a", "a", "b"]


async def test_an_object_of_somebody_else_is_left_alone(world: World) -> None:
    theirs = {"metadata": {"name": "ces", "namespace": "a"}, "spec": {"refreshInterval": "9h"}}
    world.api.put(EXTERNAL_SECRETS, copy.deepcopy(theirs))
    world.ces()
    assert await world.run() == After(3600.0)
    assert world.status()["failedNamespaces"] == [
        {"namespace": "a", "reason": "external secret already exists in namespace"}
    ]
    assert world.status()["provisionedNamespaces"] == ["b"]
    child = world.child("a")
    assert child is not None and child["spec"] == theirs["spec"]
    world.api.remove(EXTERNAL_SECRETS, "a", "ces")
    await world.run()
    assert world.status()["conditions"] == [READY]


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        pytest.param(
            Status(403, "Forbidden", 'admission webhook "x" denied the request: no data'), False, id="admission"
        ),
        pytest.param(Status(409, "Conflict"), True, id="a conflict"),
        pytest.param(Status(500, "InternalError"), True, id="an API server in trouble"),
    ],
)
async def test_a_child_that_cannot_be_written(world: World, fault: Status, again: bool) -> None:
    world.ces()
    world.api.fail(fault, method="POST", path="/namespaces/a/externalsecrets")
    outcome = await world.run()
    assert isinstance(outcome, Retry) is again
    (failed,) = world.status()["failedNamespaces"]
    assert failed["namespace"] == "a"
    assert failed["reason"].startswith("could not create or update ExternalSecret: ")
    assert world.status()["conditions"] == [NOT_READY]
    assert world.status()["provisionedNamespaces"] == ["b"]


async def test_a_child_that_is_not_ready_makes_its_namespace_a_failed_one(world: World) -> None:
    world.ces()
    await world.run()
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "SecretSyncedError",
        "message": "could not get secret data",
    }
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"status": {"conditions": [condition]}})
    await world.run()
    assert world.status()["failedNamespaces"] == [
        {"namespace": "a", "reason": "external secret is not ready: could not get secret data"}
    ]
    assert world.status()["provisionedNamespaces"] == ["a", "b"]


async def test_force_sync_follows_the_object(world: World) -> None:
    for value in ("1", "2", None):
        world.ces(annotations={} if value is None else {"external-secrets.io/force-sync": value})
        await world.run()
        child = world.child("a")
        assert child is not None
        assert child["metadata"].get("annotations", {}).get("external-secrets.io/force-sync") == value


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        pytest.param(None, After(3600.0), id="absent: an hour"),
        pytest.param("100ms", After(0.1), id="a tenth of a second"),
        pytest.param("0s", Done(), id="zero: no pass is scheduled"),
    ],
)
async def test_the_interval(world: World, text: str | None, outcome: Outcome) -> None:
    world.ces(**({"refreshTime": text} if text is not None else {}))
    assert await world.run() == outcome


async def test_an_interval_that_is_none_is_told_by_the_queue(world: World) -> None:
    world.ces(refreshTime="soon")
    outcome = await world.run()
    assert isinstance(outcome, Retry) and "invalid refreshTime" in str(outcome.error)
    assert world.places() == ["a/ces", "b/ces"]


async def test_finalizers_of_the_reference_are_taken_off_and_none_is_put_on(world: World) -> None:
    world.namespace("a", finalizers=[f"{ON_NAMESPACES}ces", f"{ON_NAMESPACES}other"], team="x")
    world.ces()
    await world.run()
    meta = world.api.meta(NAMESPACES, "", "a")
    assert meta.finalizers == (f"{ON_NAMESPACES}other",)
    await world.run("other")  # an object that is gone
    assert world.api.meta(NAMESPACES, "", "a").finalizers == ()


async def test_an_object_with_the_finalizer_of_the_reference_goes_with_its_children_only(world: World) -> None:
    world.ces()
    world.ces("second")
    await world.run()
    await world.run("second")
    world.api.edit(EXTERNAL_SECRETS, "b", "ces", {"metadata": {"ownerReferences": []}})
    world.api.edit(CLUSTER_EXTERNAL_SECRETS, "", "ces", {"metadata": {"finalizers": [FINALIZER]}})
    world.api.edit(CLUSTER_EXTERNAL_SECRETS, "", "ces", {"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}})
    world.namespace("a", finalizers=[f"{ON_NAMESPACES}ces"], team="x")
    assert await world.run() == Done()
    assert world.places() == ["a/second", "b/ces", "b/second"]
    assert world.api.meta(NAMESPACES, "", "a").finalizers == ()
    found = world.api.get(CLUSTER_EXTERNAL_SECRETS, "", "ces")
    assert found is None or not found["metadata"].get("finalizers")


async def test_a_terminating_namespace_gets_no_child_and_is_no_failure(world: World) -> None:
    world.ces()
    world.api.edit(NAMESPACES, "", "a", {"metadata": {"finalizers": ["kubernetes"]}})
    world.api.edit(NAMESPACES, "", "a", {"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}})
    await world.run()
    assert world.places() == ["b/ces"]
    assert world.status()["conditions"] == [READY]


@pytest.mark.parametrize("pause", [timedelta(hours=1), timedelta(days=30)], ids=["an hour", "a month"])
async def test_a_suspended_object_does_nothing_and_comes_back_by_itself(world: World, pause: timedelta) -> None:
    until = world.clock.now().replace(microsecond=0) + pause
    text = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.ces(annotations={"extensions.external-secrets.io/suspend": text})
    outcome = await world.run()
    assert outcome == After((until - world.clock.now()).total_seconds())
    assert world.places() == []
    told = {"type": "Ready", "status": "Unknown", "message": f"suspended until {text}"}
    assert world.status() == {"conditions": [told]}
    writes = len(world.api.writes)
    await world.run()
    assert len(world.api.writes) == writes, "told once"


async def test_a_pause_keeps_what_was_told_before_and_ends_with_its_annotation(world: World) -> None:
    note = "extensions.external-secrets.io/suspend"
    world.ces()
    await world.run()
    before = world.status()
    world.api.edit(CLUSTER_EXTERNAL_SECRETS, "", "ces", {"metadata": {"annotations": {note: "true"}}})
    assert await world.run() == Done()
    told = {"type": "Ready", "status": "True", "message": f"suspended until the annotation {note} is removed"}
    assert world.status() == before | {"conditions": [told]}
    world.api.edit(CLUSTER_EXTERNAL_SECRETS, "", "ces", {"metadata": {"annotations": {note: None}}})
    await world.run()
    assert world.status() == before


async def test_the_status_is_written_once_a_second_at_most(world: World) -> None:
    world.ces()
    await world.run()
    world.namespace("d", team="x")
    outcome = await world.passes.reconcile(("", "ces"), Wake(), world.clock.now())
    assert world.places() == ["a/ces", "b/ces", "d/ces"]
    assert outcome == After(1.0)
    assert world.status()["provisionedNamespaces"] == ["a", "b"]
    await world.run()
    assert world.status()["provisionedNamespaces"] == ["a", "b", "d"]


async def test_two_thousand_namespaces_cost_one_write_each_and_a_label_touches_one(world: World) -> None:
    for n in range(2000):
        world.namespace(f"n-{n}", team="many")
    world.ces(namespaceSelectors=[{"matchLabels": {"team": "many"}}])
    await world.run()
    assert len(world.api.sent("POST")) == 2000
    assert len(world.api.sent("PATCH")) == 1
    before = len(world.api.writes)
    world.namespace("n-7", team="few")
    await world.run()
    assert [(one.method, one.path.split("/")[5]) for one in world.api.writes[before:-1]] == [("DELETE", "n-7")]


async def test_every_await_of_a_pass_may_be_cancelled(world: World) -> None:
    world.ces()
    async for _ in every_await(world.run):
        for place in world.places():
            world.api.remove(EXTERNAL_SECRETS, *place.split("/"))
    await world.run()
    assert world.places() == ["a/ces", "b/ces"]


# triggers


class Woken:
    def __init__(self, world: World) -> None:
        self.keys: list[str] = []
        self.triggers = Triggers(
            self.add,
            lambda: [one for one in [world.get("ces"), world.get("second")] if one is not None],
            lambda child: [
                one for one in [world.get("ces")] if isinstance(one, ClusterExternalSecret) and one.child_name == child
            ],
        )

    def add(self, key: tuple[str, str], lane: Lane, reason: str, when: datetime | None) -> None:
        self.keys.append(key[1])


def space(name: str, terminating: bool = False, finalizers: tuple[str, ...] = (), **labels: str) -> Space:
    return Space(name, {"kubernetes.io/metadata.name": name} | labels, finalizers, terminating, ObjectMeta(name=name))


async def test_which_objects_a_namespace_wakes(world: World) -> None:
    world.ces()
    world.ces("second", namespaceSelectors=[{"matchExpressions": [{"key": "a", "operator": "Like"}]}], namespaces=["n"])
    woken = Woken(world)
    for old, new, keys in (
        (None, space("n", team="x"), ["ces", "second"]),
        (space("m", team="x"), space("m", team="y"), ["ces"]),
        (space("m", team="x"), space("m", team="x"), []),
        (space("m", team="x"), space("m", team="x", terminating=True), ["ces"]),
        (space("m", team="q"), None, []),
        (None, space("m", finalizers=(f"{ON_NAMESPACES}gone", "kubernetes")), ["gone"]),
    ):
        woken.keys.clear()
        woken.triggers.namespace(old, new)
        assert woken.keys == keys, (old, new)


async def test_which_objects_a_child_wakes(world: World) -> None:
    world.ces()
    await world.run()
    woken = Woken(world)
    child = world.external_secret("a", "ces")
    assert child is not None
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"status": {"refreshTime": "2024-01-01T00:00:00Z"}})
    woken.triggers.child(child, world.external_secret("a", "ces"))
    assert woken.keys == []
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"metadata": {"labels": {"mine": "1"}}})
    woken.triggers.child(child, world.external_secret("a", "ces"))
    assert set(woken.keys) == {"ces"}
    woken.keys.clear()
    world.api.edit(EXTERNAL_SECRETS, "a", "ces", {"metadata": {"ownerReferences": []}})
    woken.triggers.child(world.external_secret("a", "ces"), None)
    assert woken.keys == ["ces"], "a foreign object made room"
    woken.keys.clear()
    condition = {"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "no"}
    before = world.external_secret("b", "ces")
    world.api.edit(EXTERNAL_SECRETS, "b", "ces", {"status": {"conditions": [condition]}})
    woken.triggers.child(before, world.external_secret("b", "ces"))
    assert set(woken.keys) == {"ces"}


async def test_a_status_of_our_own_wakes_nobody(world: World) -> None:
    world.ces()
    before = world.get("ces")
    await world.run()
    woken = Woken(world)
    woken.triggers.object(before, world.get("ces"))
    assert woken.keys == []
    world.ces(externalSecretName="other")
    woken.triggers.object(before, world.get("ces"))
    assert woken.keys == ["ces"]


# the whole operator


async def test_many_namespaces_settle_with_one_write_per_child_and_a_status_a_second_at_most() -> None:
    """Children, their Secrets and their conditions all come back as events."""
    async with FakeApiServer() as api:
        names = [f"team-{n}" for n in range(300)]
        for name in names:
            labels = {"kubernetes.io/metadata.name": name, "team": "many"}
            api.put(NAMESPACES, {"metadata": {"name": name, "labels": labels}})
        put_store(api, "shared", "", ready=True)
        data = [{"secretKey": "key", "remoteRef": {"key": "key"}}]
        child = {"refreshInterval": "1h", "secretStoreRef": {"name": "shared", "kind": "ClusterSecretStore"}}
        spec = {
            "externalSecretSpec": child | {"data": data},
            "namespaceSelectors": [{"matchLabels": {"team": "many"}}],
        }
        api.put(CLUSTER_EXTERNAL_SECRETS, {"metadata": {"name": "ces"}, "spec": spec})

        def status() -> Json:
            return dict((api.get(CLUSTER_EXTERNAL_SECRETS, "", "ces") or {}).get("status") or {})

        def ready(name: str) -> bool:
            return condition(api.get(EXTERNAL_SECRETS, name, "ces"), "Ready").get("status") == "True"

        async with operating(api) as one:
            await one.until(lambda: all(ready(name) for name in names))
            await one.idle()
            assert len(one.written(CLUSTER_EXTERNAL_SECRETS, "status")) == 1, "no second has passed"
            for _ in range(5):
                await one.clock.advance(1.0)
                await one.idle()
            assert len(one.written(CLUSTER_EXTERNAL_SECRETS, "status")) <= 6
            assert status()["provisionedNamespaces"] == sorted(names)
            assert status()["conditions"] == [{"type": "Ready", "status": "True"}]
            writes = [request for request in one.written(EXTERNAL_SECRETS) if request.method in ("POST", "PUT")]
            assert sorted(request.path.split("/")[5] for request in writes) == sorted(names)

            mark = len(api.writes)
            labels = {"kubernetes.io/metadata.name": "team-7", "team": "few"}
            api.edit(NAMESPACES, "", "team-7", {"metadata": {"labels": labels}})
            await one.until(lambda: api.get(EXTERNAL_SECRETS, "team-7", "ces") is None)
            for _ in range(3):
                await one.clock.advance(1.0)
                await one.idle()
            assert status()["provisionedNamespaces"] == sorted(set(names) - {"team-7"})
            touched = {request.path for request in api.writes[mark:] if "/events" not in request.path}
            assert all("/team-7/" in path or path.endswith("/clusterexternalsecrets/ces/status") for path in touched)
