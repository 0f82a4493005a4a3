from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from eso.api.meta import EVENTS, NAMESPACES, SECRETS, ObjectMeta
from eso.kube import events as e
from eso.kube.events import Recorder
from tests.fakes.apiserver import FakeApiServer, Hang, Reset, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until

META = ObjectMeta(namespace="a", name="es", uid="uid-1", resource_version="7")


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, text: str, **more: Any) -> None:
        self.lines.append((text, more))

    error = warning


class Telling:
    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.clock, self.log = api, VirtualClock(), Log()
        self.rest = api.rest()
        self.recorder = Recorder(self.rest, clock=self.clock, log=self.log)

    def emit(self, message: str = "boom", meta: ObjectMeta = META, reason: str = "UpdateFailed") -> None:
        self.recorder.emit("external-secrets", SECRETS, meta, "Warning", reason, message)

    def written(self) -> list[tuple[str, int]]:
        return [(one["message"], one["count"]) for one in self.api.all(EVENTS)]


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@asynccontextmanager
async def telling(api: FakeApiServer):
    it = Telling(api)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(it.recorder.run())
        yield it
        task.cancel()
    await it.rest.access.close()


async def test_an_event_looks_as_client_go_writes_it(api):
    async with telling(api) as it:
        it.emit()
        await it.recorder.drain(5)
        [event] = api.all(EVENTS)
    for filled_in in ("uid", "resourceVersion", "creationTimestamp"):
        event["metadata"].pop(filled_in)
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "es.17a6101701650000", "namespace": "a"},
        "involvedObject": {
            "kind": "Secret",
            "namespace": "a",
            "name": "es",
            "uid": "uid-1",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "reason": "UpdateFailed",
        "message": "boom",
        "source": {"component": "external-secrets"},
        "reportingComponent": "external-secrets",
        "type": "Warning",
        "firstTimestamp": "2024-01-01T00:00:00Z",
        "lastTimestamp": "2024-01-01T00:00:00Z",
        "count": 1,
    }


async def test_a_repeat_bumps_the_count(api):
    async with telling(api) as it:
        for _ in range(3):
            it.emit()
            await it.recorder.drain(5)
            await it.clock.advance(60)
        assert it.written() == [("boom", 3)]
        [event] = api.all(EVENTS)
        assert (event["firstTimestamp"], event["lastTimestamp"]) == ("2024-01-01T00:00:00Z", "2024-01-01T00:02:00Z")
        assert [one.method for one in api.writes] == ["POST", "PATCH", "PATCH"]


async def test_repeats_that_wait_become_one_write(api):
    it = Telling(api)
    for _ in range(5):
        it.emit()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(it.recorder.run())
        await it.recorder.drain(5)
        task.cancel()
    assert (it.written(), len(api.writes)) == ([("boom", 5)], 1)
    await it.rest.access.close()


async def test_after_ten_minutes_a_repeat_is_a_new_event(api):
    async with telling(api) as it:
        for _ in range(2):
            it.emit()
            await it.recorder.drain(5)
            await it.clock.advance(601)
        assert it.written() == [("boom", 1), ("boom", 1)]


async def test_an_event_that_expired_at_the_server_is_written_anew(api):
    async with telling(api) as it:
        it.emit()
        await it.recorder.drain(5)
        api.remove(EVENTS, "a", api.all(EVENTS)[0]["metadata"]["name"])
        it.emit()
        await it.recorder.drain(5)
        assert it.written() == [("boom", 1)]


async def test_more_than_ten_texts_are_combined(api):
    async with telling(api) as it:
        for n in range(15):
            it.emit(f"boom {n}")
        await it.recorder.drain(5)
        assert it.written() == [*((f"boom {n}", 1) for n in range(10)), ("(combined from similar events): boom 14", 5)]


async def test_another_object_another_reason_another_uid_are_other_events(api):
    async with telling(api) as it:
        it.emit()
        it.emit(reason="Deleted")
        it.emit(meta=ObjectMeta(namespace="a", name="es", uid="uid-2"))
        await it.recorder.drain(5)
        assert it.written() == [("boom", 1)] * 3


