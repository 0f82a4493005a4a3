"""What admission refuses, what makes a login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig
from eso.providers.nebius.spec import SPEC
from tests.unit.providers.nebius.conftest import KEY, TOKEN, view

DOMAIN = "API domain is not valid: "


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"apiDomain": ""}, "API domain must be set"),
        ({"apiDomain": "  "}, "API domain must be set"),
        ({"apiDomain": "https://api.nebius.cloud"}, f"{DOMAIN}a scheme is not allowed"),
        ({"apiDomain": "api.nebius.cloud:0"}, f"{DOMAIN}the port is no number from 1 to 65535"),
        ({"apiDomain": "api.nebius.cloud:"}, f"{DOMAIN}the port is no number from 1 to 65535"),
        ({"apiDomain": "api.nebius.cloud:1:2"}, f"{DOMAIN}the port is no number from 1 to 65535"),
        ({"apiDomain": "localhost"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "api.nebius.cloud."}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "api..cloud"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "-api.cloud"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "10.0.0.1"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "user@api.cloud"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "api.cloud/x"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "a" * 64 + ".cloud"}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": ".".join(["abcdefgh"] * 30)}, f"{DOMAIN}it is no name of the DNS"),
        ({"apiDomain": "ü" * 70 + ".cloud"}, f"{DOMAIN}it is no name of the DNS"),
        ({"auth": {}}, "invalid auth configuration: none provided"),
        ({"auth": KEY | TOKEN}, "invalid auth configuration: exactly one must be specified"),
        ({"auth": {"tokenSecretRef": {"name": "n"}}}, "invalid token auth configuration: no secret key specified"),
        (
            {"auth": {"serviceAccountCredsSecretRef": {"name": "n"}}},
            "invalid ServiceAccount creds auth configuration: no secret key specified",
        ),
        ({"caProvider": {"certSecretRef": {"name": "n"}}}, "invalid caProvider configuration: no secret name or key"),
        ({"caProvider": {"certSecretRef": {"key": "k"}}}, "invalid caProvider configuration: no secret name or key"),
        (
            {"auth": {"tokenSecretRef": {"name": "n", "key": "k", "namespace": "other"}}},
            "namespace should either be empty or match",
        ),
        (
            {"caProvider": {"certSecretRef": {"name": "n", "key": "k", "namespace": "other"}}},
            "namespace should either be empty or match",
        ),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_a_cluster_store_has_to_name_the_namespace() -> None:
    with pytest.raises(InvalidConfig, match="cluster scope requires namespace"):
        SPEC.check(view("ClusterSecretStore"))
    named = {"tokenSecretRef": {"name": "n", "key": "k", "namespace": "other"}}
    assert SPEC.check(view("ClusterSecretStore", auth=named)) == []
    assert SPEC.plan(view("ClusterSecretStore", auth=named)).consumer is Consumer.NONE


@pytest.mark.parametrize(
    ("domain", "endpoint"),
    (
        ("api.nebius.cloud:443", "dpl.mysterybox.api.nebius.cloud:443"),
        ("API.Nebius.cloud", "dpl.mysterybox.api.nebius.cloud:443"),
        ("api.private.example:8443", "dpl.mysterybox.api.private.example:8443"),
        ("bücher.example", "dpl.mysterybox.xn--bcher-kva.example:443"),
    ),
)
def test_the_service_stands_below_the_domain(domain: str, endpoint: str) -> None:
    assert SPEC.check(view(apiDomain=domain)) == []
    assert SPEC.plan(view(apiDomain=domain)).endpoint == endpoint


def test_credentials_and_authorities_make_the_login() -> None:
    one = SPEC.plan(view())
    assert one.references == (("Secret", "", "login"),)
    assert SPEC.plan(view(auth=TOKEN)) != one
    trusting = SPEC.plan(view(caProvider={"certSecretRef": {"name": "ca", "key": "k"}}))
    assert trusting != one
    assert trusting.references == (("Secret", "", "login"), ("Secret", "", "ca"))
