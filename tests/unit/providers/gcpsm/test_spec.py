"""What admission refuses, where a store calls, and what makes its login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig, Quota
from eso.providers.gcpsm.spec import SPEC, Method, method, project, referent
from tests.unit.providers.gcpsm.conftest import view


def key(**selector: str) -> dict[str, Any]:
    return {"secretRef": {"secretAccessKeySecretRef": {"name": "login", "key": "key.json", **selector}}}


def cluster(**selector: str) -> dict[str, Any]:
    return {"workloadIdentity": {"serviceAccountRef": {"name": "app", **selector}}}


def federated(**members: Any) -> dict[str, Any]:
    return {"workloadIdentityFederation": members}


FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        pytest.param(
            key(namespace="elsewhere"), f"invalid auth secret data: {FOREIGN}", id="a key of another namespace"
        ),
        pytest.param(
            cluster(namespace="elsewhere"),
            f"invalid workload identity service account reference: {FOREIGN}",
            id="an account of another namespace",
        ),
    ],
)
def test_a_secret_store_may_not_name_another_namespace(auth: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(auth=auth))
    assert str(refused.value) == text
    assert SPEC.check(view("ClusterSecretStore", auth=auth)) == []


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param({}, id="the operator's own identity"),
        pytest.param(key(), id="a key without a namespace"),
        pytest.param(key(namespace="team-a"), id="a key of its own namespace"),
        pytest.param(federated(serviceAccountRef={"name": "x", "namespace": "y"}), id="federation is checked later"),
    ],
)
def test_admission_accepts(auth: dict[str, Any]) -> None:
    assert SPEC.check(view(auth=auth)) == []


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        pytest.param({**key(), **cluster(), **federated()}, Method.KEY, id="a key wins"),
        pytest.param({**cluster(), **federated()}, Method.WORKLOAD_IDENTITY, id="then the cluster's identity"),
        pytest.param(federated(), Method.FEDERATION, id="then federation, be it empty"),
        pytest.param({}, Method.AMBIENT, id="then the operator's own"),
    ],
)
def test_the_first_method_counts(auth: dict[str, Any], found: Method) -> None:
    assert method({"auth": auth}) is found


@pytest.mark.parametrize(
    ("auth", "consumer", "is_referent"),
    [
        pytest.param(key(), Consumer.CREDENTIALS, True, id="a key without a namespace"),
        pytest.param(key(namespace="infra"), Consumer.NONE, False, id="a key with one"),
        pytest.param(cluster(), Consumer.CREDENTIALS, True, id="an account without a namespace"),
        pytest.param(
            federated(serviceAccountRef={"name": "app"}),
            Consumer.CREDENTIALS,
            False,
            id="federation without a namespace is no referent store, but no two namespaces share its login",
        ),
        pytest.param({}, Consumer.NONE, False, id="the operator's own identity"),
    ],
)
def test_a_login_depends_on_the_consumer_where_its_credential_does(
    auth: dict[str, Any], consumer: Consumer, is_referent: bool
) -> None:
    store = view("ClusterSecretStore", auth=auth)
    assert SPEC.plan(store).consumer is consumer
    assert referent(store) is is_referent
    assert SPEC.plan(view(auth=auth)).consumer is Consumer.NONE


def test_everything_behind_the_login_is_a_reference() -> None:
    federation = federated(
        credConfig={"name": "config", "key": "json"},
        serviceAccountRef={"name": "fed"},
        awsSecurityCredentials={
            "region": "eu-west-1",
            "awsCredentialsSecretRef": {"name": "aws", "namespace": "infra"},
        },
    )
    assert SPEC.plan(view("ClusterSecretStore", auth=key() | cluster(namespace="infra"))).references == (
        ("Secret", "", "login"),
        ("ServiceAccount", "infra", "app"),
    )
    assert SPEC.plan(view("ClusterSecretStore", auth=federation)).references == (
        ("ConfigMap", "", "config"),
        ("ServiceAccount", "", "fed"),
        ("Secret", "infra", "aws"),
    )


def test_a_federation_that_does_not_count_makes_no_login_depend_on_the_consumer() -> None:
    auth = key(namespace="infra") | federated(serviceAccountRef={"name": "fed"})
    plan = SPEC.plan(view("ClusterSecretStore", projectID="p", auth=auth))
    assert (plan.consumer, plan.references) == (Consumer.NONE, (("Secret", "infra", "login"),))


def test_a_location_has_a_server_of_its_own() -> None:
    assert SPEC.plan(view(projectID="p")).endpoint == "secretmanager.googleapis.com"
    assert SPEC.plan(view(projectID="p", location="europe-west3")).endpoint == (
        "secretmanager.europe-west3.rep.googleapis.com"
    )


@pytest.mark.parametrize("location", ["evil.example/", "a@evil.example", "x#", "..", "Europe", "a b", "1x", "x" * 64])
def test_a_location_cannot_choose_the_server(location: str) -> None:
    with pytest.raises(InvalidConfig, match="location is not the name of a location"):
        SPEC.plan(view(projectID="p", location=location))


def test_projects_are_logins_of_their_own_for_quotas_count_by_project() -> None:
    one, other = SPEC.plan(view(projectID="p", auth=key())), SPEC.plan(view(projectID="q", auth=key()))
    again = SPEC.plan(view(projectID="p", auth=key(), secretVersionSelectionPolicy="LatestOrFetch"))
    assert one.login != other.login
    assert one.login == again.login
    assert (one.quota, one.pace) == (Quota.LOGIN, 1500.0)


@pytest.mark.parametrize(
    ("block", "found"),
    [
        pytest.param({"projectID": "p", "auth": cluster()}, "p", id="the store's"),
        pytest.param(
            {"projectID": "p", "auth": {"workloadIdentity": {"clusterProjectID": "c"}}},
            "p",
            id="the secrets' before the cluster's",
        ),
        pytest.param({"auth": {"workloadIdentity": {"clusterProjectID": "c"}}}, "c", id="the cluster's without one"),
        pytest.param({}, "", id="the machine's where neither is given"),
    ],
)
def test_the_project_of_the_secrets(block: dict[str, Any], found: str) -> None:
    assert project(block) == found


def test_a_key_needs_a_project() -> None:
    with pytest.raises(InvalidConfig) as refused:
        project({"auth": key()})
    assert str(refused.value) == "unable to find ProjectID in storeSpec"