async def test_events_of_one_moment_have_names_of_their_own(api):
    async with telling(api) as it:
        for n in range(5):
            it.emit(f"boom {n}")
        await it.recorder.drain(5)
        assert len({one["metadata"]["name"] for one in api.all(EVENTS)}) == 5


async def test_a_noisy_object_is_cut_short_and_others_are_not(api):
    async with telling(api) as it:
        for _ in range(40):
            it.emit()
            await it.recorder.drain(5)
        it.emit(meta=ObjectMeta(namespace="a", name="quiet", uid="uid-9"))
        await it.recorder.drain(5)
        assert it.written() == [("boom", 25), ("boom", 1)]
        assert it.recorder.dropped == 15
        await it.clock.advance(300)
        it.emit()
        await it.recorder.drain(5)
        assert it.written()[0] == ("boom", 26)


async def test_too_many_waiting_events_are_dropped_and_counted(api, monkeypatch):
    monkeypatch.setattr(e, "WAITING", 3)
    it = Telling(api)
    for n in range(5):
        it.emit(meta=ObjectMeta(namespace="a", name=f"es{n}", uid=f"uid-{n}"))
    assert it.recorder.dropped == 2


async def test_events_of_cluster_wide_objects_live_in_default(api):
    async with telling(api) as it:
        it.recorder.emit(
            "cluster-secret-store", NAMESPACES, ObjectMeta(name="store", uid="u"), "Normal", "Valid", "store validated"
        )
        await it.recorder.drain(5)
        [event] = api.all(EVENTS)
        assert event["metadata"]["namespace"] == "default"
        assert "namespace" not in event["involvedObject"]


async def test_a_long_name_and_a_long_text_are_cut(api):
    async with telling(api) as it:
        it.emit("x" * 100_000, ObjectMeta(namespace="a", name="n" * 253, uid="u"))
        await it.recorder.drain(5)
        [event] = api.all(EVENTS)
        assert (len(event["metadata"]["name"]), len(event["message"])) == (253, 4096)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(429, "TooManyRequests", retry_after=60), id="throttled"),
        pytest.param(Status(503), id="unavailable"),
        pytest.param(Reset(), id="cut"),
    ],
)
async def test_an_event_waits_for_a_server_that_cannot_take_it_now(api, fault):
    async with telling(api) as it:
        api.fail(fault)
        it.emit()
        await until(lambda: it.clock.timers == 1)
        it.emit()
        await it.clock.advance(5)
        await it.recorder.drain(5)
        assert it.written() == [("boom", 2)]
        assert it.log.lines[0][0] == "could not write an event"


async def test_an_event_is_given_up_after_a_few_tries(api):
    async with telling(api) as it:
        api.fail(Status(503), times=3)
        it.emit()
        for _ in range(3):
            await until(lambda: it.clock.timers == 1)
            await it.clock.advance(5)
        await it.recorder.drain(5)
        it.emit("next")
        await it.recorder.drain(5)
        assert it.written() == [("next", 1)]


async def test_a_refused_event_is_only_logged(api):
    async with telling(api) as it:
        api.fail(Status(403, "Forbidden", "because it is being terminated"))
        it.emit()
        it.emit("next")
        await it.recorder.drain(5)
        assert it.written() == [("next", 1)]
        assert it.log.lines == [
            ("could not write an event", {"namespace": "a", "name": "es", "error": "because it is being terminated"})
        ]


async def test_half_a_surrogate_pair_in_a_text_is_replaced(api):
    async with telling(api) as it:
        it.emit("key \udcff is bad \ud800")
        it.emit("fine \U0001f600")
        await it.recorder.drain(5)
        assert it.written() == [("key ? is bad ?", 1), ("fine \U0001f600", 1)]


async def test_a_name_that_cannot_be_sent_costs_only_its_own_event(api):
    async with telling(api) as it:
        it.emit("first", ObjectMeta(name="\udcff", namespace="a", uid="u"))
        it.emit("second")
        await it.recorder.drain(5)
        assert it.written() == [("second", 1)]
        assert [text for text, _ in it.log.lines] == ["could not write an event"]


