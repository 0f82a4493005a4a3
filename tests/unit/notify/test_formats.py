"""Bodies of events: what each backend writes, and that no body breaks the reader."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import Change
from eso.notify.formats import EVERYTHING, MOST_CHANGES, Answer, Confirm, Told, Unreadable, read

ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:prod/db-AbCdEf"


def cloudtrail(**detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.secretsmanager",
        "resources": [],
        "detail": {"eventSource": "secretsmanager.amazonaws.com", **detail},
    }


PUT = cloudtrail(eventName="PutSecretValue", requestParameters={"secretId": "prod/db"})
PARAMETER = {
    "version": "0",
    "detail-type": "Parameter Store Change",
    "source": "aws.ssm",
    "resources": ["arn:aws:ssm:us-east-1:123456789012:parameter/prod/db"],
    "detail": {"name": "/prod/db", "operation": "Update", "type": "SecureString"},
}
GCP = {
    "message": {
        "attributes": {
            "eventType": "SECRET_VERSION_ADD",
            "secretId": "projects/p/secrets/db",
            "versionId": "projects/p/secrets/db/versions/7",
            "dataFormat": "JSON_API_V1",
        },
        "data": base64.b64encode(b'{"name": "projects/p/secrets/db/versions/7"}').decode(),
        "messageId": "1",
    },
    "subscription": "projects/p/subscriptions/s",
}
KEY_VAULT = {
    "id": "1",
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
    "subject": "db",
    "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
    "data": {"Id": "https://v.vault.azure.net/secrets/db/ee05", "ObjectName": "db", "Version": "ee05"},
    "dataVersion": "1",
}
VALIDATION = {
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
    "data": {"validationCode": "512d38b6", "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/"},
}
AUDIT = {
    "time": "2024-01-01T00:00:00Z",
    "type": "response",
    "request": {
        "operation": "update",
        "mount_point": "secret/",
        "mount_type": "kv",
        "path": "secret/data/team/db",
        "data": {"data": {"password": "hmac-sha256:aa"}},
    },
    "response": {"data": {"version": 2}},
}
VAULT_EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "vault://host",
    "type": "*",
    "data": {
        "event": {"metadata": {"current_version": "2", "data_path": "secret/data/db", "operation": "data-write"}},
        "event_type": "kv-v2/data-write",
        "plugin_info": {"mount_path": "secret/", "plugin": "kv"},
    },
}
DOPPLER = {
    "type": "config.secrets.update",
    "config": {"name": "prd", "project": "backend"},
    "project": {"id": "backend", "name": "backend"},
    "diff": {"added": ["A"], "removed": ["B"], "updated": ["C"]},
}
COMMIT = {"added": ["a.yaml"], "modified": ["dir/b.yaml"], "removed": ["c"]}


def audit(**request: Any) -> dict[str, Any]:
    return AUDIT | {"request": AUDIT["request"] | request}  # type: ignore[operator]


def sns(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "t", "Message": message}


def body(document: Any) -> bytes:
    return document if isinstance(document, bytes) else orjson.dumps(document)


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        pytest.param({"keys": ["a", "b/c"]}, [Change("a"), Change("b/c")], id="ours"),
        pytest.param({"keys": ["a", "a"]}, [Change("a")], id="ours: a key that is named twice"),
        pytest.param(
            {"keys": [{"key": "a", "version": "3"}, {"key": "b"}]}, [Change("a", "3"), Change("b")], id="ours: versions"
        ),
        pytest.param({"prefixes": ["team/", ""]}, [Change("team/", prefix=True), EVERYTHING], id="ours: prefixes"),
        pytest.param({"specversion": "1.0", "type": "t", "subject": "a"}, [Change("a")], id="CloudEvents: the subject"),
        pytest.param(
            {"specversion": "1.0", "type": "t", "subject": "s", "data": {"keys": ["a"]}},
            [Change("a")],
            id="CloudEvents: keys go before the subject",
        ),
        pytest.param(
            {"specversion": "1.0", "type": "t", "data_base64": base64.b64encode(b'{"keys":["a"]}').decode()},
            [Change("a")],
            id="CloudEvents: data in base64",
        ),
        pytest.param(
            {"specversion": "1.0", "type": "t", "data": PUT}, [Change("prod/db")], id="CloudEvents around others"
        ),
        pytest.param(
            {"specversion": "1.0", "type": "google.cloud.pubsub.topic.v1.messagePublished", "data": GCP},
            [Change("projects/p/secrets/db", "7")],
            id="CloudEvents of Eventarc",
        ),
        pytest.param(
            {
                "specversion": "1.0",
                "type": "Microsoft.KeyVault.SecretNewVersionCreated",
                "subject": "db",
                "data": {"ObjectName": "db", "Version": "1"},
            },
            [Change("db", "1")],
            id="CloudEvents of Event Grid",
        ),
        pytest.param(VAULT_EVENT, [Change("secret/db", "2")], id="Vault's event notifications"),
        pytest.param(PUT, [Change("prod/db")], id="EventBridge: PutSecretValue"),
        pytest.param(
            cloudtrail(eventName="GetSecretValue", requestParameters={"secretId": "a"}), [], id="EventBridge: a read"
        ),
        pytest.param(
            cloudtrail(eventName="PutSecretValue", errorCode="AccessDenied", requestParameters={"secretId": "a"}),
            [],
            id="EventBridge: a refused write",
        ),
        pytest.param(
            cloudtrail(eventName="RotationSucceeded", additionalEventData={"SecretId": ARN}),
            [Change(ARN)],
            id="EventBridge: a rotation",
        ),
        pytest.param(
            cloudtrail(eventName="CreateSecret", requestParameters={"name": "new"}, responseElements={"arn": ARN}),
            [Change(ARN)],
            id="EventBridge: CreateSecret",
        ),
        pytest.param(PARAMETER, [Change("/prod/db")], id="EventBridge: Parameter Store"),
        pytest.param(sns(orjson.dumps(PUT).decode()), [Change("prod/db")], id="EventBridge through SNS"),
        pytest.param(sns('{"keys":["a"]}'), [Change("a")], id="our keys through SNS"),
        pytest.param({"Type": "UnsubscribeConfirmation"}, [], id="SNS says goodbye"),
        pytest.param(
            sns('{"Type":"SubscriptionConfirmation","SubscribeURL":"https://x"}'),
            [],
            id="a subscription that a publisher wrote: only the message around it is signed",
        ),
        pytest.param(GCP, [Change("projects/p/secrets/db", "7")], id="Pub/Sub: Secret Manager"),
        pytest.param(
            {
                "subscription": "s",
                "message": {
                    "attributes": {
                        "eventType": "SECRET_VERSION_DISABLE",
                        "secretId": "projects/p/secrets/db",
                        "versionId": "x/2",
                    }
                },
            },
            [Change("projects/p/secrets/db")],
            id="Pub/Sub: a version is gone, so another one is the latest",
        ),
        pytest.param(
            {"subscription": "s", "message": {"attributes": {"eventType": "TOPIC_CONFIGURED", "secretId": "x"}}},
            [],
            id="Pub/Sub: nothing about values",
        ),
        pytest.param(
            {"subscription": "s", "message": {"data": base64.b64encode(b'{"keys":["a"]}').decode()}},
            [Change("a")],
            id="Pub/Sub: our keys",
        ),
        pytest.param([KEY_VAULT], [Change("db", "ee05")], id="Event Grid: a secret"),
        pytest.param(
            [KEY_VAULT | {"eventType": "Microsoft.KeyVault.CertificateNewVersionCreated"}],
            [Change("cert/db", "ee05"), Change("db")],
            id="Event Grid: a certificate is a secret as well",
        ),
        pytest.param(
            [KEY_VAULT | {"eventType": "Microsoft.KeyVault.SecretNearExpiry"}], [], id="Event Grid: nothing has changed"
        ),
        pytest.param(AUDIT, [Change("secret/team/db")], id="audit line: a write of version 2"),
        pytest.param(audit(path="secret/team/db"), [Change("secret/team/db")], id="audit line: a write of version 1"),
        pytest.param(
            audit(path="secret/delete/db", operation="update"), [Change("secret/db")], id="audit line: a deletion"
        ),
        pytest.param(
            audit(mount_point="team/kv/", path="team/kv/data/db"),
            [Change("team/kv/db")],
            id="audit line: a mount in a folder",
        ),
        pytest.param(audit(operation="read"), [], id="audit line: a read"),
        pytest.param(AUDIT | {"type": "request"}, [], id="audit line: a request that may still fail"),
        pytest.param(AUDIT | {"error": "permission denied"}, [], id="audit line: a write that failed"),
        pytest.param(audit(path="auth/kubernetes/login", mount_type="kubernetes"), [], id="audit line: a login"),
        pytest.param(audit(path="sys/mounts/x", mount_type=""), [], id="audit line: an administrator"),
        pytest.param(
            b"\n".join(orjson.dumps(one) for one in (AUDIT, audit(operation="read"), audit(path="secret/data/b"))),
            [Change("secret/team/db"), Change("secret/b")],
            id="audit lines together",
        ),
        pytest.param(DOPPLER, [Change("A"), Change("B"), Change("C")], id="Doppler"),
        pytest.param({"type": "config.secrets.update"}, [EVERYTHING], id="Doppler before it had diffs"),
        pytest.param({"event": "secrets.modified", "project": {"secretPath": "/"}}, [EVERYTHING], id="Infisical"),
        pytest.param({"event": "test", "project": {}}, [], id="Infisical's test"),
        pytest.param(
            {"items": [{"item_uuid": "i", "action": "server-update"}]}, [EVERYTHING], id="1Password: an item is written"
        ),
        pytest.param(
            {"items": [{"object_type": "items", "action": "delete"}]}, [EVERYTHING], id="1Password: an audit event"
        ),
        pytest.param({"items": [{"item_uuid": "i", "action": "fill"}]}, [], id="1Password: an item is used"),
        pytest.param(
            {"object_kind": "push", "commits": [COMMIT]},
            [Change("a.yaml"), Change("dir/b.yaml"), Change("c")],
            id="GitLab: a push",
        ),
        pytest.param({"object_kind": "pipeline"}, [], id="GitLab: something else"),
    ],
)
def test_a_format_is_recognised(document, changes):
    assert read({}, body(document)) == Told(tuple(changes))


@pytest.mark.parametrize(
    ("headers", "document", "changes"),
    [
        pytest.param({"x-github-event": "ping"}, {"zen": "z"}, [], id="GitHub's test"),
        pytest.param(
            {"x-github-event": "push"},
            {"commits": [COMMIT]},
            [Change("a.yaml"), Change("dir/b.yaml"), Change("c")],
            id="GitHub: a push",
        ),
        pytest.param(
            {"x-github-event": "repository_dispatch"},
            {"client_payload": {"keys": ["a"]}},
            [Change("a")],
            id="GitHub: a dispatch",
        ),
        pytest.param(
            {"x-github-event": "repository_dispatch"}, {"client_payload": {}}, [], id="GitHub: another dispatch"
        ),
        pytest.param(
            {"ce-specversion": "1.0", "ce-subject": "a"}, {"x": 1}, [Change("a")], id="CloudEvents in headers"
        ),
        pytest.param(
            {"ce-specversion": "1.0", "ce-type": "t"},
            {"keys": ["a"]},
            [Change("a")],
            id="CloudEvents in headers with keys",
        ),
        pytest.param(
            {"content-type": "application/cloudevents-batch+json; charset=utf-8"},
            [{"specversion": "1.0", "subject": "a"}, {"specversion": "1.0", "subject": "b"}],
            [Change("a"), Change("b")],
            id="CloudEvents in a batch",
        ),
    ],
)
def test_headers_can_tell_the_format(headers, document, changes):
    assert read(headers, body(document)) == Told(tuple(changes))


def test_handshakes_are_answered():
    assert read({}, body([VALIDATION])) == Answer({"validationResponse": "512d38b6"})
    confirm = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x"}
    assert read({}, body(confirm)) == Confirm(confirm)


DEEP: Any = {"keys": ["a"]}
for _ in range(10):
    DEEP = sns(orjson.dumps(DEEP).decode())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"not json",
        b'{"keys": ["a"',
        b"1",
        b'"text"',
        b"null",
        b"[5]",
        b"{}",
        pytest.param({"keys": []}, id="no keys"),
        pytest.param({"keys": [5]}, id="a number"),
        pytest.param({"keys": [""]}, id="an empty key"),
        pytest.param({"keys": [{"key": "a", "version": 3}]}, id="a version that is no text"),
        pytest.param({"keys": ["a\n"]}, id="a line break"),
        pytest.param({"keys": ["a\x00"]}, id="a zero byte"),
        pytest.param({"keys": ["a" * 1025]}, id="a long key"),
        pytest.param({"keys": [{"key": "a", "version": "v" * 300}]}, id="a long version"),
        pytest.param({"keys": [str(n) for n in range(MOST_CHANGES + 1)]}, id="too many keys"),
        pytest.param({"prefixes": [5]}, id="a prefix that is no text"),
        pytest.param(DEEP, id="envelopes in envelopes"),
        pytest.param(sns("no json"), id="SNS around text"),
        pytest.param({"subscription": "s", "message": {}}, id="Pub/Sub around nothing"),
        pytest.param({"subscription": "s", "message": {"data": "%"}}, id="Pub/Sub around no base64"),
        pytest.param({"specversion": "1.0", "type": "t"}, id="a CloudEvent about nothing"),
        pytest.param({"detail-type": "x", "source": "x", "detail": {}}, id="another EventBridge event"),
        pytest.param([{"eventType": "Microsoft.Storage.BlobCreated"}], id="another Event Grid event"),
        pytest.param(
            [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}], id="a validation without a code"
        ),
        pytest.param({"items": [{"item_uuid": "x"}, 5]}, id="items of two kinds"),
        b"\n".join([b'{"keys":["a"]}'] * 300),
    ],
)
def test_a_body_that_names_no_keys_is_refused_with_a_reason(document):
    with pytest.raises(Unreadable) as refused:
        read({}, body(document))
    assert str(refused.value) and len(str(refused.value)) < 100


WORDS = st.sampled_from(
    [
        "keys",
        "prefixes",
        "specversion",
        "type",
        "subject",
        "data",
        "data_base64",
        "message",
        "attributes",
        "secretId",
        "eventType",
        "Type",
        "Message",
        "detail",
        "detail-type",
        "source",
        "request",
        "response",
        "path",
        "operation",
        "mount_point",
        "items",
        "action",
        "item_uuid",
        "object_kind",
        "commits",
        "added",
        "event",
        "project",
        "diff",
        "updated",
        "metadata",
        "data_path",
        "key",
        "version",
        "subscription",
        "Microsoft.KeyVault.X",
        "resources",
        "arn",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-github-event", "ce-specversion", "ce-type", "ce-subject", "content-type"]),
    st.sampled_from(
        ["push", "repository_dispatch", "1.0", "Microsoft.KeyVault.X", "application/cloudevents-batch+json"]
    ),
)


def understood(headers: dict[str, str], content: bytes) -> bool:
    """Any exception but Unreadable leaves here."""
    try:
        reading = read(headers, content)
    except Unreadable:
        return False
    return isinstance(reading, Told | Answer | Confirm)


@given(HEADERS, VALUES)
def test_property_no_document_breaks_the_reader(headers, document):
    assert understood(headers, orjson.dumps(document)) in (True, False)


@given(st.binary(max_size=200))
def test_property_no_bytes_break_the_reader(content):
    assert understood({}, content) in (True, False)


def test_keys_that_could_never_be_pending_together_are_unreadable():
    keys = [f"{at:03}" + "k" * 1000 for at in range(200)]
    with pytest.raises(Unreadable, match="the keys are too long together"):
        read({}, orjson.dumps({"keys": keys}))
    assert isinstance(read({}, orjson.dumps({"keys": keys[:100]})), Told)


def test_a_batch_of_more_events_than_keys_is_not_looked_at() -> None:
    batch = {"content-type": "application/cloudevents-batch+json"}
    event = {"specversion": "1.0", "type": "x", "subject": "key"}
    assert read(batch, orjson.dumps([event] * MOST_CHANGES)) == Told((Change("key"),))
    with pytest.raises(Unreadable, match=f"more than {MOST_CHANGES} events"):
        read(batch, orjson.dumps([event] * (MOST_CHANGES + 1)))
