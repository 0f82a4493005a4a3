from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.runtime.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [
        pytest.param(0, 1.0, id="the first retry waits one second"),
        pytest.param(1, 2.0, id="then it doubles"),
        pytest.param(8, 256.0, id="up to the last power below the cap"),
        pytest.param(9, 420.0, id="seven minutes are the cap"),
        pytest.param(10_000, 420.0, id="weeks of failures do not overflow"),
    ],
)
def test_a_failing_key_backs_off(failures, seconds):
    assert backoff(failures) == seconds


@given(st.integers(0, 10**6))
def test_the_wait_never_shrinks(failures):
    assert backoff(failures) <= backoff(failures + 1) <= 420
