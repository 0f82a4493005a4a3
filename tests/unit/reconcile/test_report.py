from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition
from eso.errors import EsoError, Terminal
from eso.reconcile.externalsecret.desired import (
    Create,
    Delete,
    Nothing,
    Patch,
)
from eso.reconcile.externalsecret.report import Report, Told, failed, new_status, parked, seen_status, succeeded
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.kit.event import Event
from eso.runtime.outcome import After, Done, Fatal, Parked, Retry
from eso.stores.gate import GateClosed, Waiting
from tests.unit.reconcile.objects import NOW, es, target

COME_BACK = After(60.0)
GENERIC = {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}
PATCH = Patch("test-secret", {}, {})


def told(change: Any, *, creation: str = "Owner", generic: bool = False, before: Told | None = None) -> Report:
    return succeeded(es(target=target(creation, **(GENERIC if generic else {}))), change, before or Told(), COME_BACK)


@pytest.mark.parametrize(
    ("change", "reason", "message", "binding", "events"),
    [
        pytest.param(
            Create({}),
            "SecretSynced",
            "secret synced",
            "test-secret",
            [("Normal", "Created", "secret created")],
            id="created",
        ),
        pytest.param(
            PATCH,
            "SecretSynced",
            "secret synced",
            "test-secret",
            [("Normal", "Updated", "secret updated")],
            id="updated",
        ),
        pytest.param(Nothing(), "SecretSynced", "secret synced", "test-secret", [], id="nothing to do: no Event"),
        pytest.param(
            Nothing("retained"), "SecretSynced", "secret retained due to DeletionPolicy=Retain", "", [], id="retained"
        ),
        pytest.param(
            Nothing("missing"),
            "SecretMissing",
            "secret will not be created due to CreationPolicy=Merge",
            "",
            [],
            id="missing",
        ),
        pytest.param(
            Delete(),
            "SecretDeleted",
            "secret deleted due to DeletionPolicy=Delete",
            "",
            [],
            id="deleted, but nothing was there: no Event",
        ),
    ],
)
def test_success_with_a_secret(change: Any, reason: str, message: str, binding: str, events: list[Any]):
    report = told(change)
    assert report.condition is not None
    assert (report.condition.status, report.condition.reason, report.condition.message) == ("True", reason, message)
    assert (report.binding, list(report.events)) == (binding, [Event(*e) for e in events])
    assert report.outcome is COME_BACK and report.synced and not report.error


@pytest.mark.parametrize(
    ("change", "reason", "message", "events"),
    [
        pytest.param(
            Create({}),
            "ResourceSynced",
            "secret synced",
            [("Normal", "Created", "Created ConfigMap test-secret")],
            id="created",
        ),
        pytest.param(
            PATCH,
            "ResourceSynced",
            "secret synced",
            [("Normal", "Updated", "Updated ConfigMap test-secret")],
            id="updated",
        ),
        pytest.param(
            Nothing("missing"),
            "ResourceMissing",
            "resource will not be created due to CreationPolicy=Merge",
            [],
            id="missing",
        ),
    ],
)
def test_success_with_another_kind(change: Any, reason: str, message: str, events: list[Any]):
    report = told(change, generic=True)
    assert report.condition is not None
    assert (report.condition.reason, report.condition.message) == (reason, message)
    assert (report.binding, list(report.events)) == ("", [Event(*e) for e in events])


@pytest.mark.parametrize(
    ("generic", "text"),
    [
        pytest.param(False, "secret deleted due to DeletionPolicy=Delete", id="Secret"),
        pytest.param(True, "Deleted ConfigMap test-secret", id="another kind"),
    ],
)
def test_a_deletion_of_something_is_told(generic: bool, text: str):
    report = told(Delete(), generic=generic, before=Told(existed=True))
    assert report.events == (Event("Normal", "Deleted", text),)
    assert report.wrote


def test_the_policy_none_binds_nothing():
    assert told(Nothing(), creation="None").binding == ""


def test_what_happened_on_the_way_is_told_first():
    report = told(Create({}), before=Told(orphans=("old",), missing=("not there",)))
    assert [(e.reason, e.message) for e in report.events] == [
        ("MissingProviderSecret", "not there"),
        ("Deleted", "secret deleted because it was orphaned"),
        ("Created", "secret created"),
    ]


