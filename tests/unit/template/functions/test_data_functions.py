"""Lists, dicts, numbers, JSON, YAML: what the published cases leave open."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.template import TemplateError, render
from eso.template.bounds import Budget, Limits
from eso.template.functions import jsons, mathematics, yamls
from eso.template.world import WORLD

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT.map(str.encode),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.map(str.encode), inner, max_size=4),
    max_leaves=12,
)


def budget() -> Budget:
    return Budget(Limits(), WORLD)


def shown(template: str, **data: bytes) -> str:
    return render(template, data).decode()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0b101", 5),
        (b"-0x_ff", -255),
        (b"0o17", 15),
        (b"1__0", 0),
        (b"_1", 0),
        (b"+7", 7),
        (b"12.", 12),
        (b".5", 0),
        (b"-.5", 0),
        (b"-9223372036854775808", -(1 << 63)),
        (b"9223372036854775808", 0),
    ],
)
def test_texts_become_integers_by_go_rules(text: bytes, number: int) -> None:
    assert mathematics.to_int(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"1e3", 1000.0),
        (b".5", 0.5),
        (b"1.", 1.0),
        (b"0x10", 0.0),
        (b"0x1p4", 16.0),
        (b"1_0", 10.0),
        (b" 1", 0.0),
        (b"1e400", 0.0),
        (b"-Inf", -math.inf),
    ],
)
def test_texts_become_floats_by_go_rules(text: bytes, number: float) -> None:
    assert mathematics.to_float(text) == number


@pytest.mark.parametrize(
    ("template", "output"),
    [
        pytest.param(
            "{{ int 1e300 }} {{ int (float64 `nan`) }}",
            "-9223372036854775808 -9223372036854775808",
            id="what does not fit is the smallest",
        ),
        pytest.param(
            "{{ div -9223372036854775808 -1 }}", "-9223372036854775808", id="the one division that overflows wraps"
        ),
        pytest.param(
            "{{ mulf 1e300 1e300 }} {{ subf 0.3 0.1 }}",
            "+Inf 0.2",
            id="decimals are exact until they are a float again",
        ),
        pytest.param(
            "{{ divf 1 -3 }} {{ divf 2 -3 }}", "-0.3333333333333333 -0.6666666666666667", id="halves go away from zero"
        ),
        pytest.param("{{ ceil -0.5 }} {{ floor `inf` }}", "-0 +Inf", id="rounding keeps the sign of zero"),
        pytest.param(
            "{{ round 2.675 2 }} {{ round -1.5 0 }} {{ round 5 -1 0.6 }}",
            "2.68 -2 0",
            id="round compares the signed fraction",
        ),
        pytest.param("{{ maxf 1 `nan` }}", "NaN", id="not a number wins every comparison"),
        pytest.param(
            "{{ typeOf (index (until 2) 0) }} {{ typeOf (randInt 0 1) }}", "int int", id="sequences hold ints"
        ),
        pytest.param("{{ slice (splitList `,` `a,b,c`) 1 | typeOf }}", "[]string", id="a slice keeps its list type"),
        pytest.param("{{ chunk 2 (list) }} {{ compact (list) | toJson }}", "[] []", id="nothing in pieces is nothing"),
        pytest.param(
            "{{ $d := dict `a` (dict) }}{{ merge $d (dict `a` 5) }}",
            "map[a:5]",
            id="an empty dict counts as empty when merging",
        ),
        pytest.param("{{ mergeOverwrite (dict `a` 1) (dict `a` nil) }}", "map[a:<nil>]", id="nil overwrites"),
        pytest.param("{{ merge (dict `a` 0) (dict `a` nil) }}", "map[a:0]", id="nil never fills"),
        pytest.param(
            "{{ merge nil (dict `a` 1) }} {{ unset nil `a` }} {{ omit nil `a` }}",
            "map[a:1] map[] map[]",
            id="nil counts as an empty dict",
        ),
        pytest.param(
            "{{ $a := dict `n` (dict) }}{{ $b := merge (dict) $a }}{{ $_ := set $a.n `x` 1 }}{{ $b.n }}",
            "map[x:1]",
            id="merging shares",
        ),
        pytest.param(
            "{{ values (dict `b` 1 `a` 2) }} {{ keys (dict `b` 1 `a` 2) }}",
            "[2 1] [a b]",
            id="keys and values are in order",
        ),
        pytest.param("{{ dig `a` `d` (dict `a` nil) }}", "<no value>", id="a nil that is there is no default"),
        pytest.param("{{ mustDeepCopy nil }}", "<no value>", id="a copy of nil is nil"),
        pytest.param(
            "{{ deepEqual (dict `a` (list 1.0)) (dict `a` (list 1)) }}",
            "false",
            id="deep equality looks at types all the way down",
        ),
        pytest.param(
            "{{ toJson (index (until 3) 1) }} {{ toJson (int64 5) }} {{ toJson (toDate `2006` `2020`).Month }}",
            "1 5 1",
            id="integers are JSON",
        ),
        pytest.param(
            "{{ toJson (semver `v1.2`) }} {{ toJson 1e-10 }} {{ toJson -0.0 }}",
            '"1.2.0" 1e-10 -0',
            id="versions are strings",
        ),
        pytest.param(
            '{{ toJson "\\xff\\u2028\\x7f" }}',
            '"\\ufffd\\u2028\x7f"',
            id="invalid bytes and line separators are escaped",
        ),
        pytest.param('{{ fromJson "-0" }} {{ fromJson "[-0.0]" }}', "-0 [-0]", id="zero keeps its sign"),
        pytest.param('{{ fromJson "\\"\\\\ud800\\"" }}', "\ufffd", id="a lone surrogate is replaced"),
    ],
)
def test_values(template: str, output: str) -> None:
    assert shown(template) == output


@given(TREES)
def test_json_reads_what_it_writes(tree: object) -> None:
    text = jsons.encode(budget(), tree)
    assert jsons.decode(budget(), text) == tree
    json.loads(text)


@given(st.dictionaries(TEXT.map(str.encode), TREES, max_size=4))
def test_yaml_reads_what_it_writes(tree: dict[bytes, object]) -> None:
    text = yamls.dump(budget(), tree)
    read = yamls.from_yaml(budget(), text)
    assert read == tree


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(
            {b"a10": 1, b"a9": 2, b"A": 3, b"1": 4},
            '"1": 4\nA: 3\na9: 2\na10: 1',
            id="keys sort by letters and numbers",
        ),
        pytest.param(b"a\tb", '"a\\tb"', id="a tab needs double quotes"),
        pytest.param("\U0001f600".encode(), '"\\U0001F600"', id="an emoji is escaped"),
        pytest.param("é".encode(), "é", id="letters are plain"),
        pytest.param(b"  a\nb", "|2-\n    a\n  b", id="a leading blank needs an indent digit"),
        pytest.param(b"a\n\n", "|+\n  a\n", id="two final newlines are kept"),
        pytest.param(1e20, "1e+20", id="beyond 64 bits a float stays a float"),
        pytest.param(18446744073709551615.0, "1.8446744073709552e+19", id="a float that does not fit is a float"),
        pytest.param([[], {}, None, True], "- []\n- {}\n- null\n- true", id="empty containers are in flow style"),
        pytest.param(
            {b"k": b"x" * 60 + b" " + b"y" * 30 + b" z"},
            "k: " + "x" * 60 + " " + "y" * 30 + "\n  z",
            id="long lines fold at blanks",
        ),
    ],
)
def test_yaml_is_written_as_in_the_reference(value: object, text: str) -> None:
    assert yamls.to_yaml(budget(), value).decode() == text


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        pytest.param(
            b"a: 0o17\nb: 0b11\nc: +5\nd: .5\ne: 1:30",
            {b"a": 15.0, b"b": 3.0, b"c": 5.0, b"d": 0.5, b"e": b"1:30"},
            id="numbers, no base 60",
        ),
        pytest.param(b"a: 08\nb: 1e400\nc: 0x_1", {b"a": 8.0, b"b": b"1e400", b"c": 1.0}, id="odd numbers"),
        pytest.param(b"1.10: a\nn: b\n010: c", {b"1.1": b"a", b"false": b"b", b"8": b"c"}, id="keys become text"),
        pytest.param(
            b"a: !!str 5\nb: !!float 5\nc: !x 5\nd: !!binary aGk=",
            {b"a": b"5", b"b": 5.0, b"c": b"5", b"d": b"hi"},
            id="explicit tags",
        ),
        pytest.param(
            b"b: &b {x: 1, z: 1}\na: {x: 2, <<: *b}",
            {b"b": {b"x": 1.0, b"z": 1.0}, b"a": {b"x": 1.0, b"z": 1.0}},
            id="a merge overwrites",
        ),
        pytest.param(
            b"a: &a {x: 1}\nb: {<<: [*a, {x: 2, z: 3}]}",
            {b"a": {b"x": 1.0}, b"b": {b"x": 1.0, b"z": 3.0}},
            id="the first of a merge list wins",
        ),
        pytest.param(b"a: 1\na: 2", {b"a": 2.0}, id="the last of equal keys wins"),
        pytest.param(
            b"a: [*x]",
            {b"Error": b"error converting YAML to JSON: yaml: unknown anchor 'x' referenced"},
            id="an unknown anchor",
        ),
        pytest.param(
            b"a: &x [*x]",
            {b"Error": b"error converting YAML to JSON: yaml: anchor 'x' value contains itself"},
            id="an anchor in itself",
        ),
        pytest.param(
            b"x: 1\ny: b: c",
            {b"Error": b"error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context"},
            id="line",
        ),
        pytest.param(
            b"? [a]\n: b", {b"Error": b"error converting YAML to JSON: yaml: invalid map key"}, id="a list is no key"
        ),
        pytest.param(
            b"a: .inf",
            {b"Error": b"error converting YAML to JSON: json: unsupported value: +Inf"},
            id="JSON has no infinity",
        ),
        pytest.param(
            b'{"a":"http:\\/\\/x"}',
            {b"Error": b"error converting YAML to JSON: yaml: found unknown escape character"},
            id="an escaped slash is no escape",
        ),
        pytest.param(
            b'a: "b\n\n c\\/"',
            {b"Error": b"error converting YAML to JSON: yaml: line 3: found unknown escape character"},
            id="an escaped slash has the line on which it stands",
        ),
        pytest.param(b"a: \"\\\\/\"\nb: '\\/'", {b"a": b"\\/", b"b": b"\\/"}, id="a backslash and a slash"),
        pytest.param(
            b'a: "\\\'b\\\\\\\'"\nc: "\\\'"', {b"a": b"'b\\'", b"c": b"'"}, id="an escaped apostrophe is an escape"
        ),
        pytest.param(
            b'a: "\\\'\\q"',
            {b"Error": b"error converting YAML to JSON: yaml: found unknown escape character"},
            id="an unknown escape behind an apostrophe",
        ),
        pytest.param(b"a: !!python/object/apply:os.system [x]", {b"a": [b"x"]}, id="a tag never names a class"),
    ],
)
def test_yaml_is_read_as_in_the_reference(text: bytes, tree: dict[bytes, object]) -> None:
    assert yamls.from_yaml(budget(), text) == tree


def test_aliases_are_copies() -> None:
    template = '{{ $y := fromYaml "a: &a {x: 1}\\nb: *a" }}{{ $_ := set $y.a "x" 2 }}{{ $y.b.x }}'
    assert shown(template) == "1"


def test_yaml_integers_stay_integers_for_those_who_ask_for_the_tree() -> None:
    assert yamls.load(budget(), b"a: 5\nb: 18446744073709551615\nc: 1.5") == {
        b"a": 5,
        b"b": 18446744073709551615,
        b"c": 1.5,
    }


def test_a_malformed_json_text_names_its_place() -> None:
    with pytest.raises(
        TemplateError, match="error calling mustFromJson: invalid character 'b' looking for beginning of value"
    ):
        shown('{{ mustFromJson "bad" }}')
