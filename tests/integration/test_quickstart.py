"""docs/quickstart.md as a stranger follows it: each command, in order, in one shell, with the output that the page
shows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness.cluster import REPO

pytestmark = pytest.mark.real
PAGE = REPO / "docs" / "quickstart.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """(command, the output that the page shows); a here-document belongs to its command."""
    for block in BLOCK.findall(PAGE.read_text()):
        command: list[str] = []
        shown: list[str] = []
        here = False
        for line in block.splitlines():
            if line.startswith("$ ") and not here:
                if command:
                    yield "\n".join(command), "\n".join(shown)
                command, shown = [line[2:]], []
                here = "<<'EOF'" in line
            elif here:
                command.append(line)
                here = line != "EOF"
            else:
                shown.append(line)
        yield "\n".join(command), "\n".join(shown)


@pytest.fixture
def demo() -> Iterator[dict[str, str]]:
    """The variables that `make demo KEEP=1` prints; ends what it left running."""
    words = [sys.executable, "-m", "e2e.demo", "--local"]
    done = subprocess.run([*words, "--keep"], cwd=REPO, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = re.findall(r"^  export (.+)$", done.stdout, re.MULTILINE)
    (folder,) = re.findall(r"--stop (\S+)", done.stdout)
    try:
        yield dict(word.split("=", 1) for line in found for word in line.split())
    finally:
        subprocess.run([*words, "--stop", folder], cwd=REPO, check=True, capture_output=True, timeout=120)


def test_the_quickstart_works_as_it_is_written(demo: dict[str, str], tmp_path: Path) -> None:
    (first, _), (path, _), *rest = commands()
    assert first == "make demo KEEP=1"
    # The page's make runs as the fixture does, with this interpreter's programs.
    found = f'export PATH="{Path(sys.executable).parent}:$PATH"'
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **demo}
    for command, shown in rest:
        script = "\n".join(["set -o pipefail", path, found, command])
        done = subprocess.run(
            ["bash", "-c", script], cwd=REPO, env=variables, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if shown:
            assert done.stdout.strip() == shown, command
