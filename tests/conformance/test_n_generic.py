"""N. Generic targets. The operator's own role has no right on other kinds: each case grants them in its namespace, as
users must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.harness.cluster import ApiRefused, Cluster, Json
from eso.api.hashing import content_hash, owner_hash
from eso.reconcile.externalsecret.manifest import rendered
from eso.reconcile.externalsecret.triggers import tokens_of
from eso.template.apply import DEFAULT_TERMS
from tests.conformance.conftest import MERGE, Case
from tests.harness.inprocess import ACCOUNT, SYSTEM
from tests.unit.reconcile.objects import es as desk_es

MANAGED, DATA_HASH = "reconcile.external-secrets.io/managed", "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
GROUP = "conformance.example.com"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
WIDGET = {"apiVersion": f"{GROUP}/v1", "kind": "Widget"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
PREFIXES = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Widget": (f"/apis/{GROUP}/v1", "widgets"),
    "Deployment": ("/apis/apps/v1", "deployments"),
}
VERBS = ["get", "list", "watch", "create", "patch", "delete"]
VALUE = {"targetProperty": "some-value"}
ON = {"unsafe_allow_generic_targets": "true"}


def definition(kind: str) -> Json:
    """A CRD with an open spec."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": GROUP, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": spec,
    }


@contextmanager
def installed(cluster: Cluster, kind: str) -> Iterator[None]:
    cluster.apply([definition(kind)])
    name = f"{kind.lower()}s.{GROUP}"
    try:
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{name}")
        yield
    finally:
        cluster.api.delete("customresourcedefinitions", "", name)


@pytest.fixture(scope="module")
def widgets(cluster: Cluster) -> Iterator[None]:
    with installed(cluster, "Widget"):
        yield


