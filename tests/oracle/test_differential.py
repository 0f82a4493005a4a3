"""Random templates, a new seed each time: ours and Go's give the same bytes or the same error."""

from __future__ import annotations

import os
import random
import sys

import pytest

from eso.template.cache import ALL
from tests.oracle.oracle import Oracle
from tests.oracle.run import CASES, run, table
from tests.oracle.signatures import EXCLUDED, FOCUS, OURS_ONLY

SECONDS = 120.0


def seed_of(config: pytest.Config) -> int:
    asked = config.getoption("--oracle-seed")
    if asked is None and (named := os.environ.get("ORACLE_SEED")):
        asked = int(named)
    return random.SystemRandom().randrange(1 << 32) if asked is None else int(asked)


def test_every_function_is_asked_for_or_has_a_reason_not_to_be() -> None:
    assert set(ALL) == set(FOCUS) | set(EXCLUDED) | OURS_ONLY


def test_random_templates_mean_what_they_mean_in_go(oracle: Oracle, pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]) -> None:
    seed = seed_of(pytestconfig)
    tally = run(oracle, seed, CASES, seconds=SECONDS)
    with capfd.disabled():
        print(f"\n{table(tally)}", file=sys.stderr)
    assert not tally.complaints(), "\n".join([f"python -m tests.oracle.run --seed {seed} --cases {tally.cases}", *tally.complaints()])
    assert tally.cases >= CASES // 4, "too few cases in the time there is"
