"""Google Pub/Sub as a source of change events: login, pull, acknowledgement, and how a subscription fails."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from eso.errors import EsoError
from eso.notify.contract import LONGEST_WAIT, MOST_MESSAGES
from eso.notify.formats import Told, read
from eso.notify.pubsub import RIGHTS, PubSub, PubSubFeed
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
)
from tests.fakes.backend import Fault
from tests.fakes.clock import until
from tests.fakes.env import Detour
from tests.fakes.gcp import GcpCredentials, service_account_key
from tests.fakes.queues import SUBSCRIPTION, FakePubSub
from tests.unit.notify.queuing import Rig, cancelled_everywhere, rig
from tests.unit.notify.test_replies import VERSION_ADDED

KEY = {"secretRef": {"secretAccessKeySecretRef": {"name": "login", "key": "key.json"}}}
BLOCK: dict[str, Any] = {"subscription": SUBSCRIPTION, "auth": KEY}
World = Rig[FakePubSub]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    server = FakePubSub()

    def direct() -> Detour:
        made = Detour()
        made.hosts = server.hosts
        return made

    credentials = GcpCredentials({"login/key.json": service_account_key()})
    async with rig(server, PubSub(direct), BLOCK, credentials) as made:
        server.clock = made.clock.monotonic
        yield made


async def test_messages_are_pulled_and_gone_once_they_are_acknowledged(world: World):
    world.server.shelf.put(*[VERSION_ADDED] * 12)
    feed = await world.feed()
    first = await world.taken(feed)
    assert (len(first), len(await world.taken(feed)), await world.taken(feed)) == (MOST_MESSAGES, 2, [])
    told = read({}, first[0])
    assert isinstance(told, Told)
    assert [(change.key, change.version) for change in told.changes] == [("projects/424242/secrets/db", "7")]
    assert world.server.shelf.entries == []


async def test_what_is_not_acknowledged_comes_again(world: World):
    world.server.shelf.put(VERSION_ADDED)
    feed = await world.feed()
    (old,) = await feed.receive()
    world.server.shelf.unlock()
    (new,) = await feed.receive()
    assert new.body == old.body
    await feed.acknowledge([old.receipt])
    assert len(world.server.shelf.entries) == 1
    world.server.exactly_once = True
    await feed.acknowledge([old.receipt, new.receipt])  # the one that is too late is refused, and does no harm
    assert world.server.shelf.entries == []


async def test_the_login_may_be_an_account_of_the_cluster(world: World):
    world.server.subjects["of-app"] = (
        "identitynamespace:shop.svc.id.goog:"
        "https://container.googleapis.com/v1/projects/shop/locations/europe-west3/clusters/main"
    )
    world.server.shelf.put(VERSION_ADDED)
    identity = {
        "clusterProjectID": "shop",
        "clusterLocation": "europe-west3",
        "clusterName": "main",
        "serviceAccountRef": {"name": "app"},
    }
    credentials = GcpCredentials({}, tokens={"app": "of-app"}, accounts={"app": {}})
    feed = await world.feed(credentials, auth={"workloadIdentity": identity})
    assert len(await world.taken(feed)) == 1


async def test_the_operators_own_identity_is_used_where_the_flag_allows_it(world: World):
    world.server.shelf.put(VERSION_ADDED)
    feed = await world.feed(GcpCredentials(environ={}), auth=None)
    assert len(await world.taken(feed)) == 1
    with pytest.raises(InvalidConfig, match="may not use the operator's own cloud identity"):
        await world.feed(GcpCredentials(environ=None), auth=None)


async def test_a_token_ends_before_it_is_refused(world: World):
    feed = await world.feed()
    await world.clock.advance(3541.0)
    asked = len(world.server.asked)
    with pytest.raises(AuthExpired):
        await feed.receive()
    assert len(world.server.asked) == asked


async def test_a_token_that_was_revoked_has_the_feed_opened_anew(world: World):
    world.server.shelf.put(VERSION_ADDED)
    feed = await world.feed()
    (message,) = await feed.receive()
    world.server.tokens.clear()
    with pytest.raises(AuthExpired):
        await feed.acknowledge([message.receipt])
    await (await world.feed()).acknowledge([message.receipt])
    assert world.server.shelf.entries == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(429, '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"planted"}}'), Throttled),
        (Fault(403, '{"error":{"code":403,"status":"PERMISSION_DENIED","message":"planted"}}'), Denied),
        (Fault(404, '{"error":{"code":404,"status":"NOT_FOUND","message":"planted"}}'), InvalidConfig),
        (Fault(500, '{"error":{"code":500,"status":"INTERNAL","message":"planted"}}'), Unavailable),
        (Fault(503, "<html>planted</html>"), Unavailable),
        (Fault(404, "<html>planted</html>"), EsoError),
        (Fault(200, '{"receivedMessages":[{"ackId":'), Malformed),
        (Fault(200, "[]"), Malformed),
        (Fault(200, '{"receivedMessages":[{"message":{"data":"planted"}}]}'), Malformed),
        (Fault(200, '{"receivedMessages":[{"ackId":"planted"}]}', reset=True), Unavailable),
        (Fault(302, "", {"Location": "https://evil.example.com/"}), EsoError),
        (Fault(400, echo=True), InvalidConfig),
        (Fault(drop=True), Unavailable),
    ],
)
async def test_a_failing_subscription_is_a_typed_error_and_the_next_request_works(
    world: World, fault: Fault, kind: type[EsoError]
):
    feed = await world.feed()
    world.server.fail(replace(fault, path=":pull"))
    with pytest.raises(kind) as caught:
        await feed.receive()
    told = f"{caught.value} {caught.value.fix}"
    assert "planted" not in told
    assert not any(token in told for token in world.server.tokens)
    world.server.shelf.put(VERSION_ADDED)
    assert len(await world.taken(feed)) == 1


async def test_a_subscription_that_is_not_there_or_pushes_is_told(world: World):
    feed = await world.feed(subscription="projects/shop/subscriptions/other")
    with pytest.raises(InvalidConfig, match=r"^Pub/Sub answered 404 \(NotFound\): there is no such subscription$"):
        await feed.receive()
    world.server.pushes = True
    feed = await world.feed()
    with pytest.raises(InvalidConfig, match="the subscription cannot be pulled from") as caught:
        await feed.receive()
    assert caught.value.fix == "use a subscription without a push endpoint"


async def test_a_right_that_is_missing_is_told(world: World):
    world.server.forbidden = True
    with pytest.raises(Denied, match=r"^Pub/Sub answered 403 \(PermissionDenied\)$") as caught:
        await (await world.feed()).receive()
    assert caught.value.fix == RIGHTS


async def test_a_key_that_is_refused_keeps_its_type_and_speaks_of_no_store(world: World):
    world.server.key_ids.clear()
    with pytest.raises(AuthRejected) as caught:
        await world.feed()
    assert str(caught.value) == "cannot log in to Google: status: 400 (invalid_grant)"


async def test_a_pull_that_nobody_answers_means_that_there_is_no_message(world: World):
    world.server.shelf.patient = True
    feed = await world.feed()
    assert isinstance(feed, PubSubFeed)
    assert feed.wait == LONGEST_WAIT
    feed.wait = 0.05
    assert await feed.receive() == ()
    feed.wait = LONGEST_WAIT
    await world.server.shelf.hurry()
    await until(lambda: world.server.open_connections() == 0)
    world.server.shelf.put(VERSION_ADDED)
    assert len(await world.taken(feed)) == 1


async def test_a_pull_ends_at_once_when_it_is_cancelled(world: World):
    world.server.shelf.patient = True
    feed = await world.feed()
    waiting = asyncio.ensure_future(feed.receive())
    await until(lambda: world.server.count(":pull") == 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await until(lambda: world.server.open_connections() == 0)
    await world.server.shelf.hurry()
    world.server.shelf.put(VERSION_ADDED)
    assert len(await world.taken(feed)) == 1


async def test_a_cancellation_at_any_await_leaves_nothing_behind(world: World):
    async def run() -> None:
        world.server.shelf.entries.clear()
        world.server.shelf.put({"data": base64.b64encode(b"{}").decode()})
        feed = await world.feed()
        try:
            assert len(await world.taken(feed)) == 1
        finally:
            await feed.close()

    assert await cancelled_everywhere(world, run) > 10
