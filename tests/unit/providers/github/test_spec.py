"""Which server is asked, whose secrets are written, what makes a login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota
from eso.providers.github.spec import SPEC, base, scope
from tests.unit.providers.github.conftest import view


def test_admission_checks_the_address_and_nothing_else() -> None:
    assert SPEC.check(view(appID=0, organization="", auth={})) == []
    for url in ("github.com", "https://me:planted@github.com", "https://h?x=1", "https://[::bad"):
        with pytest.raises(InvalidConfig, match="url is no address"):
            SPEC.check(view(url=url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://github.com", "https://api.github.com"),
        ("https://api.github.com/", "https://api.github.com"),
        ("https://github.example.com/", "https://github.example.com/api/v3"),
        ("https://github.example.com/api/v3/", "https://github.example.com/api/v3"),
        ("https://api.octocorp.ghe.com", "https://api.octocorp.ghe.com"),
        ("https://shop.api.example.com/", "https://shop.api.example.com"),
        ("http://github.com", "http://github.com/api/v3"),
        ("https://github.com.example.com", "https://github.com.example.com/api/v3"),
    ],
)
def test_the_address_is_githubs_own_or_that_of_an_enterprise_server(url: str, expected: str) -> None:
    assert base({"url": url}) == expected


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"repository": None}, "/orgs/shop/actions/secrets"),
        ({"repository": None, "environment": "prd"}, "/orgs/shop/actions/secrets"),
        ({}, "/repos/shop/api/actions/secrets"),
        ({"environment": "a/b c"}, "/repositories/7/environments/a%2Fb%20c/secrets"),
    ],
)
def test_a_store_writes_to_one_scope(block: dict[str, Any], path: str) -> None:
    assert scope(view(**block).provider_spec).path(7) == path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_leaves_its_place_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig):
        scope(view(organization=name).provider_spec).path(7)


def test_stores_of_other_repositories_share_one_login() -> None:
    one = SPEC.plan(view())
    assert one == SPEC.plan(view(organization="other", repository=None, orgSecretVisibility="all"))
    assert one != SPEC.plan(view(installationID=35))
    assert one != SPEC.plan(view(appID=13))
    assert one.references == (("Secret", "", "login"),)
    assert (one.consumer, one.quota, one.pace) == (Consumer.NONE, Quota.LOGIN, 1.3)


def test_a_cluster_store_that_names_no_namespace_logs_in_with_each_consumers_key() -> None:
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS


def test_the_status_says_what_the_reference_says() -> None:
    assert (SPEC.capability, SPEC.maintained) == ("WriteOnly", True)
