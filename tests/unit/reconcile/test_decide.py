from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from eso.api.hashing import synced_resource_version
from eso.reconcile.externalsecret.decide import Idle, LabelTarget, Seen, Sync, decide
from eso.reconcile.externalsecret.refresh import Synced
from eso.runtime.outcome import Wake
from tests.unit.reconcile.objects import NOW, es, target

QUIET = Wake()
VERSION = synced_resource_version(es().metadata)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
FRESH = Synced(VERSION, EARLIER, LATER)
DUE = Synced(VERSION, EARLIER, EARLIER)
NEVER = Synced("", None, None)
INTACT, CHANGED, FOREIGN = Seen(True, True), Seen(True, False), Seen(False, True)


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge", "None"])
@pytest.mark.parametrize("synced", [FRESH, DUE, NEVER], ids=["fresh", "due", "never"])
@pytest.mark.parametrize("seen", [FOREIGN, Seen(False, False)], ids=["as it was", "changed"])
def test_a_target_without_our_label_gets_it_before_anything_else(policy: str, synced: Synced, seen: Seen):
    assert decide(es(target=target(policy)), seen, synced, QUIET, NOW) == LabelTarget()


@pytest.mark.parametrize(
    ("policy", "seen", "synced", "step"),
    [
        pytest.param("Owner", INTACT, FRESH, Idle(), id="intact and not due: nothing"),
        pytest.param("Owner", INTACT, DUE, Sync(False), id="intact and due: read"),
        pytest.param("Owner", None, NEVER, Sync(False), id="never synced: no drift"),
        pytest.param("Owner", INTACT, NEVER, Sync(False), id="never synced although there is one"),
        pytest.param("Owner", CHANGED, NEVER, Sync(False), id="what was there before us has not drifted"),
        pytest.param("Owner", None, FRESH, Sync(True, due=False), id="removed: drift"),
        pytest.param("Owner", CHANGED, FRESH, Sync(True, due=False), id="changed: drift"),
        pytest.param("Owner", CHANGED, DUE, Sync(True), id="changed and due: drift"),
        pytest.param("CreateOrMerge", None, FRESH, Sync(True, due=False), id="CreateOrMerge: removed is drift"),
        pytest.param("Merge", None, FRESH, Sync(True, due=False), id="Merge: missing reads at every pass"),
        pytest.param("None", None, FRESH, Sync(True, due=False), id="None: missing reads at every pass"),
        pytest.param("Orphan", None, FRESH, Idle(), id="Orphan: removed waits"),
        pytest.param("Orphan", CHANGED, FRESH, Idle(), id="Orphan: changed waits"),
        pytest.param("Orphan", CHANGED, DUE, Sync(False), id="Orphan: due"),
        pytest.param("Orphan", None, NEVER, Sync(False), id="Orphan: never synced"),
    ],
)
def test_the_next_step(policy: str, seen: Seen | None, synced: Synced, step: object):
    assert decide(es(target=target(policy)), seen, synced, QUIET, NOW) == step


@pytest.mark.parametrize(
    "refresh", [{"refreshPolicy": "CreatedOnce"}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}], ids=str
)
def test_drift_is_repaired_whatever_the_refresh_policy(refresh: dict[str, str]):
    one = es(target=target("Owner"), **refresh)
    assert decide(one, INTACT, DUE, QUIET, NOW) == Idle()
    assert decide(one, CHANGED, DUE, QUIET, NOW) == Sync(True, due=False)
    assert decide(one, None, DUE, QUIET, NOW) == Sync(True, due=False)


def test_a_sync_window_holds_back_refreshes_and_not_repairs():
    windows = {"kind": "deny", "windows": [{"schedule": "* * * * *", "duration": "10m"}]}
    one = es(target=target("Owner"), syncWindows=windows)
    assert decide(one, INTACT, DUE, QUIET, NOW) == Idle()
    assert decide(one, CHANGED, DUE, QUIET, NOW) == Sync(True, due=False)
    assert decide(one, None, NEVER, QUIET, NOW) == Sync(False)


def test_a_trigger_reads_what_is_not_due():
    triggered = Wake(frozenset({"store changed"}), NOW)
    assert decide(es(target=target("Owner")), INTACT, FRESH, triggered, NOW) == Sync(False, due=False)
    assert decide(es(target=target("Owner"), refreshPolicy="OnChange"), INTACT, FRESH, triggered, NOW) == Idle()


@pytest.mark.parametrize("reason", ["SecretMissing", "ResourceMissing", "SecretSynced"])
@pytest.mark.parametrize("policy", ["Merge", "Owner"])
def test_a_target_that_was_missing_and_is_there_now_is_filled_whoever_made_it(policy: str, reason: str):
    one = es(target=target(policy), status={"conditions": [{"type": "Ready", "status": "True", "reason": reason}]})
    waited = policy == "Merge" and reason != "SecretSynced"
    assert decide(one, INTACT, FRESH, QUIET, NOW) == (Sync(False, due=False) if waited else Idle())


def test_an_edited_object_is_told_from_one_that_is_due():
    edited = es(target=target("Owner"), generation=2)
    assert decide(edited, INTACT, FRESH, QUIET, NOW) == Sync(False, due=False, edited=True)
    assert decide(edited, INTACT, DUE, QUIET, NOW) == Sync(False, due=True, edited=True)


def test_every_case_has_an_answer():
    policies = ["Owner", "Orphan", "Merge", "CreateOrMerge", "None", "", "of tomorrow"]
    for policy, seen, synced in product(policies, [None, INTACT, CHANGED, FOREIGN], [FRESH, DUE, NEVER]):
        assert isinstance(decide(es(target=target(policy)), seen, synced, QUIET, NOW), LabelTarget | Idle | Sync)
