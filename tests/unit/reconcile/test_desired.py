from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import data_hash, owner_hash
from eso.errors import EsoError
from eso.reconcile.externalsecret.desired import (
    Create,
    Delete,
    Nothing,
    Patch,
    decoded,
    desired,
    difference,
    owners,
)
from eso.reconcile.externalsecret.stage import Stage
from eso.reconcile.kit.owners import bound_to, controlled_by, owned_keys
from tests.fakes.apiserver import Json
from tests.fakes.fieldownership import created, fields, patched
from tests.unit.reconcile.objects import blank_secret, encoded, es, fails, reference, target

MANAGER = "externalsecrets.external-secrets.io/test-es"
KEYS = ["a", "b", "c"]
VALUES = [b"", b"1", b"two", b"\x00\xff"]
DATA = {"a": b"1"}
POLICIES = ["Owner", "Orphan", "Merge", "CreateOrMerge"]


def applied(live: Json | None, change: Any, manager: str = MANAGER) -> Json | None:
    """The world after the write that `change` asks for."""
    match change:
        case Create(body):
            assert live is None, "a POST for what is there"
            return created(body, manager)
        case Patch(body=body):
            assert live is not None, "a PATCH for what is not there"
            return patched(live, body, manager)
        case Delete():
            return None
    return live


def settled(one: ExternalSecret, live: Json | None, data: dict[str, bytes], sources: Any = None) -> Json | None:
    """One pass, its write, and a second pass that has nothing left to do. A refusal is a pass without a write."""
    untouched = copy.deepcopy(live)
    try:
        change = desired(one, live, data, sources or {})
    except EsoError as refusal:
        assert live == untouched
        with pytest.raises(type(refusal)):
            desired(one, live, data, sources or {})
        return live
    assert live == untouched, "the live object is not ours to change"
    after = applied(live, change)
    again = desired(one, after, data, sources or {})
    assert isinstance(again, Nothing) or (isinstance(again, Delete) and after is None), f"a second write: {again}"
    return after


# --- properties
# ----------------------------------------------------------------------------------------------------------------------
# -------

small = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)
texts = st.dictionaries(
    st.sampled_from(["a", "b", "l", wellknown.LABEL_MANAGED, wellknown.LABEL_CREATED_BY]),
    st.sampled_from(["", "x", "y"]),
    max_size=3,
)
notes = st.dictionaries(
    st.sampled_from(["a", "n", wellknown.ANNOTATION_DATA_HASH]), st.sampled_from(["", "x", "y"]), max_size=3
)
rendered = st.dictionaries(
    st.sampled_from([*KEYS, "d"]),
    st.sampled_from(["{{ .a }}", "fixed", "", "{{ .a }}{{ .b }}", "{{ nonsense"]),
    max_size=3,
)
finalizers = st.lists(st.sampled_from(["example.com/one", "example.com/two"]), max_size=3)
template_from = st.fixed_dictionaries(
    {"literal": st.sampled_from(["a: '{{ .a }}'", "l: 1\nn: two", "[]", ""])},
    optional={"target": st.sampled_from(["Data", "labels", "ANNOTATIONS"])},
)
templates = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "data": rendered,
        "mergePolicy": st.sampled_from(["Replace", "Merge"]),
        "templateFrom": st.lists(template_from, max_size=2),
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": rendered, "annotations": rendered, "finalizers": finalizers}
        ),
    },
)
specs = st.fixed_dictionaries(
    {
        "creation": st.sampled_from([*POLICIES, "None"]),
        "deletion": st.sampled_from(["Retain", "Delete", "Merge"]),
        "immutable": st.booleans(),
        "template": templates,
    }
)
objects = st.builds(
    lambda spec, labels, annotations, uid: es(
        labels=labels,
        annotations=annotations,
        uid=uid,
        target=target(**{k: v for k, v in spec.items() if v is not None}),
        data=[],
    ),
    specs,
    texts,
    notes,
    st.sampled_from(["uid-es", "uid-after-recreation"]),
)
references = st.lists(
    st.sampled_from(
        [
            reference(),
            reference(uid="uid-before", group="external-secrets.io/v1beta1"),
            reference(controller=False),
            reference("another"),
            reference("a-job", kind="Job", group="batch/v1", uid="uid-job"),
            reference("a-job", kind="Job", group="batch/v1", uid="uid-job", controller=False),
        ]
    ),
    max_size=2,
).filter(lambda refs: sum(bool(r.get("controller")) for r in refs) <= 1)
foreign = st.builds(
    lambda data, labels, annotations, refs, immutable, manager: created(
        blank_secret(data, immutable=immutable, labels=labels, annotations=annotations, ownerReferences=refs), manager
    ),
    small,
    texts,
    notes,
    references,
    st.booleans(),
    st.sampled_from(["kubectl", MANAGER]),
)
secrets = st.none() | foreign


