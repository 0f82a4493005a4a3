"""What admission refuses, which server is asked, in which order vaults are searched."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota, Retries
from eso.providers.onepassword.spec import SPEC, vaults
from tests.unit.providers.onepassword.conftest import AUTH, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
MISSING = "missing: spec.provider.onepassword.auth.secretRef.connectTokenSecretRef"
HOST = "unable to parse URL: spec.provider.onepassword.connectHost: parse"


def token(**selector: str) -> dict[str, Any]:
    return {"auth": {"secretRef": {"connectTokenSecretRef": {"name": "login", "key": "token", **selector}}}}


@pytest.mark.parametrize(
    ("kind", "block", "text"),
    [
        ("SecretStore", token(name=""), f"{MISSING}.name"),
        ("SecretStore", token(key=""), f"{MISSING}.key"),
        ("SecretStore", token(namespace="elsewhere"), FOREIGN),
        ("ClusterSecretStore", {}, "cluster scope requires namespace"),
        ("SecretStore", {"vaults": {}}, "must be at least one vault: spec.provider.onepassword.vaults"),
        ("SecretStore", {"vaults": {"a": 1, "b": 1}}, "vault order numbers must be unique"),
        ("SecretStore", {"connectHost": ":/host"}, f'{HOST} ":/host": missing protocol scheme'),
        ("SecretStore", {"connectHost": "https://me:pass@host"}, f'{HOST} "host": invalid URL'),
        ("SecretStore", {"connectHost": "https://[::bad"}, f'{HOST} "https://[::bad": invalid URL'),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(kind: str, block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(kind, **block))
    assert str(refused.value) == f"received invalid 1Password SecretStore resource: {text}"


def test_stores_of_other_vaults_share_one_login() -> None:
    assert SPEC.check(view()) == []
    plan = SPEC.plan(view(vaults={"Other": 1}, connectHost="https://connect:8080/"))
    assert plan == SPEC.plan(view())
    assert (plan.endpoint, plan.login) == ("https://connect:8080", {"auth": AUTH})
    assert plan.references == (("Secret", "", "login"),)
    assert (plan.consumer, plan.quota, plan.pace) == (Consumer.NONE, Quota.LOGIN, None)
    assert plan.retries == Retries(2, 0.1)


def test_vaults_are_searched_by_their_numbers() -> None:
    assert vaults({"vaults": {"a": 3, "b": -1, "c": 2}}) == ("b", "c", "a")
