"""Each case that was recorded from the reference ends here as it ended there, but for what docs/compatibility.md
names.
"""

from __future__ import annotations

import pytest

from tests.recorded.accepted import EVERYWHERE, differences, unexplained, unseen
from tests.recorded.case import NAMES
from tests.recorded.conftest import Replays

pytestmark = pytest.mark.real


@pytest.mark.parametrize("recorded_case", NAMES)
def test_a_case_ends_as_recorded(replays: Replays, recorded_case: str) -> None:
    case, here = replays.of(recorded_case)
    found = unexplained(case, here)
    told = "\n".join(map(str, found))
    assert not found, f"{case.about}\n{told}"
    past = unseen(case, here)
    assert not past, f"these differences are no more, take them out: {past}"


def test_a_difference_that_is_accepted_everywhere_is_seen_somewhere(replays: Replays) -> None:
    rows = {entry.row for entry in EVERYWHERE}
    for name in NAMES:
        if rows:
            case, here = replays.of(name)
            found = differences(case, here)
            rows -= {entry.row for entry in EVERYWHERE if any(entry.explains(name, one) for one in found)}
    assert not rows
