"""Replies of queues: which messages they hold, what the messages say, and that no reply breaks the reader."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eso.api.changesource import Change
from eso.notify import replies
from eso.notify.contract import Message
from eso.notify.formats import Reading, Told, Unreadable, read
from eso.providers.contract import Malformed

ARN = "arn:aws:secretsmanager:us-west-2:111122223333:secret:prod/db-a1b2c3"
EVENT: dict[str, Any] = {  # as EventBridge puts it into a queue
    "version": "0",
    "id": "fe8d3c65-xmpl-c5c3-2c87-81584709a377",
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.secretsmanager",
    "account": "111122223333",
    "time": "2026-05-02T18:30:00Z",
    "region": "us-west-2",
    "resources": [],
    "detail": {
        "eventVersion": "1.08",
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "PutSecretValue",
        "awsRegion": "us-west-2",
        "requestParameters": {"clientRequestToken": "b4b1f7c6", "secretId": "prod/db"},
        "responseElements": {"arn": ARN},
        "readOnly": False,
    },
}
ROTATED = EVENT | {
    "detail-type": "AWS Service Event via CloudTrail",
    "detail": {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "RotationSucceeded",
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": {"SecretId": ARN},
    },
}
SNS = {  # without raw delivery: an envelope
    "Type": "Notification",
    "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
    "TopicArn": "arn:aws:sns:us-east-2:111122223333:ExampleTopic1",
    "Subject": "TestSubject",
    "Message": json.dumps(EVENT),
    "Timestamp": "2021-02-16T21:41:19.978Z",
    "SignatureVersion": "1",
    "Signature": "FMG5tlZhJNHLHUXvZgtZzlk24FzVa7oX0T4P03neeXw8ZEXZx6z35j2FOTuNYShn2h0bKNC/zLTnMyIxEzmi2X1shOBWsJHk",
    "SigningCertURL": "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-010a507c1833636cd94bdb98bd93083a.pem",
    "UnsubscribeURL": "https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-2:1:t:e",
}
S3_TEST = {  # what S3 writes into a queue when notifications are set up
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
VERSION_ADDED = {
    "data": base64.b64encode(b'{"name": "projects/424242/secrets/db/versions/7", "state": "ENABLED"}').decode(),
    "attributes": {
        "dataFormat": "JSON_API_V1",
        "eventType": "SECRET_VERSION_ADD",
        "secretId": "projects/424242/secrets/db",
        "timestamp": "2021-01-20T11:17:45.081104-08:00",
        "versionId": "projects/424242/secrets/db/versions/7",
    },
    "messageId": "1234567890",
    "publishTime": "2021-01-20T19:17:45.081Z",
}
GRID = {
    "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
    "topic": "/subscriptions/s/resourceGroups/sample-rg/providers/Microsoft.KeyVault/vaults/sample-kv",
    "subject": "newsecret",
    "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
    "eventTime": "2019-07-25T01:08:33.1036736Z",
    "data": {
        "Id": "https://sample-kv.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10",
        "VaultName": "sample-kv",
        "ObjectType": "Secret",
        "ObjectName": "newsecret",
        "Version": "ee059b2bb5bc48398a53b168c6cdcb10",
        "NBF": "1559081980",
        "EXP": "1559082102",
    },
    "dataVersion": "1",
    "metadataVersion": "1",
}
CLOUD_EVENT = {
    "id": GRID["id"],
    "source": GRID["topic"],
    "subject": "newsecret",
    "type": GRID["eventType"],
    "time": GRID["eventTime"],
    "data": GRID["data"],
    "specversion": "1.0",
}
NEW_SECRET = Told((Change("newsecret", "ee059b2bb5bc48398a53b168c6cdcb10"),))
LOCK = "56d3a3f1-d3f0-4b3f-b1d5-0d4a9e1f5d8c"
BROKER = {"BrokerProperties": json.dumps({"DeliveryCount": 1, "LockToken": LOCK, "SequenceNumber": 7})}


def said(message: Message) -> Reading:
    return read(message.attributes, message.body)


def in_sqs(*bodies: Any) -> dict[str, Any]:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {
        "Messages": [
            {"MessageId": str(at), "ReceiptHandle": f"receipt-{at}", "MD5OfBody": "0", "Body": body}
            for at, body in enumerate(texts)
        ]
    }


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(EVENT, Told((Change("prod/db"),)), id="an event of EventBridge"),
        pytest.param(ROTATED, Told((Change(ARN),)), id="a rotation, which names the secret by its ARN"),
        pytest.param(SNS, Told((Change("prod/db"),)), id="an event inside a message of SNS"),
        pytest.param(SNS | {"Message": json.dumps(SNS)}, Told((Change("prod/db"),)), id="SNS inside SNS"),
        pytest.param(S3_TEST, Told(), id="the test message of S3"),
        pytest.param(SNS | {"Message": json.dumps(S3_TEST)}, Told(), id="the test message of S3 through SNS"),
        pytest.param(SNS | {"Type": "UnsubscribeConfirmation"}, Told(), id="the end of a subscription"),
        pytest.param({"keys": ["a"]}, Told((Change("a"),)), id="keys that somebody put into the queue"),
    ],
)
def test_a_message_of_sqs_says(body: Any, told: Reading):
    (message,) = replies.of_sqs(in_sqs(body))
    assert message.receipt == "receipt-0"
    assert said(message) == told


def test_each_message_of_sqs_has_its_own_receipt_and_an_empty_queue_has_none():
    found = replies.of_sqs(in_sqs(EVENT, "no JSON", {}))
    assert [message.receipt for message in found] == ["receipt-0", "receipt-1", "receipt-2"]
    assert replies.of_sqs({}) == replies.of_sqs({"Messages": []}) == ()


@pytest.mark.parametrize("body", ["", "no JSON", "\ud800", "[]", "{}"])
def test_a_body_that_says_nothing_is_a_message_that_can_be_taken_off(body: str):
    (message,) = replies.of_sqs(in_sqs(body))
    with pytest.raises(Unreadable) if body != "[]" else _nothing():
        said(message)


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize(
    "answer",
    [
        {"Messages": {}},
        {"Messages": ["text"]},
        {"Messages": [{"Body": "{}"}]},
        {"Messages": [{"Body": "{}", "ReceiptHandle": ""}]},
        {"Messages": [{"Body": "{}", "ReceiptHandle": "a\nb"}]},
        {"Messages": [{"Body": "{}", "ReceiptHandle": "r" * 5000}]},
        in_sqs(*["{}"] * 11),
    ],
)
def test_an_answer_of_sqs_without_usable_receipts_is_no_answer(answer: Any):
    with pytest.raises(Malformed):
        replies.of_sqs(answer)


def test_what_a_deletion_left_is_told_without_what_is_outdated():
    failed = [
        {"Id": str(at), "Code": code} for at, code in enumerate(["ReceiptHandleIsInvalid", "InternalError", "a b"])
    ]
    assert replies.undeleted({"Failed": failed}) == ["InternalError", "unknown"]
    assert replies.undeleted({"Successful": []}) == []


# Pub/Sub


def pulled(*messages: Any) -> dict[str, Any]:
    return {"receivedMessages": [{"ackId": f"ack-{at}", "message": one} for at, one in enumerate(messages)]}


def attributes(kind: str, **more: str) -> dict[str, Any]:
    return {"attributes": {"eventType": kind, "secretId": "projects/1/secrets/db", **more}}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param(VERSION_ADDED, Told((Change("projects/424242/secrets/db", "7"),)), id="a new version"),
        pytest.param(attributes("SECRET_DELETE"), Told((Change("projects/1/secrets/db"),)), id="a deletion"),
        pytest.param(
            attributes("SECRET_VERSION_DISABLE", versionId="projects/1/secrets/db/versions/3"),
            Told((Change("projects/1/secrets/db"),)),
            id="a version that was disabled",
        ),
        pytest.param(attributes("SECRET_ROTATE"), Told(), id="a demand to rotate"),
        pytest.param({"attributes": {"eventType": "TOPIC_CONFIGURED"}}, Told(), id="the test message of a topic"),
        pytest.param(
            {"data": base64.b64encode(b'{"keys": ["a"]}').decode()}, Told((Change("a"),)), id="keys of a publisher"
        ),
    ],
)
def test_a_message_of_pub_sub_says(message: Any, told: Reading):
    (found,) = replies.of_pub_sub(pulled(message), "projects/p/subscriptions/s")
    assert found.receipt == "ack-0"
    assert said(found) == told


@pytest.mark.parametrize("message", [None, {}, {"data": "no base64!"}, {"attributes": []}, "text"])
def test_a_message_of_pub_sub_that_says_nothing_can_be_taken_off(message: Any):
    (found,) = replies.of_pub_sub(pulled(message), "projects/p/subscriptions/s")
    with pytest.raises(Unreadable):
        said(found)


def test_an_empty_answer_of_pub_sub_has_no_messages_and_one_without_receipts_is_none():
    assert replies.of_pub_sub({}, "s") == ()
    for answer in ({"receivedMessages": [{"message": {}}]}, {"receivedMessages": "x"}):
        with pytest.raises(Malformed):
            replies.of_pub_sub(answer, "s")


# Service Bus


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(GRID, id="Event Grid's own schema"),
        pytest.param([GRID], id="a list of events"),
        pytest.param(CLOUD_EVENT, id="a CloudEvent"),
    ],
)
def test_a_message_of_service_bus_says(body: Any):
    headers = BROKER | {"Content-Type": "application/json; charset=utf-8"}
    (found,) = replies.of_service_bus(201, headers, json.dumps(body).encode())
    assert found.receipt == f"7/{LOCK}"
    assert said(found) == NEW_SECRET


def test_an_event_about_a_policy_of_the_vault_says_nothing():
    event = GRID | {"eventType": "Microsoft.KeyVault.VaultAccessPolicyChanged"}
    (found,) = replies.of_service_bus(201, BROKER, json.dumps(event).encode())
    assert said(found) == Told()


def test_no_message_of_service_bus_is_none():
    assert replies.of_service_bus(204, {}, b"") == ()


@pytest.mark.parametrize(
    "broker",
    [
        "",
        "[]",
        "no JSON",
        json.dumps({"SequenceNumber": 7}),
        json.dumps({"LockToken": LOCK}),
        json.dumps({"LockToken": LOCK, "SequenceNumber": "7"}),
        json.dumps({"LockToken": LOCK, "SequenceNumber": True}),
        json.dumps({"LockToken": LOCK, "SequenceNumber": -1}),
        json.dumps({"LockToken": "../../../" + LOCK, "SequenceNumber": 7}),
        json.dumps({"LockToken": "?" * 36, "SequenceNumber": 7}),
    ],
)
def test_a_lock_that_cannot_be_one_is_no_message(broker: str):
    with pytest.raises(Malformed):
        replies.of_service_bus(201, {"BrokerProperties": broker}, b"{}")
    with pytest.raises(Malformed):
        replies.of_service_bus(202, BROKER, b"{}")


def test_nothing_of_a_message_prints():
    (found,) = replies.of_sqs(in_sqs({"keys": ["planted"]}))
    assert "planted" not in repr(found)
    assert "receipt-0" not in repr(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["Messages", "receivedMessages", "Failed"])
FIELDS = st.sampled_from(["Body", "ReceiptHandle", "ackId", "message", "Code"])
ANSWERS = st.dictionaries(NAMES, JSON | st.lists(st.dictionaries(FIELDS, JSON), max_size=12))


@settings(max_examples=50)
@given(ANSWERS)
def test_no_answer_breaks_the_reader(answer: dict[str, Any]):
    for reader in (replies.of_sqs, replies.undeleted, lambda one: replies.of_pub_sub(one, "s")):
        try:
            found = reader(answer)  # type: ignore[operator]  # three signatures, one argument
        except Malformed:
            continue
        assert isinstance(found, list | tuple)


@given(st.integers(200, 204), st.text(max_size=60) | JSON.map(lambda one: json.dumps(one)), st.binary(max_size=60))
def test_no_lock_and_no_body_break_the_reader(status: int, broker: str, body: bytes):
    try:
        found = replies.of_service_bus(status, {"BrokerProperties": broker}, body)
    except Malformed:
        return
    assert all(isinstance(message, Message) for message in found)
