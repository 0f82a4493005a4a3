"""How much memory the process may use: the limit of its container, read once, and what becomes of it.

Neighbours: `app` sizes the memory budget and the workers by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNLIMITED: Final = 1 << 60  # version 1 writes a number near 2**63 for no limit
ROOT: Final = Path("/")
LEAST, MOST = 32 << 20, 1 << 30  # bytes of the budget of passes, where nobody says how many
LEAST_WORKER: Final = 48 << 20  # bytes; a worker that has less cannot render what a Secret takes


@dataclass(frozen=True, slots=True)
class Shares:
    """Bytes. `passes`: the budget of everything that passes hold; `worker`: for each process that computes. The rest
    is the process itself: code, caches, connections."""

    passes: int
    worker: int


def shares(limit: int | None, wanted: int, most_worker: int) -> Shares:
    """A quarter for passes and a fifth for a worker, of which there are two. `limit`: of the container, None for none;
    `wanted`: the budget that somebody asked for, 0 for none."""
    whole = limit or physical()
    passes = wanted or max(LEAST, min(MOST, whole // 4))
    worker = max(LEAST_WORKER, min(most_worker, (limit or 4 * passes) // 5))
    return Shares(passes, worker)


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes; the smallest limit of the control groups that the process is in, of either version. None: there is
    none."""
    found = [limit for file in files(root) if (limit := number(file)) is not None and 0 < limit < UNLIMITED]
    return min(found, default=None)


def files(root: Path) -> Iterator[Path]:
    """Of every group from the process's own up to the topmost that is seen. In a container the paths of the outside
    may not exist, and its own group is the topmost."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    places = [(mount, "memory.max", "/"), (mount / "memory", "memory.limit_in_bytes", "/")]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            places.append((mount, "memory.max", path))
        elif "memory" in controllers.split(","):
            places.append((mount / "memory", "memory.limit_in_bytes", path))
    for base, name, path in places:
        parts = [part for part in path.split("/") if part not in ("", "..", ".")]
        for depth in range(len(parts) + 1):
            yield base.joinpath(*parts[:depth], name)


def number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None  # no such group, or "max"


def physical() -> int:
    """Bytes of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
