"""Label selectors: what matches, what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.labels import InvalidSelector, LabelSelector, Requirement, matches

LABELS = {"env": "prod", "team": "a", "kubernetes.io/metadata.name": "ns", "empty": ""}


def expression(key: str, operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(Requirement(key, operator, values),))


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        pytest.param(LabelSelector(), True, id="an empty selector matches everything"),
        pytest.param(LabelSelector({"env": "prod", "team": "a"}), True, id="all labels are there"),
        pytest.param(LabelSelector({"env": "prod", "team": "b"}), False, id="one label has another value"),
        pytest.param(LabelSelector({"none": ""}), False, id="an absent label is not an empty one"),
        pytest.param(LabelSelector({"empty": ""}), True, id="an empty label is there"),
        pytest.param(expression("env", "In", "dev", "prod"), True, id="In: one of the values"),
        pytest.param(expression("env", "In", "dev"), False, id="In: none of the values"),
        pytest.param(expression("none", "In", ""), False, id="In: an absent label has no value"),
        pytest.param(expression("env", "NotIn", "dev"), True, id="NotIn: another value"),
        pytest.param(expression("env", "NotIn", "prod"), False, id="NotIn: this value"),
        pytest.param(expression("none", "NotIn", "prod"), True, id="NotIn: an absent label is not in"),
        pytest.param(expression("env", "Exists"), True, id="Exists: it does"),
        pytest.param(expression("none", "Exists"), False, id="Exists: it does not"),
        pytest.param(expression("env", "DoesNotExist"), False, id="DoesNotExist: it does"),
        pytest.param(expression("none", "DoesNotExist"), True, id="DoesNotExist: it does not"),
        pytest.param(
            LabelSelector({"env": "prod"}, (Requirement("team", "In", ("b",)),)),
            False,
            id="labels and expressions must both hold",
        ),
    ],
)
def test_a_selector_matches(selector: LabelSelector, wanted: bool) -> None:
    assert matches(selector, LABELS) is wanted


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param(
            expression("env", "Foo"), '"Foo" is not a valid label selector operator', id="an unknown operator"
        ),
        pytest.param(expression("env", ""), '"" is not a valid label selector operator', id="no operator"),
        pytest.param(expression("env", "In"), "values set can't be empty", id="In without values"),
        pytest.param(expression("env", "NotIn"), "values set can't be empty", id="NotIn without values"),
        pytest.param(expression("env", "Exists", "a"), "values set must be empty", id="Exists with values"),
        pytest.param(
            expression("a b", "Exists"),
            "\\Akey: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and "
            "must start and end with an alphanumeric character \\(e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
            r"used for validation is '\(\[A-Za-z0-9\]\[-A-Za-z0-9_.\]\*\)\?\[A-Za-z0-9\]'\)\Z",
            id="a key with a blank",
        ),
        pytest.param(
            expression("", "Exists"), '"": name part must be non-empty; name part must consist', id="an empty key"
        ),
        pytest.param(expression("/name", "Exists"), r"prefix part must be non-empty\Z", id="an empty prefix"),
        pytest.param(
            expression("A_b/name", "Exists"),
            "prefix part a lowercase RFC 1123 subdomain must",
            id="a prefix that is none",
        ),
        pytest.param(
            expression("a/b/c", "Exists"),
            r": a qualified name must consist .* with an optional DNS subdomain prefix and '/' .*MyName'\)\Z",
            id="two prefixes",
        ),
        pytest.param(
            LabelSelector({"a" * 64: "x"}), r"name part must be no more than 63 bytes\Z", id="a key that is too long"
        ),
        pytest.param(
            LabelSelector({"a": "b c"}),
            r'values\[0\]\[a\]: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric',
            id="a value with a blank",
        ),
        pytest.param(LabelSelector({"a": "é"}), "a valid label must be", id="a value outside ASCII"),
    ],
)
def test_what_is_no_selector_is_an_error_whatever_the_labels_are(selector: LabelSelector, text: str) -> None:
    for labels in ({}, LABELS):
        with pytest.raises(InvalidSelector, match=text):
            matches(selector, labels)


keys, values = st.sampled_from(("a", "b", "c")), st.sampled_from(("x", "y", "z"))


@given(st.dictionaries(keys, values), keys, st.lists(values, min_size=1, max_size=3))
def test_property_not_in_is_the_opposite_of_in(labels: dict[str, str], key: str, among: list[str]) -> None:
    assert matches(expression(key, "In", *among), labels) is not matches(expression(key, "NotIn", *among), labels)


@given(st.dictionaries(keys, values), st.dictionaries(keys, values))
def test_property_labels_are_short_for_expressions(labels: dict[str, str], wanted: dict[str, str]) -> None:
    long = LabelSelector(match_expressions=tuple(Requirement(k, "In", (v,)) for k, v in wanted.items()))
    assert matches(LabelSelector(wanted), labels) is matches(long, labels)
