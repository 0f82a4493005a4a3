"""What random templates once found: Go's answer, kept. Runs without Go."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from eso.template import TemplateError, render

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "oracle" / "vectors.json").read_text())


@pytest.mark.parametrize("vector", [pytest.param(vector, id=ascii(vector["id"])) for vector in VECTORS])
def test_a_template_gives_what_it_gives_in_go(vector: dict[str, Any]) -> None:
    template = base64.b64decode(vector["template"])
    data = {key: base64.b64decode(value) for key, value in vector["data"].items()}
    if "out" in vector:
        assert render(template, data) == base64.b64decode(vector["out"])
        return
    with pytest.raises(TemplateError) as failure:
        render(template, data)
    assert str(failure.value) == vector["error"]


def test_no_vector_is_lost() -> None:
    assert len(VECTORS) >= 7
