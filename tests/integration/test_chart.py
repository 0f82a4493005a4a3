"""manifests/chart: what it renders, that the API server takes it, that it says the same as the kustomize tree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.cluster import REPO, ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.helm import CHART, MONITORED, Helm, HelmFailed, one
from e2e.harness.operator import deployment
from eso.app.flags import CertControllerSettings, ControllerSettings, Settings, WebhookSettings, parse
from tests.integration.chartvalues import SETS, Values, everywhere

pytestmark = pytest.mark.real

# kind → prefix of its path, plural
PATHS = {
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "ValidatingWebhookConfiguration": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
    ),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
    ),
    "ClusterSecretStore": ("/apis/external-secrets.io/v1", "clustersecretstores"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}
# served by operators of others, which no API server knows by itself
FOREIGN = {"ServiceMonitor", "PrometheusRule", "Certificate"}
taken: set[str] = set()


def dry_run(plane: ControlPlane, thing: Json) -> None:
    """Server-side apply as a dry run, with unknown fields as errors. An object that was tried already is not again."""
    text = json.dumps(thing, sort_keys=True)
    if text in taken or thing["kind"] in FOREIGN:
        return
    prefix, plural = PATHS[thing["kind"]]
    namespace = thing["metadata"].get("namespace")
    if namespace and plane.api.get("namespaces", "", namespace) is None:
        plane.create_namespace(namespace)
    where = f"{prefix}/namespaces/{namespace}" if namespace else prefix
    query = "dryRun=All&fieldManager=helm&fieldValidation=Strict&force=true"
    path = f"{where}/{plural}/{thing['metadata']['name']}?{query}"
    try:
        plane.api.request("PATCH", path, thing, content_type="application/apply-patch+yaml")
    except ApiRefused as refused:
        raise AssertionError(f"{thing['kind']}/{thing['metadata']['name']}: {refused}") from refused
    taken.add(text)


def args_of(objects: list[Json], name: str) -> list[str]:
    found: list[str] = one(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


def read(args: list[str]) -> Settings:
    """As the process reads them. Raises UsageError."""
    match args[0]:
        case "webhook":
            return parse(WebhookSettings, args[1:])
        case "certcontroller":
            return parse(CertControllerSettings, args[1:])
    return parse(ControllerSettings, args)


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in SETS.items()])
def test_api_server_and_processes_take_what_values_of_the_field_render(
    helm: Helm, controlplane: ControlPlane, values: Values
) -> None:
    objects = helm.render(values, namespace="default", has=MONITORED)
    assert objects
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    for each in objects:
        dry_run(controlplane, each)
        if each["kind"] == "Deployment":
            read(each["spec"]["template"]["spec"]["containers"][0]["args"])


# -- the same as the kustomize tree -----------------------------------------------------------------------------------

LIKE_KUSTOMIZE: Values = {
    "leaderElect": True,
    "livenessProbe": {"enabled": True, "spec": {"failureThreshold": 3}},
    "readinessProbe": {"enabled": True, "spec": {"periodSeconds": 5}},
}


@pytest.fixture(scope="module")
def like_kustomize(helm: Helm) -> list[Json]:
    return helm.render(LIKE_KUSTOMIZE, namespace="external-secrets-system", crds=True)


@pytest.fixture(scope="module")
def kustomized(controlplane: ControlPlane) -> list[Json]:
    return controlplane.rendered()


def rights(role: Json) -> set[tuple[str, str, str, str]]:
    return {
        (group, resource, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ClusterRole", "external-secrets-controller"),
        ("ClusterRole", "external-secrets-view"),
        ("ClusterRole", "external-secrets-edit"),
        ("ClusterRole", "external-secrets-servicebindings"),
        ("Role", "external-secrets-leaderelection"),
    ],
)
def test_chart_and_kustomize_tree_give_the_same_rights(
    like_kustomize: list[Json], kustomized: list[Json], kind: str, name: str
) -> None:
    theirs = rights(one(kustomized, kind, name))
    if name == "external-secrets-controller":  # a role of its own there, so that a component can take it out
        theirs |= rights(one(kustomized, kind, "external-secrets-token-requests"))
    assert rights(one(like_kustomize, kind, name)) == theirs


def test_chart_and_kustomize_tree_confine_token_requests_alike(
    like_kustomize: list[Json], kustomized: list[Json]
) -> None:
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        name = "external-secrets-token-requests"
        assert one(like_kustomize, kind, name)["spec"] == one(kustomized, kind, name)["spec"]


def test_chart_and_kustomize_tree_start_the_webhook_alike(like_kustomize: list[Json]) -> None:
    text = (REPO / "manifests" / "admission" / "webhook.yaml").read_text()
    theirs = [each for each in yaml.safe_load_all(text) if each]
    for name in ("secretstore-validate", "externalsecret-validate", "pushsecret-validate"):
        configurations = [one(each, "ValidatingWebhookConfiguration", name) for each in (like_kustomize, theirs)]
        assert configurations[0]["webhooks"] == configurations[1]["webhooks"]
    pods = [one(each, "Deployment", "external-secrets-webhook") for each in (like_kustomize, theirs)]
    ours, same = (pod["spec"]["template"]["spec"] for pod in pods)
    assert read(ours["containers"][0]["args"]) == read(same["containers"][0]["args"])
    assert ours["volumes"] == same["volumes"]
    by_name = [sorted(each["containers"][0]["ports"], key=lambda port: port["name"]) for each in (ours, same)]
    assert by_name[0] == by_name[1]


def test_chart_and_kustomize_tree_start_the_cert_controller_alike(like_kustomize: list[Json]) -> None:
    text = (REPO / "manifests" / "admission" / "certcontroller.yaml").read_text()
    theirs = [each for each in yaml.safe_load_all(text) if each]
    name = "external-secrets-cert-controller"
    for kind in ("ClusterRole", "Role"):
        ours, same = (rights(one(each, kind, name)) for each in (like_kustomize, theirs))
        assert {right for right in ours if right[3] != "update"} == same
    pods = [one(each, "Deployment", name)["spec"]["template"]["spec"] for each in (like_kustomize, theirs)]
    ours, same = (read(pod["containers"][0]["args"]) for pod in pods)
    assert ours == same
    assert pods[0]["serviceAccountName"] == pods[1]["serviceAccountName"]


def test_one_namespace_has_the_same_rights_in_both(helm: Helm) -> None:
    text = (REPO / "manifests" / "components" / "one-namespace" / "role.yaml").read_text()
    theirs = next(each for each in yaml.safe_load_all(text) if each["kind"] == "Role")
    ours = one(helm.render(SETS["one namespace"]), "Role", "external-secrets-controller")
    assert rights(ours) == rights(theirs)


def test_policies_speak_of_the_release(helm: Helm) -> None:
    values = SETS["all policies"] | {"serviceAccount": {"name": "eso"}}
    objects = [each for each in helm.render(values, release="es", namespace="ns") if "Policy" in each["kind"]]
    users = set(re.findall(r"system:serviceaccount:[a-z:-]*", json.dumps(objects)))
    assert users == {"system:serviceaccount:ns:eso"}
    assert "external-secrets-system" not in json.dumps(objects)
    assert {each["metadata"]["name"] for each in objects} == {
        f"es-external-secrets-{name}"
        for name in (
            "token-requests",
            "token-consent",
            "managed-secrets-deny",
            "stores-in-namespaces",
            "stores-on-hosts",
        )
    }


def test_a_cluster_without_policies_gets_none(helm: Helm) -> None:
    objects = helm.render(SETS["all policies"], version="1.29.0")
    assert [each for each in objects if "Policy" in each["kind"]] == []


@pytest.mark.parametrize(
    ("version", "values", "told"),
    [
        pytest.param("1.29.4", {}, "Kubernetes v1.29.4 has no ValidatingAdmissionPolicies", id="an old cluster"),
        pytest.param("1.30.0", {}, "", id="a cluster that has them"),
        pytest.param(
            "1.33.0", {"policies": {"tokenRequests": False}}, "policies.tokenRequests is false", id="switched off"
        ),
        pytest.param("1.29.0", {"rbac": {"serviceAccountTokenCreate": False}}, "", id="without the right"),
        pytest.param(
            "1.29.0",
            {"rbac": {"serviceAccountTokenCreate": False}, "policies": {"managedSecrets": "Deny"}},
            "none of the policies is in force",
            id="a policy that was asked for",
        ),
    ],
)
def test_the_notes_say_where_no_policy_is_in_force(helm: Helm, version: str, values: Values, told: str) -> None:
    text = '{{ include "external-secrets.unconfined" . }}'
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": {"told": text}}
    found = one(helm.render(values | {"extraObjects": [probe]}, version=version), "ConfigMap", "probe")
    said = found["data"]["told"] or ""
    assert told in said if told else said == ""
    assert 'include "external-secrets.unconfined"' in (CHART / "templates" / "NOTES.txt").read_text()


def test_an_api_server_of_another_name_is_known_to_the_policy(helm: Helm) -> None:
    values = {"policies": {"apiServerAudiences": ["https://api.example.com"]}}
    spec = one(helm.render(values, version="1.33.0"), "ValidatingAdmissionPolicy")["spec"]
    rulers = next(each["expression"] for each in spec["variables"] if each["name"] == "rulers")
    assert {"https://api.example.com", "kubernetes.default.svc"} <= set(json.loads(rulers))


@pytest.mark.parametrize("name", ["external-secrets-controller", "external-secrets-leaderelection"])
def test_chart_and_kustomize_tree_bind_the_same_account(
    like_kustomize: list[Json], kustomized: list[Json], name: str
) -> None:
    kind = "RoleBinding" if name.endswith("election") else "ClusterRoleBinding"
    ours, theirs = one(like_kustomize, kind, name), one(kustomized, kind, name)
    assert (ours["roleRef"], ours["subjects"]) == (theirs["roleRef"], theirs["subjects"])


def test_chart_and_kustomize_tree_start_the_operator_alike(like_kustomize: list[Json]) -> None:
    ours = one(like_kustomize, "Deployment", "external-secrets")["spec"]["template"]["spec"]["containers"][0]
    theirs = deployment()["spec"]["template"]["spec"]["containers"][0]
    assert read(ours["args"]) == read(theirs["args"])
    assert ours["ports"] == theirs["ports"]
    assert ours["image"] == theirs["image"]
    for key in ("allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"):
        assert ours["securityContext"][key] == theirs["securityContext"][key]
    for probe in ("livenessProbe", "readinessProbe"):
        same = ("httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold")
        assert {key: ours[probe][key] for key in same} == {key: theirs[probe][key] for key in same}


def test_the_chart_holds_every_crd_of_the_kustomize_tree(like_kustomize: list[Json], kustomized: list[Json]) -> None:
    def crds(objects: list[Json]) -> dict[str, Json]:
        found = {each["metadata"]["name"]: each for each in objects if each["kind"] == "CustomResourceDefinition"}
        for each in found.values():
            each["spec"].pop("conversion", None)  # None, said or not
            for version in each["spec"]["versions"]:
                version["served"] = version["served"] or version["name"] == "v1beta1"
        return found

    ours, theirs = crds(like_kustomize), crds(kustomized)
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name]["spec"] != theirs[name]["spec"]] == []


def test_the_api_server_takes_the_crds_of_the_chart(helm: Helm, controlplane: ControlPlane) -> None:
    values = {"crds": {"conversion": {"enabled": True}, "annotations": {"helm.sh/resource-policy": "keep"}}}
    for each in helm.render(values, crds=True):
        if each["kind"] == "CustomResourceDefinition":
            assert each["spec"]["conversion"]["strategy"] == "Webhook"
            dry_run(controlplane, each)


# -- what an installed release relies on ------------------------------------------------------------------------------


def test_names_and_selectors_are_those_of_an_installed_release(helm: Helm) -> None:
    """Selectors of Deployments can never change; other names would leave objects behind or make them twice."""
    objects = helm.render(release="es", namespace="default")
    selectors = {
        each["metadata"]["name"]: each["spec"]["selector"]["matchLabels"]
        for each in objects
        if each["kind"] == "Deployment"
    }
    assert selectors == {
        f"es-external-secrets{suffix}": {
            "app.kubernetes.io/name": f"external-secrets{suffix}",
            "app.kubernetes.io/instance": "es",
        }
        for suffix in ("", "-webhook", "-cert-controller")
    }
    assert {(each["kind"], each["metadata"]["name"]) for each in objects} >= {
        ("ServiceAccount", "es-external-secrets"),
        ("ServiceAccount", "external-secrets-webhook"),
        ("ServiceAccount", "external-secrets-cert-controller"),
        ("Secret", "es-external-secrets-webhook"),
        ("Service", "es-external-secrets-webhook"),
        ("ClusterRole", "es-external-secrets-controller"),
        ("ClusterRole", "es-external-secrets-cert-controller"),
        ("ClusterRole", "es-external-secrets-view"),
        ("ClusterRole", "es-external-secrets-edit"),
        ("ClusterRole", "es-external-secrets-servicebindings"),
        ("ClusterRoleBinding", "es-external-secrets-controller"),
        ("ClusterRoleBinding", "es-external-secrets-cert-controller"),
        ("Role", "es-external-secrets-leaderelection"),
        ("RoleBinding", "es-external-secrets-leaderelection"),
        ("ValidatingWebhookConfiguration", "secretstore-validate"),
        ("ValidatingWebhookConfiguration", "externalsecret-validate"),
    }
    labels = one(objects, "Deployment", "es-external-secrets")["metadata"]["labels"]
    assert set(labels) == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
    }


def test_the_default_arguments_are_those_that_scripts_look_for(helm: Helm) -> None:
    objects = helm.render(namespace="ns")
    log, where = ["--loglevel=info", "--zap-time-encoding=epoch"], "external-secrets-webhook"
    assert args_of(objects, "external-secrets") == ["--concurrent=1", "--metrics-addr=:8080", *log]
    assert args_of(objects, "external-secrets-webhook") == [
        "webhook",
        "--port=10250",
        f"--dns-name={where}.ns.svc",
        "--cert-dir=/tmp/certs",
        "--check-interval=5m",
        "--metrics-addr=:8080",
        "--healthz-addr=:8081",
        *log,
    ]
    assert args_of(objects, "external-secrets-cert-controller") == [
        "certcontroller",
        "--crd-requeue-interval=5m",
        f"--service-name={where}",
        "--service-namespace=ns",
        f"--secret-name={where}",
        "--secret-namespace=ns",
        "--metrics-addr=:8080",
        "--healthz-addr=:8081",
        *log,
        "--enable-partial-cache=true",
    ]


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        pytest.param("-webhook", "external-secrets-production-cluster-for-long-release-te-webhook", id="webhook"),
        pytest.param(
            "-cert-controller", "external-secrets-production-cluster-for-long-re-cert-controller", id="cert controller"
        ),
    ],
)
def test_a_long_name_gives_way_to_its_suffix(helm: Helm, suffix: str, name: str) -> None:
    long = "external-secrets-production-cluster-for-long-release-testing"
    objects = helm.render({"fullnameOverride": long})
    assert one(objects, "Deployment", name)["metadata"]["name"].endswith(suffix)
    assert [each for each in objects if len(each["metadata"]["name"]) > 63] == []
    hook = one(objects, "ValidatingWebhookConfiguration", "secretstore-validate")["webhooks"][0]
    assert one(objects, "Service", hook["clientConfig"]["service"]["name"])


@pytest.mark.parametrize(
    ("extra", "flag"),
    [
        pytest.param({"a": ""}, "--a", id="an empty value gives the flag alone"),
        pytest.param({"a": None}, "--a", id="so does null"),
        pytest.param({"a": False}, "--a=false", id="false is a value"),
        pytest.param({"a": 0}, "--a=0", id="zero is a value"),
        pytest.param({"a": 1000000}, "--a=1000000", id="a large number keeps its digits"),
        pytest.param({"a": ["b", "c"]}, "--a=b,c", id="a list is joined"),
    ],
)
def test_extra_arguments(helm: Helm, extra: Values, flag: str) -> None:
    args = args_of(helm.render({"extraArgs": extra}), "external-secrets")
    assert [arg for arg in args if arg.startswith("--a")] == [flag]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"processPushSecret": False},
            "processClusterPushSecret is true and processPushSecret is false",
            id="ClusterPushSecrets without PushSecrets",
        ),
        pytest.param(
            {"serviceMonitor": {"enabled": True, "renderMode": "failIfMissing"}},
            "the cluster has no ServiceMonitors",
            id="ServiceMonitors demanded where there are none",
        ),
        pytest.param({"webhook": {"failurePolicy": "fail"}}, "/webhook/failurePolicy", id="a word that is none"),
        pytest.param({"replicaCount": "two"}, "/replicaCount", id="a number that is none"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(helm: Helm, values: Values, message: str) -> None:
    with pytest.raises(HelmFailed, match=message):
        helm.render(values)


def test_what_is_switched_off_has_no_rights(helm: Helm) -> None:
    role = one(helm.render(SETS["ExternalSecrets and stores alone"]), "ClusterRole", "external-secrets-controller")
    left = rights(role)
    for plural in ("clustersecretstores", "clusterexternalsecrets", "pushsecrets", "clusterpushsecrets"):
        assert not {right for right in left if right[1].split("/")[0] == plural}
    assert not {right for right in left if right[1:] == ("externalsecrets", "", "create")}
    assert not {right for right in left if right[1] == "namespaces" and right[3] == "patch"}
    tokens = one(helm.render(SETS["no token requests"]), "ClusterRole", "external-secrets-controller")
    assert not {right for right in rights(tokens) if right[1] == "serviceaccounts/token"}


def test_one_namespace_needs_no_cluster_role_of_the_controller(helm: Helm) -> None:
    objects = helm.render(SETS["one namespace"])
    cluster_wide = [each["metadata"]["name"] for each in objects if each["kind"].startswith("ClusterRole")]
    assert cluster_wide == ["external-secrets-servicebindings"]
    for kind in ("Role", "RoleBinding"):
        assert one(objects, kind, "external-secrets-controller")["metadata"]["namespace"] == "default"
    assert {
        right for right in rights(one(objects, "Role", "external-secrets-controller")) if right[1] == "namespaces"
    } == {("", "namespaces", "", "get")}


def test_roles_for_no_namespace_are_rights_for_the_cluster_and_told(helm: Helm) -> None:
    objects = helm.render({"scopedRBAC": True})
    assert rights(one(objects, "ClusterRole", "external-secrets-controller")) == rights(
        one(helm.render(), "ClusterRole", "external-secrets-controller")
    )
    assert not [arg for arg in args_of(objects, "external-secrets") if "reconciler=false" in arg]
    assert "scopedRBAC is true but scopedNamespace is empty" in notes(helm, {"scopedRBAC": True})
    assert "scopedRBAC" not in notes(helm, {"scopedRBAC": True, "scopedNamespace": "shop"})


def notes(helm: Helm, values: Values) -> str:
    """What `helm install` prints at its end."""
    text = helm.run("install", "external-secrets", str(CHART), "--dry-run=client", values=values)
    return text.partition("NOTES:")[2]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param({}, [], id="defaults"),
        pytest.param({"replicaCount": 2}, ["replicaCount is 2 but leaderElect is false"], id="two that both reconcile"),
        pytest.param(
            {"replicaCount": 2, "certController": {"replicaCount": 2}},
            ["replicaCount is 2 but leaderElect is false", "certController.replicaCount is 2 but leaderElect is false"],
            id="two of both",
        ),
        pytest.param(
            {"replicaCount": 2, "certController": {"replicaCount": 2}, "leaderElect": True}, [], id="two that elect"
        ),
        pytest.param(
            {"certController": {"replicaCount": 2}, "webhook": {"certManager": {"enabled": True}}},
            [],
            id="a cert controller that cert-manager replaces",
        ),
    ],
)
def test_replicas_that_get_into_each_others_way_are_told(helm: Helm, values: Values, told: list[str]) -> None:
    said = re.findall(r"^WARNING: (.*?):", notes(helm, values), re.MULTILINE)
    assert said == told


def test_a_conversion_that_nobody_makes_is_told(helm: Helm) -> None:
    assert "crds.conversion.enabled is true: nothing converts" in notes(
        helm, {"crds": {"conversion": {"enabled": True}}}
    )


SUFFIXES = ("", "-webhook", "-cert-controller")


def test_each_component_has_its_own_network_policy(helm: Helm) -> None:
    objects = helm.render(everywhere({"networkPolicy": {"enabled": True}}))
    for suffix, ports in zip(SUFFIXES, ([8080, 8082], [8080, 8081, 10250], [8080, 8081]), strict=True):
        spec = one(objects, "NetworkPolicy", f"external-secrets{suffix}")["spec"]
        assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == f"external-secrets{suffix}"
        assert spec["policyTypes"] == ["Egress", "Ingress"]
        assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": port} for port in ports]}]
        assert spec["egress"] == []


@pytest.mark.parametrize(
    ("said", "spec"),
    [
        pytest.param({}, {"minAvailable": 1}, id="one stays"),
        pytest.param({"minAvailable": 0}, {"minAvailable": 0}, id="zero is a number"),
        pytest.param({"maxUnavailable": 0}, {"maxUnavailable": 0}, id="one of both limits alone"),
        pytest.param(
            {"unhealthyPodEvictionPolicy": "AlwaysAllow"},
            {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
            id="pods that are not ready may go",
        ),
    ],
)
def test_disruption_budgets(helm: Helm, said: Values, spec: Json) -> None:
    objects = helm.render(everywhere({"podDisruptionBudget": {"enabled": True, **said}}))
    for suffix in SUFFIXES:
        budget = one(objects, "PodDisruptionBudget", f"external-secrets{suffix}-pdb")
        assert {key: value for key, value in budget["spec"].items() if key != "selector"} == spec


@pytest.mark.parametrize(
    ("values", "has", "count"),
    [
        pytest.param({"serviceMonitor": {"enabled": True}}, MONITORED, 3, id="asked for and known"),
        pytest.param({"serviceMonitor": {"enabled": True}}, (), 0, id="asked for and not known"),
        pytest.param(
            {"serviceMonitor": {"enabled": True, "renderMode": "alwaysRender"}}, (), 3, id="demanded and not known"
        ),
        pytest.param({}, MONITORED, 0, id="known and not asked for"),
    ],
)
def test_service_monitors_bring_the_services_that_they_select(
    helm: Helm, values: Values, has: tuple[str, ...], count: int
) -> None:
    objects = helm.render(values, has=has)
    monitors = [each for each in objects if each["kind"] == "ServiceMonitor"]
    assert len(monitors) == count
    services = [each for each in objects if each["kind"] == "Service"]
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [each for each in services if wanted <= each["metadata"]["labels"].items()]
        assert "metrics" in [port["name"] for each in found for port in each["spec"]["ports"]]
    metered = [each for each in services if any(port["name"] == "metrics" for port in each["spec"]["ports"])]
    assert len(metered) == count


def test_a_component_s_own_word_wins_over_the_word_for_all(helm: Helm) -> None:
    def words(word: str) -> Values:
        return {
            "podLabels": {word: "yes"},
            "podAnnotations": {word: "yes"},
            "imagePullSecrets": [{"name": word}],
            "hostAliases": [{"ip": "192.0.2.1", "hostnames": [word]}],
        }

    shared, own = words("shared"), words("own")
    for values, wanted in (({"global": shared}, shared), ({"global": shared, **everywhere(own)}, own)):
        objects = helm.render(values)
        for suffix in SUFFIXES:
            pod = one(objects, "Deployment", f"external-secrets{suffix}")["spec"]["template"]
            assert pod["spec"]["imagePullSecrets"] == wanted["imagePullSecrets"]
            assert pod["spec"]["hostAliases"] == wanted["hostAliases"]
            assert pod["metadata"]["annotations"] == wanted["podAnnotations"]
            extra = {key: value for key, value in pod["metadata"]["labels"].items() if key in ("shared", "own")}
            assert extra == wanted["podLabels"]


def test_alerts_that_are_not_wanted_are_left_out(helm: Helm) -> None:
    values = {"prometheusRule": {"enabled": True, "disabled": ["WebhookFailing"], "alertLabels": {"team": "platform"}}}
    rules = one(helm.render(values), "PrometheusRule")["spec"]["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    assert "ExternalSecretNotSynced" in names and "WebhookFailing" not in names
    assert {rule["labels"]["team"] for rule in rules} == {"platform"}
    assert "{{ $labels.namespace }}" in rules[0]["annotations"]["summary"]


def test_the_dashboard_is_found_by_a_label(helm: Helm) -> None:
    values = {"grafanaDashboard": {"enabled": True, "namespace": "monitoring", "annotations": {"folder": "secrets"}}}
    found = one(helm.render(values), "ConfigMap", "external-secrets-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "monitoring"
    assert json.loads(found["data"]["external-secrets.json"])["uid"] == "n4IdKaJVk"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        pytest.param({"tag": "v1"}, "external-secrets:v1", id="a tag"),
        pytest.param({"tag": "v1", "flavour": "ubi"}, "external-secrets:v1-ubi", id="a flavour"),
        pytest.param({"tag": "v1@sha256:00"}, "external-secrets:v1@sha256:00", id="a tag with its digest"),
        pytest.param({"tag": "@sha256:00"}, "external-secrets@sha256:00", id="a digest alone"),
        pytest.param({"tag": 1.5}, "external-secrets:1.5", id="a tag that YAML takes for a number"),
        pytest.param({"repository": "mirror.example/eso"}, "mirror.example/eso:dev", id="a repository"),
    ],
)
def test_the_name_of_an_image(helm: Helm, image: Values, name: str) -> None:
    objects = helm.render({"image": image})
    pod = one(objects, "Deployment", "external-secrets")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == name


def test_openshift_chooses_the_user_itself(helm: Helm) -> None:
    for values, has in ((SETS["OpenShift"], ()), ({}, ("security.openshift.io/v1",))):
        for each in helm.render(values, has=has):
            if each["kind"] == "Deployment":
                context = each["spec"]["template"]["spec"]["containers"][0]["securityContext"]
                assert "runAsUser" not in context and context["runAsNonRoot"] is True


@pytest.mark.parametrize(("version", "there"), [("1.32.0", False), ("1.33.0", True)])
def test_host_users_need_a_cluster_that_knows_them(helm: Helm, version: str, there: bool) -> None:
    objects = helm.render({"hostUsers": False}, version=version)
    assert ("hostUsers" in one(objects, "Deployment", "external-secrets")["spec"]["template"]["spec"]) is there


def test_every_value_has_a_type_and_every_type_a_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def keys(value: Any, typed: Json, at: str) -> Iterator[str]:
        if "properties" not in typed:
            return
        if set(typed["properties"]) - {"maxUnavailable"} != set(value):
            yield f"{at}: {sorted(set(typed['properties']) ^ set(value))}"
        for key, inner in value.items():
            yield from keys(inner, typed["properties"][key], f"{at}.{key}")

    assert list(keys(values, schema, "values")) == []


def test_the_chart_lies_beside_its_sources() -> None:
    """A chart holds files of its own folder only: these are links, so that there is one source."""
    links = {path.name: path.resolve() for path in (CHART / "files").iterdir() if path.is_symlink()}
    manifests: Path = REPO / "manifests"
    assert links == {
        name: manifests / name
        for name in ("admission", "crds", "monitoring", "policies", "rbac.yaml", "aggregated-roles.yaml")
    }
