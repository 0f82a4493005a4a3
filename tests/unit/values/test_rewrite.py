"""Rewrites, one operation after another."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.externalsecret import Rewrite, RewriteMerge, RewriteRegexp, RewriteTransform
from eso.errors import EsoError
from eso.template import Limits
from eso.template.apply import CHEAP, out_of_bounds
from eso.values.convert import KeyRefused, check_keys
from eso.values.rewrite import RewriteError, rewrite


def regexp(source: str, target: str) -> Rewrite:
    return Rewrite(regexp=RewriteRegexp(source=source, target=target))


def transform(template: str) -> Rewrite:
    return Rewrite(transform=RewriteTransform(template=template))


def merge(
    into: str = "",
    priority: tuple[str, ...] = (),
    priority_policy: str = "Strict",
    conflict_policy: str = "Error",
    strategy: str = "Extract",
) -> Rewrite:
    return Rewrite(
        merge=RewriteMerge(
            into=into,
            priority=priority,
            priority_policy=priority_policy,
            conflict_policy=conflict_policy,
            strategy=strategy,
        )
    )


def data_of(*keys: str) -> dict[str, bytes]:
    return {key: key.encode() for key in keys}


@pytest.mark.parametrize(
    ("keys", "operations", "expected"),
    [
        pytest.param(
            ["foo", "bar"], [regexp("(.*)", "new-$1")], ["new-foo", "new-bar"], id="C-159 the whole key, once"
        ),
        pytest.param(["foo-bar"], [regexp("-", "_")], ["foo_bar"], id="C-160 a part"),
        pytest.param(["foo"], [regexp("hello", "world")], ["foo"], id="C-160 no match"),
        pytest.param(["my/initial/path/foo"], [regexp("^my/initial/path/", "")], ["foo"], id="C-160 a prefix"),
        pytest.param(
            ["foo", "foodaloo"],
            [regexp("f(.*)o", "a_new_path_$1")],
            ["a_new_path_o", "a_new_path_oodalo"],
            id="C-161 a group",
        ),
        pytest.param(
            ["foo", "floo"],
            [regexp("f(?P<content>.*)o", "a_new_path_${content}_${1}")],
            ["a_new_path_o_o", "a_new_path_lo_lo"],
            id="C-161 a named group",
        ),
        pytest.param(["foo"], [regexp("(.*)", "$1_x")], [""], id="C-162 an unbraced name is greedy"),
        pytest.param(
            ["my/app/bar/key", "my/app/bar/password"],
            [regexp("my/(.*?)/bar/(.*)", "$1-$2"), regexp("-", "_"), regexp("ass", "***")],
            ["app_key", "app_p***word"],
            id="C-163 in sequence",
        ),
        pytest.param(
            ["my/app/key"],
            [regexp("my/(.*)/(.*)", "$1-$2"), transform('{{ .value | upper | replace "-" "_" }}')],
            ["APP_KEY"],
            id="C-164 a template",
        ),
        pytest.param(["a"], [transform("{{ .nope }}")], ["<no value>"], id="an unknown field of a template"),
        pytest.param(["a"], [Rewrite()], ["a"], id="an item without an operation"),
        pytest.param(["ключ"], [regexp("^к", "К")], ["Ключ"], id="keys of other scripts"),
    ],
)
def test_keys_are_renamed_and_values_stay(keys: list[str], operations: list[Rewrite], expected: list[str]) -> None:
    assert rewrite(data_of(*keys), operations) == {new: old.encode() for old, new in zip(keys, expected, strict=True)}


def test_a_key_that_became_empty_is_dropped_by_the_check() -> None:
    assert check_keys(rewrite(data_of("foo"), [regexp("(.*)", "$1_x")])) == {}  # C-162


def test_what_a_rewrite_leaves_is_still_checked() -> None:
    with pytest.raises(KeyRefused, match="invalid character /"):
        check_keys(rewrite(data_of("foo/bar"), [regexp("(.*)", "$1")]))  # C-158


def test_of_two_keys_that_become_one_the_greater_wins_whatever_the_order() -> None:
    assert (
        rewrite(data_of("a1", "a2"), [regexp("[0-9]", "")])
        == rewrite(data_of("a2", "a1"), [regexp("[0-9]", "")])
        == {"a": b"a2"}
    )


def test_a_template_that_cuts_a_character_makes_a_key_that_is_refused() -> None:
    with pytest.raises(KeyRefused, match="invalid character \ufffd"):
        check_keys(rewrite(data_of("é"), [transform("{{ trunc 1 .value }}")]))


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        pytest.param(
            [regexp("(", "")],
            "error applying rewrite to keys: failed rewrite operation[0]: regexp failed with failed to compile: error"
            " parsing regexp: missing closing ): `(`",
            id="C-165 a bad expression",
        ),
        pytest.param(
            [regexp("a", "b"), transform("{{")],
            "error applying rewrite to keys: failed rewrite operation[1]: transform failed with failed to parse"
            " template: template: transform:1: unclosed action",
            id="C-165 a bad template",
        ),
        pytest.param(
            [transform('{{ fail "no" }}')],
            "error applying rewrite to keys: failed rewrite operation[0]: transform failed with failed to execute"
            ' template for key "k\\"ey": template: transform:1:3: executing "transform" at <fail "no">: error calling'
            " fail: no",
            id="a template that fails",
        ),
    ],
)
def test_an_operation_that_cannot_be_applied_tells_its_place(operations: list[Rewrite], message: str) -> None:
    with pytest.raises(RewriteError) as caught:
        rewrite({'k"ey': b"v"}, operations)
    assert str(caught.value) == message


JSONS = {
    "redis": b'{"host":"redis","port":6379}',
    "mongo": b'{"host":"mongo","user":"m"}',
    "other": b'{"user":"o"}',
}


def test_merge_extracts_the_members_in_place_of_the_keys() -> None:
    data = {"a": b'{"user":"u"}', "b": b'{"pass":"p"}', "c": b"null"}
    assert rewrite(data, [merge()]) == {"user": b"u", "pass": b"p"}  # C-166


@pytest.mark.parametrize(
    ("data", "names"),
    [
        pytest.param({"a": b'{"username":1}', "b": b'{"username":2}'}, "username", id="C-167 one conflict"),
        pytest.param({"a": b'{"x":1,"b":2}', "b": b'{"b":2,"x":1}'}, "b, x", id="two conflicts, even of equal values"),
    ],
)
def test_merge_refuses_conflicts(data: dict[str, bytes], names: str) -> None:
    with pytest.raises(RewriteError) as caught:
        rewrite(data, [merge()])
    assert (
        str(caught.value)
        == f"error applying rewrite to keys: failed rewrite operation[0]: merge failed with conflicts: {names}"
    )


def test_merge_takes_conflicts_from_the_last_of_the_priority() -> None:
    out = rewrite(JSONS, [merge(priority=("mongo", "redis"), conflict_policy="Ignore")])
    assert out == {"host": b"redis", "port": b"6379", "user": b"m"}  # C-168


def test_merge_without_a_priority_takes_the_greatest_key() -> None:
    assert rewrite(JSONS, [merge(conflict_policy="Ignore")])["user"] == b"o"
    assert rewrite(JSONS, [merge(conflict_policy="Ignore")])["host"] == b"redis"


def test_merge_wants_every_key_of_the_priority_unless_told_otherwise() -> None:
    with pytest.raises(RewriteError) as caught:
        rewrite(JSONS, [merge(priority=("absent",), conflict_policy="Ignore")])  # C-169
    assert str(caught.value).endswith('merge failed with key "absent" not found in input map')
    out = rewrite(JSONS, [merge(priority=("absent",), priority_policy="IgnoreNotFound", conflict_policy="Ignore")])
    assert out["host"] == b"redis"


def test_merge_into_json_keeps_the_keys_beside_it() -> None:
    data = {"a": b'{"z":1.50,"html":"<&>"}', "b": b'{"m":null}'}
    out = rewrite(data, [merge(strategy="JSON", into="credentials")])
    assert out == data | {"credentials": b'{"html":"<&>","m":null,"z":1.5}'}  # C-170


def test_merge_into_json_overwrites_a_key_of_that_name() -> None:
    assert rewrite({"a": b'{"x":1}'}, [merge(strategy="JSON", into="a")]) == {"a": b'{"x":1}'}


def test_merge_into_json_needs_a_key() -> None:
    with pytest.raises(RewriteError) as caught:
        rewrite(JSONS, [merge(strategy="JSON", conflict_policy="Ignore")])  # C-171
    assert str(caught.value).endswith("merge failed with missing 'into' field")


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        pytest.param(
            b"hunter2",
            "invalid character at byte 0 looking for beginning of value",
            id="C-172 no JSON: not a character of it is told",
        ),
        pytest.param(
            b'["hunter2"]',
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
            id="C-172 an array",
        ),
        pytest.param(
            b'"hunter2"',
            "json: cannot unmarshal string into Go value of type map[string]interface {}",
            id="C-172 a string",
        ),
        pytest.param(b"", "unexpected end of JSON input", id="C-172 nothing"),
    ],
)
def test_merge_wants_json_objects(value: bytes, cause: str) -> None:
    with pytest.raises(RewriteError) as caught:
        rewrite({"a": value}, [merge()])
    assert (
        str(caught.value)
        == "error applying rewrite to keys: failed rewrite operation[0]: merge failed with failed to unmarshal JSON:"
        f" {cause}"
    )


def test_two_merges_in_sequence() -> None:
    data = {"a": b'{"host":"dba","pass":"yola","port":123}', "b": b'{"host":"dbb","pass":"yolb"}'}
    operations = [
        merge(strategy="JSON", into="merged", priority=("a",), conflict_policy="Ignore"),
        merge(priority=("b",), conflict_policy="Ignore"),
    ]
    assert rewrite(data, operations) == {"host": b"dbb", "pass": b"yolb", "port": b"123"}  # C-173


def test_merge_renders_each_kind_of_member() -> None:
    document = (
        b'{"int":5432,"float":1.5,"bool":true,"null":null,"object":{"a":"<"},"list":["x",1],"big":1e21,'
        b'"whole":123.0,"wide":9007199254740993}'
    )
    assert rewrite({"a": document}, [merge()]) == {  # C-174
        "int": b"5432",
        "float": b"1.5",
        "bool": b"true",
        "null": b"",
        "object": rb'{"a":"\u003c"}',
        "list": b'["x",1]',
        "big": b"1000000000000000000000",
        "whole": b"123",
        "wide": b"9007199254740992",
    }


maps = st.dictionaries(st.text(max_size=6), st.binary(max_size=4), max_size=5)


@given(maps)
def test_no_operation_is_identity(data: dict[str, bytes]) -> None:
    assert rewrite(data, []) == data


@given(maps)
def test_the_given_map_is_never_changed(data: dict[str, bytes]) -> None:
    before = dict(data)
    rewrite(data, [regexp("(.)", "$1$1"), transform("{{ .value }}-x")])
    assert data == before


@given(maps)
def test_operations_that_rename_nothing_are_identity(data: dict[str, bytes]) -> None:
    assert rewrite(data, [regexp("(?s)^(.*)$", "${1}"), transform("{{ .value }}"), regexp(r"\z", "")]) == data


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.text(max_size=3), max_size=3), max_size=4)
)
def test_merge_is_a_union_in_the_order_of_the_keys(objects: list[dict[str, object]]) -> None:
    data = {f"k{i}": json.dumps(item).encode() for i, item in enumerate(objects)}
    expected: dict[str, object] = {}
    for item in objects:
        expected |= item
    out = rewrite(data, [merge(conflict_policy="Ignore")])
    assert out == {key: str(value).encode() for key, value in expected.items()}


def regexps(target: str, times: int) -> list[Rewrite]:
    return [Rewrite(regexp=RewriteRegexp(source="(.*)", target=target))] * times


@pytest.mark.parametrize(
    ("operations", "text"),
    [
        pytest.param(regexps("$1$1", 40), "limit of", id="a key that doubles"),
        pytest.param(regexps("$1" * 100_000, 1), "too long", id="a key that grows a hundred thousand times"),
        pytest.param(regexps("$1" * 1_000, 2), "too long|steps", id="a key that grows a thousand times and again"),
        pytest.param(
            [Rewrite(merge=RewriteMerge(strategy="JSON", into=str(n), conflict_policy="Ignore")) for n in range(64)],
            "limit of",
            id="merges of merges",
        ),
        pytest.param(
            [Rewrite(regexp=RewriteRegexp(source="nothing", target="x"))] * 200, "steps", id="many keys many times"
        ),
    ],
)
def test_operations_are_bounded_together(operations: list[Rewrite], text: str) -> None:
    data = {f"k{n}": b'{"a": 1}' for n in range(100)}
    if operations[0].merge:
        data = {"k": b'{"a": "' + b"x" * 1_000_000 + b'"}'}
    with pytest.raises(RewriteError, match=text):
        rewrite(data, operations, Limits(steps=10_000))


def test_transforms_share_their_time() -> None:
    with pytest.raises(EsoError, match="exceeds the limit of 10 seconds") as refused:
        rewrite({"a": b""}, [transform("x")], Limits(until=0.0))
    assert out_of_bounds(refused.value)


@pytest.mark.parametrize(
    "operation", [*regexps("b", 1), Rewrite(transform=RewriteTransform(template="{{ range 2000 }}{{ end }}x"))]
)
def test_what_is_too_much_for_the_loop_says_so(operation: Rewrite) -> None:
    with pytest.raises(RewriteError) as refused:
        rewrite({f"k{n}": b"" for n in range(2_000)}, [operation], CHEAP)
    assert out_of_bounds(refused.value)
