"""Credentials in a store's block."""

from __future__ import annotations

import pytest

from eso.providers.contract import Consumer, InvalidConfig, StoreView
from eso.providers.kit import selectors
from eso.providers.kit.selectors import Named, one


def store(kind: str = "SecretStore", namespace: str = "team-a") -> StoreView:
    return StoreView(kind, "store", namespace if kind == "SecretStore" else "", "any", {})


def token(namespace: str | None = None, **changes: bool) -> Named:
    selector = {"name": "login", "key": "token"} | ({"namespace": namespace} if namespace is not None else {})
    return Named("invalid Auth.Token: ", selector, **changes)


def test_a_member_that_is_empty_is_there_and_one_that_is_null_is_not():
    block = {"auth": {"token": {}, "jwt": None}}
    assert selectors.has(block, "auth", "token")
    assert not selectors.has(block, "auth", "jwt")
    assert not selectors.has(block, "auth", "token", "name")
    assert selectors.part(block, "auth", "jwt", "name") == {}
    assert [found.selector for found in one(block, "", "auth", "token")] == [{}]
    assert not list(one(block, "", "auth", "jwt"))


@pytest.mark.parametrize(
    ("kind", "namespace", "loose", "strict"),
    [
        pytest.param("SecretStore", None, "", "", id="a SecretStore may leave the namespace out"),
        pytest.param("SecretStore", "team-a", "", "", id="a SecretStore may name its own namespace"),
        pytest.param(
            "SecretStore",
            "team-b",
            selectors.WRONG_NAMESPACE,
            selectors.WRONG_NAMESPACE,
            id="a SecretStore may not name another one",
        ),
        pytest.param("ClusterSecretStore", "team-b", "", "", id="a ClusterSecretStore may name any"),
        pytest.param(
            "ClusterSecretStore",
            None,
            "",
            selectors.NO_NAMESPACE,
            id="a ClusterSecretStore has to name one where the provider knows no referent credentials",
        ),
    ],
)
def test_whose_namespace_a_selector_may_name(kind, namespace, loose, strict):
    for check, fault in ((selectors.refuse_foreign, loose), (selectors.refuse_loose, strict)):
        if not fault:
            check(store(kind), [token(namespace)])
            continue
        with pytest.raises(InvalidConfig) as refused:
            check(store(kind), [token(namespace)])
        assert str(refused.value) == f"invalid Auth.Token: {fault}"


def test_a_cluster_store_is_referent_when_a_credential_that_counts_names_no_namespace():
    assert selectors.referent(store("ClusterSecretStore"), [token("a"), token()])
    assert not selectors.referent(store("ClusterSecretStore"), [token("a"), token(counts=False)])
    assert not selectors.referent(store(), [token()])
    assert selectors.consumer(store("ClusterSecretStore"), [token()]) is Consumer.CREDENTIALS
    assert selectors.consumer(store(), [token()]) is Consumer.NONE


def test_a_login_depends_on_its_credentials_and_its_authorities_each_once():
    block = {"caProvider": {"type": "ConfigMap", "name": "ca", "namespace": "certs"}}
    account = Named("", {"name": "reader"}, "ServiceAccount")
    assert selectors.references(block, [token(), account, token()]) == (
        ("Secret", "", "login"),
        ("ServiceAccount", "", "reader"),
        ("ConfigMap", "certs", "ca"),
    )
    assert selectors.references({**block, "caBundle": "pem"}, []) == ()
