"""Change events through the whole operator: from the socket to the Secret, on the fake API server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
import pytest

from eso.api.changesource import CHANGE_SOURCES, MOST_PENDING
from eso.api.meta import SECRETS
from eso.app import wiring
from eso.notify.verify import signed
from eso.providers.contract import CredentialReader, Find, Plan, StoreView
from tests.fakes.apiserver import FakeApiServer, Json, Late, Request, Status
from tests.harness.scripted import Scripted, ScriptedClient
from tests.unit.app.operating import Operating, condition, operating, put_external_secret, put_store

KEY = b"the key of the sender"
FLAGS = ("--change-events-addr=127.0.0.1:0", "--leader-election-namespace=system")


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


def put_source(api: FakeApiServer, name: str = "source", namespace: str = "team", **spec: Any) -> None:
    put_sender(api, namespace)
    body: Json = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "storeRefs": [{"name": "store"}],
            "webhook": {"auth": {"hmac": {"secretRefs": [{"name": "sender", "key": "key"}]}}},
            **spec,
        },
    }
    api.put(CHANGE_SOURCES, body)


def put_sender(api: FakeApiServer, namespace: str = "team") -> None:
    data = {"key": base64.b64encode(KEY).decode()}
    api.put(SECRETS, {"metadata": {"name": "sender", "namespace": namespace}, "data": data})


class Backend(Scripted):
    """Counts what is asked of the backend. `never`: it does not answer any more."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched, self.never, self.answer = 0, False, asyncio.Event()

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> BackendClient:
        return BackendClient(self, store)


class BackendClient(ScriptedClient):
    script: Backend

    def bind(self, store: StoreView) -> BackendClient:
        return BackendClient(self.script, store)

    async def fetch(self, request: Any) -> Any:
        self.script.fetched += 1
        if self.script.never:
            await self.script.answer.wait()
        return await super().fetch(request)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        self.script.fetched += 1
        if self.script.never:
            await self.script.answer.wait()
        async for page in super().find(find):
            yield page


