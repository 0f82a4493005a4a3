"""The blocks of queues: what is refused, in words that name the member and say what to write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eso.notify import queuespec
from eso.notify.queues import PUBSUB, QUEUES, SERVICEBUS, SQS
from eso.notify.queuespec import BusQueue, SqsQueue
from eso.providers.contract import InvalidConfig

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/changes"
KEYS = {"accessKeyIDSecretRef": {"name": "k", "key": "id"}, "secretAccessKeySecretRef": {"name": "k", "key": "s"}}
ACCOUNT = {"serviceAccountRef": {"name": "app"}}
SQS_BLOCK = {"queueURL": URL, "region": "eu-central-1"}
PUBSUB_BLOCK = {"subscription": "projects/shop/subscriptions/eso"}
REFS = {"clientId": {"name": "k", "key": "id"}, "clientSecret": {"name": "k", "key": "s"}}
BUS_BLOCK = {"host": "shop.servicebus.windows.net", "queue": "changes", "tenantId": "t", "authSecretRef": REFS}
SAS = {"keyName": "eso", "secretRef": {"name": "k", "key": "sas"}}
SAS_BLOCK = {"host": "shop.servicebus.windows.net", "queue": "changes", "sas": SAS}


def changed(block: dict[str, Any], **members: Any) -> dict[str, Any]:
    """None leaves a member out."""
    return {name: value for name, value in (block | members).items() if value is not None}


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (URL, "eu-central-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/changes", "cn-north-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/changes.fifo", "us-gov-west-1"),
        ("https://sqs.eu-west-1.api.aws/123456789012/a_B-9", "eu-west-1"),
        ("https://sqs-fips.us-east-1.amazonaws.com/123456789012/q", "us-east-1"),
        ("https://us-east-1.queue.amazonaws.com/123456789012/q", "us-east-1"),
    ],
)
def test_the_region_of_a_queue_stands_in_its_url(url: str, region: str):
    assert queuespec.sqs({"queueURL": url, "region": region}) == SqsQueue(url, region)
    assert queuespec.sqs({"queueURL": url}).region == region
    assert SQS.endpoint({"queueURL": url}) == f"sqs.{region}"


NO_ADDRESS = "sqs.queueURL is no https address of Amazon SQS"
NO_QUEUE = "sqs.queueURL names no queue: after the host stand the account's number and the queue's name"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"queueURL": None}, NO_ADDRESS),
        ({"queueURL": ""}, NO_ADDRESS),
        ({"queueURL": URL.replace("https", "http")}, NO_ADDRESS),
        ({"queueURL": "https://169.254.169.254/123456789012/changes"}, NO_ADDRESS),
        ({"queueURL": "https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/changes"}, NO_ADDRESS),
        ({"queueURL": "https://evil.example#.sqs.eu-central-1.amazonaws.com/123456789012/changes"}, NO_ADDRESS),
        ({"queueURL": "https://user@sqs.eu-central-1.amazonaws.com/123456789012/changes"}, NO_ADDRESS),
        ({"queueURL": "https://sqs.eu-central-1.amazonaws.com:8443/123456789012/changes"}, NO_ADDRESS),
        ({"queueURL": f"{URL}\n"}, NO_ADDRESS),
        ({"queueURL": "https://sqs.eu-central-1.amazonaws.com"}, NO_QUEUE),
        ({"queueURL": f"{URL}?Action=DeleteQueue"}, NO_QUEUE),
        ({"queueURL": "https://sqs.eu-central-1.amazonaws.com/12/changes"}, NO_QUEUE),
        ({"queueURL": f"{URL}/../other"}, NO_QUEUE),
        (
            {"queueURL": URL.replace("eu-central-1", "eu-centrall"), "region": None},
            'sqs.queueURL: "eu-centrall" is no region of AWS',
        ),
        ({"region": "Frankfurt"}, 'sqs.region: "Frankfurt" is no region of AWS'),
        ({"region": "eu-west-1"}, "sqs.region is eu-west-1, but the queue of sqs.queueURL is in eu-central-1"),
        ({"auth": {"secretRef": KEYS, "jwt": ACCOUNT}}, "sqs.auth has both secretRef and jwt"),
        ({"auth": {"secretRef": {}}}, "sqs.auth.secretRef has no accessKeyIDSecretRef"),
        (
            {"auth": {"secretRef": {"accessKeyIDSecretRef": KEYS["accessKeyIDSecretRef"]}}},
            "sqs.auth.secretRef has no secretAccessKeySecretRef",
        ),
        ({"auth": {"jwt": {}}}, "sqs.auth.jwt has no serviceAccountRef"),
        ({"role": "changes"}, "sqs.role is no ARN of a role"),
        ({"externalID": "x"}, "sqs.externalID is there without a role"),
        (
            {"auth": {"jwt": {"serviceAccountRef": {"name": "app", "namespace": "other"}}}},
            "sqs.auth.jwt.serviceAccountRef names a namespace: credentials of a ChangeSource lie in its own one",
        ),
    ],
)
def test_a_block_of_sqs_is_refused(members: dict[str, Any], text: str):
    with pytest.raises(InvalidConfig) as caught:
        queuespec.sqs(changed(SQS_BLOCK, **members))
    assert str(caught.value) == text
    assert caught.value.fix


def test_a_whole_block_of_sqs_is_taken():
    role = {"role": "arn:aws:iam::123456789012:role/team/changes", "externalID": "x"}
    assert queuespec.sqs(SQS_BLOCK | role | {"auth": {"secretRef": KEYS}}) == SqsQueue(URL, "eu-central-1")


NO_NAME = "pubsub.subscription is no name of a subscription"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"subscription": None}, NO_NAME),
        ({"subscription": "eso"}, NO_NAME),
        ({"subscription": "projects/shop/topics/eso"}, NO_NAME),
        ({"subscription": "projects/shop/subscriptions/google-internal"}, NO_NAME),
        ({"subscription": "projects/shop/subscriptions/a/b"}, NO_NAME),
        ({"subscription": "projects/../subscriptions/abc"}, NO_NAME),
        ({"subscription": "projects/shop/subscriptions/eso:pull?x="}, NO_NAME),
        ({"auth": {"secretRef": {}, "workloadIdentity": {}}}, "pubsub.auth has both secretRef and workloadIdentity"),
        ({"auth": {"secretRef": {}}}, "pubsub.auth.secretRef has no secretAccessKeySecretRef"),
        ({"auth": {"workloadIdentity": {}}}, "pubsub.auth.workloadIdentity has no serviceAccountRef"),
        (
            {"auth": {"workloadIdentityFederation": {"credConfig": {"name": "c", "namespace": "other"}}}},
            "pubsub.auth.workloadIdentityFederation.credConfig names a namespace: "
            "credentials of a ChangeSource lie in its own one",
        ),
    ],
)
def test_a_block_of_pubsub_is_refused(members: dict[str, Any], text: str):
    with pytest.raises(InvalidConfig) as caught:
        queuespec.pubsub(changed(PUBSUB_BLOCK, **members))
    assert str(caught.value) == text
    assert caught.value.fix


def test_a_whole_block_of_pubsub_is_taken():
    for name in ("projects/shop/subscriptions/eso", "projects/example.com:shop/subscriptions/a.b_c~d+e%f-9"):
        assert queuespec.pubsub({"subscription": name}) == name
        assert PUBSUB.endpoint({"subscription": name}) == "pubsub.googleapis.com"


NO_HOST = "servicebus.host is no name of a host"


@pytest.mark.parametrize(
    ("block", "members", "text"),
    [
        (BUS_BLOCK, {"host": None}, NO_HOST),
        (BUS_BLOCK, {"host": "https://shop.servicebus.windows.net"}, NO_HOST),
        (BUS_BLOCK, {"host": "shop.servicebus.windows.net:443"}, NO_HOST),
        (BUS_BLOCK, {"host": "evil.example/.servicebus.windows.net"}, NO_HOST),
        (BUS_BLOCK, {"host": "localhost"}, NO_HOST),
        (BUS_BLOCK, {"host": f"{'a' * 64}.servicebus.windows.net"}, NO_HOST),
        (BUS_BLOCK, {"environmentType": "Mars"}, 'servicebus.environmentType: "Mars" is no cloud'),
        (BUS_BLOCK, {"queue": None}, "servicebus has neither queue nor topic"),
        (BUS_BLOCK, {"topic": "t", "subscription": "s"}, "servicebus has both queue and topic"),
        (
            BUS_BLOCK,
            {"queue": None, "topic": "t"},
            "servicebus.topic and servicebus.subscription go together",
        ),
        (BUS_BLOCK, {"queue": "../other"}, "servicebus.queue is no name of a queue"),
        (BUS_BLOCK, {"queue": "a/../b"}, "servicebus.queue is no name of a queue"),
        (BUS_BLOCK, {"queue": "a?b"}, "servicebus.queue is no name of a queue"),
        (BUS_BLOCK, {"queue": None, "topic": "t//u", "subscription": "s"}, "servicebus.topic is no name of a topic"),
        (
            BUS_BLOCK,
            {"queue": None, "topic": "t", "subscription": "a/b"},
            "servicebus.subscription is no name of a subscription",
        ),
        (BUS_BLOCK, {"sas": SAS}, "servicebus has both sas and authSecretRef"),
        (SAS_BLOCK, {"authType": "ManagedIdentity"}, "servicebus has both sas and authType"),
        (SAS_BLOCK, {"sas": {"keyName": "eso"}}, "servicebus.sas needs keyName and secretRef"),
        (BUS_BLOCK, {"tenantId": None}, "servicebus.tenantId is missing"),
        (BUS_BLOCK, {"authSecretRef": None}, "servicebus.authSecretRef has no clientId"),
        (
            BUS_BLOCK,
            {"authSecretRef": {"clientId": REFS["clientId"]}},
            "servicebus.authSecretRef has neither of clientSecret and clientCertificate",
        ),
        (
            BUS_BLOCK,
            {"authSecretRef": REFS | {"clientCertificate": {"name": "k", "key": "pem"}}},
            "servicebus.authSecretRef has both of clientSecret and clientCertificate",
        ),
        (BUS_BLOCK, {"authType": "Password"}, 'servicebus.authType: "Password" is not known'),
        (
            BUS_BLOCK,
            {"authType": "ManagedIdentity"},
            "servicebus.authSecretRef is not for authType ManagedIdentity",
        ),
        (
            BUS_BLOCK,
            {"serviceAccountRef": {"name": "app"}},
            "servicebus.serviceAccountRef is not for authType ServicePrincipal",
        ),
        (
            SAS_BLOCK,
            {"sas": SAS | {"secretRef": {"name": "k", "key": "s", "namespace": "other"}}},
            "servicebus.sas.secretRef names a namespace: credentials of a ChangeSource lie in its own one",
        ),
    ],
)
def test_a_block_of_servicebus_is_refused(block: dict[str, Any], members: dict[str, Any], text: str):
    with pytest.raises(InvalidConfig) as caught:
        queuespec.servicebus(changed(block, **members))
    assert str(caught.value) == text
    assert caught.value.fix


@pytest.mark.parametrize(
    ("members", "queue"),
    [
        ({}, BusQueue("shop.servicebus.windows.net", "changes", own_host=True)),
        ({"queue": "team/changes.v1"}, BusQueue("shop.servicebus.windows.net", "team/changes.v1", own_host=True)),
        (
            {"queue": None, "topic": "t", "subscription": "s"},
            BusQueue("shop.servicebus.windows.net", "t/subscriptions/s", own_host=True),
        ),
        ({"host": "bus.example.com"}, BusQueue("bus.example.com", "changes", own_host=False)),
        ({"host": "servicebus.windows.net"}, BusQueue("servicebus.windows.net", "changes", own_host=False)),
        (
            {"host": "evilservicebus.windows.net"},
            BusQueue("evilservicebus.windows.net", "changes", own_host=False),
        ),
        ({"environmentType": "ChinaCloud"}, BusQueue("shop.servicebus.windows.net", "changes", own_host=False)),
        (
            {"environmentType": "ChinaCloud", "host": "shop.servicebus.chinacloudapi.cn"},
            BusQueue("shop.servicebus.chinacloudapi.cn", "changes", own_host=True),
        ),
    ],
)
def test_a_host_is_the_clouds_own_by_its_end(members: dict[str, Any], queue: BusQueue):
    assert queuespec.servicebus(changed(BUS_BLOCK, **members)) == queue
    assert SERVICEBUS.endpoint(changed(BUS_BLOCK, **members)) == queue.host


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*SQS_BLOCK, *PUBSUB_BLOCK, *BUS_BLOCK, "auth", "sas", "topic"]), JSON))
def test_no_block_breaks_the_rules(block: dict[str, Any]):
    for queue in QUEUES:
        for whole in (block, {**SQS_BLOCK, **PUBSUB_BLOCK, **BUS_BLOCK, **block}):
            try:
                queue.endpoint(whole)
            except InvalidConfig as error:
                assert error.fix
