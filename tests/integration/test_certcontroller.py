"""The cert-controller on a real API server, with its own rights: what it makes, that it is enough, that it lasts."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator

import pytest
import yaml

from e2e.harness.certcontroller import LocalCertController
from e2e.harness.cluster import Cluster, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.waiting import eventually
from e2e.harness.webhook import ADMISSION, CONFIGURATIONS, LocalWebhook, configure, documents
from tests.harness.inprocess import SYSTEM
from tests.integration.test_rbac import Right, used

pytestmark = pytest.mark.real

HOOK = "external-secrets-webhook"
NAME = f"{HOOK}.{SYSTEM}.svc"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{SYSTEM}/endpointslices"
CRD = "clustersecretstores.external-secrets.io"
FOREIGN = "foreign-validate"  # carries our label, but is none that the role names
FILES = ("tls.crt", "tls.key", "ca.crt", "ca.key")
OURS = ("secretstore-validate", "externalsecret-validate", "pushsecret-validate")


def harmless() -> list[Json]:
    """The configurations of manifests/admission, for no namespace: nobody answers at their Service."""
    made = documents("webhook.yaml", "ValidatingWebhookConfiguration")
    made.append(made[0] | {"metadata": made[0]["metadata"] | {"name": FOREIGN}})
    for hook in (hook for one in made for hook in one["webhooks"]):
        hook["failurePolicy"] = "Ignore"
        hook["rules"] = [rule | {"resources": ["nothing"]} for rule in hook["rules"]]
    return made


def slice_of(ready: bool) -> Json:
    meta = {"name": f"{HOOK}-1", "namespace": SYSTEM, "labels": {"kubernetes.io/service-name": HOOK}}
    endpoint = {"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta} | {
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "webhook", "port": 10250, "protocol": "TCP"}],
    }


def converted(plane: Cluster, conversion: Json) -> None:
    plane.api.patch("customresourcedefinitions", "", CRD, {"spec": {"conversion": conversion}})


@pytest.fixture
def installed(controlplane: ControlPlane) -> Iterator[ControlPlane]:
    """All of manifests/admission but what would ask a webhook; one CRD converts by webhook."""
    plane = controlplane
    accounts = [
        one
        for file in ("certcontroller.yaml", "webhook.yaml")
        for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret")
        for one in documents(file, kind)
    ]
    plane.apply(accounts)
    for one in harmless():
        configure(plane.api, one)
    service = {"name": "elsewhere", "namespace": "elsewhere", "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    converted(plane, {"strategy": "Webhook", "webhook": webhook})
    try:
        yield plane
    finally:
        converted(plane, {"strategy": "None", "webhook": None})
        for name in (*OURS, FOREIGN):
            plane.api.request("DELETE", f"{CONFIGURATIONS}/{name}")
        if any(one["metadata"]["name"] == f"{HOOK}-1" for one in plane.api.request("GET", SLICES)["items"]):
            plane.api.request("DELETE", f"{SLICES}/{HOOK}-1")
        plane.kubectl("delete", "-f", "-", "--wait=false", input=yaml.safe_dump_all(accounts))
        plane.api.delete("leases", SYSTEM, "crd-certs-controller")


def secret(plane: Cluster) -> dict[str, bytes]:
    found = plane.api.get("secrets", SYSTEM, HOOK) or {}
    return {name: base64.b64decode(value) for name, value in (found.get("data") or {}).items()}


def bundles(plane: Cluster) -> set[bytes]:
    """Every CA that one of our configurations names."""
    found = [plane.api.request("GET", f"{CONFIGURATIONS}/{name}") for name in OURS]
    return {base64.b64decode(hook["clientConfig"].get("caBundle") or "") for one in found for hook in one["webhooks"]}


def whole(plane: Cluster) -> bool:
    data = secret(plane)
    if not set(FILES) <= data.keys() or bundles(plane) != {data["ca.crt"]}:
        return False
    return base64.b64decode(conversion(plane).get("caBundle") or "") == data["ca.crt"]


def conversion(plane: Cluster) -> Json:
    found: Json = plane.api.get("customresourcedefinitions", "", CRD) or {}
    client: Json = found["spec"]["conversion"]["webhook"]["clientConfig"]
    return client


def granted() -> set[Right]:
    return {
        (group, resource, verb)
        for kind in ("Role", "ClusterRole")
        for role in documents("certcontroller.yaml", kind)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_a_life_with_everything_in_it(installed: ControlPlane):
    """One start for all: certificates that a client trusts, objects that name them, damage that is mended, and rights
    that are exactly enough."""
    plane, since = installed, installed.audit.mark()
    with LocalCertController(plane, args={"crd-requeue-interval": "2s"}) as one:
        eventually(lambda: whole(plane), 60, what="certificates, and configurations that name the CA")
        client = conversion(plane)
        assert client["service"] | {"path": "", "port": 0} == {"name": HOOK, "namespace": SYSTEM, "path": "", "port": 0}
        eventually(lambda: "no address of service" in one.probe("readyz/crd-inject")[1], 30, what="all but an address")
        plane.api.request("POST", SLICES, slice_of(ready=True))
        eventually(lambda: one.probe("readyz/crd-inject")[0] == 200, 30, what="ready for CRDs")
        # the configuration that it may not write keeps it from being ready, and is told
        only = f"webhook not ready: {FOREIGN}"
        eventually(lambda: only in one.probe("readyz/validation-webhook-inject")[1], 30, what="all but the foreign one")
        events = lambda: [e for e in plane.events("default", FOREIGN) if e["reason"] == "UpdateFailed"]  # noqa: E731
        told = eventually(lambda: [e for e in events() if e["count"] > 1], 60, what="an Event that counts up")
        assert told[0]["source"]["component"] == "validating-webhook-configuration"
        served_by_webhook(plane)
        before = secret(plane)
        plane.api.patch("secrets", SYSTEM, HOOK, {"data": None})
        eventually(lambda: whole(plane) and secret(plane)["ca.crt"] != before["ca.crt"], 60, what="another CA")
        swap = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": client["caBundle"]}]
        plane.api.request("PATCH", f"{CONFIGURATIONS}/{OURS[0]}", swap, content_type="application/json-patch+json")
        eventually(lambda: whole(plane), 60, what="the CA put right")
        rights = used(r for r in plane.audit.requests(since=since) if r.user == one.user)
        eventually(
            lambda: granted() <= used(r for r in plane.audit.requests(since=since) if r.user == one.user),
            30,
            what=f"every rule used; so far not: {sorted(granted() - rights)}",
        )
        refused = {
            (r.path, r.verb, r.name)
            for r in plane.audit.requests(since=since)
            if r.user == one.user and r.code in (401, 403)
        }
        assert refused == {("validatingwebhookconfigurations", "patch", FOREIGN)}
        assert one.metrics().sum("controller_runtime_reconcile_total", controller="customresourcedefinition") > 0
        assert one.metrics().sum("leader_election_master_status", name="crd-certs-controller") == 1


def served_by_webhook(plane: ControlPlane) -> None:
    """A webhook that mounts the Secret is trusted by whoever trusts the CA of the configurations."""
    webhook = LocalWebhook(plane.folder, args={"dns-name": NAME, "lookahead-interval": "2160h"}, name="of-the-secret")
    data = secret(plane)
    for name in FILES[:3]:
        (webhook.certificates / name).write_bytes(data[name])
    webhook.child.start()
    try:
        webhook.wait_ready()
        (bundle,) = bundles(plane)
        trust = ssl.create_default_context(cadata=bundle.decode())
        with socket.create_connection(("127.0.0.1", webhook.port)) as plain:
            with trust.wrap_socket(plain, server_hostname=NAME) as secure:
                assert secure.version() == "TLSv1.3"
    finally:
        webhook.stop()


def rounds(*replicas: LocalCertController) -> None:
    """Each replica looks at everything again."""
    name = "controller_runtime_reconcile_total"
    for one in replicas:
        before = one.metrics().sum(name, result="requeue_after")
        eventually(
            lambda one=one, before=before: one.metrics().sum(name, result="requeue_after") > before + 7,
            60,
            what="another round",
        )


def test_two_replicas_agree_with_and_without_election(installed: ControlPlane):
    plane = installed
    plane.api.request("DELETE", f"{CONFIGURATIONS}/{FOREIGN}")
    plane.api.request("POST", SLICES, slice_of(ready=True))
    flags = {"crd-requeue-interval": "1s", "enable-leader-election": "false"}
    try:
        with (
            LocalCertController(plane, args=flags, name="cert-a") as a,
            LocalCertController(plane, args=flags, name="cert-b") as b,
        ):
            for _ in range(3):
                plane.api.patch("secrets", SYSTEM, HOOK, {"data": None})
                eventually(lambda: whole(plane), 60, what="both agree")
            for replica in (a, b):
                eventually(lambda one=replica: one.probe("readyz")[0] == 200, 30, what="a replica ready")
            rounds(a, b)  # passes that were in hand while the other one wrote
            data, since = secret(plane), plane.audit.mark()
            rounds(a, b)
            writes = [r for r in plane.audit.requests(since=since) if r.user == a.user and r.verb == "patch"]
            assert secret(plane) == data and writes == []
    finally:
        configure(plane.api, next(one for one in harmless() if one["metadata"]["name"] == FOREIGN))


def test_the_kustomization_is_whole_and_its_pods_pass_the_restricted_standard(controlplane: ControlPlane):
    objects = controlplane.rendered(ADMISSION)
    kinds = [one["kind"] for one in objects]
    assert kinds.count("Deployment") == 2 and kinds.count("ValidatingWebhookConfiguration") == 3
    for one in objects:
        if one["kind"] == "Deployment":
            spec = one["spec"]["template"]["spec"]
            assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "as-shipped", "namespace": SYSTEM},
                "spec": spec,
            }
            account = {"metadata": {"name": spec["serviceAccountName"]}}
            if controlplane.api.get("serviceaccounts", SYSTEM, spec["serviceAccountName"]) is None:
                controlplane.api.create("serviceaccounts", SYSTEM, account)
            controlplane.api.request("POST", f"/api/v1/namespaces/{SYSTEM}/pods?dryRun=All", pod)
            controlplane.api.delete("serviceaccounts", SYSTEM, spec["serviceAccountName"])
