"""The provider `kubernetes` against a second real API server: a token, an account of the own cluster, a certificate."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
SHOP = "shop"


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def role(namespace: str, *subjects: Json) -> list[Json]:
    """Whoever is named may read and write the Secrets of the namespace, and nothing else."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create", "update", "delete"]}]
    api = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secrets"}
    return [
        thing("Role", "secrets", namespace, api=api, rules=rules),
        thing("RoleBinding", "secrets", namespace, api=api, roleRef=reference, subjects=list(subjects)),
    ]


@pytest.fixture(scope="module")
def other() -> Iterator[ControlPlane]:
    """Another cluster, with one namespace to read from."""
    with ControlPlane() as cluster:
        cluster.create_namespace(SHOP)
        cluster.apply(
            [
                thing("ServiceAccount", "reader", SHOP, api="v1"),
                *role(SHOP, {"kind": "ServiceAccount", "name": "reader", "namespace": SHOP}),
                thing(
                    "Secret", "db", SHOP, api="v1", data={"user": encoded("app"), "json": encoded('{"a":{"b":"c"}}')}
                ),
            ]
        )
        yield cluster


def store(namespace: str, other: ControlPlane, auth: Json, name: str = "store") -> Json:
    server = {"url": other.server, "caBundle": encoded(other.ca.read_bytes())}
    return secret_store(namespace, {"kubernetes": {"server": server, "auth": auth, "remoteNamespace": SHOP}}, name)


def test_secrets_of_another_cluster(controlplane: ControlPlane, other: ControlPlane, namespace: str) -> None:
    bearer = {"token": {"bearerToken": {"name": "login", "key": "token"}}}
    admin = other.credentials
    cert = {"clientCert": {"name": "admin", "key": "crt"}, "clientKey": {"name": "admin", "key": "key"}}
    refs = {"user": ("db", "user"), "path": ("db", "json.a.b")}
    controlplane.apply(
        [
            thing("Secret", "login", namespace, api="v1", data={"token": encoded(other.token(SHOP, "reader"))}),
            thing("Secret", "admin", namespace, api="v1", data={"crt": encoded(admin.cert), "key": encoded(admin.key)}),
            store(namespace, other, bearer),
            store(namespace, other, {"cert": cert}, "with-certificate"),
            external_secret(namespace, "by-token", refs, interval="2s"),
            external_secret(namespace, "by-certificate", refs, store="with-certificate"),
            thing("Secret", "wrong", namespace, api="v1", data={"token": encoded("x.y.z")}),
            store(namespace, other, {"token": {"bearerToken": {"name": "wrong", "key": "token"}}}, "wrong"),
        ]
    )
    with LocalOperator(controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace):
        for name in ("by-token", "by-certificate"):
            controlplane.wait_ready("externalsecrets", namespace, name)
            assert controlplane.secret(namespace, name) == {"user": "app", "path": "c"}
        other.api.patch("secrets", SHOP, "db", {"data": {"user": encoded("rotated")}})

        def followed() -> bool:
            return (controlplane.secret(namespace, "by-token") or {}).get("user") == "rotated"

        eventually(followed, 20, what="the rotated value")

        def refused() -> bool:
            condition = controlplane.condition("secretstores", namespace, "wrong")
            return bool(condition) and condition["status"] == "False"

        eventually(refused, 20, what="a store with a wrong token is not ready")


def test_the_page_works_as_it_is_written(controlplane: ControlPlane, other: ControlPlane, namespace: str) -> None:
    page = (Path(__file__).parents[2] / "docs/providers/kubernetes.md").read_text()
    manifest, rights = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    other.apply(rights)
    for ours, theirs in (
        ("TOKEN", other.token(SHOP, "reader")),
        ("CA_BUNDLE", encoded(other.ca.read_bytes())),
        ("https://api.other.example.com:6443", other.server),
        ("team-a", namespace),
    ):
        assert ours in manifest
        manifest = manifest.replace(ours, theirs)
    controlplane.apply(manifest)
    with LocalOperator(controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace):
        controlplane.wait_ready("externalsecrets", namespace, "database")
