"""What another writer takes back again and again is written ever more rarely."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from eso.reconcile.kit.insistence import LONGEST, Insistence, version_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def wrote(one: Insistence, seconds: float, wanted: str = "a", *, over: int = 0, version: int = 0) -> None:
    one.wrote("parent", "team", wanted, NOW + timedelta(seconds=seconds), over=over, version=version)


def wait(one: Insistence, seconds: float, wanted: str = "a", place: str = "team") -> float:
    return one.wait("parent", place, wanted, NOW + timedelta(seconds=seconds))


def test_three_writes_are_free_and_each_later_one_waits_twice_as_long() -> None:
    one, waits = Insistence(), []
    for write in range(7):
        waits.append(wait(one, write))
        wrote(one, write)
    assert waits == [0, 0, 0, 9, 19, 39, 79], "a second goes by between two writes"


def test_the_wait_ends_and_is_never_longer_than_an_hour() -> None:
    one = Insistence()
    for write in range(40):
        wrote(one, write)
    assert wait(one, 39) == LONGEST
    assert wait(one, 39 + LONGEST) == 0


def test_a_parent_that_wants_something_else_begins_anew() -> None:
    one = Insistence()
    for write in range(5):
        wrote(one, write)
    assert wait(one, 5, "b") == 0
    wrote(one, 5, "b")
    assert wait(one, 6, "b") == 0


def test_a_cache_that_is_behind_is_no_other_writer() -> None:
    one = Insistence()
    for write in range(9):
        wrote(one, write, over=5, version=7)
    assert wait(one, 9) == 0


def test_a_place_that_left_and_a_parent_that_is_gone_are_forgotten() -> None:
    one = Insistence()
    for write in range(5):
        wrote(one, write)
    assert wait(one, 5) > 0
    one.keep("parent", {"other"})
    assert wait(one, 5) == 0
    for write in range(5):
        wrote(one, write)
    one.forget("parent")
    assert wait(one, 5) == 0


def test_a_row_ends_after_an_hour_without_a_write() -> None:
    one = Insistence()
    for write in range(3):
        wrote(one, write)
    wrote(one, LONGEST + 10)
    assert wait(one, LONGEST + 11) == 0


def test_the_version_of_a_reply() -> None:
    assert version_of(b'{"metadata": {"resourceVersion": "12"}}') == 12
