"""What admission refuses, what makes a login, whose keys are used."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, RemoteRef, Validation
from eso.providers.onboardbase.spec import SPEC
from tests.unit.providers.onboardbase.conftest import AUTH, World, view

KEY, PASSCODE = AUTH["apiKeyRef"], AUTH["passcodeRef"]
FOREIGN = "invalid store: namespace should either be empty or match the namespace of the SecretStore for a namespaced "


@pytest.mark.parametrize(
    ("kind", "auth", "words"),
    (
        ("SecretStore", {"apiKeyRef": KEY | {"namespace": "other"}}, FOREIGN + "SecretStore"),
        ("SecretStore", {"passcodeRef": PASSCODE | {"namespace": "other"}}, FOREIGN + "SecretStore"),
        ("SecretStore", {"apiKeyRef": {"key": "k"}}, "invalid store: onboardbaseAPIKey.name cannot be empty"),
        ("SecretStore", {"passcodeRef": {"key": "k"}}, "invalid store: onboardbasePasscode.name cannot be empty"),
        ("ClusterSecretStore", {}, "invalid store: cluster scope requires namespace"),
        (
            "ClusterSecretStore",
            {"apiKeyRef": KEY | {"namespace": "a"}},
            "invalid store: cluster scope requires namespace",
        ),
    ),
)
def test_admission_refuses(kind: str, auth: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(kind, auth=AUTH | auth))
    assert str(error.value) == words


def test_a_host_that_is_not_asked_is_told() -> None:
    assert SPEC.check(view(apiHost="https://public.onboardbase.com/api/v1/")) == []
    (warning,) = SPEC.check(view(apiHost="https://elsewhere"))
    assert warning.startswith("apiHost has no effect")
    assert SPEC.plan(view(apiHost="https://elsewhere")) == SPEC.plan(view())


def test_projects_share_a_login_and_passcodes_do_not() -> None:
    one = SPEC.plan(view())
    assert SPEC.plan(view(project="other", environment="other")) == one
    assert SPEC.plan(view(auth=AUTH | {"passcodeRef": {"name": "unused", "key": "second"}})) != one
    assert one.references == (("Secret", "", "login"),)
    assert one.consumer is Consumer.NONE


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    """Admission refuses it; where there is no admission, it works."""
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


@pytest.mark.parametrize(
    ("secret", "value", "words"),
    (
        ("login/key", "", "the API key is empty"),
        ("login/passcode", "", "the passcode is empty"),
        ("login/key", "planted\n", "the API key ends in a line break"),
    ),
)
async def test_credentials_that_cannot_be_used_are_refused_before_a_call(
    world: World, secret: str, value: str, words: str
) -> None:
    world.credentials.secrets[secret] = value
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert str(error.value) == words
    assert world.fake.asked == []
