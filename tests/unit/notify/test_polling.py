"""Versions that a store tells: what has changed since the last time is handed over, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import Change, ChangeSourceSpec, Driven, Full, Intake, Place, Poll, StoreKey, Taken, Unwritten
from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.notify.limits import Limits
from eso.notify.polling import BUCKETS, TOGETHER, Polling, digests
from eso.notify.receiving import FULL, PAUSE, Intakes
from eso.providers.contract import Denied, InvalidConfig, Unavailable
from eso.stores.gate import GateClosed
from tests.fakes.clock import VirtualClock

KEY = ("team", "source")
STORE: StoreKey = ("SecretStore", "team", "store")
OTHER: StoreKey = ("SecretStore", "team", "other")


class Desk:
    """`versions` by store name and key; an error fails the whole store."""

    def __init__(self, *stores: StoreKey, interval: str = "5m", within: str = "team") -> None:
        self.clock = VirtualClock()
        self.versions: dict[str, dict[str, str] | EsoError] = {}
        self.read: dict[StoreKey, list[tuple[str, str]]] = {}
        self.own_logins, self.slow = False, 0.0
        self.refused: set[str] = set()  # namespaces that may not use the store
        self.broken: set[str] = set()  # namespaces whose login fails
        self.closed: set[str] = set()  # namespaces whose gates are closed
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.taken: list[tuple[Change, ...]] = []
        self.answers: list[Intake] = []
        self.outcomes: list[str] = []
        self.seen: tuple[str, ...] = ()
        places = tuple(Place(store, within) for store in stores or (STORE,))
        self.driven = Driven("uid", ChangeSourceSpec(poll=Poll(interval)), places)
        self.again()

    def again(self) -> None:
        """What a new process, or an edit of the source, begins with."""
        intakes = Intakes(self.take, lambda key, outcome: None, Limits(), self)
        self.polling = Polling(KEY, self.driven, self, self.readers, self, intakes, self.clock)

    def readers(self, store: StoreKey, within: str) -> list[tuple[str, str]]:
        return [one for one in self.read.get(store, []) if within in ("", one[0])]

    def per_consumer(self, namespace: str, ref: StoreRef) -> bool:
        if namespace in self.refused:
            raise InvalidConfig("the store admits other namespaces")
        return self.own_logins

    async def probe(self, namespace: str, ref: StoreRef, keys: tuple[str, ...]) -> Mapping[str, str]:
        self.asked.append((namespace, ref.name, keys))
        self.clock.jump(self.slow)
        if namespace in self.closed:
            raise GateClosed("slow down")
        if namespace in self.broken:
            raise Denied("not with this login")
        found = self.versions[ref.name]
        if isinstance(found, EsoError):
            raise found
        return {key: found[key] for key in keys if key in found}

    def recall(self, key: Any) -> tuple[str, ...]:
        return self.seen

    def remember(self, key: Any, seen: tuple[str, ...]) -> None:
        self.seen = seen

    async def take(self, key: Any, changes: tuple[Change, ...], at: Any) -> Intake:
        answer = self.answers.pop(0) if self.answers else Taken(1)
        if isinstance(answer, Taken):
            self.taken.append(changes)
        return answer

    def change_event(self, source: Any, outcome: str) -> None:
        self.outcomes.append(outcome)

    async def step(self) -> list[str]:
        """The keys that were handed over."""
        before = len(self.taken)
        self.pause = await self.polling.step()
        return [change.key for changes in self.taken[before:] for change in changes]


def desk(**versions: str) -> Desk:
    made = Desk()
    made.versions["store"] = dict(versions)
    made.read[STORE] = [("team", key) for key in versions]
    return made


async def test_a_version_that_moved_is_told_once():
    one = desk(a="1", b="1")
    assert await one.step() == [] and one.pause == 300.0
    one.versions["store"] = {"a": "2", "b": "1"}
    assert await one.step() == ["a"]
    assert await one.step() == []


async def test_each_store_is_asked_once_for_all_keys_that_are_read():
    one = desk(a="1", b="1")
    one.read[STORE] *= 50
    await one.step()
    assert one.asked == [("team", "store", ("a", "b"))]


async def test_a_secret_that_went_and_one_that_came_are_told():
    one = desk(a="1", b="1")
    await one.step()
    one.versions["store"] = {"b": "1"}
    assert await one.step() == ["a"]
    one.versions["store"] = {"a": "1", "b": "1"}
    assert await one.step() == ["a"]


async def test_a_key_that_is_read_only_now_is_told_once_since_it_may_have_changed_before_it_was_seen():
    one = desk(a="1")
    await one.step()
    one.versions["store"] = {"a": "1", "b": "7"}
    one.read[STORE].append(("team", "b"))
    assert await one.step() == ["b"]
    assert await one.step() == []


async def test_a_new_process_tells_of_what_changed_meanwhile():
    one = desk(**{f"key-{n}": "1" for n in range(200)})
    await one.step()
    one.again()
    assert await one.step() == []
    one.again()
    versions = dict(one.versions["store"])  # type: ignore[arg-type]  # no error here
    one.versions["store"] = versions | {"key-7": "2"}
    told = await one.step()
    assert "key-7" in told and len(told) < 20  # those of one bucket
    one.again()
    assert await one.step() == []


async def test_what_was_not_handed_over_is_told_by_the_next_process():
    one = desk(a="1")
    await one.step()
    one.versions["store"] = {"a": "2"}
    one.answers = [Full()]
    assert await one.step() == [] and one.pause == FULL
    one.again()
    assert await one.step() == ["a"]


async def test_what_is_not_taken_is_offered_again_without_another_probe():
    one = desk(**{f"key-{n:03}": "1" for n in range(TOGETHER + 10)})
    await one.step()
    asked = len(one.asked)
    one.versions["store"] = {key: "2" for key in one.versions["store"]}  # type: ignore[union-attr]  # no error here
    one.answers = [Taken(1), Unwritten()]
    assert len(await one.step()) == TOGETHER and one.pause == PAUSE
    assert len(await one.step()) == 10 and one.pause == 300.0
    assert len(one.asked) == asked + 1
    assert one.outcomes == ["accepted", "unwritten", "accepted"]


async def test_where_many_keys_do_not_fit_beside_pending_ones_fewer_are_handed_over():
    one = desk(**{f"key-{n:03}": "1" for n in range(10)})
    await one.step()
    one.versions["store"] = {key: "2" for key in one.versions["store"]}  # type: ignore[union-attr]  # no error here
    one.answers = [Full(), Taken(1), Full(), Full(), Full()]  # ten, five, then five, two and one
    assert len(await one.step()) == 5 and one.pause == FULL
    assert one.outcomes == ["accepted", "full"]
    assert len(await one.step()) == 5 and one.pause == 300.0


async def test_a_store_that_fails_forgets_nothing_and_holds_no_other_up():
    one = Desk(STORE, OTHER)
    one.versions = {"store": {"a": "1"}, "other": {"b": "1"}}
    one.read = {STORE: [("team", "a")], OTHER: [("team", "b")]}
    await one.step()
    one.versions = {"store": Unavailable("away"), "other": {"b": "2"}}
    with pytest.raises(Unavailable):
        await one.step()
    assert one.taken == [(Change("b"),)]
    one.versions["store"] = {"a": "1"}
    assert await one.step() == []
    one.versions["store"] = {"a": "2"}
    assert await one.step() == ["a"]


async def test_a_store_that_nobody_reads_from_is_not_asked():
    one = Desk()
    assert await one.step() == [] and one.asked == []


async def test_a_cluster_store_is_asked_once_or_once_for_each_login():
    store: StoreKey = ("ClusterSecretStore", "", "store")
    one = Desk(store, within="")
    one.versions["store"] = {"a": "1", "b": "1"}
    one.read[store] = [("red", "a"), ("blue", "b")]
    await one.step()
    assert one.asked == [("blue", "store", ("a", "b"))]
    one.own_logins, one.asked = True, []
    one.again()
    await one.step()
    assert one.asked == [("blue", "store", ("b",)), ("red", "store", ("a",))]


async def test_only_keys_of_the_namespace_are_asked_for():
    store: StoreKey = ("ClusterSecretStore", "", "store")
    one = Desk(store, within="red")
    one.versions["store"] = {"a": "1", "b": "1"}
    one.read[store] = [("red", "a"), ("blue", "b")]
    await one.step()
    assert one.asked == [("red", "store", ("a",))]


SHARED: StoreKey = ("ClusterSecretStore", "", "store")


def shared(own_logins: bool = False) -> Desk:
    one = Desk(SHARED, within="")
    one.own_logins = own_logins
    one.versions["store"] = {"a": "1", "b": "1"}
    one.read[SHARED] = [("blue", "a"), ("red", "b")]
    return one


async def test_a_namespace_that_may_not_use_the_store_keeps_nobody_from_being_heard():
    one = shared()
    one.refused = {"blue"}
    await one.step()
    assert one.asked == [("red", "store", ("b",))]
    one.refused = {"blue", "red"}
    with pytest.raises(InvalidConfig):
        await one.step()


async def test_a_login_that_fails_in_one_namespace_is_its_own_business():
    one = shared(own_logins=True)
    await one.step()
    one.broken = {"blue"}
    one.versions["store"] = {"a": "2", "b": "2"}
    assert await one.step() == ["b"]
    one.broken = set()
    assert await one.step() == ["a"]
    one.broken = {"blue", "red"}
    with pytest.raises(Denied):
        await one.step()


async def test_gates_that_one_namespace_has_closed_keep_nobody_else_from_being_heard():
    one = shared()
    one.closed = {"blue"}
    await one.step()
    one.versions["store"] = {"a": "2", "b": "2"}
    assert await one.step() == ["a", "b"]
    one.closed = set()
    assert await one.step() == [], "a version is the same whoever asked"
    one.closed = {"blue", "red"}
    with pytest.raises(GateClosed):
        await one.step()


async def test_a_probe_that_takes_long_is_made_less_often():
    one = desk(a="1")
    one.slow = 60.0
    await one.step()
    assert one.pause == 540.0


async def test_a_store_that_is_named_twice_is_asked_once():
    one = Desk(STORE, STORE)
    one.versions["store"] = {"a": "1"}
    one.read[STORE] = [("team", "a")]
    await one.step()
    assert len(one.asked) == 1


TOKENS = st.dictionaries(
    st.tuples(st.just(STORE), st.sampled_from(["team", "x"]), st.text(max_size=5)), st.text(max_size=5), max_size=30
)


@given(TOKENS)
async def test_digests_depend_on_the_tokens_and_not_on_their_order(tokens: dict[Any, str]):
    made = await digests(tokens)
    assert len(made) == BUCKETS and made == await digests(dict(reversed(tokens.items())))
    for token, its in tokens.items():
        assert await digests(tokens | {token: its + "!"}) != made
