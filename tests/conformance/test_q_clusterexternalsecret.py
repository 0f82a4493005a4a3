"""Q. ClusterExternalSecret, with the operator under its own ServiceAccount on all namespaces.

Where the reference puts finalizers on the object and on namespaces (C-263, C-280 to C-283) our own behaviour is tested:
none is put on, those that are there are taken off, and the garbage collector removes the children.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.harness.cluster import ApiRefused, Cluster, Json
from e2e.harness.objects import GROUP, fake_provider, secret_store, thing
from e2e.harness.operator import Operator
from e2e.harness.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("operator")]
SPEC: Json = {"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
ON_OBJECT = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
ON_NAMESPACE = "externalsecrets.external-secrets.io/ces-"
GONE = 60.0  # seconds: the garbage collector learns of new kinds every 30 s


class Fleet:
    """Namespaces with the label `fleet: ID`, and ClusterExternalSecrets whose names start with it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.api, self.id = cluster, cluster.api, f"q{uuid.uuid4().hex[:8]}"
        self.spaces: list[str] = []
        self.names: list[str] = []

    def space(self, name: str, **labels: str) -> str:
        full = f"{self.id}-{name}"
        self.cluster.create_namespace(full, {"fleet": self.id} | labels)
        self.cluster.apply([secret_store(full, fake_provider({"a": "1"}))])
        self.spaces.append(full)
        return full

    def label(self, space: str, **labels: str | None) -> None:
        self.api.patch("namespaces", "", space, {"metadata": {"labels": labels}})

    def make(
        self, name: str = "ces", *, annotations: Json | None = None, finalizers: list[str] | None = None, **spec: Any
    ) -> str:
        full = f"{self.id}-{name}"
        wanted = {"externalSecretSpec": SPEC, "namespaceSelectors": [{"matchLabels": {"fleet": self.id}}]} | spec
        body = thing("ClusterExternalSecret", full, spec={k: v for k, v in wanted.items() if v is not None})
        body["metadata"] |= {"annotations": annotations or {}, "finalizers": finalizers or []}
        self.api.create("clusterexternalsecrets", "", body)
        self.names.append(full)
        return full

    def edit(self, name: str, patch: Json) -> None:
        self.api.patch("clusterexternalsecrets", "", name, patch)

    def status(self, name: str) -> Json:
        found = self.api.get("clusterexternalsecrets", "", name) or {}
        status: Json = found.get("status", {})
        return status

    def child(self, space: str, name: str) -> Json | None:
        return self.api.get("externalsecrets", space, name)

    def ready(self, name: str, spaces: list[str], within: float = 20) -> Json:
        """Waits until exactly these namespaces are provisioned and none failed; returns the status."""

        def seen() -> bool:
            status = self.status(name)
            assert status.get("conditions") == [{"type": "Ready", "status": "True"}], status
            assert status.get("provisionedNamespaces", []) == sorted(spaces), status
            return True

        eventually(seen, within, what=f"{name} provisions {spaces}")
        return self.status(name)

    def failed(self, name: str, space: str, reason: str, within: float = 20) -> None:
        def seen() -> bool:
            status = self.status(name)
            failures = {one["namespace"]: one["reason"] for one in status.get("failedNamespaces", [])}
            assert failures.get(space, "").startswith(reason), status
            condition = {"type": "Ready", "status": "False", "message": "one or more namespaces failed"}
            assert status["conditions"] == [condition], status
            return True

        eventually(seen, within, what=f"{name} fails in {space}")

    def clean_up(self) -> None:
        for name in self.names:
            self.api.delete("clusterexternalsecrets", "", name)
        for space in self.spaces:
            self.api.delete("namespaces", "", space)


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[Fleet]:
    made = Fleet(cluster)
    yield made
    made.clean_up()


def until(check: Callable[[], Any], within: float = 20, what: str = "") -> None:
    eventually(check, within, what=what)