@given(one=objects, live=secrets, data=small)
@example(
    one=es(target=target(), data=[]),
    live=created(blank_secret({}, ownerReferences=[reference(controller=False)]), "kubectl"),
    data=DATA,
)
def test_a_pass_over_an_unchanged_world_writes_nothing(one: ExternalSecret, live: Json | None, data: dict[str, bytes]):
    settled(one, live, data)


edits = st.builds(lambda data, labels: {"data": encoded(data), "metadata": {"labels": labels}}, small, texts)


@given(passes=st.lists(st.tuples(objects, small, st.none() | edits), min_size=2, max_size=5), live=secrets)
def test_whatever_was_written_before_one_write_is_enough(
    passes: list[tuple[ExternalSecret, dict[str, bytes], Json | None]], live: Json | None
):
    """The object, the data and the Secret change in any order; each time the world is at rest after one write."""
    for one, data, edit in passes:
        live = settled(one, live, data)
        if edit and live is not None and not live.get("immutable"):
            live = patched(live, edit, "kubectl")


@given(one=objects, live=secrets, data=small)
def test_what_we_wrote_is_what_we_recognise(one: ExternalSecret, live: Json | None, data: dict[str, bytes]):
    """Label and data-hash of every written Secret are those that the next pass expects, and the binding is the
    policy's."""
    after = settled(one, live, data)
    if after is None or after == live:
        return
    meta = after["metadata"]
    assert meta["labels"][wellknown.LABEL_MANAGED] == "true"
    assert meta["annotations"][wellknown.ANNOTATION_DATA_HASH] == data_hash(decoded(after))
    owner = one.spec.target.creation_policy == "Owner"
    assert bound_to(after, EXTERNAL_SECRETS, "test-es") is owner and controlled_by(after, one.metadata.uid) is owner
    assert (meta["labels"].get(wellknown.LABEL_CREATED_BY) == owner_hash("ns", "test-es")) is owner
    assert (
        sum(
            r["name"] == "test-es"
            for r in meta.get("ownerReferences", [])
            if r["kind"] == "ExternalSecret" and r.get("controller")
        )
        == owner
    )


@given(one=objects, live=foreign, data=small)
def test_what_others_own_stays(one: ExternalSecret, live: Json, data: dict[str, bytes]):
    """Under the merging policies no key, label or annotation of others that we do not produce is touched; under the
    others no label or annotation."""
    after = settled(one, live, data)
    if after is None:
        return
    ours = {(part, key) for part, path in PATHS.items() for key in owned_keys(live["metadata"], MANAGER, *path)}
    own = {
        ("labels", wellknown.LABEL_CREATED_BY),
        ("labels", wellknown.LABEL_MANAGED),
        ("annotations", wellknown.ANNOTATION_DATA_HASH),
    }
    keeps_data = one.spec.target.creation_policy in ("Merge", "CreateOrMerge")
    for field, value in fields(live).items():
        if field in ours or field in own or (field[0] == "data" and not keeps_data):
            continue
        assert field in fields(after), f"{field} is lost"
        assert fields(after)[field] == value or field in {
            (p, k) for p, path in PATHS.items() for k in owned_keys(after["metadata"], MANAGER, *path)
        }


PATHS = {"data": ("f:data",), "labels": ("f:metadata", "f:labels"), "annotations": ("f:metadata", "f:annotations")}


