"""What admission refuses, what makes a login, and where the services answer."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Retries
from eso.providers.oracle import realms
from eso.providers.oracle.spec import SPEC, Method, address, method
from tests.unit.providers.oracle.conftest import KEYS, PRINT, PRIVATE, view

WRONG = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
OTHER = {"namespace": "other"}


def keys(private: dict[str, Any] = PRIVATE, fingerprint: dict[str, Any] = PRINT) -> dict[str, Any]:
    return KEYS | {"secretRef": {"privatekey": private, "fingerprint": fingerprint}}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"vault": ""}, "vault cannot be empty"),
        ({"region": ""}, "region cannot be empty"),
        ({"region": "eu/.."}, "region is no region of Oracle Cloud"),
        ({"region": "evil.example.org#"}, "region is no region of Oracle Cloud"),
        ({"auth": KEYS | {"user": ""}}, "user cannot be empty"),
        ({"auth": KEYS | {"tenancy": ""}}, "tenant cannot be empty"),
        ({"auth": keys({"key": "k"})}, "privateKey.name cannot be empty"),
        ({"auth": keys({"name": "n"})}, "privateKey.key cannot be empty"),
        ({"auth": keys(PRIVATE | OTHER)}, WRONG),
        ({"auth": keys(fingerprint={"key": "k"})}, "fingerprint.name cannot be empty"),
        ({"auth": keys(fingerprint={"name": "n"})}, "fingerprint.key cannot be empty"),
        ({"auth": keys(fingerprint=PRINT | OTHER)}, WRONG),
        ({"principalType": "Workload", "serviceAccountRef": {"name": "a"} | OTHER}, WRONG),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


@pytest.mark.parametrize("interval", ("soon", "5"))
def test_an_interval_that_is_none_is_refused(interval: str) -> None:
    with pytest.raises(InvalidConfig):
        SPEC.check(view(retries={"retryInterval": interval}))


def test_retries_are_those_of_the_store() -> None:
    assert SPEC.plan(view()).retries == Retries()
    assert SPEC.plan(view(retries={"maxRetries": 4, "retryInterval": "3s"})).retries == Retries(4, 3.0)


@pytest.mark.parametrize(
    ("block", "expected"),
    (
        ({}, Method.INSTANCE),
        ({"auth": KEYS}, Method.USER),
        ({"auth": KEYS, "principalType": ""}, Method.USER),
        ({"auth": KEYS, "principalType": "UserPrincipal"}, Method.USER),
        ({"principalType": "UserPrincipal"}, Method.INSTANCE),
        ({"auth": KEYS, "principalType": "InstancePrincipal"}, Method.INSTANCE),
        ({"auth": KEYS, "principalType": "Workload"}, Method.WORKLOAD),
    ),
)
def test_how_a_store_logs_in(block: dict[str, Any], expected: Method) -> None:
    assert SPEC.check(view(**block)) == []
    assert method(view(**block).provider_spec) is expected


def test_a_login_is_a_principal_in_a_region() -> None:
    one = SPEC.plan(view(auth=KEYS))
    assert one.endpoint == "https://secrets.vaults.eu-frankfurt-1.oci.oraclecloud.com"
    assert one.references == (("Secret", "", "login"),)
    assert SPEC.plan(view(auth=KEYS, vault="other", compartment="", encryptionKey="k", region="fra")) == one
    different = (
        {"auth": KEYS, "region": "us-ashburn-1"},
        {"auth": KEYS | {"user": "u"}},
        {"auth": KEYS, "principalType": "InstancePrincipal"},
        {"principalType": "Workload"},
        {"principalType": "Workload", "serviceAccountRef": {"name": "a"}},
    )
    plans = [SPEC.plan(view(**block)) for block in different]
    assert all(plan != one for plan in plans)
    assert len({repr(plan) for plan in plans}) == len(plans)
    assert plans[-1].references == (("ServiceAccount", "", "a"),)


def test_a_credential_without_a_namespace_is_that_of_each_consumer() -> None:
    account = {"principalType": "Workload", "serviceAccountRef": {"name": "a"}}
    there = {"namespace": "ops"}
    for block, expected in (
        ({"auth": KEYS}, Consumer.CREDENTIALS),
        ({"auth": keys(PRIVATE | there)}, Consumer.CREDENTIALS),
        ({"auth": keys(PRIVATE | there, PRINT | there)}, Consumer.NONE),
        (account, Consumer.CREDENTIALS),
        (account | {"serviceAccountRef": {"name": "a"} | there}, Consumer.NONE),
        ({"principalType": "Workload"}, Consumer.NONE),
        ({}, Consumer.NONE),
    ):
        assert SPEC.check(view("ClusterSecretStore", **block)) == []
        assert SPEC.plan(view("ClusterSecretStore", **block)).consumer is expected


@pytest.mark.parametrize(
    ("region", "expected"),
    (
        ("eu-frankfurt-1", "https://kms.eu-frankfurt-1.oraclecloud.com"),
        ("us-luke-1", "https://kms.us-luke-1.oraclegovcloud.com"),
        ("us-gov-ashburn-1", "https://kms.us-gov-ashburn-1.oraclegovcloud.com"),
        ("uk-gov-cardiff-1", "https://kms.uk-gov-cardiff-1.oraclegovcloud.uk"),
        ("eu-madrid-2", "https://kms.eu-madrid-2.oraclecloud.eu"),
        ("eu-dcc-rating-2", "https://kms.eu-dcc-rating-2.oraclecloud14.com"),
        ("ap-suwon-1", "https://kms.ap-suwon-1.oraclecloud35.com"),
        ("xx-new-1", "https://kms.xx-new-1.oraclecloud.com"),
    ),
)
def test_a_region_answers_in_its_realm(region: str, expected: str) -> None:
    assert address(region, "kms.") == expected


def test_no_region_is_in_two_realms() -> None:
    listed = [region for regions in realms.DOMAINS.values() for region in regions]
    assert len(listed) == len(set(listed)) == 39
    assert all(realms.region_of(region) == region for region in listed)
