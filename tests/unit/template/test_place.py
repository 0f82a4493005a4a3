"""Paths into objects that have no schema."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.template.place import MAX_INDEX, go_type, member, parse_path, place


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        pytest.param("spec", ("spec",), id="one name"),
        pytest.param(
            "spec.headers.customRequestHeaders",
            ("spec", "headers", "customRequestHeaders"),
            id="C-224 every segment keeps its case",
        ),
        pytest.param("spec.rules[0].from", ("spec", "rules", 0, "from"), id="C-225 an index"),
        pytest.param("a[1][2]", ("a", 1, 2), id="a list in a list"),
        pytest.param("a.[3]", ("a", 3), id="an index on its own, after a name"),
        pytest.param(f"a[{MAX_INDEX}]", ("a", MAX_INDEX), id="the largest index"),
        pytest.param("a[+7]", ("a", 7), id="a sign, as the number parser takes it"),
        pytest.param("a b.c/d", ("a b", "c/d"), id="anything else is a name"),
    ],
)
def test_a_path_is_names_and_indexes(path: str, steps: tuple[str | int, ...]):
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("spec.rules[abc].foo", 'bad index "abc"', id="C-226 no number"),
        pytest.param("[0]", "path must start with a key", id="C-226 starts with an index"),
        pytest.param("[0].test", "path must start with a key", id="C-226 starts with an index and goes on"),
        pytest.param("a..b", "empty segment", id="C-226 nothing between two dots"),
        pytest.param(
            f"a[{MAX_INDEX + 1}]", "index 10001 exceeds maximum (10000)", id="C-226 an index that would fill the memory"
        ),
        pytest.param("", "empty segment", id="nothing at all"),
        pytest.param("a.", "empty segment", id="a dot at the end"),
        pytest.param("a[-1]", "negative index -1", id="a negative index"),
        pytest.param("a[]", 'bad index ""', id="no index"),
        pytest.param("a[1", "unterminated '['", id="an open bracket"),
        pytest.param("a[1]b", "expected '[' near \"b\"", id="a name right after an index"),
        pytest.param("a[" + "9" * 40 + "]", 'bad index "' + "9" * 40 + '"', id="a number that no machine holds"),
        pytest.param("a[١]", 'bad index "١"', id="a digit of another script"),
    ],
)
def test_a_bad_path_says_what_is_wrong(path: str, why: str):
    with pytest.raises(EsoError) as raised:
        parse_path(path)
    assert str(raised.value) == f'invalid path "{path}": {why}'


@pytest.mark.parametrize(
    ("before", "path", "value", "merge", "after"),
    [
        pytest.param({}, "spec", {"a": 1}, True, {"spec": {"a": 1}}, id="a new member"),
        pytest.param(
            {"spec": {"old": 1}},
            "spec",
            {"a": 1},
            True,
            {"spec": {"a": 1}},
            id="a single name replaces, also where others merge",
        ),
        pytest.param(
            {"spec": {"type": "t", "slack": {"channel": "c"}}},
            "spec.slack",
            {"api_url": "u"},
            True,
            {"spec": {"type": "t", "slack": {"channel": "c", "api_url": "u"}}},
            id="C-223 a map is merged into the map that is there",
        ),
        pytest.param(
            {"spec": {"slack": {"channel": "c"}}},
            "spec.slack",
            {"api_url": "u"},
            False,
            {"spec": {"slack": {"api_url": "u"}}},
            id="a value replaces",
        ),
        pytest.param(
            {"spec": {"slack": {"deep": {"x": 1}}}},
            "spec.slack",
            {"deep": {"y": 2}},
            True,
            {"spec": {"slack": {"deep": {"y": 2}}}},
            id="one level deep only",
        ),
        pytest.param(
            {"spec": {"slack": "text"}},
            "spec.slack",
            {"a": 1},
            True,
            {"spec": {"slack": {"a": 1}}},
            id="what is no map is replaced",
        ),
        pytest.param(
            {"spec": {"slack": {"a": 1}}}, "spec.slack", [1], True, {"spec": {"slack": [1]}}, id="a list replaces a map"
        ),
        pytest.param({}, "a.b.c", 1, True, {"a": {"b": {"c": 1}}}, id="maps are made on the way"),
        pytest.param({"a": None}, "a.b", 1, True, {"a": {"b": 1}}, id="null is nothing"),
        pytest.param(
            {},
            "spec.rules[0].from[0].source.notRemoteIpBlocks",
            ["1.2.3.4"],
            True,
            {"spec": {"rules": [{"from": [{"source": {"notRemoteIpBlocks": ["1.2.3.4"]}}]}]}},
            id="C-225 maps and lists are made on the way",
        ),
        pytest.param({"a": [1]}, "a[3]", 4, True, {"a": [1, None, None, 4]}, id="C-225 a list grows with nulls"),
        pytest.param(
            {"a": [{"sibling": 1}, 2]},
            "a[0].new",
            3,
            True,
            {"a": [{"sibling": 1, "new": 3}, 2]},
            id="C-225 siblings stay",
        ),
        pytest.param({}, "a[1][0]", "x", False, {"a": [None, ["x"]]}, id="a list in a list"),
    ],
)
def test_a_value_is_put_at_its_path(before, path, value, merge, after):
    obj = copy.deepcopy(before)
    place(obj, path, value, merge=merge)
    assert obj == after


@pytest.mark.parametrize(
    ("obj", "path", "why"),
    [
        pytest.param({"spec": "text"}, "spec.a", 'expected map at key "a" but found string', id="text is no map"),
        pytest.param({"spec": []}, "spec.a", 'expected map at key "a" but found []interface {}', id="a list is no map"),
        pytest.param(
            {"spec": {}},
            "spec[0]",
            "expected array at index 0 but found map[string]interface {}",
            id="a map is no list",
        ),
        pytest.param({"spec": 7}, "spec[0].a", "expected array at index 0 but found int64", id="a number is no list"),
        pytest.param(
            {"spec": {"on": True}}, "spec.on.a", 'expected map at key "a" but found bool', id="a boolean is no map"
        ),
        pytest.param(
            {"spec": {"on": 1.5}}, "spec.on.a", 'expected map at key "a" but found float64', id="a float is no map"
        ),
    ],
)
def test_a_wrong_container_on_the_way_is_refused(obj, path, why):
    with pytest.raises(EsoError) as raised:
        place(obj, path, 1, merge=True)
    assert str(raised.value) == f"failed to set path {path}: {why}"


def test_a_member_is_made_kept_or_refused():
    obj = {"old": {"a": 1}, "null": None, "text": "x"}
    assert member(obj, "old") is obj["old"]
    assert member(obj, "null") == member(obj, "new") == {}
    with pytest.raises(EsoError, match='failed to set path text: expected map at key "text" but found string'):
        member(obj, "text")


def test_types_are_named_as_users_see_them():
    assert [go_type(v) for v in (None, True, "", 1, 1.5, [], {})] == [
        "<nil>",
        "bool",
        "string",
        "int64",
        "float64",
        "[]interface {}",
        "map[string]interface {}",
    ]


NAMES = st.text(st.characters(blacklist_characters=".[]", blacklist_categories=("Cs",)), min_size=1, max_size=8)


@given(st.lists(st.one_of(NAMES, st.integers(0, 20)), min_size=1, max_size=6), st.integers())
def test_property_what_was_put_at_a_path_is_found_there(steps, value):
    steps = ["root", *steps]
    path = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)[1:]
    assert parse_path(path) == tuple(steps)
    obj: dict = {}
    place(obj, path, value, merge=True)
    node = obj
    for step in steps:
        node = node[step]
    assert node == value


@given(st.text(alphabet="ab.[]0-", max_size=12))
def test_property_any_text_is_a_path_or_refused(text):
    try:
        steps = parse_path(text)
    except EsoError as error:
        assert str(error).startswith(f'invalid path "{text}": ')
    else:
        assert isinstance(steps[0], str) and steps[0]
