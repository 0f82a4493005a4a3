"""The orders in which a property is looked up."""

from __future__ import annotations

import pytest

from eso.providers.kit import property

DOTTED = b'{"a.b":"flat","a":{"b":"deep"},"n":1.50,"null":null}'
DEEP = b'{"a":{"b":"deep"}}'
FLAT = b'{"a.b":"flat"}'
MEMBERS = {b"a.b": b"flat", b"a": {b"b": b"deep"}, b"n": 1.5, b"null": None}


@pytest.mark.parametrize(
    ("look", "both", "deep", "flat"),
    [
        pytest.param(property.as_given, b"deep", b"deep", None, id="as given: fake, gitlab, infisical"),
        pytest.param(property.escaped_first, b"flat", b"deep", b"flat", id="escaped first: aws, akeyless"),
        pytest.param(property.escaped_first_if_valid, b"flat", b"deep", b"flat", id="escaped first: gcpsm"),
        pytest.param(property.given_first, b"deep", b"deep", b"flat", id="as given first: azurekv"),
    ],
)
def test_a_name_with_a_dot(look, both, deep, flat):
    assert [look(document, "a.b") for document in (DOTTED, DEEP, FLAT)] == [both, deep, flat]
    assert look(DOTTED, "gone") is None
    assert look(DOTTED, "gone.deeper") is None
    assert look(DOTTED, "null") == b""
    assert look(DOTTED, "n") == b"1.5"


def test_a_member_of_exactly_that_name_beats_a_path_in_vault_and_openbao_knows_nothing_else():
    assert property.exact_first(MEMBERS, DOTTED, "a.b") == b"flat"
    assert property.exact_first({b"a": {b"b": b"deep"}}, DEEP, "a.b") == b"deep"
    assert property.exact_first(MEMBERS, DOTTED, "null") == b""
    assert property.exact(MEMBERS, "a.b") == b"flat"
    assert property.exact({b"a": {b"b": b"deep"}}, "a.b") is None


def test_google_escapes_no_dot_in_front_and_looks_into_json_only():
    assert property.escaped_first(b'{".a":"x"}', ".a") == b"x"
    assert property.escaped_first_if_valid(b'{".a":"x"}', ".a") is None
    assert property.escaped_first(b'{"a":"x"} rest', "a") == b"x"
    assert property.escaped_first_if_valid(b'{"a":"x"} rest', "a") is None


def test_a_data_key_beats_a_path_into_one_in_kubernetes():
    assert property.key_first({"a.b": b"flat", "a": DEEP}, "a.b") == b"flat"
    assert property.key_first({"a": b'{"b":{"c":1}}'}, "a.b.c") == b"1"
    assert property.key_first({"a": b"text"}, "a.b") is None
    assert property.key_first({"a": b"text"}, "b") is None


def test_other_signs_of_the_path_language_keep_their_meaning():
    assert property.escaped_first(b'{"a.b":[{"c":1},{"c":2}]}', "a.b|#.c") is None  # `|` starts anew, its dot too
    assert property.escaped_first(b'{"x.one":1}', "x.o*") == b"1"
