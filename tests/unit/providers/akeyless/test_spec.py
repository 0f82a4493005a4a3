"""What admission refuses, where a store calls, and what makes its login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.akeyless import spec
from eso.providers.akeyless.spec import SPEC
from eso.providers.contract import Consumer, InvalidConfig
from tests.unit.providers.akeyless.conftest import REFS, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
LOOSE = "cluster scope requires namespace"
KUBERNETES: dict[str, Any] = {"accessID": "p-1", "k8sConfName": "main"}


def refs(**changes: dict[str, Any]) -> dict[str, Any]:
    return {"secretRef": {name: ref | changes.get(name, {}) for name, ref in REFS["secretRef"].items()}}


def kubernetes(**changes: Any) -> dict[str, Any]:
    return {"kubernetesAuth": KUBERNETES | changes}


ELSEWHERE = {"name": "x", "namespace": "elsewhere"}


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        pytest.param({}, "missing akeyless accessID name", id="nothing"),
        pytest.param({"secretRef": {"accessType": {"name": "s"}}}, "missing akeyless accessID name", id="no access id"),
        pytest.param({"secretRef": {"accessID": {"name": "s"}}}, "missing akeyless accessID key", id="no key"),
        pytest.param(refs(accessID={"namespace": "elsewhere"}), FOREIGN, id="an access id elsewhere"),
        pytest.param(refs(accessType={"namespace": "elsewhere"}), FOREIGN, id="a type elsewhere"),
        pytest.param(refs(accessTypeParam={"namespace": "elsewhere"}), FOREIGN, id="a parameter elsewhere"),
        pytest.param(
            refs() | {"serviceAccountRef": ELSEWHERE}, f"invalid Auth.ServiceAccountRef: {FOREIGN}", id="an account"
        ),
        pytest.param(
            kubernetes(serviceAccountRef=ELSEWHERE),
            f"invalid Auth.Kubernetes.ServiceAccountRef: {FOREIGN}",
            id="an account of Kubernetes elsewhere",
        ),
        pytest.param(kubernetes(secretRef=ELSEWHERE), FOREIGN, id="a token elsewhere"),
        pytest.param(kubernetes(accessID=""), "missing kubernetes auth-method access-id", id="no id of the method"),
        pytest.param(kubernetes(k8sConfName=""), "missing kubernetes config name", id="no config"),
    ],
)
def test_admission_refuses(auth: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(akeylessGWApiURL="https://x", authSecretRef=auth))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("auth", "fault"),
    [
        pytest.param(refs(), LOOSE, id="an access id without a namespace"),
        pytest.param(kubernetes(secretRef={"name": "x"}), LOOSE, id="a token without a namespace"),
        pytest.param(kubernetes(serviceAccountRef={"name": "x"}), "", id="an account without one"),
        pytest.param(kubernetes(secretRef=ELSEWHERE), "", id="a token with one"),
    ],
)
def test_a_cluster_secret_store_names_the_namespaces_of_secrets(auth: dict[str, Any], fault: str) -> None:
    store = view("ClusterSecretStore", akeylessGWApiURL="", authSecretRef=auth)
    if fault:
        with pytest.raises(InvalidConfig) as refused:
            SPEC.check(store)
        assert str(refused.value) == fault
    else:
        assert SPEC.check(store) == []


def test_an_account_without_a_namespace_makes_a_login_of_each_consumer() -> None:
    for auth, loose in ((kubernetes(serviceAccountRef={"name": "x"}), True), (kubernetes(secretRef=ELSEWHERE), False)):
        store = view("ClusterSecretStore", akeylessGWApiURL="", authSecretRef=auth)
        assert SPEC.plan(store).consumer is (Consumer.CREDENTIALS if loose else Consumer.NONE)
        assert SPEC.plan(view(akeylessGWApiURL="", authSecretRef=auth)).consumer is Consumer.NONE


@pytest.mark.parametrize(
    "url",
    ["::", "https://", "gateway:8080", "ftp://gateway", "https://u:p@gateway", "https://gw?x", "https://gw#x"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    for call in (SPEC.check, SPEC.plan):
        with pytest.raises(InvalidConfig) as refused:
            call(view(akeylessGWApiURL=url, authSecretRef=REFS))
        assert str(refused.value) == "invalid akeyless GW API URL"


def test_the_plan_has_the_credentials_of_the_method_that_counts() -> None:
    plan = SPEC.plan(view(akeylessGWApiURL="", authSecretRef=refs() | kubernetes(serviceAccountRef={"name": "app"})))
    assert plan.endpoint == "https://api.akeyless.io"
    assert plan.references == (("ServiceAccount", "", "app"),)
    both = SPEC.plan(
        view(akeylessGWApiURL="https://gw:8080/", authSecretRef=refs() | {"serviceAccountRef": {"name": "a"}})
    )
    assert both.endpoint == "https://gw:8080"
    assert both.references == (("Secret", "", "login"), ("ServiceAccount", "", "a"))


def test_the_kinds_of_stores_share_no_login() -> None:
    block = {"akeylessGWApiURL": "", "authSecretRef": refs()}
    one, other = (SPEC.plan(view(kind, **block)).login for kind in ("SecretStore", "ClusterSecretStore"))
    assert one != other


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("", True),
        ("https://api.akeyless.io/v2", True),
        ("https://us.gateway.akeyless.io", True),
        ("http://api.akeyless.io", False),
        ("https://akeyless.io.evil.example.com", False),
        ("https://evilakeyless.io", False),
        ("https://gateway.example.com/akeyless.io", False),
    ],
)
def test_hosts_that_may_see_the_operators_own_identity(url: str, own: bool) -> None:
    assert spec.at_akeyless({"akeylessGWApiURL": url}) is own
