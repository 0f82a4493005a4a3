"""Every numbered case of the generators has a test named with its number; what is open is listed.

Neighbours: test_generators.py and tests/unit/generators hold the tests. Only the sources are read.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CASE = re.compile(r"(?<![A-Za-z0-9])[Gg][-_]?(\d{3})(?![0-9])")
CASES = {
    *range(1, 10),
    *range(15, 22),
    *range(30, 41),
    *range(50, 58),
    *range(60, 69),
    *range(70, 80),
    *range(85, 98),
    *range(105, 111),
    *range(115, 118),
    *range(120, 123),
}
OPEN: dict[int, str] = {}


def names_in(source: str) -> set[int]:
    """Cases in the names of test functions and in the ids of their parameters."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=text) | ast.AsyncFunctionDef(name=text) if text.startswith("test_"):
                found |= {int(number) for number in CASE.findall(text)}
            case ast.keyword(arg="id" | "ids", value=value):
                texts = [part.value for part in ast.walk(value) if isinstance(part, ast.Constant)]
                found |= {int(number) for text in texts for number in CASE.findall(str(text))}
    return found


@pytest.fixture(scope="module")
def tested() -> set[int]:
    paths = [*(TESTS / "unit" / "generators").glob("test_*.py"), TESTS / "conformance" / "test_generators.py"]
    return {case for path in paths for case in names_in(path.read_text())}


def test_every_case_has_a_test(tested: set[int]):
    assert CASES - set(OPEN) - tested == set()


def test_what_is_open_really_is_and_no_test_names_a_case_that_does_not_exist(tested: set[int]):
    assert tested & set(OPEN) == set()
    assert tested - CASES == set()
    assert set(OPEN) <= CASES
