"""The watch driver and the informer on top of it, against an API server with faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Container
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from eso.api.meta import SECRETS, ObjectMeta, Record
from eso.kube import watch as w
from eso.kube.informer import Informer
from eso.kube.rest import Forbidden, Unreachable
from eso.kube.standing import Missing, Pending, Refused, Synced
from eso.kube.watchstate import RELIST_AFTER, Listing, Watching
from tests.fakes.apiserver import FakeApiServer, Garbage, HalfReply, Reset, Status, secret
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until


class Kept(Record, frozen=True):
    metadata: ObjectMeta

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def resource_version(self) -> str:
        return self.metadata.resource_version


decode = msgspec.json.Decoder(Kept).decode


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def warning(self, text: str, **more: Any) -> None:
        self.lines.append(("warning", text, more))

    def error(self, text: str, **more: Any) -> None:
        self.lines.append(("error", text, more))


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


class Following:
    """An informer that runs, and what it told."""

    def __init__(self, api: FakeApiServer, **options: Any) -> None:
        self.api, self.clock, self.log = api, VirtualClock(), Log()
        self.told: list[tuple[str | None, str | None]] = []
        self.rest = api.rest()
        options = {
            "clock": self.clock,
            "log": self.log,
            "jitter": lambda: 0.5,
            "decode": decode,
        } | options
        listener = options.pop("on_change", self.on_change)
        index = options.pop("index", None)
        self.informer: Informer[Kept] = Informer(self.rest, SECRETS, options.pop("decode"), listener, **options)
        if index is not None:
            self.informer.index("store", index)

    def on_change(self, old: Kept | None, new: Kept | None) -> None:
        known = self.informer.get(("a", (new or old).name))  # type: ignore[union-attr]  # never both None
        assert known is new, "the cache moves before the callback"
        self.told.append((old.name if old else None, new.name if new else None))

    async def shows(self, *names: str) -> None:
        """Until the cache holds these, over any number of back-offs."""
        await self.ride(lambda: sorted(record.name for record in self.informer.values()) == sorted(names))

    async def ride(self, predicate: Callable[[], bool]) -> None:
        """Until `predicate`, over any number of back-offs."""
        while True:
            await until(lambda: predicate() or self.clock.timers > 0)
            if predicate():
                return
            await self.clock.advance(60.0)

    def lists(self) -> int:
        return len([one for one in self.api.requests if one.query.get("limit") == "500"])

    async def wait_out(self, seconds: float = 60.0) -> None:
        """Until it backs off, then until the back-off is over."""
        await until(lambda: self.clock.timers == 1)
        await self.clock.advance(seconds)


@asynccontextmanager
async def following(api: FakeApiServer, *, synced: bool = True, **options: Any):
    one = Following(api, **options)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.informer.run())
        if synced:
            await until(lambda: api.watching == 1)
        yield one
        task.cancel()
    await one.rest.access.close()


async def test_what_is_there_is_listed_and_told_before_it_counts_as_synced(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        assert it.informer.has_synced.is_set()
        assert it.told == [(None, "x")]
        assert it.informer.keys() == [("a", "x")]


async def test_an_empty_list_is_synced_too(api):
    async with following(api) as it:
        assert it.informer.has_synced.is_set()
        assert len(it.informer) == 0


async def test_nothing_counts_as_synced_before_the_last_page(api):
    for n in range(3):
        api.put(SECRETS, secret("a", f"x{n}"))
    api.fail(Status(500, "InternalError", "etcd leader changed"), path="secrets")
    async with following(api, synced=False) as it:
        await until(lambda: it.informer.error is not None)
        assert not it.informer.has_synced.is_set()
        await it.wait_out()
        await until(it.informer.has_synced.is_set)


async def test_additions_changes_and_deletions_follow(api):
    async with following(api) as it:
        api.put(SECRETS, secret("a", "x"))
        await it.shows("x")
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"l": "1"}}})
        await until(lambda: it.informer.get(("a", "x")).metadata.labels == {"l": "1"})
        api.remove(SECRETS, "a", "x")
        await it.shows()
        assert it.told == [(None, "x"), ("x", "x"), ("x", None)]


async def test_after_the_servers_timeout_the_watch_resumes_without_a_list(api):
    async with following(api) as it:
        api.put(SECRETS, secret("a", "x"))
        await it.shows("x")
        api.close_watches()
        api.put(SECRETS, secret("a", "y"))  # too late for the stream that ends
        await it.shows("x", "y")
        assert it.lists() == 1


async def test_a_bookmark_moves_the_place_to_resume_from(api):
    async with following(api) as it:
        api.version += 50  # writes to other resources
        api.bookmark()
        await until(lambda: getattr(it.informer._watch.state, "version", "") == str(api.version))
        api.close_watches()
        await until(lambda: len([one for one in api.requests if one.watch]) == 2)
        assert api.requests[-1].query["resourceVersion"] == str(api.version)
        assert it.told == []


async def test_watches_ask_for_bookmarks_and_an_end_and_never_for_version_0(api):
    async with following(api):
        [first, second] = api.requests
        assert "resourceVersion" not in first.query
        assert first.query["limit"] == "500"
        assert second.query == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "270",
            "resourceVersion": "100",
        }


@pytest.mark.parametrize("how", ["as the reply", "as an event"])
async def test_a_version_too_old_leads_to_a_new_list_and_the_difference_is_told(api, how):
    for name in ("stays", "goes", "changes"):
        api.put(SECRETS, secret("a", name))
    async with following(api) as it:
        it.told.clear()
        api.break_watches()
        api.remove(SECRETS, "a", "goes")
        api.edit(SECRETS, "a", "changes", {"metadata": {"labels": {"l": "1"}}})
        api.put(SECRETS, secret("a", "comes"))
        if how == "as the reply":
            api.compact()
            await it.wait_out()
        else:
            api.fail(
                Garbage(
                    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
                ),
                watch=True,
            )
            await it.wait_out()
        await it.wait_out()
        await it.shows("stays", "changes", "comes")
        assert sorted(it.told, key=str) == [("changes", "changes"), ("goes", None), (None, "comes")]


async def test_a_list_that_goes_stale_between_pages_starts_again_and_invents_no_deletion(api):
    for n in range(3):
        api.put(SECRETS, secret("a", f"x{n}"))
    async with following(api) as it:
        it.told.clear()
        api.fail(Status(410, "Expired", "too old"), watch=True)
        api.fail(Status(410, "Expired", "the continue token is too old"), watch=False)
        api.break_watches()
        for _ in range(3):
            await it.wait_out()
        await until(lambda: api.watching == 1)
        assert it.told == []
        assert len(it.informer) == 3


async def test_list_410_list_410_slows_down(api):
    api.fail(Status(410, "Expired", "too old"), watch=True, times=100)
    async with following(api, synced=False) as it:
        waits = []
        for _ in range(6):
            await until(lambda: it.clock.timers == 1)
            before = it.clock.monotonic()
            await it.clock.advance(it.clock._heap[0][0] - before)
            waits.append(it.clock.monotonic() - before)
        assert waits == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 15.0])


async def test_after_an_outage_the_new_list_does_not_wait_as_long_as_the_outage(api):
    async with following(api) as it:
        api.fail(Status(503, plain=True), watch=True, times=4)
        api.fail(Status(410, "Expired", "too old"), watch=True)
        api.close_watches()
        await it.ride(lambda: it.informer.error is not None and it.informer.error.status == 410)
        await until(lambda: it.clock.timers == 1)
        assert it.clock._heap[0][0] - it.clock.monotonic() <= 0.8
        await it.ride(lambda: it.lists() == 2)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Reset(), id="connection reset"),
        pytest.param(Status(500, "InternalError", "etcd"), id="server error"),
        pytest.param(Status(429, "TooManyRequests", "slow"), id="throttled"),
        pytest.param(Status(502, plain=True), id="a proxy in between"),
        pytest.param(Garbage(), id="a page to sign in"),
        pytest.param(Garbage(b'{"type":"ADDED","object":{"metada'), id="half an event"),
        pytest.param(Garbage(b'{"type":"ADDED","object":{"metadata":{"name":7}}}\n'), id="an object that is none"),
        pytest.param(Garbage(b'{"type":"EXPLODED","object":{}}\n'), id="an unknown event"),
        pytest.param(Status(401, "Unauthorized", "Unauthorized"), id="a refused token"),
    ],
)
async def test_a_watch_that_fails_is_taken_up_again_where_it_was(api, fault):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        api.fail(fault, watch=True)
        api.close_watches()
        api.put(SECRETS, secret("a", "y"))
        await it.wait_out()
        await it.shows("x", "y")
        assert it.told == [(None, "x"), (None, "y")]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(HalfReply(), id="half a list"),
        pytest.param(Garbage(), id="no list"),
        pytest.param(Reset(), id="reset"),
    ],
)
async def test_a_list_that_fails_changes_nothing(api, fault):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        api.send_error(410, "Expired", "too old")
        api.fail(fault, watch=False, times=2)  # a read that was cut off is sent a second time at once
        await it.ride(lambda: it.informer.error is not None and it.informer.error.status != 410)
        assert len(it.informer) == 1
        await it.ride(lambda: it.informer.error is None)
        assert it.told == [(None, "x")]


async def test_a_broken_connection_loses_nothing(api):
    async with following(api) as it:
        for n in range(5):
            api.break_watches()
            api.put(SECRETS, secret("a", f"x{n}"))
            await it.wait_out()
            await until(lambda: api.watching == 1)
        await it.shows(*(f"x{n}" for n in range(5)))


async def test_a_server_that_restarts_is_found_again(api):
    async with following(api) as it:
        await api.stop()
        await until(lambda: it.informer.error is not None)
        assert isinstance(it.informer.error, Unreachable)
        await api.start()
        api.put(SECRETS, secret("a", "x"))
        await it.wait_out()
        await it.shows("x")
        assert it.informer.error is None


async def test_a_silent_stream_is_left(api, monkeypatch):
    # the server may keep it open for 270 s; a tenth of a second of real silence stands for the rest
    monkeypatch.setattr(w, "SILENCE", -269.9)
    async with following(api) as it:
        await until(lambda: it.informer.error is not None)
        assert "silent" in str(it.informer.error)
        monkeypatch.setattr(w, "SILENCE", 30.0)
        await it.wait_out()
        await until(lambda: api.watching >= 1)
        api.put(SECRETS, secret("a", "x"))
        await it.shows("x")


async def test_forbidden_is_told_once_and_ends_when_it_is_allowed(api):
    api.forbidden.add(("watch", "secrets"))
    async with following(api, synced=False) as it:
        for _ in range(3):
            await it.wait_out()
        assert isinstance(it.informer.error, Forbidden)
        assert [text for _, text, _ in it.log.lines] == ["watch interrupted"]
        api.forbidden.clear()
        await it.wait_out()
        await until(lambda: api.watching == 1)
        assert it.informer.error is None


async def test_refusals_without_end_lead_to_a_new_list(api):
    async with following(api) as it:
        api.fail(Status(504, "Timeout", "Too large resource version: 100, current: 3"), watch=True, times=RELIST_AFTER)
        api.close_watches()
        await it.ride(lambda: it.lists() == 2)
        await it.ride(lambda: it.informer.error is None and api.watching == 1)


async def test_a_server_restored_from_a_backup_is_noticed(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        api.remove(SECRETS, "a", "x")
        await it.shows()
        api.version, api._history = 3, []
        api.put(SECRETS, secret("a", "x"))
        await until(lambda: api.watching == 1)
        api._watchers[0].queue = asyncio.Queue()  # what happened before the restore
        api.close_watches()
        await it.shows("x")


async def test_an_unchanged_object_is_not_told_again(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        api.send_raw(json.dumps({"type": "MODIFIED", "object": api.get(SECRETS, "a", "x")}).encode() + b"\n")
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert it.told == [(None, "x"), (None, "y")]


async def test_events_may_arrive_in_any_pieces(api):
    async with following(api) as it:
        lines = b"".join(
            json.dumps(
                {"type": "ADDED", "object": secret("a", f"x{n}", resourceVersion=str(200 + n), uid=str(n))}
            ).encode()
            + b"\n"
            for n in range(3)
        )
        for n in range(0, len(lines), 7):
            api.send_raw(lines[n : n + 7])
        await it.shows("x0", "x1", "x2")


async def test_an_object_that_cannot_be_decoded_ends_neither_the_list_nor_the_watch(api):
    def picky(raw: msgspec.Raw) -> Kept:
        record = decode(raw)
        if record.name.startswith("bad"):
            raise ValueError("hunter2")
        return record

    api.put(SECRETS, secret("a", "bad1"))
    api.put(SECRETS, secret("a", "x"))
    async with following(api, decode=picky) as it:
        api.put(SECRETS, secret("a", "bad2"))
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert [(more["name"], more["error"]) for level, _, more in it.log.lines if level == "error"] == [
            ("bad1", "ValueError"),
            ("bad2", "ValueError"),
        ]


async def test_an_object_that_turned_undecodable_is_not_taken_for_deleted(api):
    def picky(raw: msgspec.Raw) -> Kept:
        record = decode(raw)
        if record.metadata.labels:
            raise ValueError
        return record

    api.put(SECRETS, secret("a", "x"))
    async with following(api, decode=picky) as it:
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"l": "1"}}})
        await until(lambda: len(it.log.lines) == 1)
        api.send_error(410, "Expired", "too old")
        await it.wait_out()
        await until(lambda: len(it.log.lines) == 3)
        await it.shows("x")
        assert it.told == [(None, "x")]
        api.remove(SECRETS, "a", "x")
        await it.shows()


async def test_a_callback_that_fails_does_not_stop_the_news(api):
    told: list[str] = []

    def on_change(old: Kept | None, new: Kept | None) -> None:
        assert new is not None
        told.append(new.name)
        if new.name == "bad":
            raise RuntimeError

    async with following(api, on_change=on_change) as it:
        api.put(SECRETS, secret("a", "bad"))
        api.put(SECRETS, secret("a", "x"))
        await it.shows("bad", "x")
        assert told == ["bad", "x"]
        assert it.log.lines[0][1] == "a change was not taken in"


async def test_every_listener_is_told_in_order_whatever_the_others_do(api):
    order: list[str] = []

    def fails(old: Kept | None, new: Kept | None) -> None:
        order.append("fails")
        raise KeyError("hunter2")

    async with following(api, on_change=fails) as it:
        it.informer.listen(lambda old, new: order.append("second"))
        it.informer.listen(it.on_change)
        api.put(SECRETS, secret("a", "x"))
        await it.shows("x")
        assert order == ["fails", "second"]
        assert it.told == [(None, "x")]
        [(level, text, more)] = it.log.lines
        assert (level, text, more["name"], more["error"]) == ("error", "a change was not taken in", "x", "KeyError")
        assert "hunter2" not in str(more)


async def test_a_record_that_keep_cannot_judge_is_kept(api):
    def keep(record: Kept) -> bool:
        raise LookupError("hunter2")

    api.put(SECRETS, secret("a", "x"))
    async with following(api, keep=keep) as it:
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert {more["error"] for _, _, more in it.log.lines} == {"LookupError"}
        api.remove(SECRETS, "a", "y")
        await it.shows("x")


async def test_a_record_that_an_index_cannot_place_is_found_by_name_and_in_the_other_indexes(api):
    def keys_of(record: Kept) -> list[str]:
        if record.name == "bad":
            raise TypeError("hunter2")
        return [record.name]

    api.put(SECRETS, secret("a", "bad"))
    async with following(api, index=keys_of) as it:
        it.informer.index("namespace", lambda record: [record.metadata.namespace])
        api.put(SECRETS, secret("a", "x"))
        await it.shows("bad", "x")
        assert it.informer.by("store", "bad") == []
        assert [record.name for record in it.informer.by("store", "x")] == ["x"]
        assert [record.name for record in it.informer.by("namespace", "a")] == ["bad", "x"]
        assert [(more["index"], more["error"]) for _, _, more in it.log.lines] == [("store", "TypeError")]
        api.remove(SECRETS, "a", "bad")
        await it.shows("x")
        assert [record.name for record in it.informer.by("namespace", "a")] == ["x"]


async def test_keys_that_cannot_be_hashed_are_a_failed_index_too(api):
    async with following(api, index=lambda record: [["a list"]]) as it:
        api.put(SECRETS, secret("a", "x"))
        await it.shows("x")
        assert [more["error"] for _, _, more in it.log.lines] == ["TypeError"]


async def test_an_index_has_one_meaning(api):
    async with following(api, index=lambda record: []) as it:
        with pytest.raises(ValueError, match="store"):
            it.informer.index("store", lambda record: [])
        with pytest.raises(KeyError):
            it.informer.by("other", "x")


async def test_a_reply_to_our_own_write_that_cannot_be_read_is_logged_and_ignored(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        before = it.informer.get(("a", "x"))
        it.informer.learned(b"<html>")
        assert it.informer.get(("a", "x")) is before
        assert [text for _, text, _ in it.log.lines] == ["cannot read an object; it is ignored"]


async def test_a_missing_crd_is_settled_and_ends_when_it_is_installed(api):
    api.unserved = {"secrets"}
    async with following(api, synced=False) as it:
        stands = await asyncio.wait_for(it.informer.settled(), 60)
        assert isinstance(stands, Missing)
        assert not it.informer.has_synced.is_set()
        api.unserved = set()
        api.put(SECRETS, secret("a", "x"))
        await it.wait_out()
        await it.shows("x")
        assert it.informer.standing() == Synced()
        assert await it.informer.settled() == Synced()


async def test_a_refused_list_is_settled_and_an_api_server_that_is_away_is_not(api):
    api.fail(Status(503, plain=True), path="secrets", times=1)
    api.forbidden.add(("list", "secrets"))
    async with following(api, synced=False) as it:
        await until(lambda: it.informer.error is not None)
        assert isinstance(it.informer.standing(), Pending)
        settled = asyncio.ensure_future(it.informer.settled())
        await asyncio.sleep(0)
        assert not settled.done()
        await it.wait_out()
        assert isinstance(await asyncio.wait_for(settled, 60), Refused)
        api.fail(Reset(), path="secrets", times=2)
        await it.wait_out()
        await until(lambda: isinstance(it.informer.error, Unreachable))
        assert isinstance(it.informer.standing(), Pending), "it may be served again now"


async def test_a_right_that_is_taken_away_after_the_sync_leaves_the_records(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        api.forbidden |= {("watch", "secrets"), ("list", "secrets")}
        api.close_watches()
        await until(lambda: isinstance(it.informer.standing(), Refused))
        assert it.informer.has_synced.is_set()
        assert it.informer.keys() == [("a", "x")]


async def test_metadata_only_asks_for_no_data_in_lists_and_watches(api):
    raws: list[bytes] = []

    def keep_raw(raw: msgspec.Raw) -> Kept:
        raws.append(bytes(raw))
        return decode(raw)

    api.put(SECRETS, secret("a", "x", {"k": "c2VjcmV0"}))
    async with following(api, metadata_only=True, decode=keep_raw) as it:
        api.put(SECRETS, secret("a", "y", {"k": "c2VjcmV0"}))
        await it.shows("x", "y")
        assert len(raws) == 2
        assert not any(b"c2VjcmV0" in raw for raw in raws)


async def test_an_object_that_leaves_the_selector_is_gone(api):
    api.put(SECRETS, secret("a", "x", labels={"ours": "true"}))
    api.put(SECRETS, secret("a", "y"))
    async with following(api, label_selector="ours=true") as it:
        await it.shows("x")
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"ours": None}}})
        await it.shows()
        assert it.told == [(None, "x"), ("x", None)]


async def test_what_is_not_kept_is_as_if_it_were_not_there(api):
    api.put(SECRETS, secret("a", "x", labels={"ours": "true"}))
    api.put(SECRETS, secret("a", "y"))
    async with following(api, keep=lambda record: "ours" in record.metadata.labels) as it:
        api.edit(SECRETS, "a", "y", {"metadata": {"labels": {"ours": "true"}}})
        await it.shows("x", "y")
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"ours": None}}})
        await it.shows("y")
        assert it.told == [(None, "x"), (None, "y"), ("x", None)]


async def test_the_end_of_an_object_that_was_wanted_since_its_last_change_is_told(api):
    wanted: set[str] = set()
    for name in ("first", "second", "third"):
        api.put(SECRETS, secret("a", name))
    async with following(api, keep=lambda record: record.name in wanted) as it:
        wanted |= {"second", "third"}
        api.remove(SECRETS, "a", "first")
        api.remove(SECRETS, "a", "second")
        api.edit(SECRETS, "a", "third", {"metadata": {"labels": {"x": "y"}}})
        await it.shows("third")
        assert it.told == [("second", None), (None, "third")]


async def test_the_index_follows_the_records(api):
    api.put(SECRETS, secret("a", "x", labels={"store": "one"}))
    async with following(api, index=lambda record: [record.metadata.labels.get("store")]) as it:

        def found(store: str) -> list[str]:
            return [record.name for record in it.informer.by("store", store)]

        assert (found("one"), found("two")) == (["x"], [])
        api.put(SECRETS, secret("a", "y", labels={"store": "one"}))
        await it.shows("x", "y")
        assert found("one") == ["x", "y"]
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"store": "two"}}})
        await until(lambda: found("two") == ["x"])
        api.remove(SECRETS, "a", "y")
        await it.shows("x")
        assert found("one") == []


async def test_the_age_counts_from_what_was_last_heard(api):
    async with following(api) as it:
        it.clock.jump(40)
        assert it.informer.age() == 40
        api.bookmark()
        await until(lambda: it.informer.age() == 0)


def modified(obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": "MODIFIED", "object": obj}).encode() + b"\n"


async def test_a_bug_while_an_event_is_taken_in_leads_to_a_new_list():
    class Eventful(Odd):
        @asynccontextmanager
        async def watch(self, *_: object, **__: object):
            async def one():
                yield modified(secret("a", "x", resourceVersion="6"))

            yield one()

    class Broken(Nowhere):
        def changed(self, *_: object) -> None:
            raise KeyError("hunter2")

    clock, rest = VirtualClock(), Eventful(b"")
    watch = w.Watch(rest, SECRETS, Broken(), clock=clock, jitter=lambda: 0.5)  # type: ignore[arg-type]  # all that it needs
    running = asyncio.ensure_future(watch.run())
    await clock.advance(0)
    assert (rest.lists, watch.state) == (1, Listing()), (
        "the event may be lost, so its version is no place to go on from"
    )
    await clock.advance(0.8)
    assert rest.lists == 2
    running.cancel()
    await asyncio.wait([running])


async def test_our_own_write_is_known_before_the_watch_shows_it_and_older_news_do_not_undo_it(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        older = modified(secret("a", "x", resourceVersion="150"))
        ours = json.dumps(secret("a", "x", resourceVersion="200", labels={"l": "ours"})).encode()
        it.informer.learned(ours)
        assert it.informer.get(("a", "x")).metadata.labels == {"l": "ours"}
        api.send_raw(older)
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert it.informer.get(("a", "x")).resource_version == "200", "an older event came after our write"
        api.send_raw(modified(secret("a", "x", resourceVersion="201")))
        await until(lambda: it.informer.get(("a", "x")).resource_version == "201")
        api.send_raw(older)  # a server that starts again with older versions is believed: we are not ahead any more
        await until(lambda: it.informer.get(("a", "x")).resource_version == "150")


async def test_listeners_hear_of_our_own_write_once_whether_its_reply_or_its_event_comes_first(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        it.told.clear()
        ours = secret("a", "x", resourceVersion="200", labels={"l": "ours"})
        it.informer.learned(json.dumps(ours).encode())
        assert it.told == [("x", "x")], "listeners of other rooms wait for it, and its event will be old news"
        api.send_raw(modified(ours))
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert it.told == [("x", "x"), (None, "y")]


async def test_an_edit_of_others_inside_the_reply_to_our_own_write_is_told(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        changes = []
        it.informer.listen(lambda old, new: changes.append((old and old.metadata.labels, new.metadata.labels)))
        edit = secret("a", "x", resourceVersion="150", labels={"l": "theirs"})
        ours = secret("a", "x", resourceVersion="200", labels={"l": "theirs"}, annotations={"a": "ours"})
        it.informer.learned(json.dumps(ours).encode())
        api.send_raw(modified(edit))
        api.send_raw(modified(ours))
        api.put(SECRETS, secret("a", "y"))
        await it.shows("x", "y")
        assert changes[:1] == [({}, {"l": "theirs"})], "the edit came by with our reply, before its own event"


async def test_a_list_ends_what_our_own_writes_knew_ahead(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        it.informer.learned(json.dumps(secret("a", "x", resourceVersion="900")).encode())
        api.send_error(410, "Expired", "too old")
        await it.wait_out()
        live = api.get(SECRETS, "a", "x")
        await it.ride(lambda: it.informer.get(("a", "x")).resource_version == live["metadata"]["resourceVersion"])
        await until(lambda: api.watching == 1)
        api.edit(SECRETS, "a", "x", {"metadata": {"labels": {"l": "1"}}})
        await until(lambda: it.informer.get(("a", "x")).metadata.labels == {"l": "1"})


async def test_a_reply_that_is_older_than_the_cache_is_old_news(api):
    api.put(SECRETS, secret("a", "x"))
    async with following(api) as it:
        known = it.informer.get(("a", "x"))
        it.informer.learned(json.dumps(secret("a", "x", resourceVersion="1")).encode())
        it.informer.learned(json.dumps(secret("a", "unknown", resourceVersion="999")).encode())
        assert it.informer.get(("a", "x")) is known
        assert it.informer.get(("a", "unknown")) is None


class Odd:
    """Lists once, then a watch that ends without news, then `page` as the check of the place."""

    def __init__(self, page: bytes) -> None:
        self.page, self.lists = page, 0

    async def list_pages(self, *_: object, limit: int = 500, **__: object):
        self.lists += limit > 1
        yield self.page if limit == 1 else b'{"metadata":{"resourceVersion":"5"},"items":[]}'

    @asynccontextmanager
    async def watch(self, *_: object, **__: object):
        async def nothing():
            return
            yield b""

        yield nothing()


class Nowhere:
    """A Sink that takes everything."""

    def list_began(self) -> None: ...
    def listed(self, *_: object) -> None: ...
    async def list_ended(self) -> None: ...


@pytest.mark.parametrize("page", [b"{}", b"", b"<html>", b'{"metadata":7}'])
async def test_a_check_of_the_place_that_is_no_list_is_waited_out(page):
    clock, rest = VirtualClock(), Odd(page)
    watch = w.Watch(rest, SECRETS, Nowhere(), clock=clock)  # type: ignore[arg-type]  # all that it needs
    running = asyncio.ensure_future(watch.run())
    await clock.advance(400)
    assert not running.done()
    assert isinstance(watch.error, Unreachable)
    assert watch.state == Watching("5")
    running.cancel()
    await asyncio.wait([running])


async def test_a_bug_in_the_sink_is_logged_and_leads_to_a_new_list():
    class Broken(Nowhere):
        lists = 0

        async def list_ended(self) -> None:
            self.lists += 1
            if self.lists < 3:
                raise KeyError("hunter2")

    clock, log, sink = VirtualClock(), Log(), Broken()
    watch = w.Watch(Odd(b'{"metadata":{}}'), SECRETS, sink, clock=clock, log=log)  # type: ignore[arg-type]  # as above
    running = asyncio.ensure_future(watch.run())
    await clock.advance(10)
    assert not running.done()
    assert sink.lists == 3
    assert watch.state == Watching("5")
    assert [more["error"] for level, _, more in log.lines if level == "error"] == ["KeyError"] * 2
    assert "hunter2" not in str(log.lines)
    running.cancel()
    await asyncio.wait([running])


async def test_others_get_their_turn_while_many_events_arrive(api):
    for n in range(300):
        api.put(SECRETS, secret("a", f"x{n}"))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    seen: list[int] = []

    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        async with following(api, on_change=lambda old, new: seen.append(turns)):
            pass
        task.cancel()
    assert len(seen) == 300
    assert len(set(seen)) >= 300 // w.YIELD_EVERY


async def test_large_objects_give_the_others_their_turn_sooner():
    """Each one takes milliseconds to read: sixty-four of them in a row would be a stall."""
    big = json.dumps(
        {
            "type": "ADDED",
            "object": {
                "metadata": {"name": "x", "namespace": "a", "resourceVersion": "1", "annotations": {"a": "x" * 300_000}}
            },
        }
    ).encode()
    turns, seen = 0, list[int]()

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    class Stream:
        @contextlib.asynccontextmanager
        async def watch(self, *_: object, **__: object):
            async def chunks():
                yield (big + b"\n") * 10

            yield chunks()

    class Count:
        def changed(self, *_: object) -> None:
            seen.append(turns)

    watch = w.Watch(Stream(), SECRETS, Count())  # type: ignore[arg-type]  # all that one stream needs
    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        await watch._watch("0")
        task.cancel()
    assert len(set(seen)) == 10


class Enough(Exception):
    pass


class Hasty(VirtualClock):
    """Every back-off is over at once; the third never ends well."""

    naps = 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.naps += 1
        if self.naps == 3:
            raise Enough


async def test_the_informer_can_be_cancelled_at_every_await(api):
    for n in range(w.YIELD_EVERY + 1):
        api.put(SECRETS, secret("a", f"x{n}"))
    events = b"".join(
        json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "100"}}}).encode() + b"\n"
        for _ in range(w.YIELD_EVERY)
    )
    api.fail(Garbage(events + b"?\n"), watch=True, times=10_000)
    rest = api.rest(turns=1)

    async def three_rounds() -> None:
        with contextlib.suppress(Enough):
            await Informer(rest, SECRETS, decode, lambda old, new: None, clock=Hasty(), jitter=lambda: 0.5).run()

    count = 0
    async for _ in every_await(three_rounds):
        count += 1
        assert await rest.get(SECRETS, "a", "gone") is None  # the only turn is free, the pool works
    assert count >= 10
    await rest.access.close()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([b"a\nb\n"], [b"a", b"b"], id="two lines in one piece"),
        pytest.param([b"a", b"b", b"\n"], [b"ab"], id="one line in three pieces"),
        pytest.param([b"a\nb", b"c\nd"], [b"a", b"bc"], id="what has no end is not a line"),
        pytest.param([b"\n\n", b"\n"], [], id="empty lines are nothing"),
        pytest.param([], [], id="nothing is nothing"),
    ],
)
async def test_lines_are_put_together_from_pieces(chunks, expected):
    async def pieces():
        for chunk in chunks:
            yield chunk

    assert [line async for line in w.lines(pieces())] == expected


async def test_a_line_without_end_is_not_collected_for_ever(monkeypatch):
    monkeypatch.setattr(w, "MAX_LINE", 10)

    async def endless():
        while True:
            yield b"xxxx"

    with pytest.raises(Unreachable):
        async for _ in w.lines(endless()):
            pass


class Counting:
    """An account that knows names alone."""

    def __init__(self) -> None:
        self.counted: set[tuple[str, str]] = set()

    def decode(self, raw: msgspec.Raw) -> Kept:
        record = decode(raw)
        self.counted.add((record.namespace, record.name))
        return record

    def forget(self, key: tuple[str, str]) -> None:
        self.counted.discard(key)

    def keep_only(self, keys: Container[tuple[str, str]]) -> None:
        self.counted = {key for key in self.counted if key in keys}


def raw_secret(name: str, version: str = "1") -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"metadata": {"namespace": "a", "name": name, "resourceVersion": version}}).encode())


async def test_what_is_not_in_the_cache_does_not_count_whatever_was_decoded_of_it(api):
    account = Counting()
    informer: Informer[Kept] = Informer(api.rest(), SECRETS, account.decode, account=account)
    informer.list_began()
    informer.listed(("a", "goes meanwhile"), "1", raw_secret("goes meanwhile"))
    informer.list_began()  # the first one broke off
    informer.listed(("a", "stays"), "1", raw_secret("stays"))
    informer.listed(("a", "is deleted"), "1", raw_secret("is deleted"))
    await informer.list_ended()
    assert account.counted == {("a", "stays"), ("a", "is deleted")}
    informer.deleted(("a", "is deleted"), raw_secret("is deleted", "2"))
    informer.learned(raw_secret("is deleted", "3"))  # the reply to a write that came before the end
    informer.changed(("a", "comes"), "4", raw_secret("comes", "4"))
    assert account.counted == {("a", "stays"), ("a", "comes")} == set(informer.keys())
