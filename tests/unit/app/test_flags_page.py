"""docs/flags.md is what the code says."""

from __future__ import annotations

from tests.pages import FLAGS, flags


def test_the_page_of_flags_is_what_help_prints() -> None:
    assert FLAGS.read_text() == flags(), "make docs writes it anew"