FETCH, OTHER_FETCH = Failed(Stage.FETCH, "where, err: x"), Failed(Stage.FETCH, "where, err: x", retryable=False)


@pytest.mark.parametrize(
    ("error", "message", "outcome"),
    [
        pytest.param(FETCH, "could not get secret data from provider", Retry, id="a read that may succeed later"),
        pytest.param(OTHER_FETCH, "could not get secret data from provider", Fatal, id="a read that needs an edit"),
        pytest.param(
            Failed(Stage.SPEC, "x"), "could not get secret data from provider", Fatal, id="a member without a meaning"
        ),
        pytest.param(
            Failed(Stage.CLAIM, "x"),
            "failed to take ownership of target secret",
            Done,
            id="another controller's Secret",
        ),
        pytest.param(
            Failed(Stage.OWN, "x"), "target is owned by another ExternalSecret", Done, id="another object's Secret"
        ),
        pytest.param(
            Failed(Stage.FREEZE, "x"), "could not update secret, target is immutable", Done, id="an immutable Secret"
        ),
        pytest.param(Failed(Stage.KEEP, "x"), "could not delete secret", Done, id="not ours to delete"),
        pytest.param(Failed(Stage.DELETE, "x"), "could not delete secret", Retry, id="a deletion that failed"),
        pytest.param(Failed(Stage.ORPHANS, "x"), "could not delete orphaned secrets", Retry, id="orphans"),
        pytest.param(Failed(Stage.RENDER, "x"), "could not update secret", Retry, id="a template"),
        pytest.param(EsoError("x"), "could not update secret", Retry, id="anything else"),
        pytest.param(
            Terminal("x"), "could not update secret", Retry, id="anything else, even if it says that only an edit helps"
        ),
    ],
)
def test_failures_with_a_secret(error: EsoError, message: str, outcome: type):
    report = failed(es(target=target()), error, Told())
    assert report.condition is not None
    assert (report.condition.status, report.condition.reason, report.condition.message) == (
        "False",
        "SecretSyncedError",
        message,
    )
    assert type(report.outcome) is outcome
    assert report.events == (Event("Warning", "UpdateFailed", str(error), again=outcome is Retry),)
    assert report.error and not report.synced and not report.wrote


@pytest.mark.parametrize(
    ("error", "reason", "message", "outcome"),
    [
        pytest.param(Failed(Stage.TARGET, "x"), "SecretSyncedError", "invalid generic target", Done, id="refused"),
        pytest.param(
            Failed(Stage.LOOK, "x"), "ResourceSyncedError", "could not get target resource", Retry, id="unreadable"
        ),
        pytest.param(
            Failed(Stage.RENDER, "x"),
            "ResourceSyncedError",
            "could not apply template to manifest",
            Retry,
            id="rendering",
        ),
        pytest.param(
            Failed(Stage.KEEP, "x"), "ResourceSyncedError", "could not delete resource", Done, id="not ours to delete"
        ),
        pytest.param(
            Failed(Stage.DELETE, "x"),
            "ResourceSyncedError",
            "could not delete resource",
            Retry,
            id="a deletion that failed",
        ),
        pytest.param(FETCH, "ResourceSyncedError", "could not get secret data from provider", Retry, id="a read"),
    ],
)
def test_failures_with_another_kind(error: EsoError, reason: str, message: str, outcome: type):
    report = failed(es(target=target(**GENERIC)), error, Told())
    assert report.condition is not None
    assert (report.condition.reason, report.condition.message) == (reason, message)
    assert type(report.outcome) is outcome


def test_a_lost_race_is_nobodys_business():
    assert failed(es(), Failed(Stage.RACE, "x"), Told()) == Report(Retry())


def test_the_event_tells_what_to_do():
    report = failed(es(), Failed(Stage.FREEZE, "it is", fix="do this"), Told(missing=("not there",)))
    assert [e.message for e in report.events] == ["not there", "it is (do this)"]


@pytest.mark.parametrize(
    ("error", "existed", "binding"),
    [
        pytest.param(EsoError("x"), True, "test-secret", id="an update that failed is bound already"),
        pytest.param(EsoError("x"), False, "", id="a creation that failed is not"),
        pytest.param(FETCH, True, "", id="a read that failed says nothing"),
        pytest.param(Failed(Stage.KEEP, "x"), True, "", id="nor does a refused deletion"),
    ],
)
def test_the_binding_after_a_failure(error: EsoError, existed: bool, binding: str):
    assert failed(es(target=target()), error, Told(existed=existed)).binding == binding