# C-261
def test_c_261_children_are_named_after_the_object(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make()
    status = fleet.ready(name, [a])
    assert status["externalSecretName"] == name
    assert fleet.child(a, name) is not None


# C-262
def test_c_262_the_name_and_metadata_of_children(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make(
        externalSecretName="child", externalSecretMetadata={"labels": {"l": "1"}, "annotations": {"n": "2"}}
    )
    fleet.ready(name, [a])
    meta = (fleet.child(a, "child") or {})["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"l": "1"}, {"n": "2"})


def test_c_263_an_owner_reference_and_no_finalizer(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make()
    fleet.api.patch("namespaces", "", a, {"metadata": {"finalizers": [f"{ON_NAMESPACE}{name}"]}})
    fleet.ready(name, [a])
    child = fleet.child(a, name)
    assert child is not None
    (owner,) = child["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ClusterExternalSecret", name, True)
    found = fleet.api.get("clusterexternalsecrets", "", name)
    assert found is not None and "finalizers" not in found["metadata"]

    def taken_off() -> bool:
        return "finalizers" not in (fleet.api.get("namespaces", "", a) or {})["metadata"]

    until(taken_off, what="a finalizer of the reference is taken off the namespace")


# C-264
def test_c_264_a_rename_replaces_the_children(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make(externalSecretName="old")
    fleet.ready(name, [a])
    fleet.edit(name, {"spec": {"externalSecretName": "new"}})
    until(
        lambda: fleet.child(a, "old") is None and fleet.child(a, "new") is not None, what="the child has its new name"
    )
    until(lambda: fleet.status(name)["externalSecretName"] == "new")


# C-265, C-266
def test_c_265_and_c_266_children_follow_the_object_and_edits_of_others_are_reverted(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make()
    fleet.ready(name, [a])
    spec = SPEC | {"secretStoreRef": {"name": "other"}}
    fleet.edit(name, {"spec": {"externalSecretSpec": spec, "externalSecretMetadata": {"labels": {"l": "1"}}}})

    def follows() -> bool:
        child = fleet.child(a, name) or {}
        return child["spec"]["secretStoreRef"]["name"] == "other" and child["metadata"].get("labels") == {"l": "1"}

    until(follows, what="the child follows")
    fleet.api.patch(
        "externalsecrets", a, name, {"metadata": {"labels": {"mine": "1"}}, "spec": {"refreshInterval": "7h"}}
    )
    until(
        lambda: follows() and (fleet.child(a, name) or {})["spec"]["refreshInterval"] != "7h", what="edits are reverted"
    )


# C-267, C-268
def test_c_267_and_c_268_an_object_of_somebody_else_stays_and_its_end_makes_room(fleet: Fleet) -> None:
    a = fleet.space("a")
    theirs = thing("ExternalSecret", f"{fleet.id}-ces", a, spec=SPEC | {"refreshInterval": "9h"})
    fleet.api.create("externalsecrets", a, theirs)
    name = fleet.make()
    fleet.failed(name, a, "external secret already exists in namespace")
    assert (fleet.child(a, name) or {})["spec"]["refreshInterval"] == "9h"
    fleet.api.delete("externalsecrets", a, name)
    fleet.ready(name, [a])


# C-269
def test_c_269_a_child_that_is_deleted_comes_back(fleet: Fleet) -> None:
    a = fleet.space("a")
    name = fleet.make()
    fleet.ready(name, [a])
    before = (fleet.child(a, name) or {})["metadata"]["uid"]
    fleet.api.delete("externalsecrets", a, name)
    until(lambda: (fleet.child(a, name) or {"metadata": {"uid": before}})["metadata"]["uid"] != before)


# C-270
def test_c_270_a_namespace_that_stops_matching_loses_its_child_at_once(fleet: Fleet) -> None:
    a, b = fleet.space("a"), fleet.space("b")
    name = fleet.make()
    fleet.ready(name, [a, b])
    fleet.label(a, fleet=None)
    until(lambda: fleet.child(a, name) is None)
    fleet.ready(name, [b])


# C-271, C-273
def test_c_271_and_c_273_expressions_and_selectors_that_are_ored(fleet: Fleet) -> None:
    foo, bar, _ = (fleet.space(one, kind=one) for one in ("foo", "bar", "baz"))
    both = {
        "matchExpressions": [{"key": "kind", "operator": "In", "values": ["foo", "bar"]}],
        "matchLabels": {"fleet": fleet.id},
    }
    fleet.ready(fleet.make("expressions", namespaceSelectors=[both]), [bar, foo])
    one = {"matchLabels": {"fleet": fleet.id, "kind": "foo"}}
    fleet.ready(fleet.make("ored", namespaceSelectors=[one, both]), [bar, foo])


# C-272
def test_c_272_no_match_is_ready(fleet: Fleet) -> None:
    fleet.space("a")
    for name in (
        fleet.make("nowhere", namespaceSelectors=[{"matchLabels": {"fleet": "none"}}]),
        fleet.make("unsaid", namespaceSelectors=None),
    ):
        assert "provisionedNamespaces" not in fleet.ready(name, [])


# C-274
def test_c_274_names_that_do_not_exist_are_no_failure(fleet: Fleet) -> None:
    a = fleet.space("a")
    fleet.ready(fleet.make(namespaceSelectors=None, namespaces=["does-not-exist", a]), [a])


# C-275
def test_c_275_a_namespace_that_comes_or_is_labelled_gets_a_child(fleet: Fleet) -> None:
    name = fleet.make()
    fleet.ready(name, [])
    a = fleet.space("a")
    fleet.ready(name, [a])
    b = fleet.space("b", fleet="not-yet")
    fleet.label(b, fleet=fleet.id)
    fleet.ready(name, [a, b])


# C-276
def test_c_276_a_selector_that_is_none_is_told(fleet: Fleet) -> None:
    name = fleet.make(namespaceSelectors=[{"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}])
    fleet.failed(name, "unknown", '"Like" is not a valid label selector operator')


# C-277
def test_c_277_force_sync_follows_the_object(fleet: Fleet) -> None:
    a = fleet.space("a")
    force = "external-secrets.io/force-sync"
    name = fleet.make(annotations={force: "1"})
    for value in ("1", "2", None):
        fleet.edit(name, {"metadata": {"annotations": {force: value}}})

        def mirrored(value: str | None = value) -> bool:
            child = fleet.child(a, name)
            return child is not None and child["metadata"].get("annotations", {}).get(force) == value

        until(mirrored, what=f"force-sync is {value}")


# C-278
def test_c_278_a_child_that_the_api_server_refuses(fleet: Fleet) -> None:
    a = fleet.space("a")
    fleet.cluster.apply(
        [
            thing(
                "ValidatingAdmissionPolicy",
                fleet.id,
                api="admissionregistration.k8s.io/v1",
                spec={
                    "failurePolicy": "Fail",
                    "matchConstraints": {
                        "resourceRules": [
                            {
                                "apiGroups": [GROUP],
                                "apiVersions": ["*"],
                                "operations": ["CREATE"],
                                "resources": ["externalsecrets"],
                            }
                        ]
                    },
                    "validations": [{"expression": "false", "message": "not today"}],
                },
            ),
            thing(
                "ValidatingAdmissionPolicyBinding",
                fleet.id,
                api="admissionregistration.k8s.io/v1",
                spec={
                    "policyName": fleet.id,
                    "validationActions": ["Deny"],
                    "matchResources": {"namespaceSelector": {"matchLabels": {"fleet": fleet.id}}},
                },
            ),
        ]
    )
    try:

        def enforced() -> bool:
            try:
                fleet.api.create(
                    "externalsecrets", a, thing("ExternalSecret", f"try-{uuid.uuid4().hex[:6]}", a, spec=SPEC)
                )
            except ApiRefused:
                return True
            return False

        until(enforced, 30, what="the policy is in force")
        fleet.failed(fleet.make(), a, "could not create or update ExternalSecret: ")
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            fleet.cluster.kubectl("delete", kind, fleet.id)


# C-279
def test_c_279_a_conflict_is_tried_again(fleet: Fleet) -> None:
    """Somebody edits the children all the time while their object changes."""
    a = fleet.space("a")
    name = fleet.make()
    fleet.ready(name, [a])
    for n in range(5):
        fleet.edit(name, {"spec": {"externalSecretMetadata": {"labels": {"n": str(n)}}}})
        fleet.api.patch("externalsecrets", a, name, {"metadata": {"annotations": {"mine": str(n)}}})

    def settled() -> bool:
        meta = (fleet.child(a, name) or {})["metadata"]
        return meta.get("labels") == {"n": "4"} and not meta.get("annotations")

    until(settled)
    fleet.ready(name, [a])


def test_c_280_a_namespace_that_is_deleted_goes(fleet: Fleet) -> None:
    a, b = fleet.space("a"), fleet.space("b")
    name = fleet.make()
    fleet.api.patch("namespaces", "", a, {"metadata": {"finalizers": [f"{ON_NAMESPACE}{name}"]}})
    fleet.ready(name, [a, b])
    fleet.api.delete("namespaces", "", a)
    until(lambda: fleet.api.get("namespaces", "", a) is None, GONE, what="the namespace goes")
    fleet.ready(name, [b])


# C-281, C-282
def test_c_281_c_282_and_c_283_a_deleted_object_takes_its_own_children_along(fleet: Fleet) -> None:
    a, b = fleet.space("a"), fleet.space("b")
    first = fleet.make("first", finalizers=[ON_OBJECT])
    second = fleet.make("second")
    for name in (first, second):
        fleet.api.patch("namespaces", "", a, {"metadata": {"finalizers": [f"{ON_NAMESPACE}{name}"]}})
        fleet.ready(name, [a, b])
    fleet.api.patch("externalsecrets", b, second, {"metadata": {"ownerReferences": []}})
    fleet.failed(second, b, "external secret already exists in namespace")
    fleet.api.delete("clusterexternalsecrets", "", first)
    until(lambda: fleet.api.get("clusterexternalsecrets", "", first) is None, what="the object goes")
    until(lambda: fleet.child(a, first) is None and fleet.child(b, first) is None, GONE, what="its children go")
    assert fleet.child(a, second) is not None
    fleet.api.delete("clusterexternalsecrets", "", second)
    until(lambda: fleet.child(a, second) is None, GONE, what="the other's child goes")
    assert fleet.child(b, second) is not None, "nobody's child stays"


@pytest.mark.parametrize("text", ["100ms", None, "0s"], ids=["C-284 a tenth of a second", "C-284 absent", "C-284 zero"])
def test_c_284_the_interval_decides_when_the_next_pass_comes(
    fleet: Fleet, operator: Operator, text: str | None
) -> None:
    a = fleet.space("a")
    name = fleet.make(**({"refreshTime": text} if text is not None else {}))
    fleet.ready(name, [a])

    def passes() -> float:
        return operator.metrics().sum("controller_runtime_reconcile_total", controller="clusterexternalsecret")

    def quiet() -> bool:
        """No event of the set-up is left to be worked off."""
        first = passes()
        time.sleep(1.0)
        return passes() == first

    if text == "100ms":
        before = passes()
        until(lambda: passes() >= before + 5, what="passes without an event")
    else:
        until(quiet, 30, what="no pass for a second")