@given(policy=st.sampled_from(POLICIES), before=small, after=small, theirs=small)
def test_keys_we_no_longer_produce_go_and_no_others(
    policy: str, before: dict[str, bytes], after: dict[str, bytes], theirs: dict[str, bytes]
):
    one = es(target=target(policy, "Merge"), data=[])
    live = settled(one, created(blank_secret(theirs), "kubectl"), before)
    live = settled(one, live, after)
    assert live is not None
    kept = (
        {k: v for k, v in theirs.items() if k not in before or before[k] == v}
        if policy in ("Merge", "CreateOrMerge")
        else {}
    )
    assert decoded(live) == kept | after


plain = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "y"]), max_size=3)


@given(policy=st.sampled_from(POLICIES), before=plain, after=plain, theirs=plain)
def test_metadata_we_no_longer_want_goes_and_no_other(
    policy: str, before: dict[str, str], after: dict[str, str], theirs: dict[str, str]
):
    live: Json | None = created(blank_secret(labels=dict(theirs), annotations=dict(theirs)), "kubectl")
    for texts in (before, after):
        live = settled(es(labels=texts, annotations=texts, target=target(policy)), live, DATA)
    assert live is not None
    kept = {k: v for k, v in theirs.items() if before.get(k, v) == v} | after
    for part in ("labels", "annotations"):
        assert {k: v for k, v in live["metadata"][part].items() if "/" not in k} == kept


# --- tables
# ----------------------------------------------------------------------------------------------------------------------
# -----------


@pytest.mark.parametrize(
    ("policy", "deletion", "live", "wanted"),
    [
        pytest.param("Owner", "Retain", True, Nothing("retained"), id="Retain leaves the Secret alone"),
        pytest.param("Owner", "Retain", False, Nothing("retained"), id="Retain creates nothing"),
        pytest.param("None", "Retain", True, Nothing("retained"), id="Retain comes before the policy None"),
        pytest.param("Owner", "Delete", True, Delete(), id="Delete removes what is bound to us"),
        pytest.param("Owner", "Delete", False, Delete(), id="Delete of what is gone already"),
        pytest.param("None", "Merge", True, Nothing(), id="Merge with the policy None writes nothing"),
        pytest.param("Merge", "Merge", False, Nothing("missing"), id="Merge into what is not there"),
    ],
)
def test_an_emptied_backend(policy: str, deletion: str, live: bool, wanted: object):
    secret = created(blank_secret({"a": b"1"}, ownerReferences=[reference()]), MANAGER) if live else None
    assert desired(es(target=target(policy, deletion)), secret, {}, {}) == wanted


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "CreateOrMerge"])
def test_an_emptied_backend_under_the_deletion_policy_merge_makes_an_empty_secret(policy: str):
    change = desired(es(target=target(policy, "Merge")), None, {}, {})
    assert isinstance(change, Create) and change.body["data"] == {}


@pytest.mark.parametrize("policy", ["Orphan", "Merge", "CreateOrMerge", "None"])
def test_only_the_policy_owner_may_delete(policy: str):
    with fails(
        Stage.KEEP, match=rf"^unable to delete secret test-secret: creationPolicy={policy} is not Owner$"
    ) as refusal:
        desired(es(target=target(policy, "Delete")), None, {}, {})
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    "references",
    [
        pytest.param([], id="nobody's Secret"),
        pytest.param([reference("another")], id="another ExternalSecret's"),
        pytest.param([reference(kind="Job", group="batch/v1")], id="another kind's with our name"),
        pytest.param([reference(controller=False)], id="we own it without controlling it"),
    ],
)
def test_a_secret_that_is_not_bound_to_us_is_not_deleted(references: list[Json]):
    live = created(blank_secret({"a": b"1"}, ownerReferences=references), "kubectl")
    with fails(Stage.KEEP, match=r"^unable to delete secret test-secret: it is not owned by this ExternalSecret$"):
        desired(es(target=target("Owner", "Delete")), live, {}, {})


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        pytest.param("Owner", [], [reference()], id="a Secret of nobody is adopted"),
        pytest.param("Owner", [reference()], [reference()], id="ours stays ours"),
        pytest.param("Owner", [reference(uid="old")], [reference()], id="a recreated object binds again"),
        pytest.param(
            "Owner", [reference(group="external-secrets.io/v1beta1")], [reference()], id="the version does not matter"
        ),
        pytest.param(
            "Owner", [reference(controller=False)], [reference()], id="a plain reference to us becomes the controller's"
        ),
        pytest.param("Orphan", [reference()], [], id="Orphan lets go"),
        pytest.param("Merge", [reference(uid="old")], [], id="Merge lets go of an old binding"),
        pytest.param(
            "Merge",
            [reference("j", kind="Job", group="batch/v1")],
            [reference("j", kind="Job", group="batch/v1")],
            id="Merge leaves a controller",
        ),
        pytest.param(
            "Owner",
            [reference("j", kind="Job", group="batch/v1", controller=False)],
            [reference("j", kind="Job", group="batch/v1", controller=False), reference()],
            id="plain owners stay beside us",
        ),
        pytest.param(
            "Owner",
            [reference(group="example.com/v1", controller=False)],
            [reference(group="example.com/v1", controller=False), reference()],
            id="an equal name of another group",
        ),
    ],
)
def test_owner_references(policy: str, before: list[Json], after: list[Json]):
    meta = {"ownerReferences": before}
    assert owners(es(target=target(policy)), meta) == after
    assert meta == {"ownerReferences": before}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_secret_of_another_external_secret_is_refused_whatever_the_policy(policy: str):
    with fails(Stage.OWN, match=r"^secret is owned by another ExternalSecret: another$") as refusal:
        owners(es(target=target(policy)), {"ownerReferences": [reference("another")]})
    assert not refusal.value.retryable


