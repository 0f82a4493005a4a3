"""Targets of any other kind: kinds looked up, watched and deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import content_hash
from eso.api.meta import CONFIG_MAPS, Resource
from eso.kube.rest import Unavailable
from eso.reconcile.externalsecret.desired import Create, Nothing, Patch
from eso.reconcile.externalsecret.generic import GenericTargets, NoSuchKind, token_of
from eso.reconcile.externalsecret.manifest import desired_manifest
from eso.reconcile.externalsecret.stage import Failed
from eso.reconcile.externalsecret.target import Before
from tests.fakes.apiserver import FakeApiServer, Garbage, Json, Status
from tests.fakes.clock import until
from tests.unit.reconcile.objects import es, reference, target

MANAGED, DATA_HASH = "reconcile.external-secrets.io/managed", "reconcile.external-secrets.io/data-hash"
WIDGETS = Resource("test.example.com", "v1", "widgets", "Widget")
DISCOVERY = {
    "/api/v1": {
        "resources": [
            {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
            {"name": "nodes", "kind": "Node", "namespaced": False},
        ]
    },
    "/apis/test.example.com/v1": {
        "resources": [
            {"name": "widgets/status", "kind": "Widget", "namespaced": True},
            {"name": "widgets", "kind": "Widget", "namespaced": True},
        ]
    },
}


class Log:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str, **_: object) -> None:
        self.warnings.append(text)


class Bench:
    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.rest, self.log = api, api.rest(), Log()
        self.told: list[tuple[str, str, str, str]] = []  # writes by others
        self.echoes: list[tuple[str, str]] = []  # our own writes: on whose behalf
        self.generic = GenericTargets(self.rest, self.changed, namespace="", log=self.log)

    def changed(self, version: str, kind: str, namespace: str, name: str, writer: tuple[str, str] | None) -> None:
        if writer is None:
            self.told.append((version, kind, namespace, name))
        else:
            self.echoes.append(writer)

    def serves(self, path: str, times: int = 1) -> None:
        self.api.fail(Garbage(json.dumps(DISCOVERY[path]).encode()), path=f"^{path}$", times=times)

    async def sync(self, one: ExternalSecret, data: dict[str, bytes]) -> object:
        live = await self.generic.live(one)
        change = desired_manifest(one, live, data, {}, left=self.generic.left(one))
        await self.generic.apply(one, change, Before(live))
        return change


@asynccontextmanager
async def following(bench: Bench) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.generic.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with FakeApiServer() as api:
        made = Bench(api)
        yield made
        await made.rest.access.close()


def one(
    kind: str = "ConfigMap", version: str = "v1", *, name: str = "test-es", creation: str = "Owner", target: str = "t"
) -> ExternalSecret:
    return es(
        name=name,
        uid=f"uid-{name}",
        target={
            "name": target,
            "creationPolicy": creation,
            "deletionPolicy": "Delete",
            "manifest": {"apiVersion": version, "kind": kind},
        },
    )


def stored(data: Json, uid: str = "uid-test-es", *, name: str = "t") -> Json:
    meta: Json = {
        "name": name,
        "namespace": "ns",
        "labels": {MANAGED: "true"},
        "annotations": {DATA_HASH: content_hash(data)},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta | {"ownerReferences": [reference(uid=uid)]},
        "data": data,
    }


async def test_a_kind_is_looked_up_once(bench: Bench):
    bench.serves("/api/v1")
    assert await bench.generic.resource("v1", "ConfigMap") == await bench.generic.resource("v1", "ConfigMap")
    assert len(bench.api.sent("GET", "/api/v1$")) == 1


async def test_the_plural_is_the_objects_own_and_not_a_subresources(bench: Bench):
    bench.serves("/apis/test.example.com/v1")
    assert await bench.generic.resource("test.example.com/v1", "Widget") == WIDGETS


async def test_a_kind_that_lives_in_no_namespace_is_refused(bench: Bench):
    bench.serves("/api/v1")
    with pytest.raises(Failed, match="Node is cluster-scoped"):
        await bench.generic.resource("v1", "Node")


@pytest.mark.parametrize(
    "answer", [pytest.param("/api/v1", id="the group has no such kind"), pytest.param("", id="there is no such group")]
)
async def test_a_missing_kind_is_told_and_asked_for_again(bench: Bench, answer: str):
    path = "^/apis/test.example.com/v1$"
    bench.api.fail(
        Garbage(json.dumps(DISCOVERY[answer]).encode())
        if answer
        else Status(404, "NotFound", "the server could not find the requested resource"),
        path=path,
    )
    with pytest.raises(NoSuchKind, match=r'no matches for kind "Widget" in version "test\.example\.com/v1"'):
        await bench.generic.live(one("Widget", "test.example.com/v1"))
    bench.serves("/apis/test.example.com/v1")
    assert await bench.generic.live(one("Widget", "test.example.com/v1")) is None


async def test_a_kind_that_went_away_is_looked_up_again(bench: Bench):
    bench.serves("/api/v1", times=2)
    assert await bench.generic.live(one()) is None
    bench.api.unserved.add("configmaps")
    with pytest.raises(NoSuchKind):
        await bench.generic.live(one())
    bench.api.unserved.clear()
    assert await bench.generic.live(one()) is None
    assert len(bench.api.sent("GET", "/api/v1$")) == 2


async def test_a_403_says_which_rights_are_missing(bench: Bench):
    bench.serves("/api/v1")
    bench.api.forbidden.add(("get", "configmaps"))
    with pytest.raises(Failed) as raised:
        await bench.generic.live(one())
    assert str(raised.value).startswith("failed to get target resource: ")
    assert raised.value.fix == "let the operator's ServiceAccount get, list, watch, create, patch and delete configmaps"


async def test_a_write_that_is_forbidden_names_the_verb(bench: Bench):
    bench.serves("/api/v1")
    bench.api.forbidden.add(("create", "configmaps"))
    with pytest.raises(Exception, match=r"^failed to create target resource: ") as raised:
        await bench.sync(one(), {"k": b"v"})
    assert "let the operator's ServiceAccount" in raised.value.fix  # type: ignore[attr-defined]  # every error of ours has it
    assert bench.generic.watched() == []


async def test_what_we_wrote_is_news_for_others_and_what_others_write_is_for_all(bench: Bench):
    bench.serves("/api/v1")
    async with following(bench):
        await bench.sync(one(), {"k": b"v"})
        await until(lambda: bench.api.watching == 1)
        await bench.sync(one(), {"k": b"w"})
        await until(lambda: bench.echoes == [("ns", "test-es")])
        assert bench.told == []
        bench.api.edit(CONFIG_MAPS, "ns", "t", {"data": {"k": "human"}})
        await until(lambda: bench.told == [("v1", "ConfigMap", "ns", "t")])
        bench.api.remove(CONFIG_MAPS, "ns", "t")
        await until(lambda: len(bench.told) == 2)


async def test_an_object_that_lost_its_label_is_news(bench: Bench):
    bench.serves("/api/v1")
    async with following(bench):
        await bench.sync(one(), {"k": b"v"})
        await until(lambda: bench.api.watching == 1)
        bench.api.edit(CONFIG_MAPS, "ns", "t", {"metadata": {"labels": {MANAGED: None}}})
        await until(lambda: len(bench.told) == 1)


async def test_where_there_are_generations_only_they_count(bench: Bench):
    """A status that moves all day must not read the target all day."""
    bench.serves("/apis/test.example.com/v1")
    async with following(bench):
        widget = one("Widget", "test.example.com/v1")
        await bench.sync(widget, {"k": b"v"})
        await until(lambda: bench.api.watching == 1)
        bench.api.edit(WIDGETS, "ns", "t", {"spec": {"data": {"k": "human"}}})
        await until(lambda: len(bench.told) == 1)
        bench.api.edit(WIDGETS, "ns", "t", {"metadata": {"labels": {"theirs": "1"}}})
        bench.api.edit(WIDGETS, "ns", "t", {"metadata": {"annotations": {DATA_HASH: "corrupt"}}})
        await until(lambda: len(bench.told) == 2)


# C-235
async def test_c_235_one_watch_per_kind_until_the_last_user_is_gone(bench: Bench):
    bench.serves("/api/v1")
    a, b = one(name="a", target="ta"), one(name="b", target="tb")
    async with following(bench):
        for each in (a, b, a):
            await bench.sync(each, {"k": b"v"})
        await until(lambda: bench.api.watching == 1)
        assert [r.kind for r in bench.generic.watched()] == ["ConfigMap"]
        bench.generic.release(("ns", "a"))
        assert [r.kind for r in bench.generic.watched()] == ["ConfigMap"]
        bench.generic.release(("ns", "b"))
        assert bench.generic.watched() == []
        await until(lambda: bench.api.watching == 0)


async def test_another_kind_in_the_same_object_ends_the_watch_of_the_first(bench: Bench):
    bench.serves("/api/v1")
    bench.serves("/apis/test.example.com/v1")
    await bench.sync(one(), {"k": b"v"})
    await bench.sync(one("Widget", "test.example.com/v1"), {"k": b"v"})
    assert [r.kind for r in bench.generic.watched()] == ["Widget"]


async def test_after_a_restart_an_intact_target_is_watched_without_a_write(bench: Bench):
    bench.serves("/api/v1")
    bench.api.put(CONFIG_MAPS, stored({"k": "v"}))
    seen = await bench.generic.look(one())
    assert seen is not None and seen.hash_matches
    assert [r.kind for r in bench.generic.watched()] == ["ConfigMap"]
    assert bench.api.writes == []


async def test_a_drifted_target_names_who_changed_it(bench: Bench):
    bench.serves("/api/v1")
    body = stored({"k": "v"})
    body["metadata"]["managedFields"] = [
        {"manager": "ours", "time": "2024-01-01T00:00:00Z"},
        {"manager": "a-human", "time": "2024-01-02T00:00:00Z"},
    ]
    bench.api.put(CONFIG_MAPS, body | {"data": {"k": "drift"}})
    seen = await bench.generic.look(one())
    assert seen is not None and not seen.hash_matches and seen.changed_by == "a-human"


async def test_defaults_are_remembered_until_the_next_write(bench: Bench):
    bench.serves("/api/v1")
    first = one()
    assert isinstance(await bench.sync(first, {"k": b"v"}), Create)
    assert bench.generic.left(first) is None
    assert await bench.sync(first, {"k": b"v"}) == Nothing()
    assert isinstance(await bench.sync(first, {"k": b"w"}), Patch)


async def test_policy_none_asks_nothing(bench: Bench):
    await bench.generic.apply(one(creation="None"), Nothing(), Before())
    assert bench.api.sent("GET") == [] and bench.generic.watched() == []


async def test_a_kind_that_may_not_be_watched_is_told_until_it_may(bench: Bench):
    bench.serves("/api/v1")
    bench.api.forbidden |= {("get", "configmaps"), ("watch", "configmaps")}
    widget = one()
    assert bench.generic.unwatched(widget) == ""
    async with following(bench):
        bench.api.forbidden.discard(("get", "configmaps"))
        await bench.sync(widget, {"k": b"v"})
        await until(lambda: bench.generic.unwatched(widget) != "")
        why = bench.generic.unwatched(widget)
        assert (
            why.startswith("changes of the target are noticed at the next refresh only: configmaps is forbidden")
            and "list, watch" in why
        )
        bench.api.forbidden.clear()
        await until(lambda: bench.generic.unwatched(widget) == "")


# --- deletion of the ExternalSecret
# --------------------------------------------------------------------------------------------------------


# C-232
@pytest.mark.parametrize(
    ("uid", "deleted"),
    [pytest.param("uid-test-es", True, id="ours goes"), pytest.param("uid-of-another", False, id="another's stays")],
)
async def test_c_232_only_what_carries_our_uid_is_deleted(bench: Bench, uid: str, deleted: bool):
    bench.serves("/api/v1")
    bench.api.put(CONFIG_MAPS, stored({"k": "v"}, uid))
    assert await bench.generic.delete_owned(one()) is deleted
    assert (bench.api.get(CONFIG_MAPS, "ns", "t") is None) is deleted


async def test_a_missing_kind_does_not_hold_the_deletion(bench: Bench):
    bench.api.fail(
        Status(404, "NotFound", "the server could not find the requested resource"), path="^/apis/gone.example.com/v1$"
    )
    assert await bench.generic.delete_owned(one("Gone", "gone.example.com/v1")) is False


@pytest.mark.parametrize("verb", ["get", "delete"])
async def test_a_right_that_was_taken_away_does_not_hold_the_deletion(bench: Bench, verb: str):
    bench.serves("/api/v1")
    bench.api.put(CONFIG_MAPS, stored({"k": "v"}))
    bench.api.forbidden.add((verb, "configmaps"))
    assert await bench.generic.delete_owned(one()) is False
    assert bench.log.warnings == ["the target is left to the garbage collector"]


async def test_an_api_server_in_trouble_does_hold_the_deletion(bench: Bench):
    bench.serves("/api/v1")
    bench.api.put(CONFIG_MAPS, stored({"k": "v"}))
    bench.api.fail(Status(500, "InternalError"), method="DELETE")
    with pytest.raises(Unavailable):
        await bench.generic.delete_owned(one())


@pytest.mark.parametrize(
    "version",
    [
        "../api/v1/namespaces/kube-system/secrets/x?",
        "apps/v1/../../../api/v1",
        "v1?a=b",
        "apps/v1#",
        "apps%2Fv1",
        "a..b/v1",
        "/v1",
        "apps/",
        "V1",
        "v1\n",
    ],
)
async def test_an_api_version_leads_to_no_other_url(version: str) -> None:
    async with FakeApiServer() as api:
        with pytest.raises(NoSuchKind):
            await Bench(api).generic.resource(version, "Secret")
        assert api.requests == []


# --- a target that somebody makes later
# ---------------------------------------------------------------------------------------------------------


def plain(name: str = "t") -> Json:
    return {"metadata": {"name": name, "namespace": "ns"}, "data": {"theirs": "1"}}


async def test_an_object_that_merges_is_told_when_its_target_appears(bench: Bench):
    bench.serves("/api/v1")
    waiting = one(creation="Merge")
    async with following(bench):
        assert await bench.generic.look(waiting) is None
        await until(lambda: bench.api.watching == 1)
        bench.api.put(CONFIG_MAPS, plain("another"))
        bench.api.put(CONFIG_MAPS, plain())
        await until(lambda: bench.told == [("v1", "ConfigMap", "ns", "t")])
        assert await bench.generic.look(waiting) is not None
        await until(lambda: bench.api.watching == 0)


async def test_only_objects_that_merge_wait_for_their_target(bench: Bench):
    bench.serves("/api/v1")
    for creation in ("Owner", "Orphan", "CreateOrMerge"):
        assert await bench.generic.look(one(creation=creation)) is None
    assert bench.generic.watched() == []


async def test_a_target_that_appears_while_it_is_looked_for_is_not_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """The watch of the kind runs already, for another object."""
    bench.serves("/api/v1")
    async with following(bench):
        await bench.generic.look(one(name="first", creation="Merge", target="absent"))
        await until(lambda: bench.api.watching == 1)
        get = bench.rest.get

        async def slow(*args: object, **options: object) -> bytes | None:
            found: bytes | None = await get(*args, **options)  # type: ignore[arg-type]  # handed through
            bench.api.put(CONFIG_MAPS, plain())
            await until(lambda: bench.told == [("v1", "ConfigMap", "ns", "t")])
            return found

        monkeypatch.setattr(bench.rest, "get", slow)
        assert await bench.generic.look(one(creation="Merge")) is None


async def test_an_object_that_is_gone_waits_for_nothing(bench: Bench):
    bench.serves("/api/v1")
    await bench.generic.look(one(creation="Merge"))
    assert [r.kind for r in bench.generic.watched()] == ["ConfigMap"]
    bench.generic.release(("ns", "test-es"))
    assert bench.generic.watched() == []


async def test_an_event_that_is_faster_than_the_reply_to_our_write_is_told_with_it(bench: Bench) -> None:
    generic = bench.generic
    one = es(target=target(manifest={"apiVersion": "v1", "kind": "ConfigMap"}))
    told: list[tuple[str, str] | None] = []
    reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(generic._sent(one, reply))
    await asyncio.sleep(0)
    generic.wrote(token_of(one), "7", told.append)
    assert told == []
    reply.set_result(b'{"metadata": {"resourceVersion": "7"}}')
    await sending
    assert told == [(one.namespace, one.name)]
    generic.wrote(token_of(one), "8", told.append)
    assert told[1:] == [None], "the next version is somebody else's"


async def test_an_event_while_a_write_fails_is_somebody_elses(bench: Bench) -> None:
    generic = bench.generic
    one = es(target=target(manifest={"apiVersion": "v1", "kind": "ConfigMap"}))
    told: list[tuple[str, str] | None] = []
    reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(generic._sent(one, reply))
    await asyncio.sleep(0)
    generic.wrote(token_of(one), "7", told.append)
    reply.set_exception(Unavailable("away"))
    with pytest.raises(Unavailable):
        await sending
    assert told == [None]
    generic.wrote(token_of(one), "7", told.append)
    assert told == [None, None]
