"""Every published template case: its output byte for byte, or the error text it must contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eso.template import TemplateError, render

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "templates-cases.json").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_a_template_gives_what_users_know(case: dict[str, Any]) -> None:
    data = {key: value.encode() for key, value in case["data"].items()}
    if "want" in case:
        assert render(case["template"], data).decode() == case["want"]
        return
    with pytest.raises(TemplateError) as failure:
        render(case["template"], data)
    assert case["error"] in f"unable to {failure.value.verb} template at key t: {failure.value.full}"


def test_no_case_is_lost() -> None:
    assert len(CASES) == 1593
    assert len({case["id"] for case in CASES}) == len(CASES)
