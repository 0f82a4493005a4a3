"""Change events from a queue on the real API server: Secrets Manager and SQS of moto, set up as docs/events.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern  # type: ignore[import-untyped]  # it carries no types

from e2e.harness.cluster import Json, KubectlFailed
from e2e.harness.controlplane import ControlPlane
from e2e.harness.moto import REGION, Moto
from e2e.harness.objects import external_secret, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
API = "extensions.external-secrets.io/v1alpha1"
QUEUE = "eso-changes"
URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/{QUEUE}"
KEYS = {"accessKeyIDSecretRef": {"name": "keys", "key": "id"}, "secretAccessKeySecretRef": {"name": "keys", "key": "s"}}


def blocks(language: str, heading: str) -> list[str]:
    """The code blocks below a heading of the page."""
    section = re.split(r"\n#{2,3} ", PAGE.split(f"# {heading}\n", 1)[1])[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def change_sources() -> list[Json]:
    found = [one for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for one in yaml.safe_load_all(block)]
    return [one for one in found if one.get("kind") == "ChangeSource"]


def written(name: str) -> dict[str, Any]:
    """What CloudTrail tells EventBridge of a new value."""
    return {
        "version": "0",
        "id": "fe8d3c65-0000-c5c3-2c87-81584709a377",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.secretsmanager",
        "account": "123456789012",
        "time": "2026-05-02T18:30:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": "PutSecretValue",
            "requestParameters": {"secretId": name},
        },
    }


class World:
    """A namespace whose secrets are in moto, the queue of the page, and an operator that asks it."""

    def __init__(self, plane: ControlPlane, namespace: str, moto: Moto) -> None:
        self.plane, self.namespace, self.moto = plane, namespace, moto
        args = {"enable-change-sources": "true", "enable-leader-election": "false", "namespace": namespace}
        self.operator = LocalOperator(plane, args=args, name=f"queue-{namespace}", env=moto.environ)

    def furnish(self) -> None:
        queue_policy, reader_policy = (json.loads(block) for block in blocks("json", "Amazon SQS"))
        self.moto.call("sqs", "CreateQueue", QueueName=QUEUE, Attributes={"Policy": json.dumps(queue_policy)})
        (arn,) = {
            statement["Resource"] for policy in (queue_policy, reader_policy) for statement in policy["Statement"]
        }
        for name, pattern in zip(("eso-secrets", "eso-parameters"), patterns(), strict=True):
            self.moto.call("events", "PutRule", Name=name, EventPattern=pattern)
            self.moto.call("events", "PutTargets", Rule=name, Targets=[{"Id": "eso", "Arn": arn}])
        self.moto.secret("db", {"password": "one"})
        manifest = "---\n".join(blocks("yaml", "Amazon SQS")).replace("namespace: shop", f"namespace: {self.namespace}")
        store = {"aws": {"service": "SecretsManager", "region": REGION, "auth": {"secretRef": KEYS}}}
        keys = {"apiVersion": "v1", "kind": "Secret", "stringData": {"id": "AKIATEST", "s": "any"}}
        self.plane.apply(
            [
                keys | {"metadata": {"name": "keys", "namespace": self.namespace}},
                secret_store(self.namespace, store, name="aws"),
                external_secret(self.namespace, "app", {"password": ("db", "password")}, store="aws", interval="24h"),
            ]
        )
        self.plane.apply(manifest)
        self.operator.start()
        self.plane.wait_ready("externalsecrets", self.namespace, "app")
        self.plane.wait_ready("changesources", self.namespace, "sqs", within_seconds=90)

    def tell(self, body: Any) -> None:
        """A message of the rule's."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.moto.call("sqs", "SendMessage", QueueUrl=URL, MessageBody=text)

    def source(self, name: str, url: str) -> Json:
        block = {"queueURL": url, "region": REGION, "auth": {"secretRef": KEYS}}
        spec = {"storeRefs": [{"name": "aws"}], "sqs": block}
        return thing("ChangeSource", name, self.namespace, api=API, spec=spec)

    def password(self) -> str:
        return (self.plane.secret(self.namespace, "app") or {}).get("password", "")

    def follows(self, value: str, seconds: float = 60.0) -> None:
        eventually(lambda: self.password() == value, seconds, what=f"the value {value}")

    def waiting(self) -> int:
        """Messages of the queue, also those that somebody has received."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.moto.call("sqs", "GetQueueAttributes", QueueUrl=URL, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def patterns() -> list[str]:
    return blocks("json", "AWS")[0].strip().split("\n")


@pytest.fixture(scope="module")
def world(controlplane: ControlPlane) -> Iterator[World]:
    with Moto() as moto:
        made = World(controlplane, controlplane.create_namespace("queue-sources"), moto)
        try:
            made.furnish()
            yield made
        finally:
            made.operator.stop()


def test_a_change_in_secrets_manager_is_in_the_secret_through_the_queue(world: World):
    assert EventPattern.load(patterns()[0]).matches_event(written("db")), "the rule of the page"
    world.moto.record()
    world.moto.secret("db", {"password": "two"})
    world.tell(written("db"))
    world.follows("two")
    eventually(lambda: world.waiting() == 0, 30, what="an empty queue")
    mine = {"GetQueueAttributes", "SendMessage", "PutSecretValue", "CreateSecret"}
    asked = {one for one in world.moto.requests() if "Message" in one or "Queue" in one} - mine
    assert asked <= {"ReceiveMessage", "DeleteMessageBatch"}, "the rights of the page cover it"
    told = world.operator.metrics()
    assert told.sum("externalsecrets_change_events_total", source="sqs", outcome="accepted") >= 1


def test_a_message_that_nobody_can_read_is_counted_and_does_not_come_again(world: World):
    for body in ("no JSON", {"Service": "Amazon S3", "Event": "s3:TestEvent"}):
        world.tell(body)
    world.moto.secret("db", {"password": "three"})
    world.tell({"Type": "Notification", "Message": json.dumps(written("db"))})
    world.follows("three")
    eventually(lambda: world.waiting() == 0, 30, what="an empty queue")
    told = world.operator.metrics()
    for outcome in ("unreadable", "ignored"):
        assert told.sum("externalsecrets_change_events_total", source="sqs", outcome=outcome) == 1
    assert world.plane.condition("changesources", world.namespace, "sqs")["status"] == "True"


def test_what_a_process_held_when_it_was_killed_comes_to_the_next_one(world: World):
    """From a queue that nobody polls meanwhile: a request that was under way at the kill may take a message, too."""
    url = f"{URL}-held"
    world.operator.kill()
    world.moto.call("sqs", "CreateQueue", QueueName=f"{QUEUE}-held")
    world.moto.secret("db", {"password": "four"})
    world.moto.call("sqs", "SendMessage", QueueUrl=url, MessageBody=json.dumps(written("db")))
    held = world.moto.call("sqs", "ReceiveMessage", QueueUrl=url, VisibilityTimeout=2)["Messages"]
    assert len(held) == 1, "received, and never taken off"
    world.plane.apply([world.source("held", url)])
    world.operator.start()
    world.follows("four", 90)


def test_a_queue_that_is_not_there_is_told_in_the_condition_and_others_go_on(world: World):
    world.plane.apply([world.source("other", f"{URL}-other")])
    told = world.plane.wait_ready("changesources", world.namespace, "other", within_seconds=60, status="False")
    assert told["reason"] == "SourceFailed"
    assert told["message"].startswith("the queue does not exist, or the identity may not know of it")
    world.moto.call("sqs", "CreateQueue", QueueName=f"{QUEUE}-other")
    world.plane.wait_ready("changesources", world.namespace, "other", within_seconds=90)
    assert world.plane.condition("changesources", world.namespace, "sqs")["status"] == "True"


def test_the_api_server_takes_every_change_source_of_the_page(controlplane: ControlPlane, namespace: str):
    sources = change_sources()
    assert {member for one in sources for member in one["spec"]} >= {"webhook", "sqs", "pubsub", "servicebus"}
    for one in sources:
        one["metadata"]["namespace"] = namespace
        controlplane.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(one))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"sqs": {"queueURL": "http://sqs.eu-central-1.amazonaws.com/1/q", "region": "eu-central-1"}}, "queueURL"),
        (
            {"sqs": {"queueURL": URL, "region": REGION}, "pubsub": {"subscription": "projects/p/subscriptions/abc"}},
            "exactly one",
        ),
        ({"sqs": {"queueURL": URL, "region": REGION, "auth": {"secretRef": KEYS, "jwt": {}}}}, "at most one"),
        ({"pubsub": {"subscription": "abc"}}, "subscription"),
        ({"servicebus": {"host": "shop.servicebus.windows.net"}}, "exactly one"),
        ({"servicebus": {"host": "shop.servicebus.windows.net", "topic": "t"}}, "topic and subscription go together"),
    ],
)
def test_the_api_server_refuses_what_cannot_work(
    controlplane: ControlPlane, namespace: str, spec: dict[str, Any], text: str
):
    body = {"storeRefs": [{"name": "aws"}], **spec}
    source = thing("ChangeSource", "wrong", namespace, api=API, spec=body)
    with pytest.raises(KubectlFailed, match=text):
        controlplane.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(source))