def test_a_secret_of_another_controller_is_refused_under_the_policy_owner():
    text = (
        r"^could not set controller reference on secret: Object ns/test-secret is already owned by another Job "
        r"controller j$"
    )
    with fails(Stage.CLAIM, match=text) as refusal:
        owners(es(target=target("Owner")), {"ownerReferences": [reference("j", kind="Job", group="batch/v1")]})
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("references", "bound", "controlled"),
    [
        pytest.param([reference()], True, True, id="ours"),
        pytest.param([reference(uid="old")], True, False, id="of the object of that name that was there before"),
        pytest.param([reference(controller=False)], False, False, id="not a controller reference"),
        pytest.param([reference("another", uid="uid-2")], False, False, id="another object's"),
        pytest.param([reference(kind="Job", group="batch/v1", uid="uid-2")], False, False, id="another kind's"),
        pytest.param([], False, False, id="nobody's"),
    ],
)
def test_who_a_secret_belongs_to(references: list[Json], bound: bool, controlled: bool):
    live = {"metadata": {"ownerReferences": references}}
    assert (bound_to(live, EXTERNAL_SECRETS, "test-es"), controlled_by(live, "uid-es")) == (bound, controlled)


def live_secret(**changes: Any) -> Json:
    made = created(blank_secret({"a": "1", "b": "2"}, labels={"l": "x"}, annotations={"n": "x"}), "kubectl")
    return made | changes


@pytest.mark.parametrize(
    ("edit", "body", "lists"),
    [
        pytest.param(
            lambda w: w["data"].update(encoded({"c": "3"})),
            {"data": encoded({"c": "3"})},
            (("c",), (), (), ()),
            id="added",
        ),
        pytest.param(
            lambda w: w["data"].update(encoded({"a": "3"})),
            {"data": encoded({"a": "3"})},
            ((), ("a",), (), ()),
            id="updated",
        ),
        pytest.param(lambda w: w["data"].pop("a"), {"data": {"a": None}}, ((), (), ("a",), ()), id="removed"),
        pytest.param(
            lambda w: w["data"].update({"a": "", "c": ""}),
            {"data": {"a": "", "c": ""}},
            (("c",), ("a",), (), ("a", "c")),
            id="emptied",
        ),
        pytest.param(
            lambda w: w.update(immutable=True), {"immutable": True}, ((), (), (), ()), id="the immutable flag"
        ),
    ],
)
def test_a_patch_holds_what_differs_and_names_the_keys(edit: Any, body: Json, lists: tuple[tuple[str, ...], ...]):
    live = live_secret()
    wanted = copy.deepcopy(live)
    edit(wanted)
    change = difference(live, wanted)
    assert isinstance(change, Patch)
    assert change.body == body | {
        "metadata": {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}
    }
    assert (change.added, change.updated, change.removed, change.emptied) == lists