class Generic:
    """A case with objects of any kind: kinds by name, see PREFIXES."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def grant(
        self, *verbs: str, resources: tuple[str, ...] = ("configmaps", "widgets", "gadgets", "deployments")
    ) -> None:
        meta = {"name": "generic-targets", "namespace": self.case.namespace}
        rules = [{"apiGroups": ["", "apps", GROUP], "resources": list(resources), "verbs": list(verbs or VERBS)}]
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "generic-targets"}
        version = "rbac.authorization.k8s.io/v1"
        self.case.cluster.apply(
            [
                {"apiVersion": version, "kind": "Role", "metadata": meta, "rules": rules},
                {
                    "apiVersion": version,
                    "kind": "RoleBinding",
                    "metadata": meta,
                    "subjects": [subject],
                    "roleRef": reference,
                },
            ]
        )

    def path(self, kind: str, name: str = "") -> str:
        prefix, plural = PREFIXES[kind]
        return f"{prefix}/namespaces/{self.case.namespace}/{plural}" + (f"/{name}" if name else "")

    def get(self, kind: str, name: str = "test-target") -> Json | None:
        try:
            return self.case.api.request("GET", self.path(kind, name))
        except ApiRefused as refused:
            if refused.code == 404:
                return None
            raise

    def found(self, kind: str, name: str = "test-target") -> Json:
        obj = self.get(kind, name)
        assert obj is not None, f"there is no {kind} {name}"
        return obj

    def create(self, kind: Json, name: str = "test-target", *, meta: Json | None = None, **body: Any) -> Json:
        return self.case.api.request(
            "POST", self.path(kind["kind"]), {**kind, "metadata": {"name": name} | (meta or {}), **body}
        )

    def edit(self, kind: str, patch: Json, name: str = "test-target") -> Json:
        return self.case.api.request(
            "PATCH", f"{self.path(kind, name)}?fieldManager=somebody", patch, content_type=MERGE
        )

    def delete(self, kind: str, name: str = "test-target") -> None:
        self.case.api.request("DELETE", self.path(kind, name))

    def wants(
        self,
        kind: Json,
        *,
        template: Any = None,
        creation: str = "",
        deletion: str = "",
        target: str | None = "test-target",
        **spec: Any,
    ) -> Json:
        """The default ExternalSecret with a target of that kind."""
        members = {
            "name": target,
            "manifest": kind,
            "template": template,
            "creationPolicy": creation or None,
            "deletionPolicy": deletion or None,
        }
        return self.case.external_secret(**spec, target=members)

    def synced(self, reason: str = "ResourceSynced", message: str = "secret synced") -> Json:
        ready = self.case.synced()
        assert (ready["reason"], ready["message"]) == (reason, message)
        return ready


@pytest.fixture
def generic(case: Case, widgets: None) -> Iterator[Generic]:
    """The operator runs with generic targets on, the rights are granted, `test-store` is there."""
    made = Generic(case)
    made.grant()
    with case.running(**ON):
        case.store()
        yield made


def literal(text: str, target: str) -> Json:
    return {"templateFrom": [{"literal": text, "target": target}]}


# C-214
def test_c_214_the_feature_is_off(live: Case):
    Generic(live).wants(CONFIG_MAP)
    ready = live.failed("invalid generic target")
    assert ready["reason"] == "SecretSyncedError"
    live.told("generic targets are disabled. Enable with --unsafe-allow-generic-targets flag")
    passes = live.passes()
    live.holds(lambda: live.passes() == passes, 2.5)
    assert live.provider.count() == 0


# C-215
def test_c_215_a_simple_config_map(generic: Generic):
    generic.wants(CONFIG_MAP)
    generic.synced()
    obj = generic.found("ConfigMap")
    assert obj["data"] == VALUE
    assert obj["metadata"]["labels"][MANAGED] == "true"
    assert obj["metadata"]["annotations"][DATA_HASH] == content_hash(VALUE)
    generic.case.told("Created ConfigMap test-target")
    assert generic.case.secret("test-target") is None


# C-216
def test_c_216_a_config_map_with_template_data(generic: Generic):
    """Ours: the values come from a store, as generators are not built yet."""
    generic.wants(CONFIG_MAP, template={"data": {"url": "https://{{ .targetProperty }}/"}})
    generic.synced()
    assert generic.found("ConfigMap")["data"] == {"url": "https://some-value/"}


# C-217
def test_c_217_a_custom_resource_without_a_template(generic: Generic):
    generic.wants(WIDGET)
    generic.synced()
    assert generic.found("Widget")["spec"] == {"data": VALUE}


# C-218
def test_c_218_the_name_defaults_to_that_of_the_external_secret(generic: Generic):
    generic.wants(CONFIG_MAP, target=None)
    generic.synced()
    assert generic.found("ConfigMap", "test-es")["data"] == VALUE


# C-219
def test_c_219_metadata_of_the_external_secret_or_of_the_template(generic: Generic):
    generic.wants(CONFIG_MAP, labels={"l": "1"}, annotations={"a": "1"})
    generic.synced()
    meta = generic.found("ConfigMap")["metadata"]
    assert meta["labels"] == {"l": "1", MANAGED: "true", CREATED_BY: owner_hash(generic.case.namespace, "test-es")}
    assert meta["annotations"] == {"a": "1", DATA_HASH: content_hash(VALUE)}
    template = {
        "metadata": {"labels": {"t": "raw"}, "annotations": {"t": "{{ .targetProperty }}"}},
        "data": {"x": "1"},
    }
    generic.case.external_secret(
        "other",
        labels={"l": "1"},
        annotations={"a": "1"},
        target={"name": "other", "manifest": CONFIG_MAP, "template": template},
    )
    generic.case.synced("other")
    meta = generic.found("ConfigMap", "other")["metadata"]
    assert meta["labels"] == {"t": "raw", MANAGED: "true", CREATED_BY: owner_hash(generic.case.namespace, "other")}
    assert meta["annotations"] == {"t": "{{ .targetProperty }}", DATA_HASH: content_hash({"x": "1"})}


# C-220
def test_c_220_owner(generic: Generic):
    es = generic.wants(CONFIG_MAP, creation="Owner")
    generic.synced()
    meta = generic.found("ConfigMap")["metadata"]
    (reference,) = meta["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["uid"], reference["controller"]) == (
        "ExternalSecret",
        "test-es",
        es["metadata"]["uid"],
        True,
    )
    assert meta["labels"][CREATED_BY] == owner_hash(generic.case.namespace, "test-es")


# C-221
def test_c_221_orphan(generic: Generic):
    generic.wants(CONFIG_MAP, creation="Orphan")
    generic.synced()
    meta = generic.found("ConfigMap")["metadata"]
    assert "ownerReferences" not in meta and CREATED_BY not in meta["labels"]


SPEC = """
replicas: {{ .targetProperty }}
selector: {matchLabels: {app: x}}
template:
  metadata: {labels: {app: x}}
  spec: {containers: [{name: c, image: example.com/c}]}
