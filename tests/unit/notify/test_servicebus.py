"""Azure Service Bus as a source of change events: logins, peek-lock, deletion, and what a failing queue looks like."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from eso.errors import EsoError
from eso.notify.contract import MOST_MESSAGES
from eso.notify.formats import read
from eso.notify.servicebus import RIGHTS, ServiceBus, signed
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
)
from eso.secretbytes import SecretBytes
from tests.fakes.azurekv import CLIENT, SECRET, TENANT
from tests.fakes.backend import Fault
from tests.fakes.clock import until
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Detour
from tests.fakes.queues import BUS, KEY, KEY_NAME, QUEUE, FakeBus
from tests.unit.notify.queuing import Rig, cancelled_everywhere, rig
from tests.unit.notify.test_replies import CLOUD_EVENT, NEW_SECRET

REFS = {"clientId": {"name": "login", "key": "client"}, "clientSecret": {"name": "login", "key": "secret"}}
BLOCK: dict[str, Any] = {"host": BUS, "queue": QUEUE, "tenantId": TENANT, "authSecretRef": REFS}
SAS: dict[str, Any] = {
    "tenantId": None,
    "authSecretRef": None,
    "sas": {"keyName": KEY_NAME, "secretRef": {"name": "login", "key": "sas"}},
}
OWN: dict[str, Any] = {"authSecretRef": None, "tenantId": None, "authType": "ManagedIdentity"}
ACCOUNT: dict[str, Any] = {
    "authSecretRef": None,
    "tenantId": None,
    "authType": "WorkloadIdentity",
    "serviceAccountRef": {"name": "app"},
}
SECRETS = {"login/client": CLIENT, "login/secret": SECRET, "login/sas": f"{KEY}\n"}
EVENT = json.dumps(CLOUD_EVENT).encode()
World = Rig[FakeBus]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    server = FakeBus()

    def direct() -> Detour:
        made = Detour()
        made.hosts = server.hosts
        return made

    async with rig(server, ServiceBus(direct), BLOCK, StaticCredentials(SECRETS)) as made:
        server.clock = lambda: made.clock.now().timestamp()
        yield made


async def test_the_first_message_is_passed_on_at_once_and_those_after_it_are_collected(world: World):
    world.server.shelf.put(*[EVENT] * 13)
    feed = await world.feed()
    sizes = [len(await world.taken(feed)) for _ in range(4)]
    assert sizes == [1, MOST_MESSAGES, 2, 0]
    assert world.server.shelf.entries == []
    waits = [asked.query["timeout"] for asked in world.server.asked if asked.path.endswith("/head")]
    assert (waits[-1], set(waits[:-1])) == ("20", {"1"})


async def test_a_message_says_what_event_grid_wrote(world: World):
    world.server.shelf.put(EVENT)
    (message,) = await (await world.feed()).receive()
    assert read(message.attributes, message.body) == NEW_SECRET


async def test_what_is_not_acknowledged_comes_again_with_another_lock(world: World):
    world.server.shelf.put(EVENT)
    feed = await world.feed()
    (old,) = await feed.receive()
    world.server.shelf.unlock()
    (new,) = await feed.receive()
    await feed.acknowledge([old.receipt])
    assert len(world.server.shelf.entries) == 1
    await feed.acknowledge([new.receipt])
    assert world.server.shelf.entries == []


async def test_what_is_locked_is_passed_on_when_the_next_request_fails(world: World):
    world.server.shelf.put(*[EVENT] * 3)
    feed = await world.feed()
    assert len(await world.taken(feed)) == 1
    answer, count = world.server.answer, 0

    async def second_fails(asked: Any) -> Any:
        nonlocal count
        count += asked.path.endswith("/head")
        if count == 2 and asked.path.endswith("/head"):
            return web.Response(status=500)
        return await answer(asked)

    world.server.answer = second_fails  # type: ignore[method-assign]  # one fault in the middle of a batch
    assert len(await feed.receive()) == 1


async def test_messages_that_come_one_by_one_do_not_wait_for_a_whole_batch(world: World):
    world.server.shelf.put(*[EVENT] * 8)
    feed = await world.feed()
    assert len(await world.taken(feed)) == 1
    answer = world.server.answer

    async def slowly(asked: Any) -> Any:
        world.clock.jump(0.4)
        return await answer(asked)

    world.server.answer = slowly  # type: ignore[method-assign]  # time goes by with each request
    assert len(await feed.receive()) == 3


async def test_a_topics_subscription_is_a_queue_as_well(world: World):
    world.server.path = "events/subscriptions/eso"
    world.server.shelf.put(EVENT)
    feed = await world.feed(queue=None, topic="events", subscription="eso")
    assert len(await world.taken(feed)) == 1
    assert world.server.shelf.entries == []


async def test_a_signature_is_what_the_service_documents():
    """`sr`, a line break and the end, signed with the text of the key; each part is encoded as in a form."""
    made = signed("https://shop.servicebus.windows.net/changes", "Root", SecretBytes(b"k+/="), 1767225600)
    resource = "https%3A%2F%2Fshop.servicebus.windows.net%2Fchanges"
    digest = hmac.new(b"k+/=", f"{resource}\n1767225600".encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert made == f"SharedAccessSignature sr={resource}&sig={signature}&se=1767225600&skn=Root"


async def test_a_key_of_the_namespace_signs_each_request_anew(world: World):
    world.server.shelf.put(EVENT, EVENT)
    feed = await world.feed(**SAS)
    assert len(await world.taken(feed)) == 1
    await world.clock.advance(7200.0)
    assert len(await world.taken(feed)) == 1
    shown = {asked.headers["Authorization"] for asked in world.server.asked}
    assert len(shown) == 2
    assert not any(KEY in text for text in shown)


async def test_a_key_that_is_replaced_loses_no_message(world: World):
    world.server.shelf.put(EVENT)
    feed = await world.feed(**SAS)
    (message,) = await feed.receive()
    world.server.keys = {KEY_NAME: "planted-second-key"}
    with pytest.raises(AuthExpired):
        await feed.acknowledge([message.receipt])
    fresh = await world.feed(StaticCredentials({"login/sas": "planted-second-key"}), **SAS)
    await fresh.acknowledge([message.receipt])
    assert world.server.shelf.entries == []


async def test_the_login_may_be_an_account_of_the_cluster(world: World):
    world.server.assertions["of-app"] = CLIENT
    notes = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": TENANT}
    world.server.shelf.put(EVENT)
    feed = await world.feed(StaticCredentials({}, tokens={"app": "of-app"}, accounts={"app": notes}), **ACCOUNT)
    assert len(await world.taken(feed)) == 1


async def test_the_operators_own_identity_is_shown_to_the_clouds_own_hosts_only(world: World):
    world.server.shelf.put(EVENT)
    credentials = StaticCredentials({}, environ={})
    assert len(await world.taken(await world.feed(credentials, **OWN))) == 1
    asked = len(world.server.asked)
    for host in ("bus.example.com", "shop.servicebus.chinacloudapi.cn"):
        with pytest.raises(InvalidConfig, match="namespaces of the source's cloud only"):
            await world.feed(credentials, host=host, **OWN)
    with pytest.raises(InvalidConfig, match="may not use the operator's own cloud identity"):
        await world.feed(StaticCredentials({}), **OWN)
    assert len(world.server.asked) == asked


async def test_credentials_of_the_namespace_may_be_shown_to_any_host(world: World):
    world.server.shelf.put(EVENT)
    assert len(await world.taken(await world.feed(host="bus.example.com"))) == 1


async def test_a_token_ends_before_it_is_refused(world: World):
    feed = await world.feed()
    await world.clock.advance(3540.0)
    asked = len(world.server.asked)
    with pytest.raises(AuthExpired):
        await feed.receive()
    assert len(world.server.asked) == asked


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(429, "planted", {"Retry-After": "7"}), Throttled),
        (Fault(401, "planted"), AuthExpired),
        (Fault(403, "planted"), Denied),
        (Fault(404, "planted"), InvalidConfig),
        (Fault(410, "planted"), InvalidConfig),
        (Fault(500, "planted"), Unavailable),
        (Fault(503, "<html>planted</html>"), Unavailable),
        (Fault(200, '"planted"'), Malformed),
        (Fault(201, '"planted"', {"BrokerProperties": '{"LockToken":"planted"'}), Malformed),
        (Fault(201, '"planted planted"', {"BrokerProperties": "{}"}, reset=True), Unavailable),
        (Fault(307, "", {"Location": "https://evil.example.com/"}), EsoError),
        (Fault(400, echo=True), InvalidConfig),
        (Fault(drop=True), Unavailable),
    ],
)
async def test_a_failing_queue_is_a_typed_error_and_the_next_request_works(
    world: World, fault: Fault, kind: type[EsoError]
):
    feed = await world.feed(**SAS)
    world.server.fail(fault)
    with pytest.raises(kind) as caught:
        await feed.receive()
    told = f"{caught.value} {caught.value.fix}"
    assert not any(secret in told for secret in ("planted", KEY, "Shared", "evil"))
    world.server.shelf.put(EVENT)
    assert len(await world.taken(feed)) == 1


async def test_a_queue_that_is_not_there_is_told(world: World):
    feed = await world.feed(queue="other")
    with pytest.raises(InvalidConfig, match=r"^Service Bus answered 410 Gone: there is no such queue or subscription$"):
        await feed.receive()


async def test_a_right_that_is_missing_is_told(world: World):
    world.server.forbidden = True
    with pytest.raises(Denied, match=r"^Service Bus answered 403 Forbidden$") as caught:
        await (await world.feed()).receive()
    assert caught.value.fix == RIGHTS


async def test_a_client_that_is_refused_is_told_and_its_secret_is_not(world: World):
    with pytest.raises(AuthRejected) as caught:
        await world.feed(StaticCredentials(SECRETS | {"login/secret": "planted-wrong"}))
    assert str(caught.value).startswith("cannot log in to Azure: Entra ID answered 401")
    assert "planted" not in str(caught.value)


async def test_a_poll_ends_at_once_when_it_is_cancelled(world: World):
    world.server.shelf.patient = True
    feed = await world.feed()
    waiting = asyncio.ensure_future(feed.receive())
    await until(lambda: world.server.count("/head") == 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await until(lambda: world.server.open_connections() == 0)
    await world.server.shelf.hurry()
    world.server.shelf.put(EVENT)
    assert len(await world.taken(feed)) == 1


@pytest.mark.parametrize("members", [{}, SAS, OWN], ids=["a client", "a key", "the operator's own"])
async def test_a_cancellation_at_any_await_leaves_nothing_behind(world: World, members: dict[str, Any]):
    async def run() -> None:
        world.server.shelf.entries.clear()
        world.server.shelf.put(EVENT, EVENT)
        feed = await world.feed(StaticCredentials(SECRETS, environ={}), **members)
        try:
            assert len(await world.taken(feed)) == 1
            assert len(await world.taken(feed)) == 1
        finally:
            await feed.close()

    assert await cancelled_everywhere(world, run) > 8
