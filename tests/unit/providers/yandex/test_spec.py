"""What admission refuses, what makes a login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig
from eso.providers.yandex.spec import LOCKBOX, is_own
from tests.unit.providers.yandex.conftest import view


@pytest.mark.parametrize(
    ("fetching", "words"),
    (
        ({"byName": {}}, "folderID is required when fetching policy is 'byName'"),
        ({"byName": {"folderID": ""}}, "folderID is required when fetching policy is 'byName'"),
        ({}, "invalid Yandex Lockbox SecretStore: requires either 'byName' or 'byID' policy"),
    ),
)
def test_admission_refuses_a_fetching_policy_that_is_none(fetching: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        LOCKBOX.check(view(fetching=fetching))
    assert str(error.value) == words


@pytest.mark.parametrize("fetching", (None, {"byID": {}}, {"byName": {"folderID": "f"}}))
def test_admission_accepts_the_rest_whatever_namespace_a_key_names(fetching: dict[str, Any] | None) -> None:
    block = {} if fetching is None else {"fetching": fetching}
    assert LOCKBOX.check(view(**block)) == []
    other = {"authorizedKeySecretRef": {"name": "n", "key": "k", "namespace": "other"}}
    assert LOCKBOX.check(view(auth=other, **block)) == []


@pytest.mark.parametrize(
    ("written", "endpoint"),
    (
        ("", "api.cloud.yandex.net:443"),
        ("api.cloud.yandex.net:443", "api.cloud.yandex.net:443"),
        ("api.private.example", "api.private.example:443"),
        ("[::1]:8443", "[::1]:8443"),
        ("10.0.0.1:80", "10.0.0.1:80"),
    ),
)
def test_an_endpoint_is_a_host_and_a_port(written: str, endpoint: str) -> None:
    assert LOCKBOX.plan(view(apiEndpoint=written)).endpoint == endpoint


@pytest.mark.parametrize(
    "written", ("https://x", "x:0", "x:70000", "x:a", "u@x:443", "x/y:443", "x y", "-x", "[x]:1", "x?")
)
def test_what_is_no_host_and_port_makes_no_login(written: str) -> None:
    with pytest.raises(InvalidConfig, match="apiEndpoint is no host and port"):
        LOCKBOX.plan(view(apiEndpoint=written))


def test_fetching_belongs_to_reads_and_authorities_to_logins() -> None:
    one = LOCKBOX.plan(view())
    assert one.references == (("Secret", "", "login"),)
    assert LOCKBOX.plan(view(fetching={"byName": {"folderID": "f"}})) == one
    trusting = LOCKBOX.plan(view(caProvider={"certSecretRef": {"name": "ca", "key": "ca.crt"}}))
    assert trusting.login != one.login
    assert trusting.references == (("Secret", "", "login"), ("Secret", "", "ca"))
    assert LOCKBOX.plan(view(apiEndpoint="other:443")) != one


def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer() -> None:
    assert LOCKBOX.plan(view(kind="ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    assert LOCKBOX.plan(view(kind="ClusterSecretStore", auth={})).consumer is Consumer.NONE
    named = {"authorizedKeySecretRef": {"name": "n", "key": "k", "namespace": "other"}}
    assert LOCKBOX.plan(view(kind="ClusterSecretStore", auth=named)).consumer is Consumer.NONE


@pytest.mark.parametrize(
    ("address", "own"),
    (
        ("api.cloud.yandex.net:443", True),
        ("API.CLOUD.YANDEX.NET.:443", True),
        ("api.yandexcloud.kz:443", True),
        ("xcloud.yandex.net:443", False),
        ("api.cloud.yandex.net.evil.example:443", False),
        ("10.0.0.1:443", False),
    ),
)
def test_the_vendors_own_addresses(address: str, own: bool) -> None:
    assert is_own(address) is own
