"""A wrong engine does not survive: each mutant differs from Go within a bounded number of random templates.

Neighbours: mutants.py has them. The seed is pinned and what the clock, chance or Go's map order decides is left out:
luck catches nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.oracle.generate import Case, case
from tests.oracle.mutants import MUTANTS
from tests.oracle.oracle import Answer, Oracle, difference, ours
from tests.oracle.run import deliberate, words
from tests.oracle.signatures import UNSTABLE

SEED = 20_240_229
CASES = 12_000
MOVING = UNSTABLE - {"toDate"}
"""What gives another answer later; `toDate` does so together with others of these only."""

pytestmark = pytest.mark.timeout(900)  # a survivor is asked about all cases, and this must not fail on a slow machine

Answered = Sequence[tuple[Case, Answer]]


@pytest.fixture(scope="module")
def answered(oracle: Oracle) -> Answered:
    """Cases with Go's answers, on which the right engine agrees."""
    cases = [
        made
        for made in (case(SEED, number) for number in range(CASES))
        if not (MOVING & words(made) or deliberate(made))
    ]
    return list(zip(cases, oracle.answers([each.question for each in cases]), strict=True))


def differs(each: Case, theirs: Answer) -> bool:
    return difference(theirs, ours(each.question)) not in ("", "node")


def test_there_are_mutants() -> None:
    assert len(MUTANTS) >= 12


@pytest.mark.parametrize("sentence", list(MUTANTS))
def test_a_wrong_engine_is_caught(sentence: str, answered: Answered, monkeypatch: pytest.MonkeyPatch) -> None:
    bend, about = MUTANTS[sentence]
    bend(monkeypatch)
    asked = sorted(answered, key=lambda pair: about.encode() not in pair[0].tree.source())
    assert any(differs(each, theirs) for each, theirs in asked), f"{CASES} templates do not notice that {sentence}"


def test_the_right_engine_agrees(answered: Answered) -> None:
    assert len(answered) > 0.6 * CASES
    assert not [each.tree.source() for each, theirs in answered if differs(each, theirs)]
