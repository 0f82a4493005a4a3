"""The rules of an `aws` store: what admission says, what makes a login, how often a read is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.providers.aws.spec import SPEC
from eso.providers.contract import Consumer, InvalidConfig, Quota, Retries, StoreView
from eso.providers.kit.retries import NO_LIMIT
from tests.fakes.awslogin import ACCOUNT, STATIC, view

ELSEWHERE = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def keys(**selectors: dict[str, str]) -> dict[str, Any]:
    named = {"accessKeyIDSecretRef": {"name": "s", "key": "k"}, "secretAccessKeySecretRef": {"name": "s", "key": "k"}}
    return {"secretRef": named | selectors}


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(view(auth=None), id="no credentials"),
        pytest.param(view(region="nowhere-1"), id="a region that nobody has heard of"),
        pytest.param(view(region=""), id="the region of the operator"),
        pytest.param(view("ClusterSecretStore", auth=ACCOUNT), id="an account of each consumer"),
        pytest.param(view(auth={"secretRef": {"accessKeyIDSecretRef": {"name": "s", "key": "k"}}}), id="half the keys"),
        pytest.param(view(auth=ACCOUNT | STATIC), id="an account and keys"),
        pytest.param(view(service="ParameterStore", prefix="/x/"), id="Parameter Store with a prefix"),
        pytest.param(view(sessionTags=[{"key": "a", "value": "b"}], transitiveTagKeys=["c"]), id="tags without a role"),
        pytest.param(view(secretsManager={"recoveryWindowInDays": 7}), id="the shortest recovery window"),
        pytest.param(view(auth={"jwt": {}}), id="jwt without an account, which the plan refuses"),
    ],
)
def test_admission_accepts(store: StoreView) -> None:
    assert SPEC.check(store) == []


@pytest.mark.parametrize(
    ("store", "message"),
    [
        pytest.param(view(service="Nope"), "unknown AWS Provider Service: Nope", id="service"),
        pytest.param(view(region="eu central"), "region not found: eu central", id="region with a blank"),
        pytest.param(view(region="x@evil.example/"), "region not found: x@evil.example/", id="region that is a host"),
        pytest.param(view(region="a.b"), "region not found: a.b", id="region with a dot"),
        pytest.param(view(region="eu-\n"), "region not found: eu-\n", id="region with a line break"),
        pytest.param(
            view(secretsManager={"recoveryWindowInDays": 5}),
            "invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days",
            id="recovery window",
        ),
        pytest.param(
            view(secretsManager={"recoveryWindowInDays": 10, "forceDeleteWithoutRecovery": True}),
            "invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays",
            id="recovery window and force",
        ),
        pytest.param(
            view(auth=keys(accessKeyIDSecretRef={"name": "s", "key": "k", "namespace": "elsewhere"})),
            f"invalid Auth.SecretRef.AccessKeyID: {ELSEWHERE}",
            id="access key of another namespace",
        ),
        pytest.param(
            view(auth=keys(secretAccessKeySecretRef={"name": "s", "key": "k", "namespace": "elsewhere"})),
            f"invalid Auth.SecretRef.SecretAccessKey: {ELSEWHERE}",
            id="secret key of another namespace",
        ),
        pytest.param(
            view(auth=keys(sessionTokenSecretRef={"name": "s", "key": "k", "namespace": "elsewhere"})),
            f"invalid Auth.SecretRef.SessionToken: {ELSEWHERE}",
            id="session token of another namespace",
        ),
        pytest.param(
            view(auth={"jwt": {"serviceAccountRef": {"name": "x", "namespace": "elsewhere"}}}),
            f"invalid Auth.JWT.ServiceAccountRef: {ELSEWHERE}",
            id="account of another namespace",
        ),
    ],
)
def test_admission_refuses(store: StoreView, message: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(store)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("service", "endpoint", "pace"),
    [
        ("SecretsManager", "secretsmanager.eu-central-1", 100.0),
        ("ParameterStore", "ssm.eu-central-1", 40.0),
        ("CertificateManager", "acm.eu-central-1", 5.0),
    ],
)
def test_each_service_has_its_endpoint_and_the_pace_of_its_quota(service: str, endpoint: str, pace: float) -> None:
    plan = SPEC.plan(view(service=service))
    assert (plan.endpoint, plan.pace, plan.quota) == (endpoint, pace, Quota.LOGIN)


def test_an_account_wins_over_keys_and_each_secret_is_named_once() -> None:
    assert SPEC.plan(view(auth=ACCOUNT | STATIC)).references == (("ServiceAccount", "", "app"),)
    assert SPEC.plan(view()).references == (("Secret", "", "keys"),)
    assert SPEC.plan(view(auth=None)).references == ()


def test_jwt_without_an_account_is_refused_where_the_reference_crashes() -> None:
    with pytest.raises(InvalidConfig, match=r"unable to create session: auth\.jwt has no serviceAccountRef"):
        SPEC.plan(view(auth={"jwt": {}}))


@pytest.mark.parametrize(
    ("store", "consumer"),
    [
        pytest.param(view(), Consumer.NONE, id="a SecretStore"),
        pytest.param(view("ClusterSecretStore", auth=None), Consumer.NONE, id="the operator's own identity"),
        pytest.param(view("ClusterSecretStore"), Consumer.CREDENTIALS, id="keys of each consumer"),
        pytest.param(view("ClusterSecretStore", auth=ACCOUNT), Consumer.CREDENTIALS, id="an account of each consumer"),
        pytest.param(
            view("ClusterSecretStore", auth={"jwt": {"serviceAccountRef": {"name": "a", "namespace": "n"}}}),
            Consumer.NONE,
            id="an account with a namespace",
        ),
        pytest.param(
            view(auth=None, role="r", sessionTagsPolicy="Simple"), Consumer.IDENTITY, id="tags name the consumer"
        ),
        pytest.param(view(auth=None, sessionTagsPolicy="Simple"), Consumer.NONE, id="tags without a role are not sent"),
        pytest.param(view(auth=None, role="r", sessionTagsPolicy="None"), Consumer.NONE, id="no tags of the store"),
    ],
)
def test_how_the_consumer_enters_the_login(store: StoreView, consumer: Consumer) -> None:
    assert SPEC.plan(store).consumer is consumer


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param(view(prefix="a"), view(prefix="b"), True, id="prefixes"),
        pytest.param(view(), view(secretsManager={"recoveryWindowInDays": 7}), True, id="how secrets are deleted"),
        pytest.param(view(role="a"), view(role="b"), False, id="roles"),
        pytest.param(view(role="a"), view(role="a", externalID="x"), False, id="external ids"),
        pytest.param(view(), view(externalID="x"), True, id="an external id without a role"),
        pytest.param(view(role="a"), view(role="a", additionalRoles=["b"]), False, id="role chains"),
        pytest.param(
            view(role="a"), view(role="a", sessionTags=[{"key": "k", "value": "v"}]), False, id="session tags"
        ),
    ],
)
def test_what_makes_another_login(first: StoreView, second: StoreView, same: bool) -> None:
    assert (SPEC.plan(first).login == SPEC.plan(second).login) is same


def test_tags_of_the_store_make_a_login_for_each_store() -> None:
    tagged = view(role="a", sessionTagsPolicy="Custom", customSessionTags={"team": "x"})
    assert SPEC.plan(tagged).login != SPEC.plan(replace(tagged, name="other")).login
    assert SPEC.plan(view(role="a")).login == SPEC.plan(replace(view(role="a"), name="other")).login


@pytest.mark.parametrize(
    ("settings", "retries"),
    [
        pytest.param(None, Retries(2, 1.0), id="three attempts, as the SDK makes them"),
        pytest.param({}, Retries(2, 1.0), id="empty settings"),
        pytest.param({"maxRetries": 5}, Retries(4, 1.0), id="maxRetries counts all attempts"),
        pytest.param({"maxRetries": 1}, Retries(0, 1.0), id="one attempt"),
        pytest.param({"maxRetries": 0}, Retries(NO_LIMIT, 1.0), id="without end, which stores bound"),
        pytest.param({"retryInterval": "3s"}, Retries(2, 3.0), id="a constant delay"),
        pytest.param({"retryInterval": "-3s"}, Retries(2, 0.0), id="a delay that is none"),
    ],
)
def test_retry_settings(settings: dict[str, Any] | None, retries: Retries) -> None:
    assert SPEC.plan(replace(view(), retry_settings=settings)).retries == retries


def test_a_bad_duration_is_told() -> None:
    with pytest.raises(InvalidConfig, match='unable to initialize aws provider: time: invalid duration "soon"'):
        SPEC.plan(replace(view(), retry_settings={"retryInterval": "soon"}))