async def test_an_odd_reply_does_not_end_the_writing(api):
    class OddRest:
        async def create(self, *_: Any, **__: Any) -> bytes:
            return b"{}"

        async def patch(self, *_: Any, **__: Any) -> bytes:
            return b"<html>"

    recorder = Recorder(OddRest())  # type: ignore[arg-type]  # all that it needs
    running = asyncio.ensure_future(recorder.run())
    for _ in range(3):
        recorder.emit("external-secrets", SECRETS, META, "Warning", "UpdateFailed", "boom")
        await recorder.drain(5)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_a_bug_costs_one_event_and_its_text_is_not_logged(api):
    class BrokenRest:
        async def create(self, *_: Any, **__: Any) -> bytes:
            raise KeyError("hunter2")

    log = Log()
    recorder = Recorder(BrokenRest(), log=log)  # type: ignore[arg-type]  # all that it needs
    running = asyncio.ensure_future(recorder.run())
    recorder.emit("external-secrets", SECRETS, META, "Warning", "UpdateFailed", "boom")
    await recorder.drain(5)
    assert not running.done()
    assert log.lines[0][1]["error"] == "KeyError"
    assert "hunter2" not in str(log.lines)
    running.cancel()
    await asyncio.wait([running])


async def test_draining_ends_when_its_time_is_over(api):
    async with telling(api) as it:
        api.fail(Hang())
        it.emit()
        await it.recorder.drain(0.05)
        assert it.log.lines == [("events were left unwritten", {"count": 1})]


async def test_what_is_remembered_is_bounded(api, monkeypatch):
    recent: e._Recent[int] = e._Recent(2)
    for n in range(3):
        recent.put(n, n)
    assert [recent.get(n) for n in range(3)] == [None, 1, 2]
    recent.get(1)
    recent.put(3, 3)
    assert [recent.get(n) for n in (1, 2, 3)] == [1, None, 3]


async def test_writing_can_be_cancelled_at_every_await(api):
    class Enough(Exception):
        pass

    class Hasty(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)
            raise Enough

    rest = api.rest(turns=1)

    async def story() -> None:
        recorder = Recorder(rest, clock=Hasty())
        recorder.emit("c", SECRETS, META, "Normal", "Created", "secret created")
        api.fail(Status(503))
        with pytest.raises(Enough):
            await recorder.run()

    count = 0
    async for _ in every_await(story):
        count += 1
        api._rules.clear()
    assert count > 1
    await rest.access.close()


async def test_the_next_attempt_is_an_annotation_and_no_new_event(api):
    async with telling(api) as it:
        for seconds in (1, 2):
            soon = it.clock.now() + timedelta(seconds=seconds)
            it.recorder.emit("external-secrets", SECRETS, META, "Warning", "UpdateFailed", "boom", next_attempt=soon)
            await it.recorder.drain(5)
        assert it.written() == [("boom", 2)]
        [event] = api.all(EVENTS)
        assert event["metadata"]["annotations"] == {
            "extensions.external-secrets.io/next-attempt": "2024-01-01T00:00:02Z"
        }
        it.emit()
        await it.recorder.drain(5)
        [event] = api.all(EVENTS)
    assert not event["metadata"].get("annotations")


async def test_a_namespace_that_has_much_to_tell_leaves_room_for_the_others(api, monkeypatch):
    monkeypatch.setattr(e, "SHARE", 3)
    it = Telling(api)
    for n in range(10):
        it.emit(meta=ObjectMeta(namespace="loud", name=f"es-{n}", uid=f"uid-{n}"))
    it.emit(meta=ObjectMeta(namespace="quiet", name="es", uid="uid"))
    assert it.recorder.dropped == 7
    async with asyncio.TaskGroup() as group:
        task = group.create_task(it.recorder.run())
        await it.recorder.drain(5)
        task.cancel()
    assert sorted(one["involvedObject"]["namespace"] for one in api.all(EVENTS)) == ["loud", "loud", "loud", "quiet"]
    assert it.recorder._waiting_of == {}
    await it.rest.access.close()