@pytest.mark.parametrize(
    ("edit", "meta"),
    [
        pytest.param(
            lambda m: m["labels"].update(l="y", k="z"), {"labels": {"l": "y", "k": "z"}}, id="labels changed and added"
        ),
        pytest.param(lambda m: m["labels"].pop("l"), {"labels": {"l": None}}, id="a label removed"),
        pytest.param(lambda m: m["annotations"].clear(), {"annotations": {"n": None}}, id="an annotation removed"),
        pytest.param(
            lambda m: m.update(ownerReferences=[reference()]), {"ownerReferences": [reference()]}, id="an owner"
        ),
        pytest.param(lambda m: m.update(finalizers=["f"]), {"finalizers": ["f"]}, id="a finalizer"),
    ],
)
@pytest.mark.parametrize("immutable", [False, True], ids=["mutable", "immutable"])
def test_metadata_may_change_whatever_the_secret(edit: Any, meta: Json, immutable: bool):
    live = live_secret(**({"immutable": True} if immutable else {}))
    wanted = copy.deepcopy(live)
    edit(wanted["metadata"])
    change = difference(live, wanted)
    assert isinstance(change, Patch)
    assert change.body == {
        "metadata": meta | {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}
    }


@pytest.mark.parametrize("was", [None, "Opaque", "kubernetes.io/dockerconfigjson"])
def test_the_type_of_a_secret_cannot_change_and_the_failure_names_both(was: str | None):
    live = live_secret(**({"type": was} if was else {}))
    text = r'^unable to update secret test-secret: Secret "test-secret" is invalid: type: Invalid value: '
    with fails(Stage.TYPE, match=text) as refusal:
        difference(live, live | {"type": "kubernetes.io/tls", "data": {}})
    assert f"the live Secret has type {was or 'Opaque'}" in refusal.value.fix
    assert "delete the Secret, then it is made again with type kubernetes.io/tls" in refusal.value.fix


def test_the_type_that_is_there_is_no_change():
    live = live_secret(type="kubernetes.io/tls")
    assert difference(live, copy.deepcopy(live)) == Nothing()


def test_owner_references_that_are_to_go_are_removed_whole():
    live = created(blank_secret({}, ownerReferences=[reference()]), MANAGER)
    wanted = copy.deepcopy(live)
    wanted["metadata"]["ownerReferences"] = []
    change = difference(live, wanted)
    assert isinstance(change, Patch) and change.body["metadata"]["ownerReferences"] is None


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"data": encoded({"a": "3", "b": "2"})}, id="a value"),
        pytest.param({"data": encoded({"a": "1"})}, id="a key less"),
        pytest.param({"type": "kubernetes.io/tls"}, id="the type"),
    ],
)
def test_an_immutable_secret_is_not_written(wanted: Json):
    live = live_secret(immutable=True)
    with fails(Stage.FREEZE, match=r"^unable to update secret test-secret: secret is immutable$") as refusal:
        difference(live, live | wanted)
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({}, id="nothing differs"),
        pytest.param(
            {
                "metadata": {
                    "name": "test-secret",
                    "labels": {"l": "x"},
                    "annotations": {"n": "x"},
                    "ownerReferences": [],
                    "finalizers": [],
                }
            },
            id="empty is absent",
        ),
    ],
)
def test_no_difference_is_no_write(wanted: Json):
    live = live_secret()
    assert difference(live, live | wanted) == Nothing()


def test_absent_data_and_empty_data_are_equal():
    live = live_secret()
    del live["data"]
    assert difference(live, live | {"data": {}}) == Nothing()


def test_immutable_is_never_taken_back():
    live = created(blank_secret({"a": "1"}, immutable=True), MANAGER)
    change = desired(es(target=target("Owner")), live, DATA, {})
    assert isinstance(change, Patch) and "immutable" not in change.body


def test_an_immutable_target_gets_the_flag_and_our_marks_but_no_data():
    live = created(blank_secret({"a": "old"}, labels={"l": "x"}), "kubectl")
    one = es(
        labels={"late": "yes"},
        target=target("Owner", immutable=True, template={"type": "kubernetes.io/tls", "data": {"a": "{{ .gone }}"}}),
    )
    change = desired(one, live, DATA, {})
    assert isinstance(change, Patch)
    meta = change.body.pop("metadata")
    assert change.body == {"immutable": True}
    assert meta["labels"] == {wellknown.LABEL_MANAGED: "true", wellknown.LABEL_CREATED_BY: owner_hash("ns", "test-es")}
    assert meta["annotations"] == {wellknown.ANNOTATION_DATA_HASH: data_hash({"a": b"old"})}


