"""Static rules of a `vault` store."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Consumer, InvalidConfig, Retries, Spec, StoreView
from eso.providers.vault import spec
from eso.providers.vault.baospec import SPEC as OPENBAO
from eso.providers.vault.spec import SPEC, server_of

FOREIGN = {"name": "s", "namespace": "other"}
WRONG = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def view(auth: dict[str, Any] | None = None, *, cluster: bool = False, **block: Any) -> StoreView:
    kind, namespace = ("ClusterSecretStore", "") if cluster else ("SecretStore", "team-a")
    return StoreView(kind, "s", namespace, "vault", block | ({"auth": auth} if auth is not None else {}))


@pytest.mark.parametrize(
    ("store", "text"),
    [
        pytest.param(
            view({"appRole": {"roleId": "r", "secretRef": FOREIGN}}),
            f"invalid Auth.AppRole.SecretRef: {WRONG}",
            id="app role secret",
        ),
        pytest.param(
            view({"appRole": {"secretRef": {"name": "s"}, "roleRef": FOREIGN}}),
            f"invalid Auth.AppRole.RoleRef: {WRONG}",
            id="app role ref",
        ),
        pytest.param(
            view({"appRole": {"secretRef": {"name": "s"}}}),
            "invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied",
            id="app role without role",
        ),
        pytest.param(
            view({"cert": {"clientCert": FOREIGN}}), f"invalid Auth.Cert.ClientCert: {WRONG}", id="client certificate"
        ),
        pytest.param(view({"cert": {"secretRef": FOREIGN}}), f"invalid Auth.Cert.SecretRef: {WRONG}", id="client key"),
        pytest.param(view({"jwt": {"secretRef": FOREIGN}}), f"invalid Auth.Jwt.SecretRef: {WRONG}", id="jwt secret"),
        pytest.param(
            view({"jwt": {"kubernetesServiceAccountToken": {"serviceAccountRef": FOREIGN}}}),
            f"invalid Auth.Jwt.KubernetesServiceAccountToken.ServiceAccountRef: {WRONG}",
            id="jwt account",
        ),
        pytest.param(
            view({"jwt": {}}),
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied"
            " as token source for jwt authentication",
            id="jwt without a source",
        ),
        pytest.param(
            view({"kubernetes": {"serviceAccountRef": FOREIGN}}),
            f"invalid Auth.Kubernetes.ServiceAccountRef: {WRONG}",
            id="kubernetes account",
        ),
        pytest.param(
            view({"kubernetes": {"secretRef": FOREIGN}}),
            f"invalid Auth.Kubernetes.SecretRef: {WRONG}",
            id="kubernetes secret",
        ),
        pytest.param(view({"ldap": {"secretRef": FOREIGN}}), f"invalid Auth.Ldap.SecretRef: {WRONG}", id="ldap"),
        pytest.param(
            view({"userPass": {"secretRef": FOREIGN}}),
            f"invalid Auth.UserPass.SecretRef: {WRONG}",
            id="user and password",
        ),
        pytest.param(view({"tokenSecretRef": FOREIGN}), f"invalid Auth.TokenSecretRef: {WRONG}", id="token"),
        pytest.param(
            view({"iam": {"secretRef": {"accessKeyIDSecretRef": FOREIGN}}}),
            f"invalid Auth.TokenSecretRef: {WRONG}",
            id="iam keys",
        ),
        pytest.param(
            view(tls={"certSecretRef": {"name": "s"}}),
            "when provided, both ClientTLS.ClientCert and ClientTLS.SecretRef should be provided",
            id="half a key pair",
        ),
        pytest.param(
            view(tls={"certSecretRef": FOREIGN, "keySecretRef": {"name": "s"}}),
            f"invalid ClientTLS.ClientCert: {WRONG}",
            id="a foreign certificate",
        ),
        pytest.param(
            view(version="v1", checkAndSet={"required": True}),
            "checkAndSet is not supported with Vault KV version v1",
            id="cas with v1",
        ),
        pytest.param(
            view({"tokenSecretRef": FOREIGN, "appRole": {"secretRef": {"name": "s"}}}),
            "invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied",
            id="the first failure wins",
        ),
    ],
)
def test_admission(store: StoreView, text: str) -> None:
    with pytest.raises(EsoError) as refused:
        spec.check(store)
    assert str(refused.value) == text


def test_a_cluster_store_may_leave_namespaces_out_or_name_any() -> None:
    assert spec.check(view({"tokenSecretRef": {"name": "s"}}, cluster=True)) == []
    assert spec.check(view({"tokenSecretRef": FOREIGN}, cluster=True)) == []


@pytest.mark.parametrize(
    ("auth", "referent"),
    [
        pytest.param({"tokenSecretRef": {"name": "s"}}, True, id="a token of each consumer"),
        pytest.param({"tokenSecretRef": FOREIGN}, False, id="a token of its own"),
        pytest.param(
            {"appRole": {"roleRef": {"name": "s"}, "secretRef": FOREIGN}}, False, id="a role reference does not count"
        ),
        pytest.param({"kubernetes": {"serviceAccountRef": {"name": "s"}}}, True, id="an account of each consumer"),
        pytest.param(
            {"cert": {"clientCert": {"name": "s"}, "secretRef": FOREIGN}},
            False,
            id="a client certificate does not count",
        ),
        pytest.param({"kubernetes": {}}, False, id="our own account"),
    ],
)
def test_referent(auth: dict[str, Any], referent: bool) -> None:
    expected = Consumer.CREDENTIALS if referent else Consumer.NONE
    assert SPEC.plan(view(auth, cluster=True)).consumer is expected
    assert SPEC.plan(view(auth)).consumer is Consumer.NONE


def test_references_are_everything_the_login_reads_each_once() -> None:
    store = view(
        {
            "appRole": {"roleRef": {"name": "a"}, "secretRef": {"name": "a"}},
            "kubernetes": {"serviceAccountRef": {"name": "sa", "namespace": "n"}},
        },
        tls={"certSecretRef": {"name": "tls"}, "keySecretRef": {"name": "tls"}},
        caProvider={"type": "ConfigMap", "name": "roots"},
    )
    assert SPEC.plan(store).references == (
        ("Secret", "", "a"),
        ("ServiceAccount", "n", "sa"),
        ("Secret", "", "tls"),
        ("ConfigMap", "", "roots"),
    )


def test_mounts_and_versions_are_no_part_of_the_login() -> None:
    assert spec.login(view(server="s", path="a", version="v1", headers={"x": "y"})) == {
        "server": "s",
        "headers": {"x": "y"},
    }


@pytest.mark.parametrize(
    ("auth", "name"),
    [({"jwt": {}, "appRole": {}}, "appRole"), ({"gcp": {}, "tokenSecretRef": {}}, "tokenSecretRef"), ({}, "")],
)
def test_the_first_method_in_the_fixed_order_is_used(auth: dict[str, Any], name: str) -> None:
    assert spec.method(auth) == name


SERVER = {"server": "https://vault:8200"}


@pytest.mark.parametrize(
    ("block", "same"),
    [
        pytest.param({"path": "other"}, True, id="another mount is reached in the same way"),
        pytest.param({"auth": {"tokenSecretRef": {"name": "x"}}}, True, id="so is another login"),
        pytest.param({"caBundle": "AAAA"}, False, id="another CA may be the wrong one"),
        pytest.param(
            {"caProvider": {"type": "Secret", "name": "ca", "namespace": "n"}}, False, id="wherever it comes from"
        ),
        pytest.param({"namespace": "admin"}, False, id="a server namespace has its own limits"),
        pytest.param({"headers": {"X-Route": "b"}}, False, id="a header may lead elsewhere"),
        pytest.param({"server": "https://vault:8200/behind"}, False, id="so may a path"),
    ],
)
@pytest.mark.parametrize("provider", [SPEC, OPENBAO], ids=["vault", "openBao"])
def test_what_a_failure_is_evidence_for(provider: Spec, block: dict[str, Any], same: bool) -> None:
    plain = provider.plan(StoreView("SecretStore", "a", "team-a", "vault", SERVER)).endpoint
    assert plain == "vault:8200"
    assert (provider.plan(StoreView("SecretStore", "a", "team-a", "vault", SERVER | block)).endpoint == plain) is same


@pytest.mark.parametrize(
    "server", ["http://169.254.169.254/latest/meta-data?x=", "https://vault:8200/#", "https://vault:8200/?"]
)
def test_a_server_cannot_swallow_the_path_that_follows(server: str) -> None:
    with pytest.raises(InvalidConfig, match="a query or fragment has no place in it"):
        server_of({"server": server})


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        pytest.param("vault.example.com:8200", "vault.example.com:8200", id="a host and a port without a scheme"),
        pytest.param("localhost:8200", "localhost:8200", id="a short host"),
        pytest.param("127.0.0.1:8200", "127.0.0.1:8200", id="an address"),
        pytest.param("ftp://vault/", "ftp://vault", id="another scheme"),
        pytest.param("https://vault:port", "https://vault:port", id="a port that is none"),
        pytest.param("https://[::1", "https://[::1", id="half an address"),
        pytest.param("me:hunter2@vault:8200", "vault:8200", id="a password is left out"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_server_that_is_no_address_is_quoted_as_it_was_written(server: str, shown: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        server_of({"server": server})
    assert str(refused.value) == f'failed to parse server "{shown}": not an http or https address'


def test_a_header_of_the_connection_refuses_the_store() -> None:
    with pytest.raises(InvalidConfig, match="may not set the header Transfer-Encoding"):
        SPEC.plan(view(headers={"Transfer-Encoding": "chunked"}))


def test_retry_settings_are_those_of_vault_only() -> None:
    store = StoreView("SecretStore", "a", "team-a", "vault", SERVER, retry_settings={"maxRetries": 5})
    assert SPEC.plan(store).retries == Retries(5, 1.0)
    assert OPENBAO.plan(store).retries == Retries(2, 1.0)
