"""How a difference from a recording is found, and that each one which is accepted is told to users."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.harness.cluster import REPO
from tests.recorded.accepted import ACCEPTED, BY_CASE
from tests.recorded.case import NAMES
from tests.recorded.differences import (
    ABSENT,
    Accepted,
    Difference,
    any_of,
    appears,
    changes,
    compare,
    hinted,
    reworded,
    same_time,
    without,
)


def rows() -> list[str]:
    """The first cells of the tables of docs/compatibility.md, each with the bar that ends it."""
    lines = (REPO / "docs" / "compatibility.md").read_text().splitlines()
    return [line.split("|")[1].strip() + " |" for line in lines if line.startswith("| ")]


@pytest.mark.parametrize("row", sorted({entry.row for entry in ACCEPTED}))
def test_an_accepted_difference_has_one_row_in_the_documentation(row: str) -> None:
    assert len([cell for cell in rows() if cell.startswith(row)]) == 1


@pytest.mark.parametrize("entry", BY_CASE, ids=lambda entry: f"{entry.row} in {', '.join(entry.cases)}")
def test_an_accepted_difference_names_cases_that_are_there(entry: Accepted) -> None:
    assert entry.cases and set(entry.cases) <= set(NAMES)


EVENT = ["ExternalSecret/es", "Warning", "UpdateFailed", "no key k"]
ABOUT = "Events/ExternalSecret/es Warning UpdateFailed"


def told(message: str) -> list[str]:
    return [*EVENT[:3], message]


@pytest.mark.parametrize(
    ("recorded", "here", "found"),
    [
        pytest.param({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1}]}}, [], id="equal snapshots differ nowhere"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [("a/b", 1, 2)], id="a value differs at its path"),
        pytest.param({"a": 1}, {"a": True}, [("a", 1, True)], id="a number is no truth value"),
        pytest.param({}, {"a": {}}, [("a", ABSENT, {})], id="an empty map is there"),
        pytest.param(
            {"a": ["x", "y"]}, {"a": ["x"]}, [("a", ["x", "y"], ["x"])], id="a list of texts is compared as a whole"
        ),
        pytest.param(
            {"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}, [("a/1/b", 2, ABSENT)], id="an element that is missing"
        ),
        pytest.param({"Events": [EVENT]}, {"Events": []}, [(ABOUT, "no key k", ABSENT)], id="an Event that is missing"),
        pytest.param({}, {"Events": [EVENT]}, [(ABOUT, ABSENT, "no key k")], id="an Event more"),
        pytest.param(
            {"Events": [told("b"), told("a")]},
            {"Events": [told("b (hint)"), told("c"), told("d")]},
            [(ABOUT, "b", "b (hint)"), (ABOUT, "a", "c"), (ABOUT, ABSENT, "d")],
            id="Events of one reason pair by how they begin, then in order",
        ),
        pytest.param(
            {"Events": [told("b")]},
            {"Events": [told("b (hint)"), told("b (other)")]},
            [(ABOUT, "b", "b (hint)"), (ABOUT, ABSENT, "b (other)")],
            id="an Event pairs once",
        ),
        pytest.param(
            {"a": {"Events": 1}}, {"a": {}}, [("a", ABSENT, {}), ("a/Events", 1, ABSENT)], id="a member Events"
        ),
        pytest.param(
            {"http": [["GET", "/a", {}, ""], ["GET", "/b", {}, ""]]},
            {"http": [["GET", "/b", {"x": "1"}, ""]]},
            [
                ("http/GET /a/0/body", "", ABSENT),
                ("http/GET /a/0/headers", {}, ABSENT),
                ("http/GET /b/0/headers", {}, ABSENT),
                ("http/GET /b/0/headers/x", ABSENT, "1"),
            ],
            id="a request that is missing does not move the others",
        ),
        pytest.param(
            {"otherNamespaces": {"n": {"Events": [EVENT]}}},
            {"otherNamespaces": {"n": {"a": 1}}},
            [("otherNamespaces/n/a", ABSENT, 1), (f"otherNamespaces/n/{ABOUT}", "no key k", ABSENT)],
            id="the other namespaces are compared too",
        ),
    ],
)
def test_a_difference_is_found(recorded: Any, here: Any, found: list[tuple[str, Any, Any]]) -> None:
    assert compare([recorded], [here]) == [Difference(0, *one) for one in found]


def test_what_differs_by_chance_is_left_out() -> None:
    recorded = [{}, {"Events": [EVENT], "a": 1}]
    assert compare(recorded, [{}, {"a": 1}], [r"/Events/\S+ Warning UpdateFailed: no key"]) == []
    assert compare(recorded, [{}, {"a": 1}], [r"/Events/\S+ Normal"]) != []
    other = [{}, {"Events": [told("no key j")], "a": 1}]
    assert compare(recorded, other, [r": no key k"]) == [Difference(1, ABOUT, ABSENT, "no key j")]


@pytest.mark.parametrize(
    ("how", "recorded", "here", "accepted"),
    [
        pytest.param(appears, ABSENT, 1, True, id="new here"),
        pytest.param(appears, 1, 2, False, id="changed is not new"),
        pytest.param(changes(1, 2), 1, 2, True, id="from this to that"),
        pytest.param(changes(1, 2), 1, 3, False, id="from this to something else"),
        pytest.param(without("x"), ["x"], ABSENT, True, id="the only one is missing"),
        pytest.param(without("x"), ["w", "x"], ["w"], True, id="one of two is missing"),
        pytest.param(without("x"), ["w", "x"], ["x"], False, id="the wrong one is missing"),
        pytest.param(without("x"), ABSENT, ["x"], False, id="there only here"),
        pytest.param(any_of(appears, changes(1, 2)), 1, 2, True, id="one of two ways"),
        pytest.param(any_of(appears, changes(1, 2)), 1, 3, False, id="none of two ways"),
        pytest.param(same_time, "1h0m0s", "60m", True, id="one time in two spellings"),
        pytest.param(same_time, "1h0m0s", "61m", False, id="two times"),
        pytest.param(same_time, ABSENT, "61m", False, id="no time and one"),
        pytest.param(hinted, "no key k", "no key k (add it)", True, id="a hint"),
        pytest.param(hinted, "no key k", "no key j (add it)", False, id="a hint after another message"),
        pytest.param(hinted, "no key k", ABSENT, False, id="a hint needs an Event"),
        pytest.param(
            reworded('".*?"', r"\*+"), 'value "v" bad', "value *** bad (hint)", True, id="masked, with a hint"
        ),
        pytest.param(reworded('".*?"', r"\*+"), 'value "v" bad', "value *** good", False, id="masked and changed"),
    ],
)
def test_a_way_to_differ_is_exact(how: Any, recorded: Any, here: Any, accepted: bool) -> None:
    assert how(recorded, here) is accepted


def test_an_entry_is_for_its_cases_steps_and_path_only() -> None:
    entry = Accepted("row", r"a/\d", appears, cases=("one",), steps=(2,))
    assert entry.explains("one", Difference(2, "a/1", ABSENT, 1))
    assert not entry.explains("two", Difference(2, "a/1", ABSENT, 1))
    assert not entry.explains("one", Difference(1, "a/1", ABSENT, 1))
    assert not entry.explains("one", Difference(2, "a/1/b", ABSENT, 1))