class Sender:
    """Sends events to the port on which the operator listens."""

    def __init__(self, one: Operating, session: aiohttp.ClientSession) -> None:
        self.one, self.session, self.sent = one, session, 0

    @property
    def url(self) -> str:
        (fields,) = [fields for text, fields in self.one.lines("info") if text == "change events are accepted"]
        return f"http://127.0.0.1:{fields['port']}"

    async def send(
        self,
        *keys: Any,
        source: str = "team/source",
        key: bytes = KEY,
        told: str = "",
        body: bytes | None = None,
        at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Json]:
        """The answer; time goes on until it is there."""
        sending = self.start(*keys, source=source, key=key, told=told, body=body, at=at, headers=headers)
        await later(self.one, sending.done, step=0.02)
        return sending.result()

    async def until(self, status: int, **more: Any) -> None:
        """Sends until the answer is `status`."""
        async with asyncio.timeout(60):
            while (await self.send("key", **more))[0] != status:
                pass

    def start(
        self,
        *keys: Any,
        source: str = "team/source",
        key: bytes = KEY,
        told: str = "",
        body: bytes | None = None,
        at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[tuple[int, Json]]:
        self.sent += 1
        content = orjson.dumps({"keys": list(keys)}) if body is None else body
        made = signed(key, told or f"event-{self.sent}", int((at or self.one.clock.now()).timestamp()), content)
        return asyncio.ensure_future(self._post(source, content, made if headers is None else dict(headers)))

    async def _post(self, source: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, Json]:
        async with self.session.post(f"{self.url}/v1/changes/{source}", data=content, headers=headers) as reply:
            return reply.status, orjson.loads(await reply.read())


@asynccontextmanager
async def listening(
    api: FakeApiServer, script: Backend, *flags: str, **more: Any
) -> AsyncIterator[tuple[Operating, Sender]]:
    async with operating(api, *FLAGS, *flags, providers={"fake": script}, **more) as one:
        async with aiohttp.ClientSession() as session:
            await later(one, lambda: any(text == "change events are accepted" for text, _ in one.lines("info")))
            yield one, Sender(one, session)


async def later(one: Operating, what: Callable[[], Any], step: float = 0.1) -> None:
    """Until the condition holds, while time goes on in steps of so many seconds."""
    async with asyncio.timeout(60):
        while not what() and not one.task.done():
            await one.clock.advance(step)
            await asyncio.sleep(0.002)
    await one.until(what)


def value(one: Operating, name: str = "secret", namespace: str = "team") -> str:
    found = one.secret(name, namespace)
    return base64.b64decode(found["data"]["x"]).decode() if found else ""


def status(api: FakeApiServer, name: str = "source", namespace: str = "team") -> Json:
    found = api.get(CHANGE_SOURCES, namespace, name)
    return (found or {}).get("status") or {}


async def test_an_event_brings_the_new_value_into_the_secret(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await one.until(lambda: value(one) != "")
        await one.idle()
        await one.clock.advance(5)
        script.value = b"rotated"
        assert await sender.send("key") == (202, {"outcome": "accepted", "keys": 1, "objects": 1})
        await one.until(lambda: value(one) == "rotated")
        await one.idle()
        assert "externalsecrets_change_event_written_seconds_count 1.0" in one.metrics()


async def synced(one: Operating, *names: str) -> None:
    """Every object has its first value, and the status of the source is up to date; time has gone on since."""
    await later(one, lambda: all(value(one, name) for name in names or ("secret",)))
    await one.idle()
    await one.clock.advance(10)


async def test_many_objects_on_one_key_cost_one_read(api: FakeApiServer):
    """Also when fewer of them run at once."""
    names = [f"object-{n}" for n in range(60)]
    put_store(api, provider={"fake": {}})
    for name in names:
        put_external_secret(api, name)
    put_source(api)
    script = Backend()
    async with listening(api, script, "--passes-in-flight=4") as (one, sender):
        await synced(one, *names)
        before, script.value = script.fetched, b"rotated"
        sending = sender.start("key")
        await one.until(lambda: all(value(one, name) == "rotated" for name in names))  # the time stands still
        assert script.fetched - before == 1
        await later(one, sending.done)
        assert sending.result()[1]["objects"] == len(names)


async def test_every_secret_is_written_before_the_first_status(api: FakeApiServer):
    """Also those of objects that had no place at first."""
    names = [f"object-{n}" for n in range(60)]
    put_store(api, provider={"fake": {}})
    for name in names:
        put_external_secret(api, name)
    put_source(api)
    script = Backend()
    async with listening(api, script, "--passes-in-flight=24", "--status-heartbeat=0") as (one, sender):
        await synced(one, *names)
        before, script.value = len(api.writes), b"rotated"
        sending = sender.start("key")
        await later(one, lambda: len([w for w in api.writes[before:] if statused(w)]) >= len(names), step=0.02)
        await later(one, sending.done)
        order = [
            "status" if statused(w) else "secret" for w in api.writes[before:] if statused(w) or "/secrets/" in w.path
        ]
        assert order == ["secret"] * len(names) + ["status"] * len(names)


def statused(write: Request) -> bool:
    return "externalsecrets" in write.path and write.path.endswith("/status")


async def test_the_status_holds_a_change_until_every_object_has_it_and_then_no_longer(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        script.value, script.never = b"rotated", True
        await sender.send({"key": "key", "version": "7"})
        assert [(entry["key"], entry["version"]) for entry in status(api)["pending"]] == [("key", "7")]
        script.never = False
        script.answer.set()
        await later(one, lambda: "pending" not in status(api))
        assert status(api)["accepted"] == 1 and status(api)["lagMilliseconds"] >= 0
        assert value(one) == "rotated"


async def test_what_was_accepted_is_carried_out_by_the_next_process(api: FakeApiServer):
    """The first one ends between its answer and the write."""
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        script.value, script.never = b"rotated", True
        assert (await sender.send("key"))[0] == 202
        assert value(one) == "some-value"
        one.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one.task
        one.task = asyncio.create_task(asyncio.sleep(0))
        now = one.clock.now()
    script.never = False
    async with listening(api, script, start=now + timedelta(seconds=5)) as (one, _):
        await later(one, lambda: value(one) == "rotated")
        await later(one, lambda: "pending" not in status(api))
        assert status(api)["accepted"] == 1


async def test_what_was_carried_out_is_not_read_again_by_the_next_process(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        script.value = b"rotated"
        await sender.send("key")
        await later(one, lambda: value(one) == "rotated" and "pending" not in status(api))
        now = one.clock.now()
    before = script.fetched
    async with listening(api, script, start=now + timedelta(seconds=5)) as (one, _):
        await one.clock.advance(20)
        await one.idle()
        assert script.fetched == before


async def test_an_event_that_cannot_be_written_down_is_refused_and_may_be_sent_again(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        await synced(one)
        api.fail(Status(500), method="PATCH", path="changesources")
        assert (await sender.send("key", told="the same"))[0] == 503
        assert await sender.send("key", told="the same") == (202, {"outcome": "accepted", "keys": 1, "objects": 1})
        assert await sender.send("key", told="the same") == (202, {"outcome": "duplicate"})


async def test_a_repetition_makes_no_read(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        await sender.send("key", told="once")
        await later(one, lambda: "pending" not in status(api))
        before = script.fetched
        assert (await sender.send("key", told="once"))[1] == {"outcome": "duplicate"}
        await one.clock.advance(10)
        await one.idle()
        assert script.fetched == before


async def test_events_that_come_together_are_written_down_together(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    for n in range(20):
        put_external_secret(api, f"object-{n}", key=f"key-{n}")
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        await synced(one, *(f"object-{n}" for n in range(20)))
        before = len(one.written(CHANGE_SOURCES, "status"))
        sending = [sender.start(f"key-{n}") for n in range(20)]
        await later(one, lambda: all(one.done() for one in sending))
        assert {one.result()[0] for one in sending} == {202}
        assert len(one.written(CHANGE_SOURCES, "status")) - before < 10


async def test_keys_that_nobody_reads_cost_nothing(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        before, writes = script.fetched, len(one.written(CHANGE_SOURCES, "status"))
        assert await sender.send("another") == (202, {"outcome": "accepted", "keys": 1, "objects": 0})
        assert (script.fetched, len(one.written(CHANGE_SOURCES, "status"))) == (before, writes)


CLOSED = {"kind": "deny", "windows": [{"schedule": "0 12 * * *", "duration": "1h"}]}


async def test_a_closed_window_holds_an_object_until_it_opens_unless_the_object_is_immediate(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api, "held", syncWindows=CLOSED, refreshInterval="24h")
    put_external_secret(api, "immediate", syncWindows=CLOSED, refreshInterval="24h", target={"immediate": True})
    put_source(api)
    script = Backend()
    async with listening(api, script, start=datetime(2026, 5, 1, 11, 30, tzinfo=UTC)) as (one, sender):
        await synced(one, "held", "immediate")
        await one.clock.advance(3000)  # the window is closed now
        script.value = b"rotated"
        assert (await sender.send("key"))[1]["objects"] == 2
        await later(one, lambda: value(one, "immediate") == "rotated")
        await one.idle()
        assert value(one, "held") == "some-value"
        await one.clock.advance(3600 + 300)
        await later(one, lambda: value(one, "held") == "rotated")


async def test_immediate_objects_go_first(api: FakeApiServer):
    names = [f"object-{n}" for n in range(10)]
    put_store(api, provider={"fake": {}})
    for name in names:
        put_external_secret(api, name)
    put_external_secret(api, "urgent", target={"immediate": True})
    put_source(api)
    script = Backend()
    async with listening(api, script, "--passes-in-flight=1") as (one, sender):
        await synced(one, "urgent", *names)
        script.value = b"rotated"
        before = len(one.written(SECRETS))
        await sender.send("key")
        await later(one, lambda: all(value(one, name) == "rotated" for name in names))
        assert one.written(SECRETS)[before].path.endswith("/urgent")


@pytest.mark.parametrize(
    ("where", "admitted", "woken"),
    [
        pytest.param("system", "", {"team", "other"}, id="the operator's namespace wakes all namespaces"),
        pytest.param("team", "", set(), id="a tenant that the store does not admit wakes nothing"),
        pytest.param("team", "there, team", {"team"}, id="a tenant that it admits wakes its own objects only"),
        pytest.param("team", "teams", set(), id="names are compared whole"),
    ],
)
async def test_whose_objects_a_source_wakes(api: FakeApiServer, where: str, admitted: str, woken: set[str]):
    annotations = {"extensions.external-secrets.io/change-sources-from": admitted}
    put_store(api, "shared", "", provider={"fake": {}}, annotations=annotations)
    for namespace in ("team", "other"):
        put_external_secret(api, namespace=namespace, store="shared", kind="ClusterSecretStore")
    put_source(api, namespace=where, storeRefs=[{"name": "shared", "kind": "ClusterSecretStore"}])
    script = Backend()
    async with listening(api, script) as (one, sender):
        await later(one, lambda: value(one) and value(one, namespace="other"))
        await one.clock.advance(10)
        script.value = b"rotated"
        code, answer = await sender.send("key", source=f"{where}/source")
        if not woken:
            assert code == 403
            assert condition({"status": status(api, namespace=where)}, "Ready")["reason"] == "StoreNotAllowed"
        else:
            assert answer["objects"] == len(woken)
        await later(one, lambda: all(value(one, namespace=name) == "rotated" for name in woken))
        await one.clock.advance(5)
        await one.idle()
        rest = {"team", "other"} - woken
        assert {name for name in rest if value(one, namespace=name) == "rotated"} == set()


async def test_the_namespace_of_the_lease_is_not_the_operator_s(api: FakeApiServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wiring, "pod_namespace", lambda: "operator")
    put_store(api, "shared", "", provider={"fake": {}})
    for namespace in ("system", "operator"):
        put_source(api, namespace=namespace, storeRefs=[{"name": "shared", "kind": "ClusterSecretStore"}])
    async with listening(api, Backend()) as (_, sender):
        assert (await sender.send("key", source="system/source"))[0] == 403
        assert (await sender.send("key", source="operator/source"))[0] == 202


async def test_a_source_wakes_no_object_of_another_store(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_store(api, "elsewhere", provider={"fake": {}})
    put_external_secret(api)
    put_external_secret(api, "foreign", store="elsewhere")
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        await synced(one, "secret", "foreign")
        assert (await sender.send("key"))[1]["objects"] == 1


class Stuck(Backend):
    """Answers nobody in the namespace `loud`, once `never` is set."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StuckClient:
        return StuckClient(self, store)


class StuckClient(BackendClient):
    def bind(self, store: StoreView) -> StuckClient:
        return StuckClient(self.script, store)

    async def fetch(self, request: Any) -> Any:
        if self.store.namespace != "loud":
            return request[1]
        return await super().fetch(request)


async def test_events_of_one_namespace_hold_up_no_object_of_another(api: FakeApiServer):
    """Its backend does not answer, its objects are many, and it keeps sending."""
    for namespace in ("team", "loud"):
        put_store(api, namespace=namespace, provider={"fake": {}})
        put_source(api, namespace=namespace)
    names = [f"object-{n}" for n in range(60)]
    for name in names:
        put_external_secret(api, name, "loud", key=name)
    put_external_secret(api)
    script = Stuck()
    async with listening(api, script, "--passes-in-flight=8", "--pass-timeout=1h") as (one, sender):
        await later(one, lambda: value(one) and all(value(one, name, "loud") for name in names))
        await one.clock.advance(10)
        script.never, script.value = True, b"rotated"
        loud = [sender.start(*names, source="loud/source") for _ in range(20)]
        await later(one, lambda: script.fetched > 60 + 4, step=0.02)
        answer = await sender.send("key")
        assert answer == (202, {"outcome": "accepted", "keys": 1, "objects": 1})
        await later(one, lambda: value(one) == "rotated")
        assert not any(value(one, name, "loud") == "rotated" for name in names)
        script.never = False
        script.answer.set()
        await later(one, lambda: all(sending.done() for sending in loud))
        await later(one, lambda: all(value(one, name, "loud") == "rotated" for name in names))
        await later(one, lambda: not one.operator.room("externalsecret").queue.snapshot().running)


async def test_a_stranger_cannot_tell_whether_there_is_such_a_source(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        forged = await sender.send("key", key=b"a guess")
        assert forged == (401, {"error": "unauthorized"})
        for source in ("team/nothing", "nowhere/source", "team/SOURCE"):
            assert await sender.send("key", source=source, key=b"a guess") == forged
            assert await sender.send("key", source=source, headers={}) == forged
        assert await sender.send("key", headers={}) == forged
        text = one.metrics()
        assert 'externalsecrets_change_events_total{namespace="team",source="source",outcome="forged"} 1' in text
        assert 'externalsecrets_change_events_total{namespace="",source="",outcome="forged"} 6' in text


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_event_from_another_time_is_refused(api: FakeApiServer, minutes: int):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        assert (await sender.send("key", at=one.clock.now() + timedelta(minutes=minutes)))[0] == 401
        await later(one, lambda: status(api).get("rejected") == {"late": 1})


async def test_a_new_key_is_accepted_once_its_secret_is_written_and_the_old_one_no_longer(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with listening(api, Backend()) as (_, sender):
        assert (await sender.send("key"))[0] == 202
        api.edit(SECRETS, "team", "sender", {"data": {"key": base64.b64encode(b"new").decode()}})
        await sender.until(202, key=b"new")
        assert (await sender.send("key"))[0] == 401


async def test_a_source_without_its_secret_says_so_and_accepts_nothing(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    api.remove(SECRETS, "team", "sender")
    async with listening(api, Backend()) as (one, sender):
        assert (await sender.send("key"))[0] == 401
        ready = condition({"status": status(api)}, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "CredentialMissing")
        put_sender(api)
        await later(one, lambda: condition({"status": status(api)}, "Ready")["status"] == "True")
        assert (await sender.send("key"))[0] == 202


async def test_a_burst_stays_bounded(api: FakeApiServer):
    """The book takes no more than it can write down; who sends more is asked to wait."""
    put_store(api, provider={"fake": {}})
    for n in range(12):
        put_external_secret(api, f"object-{n}", dataFrom=[{"find": {"name": {"regexp": f"^key-{n}-"}}}], data=[])
    put_source(api)
    script = Backend()
    script.found = {"a": b"1"}
    async with listening(api, script, "--pass-timeout=100h") as (one, sender):
        await later(one, lambda: all(one.secret(f"object-{n}") for n in range(12)))
        await one.clock.advance(10)
        script.never = True
        answers: dict[int, int] = {}
        for n in range(12):
            code, _ = await sender.send(*(f"key-{n}-{m}" for m in range(50)))
            answers[code] = answers.get(code, 0) + 1
        pending = len(status(api)["pending"])
        script.answer.set()
    assert answers == {202: MOST_PENDING // 50, 429: 12 - MOST_PENDING // 50}
    assert pending == MOST_PENDING // 50 * 50


async def test_a_debounce_waits_for_more_events_of_the_key(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api, debounce="30s")
    script = Backend()
    async with listening(api, script) as (one, sender):
        await synced(one)
        before, script.value = script.fetched, b"rotated"
        for _ in range(5):
            assert (await sender.send("key"))[0] == 202
        await one.clock.advance(5)
        await one.idle()
        assert script.fetched == before
        await one.clock.advance(30)
        await later(one, lambda: value(one) == "rotated")
        assert script.fetched == before + 1


async def test_a_change_that_no_event_told_of_is_counted_when_a_refresh_finds_it(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_source(api)
    script = Backend()
    counter = 'externalsecrets_events_missed_found_by_poll_total{namespace="team",source="source"} 1'
    async with listening(api, script) as (one, sender):
        await synced(one)
        script.value = b"told"
        await sender.send("key")
        await later(one, lambda: value(one) == "told")
        await one.idle()
        assert "events_missed_found_by_poll_total{" not in one.metrics()
        script.value = b"not told"
        await one.clock.advance(3700)
        await later(one, lambda: value(one) == "not told")
        await one.idle()
        await one.clock.advance(11)  # an event that is on its way would be here by now
        assert counter in one.metrics()


async def test_an_object_that_never_reads_by_itself_is_not_woken(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api, "once", refreshPolicy="CreatedOnce")
    put_external_secret(api, "never", refreshInterval="0")
    put_source(api)
    async with listening(api, Backend()) as (one, sender):
        await synced(one, "once", "never")
        assert (await sender.send("key"))[1]["objects"] == 0


async def test_a_source_that_is_gone_accepts_nothing(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with listening(api, Backend()) as (_, sender):
        assert (await sender.send("key"))[0] == 202
        api.remove(CHANGE_SOURCES, "team", "source")
        await sender.until(401)


async def test_a_paused_source_wakes_nothing(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    api.edit(
        CHANGE_SOURCES,
        "team",
        "source",
        {"metadata": {"annotations": {"extensions.external-secrets.io/suspend": "true"}}},
    )
    async with listening(api, Backend()) as (_, sender):
        assert (await sender.send("key"))[0] == 403
        assert condition({"status": status(api)}, "Ready")["reason"] == "Suspended"


async def test_without_the_flag_there_is_neither_a_port_nor_a_watch(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with operating(api, providers={"fake": Scripted()}) as one:
        await one.running()
        assert CHANGE_SOURCES not in {informer.resource for informer in one.operator.catalogue.informers}
        assert "changesource" not in {room.name for room in one.operator.rooms}


async def test_without_the_crd_everything_else_works(api: FakeApiServer):
    api.unserved.add("changesources")
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    async with operating(api, *FLAGS, providers={"fake": Scripted()}) as one:
        await one.until(lambda: one.ready() == "True")
        assert value(one) == "some-value"


async def test_the_port_opens_also_when_a_status_moves_before_every_source_is_known(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    for name in ("first", "second"):
        put_source(api, name)
    api.fail(Late(), method="PATCH", path="changesources/second/status")
    async with operating(api, *FLAGS, providers={"fake": Backend()}) as one:
        # in steps so small that the port does not open by itself meanwhile
        await later(one, lambda: condition(api.get(CHANGE_SOURCES, "team", "first"), "Ready").get("status"), 0.001)
        await later(one, lambda: one.passes("changesource"), 0.001)
        api.edit(CHANGE_SOURCES, "team", "first", {"status": {"accepted": 7}})
        await later(one, lambda: knows(one, "first").status.accepted == 7, 0.001)
        assert not any(text == "change events are accepted" for text, _ in one.lines("info"))
        api.release()
        await later(one, lambda: any(text == "change events are accepted" for text, _ in one.lines("info")))


async def test_sources_that_are_not_known_for_a_minute_keep_no_sender_out(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    for name in ("source", "second"):
        put_source(api, name)
    api.fail(Late(), method="PATCH", path="changesources/second/status")
    async with operating(api, *FLAGS, providers={"fake": Backend()}) as one, aiohttp.ClientSession() as session:
        await later(one, lambda: any(text == "change events are accepted" for text, _ in one.lines("info")))
        await Sender(one, session).until(202)
        api.release()


def knows(one: Operating, name: str) -> Any:
    (informer,) = (informer for informer in one.operator.catalogue.informers if informer.resource == CHANGE_SOURCES)
    return informer.get(("team", name))
