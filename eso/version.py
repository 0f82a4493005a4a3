"""The version of this build.

Neighbours: everybody who says it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("eso")
    except PackageNotFoundError:
        return "0.0.0-dev"


VERSION = _installed()
