"""Writers that share a target, annotations that stay where they are, dice between two slots, the pause.

In the reference a pass of one ExternalSecret wakes nobody else, and none of the Events here exists.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.conftest import Case

PROMPTLY = 5.0  # seconds
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SUSPEND = "extensions.external-secrets.io/suspend"
VALUE = {"targetProperty": "some-value"}


def annotate(live: Case, value: str | None, name: str = "test-es") -> None:
    live.edit("externalsecrets", name, {"metadata": {"annotations": {SUSPEND: value}}})


def test_who_lost_a_conflict_of_owners_is_served_when_the_owner_lets_go(live: Case):
    live.external_secret("own", refreshInterval="1h")
    live.synced("own")
    data = [{"secretKey": "extra", "remoteRef": {"key": "barz", "property": "bang"}}]
    live.external_secret("into", refreshInterval="1h", target={"creationPolicy": "Merge"}, data=data)
    live.failed("target is owned by another ExternalSecret", "into")
    live.edit("externalsecrets", "own", {"spec": {"target": {"creationPolicy": "CreateOrMerge"}}})
    live.eventually(lambda: live.secret() == VALUE | {"extra": "some-value"}, within=PROMPTLY)
    live.synced("into")
    before = live.passes("own") + live.passes("into")
    live.holds(lambda: live.passes("own") + live.passes("into") <= before + 2, 2)


def test_a_template_source_that_is_its_own_target_makes_no_loop(live: Case):
    live.foreign_secret("selfie", {"tpl": 'note: "{{ .targetProperty }}"'})
    source = {"secret": {"name": "selfie", "items": [{"key": "tpl"}]}, "target": "Annotations"}
    template = {"templateFrom": [source], "data": {"hash": "{{ .targetProperty | bcrypt }}"}}
    live.external_secret(
        refreshInterval="1h", target={"name": "selfie", "creationPolicy": "Merge", "template": template}
    )
    live.synced()
    written = live.raw_secret("selfie")["metadata"]["resourceVersion"]
    passes = live.passes()
    live.holds(lambda: live.passes() <= passes + 1, 2.5)
    assert live.raw_secret("selfie")["metadata"]["resourceVersion"] == written
    live.edit("secrets", "selfie", {"stringData": {"tpl": 'other: "{{ .targetProperty }}"'}})
    wanted = 'other: "some-value"'
    live.eventually(lambda: live.raw_secret("selfie")["metadata"]["annotations"]["tpl"] == wanted, within=PROMPTLY)


def test_two_targets_that_are_each_others_source_come_to_rest(live: Case):
    def looking(name: str, source: str) -> None:
        entry = {"secret": {"name": source, "items": [{"key": "dice"}]}, "target": "Annotations"}
        live.foreign_secret(name, {"dice": "a: b"})
        live.external_secret(
            f"es-{name}",
            refreshInterval="1h",
            target={
                "name": name,
                "creationPolicy": "Merge",
                "template": {"templateFrom": [entry], "data": {"dice": "k: {{ randAlphaNum 9 }}"}},
            },
        )

    looking("one", "two")
    looking("two", "one")
    live.eventually(lambda: any("again and again" in text for n in ("one", "two") for text in live.events(f"es-{n}")))
    passes = live.passes("es-one") + live.passes("es-two")
    live.holds(lambda: live.passes("es-one") + live.passes("es-two") <= passes + 4, 2.5)


def test_a_person_who_tries_out_edits_is_corrected_each_time(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    for n in range(5):
        live.edit("secrets", "test-secret", {"stringData": {"targetProperty": f"edit {n}"}}, manager="kubectl-edit")
        live.eventually(lambda: live.secret() == VALUE, within=PROMPTLY)
        live.holds(lambda: live.secret() == VALUE, 1.2)
    assert live.events(reason="TargetContested") == []


def test_a_writer_that_fights_is_corrected_three_times_and_named_once(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    for _ in range(3):
        live.edit("secrets", "test-secret", {"stringData": {"targetProperty": "theirs"}}, manager="argocd")
        live.eventually(lambda: live.secret() == VALUE, within=PROMPTLY)
    live.edit("secrets", "test-secret", {"stringData": {"targetProperty": "theirs"}}, manager="argocd")
    live.told("changed by argocd again and again")
    live.holds(lambda: live.secret() == {"targetProperty": "theirs"}, 2)
    assert len(live.events(reason="TargetContested")) == 1
    live.edit_es({"spec": {"refreshInterval": "2h"}})
    live.eventually(lambda: live.secret() == VALUE, within=PROMPTLY)


def test_two_objects_that_merge_one_key_are_told_of_each_other(live: Case):
    live.foreign_secret(data={"theirs": "1"})
    for name in ("first", "second"):
        template = {"data": {"contested": f"of {name}: {{{{ .targetProperty }}}}"}}
        target = {"creationPolicy": "Merge", "template": template}
        live.external_secret(name, refreshInterval="2s", target=target)

    def told() -> bool:
        pairs = (("first", "second"), ("second", "first"))
        texts = [(text, other) for one, other in pairs for text in live.events(one, reason="TargetContested")]
        return any(f"/{other} again and again" in text for text, other in texts)

    live.eventually(told, within=60)


def test_a_merge_target_that_somebody_makes_later_is_filled_at_once(live: Case):
    live.external_secret(refreshInterval="1h", target={"creationPolicy": "Merge"})
    live.synced()
    live.foreign_secret(data={"theirs": "1"})
    live.eventually(lambda: live.secret() == VALUE | {"theirs": "1"}, within=PROMPTLY)


def test_a_merge_target_that_we_make_later_for_another_object_is_filled_at_once(live: Case):
    data = [{"secretKey": "extra", "remoteRef": {"key": "barz", "property": "bang"}}]
    live.external_secret("into", refreshInterval="1h", target={"creationPolicy": "Merge"}, data=data)
    live.synced("into")
    live.external_secret(refreshInterval="1h", target={"creationPolicy": "CreateOrMerge"})
    live.eventually(lambda: live.secret() == VALUE | {"extra": "some-value"}, within=PROMPTLY)


def test_the_manifest_that_kubectl_applied_stays_with_each_object(live: Case):
    live.foreign_secret(data={"a": "1", "b": "2"}, annotations={LAST_APPLIED: "the secret's"})
    live.external_secret(
        refreshInterval="1h",
        annotations={LAST_APPLIED: "the external secret's", "team": "a"},
        target={"creationPolicy": "Merge"},
    )
    live.eventually(lambda: live.secret() == VALUE | {"a": "1", "b": "2"})
    annotations = live.raw_secret()["metadata"]["annotations"]
    assert (annotations[LAST_APPLIED], annotations["team"]) == ("the secret's", "a")


# --- dice
# ---------------------------------------------------------------------------------------------------------


def test_dice_fall_at_each_refresh_and_stay_when_something_else_is_repaired(live: Case):
    template = {"data": {"plain": "{{ .targetProperty }}", "dice": "{{ randAlphaNum 12 }}"}}
    live.external_secret(refreshInterval="1h", target={"template": template})
    live.synced()
    first = live.secret()["dice"]
    live.edit("secrets", "test-secret", {"stringData": {"plain": "tampered"}})
    live.eventually(lambda: live.secret()["plain"] == "some-value", within=PROMPTLY)
    assert live.secret()["dice"] == first
    live.edit_es({"spec": {"refreshInterval": "2s"}})
    seen = {first}

    def three_more() -> bool:
        seen.add(live.secret()["dice"])
        return len(seen) >= 4

    live.eventually(three_more, within=20)


# --- the pause
# ---------------------------------------------------------------------------------------------------------


def column(live: Case, title: str) -> Any:
    """What `kubectl get externalsecret` shows."""
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    url = live.api.credentials.server + live.api.path("externalsecrets", live.namespace, "test-es")
    table = live.api.session.get(url, headers=accept, timeout=180).json()
    at = [c["name"] for c in table["columnDefinitions"]].index(title)
    return table["rows"][0]["cells"][at]


def paused(live: Case) -> str:
    ready = live.ready()
    return str(ready["message"]) if ready.get("reason") == "Suspended" else ""


def test_a_paused_object_is_held_still_until_the_annotation_goes(live: Case):
    live.external_secret(refreshInterval="1s")
    live.synced()
    annotate(live, "true")
    text = f"suspended until the annotation {SUSPEND} is removed; before: SecretSynced, secret synced"
    live.eventually(lambda: paused(live) == text, within=PROMPTLY)
    assert live.ready()["status"] == "True"
    reads = live.provider.count()
    live.provider.value = b"newer"
    live.edit("secrets", "test-secret", {"stringData": {"targetProperty": "theirs"}})
    live.holds(lambda: live.secret() == {"targetProperty": "theirs"} and live.provider.count() == reads, 2)
    annotate(live, None)
    live.eventually(lambda: live.secret() == {"targetProperty": "newer"}, within=PROMPTLY)
    live.eventually(lambda: paused(live) == "", within=PROMPTLY)


def test_a_pause_until_a_time_ends_by_itself(live: Case):
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    live.external_secret(annotations={SUSPEND: later.isoformat()})
    live.eventually(lambda: paused(live).startswith("suspended until 2"), within=PROMPTLY)
    assert live.raw_secret() is None and live.ready()["status"] == "Unknown"
    until = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    annotate(live, until.isoformat())
    live.synced(within=20)
    assert datetime.now(UTC) >= until and paused(live) == ""


@pytest.mark.parametrize("text", ["true", "soon"])
def test_the_column_status_of_kubectl_get_shows_the_pause(live: Case, text: str):
    live.external_secret(annotations={SUSPEND: text})
    live.eventually(lambda: paused(live), within=PROMPTLY)
    assert column(live, "Status") == "Suspended"
    assert (f'"{text}" is neither' in paused(live)) is (text != "true")


def test_a_paused_object_is_deleted_like_any_other(live: Case):
    live.external_secret(target={"deletionPolicy": "Delete"})
    live.synced()
    annotate(live, "true")
    live.eventually(lambda: paused(live), within=PROMPTLY)
    live.delete("externalsecrets", "test-es")
    live.eventually(lambda: live.raw_secret() is None, within=PROMPTLY)
