from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import data_hash, owner_hash
from eso.api.meta import CONFIG_MAPS, SECRETS
from eso.kube.rest import AlreadyExists, Conflict
from eso.reconcile.externalsecret import sources as sources_module
from eso.reconcile.externalsecret.decide import Seen
from eso.reconcile.externalsecret.desired import Create, Delete, Nothing, Patch, decoded, desired
from eso.reconcile.externalsecret.inputs import digest
from eso.reconcile.externalsecret.records import Sight, TargetRecord, target_record
from eso.reconcile.externalsecret.sources import SourceMissing, read_sources
from eso.reconcile.externalsecret.target import Before
from eso.reconcile.externalsecret.targets import Targets
from tests.fakes.apiserver import FakeApiServer, Json
from tests.unit.reconcile.objects import blank_secret, encoded, es, reference, target

KEY = ("ns", "test-secret")
WRITER = ("ns", "test-es")
CHANGED, ECHO, OLD = Sight(True), Sight(True, WRITER, wrote=True), Sight(False)
DATA = {"a": b"1"}
MARKS = {wellknown.LABEL_MANAGED: "true"}


def inputs(one: ExternalSecret, data: dict[str, bytes], sources: Any = None) -> bytes:
    return digest(b"key", one, data, sources or {})


class World:
    """Targets on an API server; `cache` is what the watch has shown so far, which is the test's decision."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api = api
        self.cache: dict[tuple[str, str], TargetRecord] = {}
        self.rest = api.rest()
        self.news: list[tuple[TargetRecord, Sight]] = []
        self.targets = Targets(
            self.rest, lambda *key: self.cache.get(key), self.labelled, lambda *seen: self.news.append(seen)
        )

    def labelled(self, namespace: str, created_by: str) -> list[TargetRecord]:
        return [r for r in self.cache.values() if (r.namespace, r.created_by) == (namespace, created_by)]

    def put(self, data: dict[str, str] | None = None, *, name: str = "test-secret", **meta: Any) -> Json:
        return self.api.put(SECRETS, blank_secret(data, name=name, **meta))

    def show(self, name: str = "test-secret") -> Sight | None:
        """The watch catches up on one Secret."""
        old, live = self.cache.get(("ns", name)), self.api.get(SECRETS, "ns", name)
        new = target_record(msgspec.json.encode(live)) if live else None
        if new is None:
            self.cache.pop(("ns", name), None)
        else:
            self.cache["ns", name] = new
        return self.targets.observed(old, new)

    def secret(self, name: str = "test-secret") -> dict[str, bytes] | None:
        live = self.api.get(SECRETS, "ns", name)
        return None if live is None else decoded(live)

    @property
    def reads(self) -> int:
        return len(self.api.sent("GET", "/secrets/"))

    async def sync(self, one: ExternalSecret, data: dict[str, bytes] = DATA) -> Any:
        """Read, shape, write, as a pass does."""
        live = await self.targets.live(one)
        change = desired(one, live, data, {})
        await self.targets.apply(one, change, Before(live, inputs(one, data)))
        return change


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        made = World(api)
        yield made
        await made.rest.access.close()


def test_of_a_secret_only_our_marks_are_kept():
    labels = {wellknown.LABEL_MANAGED: "true", wellknown.LABEL_CREATED_BY: "hash", "team": "a"}
    body = blank_secret({"a": "canary-value"}, labels=labels, resourceVersion="7")
    record = target_record(msgspec.json.encode(body))
    assert record == TargetRecord("ns", "test-secret", "7", True, "hash")
    assert "canary" not in repr(record) and encoded({"a": "canary-value"})["a"] not in repr(record)


@pytest.mark.parametrize("labels", [None, {}, {wellknown.LABEL_MANAGED: "True"}, {wellknown.LABEL_MANAGED: ""}])
def test_only_the_exact_label_makes_a_secret_managed(labels: dict[str, str] | None):
    body = {"metadata": {"name": "s", "namespace": "ns", "resourceVersion": "7", "labels": labels}}
    assert not target_record(msgspec.json.encode(body)).managed


async def test_a_secret_that_nobody_saw_costs_no_read(world: World):
    assert await world.targets.look(es(target=target())) is None
    assert world.reads == 0


@pytest.mark.parametrize(
    ("labels", "annotations", "seen"),
    [
        pytest.param(MARKS, {wellknown.ANNOTATION_DATA_HASH: data_hash(DATA)}, Seen(True, True), id="as we left it"),
        pytest.param(
            MARKS, {wellknown.ANNOTATION_DATA_HASH: data_hash({})}, Seen(True, False), id="changed by somebody"
        ),
        pytest.param(MARKS, None, Seen(True, False), id="without a hash"),
        pytest.param({}, {wellknown.ANNOTATION_DATA_HASH: data_hash(DATA)}, Seen(False, True), id="without our label"),
    ],
)
async def test_a_version_is_read_once(world: World, labels: Any, annotations: Any, seen: Seen):
    world.put({"a": "1"}, labels=labels, annotations=annotations)
    world.show()
    for _ in range(3):
        assert await world.targets.look(es(target=target())) == seen
    assert world.reads == 1


async def test_a_new_version_is_read_again(world: World):
    one = es(target=target())
    await world.sync(one)
    world.show()
    reads = world.reads
    assert await world.targets.look(one) == Seen(True, True) and world.reads == reads
    world.api.edit(SECRETS, *KEY, {"data": {"a": "aHVtYW4="}})
    world.show()
    assert await world.targets.look(one) == Seen(True, False) and world.reads == reads + 1


async def test_a_secret_that_went_before_the_watch_told_is_missing(world: World):
    one = es(target=target())
    await world.sync(one)
    world.show()
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    world.show()
    world.api.remove(SECRETS, *KEY)
    assert await world.targets.look(one) is None


async def test_our_own_write_is_known_before_the_watch_shows_it(world: World):
    one = es(target=target())
    assert isinstance(await world.sync(one), Create)
    reads = world.reads
    assert await world.targets.look(one) == Seen(True, True)
    assert world.targets.unchanged(one, inputs(one, DATA))
    assert world.reads == reads


async def test_the_echo_of_our_own_write_is_news_for_everybody_but_its_writer(world: World):
    await world.sync(es(target=target()))
    assert world.show() == ECHO
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    assert world.show() == CHANGED


def before_the_reply(world: World, happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """`happens` when the server has written a new Secret and its reply is still on its way."""
    create = world.rest.create

    async def slow(*args: Any, **options: Any) -> bytes:
        try:
            return await create(*args, **options)
        finally:
            happens()

    monkeypatch.setattr(world.rest, "create", slow)


async def test_an_echo_that_is_faster_than_the_reply_is_told_after_it(world: World, monkeypatch: pytest.MonkeyPatch):
    shown: list[Sight | None] = []
    before_the_reply(world, lambda: shown.append(world.show()), monkeypatch)
    one = es(target=target())
    await world.sync(one)
    assert (shown, world.news) == ([None], [(world.cache[KEY], ECHO)])
    reads = world.reads
    assert await world.targets.look(one) == Seen(True, True) and world.reads == reads
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    assert world.show() == CHANGED


async def test_what_somebody_wrote_before_our_reply_came_is_told_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    def edited() -> None:
        world.show()
        world.api.edit(SECRETS, *KEY, {"data": {"a": "aHVtYW4="}})
        world.show()

    before_the_reply(world, edited, monkeypatch)
    one = es(target=target())
    await world.sync(one)
    assert world.news == [(world.cache[KEY], CHANGED)]
    assert await world.targets.look(one) == Seen(True, False)


async def test_what_is_seen_while_our_write_fails_is_told(world: World, monkeypatch: pytest.MonkeyPatch):
    def faster() -> None:
        world.put({"b": "2"})
        world.show()

    one = es(target=target())
    live = await world.targets.live(one)
    change = desired(one, live, DATA, {})
    create = world.rest.create

    async def beaten(*args: Any, **options: Any) -> bytes:
        faster()
        return await create(*args, **options)

    monkeypatch.setattr(world.rest, "create", beaten)
    with pytest.raises(AlreadyExists):
        await world.targets.apply(one, change, Before(live))
    assert world.news == [(world.cache[KEY], CHANGED)]


async def test_an_older_version_than_our_own_write_is_no_news_of_the_target(world: World):
    one = es(target=target("Merge"))
    world.put({"b": "2"})
    old = target_record(msgspec.json.encode(world.api.get(SECRETS, *KEY)))
    await world.sync(one)
    assert world.targets.observed(None, old) == OLD
    assert world.targets.record(*KEY) != old
    assert world.show() == ECHO


async def test_the_deletion_of_an_earlier_secret_does_not_hide_the_one_we_made_since(world: World):
    """The watch is behind: what it tells of happened before our write."""
    one = es(target=target())
    await world.sync(one)
    world.show()
    world.api.remove(SECRETS, *KEY)
    before = world.cache.pop(KEY)
    await world.targets.live(one)
    await world.sync(one)
    assert world.targets.observed(before, None) == CHANGED
    assert await world.targets.look(one) == Seen(True, True)


async def test_a_deletion_is_news_and_the_secret_is_missing_without_a_read(world: World):
    one = es(target=target())
    await world.sync(one)
    world.show()
    world.api.remove(SECRETS, *KEY)
    assert world.show() == CHANGED
    reads = world.reads
    assert await world.targets.look(one) is None and world.reads == reads


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"generation": 2}, id="the spec"),
        pytest.param({"labels": {"a": "b"}}, id="a label"),
        pytest.param({"annotations": {"a": "b"}}, id="an annotation"),
        pytest.param({"uid": "another"}, id="another object of that name"),
    ],
)
async def test_inputs_cover_the_object(world: World, change: dict[str, Any]):
    one = es(target=target())
    await world.sync(one)
    assert not world.targets.unchanged(es(target=target(), **change), inputs(es(target=target(), **change), DATA, {}))


@pytest.mark.parametrize(
    ("data", "sources"),
    [
        pytest.param({"a": b"2"}, {}, id="a value"),
        pytest.param({"b": b"1"}, {}, id="a key"),
        pytest.param({}, {}, id="nothing at all"),
        pytest.param({"a": b"1", "b": b""}, {}, id="one more key"),
        pytest.param({"a": b"1"}, {("ConfigMap", "c"): {"k": "v"}}, id="a template source"),
    ],
)
async def test_inputs_cover_what_was_read(world: World, data: dict[str, bytes], sources: Any):
    one = es(target=target())
    await world.sync(one)
    assert not world.targets.unchanged(one, inputs(one, data, sources))


def test_inputs_do_not_depend_on_the_order_and_are_not_confused_by_lengths():
    one = es()
    assert inputs(one, {"a": b"1", "b": b"2"}, {}) == inputs(one, {"b": b"2", "a": b"1"}, {})
    assert inputs(one, {"a": b"11:b1:2"}, {}) != inputs(one, {"a": b"1", "b": b"2"}, {})
    assert inputs(one, {"ab": b"c"}, {}) != inputs(one, {"a": b"bc"}, {})


async def test_a_digest_says_nothing_once_the_secret_changed(world: World):
    one = es(target=target())
    await world.sync(one)
    world.show()
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    world.show()
    assert not world.targets.unchanged(one, inputs(one, DATA))


async def test_a_pass_that_had_nothing_to_write_is_remembered_too(world: World):
    one = es(target=target())
    await world.sync(one)
    world.show()
    fresh = World(world.api)
    fresh.show()
    assert await fresh.sync(one) == Nothing()
    assert fresh.targets.unchanged(one, inputs(one, DATA))
    await fresh.rest.access.close()


async def test_writes_carry_the_manager_and_the_version(world: World):
    one = es(target=target("Merge"))
    live = world.put({"b": "2"})
    change = await world.sync(one)
    assert isinstance(change, Patch)
    (patch,) = world.api.sent("PATCH")
    assert patch.query["fieldManager"] == "externalsecrets.external-secrets.io/test-es"
    assert patch.body["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    assert patch.body["metadata"]["uid"] == live["metadata"]["uid"]
    assert world.secret() == {"a": b"1", "b": b"2"}


async def test_a_write_after_somebody_elses_is_refused_and_the_next_pass_reads(world: World):
    one = es(target=target("Merge"))
    world.put({"b": "2"})
    live = await world.targets.live(one)
    world.api.edit(SECRETS, *KEY, {"data": encoded({"b": "3"})})
    with pytest.raises(Conflict):
        await world.targets.apply(one, desired(one, live, DATA, {}), Before(live))
    world.targets.lost(one)
    await world.sync(one)
    assert world.secret() == {"a": b"1", "b": b"3"}


async def test_a_secret_that_appeared_is_not_overwritten_and_the_next_look_reads(world: World):
    one = es(target=target())
    world.put({"b": "2"})
    with pytest.raises(AlreadyExists):
        await world.targets.apply(one, desired(one, None, DATA, {}), Before())
    world.targets.lost(one)
    assert await world.targets.look(one) == Seen(False, False)
    assert world.secret() == {"b": b"2"}


async def test_labelling_touches_nothing_but_the_label(world: World):
    before = world.put({"b": "2"}, labels={"x": "y"})
    world.show()
    await world.targets.look(es(target=target()))
    await world.targets.label(es(target=target()))
    after = world.api.get(SECRETS, *KEY)
    assert after is not None and after["data"] == before["data"]
    assert after["metadata"]["labels"] == {"x": "y", **MARKS}
    assert world.show() == ECHO


@pytest.mark.parametrize(
    ("references", "deleted"),
    [
        pytest.param([reference()], True, id="ours"),
        pytest.param([reference(uid="old")], False, id="of the object of that name before us"),
        pytest.param([reference(controller=False)], False, id="owned, not controlled"),
        pytest.param([reference("another", uid="uid-2")], False, id="another's"),
        pytest.param([], False, id="nobody's"),
    ],
)
async def test_a_deleted_object_takes_along_only_what_carries_its_uid(
    world: World, references: list[Json], deleted: bool
):
    world.put({"a": "1"}, ownerReferences=references)
    assert await world.targets.delete_owned(es(target=target("Owner", "Delete"))) is deleted
    assert (world.secret() is None) is deleted


async def test_a_deleted_object_whose_target_is_gone_has_nothing_to_delete(world: World):
    assert await world.targets.delete_owned(es(target=target("Owner", "Delete"))) is False
    assert world.api.writes == []


async def test_deleting_names_the_very_object_that_was_read(world: World):
    live = world.put({"a": "1"}, ownerReferences=[reference()])
    one = es(target=target("Owner", "Delete"))
    await world.targets.apply(one, Delete(), Before(await world.targets.live(one)))
    (request,) = world.api.sent("DELETE")
    assert request.body["preconditions"] == {
        "uid": live["metadata"]["uid"],
        "resourceVersion": live["metadata"]["resourceVersion"],
    }
    assert world.secret() is None


async def test_deleting_what_is_not_there_asks_nobody(world: World):
    await world.targets.apply(es(target=target("Owner", "Delete")), Delete(), Before())
    assert world.api.requests == []


async def test_orphans_are_what_is_marked_bound_and_named_otherwise(world: World):
    one, mark = es(target=target()), {wellknown.LABEL_CREATED_BY: owner_hash("ns", "test-es")}
    world.put(name="test-secret", labels=mark, ownerReferences=[reference()])
    world.put(name="earlier", labels=mark, ownerReferences=[reference()])
    world.put(name="before-recreation", labels=mark, ownerReferences=[reference(uid="old")])
    world.put(name="copy", labels=mark)
    world.put(
        name="others",
        labels={wellknown.LABEL_CREATED_BY: owner_hash("ns", "another")},
        ownerReferences=[reference("another")],
    )
    for name in ("test-secret", "earlier", "before-recreation", "copy", "others"):
        world.show(name)
    world.cache["ns", "gone"] = TargetRecord("ns", "gone", "1", True, owner_hash("ns", "test-es"))
    assert sorted(await world.targets.delete_orphans(one)) == [
        "before-recreation",
        "earlier",
    ]
    assert sorted(s["metadata"]["name"] for s in world.api.all(SECRETS)) == ["copy", "others", "test-secret"]


SOURCES = target(
    template={
        "templateFrom": [
            {"configMap": {"name": "c", "items": [{"key": "k"}]}},
            {"secret": {"name": "t", "items": [{"key": "k"}]}},
        ]
    }
)


async def test_template_sources_are_read_as_text(world: World):
    world.api.put(
        CONFIG_MAPS,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "ns"}, "data": {"k": "plain"}},
    )
    world.put({"k": b"\xff"}, name="t")  # type: ignore[dict-item]  # bytes that are no text
    found = await read_sources(world.rest, es(target=SOURCES))
    assert found == {("ConfigMap", "c"): {"k": "plain"}, ("Secret", "t"): {"k": "\udcff"}}


async def test_a_missing_template_source_is_named(world: World):
    with pytest.raises(SourceMissing, match=r'^configmaps "c" not found$'):
        await read_sources(world.rest, es(target=SOURCES))


async def test_no_value_stays_in_memory(world: World):
    one = es(target=target())
    await world.sync(one, {"a": b"canary-value"})
    world.show()
    held = repr((world.targets._verified, world.targets._written, world.cache))
    assert "canary" not in held and encoded({"a": "canary-value"})["a"] not in held


async def test_template_sources_are_bounded_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "MOST_BYTES", 3_000)
    for name in ("a", "b"):
        world.api.put(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "ns"}, "data": {"k": "x" * 2_000}})
    one = es(
        target=target(
            template={"templateFrom": [{"configMap": {"name": name, "items": [{"key": "k"}]}} for name in ("a", "b")]}
        )
    )
    with pytest.raises(SourceMissing, match="more than 3000 bytes"):
        await read_sources(world.rest, one)


async def test_a_doubt_about_a_target_that_nobody_has_any_more_is_forgotten(world: World) -> None:
    one = es(target=target())
    world.targets.lost(one)
    world.targets.released(KEY)
    assert world.targets._doubtful == set()


async def test_our_own_deletion_is_known_to_its_writer(world: World) -> None:
    one = es(target=target("Owner", "Delete"))
    await world.sync(one)
    world.show()
    await world.targets.apply(one, Delete(), Before(await world.targets.live(one)))
    assert world.show() == ECHO
    world.put({"b": "2"})
    world.show()
    world.api.remove(SECRETS, *KEY)
    assert world.show() == CHANGED


async def test_a_deletion_that_a_finalizer_holds_up_is_news_when_it_happens(world: World) -> None:
    one = es(target=target("Owner", "Delete"))
    await world.sync(one)
    world.api.edit(SECRETS, *KEY, {"metadata": {"finalizers": ["theirs"]}})
    world.show()
    await world.targets.apply(one, Delete(), Before(await world.targets.live(one)))
    assert world.show() == CHANGED  # the time of its deletion was set
    world.api.remove(SECRETS, *KEY)
    assert world.show() == CHANGED


async def test_a_deletion_that_failed_leaves_no_trace(world: World) -> None:
    one = es(target=target("Owner", "Delete"))
    await world.sync(one)
    world.show()
    live = await world.targets.live(one)
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    with pytest.raises(Conflict):
        await world.targets.apply(one, Delete(), Before(live))
    world.api.remove(SECRETS, *KEY)
    assert world.show() == CHANGED


async def test_a_newer_version_that_a_pass_has_read_is_news_for_everybody_else(world: World) -> None:
    one = es(target=target())
    await world.sync(one)
    world.show()
    world.api.edit(SECRETS, *KEY, {"metadata": {"labels": {"x": "y"}}})
    await world.targets.live(one)
    assert world.show() == Sight(True, WRITER)
