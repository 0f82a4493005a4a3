"""docs/roles.md promises something in each line, and each line is held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "roles.md").read_text()
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
LINE = re.compile(r"^\| (learn|change|stop) \|(.*)\|(.*)\| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def roles() -> dict[str, str]:
    parts = HEADING.split(PAGE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def functions(file: Path) -> set[str]:
    found = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("role", roles())
def test_each_role_may_learn_change_and_stop_something_or_nothing_and_tests_hold_it(role: str) -> None:
    lines = LINE.findall(roles()[role])
    assert {kind for kind, *_ in lines} == {"learn", "change", "stop"}
    assert len(lines) == len(re.findall(r"^\| (?!\|)", roles()[role], re.MULTILINE)), "a line of another form"
    for kind, may, may_not, held in lines:
        named = TEST.findall(held)
        assert named and may.strip() and may_not.strip(), f"{role}: {kind}"
        assert TEST.sub("", held).replace(",", "").strip() == ""
        for file, name in named:
            assert name.startswith("test_") and name in functions(ROOT / file), f"{file}::{name}"


def test_the_page_is_about_eleven_roles() -> None:
    assert len(roles()) == 11
