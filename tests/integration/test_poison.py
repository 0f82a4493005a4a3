"""Stores that cannot work leave the healthy stores of the same server alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import cluster_secret_store, external_secret, secret_store, thing
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real


def provider(bao: OpenBao, auth: Json) -> Json:
    return {"vault": {"server": bao.address, "path": "secret", "version": "v2", "auth": auth}}


def by_token(bao: OpenBao, secret: str, namespace: str = "") -> Json:
    ref = {"name": secret, "key": "token", **({"namespace": namespace} if namespace else {})}
    return provider(bao, {"tokenSecretRef": ref})


def by_a_mount_that_was_never_configured(bao: OpenBao, namespace: str) -> Json:
    account = {"name": "default", **({"namespace": namespace} if namespace else {})}
    auth = {"kubernetes": {"mountPath": "never-configured", "role": "any", "serviceAccountRef": account}}
    return provider(bao, auth)


@pytest.fixture
def never_configured(openbao: OpenBao) -> Iterator[None]:
    openbao.enable_auth("kubernetes", "never-configured")
    yield
    openbao.request("DELETE", "sys/auth/never-configured")


def test_a_store_that_cannot_work_shuts_no_other_store_of_its_server(
    controlplane: ControlPlane, openbao: OpenBao, namespace: str, never_configured: None
) -> None:
    plane = controlplane
    openbao.put("secret", f"{namespace}/app", {"v": "1"})
    openbao.policy(namespace, {f"secret/data/{namespace}/*": ["read"]})
    made = openbao.request("POST", "auth/token/create", {"policies": [namespace], "ttl": "20m"})
    token = made["auth"]["client_token"]
    for name, text in (("good", token), ("bad", f"{token}\n")):
        body = {"metadata": {"name": name}, "data": {"token": base64.b64encode(text.encode()).decode()}}
        plane.api.create("secrets", namespace, body)
    good = f"good-{namespace}"
    bad = {f"newline-{namespace}": by_token(openbao, "bad", namespace)}
    bad[f"mount-{namespace}"] = by_a_mount_that_was_never_configured(openbao, namespace)
    read = {"v": (f"{namespace}/app", "v")}
    plane.apply(
        [
            cluster_secret_store(good, by_token(openbao, "good", namespace)),
            secret_store(namespace, by_token(openbao, "good"), "good"),
            external_secret(namespace, "by-cluster", read, store=good, store_kind="ClusterSecretStore", interval="1s"),
            external_secret(namespace, "by-own", read, store="good", interval="1s"),
        ]
    )
    with LocalOperator(
        plane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace
    ) as operator:
        for name in ("by-cluster", "by-own"):
            plane.wait_ready("externalsecrets", namespace, name)
        plane.apply(
            [
                *(cluster_secret_store(name, spec, refreshInterval=1) for name, spec in bad.items()),
                secret_store(namespace, by_token(openbao, "bad"), "newline"),
                secret_store(namespace, by_a_mount_that_was_never_configured(openbao, ""), "mount"),
                external_secret(namespace, "by-newline", read, store="newline", interval="1s"),
                external_secret(namespace, "by-mount", read, store="mount", interval="1s"),
            ]
        )
        for name in bad:
            plane.wait_ready("clustersecretstores", "", name, status="False")
        for name in ("newline", "mount"):
            plane.wait_ready("secretstores", namespace, name, status="False")
        before = operator.metrics().sum("externalsecret_sync_calls_total", name="by-cluster")

        def worked_on() -> bool:
            return operator.metrics().sum("externalsecret_sync_calls_total", name="by-cluster") >= before + 5

        eventually(worked_on, 60, every=0.5, what="the healthy objects are refreshed again and again")
        assert operator.metrics().sum("externalsecret_sync_calls_error", name="by-cluster") == 0
        assert operator.metrics().sum("externalsecret_sync_calls_error", name="by-own") == 0
        plane.apply([thing("ClusterSecretStore", good, spec={"provider": by_token(openbao, "good", namespace)})])
        openbao.put("secret", f"{namespace}/app", {"v": "2"})
        for name in ("by-cluster", "by-own"):
            eventually(lambda n=name: plane.secret(namespace, n) == {"v": "2"}, 30, what=f"{name} follows")
        closed = [
            dict(labels)["level"]
            for name, labels in operator.metrics().samples
            if name == "externalsecrets_gate_state" and dict(labels)["state"] == "closed"
        ]
        assert [level for level in closed if level == "endpoint"] == []
        told = " ".join(event["message"] for event in plane.events(namespace, "newline"))
        assert "line break" in told and token not in told
    for name in (good, *bad):
        plane.api.delete("clustersecretstores", "", name)
