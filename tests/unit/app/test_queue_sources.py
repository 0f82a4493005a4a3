"""Change events from a queue through the whole operator: Amazon's contract server on one side, the fake API server on
the other."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from eso.api.changesource import CHANGE_SOURCES
from eso.api.meta import SECRETS, SERVICE_ACCOUNTS
from tests.fakes.apiserver import FakeApiServer, Status
from tests.fakes.awslogin import ACCOUNT, KEYS, STATIC
from tests.fakes.clock import until
from tests.fakes.queues import SQS_URL, FakeSqs
from tests.harness.scripted import Scripted
from tests.unit.app.operating import Operating, condition, operating, put_external_secret, put_store
from tests.unit.app.test_change_events import later, status, synced, value

FLAG = "--enable-change-sources"
BLOCK: dict[str, Any] = {"queueURL": SQS_URL, "region": "eu-central-1", "auth": STATIC}
MESSAGE = json.dumps({"keys": ["key"]})


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def sqs():
    async with FakeSqs() as server:
        yield server


def put_keys(api: FakeApiServer, namespace: str = "team", **values: str) -> None:
    data = {"id": KEYS["keys/id"], "secret": KEYS["keys/secret"]} | values
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    api.put(SECRETS, {"metadata": {"name": "keys", "namespace": namespace}, "data": encoded})


def put_queue(api: FakeApiServer, namespace: str = "team", **members: Any) -> None:
    body = {"storeRefs": [{"name": "store"}], "sqs": BLOCK | members}
    api.put(CHANGE_SOURCES, {"metadata": {"name": "source", "namespace": namespace}, "spec": body})


def furnish(api: FakeApiServer) -> None:
    put_store(api, provider={"fake": {}})
    put_external_secret(api, refreshInterval="24h")
    put_keys(api)
    put_queue(api)


@asynccontextmanager
async def receiving(
    api: FakeApiServer, sqs: FakeSqs, script: Scripted, *flags: str, **more: Any
) -> AsyncIterator[Operating]:
    """The operator, once it waits at the queue."""
    environ = {"AWS_SQS_ENDPOINT": sqs.address, "AWS_STS_ENDPOINT": sqs.address}
    async with operating(api, FLAG, *flags, providers={"fake": script}, environ=environ, **more) as one:
        try:
            await later(one, lambda: sqs.shelf.waiting > 0)
            await synced(one)
            yield one
        finally:
            await settled(one)


async def settled(one: Operating) -> None:
    """No pass waits for time to go on: it would not while the process ends."""

    def quiet() -> bool:
        snapshots = [room.queue.snapshot() for room in one.operator.rooms]
        return not any(found.running or found.depth for found in snapshots)

    await later(one, quiet)


def ready(api: FakeApiServer) -> tuple[str, str, str]:
    found = condition(api.get(CHANGE_SOURCES, "team", "source"), "Ready")
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def outcomes(one: Operating) -> dict[str, int]:
    lines = [line for line in one.metrics().splitlines() if line.startswith("externalsecrets_change_events_total{")]
    return {line.split('outcome="')[1].split('"')[0]: int(float(line.rpartition(" ")[2])) for line in lines}


async def test_a_message_brings_the_new_value_and_is_taken_off(api: FakeApiServer, sqs: FakeSqs):
    furnish(api)
    script, sqs.shelf.patient = Scripted(), True
    async with receiving(api, sqs, script) as one:
        script.value = b"rotated"
        sqs.shelf.put(MESSAGE, MESSAGE, "no JSON", "x" * (256 * 1024 + 1))
        await later(one, lambda: value(one) == "rotated")
        await later(one, lambda: not sqs.shelf.entries)
        assert outcomes(one) == {"accepted": 2, "unreadable": 1, "too_large": 1}
        await later(one, lambda: status(api).get("rejected") and ready(api)[0] == "True", step=5.0)
        assert (status(api)["source"], status(api)["rejected"]) == ("sqs", {"too_large": 1, "unreadable": 1})


async def test_a_message_is_taken_off_only_after_it_is_written_down(api: FakeApiServer, sqs: FakeSqs):
    furnish(api)
    script, sqs.shelf.patient = Scripted(), True
    async with receiving(api, sqs, script) as one:
        api.fail(Status(500), method="PATCH", path="changesources", times=1000)
        sqs.shelf.put(MESSAGE)
        await later(one, lambda: outcomes(one).get("unwritten"))
        assert len(sqs.shelf.entries) == 1 and sqs.operations()["DeleteMessageBatch"] == 0
        api._rules.clear()
        sqs.shelf.unlock()  # what was not taken off comes again
        await later(one, lambda: not sqs.shelf.entries)
        assert outcomes(one)["accepted"] == 1


async def test_what_a_process_held_when_it_ended_comes_to_the_next_one(api: FakeApiServer, sqs: FakeSqs):
    furnish(api)
    script, sqs.shelf.patient = Scripted(), True
    async with receiving(api, sqs, script) as one:
        api.fail(Status(500), method="PATCH", path="changesources", times=1000)
        script.value = b"rotated"
        sqs.shelf.put(MESSAGE)
        await later(one, lambda: outcomes(one).get("unwritten"))
        now = one.clock.now()
    api._rules.clear()
    assert len(sqs.shelf.entries) == 1
    sqs.shelf.unlock()
    environ = {"AWS_SQS_ENDPOINT": sqs.address}
    start = now + timedelta(seconds=60)
    async with operating(api, FLAG, providers={"fake": script}, environ=environ, start=start) as one:
        await later(one, lambda: not sqs.shelf.entries)
        await later(one, lambda: value(one) == "rotated")
        await settled(one)


async def test_the_end_of_the_process_ends_a_poll_that_waits(api: FakeApiServer, sqs: FakeSqs):
    """As the loss of the lease does: both end the rooms."""
    furnish(api)
    sqs.shelf.patient = True
    async with receiving(api, sqs, Scripted()):
        pass
    await until(lambda: sqs.open_connections() == 0)
    assert not [task for task in asyncio.all_tasks() if "source-" in task.get_name()]


async def test_a_source_that_is_deleted_or_paused_ends_its_poll(api: FakeApiServer, sqs: FakeSqs):
    furnish(api)
    sqs.shelf.patient = True
    async with receiving(api, sqs, Scripted()) as one:
        paused = api.get(CHANGE_SOURCES, "team", "source")
        assert paused is not None
        paused["metadata"]["annotations"] = {"extensions.external-secrets.io/suspend": "true"}
        api.put(CHANGE_SOURCES, paused)
        await one.until(lambda: sqs.open_connections() == 0)  # no time goes by
        await sqs.shelf.hurry()
        sqs.shelf.patient = True
        del paused["metadata"]["annotations"]
        api.put(CHANGE_SOURCES, paused)
        await later(one, lambda: sqs.shelf.waiting > 0)
        api.remove(CHANGE_SOURCES, "team", "source")
        await one.until(lambda: sqs.open_connections() == 0)


async def test_keys_that_are_replaced_are_used_at_once_and_no_message_is_lost(api: FakeApiServer, sqs: FakeSqs):
    furnish(api)
    script, sqs.shelf.patient = Scripted(), True
    async with receiving(api, sqs, script) as one:
        script.value, sqs.keys = b"rotated", {"AKIAREPLACED0001"}
        put_keys(api, id="AKIAREPLACED0001", secret="planted-other-key")
        await later(one, lambda: login(sqs) == "AKIAREPLACED0001")
        await sqs.shelf.hurry()
        sqs.shelf.unlock()
        sqs.shelf.put(MESSAGE)
        await later(one, lambda: value(one) == "rotated")
        await later(one, lambda: not sqs.shelf.entries)


def login(sqs: FakeSqs) -> str:
    """The access key of the last request."""
    return str(sqs.asked[-1].headers["Authorization"].split("Credential=")[1].split("/")[0])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param({"region": "eu-west-1"}, "sqs.region is eu-west-1, but the queue", id="another region"),
        pytest.param({"queueURL": "https://evil.example.com/1/q"}, "sqs.queueURL is no https address", id="no queue"),
        pytest.param({"queueURL": f"{SQS_URL}-2"}, "the queue does not exist", id="a queue that is missing"),
        pytest.param({"auth": None}, "no credentials", id="no identity"),
        pytest.param(
            {"auth": {"secretRef": STATIC["secretRef"] | {"sessionTokenSecretRef": {"name": "keys", "key": "none"}}}},
            'cannot log in to AWS: could not fetch SessionToken secret: cannot find secret data for key: "none"',
            id="no token",
        ),
    ],
)
async def test_what_is_wrong_stands_in_the_condition_without_a_secret(
    api: FakeApiServer, sqs: FakeSqs, members: dict[str, Any], message: str
):
    furnish(api)
    put_queue(api, **members)
    environ = {"AWS_SQS_ENDPOINT": sqs.address, "AWS_EC2_METADATA_DISABLED": "true"}
    async with operating(api, FLAG, providers={"fake": Scripted()}, environ=environ) as one:
        await later(one, lambda: ready(api)[0] == "False")
        assert ready(api)[1] == "SourceFailed"
        assert message in ready(api)[2]
        shown = json.dumps([status(api), one.events(), [str(line) for line in one.log.lines]])
        assert not any(secret in shown for secret in (KEYS["keys/secret"], KEYS["keys/token"]))
        put_queue(api)
        await later(one, lambda: ready(api)[0] == "True", step=1.0)
        await settled(one)


async def test_a_message_wakes_nobody_of_another_namespace(api: FakeApiServer, sqs: FakeSqs):
    """The same name of the store, the same key, another namespace."""
    put_store(api, provider={"fake": {}})
    put_external_secret(api, refreshInterval="24h")
    put_store(api, namespace="other", provider={"fake": {}})
    put_keys(api, "other")
    put_queue(api, "other")
    script, sqs.shelf.patient = Scripted(), True
    async with receiving(api, sqs, script) as one:
        script.value = b"rotated"
        sqs.shelf.put(MESSAGE, json.dumps({"prefixes": [""]}))
        await later(one, lambda: not sqs.shelf.entries)
        await one.idle()
        await one.clock.advance(60)
        assert value(one) != "rotated"


async def test_a_namespace_without_the_credentials_reads_none_of_another(api: FakeApiServer, sqs: FakeSqs):
    put_store(api, namespace="other", provider={"fake": {}})
    put_keys(api, "team")
    put_queue(api, "other")
    environ = {"AWS_SQS_ENDPOINT": sqs.address}
    async with operating(api, FLAG, providers={"fake": Scripted()}, environ=environ) as one:

        def told() -> str:
            found = condition(api.get(CHANGE_SOURCES, "other", "source"), "Ready")
            return str(found.get("message", "")) if found.get("status") == "False" else ""

        await later(one, told)
        assert 'from namespace "other"' in told()
        assert sqs.asked == []
        await settled(one)


async def test_a_queue_is_opened_anew_when_the_account_goes_or_another_takes_its_place(
    api: FakeApiServer, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
):
    """Its session at the cloud would outlive the account by an hour."""
    opened: list[str] = []
    closed: list[str] = []

    class Asked:
        async def receive(self) -> Any:
            await asyncio.Event().wait()

        async def close(self) -> None:
            closed.append("")

    async def opening(block: Any, credentials: Any, env: Any) -> Any:
        account = await credentials.service_account(block["auth"]["jwt"]["serviceAccountRef"])
        opened.append(account.uid)
        return Asked()

    monkeypatch.setattr("eso.notify.sqs.Sqs.open", lambda self, *given: opening(*given))
    put_store(api, provider={"fake": {}})
    put_external_secret(api, refreshInterval="24h")
    put_queue(api, auth=ACCOUNT)
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "app", "namespace": "team"}})
    async with operating(api, FLAG, providers={"fake": Scripted()}) as one:
        await later(one, lambda: opened)
        await later(one, lambda: one.knows_account("app"))
        api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "app", "namespace": "team", "labels": {"a": "b"}}})
        await synced(one)
        assert (len(opened), closed) == (1, [])
        api.remove(SERVICE_ACCOUNTS, "team", "app")
        await later(one, lambda: closed)
        await later(one, lambda: ready(api)[0] == "False")
        assert "app" in ready(api)[2]
        api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "app", "namespace": "team"}})
        await later(one, lambda: len(opened) == 2)
        assert opened[0] != opened[1]
        await settled(one)
