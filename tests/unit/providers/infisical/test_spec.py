"""What admission refuses, which server is asked, what makes a login, whose it is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota
from eso.providers.infisical.spec import METHODS, SPEC, at_infisical, base, method
from tests.unit.providers.infisical.conftest import UNIVERSAL, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
EMPTY = "secretsScope.projectSlug and secretsScope.environmentSlug cannot be empty"
KEYS = "universalAuthCredentials.clientId and universalAuthCredentials.clientSecret cannot be empty"


def universal(**client_id: str) -> dict[str, Any]:
    given = UNIVERSAL["universalAuthCredentials"]
    return {"universalAuthCredentials": given | {"clientId": given["clientId"] | client_id}}


@pytest.mark.parametrize(
    ("kind", "block", "text"),
    [
        ("SecretStore", {"scope": {"projectSlug": ""}}, EMPTY),
        ("SecretStore", {"scope": {"environmentSlug": ""}}, EMPTY),
        (
            "ClusterSecretStore",
            {"caProvider": {"type": "Secret", "name": "ca"}},
            "caProvider.namespace is required for ClusterSecretStore",
        ),
        (
            "SecretStore",
            {"caProvider": {"type": "Secret", "name": "ca", "namespace": "team-a"}},
            "caProvider.namespace must be empty with SecretStore",
        ),
        ("SecretStore", {"auth": universal(namespace="elsewhere")}, FOREIGN),
        ("SecretStore", {"auth": universal(key="")}, KEYS),
        ("SecretStore", {"hostAPI": "ftp://host"}, "hostAPI is no address"),
        ("SecretStore", {"hostAPI": "https://me:planted@host"}, "hostAPI is no address"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(kind: str, block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(kind, **block))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"hostAPI": ""},
        {"auth": universal(namespace="team-a")},
        {"auth": {}},  # the login says that there is no method
        {"auth": {"jwtAuthCredentials": {"identityId": {"name": "login", "namespace": "elsewhere"}}}},
    ],
)
def test_admission_accepts_what_the_reference_accepts(block: dict[str, Any]) -> None:
    assert SPEC.check(view(**block)) == []


@pytest.mark.parametrize(
    ("given", "expected", "own"),
    [
        ("", "https://app.infisical.com/api", True),
        ("https://eu.infisical.com", "https://eu.infisical.com/api", True),
        ("https://secrets.example.com/api/", "https://secrets.example.com/api", False),
        ("https://example.com/infisical", "https://example.com/infisical/api", False),
        ("http://app.infisical.com", "http://app.infisical.com/api", False),
        ("https://app.infisical.com.evil.example", "https://app.infisical.com.evil.example/api", False),
        ("https://evilinfisical.com", "https://evilinfisical.com/api", False),
    ],
)
def test_the_address_ends_in_api_and_tells_whose_server_it_is(given: str, expected: str, own: bool) -> None:
    block = view(hostAPI=given).provider_spec
    assert (base(block), at_infisical(block)) == (expected, own)


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(METHODS)))
def test_the_first_method_counts(first: str, second: str) -> None:
    assert method({"auth": {second: {}, first: {}}}) == first


def test_stores_of_other_projects_and_folders_share_one_login() -> None:
    one = SPEC.plan(view())
    other = SPEC.plan(view(scope={"projectSlug": "b", "environmentSlug": "prd", "secretsPath": "/x"}))
    assert one == other
    assert one.references == (("Secret", "", "login"),)
    assert (one.consumer, one.quota, one.pace) == (Consumer.NONE, Quota.ENDPOINT, 2.0)
    assert SPEC.plan(view(hostAPI="https://secrets.example.com")).pace is None


@pytest.mark.parametrize(
    "block",
    [
        {"scope": {"organizationSlug": "sub"}},
        {"caBundle": "cGVt"},
        {"caProvider": {"type": "Secret", "name": "ca", "key": "ca"}},
        {"auth": {"tokenAuthCredentials": {"accessToken": {"name": "login", "key": "id"}}}},
    ],
)
def test_another_organization_trust_or_method_is_another_login(block: dict[str, Any]) -> None:
    assert SPEC.plan(view(**block)).login != SPEC.plan(view()).login


def test_the_authority_is_watched_like_a_credential() -> None:
    plan = SPEC.plan(view(caProvider={"type": "ConfigMap", "name": "ca", "key": "ca"}))
    assert plan.references == (("Secret", "", "login"), ("ConfigMap", "", "ca"))


def test_a_cluster_store_that_names_no_namespace_asks_with_each_consumers_credentials() -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    auth = {"tokenAuthCredentials": {"accessToken": {"name": "login", "key": "id", "namespace": "eso"}}}
    assert SPEC.plan(view("ClusterSecretStore", auth=auth)).consumer is Consumer.NONE


def test_the_status_says_what_the_reference_says() -> None:
    assert (SPEC.capability, SPEC.maintained) == ("ReadWrite", True)
