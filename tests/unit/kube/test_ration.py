"""The objects of one owner have a bound in the caches, large ones a smaller one; those of others are kept."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, decode_external_secret
from eso.api.meta import Undecodable
from eso.kube.ration import GROWTH, HEAVY, LARGE, TOO_MUCH, Ration

SIZE = 2 * LARGE


def external_secret(name: str, size: int = SIZE, namespace: str = "team", **more: Any) -> msgspec.Raw:
    meta = {"name": name, "namespace": namespace, "uid": name, "finalizers": ["keep"]}
    made: dict[str, Any] = {"metadata": meta | more, "spec": {"data": [{"secretKey": "", "remoteRef": {"key": "a"}}]}}
    made["spec"]["data"][0]["secretKey"] = "x" * (size - len(orjson.dumps(made)))
    raw = orjson.dumps(made)
    assert more or len(raw) == size
    return msgspec.Raw(raw)


def price(size: int) -> int:
    world = World(1 << 40)
    world.read(external_secret("a", size))
    return world.ration.held_by("team")


class World:
    def __init__(self, most: int = 0) -> None:
        self.most = most or 6 * PRICE
        self.ration = Ration(self.most, lambda namespace: namespace.partition("-")[0])
        self.account = self.ration.account(EXTERNAL_SECRETS, decode_external_secret)
        self.read = self.account.decode

    def gone(self, name: str, namespace: str = "team") -> None:
        self.account.forget((namespace, name))


PRICE = price(SIZE)


def test_what_is_more_than_the_ration_is_known_by_its_metadata_and_told() -> None:
    world = World()
    kept = [world.read(external_secret(name)) for name in "abc"]
    refused = world.read(external_secret("d"))
    assert all(isinstance(record, ExternalSecret) for record in kept)
    assert isinstance(refused, Undecodable)
    assert (refused.name, refused.error, refused.metadata.finalizers) == ("d", TOO_MUCH, ("keep",))


def test_an_object_of_very_many_members_is_heavy_as_long_as_it_is_kept() -> None:
    world = World(1 << 30)
    world.read(external_secret("long", HEAVY // 4))
    members = [{"secretKey": f"k{n}", "remoteRef": {"key": "a"}} for n in range(HEAVY // 300)]
    meta = {"name": "wide", "namespace": "team"}
    world.read(msgspec.Raw(orjson.dumps({"metadata": meta, "spec": {"data": members}})))
    assert [world.account.heavy(("team", name)) for name in ("long", "wide", "unknown")] == [False, True, False]
    world.gone("wide")
    assert not world.account.heavy(("team", "wide"))


def test_large_objects_leave_half_of_the_ration_to_ordinary_ones() -> None:
    world = World()
    while isinstance(world.read(external_secret(f"large-{world.ration.held_by('team')}")), ExternalSecret):
        pass
    assert isinstance(world.read(external_secret("ordinary", LARGE - 1)), ExternalSecret)


def test_ordinary_objects_have_a_bound_as_well() -> None:
    world, size = World(), LARGE // 4
    kept = sum(isinstance(world.read(external_secret(f"{n}", size)), ExternalSecret) for n in range(500))
    assert kept == world.most // price(size) < 500


def test_owners_have_rations_of_their_own_and_share_one_where_they_are_grouped() -> None:
    world, size = World(), LARGE - 1
    while isinstance(world.read(external_secret(f"{world.ration.held_by('team')}", size, "team-1")), ExternalSecret):
        pass
    assert isinstance(world.read(external_secret("d", size, "team-2")), Undecodable)
    assert isinstance(world.read(external_secret("d", size, "other")), ExternalSecret)


def test_large_objects_of_many_owners_together_have_a_bound_that_leaves_room_for_one_more() -> None:
    world = World(100 * PRICE)
    kept = []
    for owner in "abcde":
        count = 0
        while isinstance(world.read(external_secret(f"{count}", namespace=owner)), ExternalSecret):
            count += 1
        kept.append(count)
    assert kept == [50, 25, 12, 6, 3]


def test_an_object_that_goes_or_shrinks_makes_room() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name))
    world.gone("a")
    assert isinstance(world.read(external_secret("d")), ExternalSecret)
    world.read(external_secret("b", 500))
    assert isinstance(world.read(external_secret("e")), ExternalSecret)
    assert isinstance(world.read(external_secret("f")), Undecodable)


def test_what_a_list_brought_that_broke_off_counts_no_more_once_it_is_gone() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name))
    world.account.keep_only([("team", "a")])
    assert world.ration.held_by("team") == PRICE


def test_the_same_object_counts_once() -> None:
    world = World()
    for _ in range(10):
        assert isinstance(world.read(external_secret("a")), ExternalSecret)
    assert world.ration.held_by("team") == PRICE


def test_an_object_that_grows_past_the_ration_is_refused_and_gives_back_what_it_had() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name))
    assert isinstance(world.read(external_secret("a", 2 * SIZE)), Undecodable)
    assert world.ration.held_by("team") == 2 * PRICE


def test_an_object_that_is_kept_stays_when_its_status_makes_it_a_little_longer() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name))
    assert isinstance(world.read(external_secret("a", SIZE + 1000)), ExternalSecret)
    assert isinstance(world.read(external_secret("d")), Undecodable)


def test_small_edits_again_and_again_do_not_grow_past_the_ration() -> None:
    world, size = World(), SIZE
    for name in "abc":
        world.read(external_secret(name))
    for _ in range(20):
        size = int(size * 1.09)
        world.read(external_secret("a", size))
    assert world.ration.held_by("team") <= world.most * GROWTH / 2


LONG = {
    "annotations": {f"a{n}": "" for n in range(5000)},
    "labels": {f"l{n}": "" for n in range(5000)},
    "finalizers": [f"example.com/{n}" for n in range(5000)],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": f"{n}", "uid": f"{n}"} for n in range(1000)],
}


@pytest.mark.parametrize("part", LONG)
def test_of_an_object_that_is_refused_no_long_metadata_is_kept(part: str) -> None:
    world = World(1)
    small = {"annotations": {"a": "b"}, "labels": {"l": "m"}, "ownerReferences": [{"uid": "u"}]}
    refused = world.read(external_secret("a", **(small | {part: LONG[part]})))
    assert isinstance(refused, Undecodable)
    assert len(msgspec.json.encode(refused)) < 1000
    kept = {"annotations", "labels", "finalizers", "ownerReferences"} - {part}
    assert all(orjson.loads(msgspec.json.encode(refused.metadata)).get(name) for name in kept)


def test_managed_fields_are_no_part_of_a_record_so_they_cost_nothing() -> None:
    world = World()
    fields = [{"manager": f"m{n}", "fieldsV1": {"f:spec": {}}} for n in range(1000)]
    world.read(external_secret("a", 1000))
    before = world.ration.held_by("team")
    assert isinstance(world.read(external_secret("a", 1000, managedFields=fields)), ExternalSecret)
    assert world.ration.held_by("team") - before < 1000


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from((0, 500, LARGE - 1, SIZE, 2 * SIZE)))))
def test_what_is_counted_is_what_is_kept(steps: list[tuple[str, int]]) -> None:
    world, kept = World(), dict[str, int]()
    for name, size in steps:
        kept.pop(name, None)
        if not size:
            world.gone(name)
        elif isinstance(world.read(external_secret(name, size)), ExternalSecret):
            kept[name] = price(size)
        assert world.ration.held_by("team") == sum(kept.values()) <= world.most * GROWTH
