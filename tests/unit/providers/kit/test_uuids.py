"""The forms of an id that Go's parser takes, and no others."""

from __future__ import annotations

import pytest

from eso.providers.kit.uuids import canonical

ID = "99999999-abcd-4333-8444-555555555555"


@pytest.mark.parametrize("text", (ID, ID.upper(), f"{{{ID}}}", f"urn:uuid:{ID}", f"URN:UUID:{ID}", ID.replace("-", "")))
def test_every_form_is_one_id(text: str) -> None:
    assert canonical(text) == ID


@pytest.mark.parametrize(
    "text",
    (
        "",
        "x",
        f" {ID}",
        f"{ID}\n",
        ID[:-1],
        f"{{{ID}",
        f"({ID})",
        f"urn:uuid:{{{ID}}}",
        "9" * 33,
        "-".join(ID),
        "٣" * 32,
    ),
)
def test_anything_else_is_none(text: str) -> None:
    assert canonical(text) is None
