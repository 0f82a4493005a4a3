from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.reconcile.kit.difference import copied, flat_patch, merge_patch
from tests.fakes.apiserver import Json, merge

SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab", max_size=2))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("xyz", min_size=1, max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("xyz", min_size=1, max_size=1), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_property_the_patch_leads_from_the_old_to_the_new(old: Json, new: Json):
    found = copy.deepcopy(old)
    merge(found, merge_patch(old, new))
    assert orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == orjson.dumps(new, option=orjson.OPT_SORT_KEYS)


@given(OBJECTS)
def test_property_equal_objects_need_no_patch(obj: Json):
    assert merge_patch(obj, copy.deepcopy(obj)) == {}


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(1, True, id="true is not one"), pytest.param(1, 1.0, id="a float is not an integer")]
)
def test_values_of_another_type_differ(old: Any, new: Any):
    assert merge_patch({"a": old}, {"a": new}) == {"a": new}


@given(OBJECTS)
def test_property_a_copy_is_equal_and_shares_nothing(obj: Json):
    before = copy.deepcopy(obj)
    twin = copied(obj)
    assert twin == obj
    merge(twin, {key: None for key in obj})
    assert obj == before


def test_a_flat_patch_names_what_changed_and_what_went():
    assert flat_patch({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 6}) == {"b": 5, "d": 6, "c": None}
