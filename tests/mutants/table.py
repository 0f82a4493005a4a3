"""The list of mutants: one TOML file for each room beside this module.

Neighbours: run.py runs them, plugin.py puts one of them in the place of its module.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True, slots=True)
class Mutant:
    """`says`: what the fault does. `tests`: the tests that must notice it. `old` occurs once in `file`."""

    room: str
    says: str
    file: str
    tests: str
    old: str
    new: str

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """The module with the fault in it. Raises ValueError when the list is out of date."""
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} holds the text {text.count(self.old)} times")
        return text.replace(self.old, self.new)


def load() -> list[Mutant]:
    """All mutants, by room. In each file `[[module]]` names file and tests, `[[module.mutant]]` the faults."""
    found = []
    for path in sorted(HERE.glob("*.toml")):
        for module in tomllib.loads(path.read_text())["module"]:
            found += [
                Mutant(path.stem, one["says"], module["file"], module["tests"], one["old"], one["new"])
                for one in module["mutant"]
            ]
    return found
