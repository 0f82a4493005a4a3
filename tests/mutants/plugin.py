"""A pytest plugin that loads one module with a fault in it: the mutant whose number is in the variable MUTANT.

The files on disk stay as they are, so that nothing is left behind when a run is broken off.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType

from hypothesis import settings

from tests.mutants.table import ROOT, Mutant, load


class Loader(SourceFileLoader):
    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(ROOT / mutant.file))
        self.source = mutant.source()

    def get_data(self, path: str) -> bytes:
        return self.source.encode()

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError  # neither read nor write compiled code


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(fullname, ROOT / self.mutant.file, loader=Loader(self.mutant))


def install(mutant: Mutant) -> None:
    assert mutant.module not in sys.modules, f"{mutant.module} was imported before its mutant"
    sys.meta_path.insert(0, Finder(mutant))


settings.register_profile("mutants", derandomize=True)  # the same verdict each time
settings.load_profile("mutants")
install(load()[int(os.environ["MUTANT"])])
