"""The ClusterRole is exactly enough: a life with everything in it is refused nothing, and leaves no rule unused."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from e2e.harness.audit import Request
from e2e.harness.cluster import ApiRefused, Cluster, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import (
    allow_namespace,
    cluster_secret_store,
    external_secret,
    fake_provider,
    push_secret,
    secret_store,
    thing,
    vault_provider,
)
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.process import free_port
from e2e.harness.waiting import eventually
from eso.generators.registry import GENERATORS
from tests.harness.deploytokens import DeployTokens
from tests.harness.inprocess import SYSTEM

pytestmark = pytest.mark.real

Right = tuple[str, str, str]  # API group, resource or resource/subresource, verb

# asked by an admission plugin on our behalf, so they never are requests of ours; see the test below
ASKED_BY_ADMISSION: set[Right] = {
    ("external-secrets.io", f"{plural}/finalizers", "update")
    for plural in ("externalsecrets", "clusterexternalsecrets", "clusterpushsecrets")
}


def granted(documents: Iterable[Json]) -> set[Right]:
    """Every right that the operator's own roles give."""
    rights: set[Right] = set()
    for role in documents:
        if role["kind"] in ("Role", "ClusterRole") and role["metadata"]["name"] in (
            "external-secrets-controller",
            "external-secrets-token-requests",
            "external-secrets-leaderelection",
        ):
            for rule in role["rules"]:
                rights |= {
                    (group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return rights


def used(requests: Iterable[Request]) -> set[Right]:
    return {(one.group, one.path, one.verb) for one in requests if one.resource}


@dataclass(frozen=True)
class Life:
    """Whose requests, from where in the audit log on, and about which namespaces ("" is the cluster)."""

    user: str
    since: int
    namespaces: frozenset[str]


@pytest.fixture
def lived(controlplane: ControlPlane, openbao: OpenBao, namespace: str) -> Iterator[Life]:
    """What an operator asked for from its start on, after one of everything happened in `namespace`."""
    plane, since = controlplane, controlplane.audit.mark()
    plane.api.delete("leases", SYSTEM, "external-secrets-controller")  # whoever led before may have left one
    args = {"change-events-addr": f"127.0.0.1:{free_port()}"}
    with LocalOperator(plane, name=namespace, args=args) as operator:
        live_one_of_everything(plane, openbao, namespace)
        yield Life(operator.user, since, frozenset({"", SYSTEM, namespace}))


def live_one_of_everything(plane: ControlPlane, openbao: OpenBao, namespace: str) -> None:
    role = allow_namespace(plane, openbao, namespace)
    openbao.put("secret", f"{namespace}/db", {"password": "one"})
    provider = vault_provider(openbao, role=role, account="default")
    everywhere = f"everywhere-{namespace}"
    plane.api.create("configmaps", namespace, {"metadata": {"name": "parts"}, "data": {"url": "db://{{ .password }}"}})
    templated = {
        "template": {
            "engineVersion": "v2",
            "templateFrom": [{"configMap": {"name": "parts", "items": [{"key": "url"}]}}],
        }
    }
    plane.apply(
        [
            secret_store(namespace, provider),
            secret_store(namespace, vault_provider(openbao, role=role, account="nobody"), name="nobody"),
            secret_store(namespace, fake_provider({"a": "1"}), name="pushed"),
            cluster_secret_store(everywhere, fake_provider({"a": "1"}), conditions=[{"namespaces": [namespace]}]),
            change_source(namespace),
            external_secret(namespace, "kept", {"password": (f"{namespace}/db", "password")}),
            external_secret(namespace, "templated", {"password": (f"{namespace}/db", "password")}, target=templated),
            external_secret(
                namespace,
                "removed",
                {"a": "a"},
                store=everywhere,
                store_kind="ClusterSecretStore",
                target={"deletionPolicy": "Delete"},
            ),
            external_secret(
                namespace, "failing", {"a": "nowhere"}, store=everywhere, store_kind="ClusterSecretStore", interval="1s"
            ),
        ]
    )
    for name in ("kept", "templated", "removed"):
        plane.wait_ready("externalsecrets", namespace, name)
    plane.wait_ready("changesources", namespace, "told", status="False")  # its Secret is missing
    plane.wait_ready("externalsecrets", namespace, "failing", status="False")
    stores = [{"name": "pushed"}, {"name": everywhere, "kind": "ClusterSecretStore"}]
    plane.apply(
        [push_secret(namespace, "pushed", {"password": "b"}, source="kept", stores=stores, deletionPolicy="Delete")]
    )
    plane.wait_ready("pushsecrets", namespace, "pushed")
    push_to_all(plane, namespace)
    generate(plane, namespace)
    for value in ("spoilt", "spoilt again"):  # twice: the second Event like the first one is a PATCH of it
        body = {"data": {"password": base64.b64encode(value.encode()).decode()}}
        plane.api.patch("secrets", namespace, "kept", body)
        eventually(lambda: plane.secret(namespace, "kept") == {"password": "one"}, 30, what="the Secret is put back")
    for plural, store in (("secretstores", "pushed"), ("clustersecretstores", everywhere)):
        where = namespace if plural == "secretstores" else ""
        eventually(lambda p=plural, w=where, s=store: held(plane, p, w, s), 30, what="the store is held")
    plane.api.delete("pushsecrets", namespace, "pushed")
    eventually(lambda: plane.api.get("pushsecrets", namespace, "pushed") is None, 30, what="the PushSecret is gone")
    plane.api.delete("externalsecrets", namespace, "removed")
    eventually(
        lambda: plane.api.get("externalsecrets", namespace, "removed") is None, 30, what="the ExternalSecret is gone"
    )
    eventually(lambda: plane.secret(namespace, "removed") is None, 30, what="its Secret is gone")
    cluster_external_secret(plane, namespace)
    plane.wait_ready("secretstores", namespace, "nobody", status="False")
    plane.api.delete("clustersecretstores", "", everywhere)


def change_source(namespace: str) -> Json:
    auth = {"hmac": {"secretRefs": [{"name": "nowhere", "key": "key"}]}}
    spec = {"storeRefs": [{"name": "store"}], "webhook": {"auth": auth}}
    return thing("ChangeSource", "told", namespace, api="extensions.external-secrets.io/v1alpha1", spec=spec)


def generate(plane: ControlPlane, namespace: str) -> None:
    """Each kind is looked for, one leaves a state, and one state expires."""
    api = "generators.external-secrets.io/v1alpha1"

    def using(kind: str, name: str) -> Json:
        entry = {"sourceRef": {"generatorRef": {"kind": kind, "name": name}}}
        spec = {"refreshInterval": "0", "target": {"name": f"of-{kind.lower()}"}, "dataFrom": [entry]}
        return thing("ExternalSecret", f"{kind.lower()}-{name}", namespace, spec=spec)

    login = {"metadata": {"name": "gitlab"}, "data": {"token": base64.b64encode(b"t").decode()}}
    plane.api.create("secrets", namespace, login)
    with DeployTokens() as server:
        secret = {"token": {"secretRef": {"name": "gitlab", "key": "token"}}}
        deploy = {
            "url": server.address,
            "projectID": "p",
            "name": "deploy",
            "scopes": ["read_registry"],
            "auth": secret,
        }
        state = {"resource": {"kind": "Fake"}, "state": {}, "garbageCollectionDeadline": "2024-01-01T00:00:00Z"}
        plane.apply(
            [
                thing("GitlabDeployToken", "there", namespace, api=api, spec=deploy),
                thing("GeneratorState", "expired", namespace, api=api, spec=state),
                using("GitlabDeployToken", "there"),
                *(using(kind, "none") for kind in (*GENERATORS, "ClusterGenerator")),
            ]
        )
        plane.wait_ready("externalsecrets", namespace, "gitlabdeploytoken-there")
        plane.wait_ready("externalsecrets", namespace, "clustergenerator-none", status="False")
        plane.api.delete("externalsecrets", namespace, "gitlabdeploytoken-there")

        def gone() -> bool:
            return plane.api.get("generatorstates", namespace, "expired") is None

        eventually(gone, 30, what="the expired state is gone")


def push_to_all(plane: ControlPlane, namespace: str) -> None:
    """A ClusterPushSecret whose child is made, written again and deleted."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    child = push_secret(namespace, "", {"password": "c"}, source="kept", stores=[{"name": "pushed"}])["spec"]
    name = f"all-{namespace}"
    body = {"pushSecretSpec": child, "namespaceSelectors": [selector]}
    plane.apply([thing("ClusterPushSecret", name, api="external-secrets.io/v1alpha1", spec=body)])
    plane.wait_ready("pushsecrets", namespace, name)
    plane.api.patch("clusterpushsecrets", "", name, {"spec": {"pushSecretMetadata": {"labels": {"a": "b"}}}})

    def labelled() -> bool:
        found = plane.api.get("pushsecrets", namespace, name)
        return bool(found and found["metadata"].get("labels"))

    eventually(labelled, 30, what="the child is written again")
    plane.api.patch("clusterpushsecrets", "", name, {"spec": {"namespaceSelectors": []}})
    eventually(lambda: plane.api.get("pushsecrets", namespace, name) is None, 30, what="the child is deleted")
    plane.api.delete("clusterpushsecrets", "", name)


def held(plane: ControlPlane, plural: str, namespace: str, name: str) -> bool:
    """Whether a PushSecret holds the store."""
    found = plane.api.get(plural, namespace, name)
    return bool(found and found["metadata"].get("finalizers"))


def cluster_external_secret(plane: ControlPlane, namespace: str) -> None:
    """One whose children come and go, with the finalizers of another operator on it and on the namespace."""
    name = f"fleet-{namespace}"[:60].rstrip("-")
    child = {"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
    body = thing("ClusterExternalSecret", name, spec={"externalSecretSpec": child, "namespaces": [namespace]})
    body["metadata"]["finalizers"] = ["externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"]
    theirs = f"externalsecrets.external-secrets.io/ces-{name}"
    plane.api.patch("namespaces", "", namespace, {"metadata": {"finalizers": [theirs]}})
    plane.api.create("clusterexternalsecrets", "", body)
    eventually(lambda: plane.api.get("externalsecrets", namespace, name), 30, what="the child comes")
    plane.api.patch("clusterexternalsecrets", "", name, {"spec": {"namespaces": ["nowhere"]}})
    eventually(lambda: plane.api.get("externalsecrets", namespace, name) is None, 30, what="the child goes")
    plane.api.delete("clusterexternalsecrets", "", name)
    eventually(lambda: plane.api.get("clusterexternalsecrets", "", name) is None, 30, what="the object goes")


def test_nothing_is_refused_and_no_rule_is_unused(controlplane: ControlPlane, lived: Life) -> None:
    rights = granted(controlplane.rendered()) - ASKED_BY_ADMISSION

    def every_rule_used() -> bool:
        unused = rights - used(controlplane.audit.requests(user=lived.user, since=lived.since))
        assert not unused, f"rules nothing used: {sorted(unused)}"
        return True

    eventually(every_rule_used, 30, every=1.0)
    # namespaces of earlier tests refuse everything while they go away
    refused = [
        one
        for one in controlplane.audit.forbidden(user=lived.user, since=lived.since)
        if one.namespace in lived.namespaces
    ]
    assert [f"{one.what} in {one.namespace or 'the cluster'}" for one in refused] == []


def test_an_owner_reference_needs_the_right_to_set_the_owner_s_finalizers(
    controlplane: ControlPlane, cluster: Cluster, namespace: str
) -> None:
    """Why the ClusterRole names externalsecrets/finalizers although no request goes there."""
    controlplane.apply([external_secret(namespace, "owner", {"a": "a"}, store="nowhere")])
    owner = controlplane.api.get("externalsecrets", namespace, "owner")
    assert owner is not None
    account = thing("ServiceAccount", "writer", namespace, api="v1")
    role = thing(
        "Role",
        "writer",
        namespace,
        api="rbac.authorization.k8s.io/v1",
        rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}],
    )
    binding = thing(
        "RoleBinding",
        "writer",
        namespace,
        api="rbac.authorization.k8s.io/v1",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
        subjects=[{"kind": "ServiceAccount", "name": "writer", "namespace": namespace}],
    )
    controlplane.apply([account, role, binding])
    writer = controlplane.api_as(namespace, "writer")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": "ExternalSecret",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    body = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    with pytest.raises(ApiRefused, match="cannot set blockOwnerDeletion"):
        writer.create("secrets", namespace, body)
    role["rules"].append(
        {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets/finalizers"], "verbs": ["update"]}
    )
    controlplane.apply([role])
    eventually(lambda: writer.create("secrets", namespace, body), 10, what="the write is allowed")
