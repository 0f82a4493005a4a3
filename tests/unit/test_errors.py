"""The error base: what is behind a wrapper."""

from __future__ import annotations

import weakref

import orjson
import pytest

from eso.errors import EsoError, bare, causes
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


class Value(bytearray):
    """Something that can be seen to go."""


def failed() -> tuple[EsoError, weakref.ref[Value]]:
    """An error, and what the frames that it went through had in their variables."""
    value = Value(b"value")
    try:
        try:
            orjson.loads(bytes(value))
        except ValueError as error:
            raise Throttled("slow down") from error
    except EsoError as error:
        wrapped = EsoError("outer")
        wrapped.__cause__ = error
        return wrapped, weakref.ref(value)


def test_an_error_that_is_kept_holds_no_frame_and_no_text_that_a_library_failed_on():
    error, value = failed()
    assert value() is not None
    assert bare(error) is error
    assert value() is None
    assert [type(one) for one in causes(error)] == [EsoError, Throttled]
    assert isinstance(typed(error), Throttled)


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_errors_in_a_circle_can_be_kept(link):
    one, other = EsoError("one"), EsoError("other")
    setattr(one, link, other)
    setattr(other, link, one)
    assert bare(one) is one
    assert getattr(one, link) is other
