from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import ObjectMeta, Undecodable
from eso.api.secretstore import decode_secret_store
from eso.reconcile.externalsecret.records import Sight, TargetRecord
from eso.reconcile.externalsecret.triggers import (
    SOURCE_CHANGED,
    SOURCE_REWRITTEN,
    TARGET_APPEARED,
    TARGET_CHANGED,
    Triggers,
    lane_of,
    tokens_of,
)
from eso.reconcile.kit.index import ReverseIndex
from eso.runtime.outcome import Lane
from tests.unit.reconcile.objects import NOW, es, target

OURS = wellknown.FINALIZER_EXTERNAL_SECRET


def with_meta(one: ExternalSecret, **changes: Any) -> ExternalSecret:
    return msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, **changes))


SYNCED = {
    "syncedResourceVersion": "1-x",
    "refreshTime": "2026-05-01T11:00:00Z",
    "conditions": [{"type": "Ready", "status": "True"}],
}


@pytest.mark.parametrize(
    ("new", "lane"),
    [
        pytest.param(es(), Lane.NEW, id="never synced goes first"),
        pytest.param(es(status=SYNCED), Lane.PERIODIC, id="synced by whoever was here before can wait"),
        pytest.param(es(status=SYNCED, target=target(immediate=True)), Lane.NEW, id="what is immediate never waits"),
        pytest.param(with_meta(es(status=SYNCED), deletion_timestamp=NOW), Lane.NEW, id="a deletion does not wait"),
        pytest.param(
            Undecodable(ObjectMeta(name="test-es", namespace="ns"), "why"),
            Lane.NEW,
            id="what cannot be read is told soon",
        ),
    ],
)
def test_the_lane_of_an_object_that_is_met(new: ExternalSecret | Undecodable, lane: Lane):
    assert lane_of(None, new) is lane


@pytest.mark.parametrize(
    ("changes", "lane"),
    [
        pytest.param({}, None, id="a status alone"),
        pytest.param({"resource_version": "2"}, None, id="a version alone"),
        pytest.param({"generation": 2}, Lane.NEW, id="the spec"),
        pytest.param({"labels": {"a": "b"}}, Lane.NEW, id="a label"),
        pytest.param({"annotations": {"a": "b"}}, Lane.NEW, id="an annotation"),
        pytest.param({"finalizers": ("theirs", "more")}, Lane.NEW, id="a finalizer of others"),
        pytest.param({"finalizers": ()}, Lane.NEW, id="a finalizer taken off"),
        pytest.param({"finalizers": ("theirs", OURS)}, None, id="our own finalizer put on"),
        pytest.param(
            {"finalizers": ("theirs", OURS), "deletion_timestamp": NOW},
            Lane.NEW,
            id="our own finalizer put on, then deleted",
        ),
        pytest.param({"deletion_timestamp": NOW}, Lane.NEW, id="deleted"),
        pytest.param({"uid": "another"}, Lane.NEW, id="recreated"),
    ],
)
def test_only_what_a_pass_could_react_to_wakes_an_object(changes: dict[str, Any], lane: Lane | None):
    before = with_meta(es(status=SYNCED), finalizers=("theirs",))
    assert lane_of(before, with_meta(before, **changes)) is lane


def test_our_finalizer_taken_off_by_somebody_wakes_the_object():
    before = with_meta(es(), finalizers=(OURS,))
    assert lane_of(before, with_meta(before, finalizers=())) is Lane.NEW


def store(kind: str = "SecretStore", ready: str = "True", generation: int = 1, uid: str = "u") -> Any:
    meta = {"name": "s", "namespace": "ns" if kind == "SecretStore" else "", "uid": uid, "generation": generation}
    status = {"conditions": [{"type": "Ready", "status": ready}]} if ready else {}
    return decode_secret_store(
        msgspec.json.encode({"kind": kind, "metadata": meta, "spec": {"provider": {"fake": {}}}, "status": status})
    )


STORE_REF = {"name": "s", "kind": "SecretStore"}


def test_an_object_depends_on_its_target_its_stores_and_its_sources():
    one = es(
        secretStoreRef=STORE_REF,
        target=target(
            template={
                "templateFrom": [{"configMap": {"name": "c", "items": []}}, {"secret": {"name": "t", "items": []}}]
            }
        ),
        data=[
            {
                "secretKey": "k",
                "remoteRef": {"key": "r"},
                "sourceRef": {"storeRef": {"name": "g", "kind": "ClusterSecretStore"}},
            }
        ],
    )
    assert tokens_of(one) == {
        ("Target", "ns", "test-secret"),
        ("SecretStore", "ns", "s"),
        ("ClusterSecretStore", "", "g"),
        ("Namespace", "", "ns"),
        ("ConfigMap", "ns", "c"),
        ("Secret", "ns", "t"),
    }


