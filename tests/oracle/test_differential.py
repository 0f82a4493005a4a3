"""Random templates: ours and Go's give the same bytes or the same error.

Neighbours: run.py asks and counts, vectors.json keeps what was found once.
"""

from __future__ import annotations

import os
import sys

import pytest

from eso.template.cache import ALL
from tests.oracle.oracle import Oracle
from tests.oracle.run import CASES, run, table
from tests.oracle.signatures import EXCLUDED, FOCUS, OURS_ONLY

SEED = 20_260_101
"""Pinned, because a red run must mean a change and not luck; new seeds are what `python -m tests.oracle.run` without
--seed is for."""
SECONDS = 120.0
"""A slow machine ends early, with fewer cases, of which proportionally less is wanted."""


def seed_of(config: pytest.Config) -> int:
    asked = config.getoption("--oracle-seed")
    if asked is None and (named := os.environ.get("ORACLE_SEED")):
        asked = int(named)
    return SEED if asked is None else int(asked)


def test_every_function_is_asked_for_or_has_a_reason_not_to_be() -> None:
    assert set(ALL) == set(FOCUS) | set(EXCLUDED) | OURS_ONLY


@pytest.mark.timeout(900)  # its own limit is SECONDS; what differs is made small after it
def test_random_templates_mean_what_they_mean_in_go(
    oracle: Oracle, pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of(pytestconfig)
    tally = run(oracle, seed, CASES, seconds=SECONDS)
    with capfd.disabled():
        print(f"\n{table(tally)}", file=sys.stderr)
    assert not tally.complaints(), "\n".join(
        [f"python -m tests.oracle.run --seed {seed} --cases {tally.cases}", *tally.complaints()]
    )
    assert tally.cases, "not one case in the time there is"
