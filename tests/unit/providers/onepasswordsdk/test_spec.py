"""What admission refuses, and what a login depends on."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig
from eso.providers.onepasswordsdk.spec import PACE, SPEC
from tests.unit.providers.onepasswordsdk.conftest import AUTH, view

WORDS = "received invalid 1PasswordSdk SecretStore resource: "
BLOCK = "spec.provider.onepasswordsdk"


def refusal(kind: str = "SecretStore", **block: Any) -> str:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(kind, **block))
    return str(error.value)


def test_a_store_names_a_vault_or_an_environment() -> None:
    assert SPEC.check(view(vault="Shop")) == SPEC.check(view(environment="e")) == []
    assert refusal(vault="v", environment="e") == (
        f"{WORDS}{BLOCK}.vault and {BLOCK}.environment are mutually exclusive"
    )
    assert refusal() == f"{WORDS}missing: exactly one of {BLOCK}.vault or {BLOCK}.environment must be set"


@pytest.mark.parametrize("member", ("name", "key"))
def test_the_token_is_named_in_full(member: str) -> None:
    without = {name: value for name, value in AUTH["serviceAccountSecretRef"].items() if name != member}
    assert refusal(vault="v", auth={"serviceAccountSecretRef": without}) == (
        f"{WORDS}missing: {BLOCK}.auth.secretRef.serviceAccountTokenSecretRef.{member}"
    )


def test_a_secret_store_takes_no_token_of_another_namespace_and_a_cluster_store_names_one() -> None:
    elsewhere = {"serviceAccountSecretRef": AUTH["serviceAccountSecretRef"] | {"namespace": "team-b"}}
    assert "namespace should either be empty or match" in refusal(vault="v", auth=elsewhere)
    assert SPEC.check(view("ClusterSecretStore", vault="v", auth=elsewhere)) == []
    assert SPEC.plan(view("ClusterSecretStore", vault="v", auth=elsewhere)).consumer is Consumer.NONE


def test_vaults_share_a_login_and_the_name_told_to_the_server_does_not() -> None:
    one, other = SPEC.plan(view(vault="Shop")), SPEC.plan(view(environment="e", cache={"ttl": "1m"}))
    assert (one, one.pace) == (other, PACE)
    assert SPEC.plan(view(vault="Shop", integrationInfo={"name": "mine"})) != one