def test_a_target_of_another_kind_is_found_by_its_kind():
    one = es(target={"name": "m", "manifest": {"apiVersion": "v1", "kind": "ConfigMap"}})
    assert tokens_of(one) == {("v1/ConfigMap", "ns", "m")}


def test_the_reverse_index_follows_what_an_object_depends_on():
    index = ReverseIndex()
    a, b = ("SecretStore", "ns", "a"), ("SecretStore", "ns", "b")
    index.put(("ns", "two"), [a])
    index.put(("ns", "one"), [a, b, a])
    assert index.keys(a) == (("ns", "one"), ("ns", "two")) and index.keys(b) == (("ns", "one"),)
    index.put(("ns", "one"), [b])
    assert index.keys(a) == (("ns", "two"),)
    index.drop(("ns", "two"))
    index.drop(("ns", "never"))
    assert a not in index and b in index


class Watched:
    """Objects by key, and what was put on the queue."""

    def __init__(self, *objects: ExternalSecret) -> None:
        self.added: list[tuple[tuple[str, str], Lane, str, datetime | None]] = []
        self.objects = {(o.namespace, o.name): o for o in objects}
        self.triggers = Triggers(ReverseIndex(), lambda *args: self.added.append(args), self.objects.get, lambda: NOW)
        for one in objects:
            self.triggers.external_secret(None, one)
        self.added.clear()

    @property
    def woken(self) -> list[str]:
        return [key[1] for key, *_ in self.added]


def reader_of_s(name: str, ready: str, **spec: Any) -> ExternalSecret:
    status = {"conditions": [{"type": "Ready", "status": ready}]} if ready else {}
    return es(name=name, secretStoreRef=STORE_REF, status=status, **spec)


@pytest.mark.parametrize(
    ("old", "new", "woken", "newer_than"),
    [
        pytest.param(
            store(ready=""), store(), ["failed", "fresh"], None, id="turned Ready: only those that wait for it"
        ),
        pytest.param(None, store(), ["failed", "fresh"], None, id="met as Ready: only those that wait for it"),
        pytest.param(store(), store(), [], None, id="still Ready: nobody"),
        pytest.param(store(), store(ready="False"), [], None, id="no longer Ready: nobody, nothing can be read"),
        pytest.param(store(), store(generation=2), ["failed", "fine", "fresh"], NOW, id="edited: everybody"),
        pytest.param(
            store(), store(uid="other", ready=""), ["failed", "fine", "fresh"], NOW, id="recreated: everybody"
        ),
    ],
)
def test_a_store_wakes_its_readers(old: Any, new: Any, woken: list[str], newer_than: datetime | None):
    world = Watched(
        reader_of_s("fine", "True"), reader_of_s("failed", "False"), reader_of_s("fresh", ""), es(name="stranger")
    )
    world.triggers.store(old, new)
    assert sorted(world.woken) == woken
    assert {(lane, at) for _, lane, _, at in world.added} <= {(Lane.EVENT, newer_than)}


def test_a_changed_target_wakes_its_objects_as_drift_and_asks_for_no_new_read():
    world = Watched(es(name="one", target=target()), es(name="two", target=target()), es(name="other"))
    world.triggers.target("ns", "test-secret")
    assert world.added == [(("ns", name), Lane.DRIFT, "target changed", None) for name in ("one", "two")]


def test_an_immediate_target_goes_before_everything_else():
    world = Watched(es(name="now", target=target(immediate=True)), es(name="then", target=target()))
    world.triggers.target("ns", "test-secret")
    assert [(key[1], lane) for key, lane, *_ in world.added] == [("now", Lane.NEW), ("then", Lane.DRIFT)]


@pytest.mark.parametrize(
    ("new", "woken"), [({"team": "b"}, ["one"]), ({"team": "a"}, [])], ids=["changed labels", "the same labels"]
)
def test_labels_of_a_namespace_wake_those_that_read_cluster_stores(new: dict[str, str], woken: list[str]):
    world = Watched(
        es(name="one", secretStoreRef={"name": "g", "kind": "ClusterSecretStore"}),
        es(name="two", secretStoreRef=STORE_REF),
    )
    world.triggers.namespace("ns", {"team": "a"}, new)
    assert world.woken == woken


def test_an_object_that_is_gone_runs_once_more_and_depends_on_nothing():
    one = es(name="one", target=target())
    world = Watched(one)
    world.triggers.external_secret(one, None)
    assert world.added == [(("ns", "one"), Lane.NEW, "deleted", None)]
    world.added.clear()
    world.triggers.target("ns", "test-secret")
    assert world.added == []


