"""Each case that was recorded from the reference ends here as it ended there, but for what docs/compatibility.md
names.
"""

from __future__ import annotations

import pytest

from tests.recorded.accepted import ACCEPTED, BY_CASE, EVERYWHERE
from tests.recorded.case import NAMES
from tests.recorded.conftest import Replays
from tests.recorded.differences import compare

pytestmark = pytest.mark.real


@pytest.mark.parametrize("recorded_case", NAMES)
def test_a_case_ends_as_recorded(replays: Replays, recorded_case: str) -> None:
    case, here = replays.of(recorded_case)
    found = compare(case.recorded, here, case.ignore)
    unexplained = [one for one in found if not any(entry.explains(case.name, one) for entry in ACCEPTED)]
    told = "\n".join(map(str, unexplained))
    assert not unexplained, f"{case.about}\n{told}"
    past = [
        entry
        for entry in BY_CASE
        if case.name in entry.cases and not any(entry.explains(case.name, one) for one in found)
    ]
    assert not past, f"these differences are no more, take them out: {past}"


def test_a_difference_that_is_accepted_everywhere_is_seen_somewhere(replays: Replays) -> None:
    unseen = {entry.row for entry in EVERYWHERE}
    for name in NAMES:
        if unseen:
            case, here = replays.of(name)
            found = compare(case.recorded, here, case.ignore)
            unseen -= {entry.row for entry in EVERYWHERE if any(entry.explains(name, one) for one in found)}
    assert not unseen
