"""What admission refuses, what makes a login, whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota
from eso.providers.doppler.spec import SPEC, audience
from tests.unit.providers.doppler.conftest import view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def token(**selector: str) -> dict[str, Any]:
    return {"secretRef": {"dopplerToken": {"name": "login", **selector}}}


def account(identity: str = "id", **selector: Any) -> dict[str, Any]:
    return {"oidcConfig": {"identity": identity, "serviceAccountRef": {"name": "app", **selector}}}


@pytest.mark.parametrize(
    ("kind", "auth", "text"),
    [
        ("SecretStore", token(namespace="elsewhere"), FOREIGN),
        ("SecretStore", account(namespace="elsewhere"), FOREIGN),
        ("ClusterSecretStore", token(), "cluster scope requires namespace"),
        ("ClusterSecretStore", account(), "cluster scope requires namespace"),
        ("SecretStore", token(name=""), "dopplerToken.name cannot be empty"),
        ("SecretStore", account(""), "oidcConfig.identity cannot be empty"),
        ("SecretStore", account(name=""), "oidcConfig.serviceAccountRef.name cannot be empty"),
        ("SecretStore", {}, "either auth.secretRef or auth.oidcConfig must be specified"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(kind: str, auth: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(kind, auth=auth))
    assert str(refused.value) == f"invalid store: {text}"


@pytest.mark.parametrize("auth", [token(), account()])
def test_admission_accepts_a_store_with_one_way_to_log_in(auth: dict[str, Any]) -> None:
    assert SPEC.check(view(auth=auth)) == []


def test_stores_of_other_projects_and_formats_share_one_token() -> None:
    one = SPEC.plan(view(auth=token(), project="a", config="dev"))
    other = SPEC.plan(view(auth=token(), project="b", config="prd", format="env", nameTransformer="camel"))
    assert one == other
    assert one.references == (("Secret", "", "login"),)
    assert (one.consumer, one.quota, one.pace) == (Consumer.NONE, Quota.LOGIN, 4.0)


def test_an_account_token_is_for_one_store_and_its_namespace() -> None:
    plan = SPEC.plan(view(auth=account()))
    assert plan.consumer is Consumer.IDENTITY
    assert plan.login["store"] == ["SecretStore", "store"]
    assert plan.references == (("ServiceAccount", "", "app"),)
    assert audience(view(auth=account()), "team-a") == "secretStore:team-a:store"


def test_an_account_token_of_a_cluster_store_is_the_same_for_every_consumer() -> None:
    store = view("ClusterSecretStore", auth=account(namespace="eso"))
    assert SPEC.plan(store).consumer is Consumer.NONE
    assert audience(store, "team-a") == "clusterSecretStore:store"


def test_a_cluster_store_that_names_no_namespace_asks_with_each_consumers_credential() -> None:
    assert SPEC.plan(view("ClusterSecretStore", auth=token())).consumer is Consumer.CREDENTIALS


def test_the_status_says_what_the_reference_says() -> None:
    assert (SPEC.capability, SPEC.maintained) == ("ReadOnly", True)