@pytest.mark.parametrize(
    ("template", "labels"),
    [
        pytest.param(None, {"es": "x"}, id="copied without a template"),
        pytest.param({}, {}, id="an empty template stops the copying"),
        pytest.param({"metadata": {"labels": {"t": "{{ .a }}"}}}, {"t": "1"}, id="a template's own, rendered"),
    ],
)
def test_labels_come_from_the_object_or_from_the_template(template: Json | None, labels: dict[str, str]):
    change = desired(es(labels={"es": "x"}, target=target("Orphan", template=template)), None, DATA, {})
    assert isinstance(change, Create)
    assert change.body["metadata"]["labels"] == labels | {wellknown.LABEL_MANAGED: "true"}


@pytest.mark.parametrize(
    ("present", "terminating", "wanted"),
    [
        pytest.param([], False, ["f", "g"], id="added"),
        pytest.param(["g", "z"], False, ["g", "z", "f"], id="added once, behind those of others"),
        pytest.param(["z"], True, ["z"], id="none on what is being deleted"),
    ],
)
def test_finalizers_of_a_template(present: list[str], terminating: bool, wanted: list[str]):
    meta = {"finalizers": present} | ({"deletionTimestamp": "2026-05-01T12:00:00Z"} if terminating else {})
    live = created(blank_secret({}, **meta), "kubectl")
    after = applied(
        live,
        desired(es(target=target("Merge", template={"metadata": {"finalizers": ["f", "g", "f"]}})), live, DATA, {}),
    )
    assert after is not None and after["metadata"].get("finalizers", []) == wanted


@pytest.mark.parametrize("policy", ["Orphan", "Merge", "CreateOrMerge"])
def test_only_the_policy_owner_leaves_the_mark_of_its_maker(policy: str):
    """Whoever put it there: by it a rename finds what to delete."""
    live = created(blank_secret(labels={wellknown.LABEL_CREATED_BY: owner_hash("ns", "test-es")}), "kubectl")
    after = applied(live, desired(es(target=target(policy)), live, DATA, {}))
    assert after is not None and wellknown.LABEL_CREATED_BY not in after["metadata"]["labels"]


def test_a_new_secret_has_no_empty_lists():
    change = desired(es(target=target("Orphan")), None, DATA, {})
    assert isinstance(change, Create) and set(change.body["metadata"]) == {"name", "namespace", "labels", "annotations"}


@pytest.mark.parametrize("live", [False, True], ids=["create", "update"])
def test_a_template_that_fails_names_its_cause(live: bool):
    one = es(target=target("Owner", template={"data": {"k": "{{ nonsense }}"}}))
    with fails(Stage.RENDER) as failure:
        desired(one, created(blank_secret(), "kubectl") if live else None, DATA, {})
    prefix = "unable to mutate secret test-secret: " if live else ""
    assert str(failure.value).startswith(f"{prefix}could not apply template: could not execute template: ")
    assert failure.value.retryable


def test_a_template_that_would_mint_a_credential_is_refused_without_a_webhook():
    one = es(target=target("Owner", template={"type": "bootstrap.kubernetes.io/token"}))
    with fails(
        Stage.RENDER,
        match=r'^could not apply template: template.type="bootstrap.kubernetes.io/token" is not allowed$',
    ):
        desired(one, None, DATA, {})


def test_fields_of_a_subresource_and_of_other_managers_are_not_ours():
    entry = {"manager": MANAGER, "fieldsV1": {"f:data": {".": {}, "f:a": {}, "k:{}": {}}}}
    meta = {
        "managedFields": [
            entry,
            entry | {"manager": "other", "fieldsV1": {"f:data": {"f:b": {}}}},
            entry | {"subresource": "status"},
            {"manager": MANAGER},
        ]
    }
    assert list(owned_keys(meta, MANAGER, "f:data")) == ["a"]
    assert list(owned_keys(meta, MANAGER, "f:metadata", "f:labels")) == []