"""


# C-222
def test_c_222_a_literal_at_the_spec_of_a_deployment(generic: Generic):
    generic.case.provider.value = b"2"
    generic.wants(DEPLOYMENT, template=literal(SPEC, "spec"), refreshInterval="1h")
    generic.synced()
    spec = generic.found("Deployment")["spec"]
    assert spec["replicas"] == 2 and isinstance(spec["replicas"], int)
    assert spec["template"]["spec"]["containers"][0]["name"] == "c"


# C-222
def test_c_222_what_the_api_server_adds_to_a_deployment_is_no_drift(generic: Generic):
    """Ours: the defaults of the kind count as ours, and neither they nor a moving status lead to a read or a write;
    real drift does."""
    case = generic.case
    case.provider.value = b"2"
    generic.wants(DEPLOYMENT, template=literal(SPEC, "spec"), refreshInterval="1h")
    generic.synced()
    case.told("Created Deployment test-target")
    reads = case.provider.count()
    case.api.request(
        "PATCH",
        generic.path("Deployment", "test-target") + "/status",
        {"status": {"observedGeneration": 1}},
        content_type=MERGE,
    )
    passes = case.passes()
    case.edit_es({"metadata": {"finalizers": ["example.com/look"]}})
    case.eventually(lambda: case.passes() > passes)
    case.edit_es({"metadata": {"finalizers": None}})
    case.holds(lambda: case.provider.count() == reads, 2)
    generic.edit("Deployment", {"spec": {"replicas": 7}})
    case.eventually(lambda: generic.found("Deployment")["spec"]["replicas"] == 2, within=5)


# C-223
def test_c_223_a_nested_path_is_merged_into_what_is_there(generic: Generic):
    before = generic.create(WIDGET, spec={"type": "alert", "slack": {"channel": "c", "username": "u"}})
    generic.wants(WIDGET, creation="Merge", template=literal("api_url: '{{ .targetProperty }}'", "spec.slack"))
    generic.synced()
    obj = generic.found("Widget")
    assert obj["spec"] == {"type": "alert", "slack": {"channel": "c", "username": "u", "api_url": "some-value"}}
    assert obj["metadata"]["uid"] == before["metadata"]["uid"]
    generic.case.told("Updated Widget test-target")


# C-224
def test_c_224_every_segment_keeps_its_case(generic: Generic):
    generic.wants(WIDGET, template=literal("X-Token: '{{ .targetProperty }}'", "spec.headers.customRequestHeaders"))
    generic.synced()
    assert generic.found("Widget")["spec"] == {"headers": {"customRequestHeaders": {"X-Token": "some-value"}}}


# C-225
def test_c_225_lists_on_the_way(generic: Generic):
    rules = [{"from": [{"source": {"sibling": "kept"}}], "to": "there"}]
    generic.create(WIDGET, spec={"rules": rules})
    entries = [
        {"literal": "['{{ .targetProperty }}']", "target": "spec.rules[0].from[0].source.notRemoteIpBlocks"},
        {"literal": "{a: 1}", "target": "spec.rules[2]"},
    ]
    generic.wants(WIDGET, creation="CreateOrMerge", template={"templateFrom": entries})
    generic.synced()
    source = {"sibling": "kept", "notRemoteIpBlocks": ["some-value"]}
    assert generic.found("Widget")["spec"]["rules"] == [{"from": [{"source": source}], "to": "there"}, None, {"a": 1}]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("spec.rules[abc].foo", 'bad index "abc"', id="C-226 no number"),
        pytest.param("[0]", "path must start with a key", id="C-226 an index alone"),
        pytest.param("[0].test", "path must start with a key", id="C-226 an index first"),
        pytest.param("a..b", "empty segment", id="C-226 nothing between two dots"),
        pytest.param("a[10001]", "index 10001 exceeds maximum (10000)", id="C-226 an index too large"),
    ],
)
def test_c_226_a_bad_path_is_named(path: str, why: str):
    one = desk_es(target={"manifest": WIDGET, "template": literal("x", path)})
    with pytest.raises(Exception, match="failed to execute literal template") as raised:
        rendered(one, None, {}, {}, DEFAULT_TERMS)
    assert f'invalid path "{path}": {why}' in str(raised.value)


def test_c_226_a_bad_path_fails_the_object(generic: Generic):
    generic.wants(WIDGET, template=literal("x", "spec.rules[abc].foo"))
    assert generic.case.failed("could not apply template to manifest")["reason"] == "ResourceSyncedError"
    generic.case.told('invalid path "spec.rules[abc].foo": bad index "abc"')
    assert generic.get("Widget") is None


# C-229
def test_c_229_drift_is_corrected_at_once(generic: Generic):
    generic.wants(CONFIG_MAP, refreshInterval="1h")
    generic.synced()
    before = generic.found("ConfigMap")["metadata"]["uid"]
    generic.edit("ConfigMap", {"data": {"targetProperty": "human", "more": "x"}})
    generic.case.eventually(lambda: generic.found("ConfigMap")["data"] == VALUE, within=5)
    generic.edit("ConfigMap", {"metadata": {"labels": {MANAGED: None}}})
    generic.case.eventually(lambda: generic.found("ConfigMap")["metadata"]["labels"].get(MANAGED) == "true", within=5)
    generic.delete("ConfigMap")
    generic.case.eventually(
        lambda: (generic.get("ConfigMap") or {"metadata": {"uid": before}})["metadata"]["uid"] != before, within=5
    )
    assert generic.found("ConfigMap")["data"] == VALUE


# C-229
def test_c_229_drift_is_seen_again_after_a_restart(case: Case, widgets: None):
    """Ours: an intact target is watched from its first look on; the reference waits for the next refresh."""
    generic = Generic(case)
    generic.grant()
    case.store()
    generic.wants(WIDGET, refreshInterval="1h")
    with case.running(**ON):
        case.synced()
    with case.running(**ON) as operator:
        case.eventually(lambda: operator.watched() == ["Widget"])
        reads = case.provider.count()
        generic.edit("Widget", {"spec": {"data": {"targetProperty": "human"}}})
        case.eventually(lambda: generic.found("Widget")["spec"] == {"data": VALUE}, within=5)
        assert case.provider.count() == reads + 1


# C-230
def test_c_230_merge_and_missing(generic: Generic):
    generic.wants(CONFIG_MAP, creation="Merge")
    generic.synced("ResourceMissing", "resource will not be created due to CreationPolicy=Merge")
    assert generic.get("ConfigMap") is None


# C-231
def test_c_231_no_keys_with_retain(generic: Generic):
    generic.case.provider.map = {}
    generic.wants(CONFIG_MAP, deletion="Retain", data=None, dataFrom=[{"extract": {"key": "k"}}])
    generic.synced("ResourceSynced", "secret retained due to DeletionPolicy=Retain")
    assert generic.get("ConfigMap") is None


# C-231
def test_c_231_no_keys_with_delete_and_owner(generic: Generic):
    generic.wants(CONFIG_MAP, deletion="Delete", creation="Owner", refreshInterval="1s")
    generic.synced()
    generic.case.provider.value = None
    generic.case.eventually(lambda: generic.get("ConfigMap") is None)
    generic.case.eventually(lambda: generic.case.ready()["reason"] == "ResourceDeleted")
    assert generic.case.ready()["message"] == "secret deleted due to DeletionPolicy=Delete"
    generic.case.told("Deleted ConfigMap test-target")


# C-231
def test_c_231_no_keys_with_delete_and_orphan(generic: Generic):
    case = generic.case
    generic.wants(CONFIG_MAP, deletion="Delete", creation="Orphan", refreshInterval="1s")
    generic.synced()
    case.provider.value = None
    assert case.failed("could not delete resource")["reason"] == "ResourceSyncedError"
    case.told("unable to delete resource: creationPolicy=Orphan is not Owner")
    passes = case.passes()
    case.holds(lambda: case.passes() == passes, 2.5)
    assert generic.found("ConfigMap")["data"] == VALUE


def gone(case: Case) -> None:
    case.delete("externalsecrets", "test-es")
    case.eventually(
        lambda: case.api.get("externalsecrets", case.namespace, "test-es") is None, what="the ExternalSecret is gone"
    )


def test_c_232_deletion_with_policy_delete(generic: Generic):
    generic.wants(WIDGET, deletion="Delete")
    generic.synced()
    gone(generic.case)
    assert generic.get("Widget") is None
    generic.case.told("Deleted Widget test-target")


@pytest.mark.parametrize("deletion", ["Retain", "Delete"], ids=["C-232 Retain", "C-232 Delete of what is not ours"])
def test_c_232_deletion_keeps_what_is_to_be_kept_or_not_ours(generic: Generic, deletion: str):
    """Ours: with policy Delete only what our controller reference is on; the reference deletes by name."""
    generic.wants(WIDGET, creation="Orphan", deletion=deletion)
    generic.synced()
    gone(generic.case)
    generic.case.holds(lambda: generic.found("Widget")["spec"] == {"data": VALUE}, 2)


def test_c_232_rights_that_went_first_do_not_hold_the_deletion(generic: Generic):
    """Ours: in a namespace that goes, roles may go before us; the garbage collector removes the target by the same
    reference."""
    case = generic.case
    generic.wants(WIDGET, deletion="Delete")
    generic.synced()
    for plural in ("rolebindings", "roles"):
        case.api.request(
            "DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{case.namespace}/{plural}/generic-targets"
        )
    case.eventually(lambda: "no" in can(case, "delete", f"widgets.{GROUP}"), what="the right is gone")
    gone(case)


def can(case: Case, verb: str, resource: str) -> str:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{SYSTEM}:{ACCOUNT}",
            "resourceAttributes": {
                "namespace": case.namespace,
                "verb": verb,
                "resource": resource.partition(".")[0],
                "group": resource.partition(".")[2],
            },
        },
    }
    answer = case.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return "yes" if answer["status"]["allowed"] else "no"


# C-233
def test_c_233_another_external_secret_owns_the_object(generic: Generic):
    case = generic.case
    case.external_secret("owner", target={"name": "test-target", "manifest": WIDGET})
    case.synced("owner")
    before = generic.found("Widget")
    generic.wants(WIDGET, creation="Merge", template=literal("x: 1", "spec"))
    assert case.failed("could not apply template to manifest")["reason"] == "ResourceSyncedError"
    case.told("owned by another ExternalSecret: owner")
    case.eventually(lambda: case.passes() >= 3, what="tried again")
    assert generic.found("Widget") == before


@pytest.mark.parametrize(
    ("kind", "name", "token"),
    [
        pytest.param(CONFIG_MAP, "my-configmap", ("v1/ConfigMap", "ns", "my-configmap"), id="C-234 core"),
        pytest.param(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"},
            "my-app",
            ("argoproj.io/v1alpha1/Application", "ns", "my-app"),
            id="C-234 a group",
        ),
        pytest.param(None, "my-secret", ("Target", "ns", "my-secret"), id="C-234 a Secret"),
    ],
)
def test_c_234_targets_are_found_by_kind_namespace_and_name(kind: Json | None, name: str, token: tuple[str, str, str]):
    """Ours: the namespace is part of the key; a Secret has a key of its own that no manifest can have."""
    assert tokens_of(desk_es(target={"name": name} | ({"manifest": kind} if kind else {}))) == {token}


# C-235
def test_c_235_one_watch_for_two_users_and_none_after_the_last(generic: Generic):
    case, operator = generic.case, generic.case.operator
    assert operator is not None

    def watched() -> list[str]:
        return operator.watched()

    for name in ("a", "b"):
        case.external_secret(name, target={"name": name, "creationPolicy": "Orphan", "manifest": WIDGET})
        case.synced(name)
    assert watched() == ["Widget"]
    case.delete("externalsecrets", "a")
    case.holds(lambda: watched() == ["Widget"], 2)
    case.delete("externalsecrets", "b")
    case.eventually(lambda: watched() == [])


# C-235
def test_c_235_a_target_that_becomes_a_secret_ends_the_watch(generic: Generic):
    """Ours: the reference watches until the ExternalSecret is deleted."""
    case, operator = generic.case, generic.case.operator
    assert operator is not None
    generic.wants(WIDGET, creation="Orphan")
    generic.synced()
    assert operator.watched() == ["Widget"]
    case.edit_es({"spec": {"target": {"manifest": None}}})
    case.eventually(lambda: case.secret("test-target") == VALUE)
    assert operator.watched() == []


# --- what a cluster can withhold
# -------------------------------------------------------------------------------------------------------


# C-215
def test_c_215_a_missing_right_is_the_objects_own_condition_and_heals(case: Case, widgets: None):
    generic = Generic(case)
    with case.running(**ON):
        case.store()
        generic.wants(WIDGET)
        case.external_secret("other", target={"name": "other"})
        assert case.failed("could not get target resource")["reason"] == "ResourceSyncedError"
        case.told("let the operator's ServiceAccount get, list, watch, create, patch and delete widgets")
        case.synced("other")
        generic.grant("get", "list", "watch")
        case.failed("could not update secret", within=40)
        case.told("failed to create target resource: widgets.conformance.example.com is forbidden")
        generic.grant()
        generic.case.cluster.wait_ready("externalsecrets", case.namespace, "test-es", 60)
        assert generic.found("Widget")["spec"] == {"data": VALUE}


# C-217
def test_c_217_a_missing_crd_is_the_objects_own_condition_and_heals(case: Case):
    generic = Generic(case)
    generic.grant()
    with case.running(**ON):
        case.store()
        generic.wants({"apiVersion": f"{GROUP}/v1", "kind": "Gadget"}, deletion="Delete")
        case.external_secret("other", target={"name": "other"})
        case.failed("could not get target resource")
        case.told(f'no matches for kind "Gadget" in version "{GROUP}/v1"')
        case.synced("other")
        with installed(case.cluster, "Gadget"):
            case.cluster.wait_ready("externalsecrets", case.namespace, "test-es", 60)
        case.eventually(lambda: "Gadget" not in str(discovery(case)), within=30, what="the kind is gone")
        gone(case)


# C-215
def test_c_235_a_kind_that_may_not_be_watched_is_told(case: Case, widgets: None):
    """Ours: without the right to watch the target is kept up to date at each refresh, and an Event says so."""
    generic = Generic(case)
    generic.grant("get", "create", "patch", "delete")
    with case.running(**ON):
        case.store()
        generic.wants(WIDGET, refreshInterval="1s")
        case.synced()
        case.told(
            "changes of the target are noticed at the next refresh only: widgets.conformance.example.com is forbidden"
        )
        assert case.ready()["status"] == "True"


@pytest.mark.parametrize("kind", [None, CONFIG_MAP], ids=["Secret", "ConfigMap"])
def test_c_215_a_value_that_the_api_server_refuses_is_told_without_it(generic: Generic, kind: Json | None):
    """The API server quotes what it refuses: here a secret that a template puts into a label, once as it is and once in
    capitals."""
    case = generic.case
    case.provider.value = b"hunter2 is no label"
    text = "as-is: '{{ .targetProperty }}'\ncapitals: '{{ .targetProperty | upper }}'"
    target = {"template": literal(text, "Labels")} | ({"manifest": kind} if kind else {})
    case.external_secret(target=target)
    assert case.failed("could not update secret")
    case.told("Invalid value: ***")
    told = str(case.events()) + str(case.operator.log.lines if case.operator else "") + str(case.es())
    assert "hunter2" not in told.lower()


def discovery(case: Case) -> Json:
    try:
        return case.api.request("GET", f"/apis/{GROUP}/v1")
    except ApiRefused:
        return {}


# --- beyond the cases: what a merge puts in and takes out again
# ---------------------------------------------------------------------------------------------------------


def test_a_merge_takes_out_what_it_put_in_and_no_longer_wants(generic: Generic):
    generic.create(CONFIG_MAP, data={"theirs": "1"})
    template = {"data": {"a": "{{ .targetProperty }}", "b": "{{ .targetProperty }}"}}
    generic.wants(CONFIG_MAP, creation="Merge", template=template)
    generic.synced()
    assert generic.found("ConfigMap")["data"] == {"theirs": "1", "a": "some-value", "b": "some-value"}
    generic.case.edit_es({"spec": {"target": {"template": {"data": {"a": None}}}}})
    wanted = {"theirs": "1", "b": "some-value"}
    generic.case.eventually(lambda: generic.found("ConfigMap")["data"] == wanted, within=5)


def test_a_merge_into_a_list_keeps_what_others_put_there(generic: Generic):
    generic.create(WIDGET, spec={"rules": [{"sibling": "kept"}], "type": "x"})
    generic.wants(WIDGET, creation="Merge", template=literal("'{{ .targetProperty }}'", "spec.rules[0].ours"))
    generic.synced()
    generic.case.provider.value = b"other"
    generic.edit("Widget", {"spec": {"type": "y"}})
    wanted = {"rules": [{"sibling": "kept", "ours": "other"}], "type": "y"}
    generic.case.eventually(lambda: generic.found("Widget")["spec"] == wanted, within=10)


@pytest.mark.parametrize("kind", [CONFIG_MAP, WIDGET], ids=["ConfigMap", "Widget"])
def test_a_merge_target_that_somebody_makes_later_is_filled_at_once(generic: Generic, kind: Json):
    template = {"data": {"a": "{{ .targetProperty }}"}} if kind is CONFIG_MAP else literal("a: b", "spec.ours")
    generic.wants(kind, creation="Merge", template=template, refreshInterval="1h")
    generic.synced("ResourceMissing", "resource will not be created due to CreationPolicy=Merge")
    body: Json = {"data": {"theirs": "1"}} if kind is CONFIG_MAP else {"spec": {"theirs": "1"}}
    generic.create(kind, **body)
    wanted = {"theirs": "1", "a": "some-value"} if kind is CONFIG_MAP else {"theirs": "1", "ours": {"a": "b"}}
    content = "data" if kind is CONFIG_MAP else "spec"
    generic.case.eventually(lambda: generic.found(kind["kind"])[content] == wanted, within=5)
