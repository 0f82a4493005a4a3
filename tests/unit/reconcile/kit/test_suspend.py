from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eso.api.meta import Condition
from eso.api.wellknown import ANNOTATION_SUSPEND
from eso.reconcile.kit.suspend import FOREVER, before_pause, suspended, suspended_until
from tests.unit.reconcile.objects import NOW


@pytest.mark.parametrize(
    ("text", "until"),
    [
        pytest.param(None, None, id="without the annotation nothing is paused"),
        pytest.param("", None, id="an empty text pauses nothing"),
        pytest.param("false", None, id="false pauses nothing"),
        pytest.param("true", FOREVER, id="true pauses until it is taken away"),
        pytest.param(" True ", FOREVER, id="letter case and blanks do not matter"),
        pytest.param("2026-05-01T13:00:00Z", NOW + timedelta(hours=1), id="a time pauses until then"),
        pytest.param("2026-05-01T15:00:00+02:00", NOW + timedelta(hours=1), id="a time of another zone"),
        pytest.param("2026-05-01T12:00:00Z", None, id="the moment itself ends the pause"),
        pytest.param("2026-05-01T11:59:59Z", None, id="a time that has passed pauses nothing"),
        pytest.param("2026-05-01T13:00:00", FOREVER, id="a time without a zone is unclear, so it pauses"),
        pytest.param("next week", FOREVER, id="an unclear text pauses"),
    ],
)
def test_until_when_an_object_is_paused(text: str | None, until: datetime | None):
    assert suspended_until({} if text is None else {ANNOTATION_SUSPEND: text}, NOW) == until


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true", f"suspended until the annotation {ANNOTATION_SUSPEND} is removed"),
        ("2026-05-01T15:00:00+02:00", "suspended until 2026-05-01T13:00:00Z"),
        (
            "next week",
            f"suspended until the annotation {ANNOTATION_SUSPEND} is removed"
            ' ("next week" is neither "true" nor an RFC 3339 time)',
        ),
    ],
    ids=["for ever", "until a time", "an unclear text is quoted"],
)
def test_the_condition_says_until_when(text: str, message: str):
    annotations = {ANNOTATION_SUSPEND: text}
    until = suspended_until(annotations, NOW)
    assert until is not None
    told = suspended(None, annotations, until, NOW)
    assert (told.type, told.status, told.reason, told.message) == ("Ready", "Unknown", "Suspended", message)
    assert before_pause(told) is None


def test_the_condition_keeps_its_status_and_says_what_it_said_before():
    before = Condition("Ready", "False", "InvalidProviderConfig", "no, it is not", NOW, 3)
    told = suspended(before, {ANNOTATION_SUSPEND: "true"}, FOREVER, NOW)
    assert (told.status, told.observed_generation) == ("False", 3)
    assert told.message.endswith("; before: InvalidProviderConfig, no, it is not")
    assert before_pause(told) == before
    again = suspended(told, {ANNOTATION_SUSPEND: "true"}, FOREVER, NOW)
    assert again == told


def test_the_end_of_time_is_later_than_every_time():
    assert datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) < FOREVER
