"""What alerts make of scrapes: expressions evaluated by Prometheus's own engine.

Neighbours: ../promql/build.sh builds the program; operator.py and webhook.py are what gets scraped.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.harness.cluster import REPO

BUILD = REPO / "e2e" / "promql" / "build.sh"
Series = Mapping[tuple[str, frozenset[tuple[str, str]]], Sequence[tuple[float, float]]]
"""(name, labels) → (seconds, value) in the order of time."""


class PromqlFailed(RuntimeError):
    """The expression cannot be read or evaluated, or the program cannot be built."""


@dataclass(frozen=True, slots=True)
class Row:
    """One series that an expression gives: its labels, and the seconds at which it is there."""

    labels: Mapping[str, str]
    at: Sequence[float]


Evaluate = Callable[[str, Series, float, float, float], list[Row]]


def program() -> Path:
    """Built first where it is not there yet. Raises PromqlFailed."""
    done = subprocess.run([str(BUILD)], capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise PromqlFailed(f"{BUILD} failed:\n{done.stderr[-3000:]}")
    return Path(done.stdout.split()[-1])


def evaluate(expression: str, series: Series, start: float, end: float, step: float) -> list[Row]:
    """The expression at `start`, `start + step`, … `end`, all in seconds. Raises PromqlFailed."""
    asked = {
        "expressions": {"it": expression},
        "start": start,
        "end": end,
        "step": step,
        "series": [
            {"labels": {"__name__": name, **dict(labels)}, "points": points}
            for (name, labels), points in series.items()
        ],
    }
    done = subprocess.run(
        [str(program())], input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise PromqlFailed(f"{expression}: {done.stderr[-1000:]}")
    return [Row(row["labels"], row["at"] or []) for row in json.loads(done.stdout)["it"]]
