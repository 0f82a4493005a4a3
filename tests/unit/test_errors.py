"""The error base: what is behind a wrapper."""

from __future__ import annotations

from eso.errors import EsoError, causes
from eso.providers.contract import Throttled
from eso.stores.call import ran_out
from eso.stores.gate import typed


def test_a_typed_error_is_found_behind_its_wrappers():
    outer, middle, inner = EsoError("outer"), EsoError("middle"), Throttled("slow down")
    outer.__cause__, middle.__cause__ = middle, inner
    assert list(causes(outer)) == [outer, middle, inner]
    assert typed(outer) is inner


def test_errors_that_were_raised_from_each_other_have_an_end():
    one, other = EsoError("one"), EsoError("other")
    one.__cause__, other.__cause__ = other, one
    assert list(causes(one)) == [one, other]
    assert (typed(one), ran_out(one)) == (None, False)
