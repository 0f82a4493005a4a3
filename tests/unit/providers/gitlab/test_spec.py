"""What admission refuses, which server is asked, what makes a login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota
from eso.providers.gitlab.spec import SPEC, base
from tests.unit.providers.gitlab.conftest import view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def token(**selector: str) -> dict[str, Any]:
    return {"auth": {"SecretRef": {"accessToken": {"name": "login", "key": "token", **selector}}}}


@pytest.mark.parametrize(
    ("kind", "block", "text"),
    [
        ("SecretStore", token(namespace="elsewhere"), FOREIGN),
        ("ClusterSecretStore", token(), "cluster scope requires namespace"),
        ("SecretStore", {"projectID": ""}, "projectID and groupIDs must not both be empty"),
        ("SecretStore", {"projectID": "", "groupIDs": []}, "projectID and groupIDs must not both be empty"),
        (
            "SecretStore",
            {"groupIDs": ["1"], "inheritFromGroups": True},
            "defining groupIDs and inheritFromGroups = true is not allowed",
        ),
        ("SecretStore", token(key=""), "accessToken.key cannot be empty"),
        ("SecretStore", token(name=""), "accessToken.name cannot be empty"),
        ("SecretStore", token(name="", key=""), "accessToken.key cannot be empty"),
        ("SecretStore", {"url": "gitlab.com"}, "url is no address"),
        ("SecretStore", {"url": "https://me:planted@gitlab.com"}, "url is no address"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(kind: str, block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(kind, **block))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "block",
    [{}, {"projectID": "", "groupIDs": ["1"]}, {"inheritFromGroups": True}, {"url": ""}, token(namespace="team-a")],
)
def test_admission_accepts_a_place_to_look_in(block: dict[str, Any]) -> None:
    assert SPEC.check(view(**block)) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "https://gitlab.com/api/v4"),
        ("https://gitlab.example.com", "https://gitlab.example.com/api/v4"),
        ("https://gitlab.example.com/api/v4/", "https://gitlab.example.com/api/v4"),
        ("https://example.com/gitlab/", "https://example.com/gitlab/api/v4"),
    ],
)
def test_the_address_ends_in_the_version(given: str, expected: str) -> None:
    assert base({"url": given}) == expected


def test_stores_of_other_projects_and_environments_share_one_login() -> None:
    one = SPEC.plan(view())
    assert one == SPEC.plan(view(projectID="", groupIDs=["1"], environment="prd"))
    assert one.references == (("Secret", "", "login"),)
    assert (one.consumer, one.quota, one.pace) == (Consumer.NONE, Quota.LOGIN, 33.0)
    assert SPEC.plan(view(url="https://gitlab.example.com")).pace is None
    assert SPEC.plan(view(caBundle="cGVt")).login != one.login


def test_the_status_says_what_the_reference_says() -> None:
    assert (SPEC.capability, SPEC.maintained) == ("ReadOnly", True)
