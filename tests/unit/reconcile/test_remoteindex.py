"""From a key that has changed to the objects that read it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from eso.api.changesource import Change
from eso.api.externalsecret import ExternalSecret, decode_external_secret
from eso.gocompat import regexp
from eso.reconcile.externalsecret import remoteindex
from eso.reconcile.externalsecret.remoteindex import RemoteIndex

STORE = ("SecretStore", "team", "store")
SHARED = ("ClusterSecretStore", "", "shared")


def made(name: str = "es", namespace: str = "team", store: str = "store", kind: str = "SecretStore", **spec: Any):
    body = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"secretStoreRef": {"name": store, "kind": kind}, "refreshInterval": "1h", **spec},
    }
    found = decode_external_secret(orjson.dumps(body))
    assert isinstance(found, ExternalSecret)
    return found


def one(key: str, **more: Any) -> dict[str, Any]:
    return {"secretKey": "x", "remoteRef": {"key": key, **more}}


class World:
    """An index with the objects that are in it."""

    def __init__(self, *objects: ExternalSecret, block: Any = ("fake", {})) -> None:
        self.block = block
        self.objects = {(es.namespace, es.name): es for es in objects}
        self.index = RemoteIndex(lambda store: self.block)
        for key, es in self.objects.items():
            self.index.put(key, es)

    def told(self, change: Change, store=STORE, within: str = "") -> list[str]:
        return [f"{ns}/{name}" for ns, name in self.index.readers(store, change, within, self.objects.get)]


def test_objects_are_found_by_what_they_read():
    world = World(
        made("data", data=[one("a")]),
        made("extract", dataFrom=[{"extract": {"key": "a"}}]),
        made("both", data=[one("a"), one("b")], dataFrom=[{"extract": {"key": "a"}}]),
        made("other", data=[one("b")]),
    )
    assert world.told(Change("a")) == ["team/both", "team/data", "team/extract"]
    assert world.told(Change("b")) == ["team/both", "team/other"]
    assert world.told(Change("c")) == []


def test_a_store_of_one_entry_counts():
    entry = one("a") | {"sourceRef": {"storeRef": {"name": "store"}}}
    world = World(made("elsewhere", store="another", data=[entry, one("b")]))
    assert world.told(Change("a")) == ["team/elsewhere"]
    assert world.told(Change("b")) == []
    assert world.told(Change("b"), ("SecretStore", "team", "another")) == ["team/elsewhere"]


def test_a_store_of_the_same_name_elsewhere_is_another_one():
    world = World(made(data=[one("a")]), made("theirs", "other", data=[one("a")]))
    assert world.told(Change("a")) == ["team/es"]
    assert world.told(Change("a"), ("ClusterSecretStore", "", "store")) == []


def test_a_shared_store_can_be_narrowed_to_a_namespace():
    shared = {"store": "shared", "kind": "ClusterSecretStore"}
    find = [{"find": {"name": {"regexp": "a"}}}]
    world = World(
        made(data=[one("a")], **shared),
        made("es", "other", data=[one("a")], **shared),
        made("find", "other", dataFrom=find, **shared),
    )
    assert world.told(Change("a"), SHARED) == ["other/es", "other/find", "team/es"]
    assert world.told(Change("a"), SHARED, "team") == ["team/es"]
    assert world.told(Change("", prefix=True), SHARED, "team") == ["team/es"]


@pytest.mark.parametrize(
    ("find", "key", "woken"),
    [
        pytest.param({"path": "team"}, "team/db", True, id="below the path"),
        pytest.param({"path": "team"}, "other/db", False, id="elsewhere"),
        pytest.param({"name": {"regexp": "^db"}}, "db-main", True, id="the expression matches"),
        pytest.param({"name": {"regexp": "^db"}}, "team/db-main", True, id="it matches the last part"),
        pytest.param({"name": {"regexp": "^db$"}}, "team/db-main", False, id="it does not match"),
        pytest.param({"path": "team", "name": {"regexp": "^a/b$"}}, "team/a/b", True, id="it matches below the path"),
        pytest.param({"path": "team", "name": {"regexp": "db"}}, "other/db", False, id="both must match"),
        pytest.param({"tags": {"a": "b"}}, "anything", True, id="tags are not known"),
        pytest.param({"name": {"regexp": "("}}, "a", False, id="the search fails anyway"),
    ],
)
def test_a_search_is_woken_by_what_it_may_find(find, key, woken):
    assert bool(World(made(dataFrom=[{"find": find}])).told(Change(key))) is woken


def test_a_search_below_the_mount_is_woken_by_its_events():
    world = World(made(dataFrom=[{"find": {"path": "team"}}]), block=("vault", {"path": "secret"}))
    assert world.told(Change("secret/team/db")) == ["team/es"]
    assert world.told(Change("other/team/db")) == ["team/es"], "a wrong yes costs one search"
    assert world.told(Change("secret/their/db")) == []


def test_a_prefix_wakes_all_that_lies_below_and_every_search():
    find = [{"find": {"path": "x"}}]
    world = World(made("in", data=[one("t/a")]), made("out", data=[one("u/a")]), made("find", dataFrom=find))
    assert world.told(Change("t/", prefix=True)) == ["team/find", "team/in"]
    assert world.told(Change("", prefix=True)) == ["team/find", "team/in", "team/out"]


@pytest.mark.parametrize(
    ("pinned", "told", "woken"),
    [
        ("", "7", True),
        ("7", "7", True),
        ("6", "7", False),
        ("6", "", True),
        ("latest", "7", True),
        ("AWSCURRENT", "7", True),
        ("uuid/6a1b6a1b-6a1b-6a1b-6a1b-6a1b6a1b6a1b", "7", False),
        ("00112233445566778899aabbccddeeff", "7", False),
    ],
)
def test_a_pinned_version_is_woken_by_its_own_event_only(pinned, told, woken):
    world = World(made(data=[one("a", version=pinned)]))
    assert bool(world.told(Change("a", told))) is woken


def test_one_read_that_is_not_pinned_is_enough():
    world = World(made(data=[one("a", version="6"), one("a")]))
    assert world.told(Change("a", "7")) == ["team/es"]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"refreshPolicy": "CreatedOnce"}, id="reads once"),
        pytest.param({"refreshPolicy": "OnChange"}, id="reads when it is edited"),
        pytest.param({"refreshInterval": "0"}, id="never reads again"),
        pytest.param({"refreshInterval": "nonsense"}, id="cannot be read"),
        pytest.param(
            {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}}]}, id="makes new values"
        ),
    ],
)
def test_objects_that_no_event_may_make_read_are_left_alone(spec):
    assert World(made(data=[one("a")], **spec)).told(Change("a")) == []


def test_an_edit_an_end_and_another_provider_are_followed():
    world = World(made(data=[one("a")]), block=("vault", {"path": "kv"}))
    key = ("team", "es")
    world.objects[key] = made(data=[one("b")])
    world.index.put(key, world.objects[key])
    assert world.told(Change("a")) == [] and world.told(Change("kv/b")) == ["team/es"]
    world.block = ("vault", {"path": "other"})
    world.index.put(key, world.objects[key])
    assert world.told(Change("other/b")) == ["team/es"] and world.told(Change("kv/b")) == []
    world.index.drop(key)
    world.index.drop(key)
    assert world.told(Change("b")) == [] and len(world.index) == 0
    assert world.index._names == {} and world.index._finds == {}


def test_objects_that_cost_too_much_to_look_at_count_as_readers(monkeypatch: pytest.MonkeyPatch):
    compiled = 0
    compile_ = regexp.compile

    def counting(pattern: str) -> regexp.Regexp:
        nonlocal compiled
        compiled += 1
        return compile_(pattern)

    monkeypatch.setattr(remoteindex.regexp, "compile", counting)
    dear = [made(f"dear-{n:03}", dataFrom=[{"find": {"name": {"regexp": f"(?:a?b?){{200}}{n}$"}}}]) for n in range(500)]
    world = World(*dear)
    assert 500 > len(world.told(Change("x" * 100))) >= 500 - compiled
    assert 0 < compiled < 60
    wide = [
        made(f"wide-{n}", data=[one("a")] * 1_999, dataFrom=[{"find": {"name": {"regexp": "b"}}}]) for n in range(9)
    ]
    assert len(World(*wide).told(Change("c"))) == 7, "two were looked at"
    pins = [made(f"pins-{n}", data=[one("a", version="1")] * 2_000) for n in range(9)]
    assert len(World(*pins).told(Change("a", version="2"))) == 7


def test_a_key_that_is_no_text_is_compared_all_the_same():
    world = World(made("finds", dataFrom=[{"find": {"name": {"regexp": "^a"}}}]))
    assert world.told(Change("a\ud800")) == ["team/finds"]


def test_an_object_that_reads_thousands_is_concerned_by_every_change_in_its_stores():
    many = [one(f"k{n}") for n in range(2_001)]
    world = World(made("wide", data=many), made("other", data=[one("k1")]), made("elsewhere", store="x", data=many))
    assert world.told(Change("anything")) == ["team/wide"]
    assert world.told(Change("k1")) == ["team/other", "team/wide"]
    world.index.drop(("team", "wide"))
    assert world.told(Change("k1")) == ["team/other"]
