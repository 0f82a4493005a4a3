"""A value as YAML 1.2, and how its members are printed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.providers.bitwarden.yamls import DEEPEST, NotYaml, mapping_of, printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":"x","n":1.50,"t":true,"z":null}', {"a": "x", "n": 1.5, "t": True, "z": None}),
        ("a: yes\nb: on\nc: No\nd: true\ne: FALSE", {"a": "yes", "b": "on", "c": "No", "d": True, "e": False}),
        ("a: \"1\"\nb: 'true'\nc: |\n  x\n  y\n", {"a": "1", "b": "true", "c": "x\ny\n"}),
        ("a: 0x1F\nb: 0o17\nc: 017\nd: -5\ne: 1_000\nf: 0b11", {"a": 31, "b": 15, "c": 15, "d": -5, "e": 1000, "f": 3}),
        (
            "a: 1e3\nb: .5\nc: -.inf\nd: 1.\ne: 1:30\nf: 2020-01-01",
            {
                "a": 1000.0,
                "b": 0.5,
                "c": float("-inf"),
                "d": 1.0,
                "e": "1:30",
                "f": "2020-01-01",
            },
        ),
        ("a: ~\nb:\nc: ''", {"a": None, "b": None, "c": ""}),
        ("1: x\ntrue: y", {"1": "x", "true": "y"}),
        ("a: [1, b, {c: d}]\ne:\n  f: g", {"a": [1, "b", {"c": "d"}], "e": {"f": "g"}}),
        ("a: 18446744073709551616", {"a": 18446744073709551616.0}),
        ("", {}),
        ("null", {}),
        ("a: 1\n---\nb: 2", {"a": 1}),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
    ],
)
def test_a_mapping_is_read_by_the_rules_of_yaml_1_2(text: str, expected: dict[str, Any]) -> None:
    found = mapping_of(text.encode())
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("just a text", id="a text"),
        pytest.param("[1]", id="a list"),
        pytest.param("a: b: c", id="no YAML"),
        pytest.param("a: 1\na: 2", id="a key twice"),
        pytest.param("a: &x 1\nb: *x", id="an alias"),
        pytest.param("? [a]\n: b", id="a key that is no text"),
        pytest.param("a: " + "[" * (DEEPEST + 1), id="too deep"),
        pytest.param("a: " + "[" * 50_000, id="far too deep"),
        pytest.param("a: \x00", id="a control character"),
        pytest.param("a: 0x_", id="a number without digits"),
    ],
)
def test_what_is_no_mapping_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(NotYaml) as refused:
        mapping_of(text.encode())
    assert "just" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(NotYaml):
        mapping_of(b"a: \xff")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (None, "<nil>"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (1.5, "1.5"),
        (1e6, "1e+06"),
        (123456.0, "123456"),
        (1e-5, "1e-05"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
        (["a", "b", None, 1.0], "[a b <nil> 1]"),
        ([{"b": 1, "a": ["x"]}], "[map[a:[x] b:1]]"),
        ({"b": "x", "a": {"c": 1}}, "a:\n    c: 1\nb: x"),
        ({}, "{}"),
        ({"a": "ä"}, "a: ä"),
    ],
)
def test_members_are_printed_as_the_reference_does(value: Any, text: str) -> None:
    assert printed(value) == text


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}?|>&*!'\" \n\t0x1.e", max_size=60).map(str.encode))
def test_whatever_a_value_holds_is_a_mapping_or_an_error_of_ours(document: bytes) -> None:
    try:
        for value in mapping_of(document).values():
            assert isinstance(printed(value), str)
    except NotYaml:
        pass
