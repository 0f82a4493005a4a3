"""`python -m eso.api.crds <folder>` writes one YAML file for each kind.

Neighbours: definition.py makes them. A test compares the files with what this would write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from eso.api.crds.definition import definitions

HEAD = "# Written by `make manifests`; do not edit.\n"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # readers of a CRD do not expect anchors


def files() -> dict[str, str]:
    """File name → content."""
    return {
        f"{plural}.yaml": HEAD + yaml.dump(crd, Dumper=_Plain, sort_keys=True, width=160, allow_unicode=True)
        for plural, crd in definitions().items()
    }


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (Path(folder) / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m eso.api.crds <folder>")
    main(sys.argv[1])