CLOSED = GateClosed("the backend is down", "endpoint:x", 7)
READY = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}
FAILED = READY | {
    "status": "False",
    "reason": "SecretSyncedError",
    "message": "could not get secret data from provider",
}


@pytest.mark.parametrize(
    ("condition", "version", "slot_missed", "speaks", "counts"),
    [
        pytest.param(None, "", False, True, True, id="never synced: told once"),
        pytest.param(READY, "2-x", False, False, False, id="synced, slot not missed: silence"),
        pytest.param(READY, "2-x", True, True, True, id="synced, slot missed: told"),
        pytest.param(READY, "1-x", False, True, True, id="synced, edited since: told"),
        pytest.param(FAILED, "2-x", True, False, True, id="told already, slot missed: counted"),
        pytest.param(FAILED, "2-x", False, False, False, id="told already: silence"),
        pytest.param(FAILED, "1-x", False, False, False, id="told already, edited since: silence"),
    ],
)
@pytest.mark.parametrize("observed", [1, 2])
def test_a_closed_gate(condition: Any, version: str, slot_missed: bool, speaks: bool, counts: bool, observed: int):
    conditions = [condition | {"observedGeneration": observed}] if condition else []
    slot_in = -1.0 if slot_missed else 30.0
    report = parked(
        es(generation=2, status={"conditions": conditions, "syncedResourceVersion": version}), CLOSED, slot_in
    )
    still_fine = condition is READY and not speaks
    assert report.outcome == Parked("endpoint:x", 7, slot_in if still_fine else None), (
        "what is fine has a miss to tell later, nothing else has"
    )
    assert (report.events, report.error) == (
        (Event("Warning", "UpdateFailed", "the backend is down"),) if speaks else (),
        counts,
    )
    if speaks:
        assert report.condition == Condition(**FAILED)
    elif observed == 2:
        assert report.condition is None
    else:  # the same again, for the generation of now
        assert report.condition is not None and report.condition.status == condition["status"]


@pytest.mark.parametrize("status", [{}, {"conditions": [READY], "syncedResourceVersion": "1-x"}], ids=["new", "synced"])
@pytest.mark.parametrize("slot_in", [None, -1.0, 30.0])
def test_a_store_that_waits_for_its_first_validation_is_not_told(status: Any, slot_in: float | None):
    assert parked(es(status=status), Waiting("not validated yet", "store:x", 3), slot_in) == Report(
        Parked("store:x", 3)
    )


# --- status
# ----------------------------------------------------------------------------------------------------------------------
# -----------

EARLIER = "2026-05-01T11:00:00Z"


def was(condition: dict[str, Any] | None = None, *, generation: int = 1, **members: Any) -> ExternalSecret:
    """An object that was told to be synced at 11:00; `members` of its status."""
    spoken = (condition or READY) | {
        "lastTransitionTime": EARLIER,
        "observedGeneration": members.get("observedGeneration", 1),
    }
    plain = es(generation=generation)
    version = synced_resource_version(msgspec.structs.replace(plain.metadata, generation=1))
    status = {
        "refreshTime": EARLIER,
        "syncedResourceVersion": version,
        "binding": {"name": "test-secret"},
        "conditions": [spoken],
        "observedGeneration": 1,
    }
    return es(generation=generation, target=target(), status=status | members)


def status(
    one: ExternalSecret, report: Report, *, heartbeat: bool = False, told_generation: int = 0, at: datetime = NOW
) -> dict[str, Any] | None:
    return new_status(one, report, at, heartbeat_due=heartbeat, told_generation=told_generation)


SYNCED, BROKEN = succeeded(was(), Nothing(), Told(), COME_BACK), failed(was(), FETCH, Told())


def test_an_unchanged_world_leaves_the_status_alone():
    assert status(was(), SYNCED) is None
    assert status(was(FAILED), BROKEN) is None


def test_a_heartbeat_moves_the_refresh_time_and_nothing_else():
    after = status(was(), SYNCED, heartbeat=True)
    assert after is not None
    assert after["refreshTime"] == "2026-05-01T12:00:00Z"
    assert after["conditions"] == [READY | {"lastTransitionTime": EARLIER, "observedGeneration": 1}]
    assert (after["binding"], after["observedGeneration"]) == ({"name": "test-secret"}, 1)


