"""Every numbered case has a test named with its number, and none of these tests is skipped.

Neighbours: sections.py lists the cases. Only the sources are read, so that it costs nothing and sees tests that a
selection leaves out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conformance.sections import OPEN, SECTIONS, Section, name, wanted

TESTS = Path(__file__).resolve().parents[1]
CASE = re.compile(r"(?<![A-Za-z0-9])[Cc][-_](\d{3})(?![0-9])")
AVOIDED = {"skip", "skipif", "xfail", "importorskip"}


def cases_in(source: str) -> set[int]:
    """Cases in the names of test functions and in the ids of their parameters."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=text) | ast.AsyncFunctionDef(name=text) if text.startswith("test_"):
                found |= numbers(text)
            case ast.keyword(arg="id" | "ids", value=value):
                for part in ast.walk(value):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        found |= numbers(part.value)
    return found


def numbers(text: str) -> set[int]:
    return {int(number) for number in CASE.findall(text)}


def avoided_in(source: str) -> list[str]:
    """Every place where a test could be left out: `pytest.skip(…)`, `pytest.mark.xfail`, …"""
    return [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in AVOIDED and rooted(node)
    ]


def rooted(node: ast.expr) -> bool:
    """Is it a member of `pytest`, however deep?"""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "pytest"


def sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(TESTS.rglob("test_*.py")):
        yield path, path.read_text()


@pytest.fixture(scope="module")
def tested() -> set[int]:
    return {case for _, source in sources() for case in cases_in(source)}


def test_the_sections_cover_every_number_once():
    assert SECTIONS[0].first == 1 and SECTIONS[-1].last == 313
    assert all(after.first == before.last + 1 for before, after in pairwise(SECTIONS))
    assert [section.letter for section in SECTIONS] == [chr(ord("A") + i) for i in range(20)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.letter} {section.title}")
def test_every_case_has_a_test(section: Section, tested: set[int]):
    missing = [name(case) for case in section.cases if case in wanted() and case not in tested]
    assert missing == [], f"no test is named with {', '.join(missing)}"


def test_no_test_names_a_case_that_does_not_exist(tested: set[int]):
    assert [name(case) for case in sorted(tested) if not 1 <= case <= SECTIONS[-1].last] == []


def test_what_is_open_really_is(tested: set[int]):
    done = [f"{name(part.first)} to {name(part.last)}" for part in OPEN if not set(part.cases) - tested]
    assert done == [], "all of them are tested: take them out of OPEN"


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(TESTS))) for path, source in sources() if cases_in(source)]
)
def test_no_file_with_cases_leaves_a_test_out(path: Path):
    assert avoided_in(path.read_text()) == []


@pytest.mark.parametrize("path", sorted({section.home for section in SECTIONS if section.home}))
def test_the_home_of_a_section_holds_its_cases(path: str):
    file = TESTS.parent / path if "/" in path else TESTS / "conformance" / path
    here = cases_in(file.read_text())
    for section in SECTIONS:
        if section.home == path:
            assert here & set(section.cases), f"{path} holds no case of section {section.letter}"


def test_the_readme_shows_the_sections_and_what_is_open():
    text = (TESTS / "conformance" / "README.md").read_text()
    for section in SECTIONS:
        assert f"| {section.letter} | {section.title} | {name(section.first)} – {name(section.last)} |" in text, (
            section.title
        )
    for part in OPEN:
        assert f"- {name(part.first)} – {name(part.last)}: {part.waits_for}" in text, part.waits_for


# --- the gate itself
# -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("def test_c_007_a(): ...", {7}, id="a function"),
        pytest.param("async def test_c_007_c_008_a(): ...", {7, 8}, id="two in one name"),
        pytest.param("class TestX:\n    def test_c_007(self): ...", {7}, id="a method"),
        pytest.param(
            "x = [pytest.param(1, id='C' '-007 first'), pytest.param(2, id=f'C' f'-008 {y}')]",
            {7, 8},
            id="ids of parameters",
        ),
        pytest.param(
            "@pytest.mark.parametrize('a', [1, 2], ids=['C' '-007 x', 'plain'])\ndef test_a(a): ...",
            {7},
            id="a list of ids",
        ),
        pytest.param("def helper_c_007(): ...", set(), id="no test"),
        pytest.param("def test_a():\n    '''C-007'''", set(), id="a docstring is no name"),
        pytest.param("# C-007\nx = 'C-008'", set(), id="a comment or a text is no name"),
        pytest.param("def test_abc_007(): ...\ndef test_c_0071(): ...", set(), id="other numbers"),
    ],
)
def test_a_case_is_named_by_a_test_or_an_id(source: str, found: set[int]):
    assert cases_in(source) == found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("@pytest.mark.skip\ndef test_a(): ...", 1, id="skip"),
        pytest.param("@pytest.mark.skipif(True, reason='x')\ndef test_a(): ...", 1, id="skipif"),
        pytest.param("pytestmark = [pytest.mark.xfail(strict=True)]", 1, id="xfail for a module"),
        pytest.param("x = pytest.param(1, marks=pytest.mark.xfail)", 1, id="xfail for a parameter"),
        pytest.param("def test_a():\n    pytest.skip('no')", 1, id="skip from inside"),
        pytest.param("y = pytest.importorskip('x')", 1, id="importorskip"),
        pytest.param("xfail = skip = 1\nz.skip()", 0, id="other names"),
    ],
)
def test_whatever_leaves_a_test_out_is_seen(source: str, count: int):
    assert len(avoided_in(source)) == count
