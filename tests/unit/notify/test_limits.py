"""What one source may send in a second, and what all of one namespace may."""

from __future__ import annotations

import pytest

from eso.api.changesource import Change
from eso.notify.limits import EVENTS, MOST_BUCKETS, NAMESPACE, REQUESTS, Limits, cost_of


def count(limits: Limits, now: float, namespace: str = "team", uid: str = "uid", cost: float = 1.0) -> int:
    """How many events in a row are let through."""
    for n in range(10_000):
        if not limits.event(namespace, uid, cost, now):
            return n
    raise AssertionError("no limit")


def test_a_burst_and_then_a_rate():
    limits = Limits()
    assert count(limits, 0.0) == EVENTS[1]
    assert count(limits, 1.0) == EVENTS[0]
    assert count(limits, 1000.0) == EVENTS[1]
    assert count(limits, 999.0) == 0, "a clock that steps back fills nothing"


def test_many_sources_of_one_namespace_share_a_limit_and_others_have_their_own():
    limits = Limits()
    assert sum(count(limits, 0.0, uid=f"uid-{n}") for n in range(20)) == NAMESPACE[1]
    assert count(limits, 0.0, "other", "other") == EVENTS[1]


def test_an_event_that_is_refused_costs_nothing():
    limits = Limits()
    for n in range(4):
        assert count(limits, 0.0, uid=f"uid-{n}") == EVENTS[1]
    assert count(limits, 0.0, uid="fifth") == 0
    assert count(limits, 4.0, uid="fifth") == EVENTS[1], "only the namespace's bucket was empty"


def test_what_costs_more_than_the_burst_goes_through_a_full_bucket_alone():
    limits = Limits()
    assert count(limits, 0.0, cost=1e6) == 1
    assert count(limits, 3.9, cost=1e6) == 0
    assert count(limits, 4.0, cost=1e6) == 1


@pytest.mark.parametrize(
    ("changes", "stores", "cost"),
    [
        pytest.param([Change("a")], 1, 1.0, id="one key in one store"),
        pytest.param([Change("a")] * 256, 1, 4.0, id="many keys"),
        pytest.param([Change("a")] * 256, 100, 400.0, id="many keys in many stores"),
        pytest.param([Change("a", prefix=True)], 1, 16.0 + 1 / 64, id="a prefix"),
    ],
)
def test_what_takes_longer_costs_more(changes, stores, cost):
    assert cost_of(changes, stores) == cost


def test_long_bodies_cost_more():
    limits = Limits()
    small = sum(limits.request("small", 100, 0.0) for _ in range(5000))
    large = sum(limits.request("large", 256 << 10, 0.0) for _ in range(5000))
    assert small == REQUESTS[1] and large == REQUESTS[1] // 65


def test_the_number_of_buckets_is_bounded():
    limits = Limits()
    for n in range(MOST_BUCKETS * 2):
        limits.request(str(n), 0, 0.0)
    assert len(limits._buckets) == MOST_BUCKETS
