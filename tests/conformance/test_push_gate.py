"""Every numbered case of PushSecret and ClusterPushSecret has a test named with its number.

Neighbours: pushcases.py lists the cases; test_gate.py does the same for the other kinds, and has the tests of the gate.
"""

from __future__ import annotations

import re

import pytest

from tests.conformance import test_gate as gate
from tests.conformance.pushcases import PARTS, Part, name

CASE = re.compile(r"(?<![A-Za-z0-9])[Pp][-_](\d{3})(?![0-9])")


@pytest.fixture(scope="module")
def tested() -> set[int]:
    found: set[int] = set()
    before = gate.CASE
    try:
        gate.CASE = CASE
        for _, source in gate.sources():
            if "_p_" in source or "P-" in source:
                found |= gate.cases_in(source)
    finally:
        gate.CASE = before
    return found


def ranges(source: set[int], part: Part) -> list[str]:
    return [name(case) for case in part.cases if case not in source]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{name(part.first)} {part.title}")
def test_every_case_has_a_test_or_waits_for_something(part: Part, tested: set[int]) -> None:
    missing = ranges(tested, part)
    if part.waits_for:
        assert missing, f"all of {part.title} are tested: nothing is waited for"
    else:
        assert missing == [], f"no test is named with {', '.join(missing)}"


def test_no_number_is_listed_twice() -> None:
    every = [case for part in PARTS for case in part.cases]
    assert every == sorted(set(every))
