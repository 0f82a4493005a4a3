"""How a condition replaces another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from eso.api.conditions import condition, set_condition
from eso.api.meta import Condition

THEN, NOW = datetime(2024, 5, 1, 12, tzinfo=UTC), datetime(2024, 5, 1, 13, tzinfo=UTC)
OTHER = Condition("Deleted", "False", last_transition_time=THEN)
OLD = Condition("Ready", "True", "SecretSynced", "secret synced", THEN)


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        pytest.param(
            Condition("Ready", "True", "SecretSynced", "secret synced", NOW), OLD, id="nothing new keeps the old time"
        ),
        pytest.param(
            Condition("Ready", "True", "SecretDeleted", "gone", NOW),
            Condition("Ready", "True", "SecretDeleted", "gone", THEN),
            id="another reason keeps the old time",
        ),
        pytest.param(
            Condition("Ready", "False", "X", "y", NOW),
            Condition("Ready", "False", "X", "y", NOW),
            id="another status moves the time",
        ),
    ],
)
def test_the_transition_time_moves_with_the_status_only(wanted: Condition, stored: Condition) -> None:
    assert condition(set_condition((OLD, OTHER), wanted), "Ready") == stored


def test_what_says_nothing_new_changes_nothing_not_even_the_order() -> None:
    before = (OLD, OTHER)
    assert set_condition(before, Condition("Ready", "True", "SecretSynced", "secret synced", NOW)) is before


def test_other_types_stay_and_the_new_condition_comes_last() -> None:
    assert [c.type for c in set_condition((OLD, OTHER), Condition("Ready", "False"))] == ["Deleted", "Ready"]


def test_the_first_condition_is_appended() -> None:
    assert set_condition([], OLD) == (OLD,)
    assert condition((), "Ready") is None
