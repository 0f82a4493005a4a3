"""A wrong engine does not survive: each mutant differs from Go within a bounded number of random templates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.oracle.generate import Case, case
from tests.oracle.mutants import MUTANTS
from tests.oracle.oracle import Answer, Oracle, difference, ours

SEED = 20_240_229
CASES = 6_000

Answered = Sequence[tuple[Case, Answer]]


@pytest.fixture(scope="module")
def answered(oracle: Oracle) -> Answered:
    """Cases with Go's answers, on which the right engine agrees."""
    cases = [case(SEED, number) for number in range(CASES)]
    pairs = list(zip(cases, oracle.answers([each.question for each in cases]), strict=True))
    return [(each, theirs) for each, theirs in pairs if not differs(each, theirs)]


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
    assert len(answered) > 0.99 * CASES
    assert not any(differs(each, theirs) for each, theirs in answered)