def test_an_object_that_can_no_longer_be_read_depends_on_nothing():
    one = es(name="one", target=target())
    world = Watched(one)
    world.triggers.external_secret(one, Undecodable(msgspec.structs.replace(one.metadata, generation=2), "why"))
    assert world.woken == ["one"]
    assert not list(world.triggers.index.keys(("Target", "ns", "test-secret")))


def test_an_object_that_is_being_deleted_depends_on_nothing():
    one = es(name="one", target=target())
    world = Watched(one)
    world.triggers.external_secret(one, with_meta(one, deletion_timestamp=NOW))
    world.added.clear()
    world.triggers.target("ns", "test-secret")
    assert world.added == []


def test_what_only_one_namespace_uses_wakes_nobody_else():
    cluster = {"name": "g", "kind": "ClusterSecretStore"}
    here = es(name="here", secretStoreRef=cluster)
    world = Watched(here, with_meta(es(name="there", secretStoreRef=cluster), namespace="other"))
    world.triggers.depended("ClusterSecretStore", "", "g", "credential changed", within="ns")
    assert world.added == [(("ns", "here"), Lane.EVENT, "credential changed", NOW)]
    world.added.clear()
    world.triggers.depended("ClusterSecretStore", "", "g", "store changed")
    assert world.woken == ["here", "there"]


# --- Secrets: targets, sources, and our own writes
# ---------------------------------------------------------------------------------------------------------

FROM_SECRET = {"templateFrom": [{"secret": {"name": "test-secret", "items": [{"key": "k"}]}}]}


def around_one_secret() -> Watched:
    return Watched(
        es(name="owner", target=target()),
        es(name="merging", target=target("Merge")),
        es(name="itself", target=target("Merge", template=FROM_SECRET)),
        es(name="reading", target={"name": "another", "template": FROM_SECRET}),
        es(name="elsewhere", target={"name": "third"}),
    )


def record_of(*, managed: bool = True) -> TargetRecord:
    return TargetRecord("ns", "test-secret", "7", managed)


@pytest.mark.parametrize(
    ("sight", "targets", "sources"),
    [
        pytest.param(
            Sight(True),
            ["itself", "merging", "owner"],
            [("itself", SOURCE_CHANGED), ("reading", SOURCE_CHANGED)],
            id="somebody else's write wakes everybody",
        ),
        pytest.param(
            Sight(True, ("ns", "owner"), wrote=True),
            ["itself", "merging"],
            [("itself", SOURCE_REWRITTEN), ("reading", SOURCE_REWRITTEN)],
            id="our own write wakes everybody but its writer",
        ),
        pytest.param(
            Sight(True, ("ns", "itself"), wrote=True),
            ["merging", "owner"],
            [("reading", SOURCE_REWRITTEN)],
            id="an object whose source is its own target does not wake itself",
        ),
        pytest.param(
            Sight(True, ("ns", "itself")),
            ["merging", "owner"],
            [("itself", SOURCE_CHANGED), ("reading", SOURCE_CHANGED)],
            id="a version that a pass has read as its target may be news as a source",
        ),
        pytest.param(
            Sight(False),
            [],
            [("itself", SOURCE_CHANGED), ("reading", SOURCE_CHANGED)],
            id="a version older than our own write is no news of the target",
        ),
    ],
)
def test_whom_a_write_of_a_secret_wakes(sight: Sight, targets: list[str], sources: list[tuple[str, str]]):
    watched = around_one_secret()
    watched.triggers.secret(record_of(), sight, appeared=False)
    assert [key[1] for key, _, reason, _ in watched.added if reason == TARGET_CHANGED] == targets
    found = [(key[1], reason) for key, _, reason, _ in watched.added if reason in (SOURCE_CHANGED, SOURCE_REWRITTEN)]
    assert found == sources


@pytest.mark.parametrize(
    ("managed", "appeared", "woken"),
    [
        pytest.param(False, True, ["itself", "merging"], id="a Secret of somebody else appears: who merges is served"),
        pytest.param(False, False, [], id="a Secret without our label is edited"),
        pytest.param(True, True, ["itself", "merging", "owner"], id="a managed Secret appears"),
    ],
)
def test_a_target_that_appears_later_wakes_those_that_merge_into_it(managed: bool, appeared: bool, woken: list[str]):
    watched = around_one_secret()
    watched.triggers.secret(record_of(managed=managed), Sight(True), appeared=appeared)
    assert [key[1] for key, _, reason, _ in watched.added if reason in (TARGET_CHANGED, TARGET_APPEARED)] == woken


def test_objects_that_share_a_target_are_found():
    watched = around_one_secret()
    assert watched.triggers.sharing(es(name="owner", target=target())) == (
        ("ns", "itself"),
        ("ns", "merging"),
        ("ns", "owner"),
    )
