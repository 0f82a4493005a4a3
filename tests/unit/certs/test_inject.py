"""Which patch brings the CA and the Service's name into an object."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from eso.certs.inject import NoConversion, Service, into_configuration, into_crd

SERVICE, CA = Service("system", "hook"), b"the CA"
WANTED = base64.b64encode(CA).decode()
META = {"name": "x", "resourceVersion": "7"}


def crd(conversion: Any) -> dict[str, Any]:
    return {"metadata": META, "spec": {"conversion": conversion} if conversion is not None else {}}


def converting(**client: Any) -> dict[str, Any]:
    return crd({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client}})


def configuration(*hooks: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": META, "webhooks": list(hooks)}


def hook(name: str = "validate.x.external-secrets.io", bundle: str | None = None, **service: str) -> dict[str, Any]:
    at = {"name": "hook", "namespace": "system", "path": "/p"} | service
    return {"name": name, "clientConfig": {"service": at} | ({"caBundle": bundle} if bundle is not None else {})}


def test_the_service_is_reached_by_its_name_in_the_cluster():
    assert SERVICE.dns_name == "hook.system.svc"


def test_a_conversion_gets_service_and_ca_and_keeps_the_rest():
    found = into_crd(converting(service={"name": "old", "namespace": "old", "path": "/convert"}), SERVICE, CA)
    client = {"service": {"name": "hook", "namespace": "system"}, "caBundle": WANTED}
    assert found == {
        "metadata": {"resourceVersion": "7"},
        "spec": {"conversion": {"webhook": {"clientConfig": client}}},
    }


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(crd({"strategy": "None"}), id="the strategy None"),
        pytest.param(crd(None), id="nothing, which the API server reads as None"),
        pytest.param(
            converting(service={"name": "hook", "namespace": "system"}, caBundle=WANTED), id="what is there already"
        ),
    ],
)
def test_a_crd_that_needs_nothing_is_left_alone(given: dict[str, Any]):
    assert into_crd(given, SERVICE, CA) is None


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(crd({"strategy": "Webhook"}), id="no webhook"),
        pytest.param(converting(), id="no client"),
        pytest.param(converting(url="https://elsewhere"), id="a url"),
    ],
)
def test_a_conversion_without_a_service_is_an_error(given: dict[str, Any]):
    with pytest.raises(NoConversion, match="unexpected crd conversion webhook config"):
        into_crd(given, SERVICE, CA)


def test_entries_that_are_ours_get_service_and_ca():
    given = configuration(
        hook("validate.notexternal-secrets.io"), hook(name="validate.y.external-secrets.io", namespace="old")
    )
    assert into_configuration(given, SERVICE, CA) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/webhooks/1/clientConfig/service/namespace", "value": "system"},
        {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": WANTED},
    ]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(configuration(), id="no entries"),
        pytest.param({"metadata": META}, id="no list"),
        pytest.param(configuration(hook(bundle=WANTED)), id="all as it should be"),
        pytest.param(configuration(hook("theirs.example.com")), id="somebody else's"),
        pytest.param(
            configuration({"name": "validate.x.external-secrets.io", "clientConfig": {"url": "https://x"}}), id="a url"
        ),
    ],
)
def test_a_configuration_that_needs_nothing_is_left_alone(given: dict[str, Any]):
    assert into_configuration(given, SERVICE, CA) == []


def test_a_swapped_ca_is_put_right():
    given = configuration(hook(bundle=base64.b64encode(b"another").decode()))
    assert [one["path"] for one in into_configuration(given, SERVICE, CA)][1:] == ["/webhooks/0/clientConfig/caBundle"]