def test_values_do_not_show_in_a_change():
    change = desired(es(target=target("Owner")), None, {"a": b"canary-value"}, {})
    live = created(blank_secret({"a": "0"}), "kubectl")
    patch = desired(es(target=target("Owner")), live, {"a": b"canary-value"}, {})
    for text in (repr(change), repr(patch)):
        assert "canary-value" not in text and encoded({"a": "canary-value"})["a"] not in text


@pytest.mark.parametrize(("size", "fits"), [(1 << 20, True), ((1 << 20) + 1, False)])
def test_more_than_a_secret_takes_is_refused_before_it_is_hashed_and_sent(size: int, fits: bool) -> None:
    data = {"a": b"x" * (size - 1), "b": b"y"}
    if fits:
        assert isinstance(desired(es(target=target()), None, data, {}), Create)
    else:
        with pytest.raises(
            EsoError, match='Secret "test-secret" is invalid: data: Too long: may not be more than 1048576 bytes'
        ):
            desired(es(target=target()), None, data, {})


# --- what is not copied, and what is kept
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["kubectl.kubernetes.io/last-applied-configuration", "extensions.external-secrets.io/suspend"]
)
@pytest.mark.parametrize("policy", POLICIES)
def test_annotations_about_the_external_secret_itself_stay_with_it(policy: str, key: str):
    one = es(target=target(policy), annotations={key: "ours", "team": "a"})
    live = created(blank_secret({"b": "1"}, annotations={key: "theirs"}), "kubectl")
    after = applied(live, desired(one, live, DATA, {}))
    assert after is not None
    assert (after["metadata"]["annotations"][key], after["metadata"]["annotations"]["team"]) == ("theirs", "a")
    fresh = applied(None, desired(one, None, DATA, {})) if policy != "Merge" else None
    assert fresh is None or key not in fresh["metadata"]["annotations"]


def test_a_last_applied_annotation_that_was_copied_earlier_goes_with_the_next_write():
    one = es(target=target(), annotations={wellknown.ANNOTATION_LAST_APPLIED: "ours"})
    live = applied(None, desired(es(target=target()), None, DATA, {}))
    assert live is not None
    live = patched(live, {"metadata": {"annotations": {wellknown.ANNOTATION_LAST_APPLIED: "ours"}}}, MANAGER)
    assert desired(one, live, DATA, {}) == Nothing()
    after = applied(live, desired(one, live, {"a": b"2"}, {}))
    assert after is not None and wellknown.ANNOTATION_LAST_APPLIED not in after["metadata"]["annotations"]


DICE = {
    "data": {"a": "{{ randAlphaNum 9 }}", "b": "{{ randAlphaNum 9 }}", "c": "{{ .a }}"},
    "metadata": {"labels": {"l": "{{ randAlphaNum 9 }}"}},
}


@pytest.mark.parametrize("policy", POLICIES)
def test_between_slots_dice_keep_what_is_ours_and_repair_what_is_not(policy: str):
    one = es(target=target(policy, template=DICE))
    live = applied(created(blank_secret({}), "kubectl"), desired(one, created(blank_secret({}), "kubectl"), DATA, {}))
    assert live is not None
    tampered = patched(live, {"data": encoded({"b": "x", "c": "y"})}, "kubectl-edit")
    repaired = applied(tampered, desired(one, tampered, DATA, {}, keep=True))
    assert repaired is not None
    before, after = decoded(live), decoded(repaired)
    assert (after["a"], after["c"]) == (before["a"], b"1") and after["b"] not in (b"x", before["b"])
    assert repaired["metadata"]["labels"]["l"] == live["metadata"]["labels"]["l"]
    assert repaired["metadata"]["annotations"][wellknown.ANNOTATION_DATA_HASH] == data_hash(after)
    anew = applied(live, desired(one, live, DATA, {}))
    assert anew is not None and decoded(anew)["a"] != before["a"]


def test_a_key_that_the_template_no_longer_makes_is_not_kept():
    one, less = es(target=target(template=DICE)), es(target=target(template={"data": {"a": "{{ uuidv4 }}"}}))
    live = applied(None, desired(one, None, DATA, {}))
    assert live is not None
    after = applied(live, desired(less, live, DATA, {}, keep=True))
    assert after is not None and list(decoded(after)) == ["a"] and decoded(after)["a"] == decoded(live)["a"]
