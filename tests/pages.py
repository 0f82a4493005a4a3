"""`python -m tests.pages` writes the pages of docs/ that are made from code.

Neighbours: tests/unit/app/test_flags_page.py holds the page to the code.
"""

from __future__ import annotations

from e2e.harness.cluster import REPO
from eso.app.flags import usage
from eso.app.main import SETTINGS

FLAGS = REPO / "docs" / "flags.md"
HEAD = """# Flags

Written by `make docs`; do not edit. Defaults are the reference's, or there is a line in
[compatibility](compatibility.md).
A DURATION is written as 300ms, 15s, 5m or 1h30m. `eso render`, `eso doctor` and `eso notify` tell theirs with `--help`.
"""


def flags() -> str:
    blocks = [f"\n## `eso {command}`\n\n```text\n{usage(settings)}\n```\n" for command, settings in SETTINGS.items()]
    return HEAD + "".join(blocks)


if __name__ == "__main__":
    FLAGS.write_text(flags())
