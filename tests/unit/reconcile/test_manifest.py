"""Targets of any other kind: what is to be sent for a live object and a data map."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from eso.api.hashing import content_hash, owner_hash
from eso.errors import EsoError
from eso.reconcile.externalsecret.desired import Create, Delete, Nothing, Patch
from eso.reconcile.externalsecret.manifest import (
    desired_manifest,
    hashed,
    intact,
    left_behind,
    refuse,
)
from eso.reconcile.externalsecret.stage import Stage
from tests.fakes.apiserver import Json, merge
from tests.unit.reconcile.objects import es, fails, reference

MANAGED = "reconcile.external-secrets.io/managed"
DATA_HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
CONFIG_MAP, WIDGET = {"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "test.example.com/v1", "kind": "Widget"}
DATA = {"k": b"v"}
META = {"name": "t", "namespace": "ns", "uid": "uid-t", "resourceVersion": "7"}


def object_for(
    kind: Json = CONFIG_MAP,
    *,
    creation: str = "Owner",
    deletion: str = "Retain",
    template: Any = None,
    labels: Any = None,
    annotations: Any = None,
):
    target: Json = {"name": "t", "creationPolicy": creation, "deletionPolicy": deletion, "manifest": kind}
    return es(
        target=target | ({"template": template} if template is not None else {}), labels=labels, annotations=annotations
    )


def live(
    kind: Json = CONFIG_MAP,
    *,
    marked: bool | str = True,
    labels: Json | None = None,
    annotations: Json | None = None,
    meta: Json | None = None,
    **body: Any,
):
    """A managed object with the right hash, unless `marked` says otherwise (False: not ours, text: that hash)."""
    obj: Json = {**kind, "metadata": META | (meta or {}), **body}
    mark = marked if isinstance(marked, str) else hashed(obj) if marked else ""
    obj["metadata"] |= {
        "labels": (labels or {}) | ({MANAGED: "true"} if marked else {}),
        "annotations": (annotations or {}) | ({DATA_HASH: mark} if mark else {}),
    }
    return obj


def after(obj: Json, change: Any) -> Json:
    """What the API server makes of a Patch."""
    assert isinstance(change, Patch)
    found = copy.deepcopy(obj)
    merge(found, copy.deepcopy(change.body))
    return found


# --- C-227, C-228: hash and validity
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "content"),
    [
        pytest.param({"spec": {"a": 1}}, {"a": 1}, id="C-227 the spec"),
        pytest.param({"data": {"b": "2"}}, {"b": "2"}, id="C-227 only data"),
        pytest.param({"spec": {"a": 1}, "data": {"b": "2"}}, {"a": 1}, id="C-227 the spec where there are both"),
        pytest.param({"spec": None, "data": {"b": "2"}}, {"b": "2"}, id="C-227 a null spec is none"),
    ],
)
def test_the_hash_is_over_the_spec_or_else_the_data(obj: Json, content: Json):
    assert hashed(obj) == content_hash(content)


def test_c_227_an_object_with_neither_has_no_hash():
    with pytest.raises(
        EsoError, match=r"^generic target content does not have a spec or data field for content hashing$"
    ):
        hashed({"status": {}})


@pytest.mark.parametrize(
    ("obj", "valid"),
    [
        pytest.param(None, False, id="C-228 missing"),
        pytest.param(live(marked=False, data={"k": "v"}), False, id="C-228 not managed"),
        pytest.param(live(marked="other", data={"k": "v"}), False, id="C-228 another hash"),
        pytest.param(live(data={"k": "v"}), True, id="C-228 the right hash"),
        pytest.param(
            live(WIDGET, spec={"a": [1, {"b": None}]}, data={"x": "y"}), True, id="C-228 the right hash of a spec"
        ),
        pytest.param(
            live(marked=False, annotations={DATA_HASH: content_hash({"k": "v"})}, data={"k": "v"}),
            False,
            id="the right hash, but not managed",
        ),
        pytest.param(
            live(marked=content_hash({})), True, id="emptied by our own write: the server drops an empty data"
        ),
    ],
)
def test_a_target_is_intact_when_it_is_managed_and_its_hash_is_right(obj: Json | None, valid: bool):
    assert intact(obj) is valid


def test_c_228_a_managed_object_without_content_is_an_error():
    with fails(Stage.RENDER):
        intact(live(marked="x"))


# --- C-214: the gate
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "enabled", "told"),
    [
        pytest.param(
            CONFIG_MAP,
            False,
            "generic targets are disabled. Enable with --unsafe-allow-generic-targets flag",
            id="switched off",
        ),
        pytest.param(
            {"apiVersion": "", "kind": "X"}, True, "target.manifest.apiVersion is required", id="no apiVersion"
        ),
        pytest.param({"apiVersion": "v1", "kind": ""}, True, "target.manifest.kind is required", id="no kind"),
    ],
)
def test_an_unusable_manifest_block_is_refused(kind: Json, enabled: bool, told: str):
    with fails(Stage.TARGET) as raised:
        refuse(object_for(kind), enabled=enabled)
    assert str(raised.value) == told


# --- creating
# ----------------------------------------------------------------------------------------------------------------------
# ------


def test_a_new_config_map_holds_plain_text_and_everything_that_marks_it_as_ours():
    one = object_for(labels={"l": "1"}, annotations={"a": "1"})
    assert desired_manifest(one, None, {"k": b"v", "bad": b"\xff\xfe"}, {}) == Create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "t",
                "namespace": "ns",
                "labels": {"l": "1", MANAGED: "true", CREATED_BY: owner_hash("ns", "test-es")},
                "annotations": {"a": "1", DATA_HASH: content_hash({"k": "v", "bad": "\ufffd\ufffd"})},
                "ownerReferences": [reference()],
            },
            "data": {"k": "v", "bad": "\ufffd\ufffd"},
        }
    )


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(WIDGET, id="C-217 a custom kind"),
        pytest.param({"apiVersion": "v1", "kind": "Secret"}, id="a Secret, oddly"),
    ],
)
def test_without_a_template_every_other_kind_gets_spec_data(kind: Json):
    change = desired_manifest(object_for(kind), None, DATA, {})
    assert isinstance(change, Create)
    assert change.body["spec"] == {"data": {"k": "v"}}
    assert change.body.get("data") == ({} if kind["kind"] == "Secret" else None)


# C-219
def test_c_219_with_a_template_only_its_metadata_counts_as_it_stands():
    one = object_for(
        template={"metadata": {"labels": {"t": "{{ .k }}"}, "annotations": {"t": "2"}}, "data": {"x": "{{ .k }}"}},
        labels={"l": "1"},
        annotations={"a": "1"},
    )
    change = desired_manifest(one, None, DATA, {})
    assert isinstance(change, Create)
    assert (
        set(change.body["metadata"]["labels"]) == {"t", MANAGED, CREATED_BY}
        and change.body["metadata"]["labels"]["t"] == "{{ .k }}"
    )
    assert set(change.body["metadata"]["annotations"]) == {"t", DATA_HASH}
    assert change.body["data"] == {"x": "v"}


# C-221
@pytest.mark.parametrize("policy", ["Orphan", "CreateOrMerge"])
def test_c_221_only_owner_leaves_a_reference(policy: str):
    change = desired_manifest(object_for(creation=policy), None, DATA, {})
    assert isinstance(change, Create)
    assert "ownerReferences" not in change.body["metadata"] and CREATED_BY not in change.body["metadata"]["labels"]


# C-230
def test_c_230_merge_creates_nothing():
    assert desired_manifest(object_for(creation="Merge"), None, DATA, {}) == Nothing("missing")


def test_none_writes_nothing():
    assert desired_manifest(object_for(creation="None"), live(data={}), DATA, {}) == Nothing()


def test_a_path_can_neither_rename_nor_move_nor_retype_the_target():
    entries = [
        {"literal": "{name: other, namespace: kube-system, labels: {a: b}}", "target": "metadata"},
        {"literal": "Pod", "target": "kind"},
        {"literal": "{}", "target": "spec"},
    ]
    change = desired_manifest(object_for(WIDGET, template={"templateFrom": entries}), None, DATA, {})
    assert isinstance(change, Create)
    assert {k: change.body[k] for k in ("apiVersion", "kind")} == WIDGET
    assert (change.body["metadata"]["name"], change.body["metadata"]["namespace"]) == ("t", "ns")
    assert change.body["metadata"]["labels"]["a"] == "b"


@pytest.mark.parametrize("target", ["metadata", "metadata.labels"])
def test_metadata_that_is_no_map_is_refused(target: str):
    with fails(Stage.RENDER, match="expected map at key"):
        desired_manifest(
            object_for(WIDGET, template={"templateFrom": [{"literal": "text", "target": target}]}), None, DATA, {}
        )


# --- an empty map
# ----------------------------------------------------------------------------------------------------------------------
# --


@pytest.mark.parametrize(
    ("deletion", "creation", "obj", "change"),
    [
        pytest.param("Retain", "Owner", live(data={"k": "v"}), Nothing("retained"), id="C-231 Retain"),
        pytest.param("Retain", "None", None, Nothing("retained"), id="Retain and None"),
        pytest.param(
            "Delete",
            "Owner",
            live(data={"k": "v"}, meta={"ownerReferences": [reference()]}),
            Delete(),
            id="C-231 Delete with Owner",
        ),
        pytest.param("Delete", "Owner", None, Delete(), id="Delete, nothing there"),
    ],
)
def test_an_empty_map_follows_the_deletion_policy(deletion: str, creation: str, obj: Json | None, change: Any):
    assert desired_manifest(object_for(creation=creation, deletion=deletion), obj, {}, {}) == change


@pytest.mark.parametrize(
    ("creation", "obj", "told"),
    [
        pytest.param(
            "Orphan",
            None,
            "unable to delete resource: creationPolicy=Orphan is not Owner",
            id="C-231 Delete with Orphan",
        ),
        pytest.param(
            "Owner",
            live(data={}),
            "unable to delete resource: it is not owned by this ExternalSecret",
            id="nobody gave it to us",
        ),
        pytest.param(
            "Owner",
            live(data={}, meta={"ownerReferences": [reference("other")]}),
            "unable to delete resource: it is not owned by this ExternalSecret",
            id="it is another's",
        ),
    ],
)
def test_what_is_not_ours_is_not_deleted(creation: str, obj: Json | None, told: str):
    with fails(Stage.KEEP) as raised:
        desired_manifest(object_for(creation=creation, deletion="Delete"), obj, {}, {})
    assert str(raised.value) == told


def test_an_empty_map_with_deletion_policy_merge_goes_on():
    change = desired_manifest(object_for(deletion="Merge"), None, {}, {})
    assert isinstance(change, Create) and change.body["data"] == {}


def test_a_target_that_our_own_write_emptied_is_filled_when_data_returns():
    one = object_for(deletion="Merge")
    sent = after(settled(one), desired_manifest(one, settled(one), {}, {}))
    stored = {name: value for name, value in sent.items() if name != "data"}  # the API server keeps no empty data
    assert intact(stored)
    assert desired_manifest(one, stored, {}, {}, left=left_behind(sent, stored)) == Nothing()
    filled = after(stored, desired_manifest(one, stored, DATA, {}))
    assert filled["data"] == {"k": "v"} and intact(filled)


# --- updating
# ----------------------------------------------------------------------------------------------------------------------
# ------


def settled(one: Any, **changes: Any) -> Json:
    """The object as a first sync left it, with `changes`."""
    change = desired_manifest(one, None, DATA, {})
    assert isinstance(change, Create)
    body = copy.deepcopy(change.body)
    body["metadata"] |= {"uid": "uid-t", "resourceVersion": "7"}
    return body | changes


@pytest.mark.parametrize("kind", [CONFIG_MAP, WIDGET], ids=["ConfigMap", "Widget"])
@pytest.mark.parametrize("policy", ["Owner", "Orphan", "CreateOrMerge", "Merge"])
def test_nothing_is_sent_when_nothing_differs(kind: Json, policy: str):
    first = object_for(kind, creation="Owner" if policy == "Owner" else "CreateOrMerge")
    assert desired_manifest(object_for(kind, creation=policy), settled(first), DATA, {}) == Nothing()


def test_an_update_carries_what_it_was_computed_from_and_only_what_differs():
    one = object_for()
    change = desired_manifest(one, settled(one), {"k": b"new"}, {})
    assert isinstance(change, Patch)
    assert change.body == {
        "data": {"k": "new"},
        "metadata": {"annotations": {DATA_HASH: content_hash({"k": "new"})}, "uid": "uid-t", "resourceVersion": "7"},
    }


@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_owner_and_orphan_write_the_content_anew_and_keep_the_metadata_of_others(policy: str):
    one = object_for(
        WIDGET, creation=policy, template={"templateFrom": [{"literal": "a: '{{ .k }}'", "target": "spec"}]}
    )
    obj = live(
        WIDGET,
        labels={"theirs": "1"},
        meta={"finalizers": ["f"]},
        spec={"a": "old", "foreign": 1},
        data={"stale": "x"},
        status={"seen": True},
    )
    result = after(obj, desired_manifest(one, obj, DATA, {}))
    assert result["spec"] == {"a": "v"} and "data" not in result
    assert result["status"] == {"seen": True}
    assert result["metadata"]["labels"]["theirs"] == "1" and result["metadata"]["finalizers"] == ["f"]


# C-223
def test_c_223_merge_keeps_everything_else():
    one = object_for(
        WIDGET,
        creation="Merge",
        template={"templateFrom": [{"literal": "api_url: '{{ .k }}'", "target": "spec.slack"}]},
    )
    obj = live(WIDGET, marked=False, spec={"type": "t", "slack": {"channel": "c", "username": "u"}})
    change = desired_manifest(one, obj, DATA, {})
    assert isinstance(change, Patch) and change.body["spec"] == {"slack": {"api_url": "v"}}
    assert after(obj, change)["spec"] == {"type": "t", "slack": {"channel": "c", "username": "u", "api_url": "v"}}


def test_merge_without_a_template_keeps_the_other_members_of_the_spec():
    obj = live(WIDGET, spec={"data": {"old": "x"}, "other": 1})
    assert after(obj, desired_manifest(object_for(WIDGET, creation="Merge"), obj, DATA, {}))["spec"] == {
        "data": {"k": "v"},
        "other": 1,
    }


def test_labels_that_we_put_there_and_that_nobody_asks_for_any_more_go():
    owned = [
        {
            "manager": "externalsecrets.external-secrets.io/test-es",
            "fieldsV1": {"f:metadata": {"f:labels": {"f:stale": {}}, "f:annotations": {"f:old": {}}}},
        }
    ]
    obj = live(
        labels={"stale": "1", "theirs": "1"}, annotations={"old": "1"}, meta={"managedFields": owned}, data={"k": "v"}
    )
    result = after(obj, desired_manifest(object_for(labels={"new": "1"}), obj, DATA, {}))
    assert result["metadata"]["labels"] == {
        "theirs": "1",
        "new": "1",
        MANAGED: "true",
        CREATED_BY: owner_hash("ns", "test-es"),
    }
    assert result["metadata"]["annotations"] == {DATA_HASH: content_hash({"k": "v"})}


def test_a_change_of_policy_takes_the_reference_away():
    one = settled(object_for())
    result = after(one, desired_manifest(object_for(creation="Orphan"), one, DATA, {}))
    assert not result["metadata"].get("ownerReferences") and CREATED_BY not in result["metadata"]["labels"]


# C-233
@pytest.mark.parametrize("policy", ["Owner", "Merge", "CreateOrMerge", "Orphan"])
def test_c_233_what_another_external_secret_controls_is_not_touched(policy: str):
    with fails(Stage.RENDER, match="owned by another ExternalSecret: other"):
        desired_manifest(
            object_for(creation=policy),
            live(data={}, meta={"ownerReferences": [reference("other", uid="uid-other")]}),
            DATA,
            {},
        )


def test_what_another_kind_of_controller_owns_is_not_taken():
    with fails(Stage.RENDER, match="already owned by another Deployment controller d"):
        desired_manifest(
            object_for(),
            live(data={}, meta={"ownerReferences": [reference("d", kind="Deployment", group="apps/v1")]}),
            DATA,
            {},
        )


# --- kinds that the API server completes
# ---------------------------------------------------------------------------------------------------


def test_what_the_api_server_adds_is_neither_drift_nor_a_reason_to_write():
    one = object_for(WIDGET, template={"templateFrom": [{"literal": "{a: 1, list: [{x: 1}]}", "target": "spec"}]})
    sent = desired_manifest(one, None, DATA, {})
    assert isinstance(sent, Create)
    stored = settled(one, spec={"a": 1, "list": [{"x": 1, "default": True}], "replicas": 1})
    left = left_behind(sent.body, stored)
    assert left is not None
    assert not intact(stored) and intact(stored, left)
    assert desired_manifest(one, stored, DATA, {}, left=left) == Nothing()
    drifted = copy.deepcopy(stored)
    drifted["spec"]["replicas"] = 9
    assert not intact(drifted, left)
    assert isinstance(desired_manifest(one, drifted, DATA, {}, left=left), Patch)
    unmarked = copy.deepcopy(stored)
    unmarked["metadata"]["annotations"][DATA_HASH] = "corrupt"
    assert not intact(unmarked, left)
    assert desired_manifest(one, unmarked, DATA, {}, left=left).body["metadata"]["annotations"] == {
        DATA_HASH: left.mark
    }  # type: ignore[union-attr]  # a Patch


def test_nothing_is_remembered_of_what_is_stored_as_sent():
    one = object_for()
    sent = desired_manifest(one, None, DATA, {})
    assert isinstance(sent, Create)
    assert left_behind(sent.body, settled(one, status={"x": 1})) is None


def test_a_generic_secret_cannot_be_given_a_type_that_mints_a_token():
    """The token controller would fill it with the token of any account of the namespace."""
    literal = {"literal": "kubernetes.io/service-account-token", "target": "type"}
    one = es(
        target={
            "name": "t",
            "manifest": {"apiVersion": "v1", "kind": "Secret"},
            "template": {"templateFrom": [literal]},
        }
    )
    with fails(Stage.RENDER, match='templateFrom target="type" is not allowed when targeting a Secret'):
        desired_manifest(one, None, {"a": b"b"}, {})


# --- what we put into an object of somebody else, and take out again
# ---------------------------------------------------------------------------------------------------------

US = "externalsecrets.external-secrets.io/test-es"


def managed(*entries: tuple[str, Json]) -> Json:
    return {"managedFields": [{"manager": manager, "fieldsV1": fields} for manager, fields in entries]}


@pytest.mark.parametrize("creation", ["Merge", "CreateOrMerge"])
def test_a_merge_takes_out_the_keys_that_it_put_in_and_no_longer_wants(creation: str):
    one = object_for(creation=creation, template={"data": {"b": "{{ .k }}"}})
    meta = managed((US, {"f:data": {"f:a": {}, "f:b": {}}}), ("kubectl", {"f:data": {".": {}, "f:theirs": {}}}))
    obj = live(meta=meta, data={"a": "1", "b": "2", "theirs": "3"})
    assert after(obj, desired_manifest(one, obj, DATA, {}))["data"] == {"b": "v", "theirs": "3"}


def test_a_merge_takes_out_deep_members_and_the_maps_that_become_empty():
    literal = {"literal": "k: {{ .k }}", "target": "spec.one"}
    one = object_for(WIDGET, creation="Merge", template={"templateFrom": [literal]})
    ours = {"f:spec": {"f:one": {"f:k": {}, "f:gone": {}}, "f:two": {".": {}, "f:deep": {".": {}, "f:x": {}}}}}
    obj = live(
        WIDGET,
        meta=managed((US, ours), ("kubectl", {"f:spec": {"f:theirs": {}}})),
        spec={"one": {"k": "old", "gone": 1}, "two": {"deep": {"x": 1}}, "theirs": [1]},
    )
    assert after(obj, desired_manifest(one, obj, DATA, {}))["spec"] == {"one": {"k": "v"}, "theirs": [1]}


def test_what_another_manager_wants_too_stays():
    one = object_for(creation="Merge", template={"data": {"b": "{{ .k }}"}})
    meta = managed((US, {"f:data": {"f:a": {}}}), ("kubectl", {"f:data": {"f:a": {}}}))
    obj = live(meta=meta, data={"a": "1"})
    assert after(obj, desired_manifest(one, obj, DATA, {}))["data"] == {"a": "1", "b": "v"}


@pytest.mark.parametrize("whole", [[{"theirs": 1, "ours": 2}], {"theirs": 1, "ours": 2}], ids=["a list", "a map"])
def test_what_was_written_whole_stays_because_others_may_have_a_part_in_it(whole: Any):
    one = object_for(WIDGET, creation="Merge", template={"templateFrom": [{"literal": "a: b", "target": "spec.one"}]})
    obj = live(WIDGET, meta=managed((US, {"f:spec": {"f:atomic": {}}})), spec={"atomic": whole})
    assert after(obj, desired_manifest(one, obj, DATA, {}))["spec"] == {"atomic": whole, "one": {"a": "b"}}


def test_items_of_lists_are_left_alone():
    one = object_for(WIDGET, creation="Merge", template={"templateFrom": [{"literal": "a: b", "target": "spec.one"}]})
    fields = {"f:spec": {"f:items": {'k:{"name":"x"}': {".": {}, "f:name": {}}}}}
    obj = live(WIDGET, meta=managed((US, fields)), spec={"items": [{"name": "x"}]})
    assert after(obj, desired_manifest(one, obj, DATA, {}))["spec"] == {"items": [{"name": "x"}], "one": {"a": "b"}}


def test_what_the_api_server_filled_into_an_object_of_our_own_stays():
    literal = {"literal": "a: {{ .k }}", "target": "spec.one"}
    one = object_for(WIDGET, creation="CreateOrMerge", template={"templateFrom": [literal]})
    ours = {"f:spec": {"f:one": {"f:a": {}}, "f:filled": {}}}
    obj = live(WIDGET, meta=managed((US, ours)), spec={"one": {"a": "old"}, "filled": 1})
    assert after(obj, desired_manifest(one, obj, DATA, {}))["spec"] == {"one": {"a": "v"}, "filled": 1}


def test_a_template_that_rolls_dice_keeps_what_is_ours_between_its_slots():
    one = object_for(template={"data": {"a": "{{ randAlphaNum 9 }}", "b": "{{ .k }}", "c": "{{ randAlphaNum 9 }}"}})
    meta = managed((US, {"f:data": {"f:a": {}, "f:b": {}}}), ("kubectl-edit", {"f:data": {"f:c": {}}}))
    obj = live(meta=meta, data={"a": "rolled", "b": "v", "c": "tampered"}, marked="another hash")
    found = after(obj, desired_manifest(one, obj, DATA, {}, keep=True))
    assert (found["data"]["a"], found["data"]["b"]) == ("rolled", "v") and found["data"]["c"] != "tampered"
    assert found["metadata"]["annotations"][DATA_HASH] == hashed(found)
    assert after(obj, desired_manifest(one, obj, DATA, {}))["data"]["a"] != "rolled"


@pytest.mark.parametrize(
    "key", ["kubectl.kubernetes.io/last-applied-configuration", "extensions.external-secrets.io/suspend"]
)
def test_annotations_about_the_external_secret_itself_stay_with_it(key: str):
    change = desired_manifest(object_for(annotations={key: "x", "team": "a"}), None, DATA, {})
    assert isinstance(change, Create)
    assert sorted(change.body["metadata"]["annotations"]) == [DATA_HASH, "team"]
