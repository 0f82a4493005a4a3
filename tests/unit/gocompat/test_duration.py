"""Durations read, refused and shown as users of the reference know them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError, shortened
from eso.gocompat.duration import DurationError, format_nanoseconds, parse_duration, parse_nanoseconds

LARGEST = (1 << 63) - 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("1h", 3600.0, id="one hour"),
        pytest.param("0", 0.0, id="a bare zero needs no unit"),
        pytest.param("+0", 0.0, id="a signed zero neither"),
        pytest.param("1h30m10.5s", 5410.5, id="several units add up"),
        pytest.param("-1.5s", -1.5, id="a negative duration parses"),
        pytest.param(".5s", 0.5, id="digits before the point may be missing"),
        pytest.param("1.s", 1.0, id="digits behind the point may be missing"),
        pytest.param("1500ms", 1.5, id="milliseconds"),
        pytest.param("3µs", 3e-6, id="micro sign U+00B5"),
        pytest.param("3μs", 3e-6, id="greek mu U+03BC"),
        pytest.param("3us", 3e-6, id="us"),
        pytest.param("10ns", 1e-8, id="nanoseconds"),
        pytest.param("30m1h", 5400.0, id="units come in any order"),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", 'time: invalid duration ""', id="an empty text"),
        pytest.param("nonsense", 'time: invalid duration "nonsense"', id="no number"),
        pytest.param("10", 'time: missing unit in duration "10"', id="a number without a unit"),
        pytest.param("1d", 'time: unknown unit "d" in duration "1d"', id="there is no day"),
        pytest.param("1h 30m", 'time: unknown unit "h " in duration "1h 30m"', id="blanks are part of the unit"),
        pytest.param("-", 'time: invalid duration "-"', id="only a sign"),
        pytest.param(".s", 'time: invalid duration ".s"', id="only a point"),
        pytest.param("1h-1m", 'time: unknown unit "h-" in duration "1h-1m"', id="a sign in the middle"),
        pytest.param(
            "9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"', id="one nanosecond too many"
        ),
        pytest.param(
            "99999999999999999999",
            'time: invalid duration "99999999999999999999"',
            id="too many digits come before the missing unit",
        ),
        pytest.param("3000000h", 'time: invalid duration "3000000h"', id="more hours than fit"),
        pytest.param(
            '"x\\é', 'time: invalid duration "\\"x\\\\\\xc3\\xa9"', id="quotes, backslashes and bytes are escaped"
        ),
        pytest.param(
            "9" * 100_000,
            shortened(f'time: invalid duration "{"9" * 100_000}"'),
            id="a hundred thousand digits, of which a message shows some",
        ),
    ],
)
def test_what_is_no_duration_is_refused_with_the_known_text(text: str, message: str) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


def test_the_error_is_one_of_ours_and_a_value_error_for_field_decoders() -> None:
    with pytest.raises(ValueError, match="missing unit") as caught:
        parse_duration("5")
    assert isinstance(caught.value, EsoError)
    assert not caught.value.retryable


def test_the_smallest_duration_has_no_positive_twin() -> None:
    assert parse_nanoseconds("-9223372036854775808ns") == -(1 << 63)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        pytest.param(0, "0s", id="zero"),
        pytest.param(3600 * 10**9, "1h0m0s", id="an hour shows its minutes and seconds"),
        pytest.param(90 * 10**9, "1m30s", id="ninety seconds"),
        pytest.param(1_500_000_000, "1.5s", id="a fraction of a second"),
        pytest.param(1_500_000, "1.5ms", id="milliseconds below a second"),
        pytest.param(1_500, "1.5µs", id="microseconds below a millisecond"),
        pytest.param(1, "1ns", id="a nanosecond"),
        pytest.param(-90 * 10**9, "-1m30s", id="negative"),
        pytest.param(LARGEST, "2562047h47m16.854775807s", id="the largest"),
    ],
)
def test_a_duration_is_shown_in_its_canonical_form(nanoseconds: int, text: str) -> None:
    assert format_nanoseconds(nanoseconds) == text


@given(st.integers(-(1 << 63), LARGEST))
def test_every_duration_reads_back_from_its_canonical_form(nanoseconds: int) -> None:
    assert parse_nanoseconds(format_nanoseconds(nanoseconds)) == nanoseconds


@given(st.text(alphabet="0123456789.hmsuµn+- d", max_size=20))
def test_any_text_is_a_duration_or_refused_and_nothing_else(text: str) -> None:
    try:
        value = parse_nanoseconds(text)
    except DurationError as error:
        assert text in str(error) or "\\x" in str(error)
    else:
        assert -(1 << 63) <= value <= LARGEST
