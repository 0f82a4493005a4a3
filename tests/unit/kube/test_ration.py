"""Large objects of one owner have a bound; ordinary ones, and those of others, are kept."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, decode_external_secret
from eso.api.meta import Undecodable
from eso.kube.ration import FACTOR, GROWTH, LARGE, TOO_MUCH, Ration

SIZE = 2 * LARGE
MOST = 3 * FACTOR * SIZE


def external_secret(name: str, size: int = SIZE, namespace: str = "team") -> msgspec.Raw:
    meta = {"name": name, "namespace": namespace, "uid": name, "finalizers": ["keep"]}
    made: dict[str, Any] = {"metadata": meta, "spec": {"data": [{"secretKey": "", "remoteRef": {"key": "a"}}]}}
    made["spec"]["data"][0]["secretKey"] = "x" * (size - len(orjson.dumps(made)))
    raw = orjson.dumps(made)
    assert len(raw) == size
    return msgspec.Raw(raw)


class World:
    def __init__(self, most: int = MOST) -> None:
        self.ration = Ration(most, lambda namespace: namespace.partition("-")[0])
        self.read = self.ration.decoder(EXTERNAL_SECRETS, decode_external_secret)
        self.told = self.ration.listener(EXTERNAL_SECRETS)


def test_what_is_more_than_the_ration_is_known_by_its_metadata_and_told() -> None:
    world = World()
    kept = [world.read(external_secret(name)) for name in "abc"]
    refused = world.read(external_secret("d"))
    assert all(isinstance(record, ExternalSecret) for record in kept)
    assert isinstance(refused, Undecodable)
    assert (refused.name, refused.error, refused.metadata.finalizers) == ("d", TOO_MUCH, ("keep",))


def test_ordinary_objects_are_always_kept() -> None:
    world = World(most=0)
    assert isinstance(world.read(external_secret("a", LARGE - 1)), ExternalSecret)
    assert isinstance(world.read(external_secret("b", LARGE)), Undecodable)


def test_owners_have_rations_of_their_own_and_share_one_where_they_are_grouped() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name, namespace="team-1"))
    assert isinstance(world.read(external_secret("d", namespace="team-2")), Undecodable)
    assert isinstance(world.read(external_secret("d", namespace="other")), ExternalSecret)


def test_an_object_that_goes_or_shrinks_makes_room() -> None:
    world = World()
    a, _, _ = (world.read(external_secret(name)) for name in "abc")
    world.told(a, None)
    assert isinstance(world.read(external_secret("d")), ExternalSecret)
    world.read(external_secret("b", 500))
    assert isinstance(world.read(external_secret("e")), ExternalSecret)
    assert isinstance(world.read(external_secret("f")), Undecodable)


def test_the_same_object_counts_once() -> None:
    world = World()
    for _ in range(10):
        assert isinstance(world.read(external_secret("a")), ExternalSecret)
    assert world.ration.held_by("team") == FACTOR * SIZE


def test_an_object_that_grows_past_the_ration_is_refused_and_gives_back_what_it_had() -> None:
    world = World()
    for name in "abc":
        world.read(external_secret(name))
    assert isinstance(world.read(external_secret("a", 2 * SIZE)), Undecodable)
    assert world.ration.held_by("team") == 2 * FACTOR * SIZE


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
    assert world.ration.held_by("team") <= MOST * GROWTH


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from((0, 500, LARGE, SIZE, 2 * SIZE)))))
def test_what_is_counted_is_what_is_kept(steps: list[tuple[str, int]]) -> None:
    world, kept = World(), dict[str, int]()
    for name, size in steps:
        if not size:
            world.told(decode_external_secret(external_secret(name, 500)), None)
            kept.pop(name, None)
            continue
        record = world.read(external_secret(name, size))
        kept.pop(name, None)
        if isinstance(record, ExternalSecret) and size >= LARGE:
            kept[name] = FACTOR * size
        assert world.ration.held_by("team") == sum(kept.values()) <= MOST * GROWTH
