"""Amazon SQS as a source of change events: login, long poll, deletion, and what a failing queue looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from eso.errors import EsoError
from eso.notify.contract import MOST_MESSAGES
from eso.notify.sqs import RIGHTS, Sqs
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
)
from tests.fakes.awslogin import ACCOUNT, KEYS, ROLE, STATIC, AwsCredentials
from tests.fakes.backend import Fault
from tests.fakes.clock import until
from tests.fakes.queues import SQS_URL, FakeSqs
from tests.unit.notify.queuing import Rig, cancelled_everywhere, rig

BLOCK: dict[str, Any] = {"queueURL": SQS_URL, "region": "eu-central-1", "auth": STATIC}
PLANTED = tuple(KEYS.values())[1:]
World = Rig[FakeSqs]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with rig(FakeSqs(), Sqs(), BLOCK, AwsCredentials()) as made:
        made.server.clock = made.clock
        yield made


async def test_messages_are_received_in_batches_and_gone_once_they_are_acknowledged(world: World):
    world.server.shelf.put(*(json.dumps({"keys": [str(at)]}) for at in range(12)))
    feed = await world.feed()
    first = await world.taken(feed)
    assert (len(first), len(await world.taken(feed)), await world.taken(feed)) == (MOST_MESSAGES, 2, [])
    assert first[0] == b'{"keys": ["0"]}'
    assert world.server.shelf.entries == []


async def test_what_is_not_acknowledged_comes_again_with_another_receipt(world: World):
    world.server.shelf.put("{}")
    feed = await world.feed()
    (old,) = await feed.receive()
    assert await feed.receive() == ()
    world.server.shelf.unlock()
    (new,) = await feed.receive()
    assert (new.body, new.receipt != old.receipt) == (old.body, True)
    await feed.acknowledge([old.receipt])  # too late: no failure, and the message stays for its new receipt
    assert len(world.server.shelf.entries) == 1
    await feed.acknowledge([new.receipt])
    assert world.server.shelf.entries == []


async def test_the_first_request_waits_a_second_and_the_others_as_long_as_they_may(world: World):
    """That a queue can be read is known soon after its source was made."""
    feed = await world.feed()
    for _ in range(3):
        assert await feed.receive() == ()
    assert [body["WaitTimeSeconds"] for operation, body in world.server.calls] == [1, 20, 20]


async def test_many_receipts_are_deleted_in_batches_of_ten(world: World):
    world.server.shelf.put(*["{}"] * 23)
    feed = await world.feed()
    receipts = [message.receipt for _ in range(3) for message in await feed.receive()]
    await feed.acknowledge(receipts)
    assert world.server.shelf.entries == []
    assert world.server.operations()["DeleteMessageBatch"] == 3


async def test_what_cannot_be_deleted_is_a_failure(world: World):
    world.server.shelf.put("{}")
    world.server.stuck = "InternalError"
    feed = await world.feed()
    with pytest.raises(Unavailable, match="1 of 1 messages could not be deleted: InternalError"):
        await world.taken(feed)


def with_keys(world: World) -> dict[str, Any]:
    return {}


def with_token(world: World) -> dict[str, Any]:
    refs = STATIC["secretRef"] | {"sessionTokenSecretRef": {"name": "keys", "key": "token"}}
    world.server.sessions[KEYS["keys/token"]] = KEYS["keys/id"]
    return {"auth": {"secretRef": refs}}


def with_role(world: World) -> dict[str, Any]:
    return {"role": ROLE, "externalID": "for-us"}


def with_account(world: World) -> dict[str, Any]:
    world.server.trusted["of-app"] = "sts.amazonaws.com"
    world.credentials = AwsCredentials(tokens={"app": "of-app"}, accounts={"app": {"eks.amazonaws.com/role-arn": ROLE}})
    return {"auth": ACCOUNT}


def with_the_operators_own(world: World) -> dict[str, Any]:
    environ = {"AWS_ACCESS_KEY_ID": KEYS["keys/id"], "AWS_SECRET_ACCESS_KEY": KEYS["keys/secret"]}
    world.credentials = AwsCredentials({}, environ=environ)
    return {"auth": None}


@pytest.mark.parametrize("way", [with_keys, with_token, with_role, with_account, with_the_operators_own])
async def test_the_login_is_that_of_a_store(world: World, way: Callable[[World], dict[str, Any]]):
    world.server.shelf.put("{}")
    assert await world.taken(await world.feed(**way(world))) == [b"{}"]


async def test_the_operators_own_identity_is_not_for_everybody(world: World):
    with pytest.raises(InvalidConfig, match="may not use the operator's own cloud identity"):
        await world.feed(AwsCredentials({}, environ=None), auth=None)


async def test_a_missing_credential_is_told_by_its_name(world: World):
    with pytest.raises(EsoError) as caught:
        await world.feed(AwsCredentials({"keys/id": "planted-id"}))
    text = 'could not fetch SecretAccessKey secret: cannot find secret data for key: "secret"'
    assert str(caught.value) == f"cannot log in to AWS: {text}"


async def test_a_session_ends_before_its_credentials_do(world: World):
    feed = await world.feed(**with_role(world))
    assert await feed.receive() == ()
    await world.clock.advance(3541.0)
    asked = len(world.server.asked)
    with pytest.raises(AuthExpired):
        await feed.receive()
    assert len(world.server.asked) == asked
    world.server.shelf.put("{}")
    assert await world.taken(await world.feed(**with_role(world))) == [b"{}"]


async def test_keys_that_are_replaced_lose_no_message(world: World):
    """The old ones are refused in the middle; the messages come to the login with the new ones."""
    world.server.shelf.put("{}")
    feed = await world.feed()
    (message,) = await feed.receive()
    world.server.keys = {"AKIAREPLACED0001"}
    with pytest.raises(AuthExpired):
        await feed.acknowledge([message.receipt])
    await feed.close()
    fresh = AwsCredentials({"keys/id": "AKIAREPLACED0001", "keys/secret": "planted-other"})
    feed = await world.feed(fresh)
    await feed.acknowledge([message.receipt])  # the receipt belongs to the message, not to the login
    assert world.server.shelf.entries == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(400, '{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow"}'), Throttled),
        (Fault(403, '{"__type":"com.amazonaws.sqs#OverLimit","message":"in flight"}'), Throttled),
        (Fault(400, '{"__type":"com.amazonaws.sqs#KmsThrottled","message":"slow"}'), Throttled),
        (Fault(403, '{"__type":"AccessDeniedException","message":"no"}'), Denied),
        (Fault(400, '{"__type":"com.amazonaws.sqs#KmsAccessDenied","message":"no"}'), Denied),
        (Fault(500, '{"__type":"InternalFailure","message":"ours"}'), Unavailable),
        (Fault(503, "<html>planted</html>"), Unavailable),
        (Fault(200, '{"Messages":[{"Body":'), Malformed),
        (Fault(200, '{"Messages":"planted"}'), Malformed),
        (Fault(200, '{"Messages":[{"Body":"planted"}]}'), Malformed),
        (Fault(200, '{"Messages":[{"ReceiptHandle":"r","Body":"planted"}]}', reset=True), Unavailable),
        (Fault(400, echo=True), InvalidConfig),
        (Fault(drop=True), Unavailable),
    ],
)
async def test_a_failing_queue_is_a_typed_error_and_the_next_request_works(
    world: World, fault: Fault, kind: type[EsoError]
):
    feed = await world.feed()
    world.server.fail(fault)
    with pytest.raises(kind) as caught:
        await feed.receive()
    told = f"{caught.value} {caught.value.fix}"
    assert not any(secret in told for secret in (*PLANTED, "planted"))
    world.server.shelf.put("{}")
    assert await world.taken(feed) == [b"{}"]


async def test_a_queue_that_is_not_there_is_told_with_what_to_check(world: World):
    feed = await world.feed(queueURL=SQS_URL.replace("changes", "other"))
    with pytest.raises(InvalidConfig) as caught:
        await feed.receive()
    assert str(caught.value) == "the queue does not exist, or the identity may not know of it"
    assert caught.value.fix == "check the account, the region and the name in sqs.queueURL"


@pytest.mark.parametrize("operation", ["ReceiveMessage", "DeleteMessageBatch"])
async def test_a_right_that_is_missing_is_told(world: World, operation: str):
    world.server.shelf.put("{}")
    world.server.denied = {operation}
    feed = await world.feed()
    with pytest.raises(Denied, match="not authorized") as caught:
        await world.taken(feed)
    assert caught.value.fix == RIGHTS


async def test_a_login_that_is_refused_keeps_its_type_and_speaks_of_no_store(world: World):
    world.server.fail(
        Fault(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
    )
    with pytest.raises(AuthRejected) as caught:
        await world.feed(**with_role(world))
    assert str(caught.value).startswith("cannot log in to AWS: operation error STS: AssumeRole")
    world.server.fail(Fault(503, "<html>down</html>"))
    with pytest.raises(Unavailable):
        await world.feed(**with_role(world))


async def test_a_poll_ends_at_once_when_it_is_cancelled(world: World):
    world.server.shelf.patient = True
    feed = await world.feed()
    waiting = asyncio.ensure_future(feed.receive())
    await until(lambda: world.server.operations()["ReceiveMessage"] == 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await until(lambda: world.server.open_connections() == 0)
    await world.server.shelf.hurry()
    world.server.shelf.put("{}")
    assert await world.taken(feed) == [b"{}"]


async def test_a_poll_that_waits_hears_of_a_message_at_once(world: World):
    world.server.shelf.patient = True
    feed = await world.feed()
    waiting = asyncio.ensure_future(feed.receive())
    await until(lambda: world.server.operations()["ReceiveMessage"] == 1)
    world.server.shelf.put("{}")
    assert len(await waiting) == 1


async def test_a_cancellation_at_any_await_leaves_nothing_behind(world: World):
    async def run() -> None:
        world.server.shelf.entries.clear()
        world.server.shelf.put("{}")
        feed = await world.feed()
        try:
            assert len(await world.taken(feed)) == 1
        finally:
            await feed.close()

    assert await cancelled_everywhere(world, run) > 10
    assert isinstance(world.opener, Sqs)
    assert world.opener._lent == {}


async def test_all_feeds_share_what_the_sdk_has_in_memory(world: World):
    assert isinstance(world.opener, Sqs)
    one, other = await asyncio.gather(world.feed(), world.feed())
    (lent,) = world.opener._lent.values()
    assert lent.feeds == 2
    await one.close()
    await one.close()
    world.server.shelf.put("{}")
    assert await world.taken(other) == [b"{}"]
    await other.close()
    assert world.opener._lent == {}