def test_a_failure_has_no_heartbeat():
    assert status(was(FAILED), BROKEN, heartbeat=True) is None


def test_a_write_is_told_at_once():
    assert status(was(), succeeded(was(), PATCH, Told(), COME_BACK)) is not None


def test_a_first_success_tells_everything():
    after = status(es(target=target()), SYNCED)
    assert after == {
        "conditions": [READY | {"lastTransitionTime": "2026-05-01T12:00:00Z", "observedGeneration": 1}],
        "refreshTime": "2026-05-01T12:00:00Z",
        "binding": {"name": "test-secret"},
        "observedGeneration": 1,
        "syncedResourceVersion": synced_resource_version(es().metadata),
    }


def test_a_first_failure_tells_neither_time_nor_version():
    after = status(es(target=target()), BROKEN)
    assert after is not None
    assert (after["refreshTime"], after["binding"]) == (None, {"name": ""}) and "syncedResourceVersion" not in after


def test_a_failure_keeps_the_last_success():
    after = status(was(), BROKEN)
    assert after is not None
    assert (after["refreshTime"], after["syncedResourceVersion"]) == (EARLIER, was().status.synced_resource_version)
    assert after["conditions"] == [FAILED | {"lastTransitionTime": "2026-05-01T12:00:00Z", "observedGeneration": 1}]


def test_only_a_change_of_the_status_moves_the_transition_time():
    other = failed(was(), EsoError("x"), Told())
    after = status(was(FAILED), other)
    assert after is not None
    assert (
        after["conditions"][0]["message"] == "could not update secret"
        and after["conditions"][0]["lastTransitionTime"] == EARLIER
    )


def test_conditions_of_others_stay():
    other = {"type": "Other", "status": "True", "reason": "R", "message": "m"}
    one = es(target=target(), status={"conditions": [other]})
    after = status(one, SYNCED)
    assert (
        after is not None
        and [c["type"] for c in after["conditions"]] == ["Other", "Ready"]
        and after["conditions"][0] == other
    )


def test_a_report_without_a_condition_writes_nothing():
    assert status(es(), Report(Retry())) is None


def test_a_new_generation_is_told_even_if_nothing_else_changes():
    after = status(was(generation=2), BROKEN)
    assert after is not None and after["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("one", "told_generation", "writes"),
    [
        pytest.param(was(), 0, False, id="seen already"),
        pytest.param(was(generation=2), 0, True, id="a new generation"),
        pytest.param(was(generation=2), 2, False, id="told by this process, dropped by the schema"),
        pytest.param(was(observedGeneration=0), 0, True, id="never told"),
        pytest.param(es(generation=2), 0, False, id="no condition to say it with"),
    ],
)
def test_a_pass_without_work_says_once_what_it_has_seen(one: ExternalSecret, told_generation: int, writes: bool):
    after = seen_status(one, told_generation)
    assert (after is not None) is writes
    if after is not None:
        generation = one.metadata.generation
        assert after["observedGeneration"] == generation and {c["observedGeneration"] for c in after["conditions"]} == {
            generation
        }
        assert after["refreshTime"] == EARLIER and after["syncedResourceVersion"] == one.status.synced_resource_version


def test_a_schema_that_drops_the_generation_is_not_written_to_again_and_again():
    pruned = was(observedGeneration=0)
    first = status(pruned, SYNCED)
    assert first is not None
    assert status(pruned, SYNCED, told_generation=1) is None


def test_what_was_written_reads_back_as_unchanged():
    """The status as a fixed point: whatever is reported twice is written once."""
    for report in (
        SYNCED,
        BROKEN,
        succeeded(was(), Nothing("retained"), Told(), COME_BACK),
        parked(es(), CLOSED, True),
    ):
        first = status(es(target=target()), report)
        assert first is not None
        again = es(target=target(), status={k: v for k, v in first.items() if v is not None})
        assert status(again, repeated(report), at=NOW + timedelta(seconds=30)) is None


def repeated(report: Report) -> Report:
    """The same report of a later pass that wrote nothing."""
    return Report(report.outcome, report.condition, (), report.synced, False, report.binding, report.error)
