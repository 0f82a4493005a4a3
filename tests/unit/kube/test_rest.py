from __future__ import annotations

import asyncio
import gc
import json
import weakref
from typing import Any

import pytest

from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, Resource
from eso.kube import rest as r
from eso.kube.rest import HEAVY_TURNS, Invalid, Rest, path, typed
from tests.fakes.apiserver import FakeApiServer, Garbage, HalfReply, Hang, Reset, Status, secret
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until

FOOS = Resource("x.io", "v1", "foos", "Foo")


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def client(api: FakeApiServer):
    rest = api.rest(clock=VirtualClock())
    yield rest
    await rest.access.close()


async def all_pages(rest: Rest, resource: Resource, namespace: str = "", **options: Any) -> list[bytes]:
    return [page async for page in rest.list_pages(resource, namespace, **options)]


async def test_an_object_is_read_as_the_bytes_the_server_sent(api, client):
    api.put(SECRETS, secret("a", "s", {"k": "dg=="}))
    assert json.loads(await client.get(SECRETS, "a", "s"))["data"] == {"k": "dg=="}


async def test_none_means_that_the_server_proved_the_object_absent(client):
    assert await client.get(SECRETS, "a", "s") is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(404, plain=True, message="404 page not found"), id="a page not found is no proof"),
        pytest.param(
            Status(404, "NotFound", "the server could not find the requested resource"),
            id="an unknown resource is no proof",
        ),
        pytest.param(Status(403, "Forbidden"), id="forbidden is no proof"),
        pytest.param(Status(500, "InternalError"), id="a broken server is no proof"),
        pytest.param(HalfReply(), id="half a reply is no proof"),
        pytest.param(Reset(), id="a cut connection is no proof"),
    ],
)
async def test_only_a_proven_absence_reads_as_none(api, client, fault):
    api.put(SECRETS, secret("a", "s"))
    api.fail(fault, times=3)
    with pytest.raises(r.ApiError) as caught:
        await client.get(SECRETS, "a", "s")
    assert not isinstance(caught.value, r.NotFound)


async def test_a_missing_crd_is_not_a_missing_object(api, client):
    api.unserved.add("foos")
    with pytest.raises(r.UnknownResource):
        await client.get(FOOS, "a", "f")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        pytest.param(400, "BadRequest", r.Invalid, id="bad request"),
        pytest.param(401, "Unauthorized", r.Unauthorized, id="unauthorized"),
        pytest.param(403, "Forbidden", r.Forbidden, id="forbidden"),
        pytest.param(409, "AlreadyExists", r.AlreadyExists, id="already exists"),
        pytest.param(409, "Conflict", r.Conflict, id="conflict"),
        pytest.param(410, "Expired", r.Gone, id="expired"),
        pytest.param(422, "Invalid", r.Invalid, id="invalid"),
        pytest.param(429, "TooManyRequests", r.TooMany, id="too many"),
        pytest.param(500, "InternalError", r.Unavailable, id="internal error"),
        pytest.param(503, "ServiceUnavailable", r.Unavailable, id="unavailable"),
        pytest.param(418, "Teapot", r.ApiError, id="something else"),
    ],
)
def test_a_status_becomes_an_error_of_its_kind(code, reason, kind):
    error = typed(code, reason, "text")
    assert type(error) is kind
    assert (error.status, error.reason, str(error)) == (code, reason, "text")


async def test_an_error_says_what_the_server_said(api, client):
    api.put(SECRETS, secret("a", "s"))
    with pytest.raises(r.AlreadyExists, match=r'^secrets "s" already exists$'):
        await client.create(SECRETS, "a", secret("a", "s"))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(502, plain=True, message="hunter2 in a proxy's page"), id="a proxy's page"),
        pytest.param(
            Status(400, plain=True, message='{"kind":"Secret","message":"hunter2"}'), id="an echo of the object"
        ),
        pytest.param(Garbage(b'{"metadata": "hunter2"'), id="a list that is none"),
    ],
)
async def test_no_body_becomes_a_message(api, client, fault):
    api.fail(fault)
    with pytest.raises(r.ApiError) as caught:
        await all_pages(client, SECRETS)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param(
            'ConfigMap "s": metadata.labels: Invalid value: "hunter2 \\"a\\": b": a valid label must be short',
            'ConfigMap "s": metadata.labels: Invalid value: ***: a valid label must be short',
            id="a quoted text",
        ),
        pytest.param(
            '[data: Invalid value: "hunter2": no, type: Unsupported value: "hunter2": supported values: "Opaque"]',
            '[data: Invalid value: ***: no, type: Unsupported value: ***: supported values: "Opaque"]',
            id="several fields",
        ),
        pytest.param('data[1]: Duplicate value: "hunter2"', "data[1]: Duplicate value: ***", id="a duplicate"),
        pytest.param("label 68756e: hunter2, 4711", "label ***", id="a word that no server needs"),
        pytest.param(
            "spec.size: Invalid value: 42: should be less than 10",
            "spec.size: Invalid value: ***: should be less than 10",
            id="a number",
        ),
        pytest.param(
            'spec: Invalid value: map[string]interface {}{"a":"hunter2: x"}: no', "spec: Invalid value: ***", id="a map"
        ),
        pytest.param('spec: Invalid value: {"a":"hunter2: x"}: no', "spec: Invalid value: ***", id="a map as JSON"),
        pytest.param('spec: Invalid value: "hunter2' + "x" * 9, "spec: Invalid value: ***", id="a text without an end"),
        pytest.param("spec.size: Required value: say what", "spec.size: Required value: say what", id="nothing quoted"),
    ],
)
async def test_values_that_the_server_quotes_are_not_repeated(api, client, said, told):
    api.fail(Status(422, "Invalid", said))
    with pytest.raises(r.Invalid) as caught:
        await client.create(SECRETS, "a", secret("a", "s"))
    assert str(caught.value) == told


async def test_a_very_long_message_is_cut(api, client):
    api.fail(Status(422, "Invalid", "no " * 33_000))
    with pytest.raises(r.Invalid) as caught:
        await client.create(SECRETS, "a", secret("a", "s"))
    assert len(str(caught.value)) == 1024


async def test_writes_carry_field_manager_content_type_and_the_time_we_wait(api, client):
    api.put(SECRETS, secret("a", "s"))
    await client.patch(SECRETS, "a", "s", {"data": {"k": "dg=="}}, field_manager="me")
    await client.replace(SECRETS, "a", "s", api.get(SECRETS, "a", "s"), field_manager="me")
    await client.create(SECRETS, "a", secret("a", "t"), field_manager="me")
    patch, put, post = api.writes
    assert [one.query for one in api.writes] == [{"fieldManager": "me", "timeout": "10s"}] * 3
    assert [one.headers["Content-Type"] for one in (patch, put, post)] == [
        "application/merge-patch+json",
        "application/json",
        "application/json",
    ]


async def test_a_status_patch_leaves_the_rest_alone(api, client):
    stores = Resource("external-secrets.io", "v1", "secretstores", "SecretStore")
    api.put(stores, {"metadata": {"namespace": "a", "name": "f"}, "spec": {"x": 1}})
    await client.patch(stores, "a", "f", {"spec": {"x": 2}, "status": {"ok": True}}, subresource="status")
    live = api.get(stores, "a", "f")
    assert (live["spec"], live["status"], api.sent("PATCH")[0].path.rsplit("/", 1)[-1]) == (
        {"x": 1},
        {"ok": True},
        "status",
    )


async def test_a_stale_resource_version_conflicts(api, client):
    stale = api.meta(SECRETS, "a", api.put(SECRETS, secret("a", "s"))["metadata"]["name"])
    api.edit(SECRETS, "a", "s", {"data": {"k": "dg=="}})
    with pytest.raises(r.Conflict):
        await client.patch(SECRETS, "a", "s", {"metadata": {"resourceVersion": stale.resource_version}, "data": {}})
    with pytest.raises(r.Conflict):
        await client.delete(SECRETS, "a", "s", uid=stale.uid, resource_version=stale.resource_version)
    assert api.get(SECRETS, "a", "s") is not None


async def test_deletion_in_the_background_with_both_preconditions(api, client):
    live = api.put(SECRETS, secret("a", "s"))["metadata"]
    await client.delete(SECRETS, "a", "s", uid=live["uid"], resource_version=live["resourceVersion"])
    assert api.get(SECRETS, "a", "s") is None
    assert api.sent("DELETE")[0].body["preconditions"] == {
        "uid": live["uid"],
        "resourceVersion": live["resourceVersion"],
    }
    assert api.sent("DELETE")[0].body["propagationPolicy"] == "Background"
    with pytest.raises(r.NotFound):
        await client.delete(SECRETS, "a", "s")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../namespaces/b/secrets/c", "%2e%2e"])
def test_a_name_cannot_leave_its_segment(name):
    with pytest.raises(r.Invalid):
        path(SECRETS, "a", name)
    with pytest.raises(r.Invalid):
        path(SECRETS, name, "s")


def test_what_is_odd_in_a_name_is_quoted():
    assert path(SECRETS, "a", "x?watch=1#y") == "/api/v1/namespaces/a/secrets/x%3Fwatch%3D1%23y"


async def test_an_odd_name_arrives_quoted_once(api, client):
    assert await client.get(SECRETS, "a", "x?watch=1") is None
    assert api.requests[0].path.endswith("/x?watch=1")
    assert not api.requests[0].query


# Lists.


async def test_a_list_comes_in_pages_of_one_version(api, client):
    for n in range(7):
        api.put(SECRETS, secret("a", f"s{n}"))
    pages = [json.loads(page) async for page in client.list_pages(SECRETS, limit=3)]
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    assert all("resourceVersion" not in one.query for one in api.requests)


async def test_selectors_and_the_namespace_narrow_a_list(api, client):
    api.put(SECRETS, secret("a", "x", labels={"l": "1"}))
    api.put(SECRETS, secret("a", "y", labels={"l": "2"}))
    api.put(SECRETS, secret("b", "x", labels={"l": "1"}))
    [page] = await all_pages(client, SECRETS, "a", label_selector="l=1", field_selector="metadata.name=x")
    assert [item["metadata"]["name"] for item in json.loads(page)["items"]] == ["x"]


async def test_metadata_lists_carry_no_data(api, client):
    api.put(SECRETS, secret("a", "s", {"k": "dg=="}))
    [page] = await all_pages(client, SECRETS, metadata_only=True)
    [item] = json.loads(page)["items"]
    assert (item["kind"], "data" in item) == ("PartialObjectMetadata", False)


async def test_a_list_that_went_stale_between_two_pages_says_so(api, client):
    for n in range(4):
        api.put(SECRETS, secret("a", f"s{n}"))
    with pytest.raises(r.Gone):
        async for _ in client.list_pages(SECRETS, limit=2):
            api.compact()


async def test_a_page_too_large_for_us_is_asked_for_in_smaller_pieces(api, client, monkeypatch):
    monkeypatch.setattr(r, "MAX_PAGE", 20_000)
    for n in range(10):
        api.put(SECRETS, secret("a", f"s{n}", {"k": "A" * 4_000}))
    sizes = [len(json.loads(page)["items"]) async for page in client.list_pages(SECRETS, limit=10)]
    assert sum(sizes) == 10
    assert max(sizes) == 2


# Throttling.


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(429, "TooManyRequests", retry_after=2), id="throttled"),
        pytest.param(Status(503, "ServiceUnavailable", retry_after=2), id="unavailable with a time to come back"),
    ],
)
async def test_what_the_server_did_not_accept_is_sent_again_when_it_says(api, client, fault):
    clock = client._clock
    api.fail(fault)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.create(SECRETS, "a", secret("a", "s")))
        await until(lambda: clock.timers == 1)
        assert api.get(SECRETS, "a", "s") is None
        await clock.advance(2.0)
    assert json.loads(task.result())["metadata"]["name"] == "s"
    assert len(api.writes) == 2


async def test_the_patience_with_a_throttling_server_is_bounded(api, client):
    clock = client._clock
    api.fail(Status(429, "TooManyRequests", "slow down", retry_after=1), times=100)
    task = asyncio.ensure_future(client.get(SECRETS, "a", "s"))
    for _ in range(r.TRIES - 1):
        await until(lambda: clock.timers == 1)
        await clock.advance(1.0)
    with pytest.raises(r.TooMany, match="slow down"):
        async with asyncio.timeout(60):
            await task
    assert len(api.requests) == r.TRIES


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Status(503, "ServiceUnavailable"), id="503 without Retry-After may have been accepted"),
        pytest.param(Status(500, "InternalError", retry_after=1), id="500 may have been accepted"),
        pytest.param(Status(504, "Timeout", retry_after=1), id="504 may have been accepted"),
        pytest.param(Status(429, "TooManyRequests", retry_after=3600), id="an hour is the queue's business"),
        pytest.param(Reset(), id="a cut connection may have been accepted"),
        pytest.param(HalfReply(), id="half a reply was accepted"),
    ],
)
async def test_a_write_that_may_have_happened_is_not_sent_again(api, client, fault):
    api.fail(fault)
    with pytest.raises(r.ApiError):
        async with asyncio.timeout(60):
            await client.create(SECRETS, "a", secret("a", "s"))
    assert len(api.writes) == 1


async def test_no_reply_within_the_time_is_unreachable(api):
    rest = api.rest(timeout=0.05, write_timeout=0.05)
    api.fail(Hang(), times=2)
    for call in (rest.get(SECRETS, "a", "s"), rest.create(SECRETS, "a", secret("a", "s"))):
        with pytest.raises(r.Unreachable, match=r"no reply from http://127\.0\.0\.1:\d+ within 0\.05 s") as caught:
            await call
        assert caught.value.sent
    await rest.access.close()


async def test_a_server_that_is_not_there_cannot_have_seen_the_request(api, client):
    await api.stop()
    with pytest.raises(r.Unreachable, match="connection refused") as caught:
        await client.create(SECRETS, "a", secret("a", "s"))
    assert not caught.value.sent


# Identity and leadership.


class Rotating:
    """Access whose token changes when it is refused."""

    def __init__(self, inner: Any, tokens: list[str]) -> None:
        self.inner, self.tokens, self.refusals = inner, tokens, 0

    @property
    def server(self) -> str:
        return self.inner.server

    async def pool(self) -> Any:
        return await self.inner.pool()

    async def authorization(self) -> str:
        return f"Bearer {self.tokens[0]}"

    async def refused(self, authorization: str) -> bool:
        self.refusals += 1
        if len(self.tokens) > 1:
            self.tokens.pop(0)
        return f"Bearer {self.tokens[0]}" != authorization


async def test_a_refused_token_is_read_again_once(api, client):
    api.tokens = {"new"}
    rest = Rest(Rotating(client.access, ["old", "new"]))
    assert await rest.get(SECRETS, "a", "s") is None
    assert [one.headers["Authorization"] for one in api.requests] == ["Bearer old", "Bearer new"]


async def test_a_token_that_stays_refused_is_an_error(api, client):
    api.tokens = {"new"}
    rotating = Rotating(client.access, ["old", "older"])
    with pytest.raises(r.Unauthorized):
        await Rest(rotating).get(SECRETS, "a", "s")
    assert (rotating.refusals, len(api.requests)) == (1, 2)


async def test_a_write_waits_for_nobody_who_may_stop_leading(api, client):
    asked: list[float] = []
    rest = Rest(client.access, write_timeout=7.0, may_write=lambda seconds: bool(asked.append(seconds)))
    for call in (
        rest.create(SECRETS, "a", secret("a", "s")),
        rest.patch(SECRETS, "a", "s", {}),
        rest.replace(SECRETS, "a", "s", {}),
        rest.delete(SECRETS, "a", "s"),
    ):
        with pytest.raises(r.NotLeading):
            await call
    assert (asked, api.writes) == ([7.0] * 4, [])
    assert await rest.get(SECRETS, "a", "s") is None


async def test_only_so_many_requests_are_in_flight(api):
    rest = api.rest(turns=2)
    api.fail(Hang(), times=2)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(rest.get(CONFIG_MAPS, "a", str(n))) for n in range(3)]
        await until(lambda: len(api.requests) == 2)
        calls[0].cancel()
        assert await calls[2] is None
        calls[1].cancel()
    await rest.access.close()


async def test_a_turn_is_given_back_for_the_time_of_a_retry_after(api):
    clock = VirtualClock()
    rest = api.rest(turns=1, clock=clock)
    api.fail(Status(429, "TooManyRequests", "slow down", retry_after=3), method="POST", path="namespaces/a")
    writing = asyncio.ensure_future(rest.create(SECRETS, "a", secret("a", "x")))
    await until(lambda: clock.timers == 1)
    assert await rest.get(SECRETS, "b", "s") is None, "the only turn is free while the write waits"
    await clock.advance(3)
    await writing
    assert api.get(SECRETS, "a", "x") is not None
    await rest.access.close()


async def test_one_namespace_leaves_turns_for_the_others(api):
    rest = api.rest(turns=4)
    api.fail(Hang(), path="namespaces/greedy", times=10)
    greedy = [asyncio.ensure_future(rest.get(SECRETS, "greedy", str(n))) for n in range(10)]
    await until(lambda: len(api.requests) == 3)
    assert await rest.get(SECRETS, "b", "s") is None
    assert len([one for one in api.requests if "greedy" in one.path]) == 3
    for one in greedy:
        one.cancel()
    await asyncio.wait(greedy)
    await rest.access.close()


async def test_only_a_few_patches_of_heavy_objects_are_in_flight_and_others_do_not_wait_for_them(api):
    rest = api.rest(heavy=lambda resource, namespace, name: (resource, namespace) == (CONFIG_MAPS, "greedy"))
    api.fail(Hang(), path="namespaces/greedy/configmaps", times=10)
    greedy = [asyncio.ensure_future(rest.patch(CONFIG_MAPS, "greedy", str(n), {})) for n in range(10)]
    await until(lambda: len(api.requests) == HEAVY_TURNS)
    await rest.create(SECRETS, "greedy", secret("greedy", "x"))
    await rest.patch(SECRETS, "greedy", "x", {"data": {"b": "Yg=="}})
    assert len(api.sent("PATCH", "configmaps")) == HEAVY_TURNS
    for one in greedy[:HEAVY_TURNS]:
        one.cancel()
    await until(lambda: len(api.sent("PATCH", "configmaps")) == 2 * HEAVY_TURNS)
    for one in greedy:
        one.cancel()
    await asyncio.wait(greedy)
    await rest.access.close()


async def test_a_caller_that_retries_itself_gets_the_first_answer_as_a_typed_error(api):
    rest = api.rest(tries=1, turns=None, counted=None, clock=VirtualClock())
    api.fail(Status(429, "TooManyRequests", "slow down", retry_after=3))
    with pytest.raises(r.TooMany) as told:
        async with asyncio.timeout(60):
            await rest.get(SECRETS, "a", "s")
    assert (told.value.retry_after, len(api.requests)) == (3.0, 1)
    api.fail(Hang(), times=100)
    crowd = [asyncio.ensure_future(rest.get(SECRETS, "a", str(n))) for n in range(100)]
    await until(lambda: len(api.requests) == 101)  # nothing is held back
    for one in crowd:
        one.cancel()
    await asyncio.wait(crowd)
    await rest.access.close()


async def test_a_refused_token_is_read_again_also_for_a_single_try(api, client):
    api.tokens = {"new"}
    rest = Rest(Rotating(client.access, ["old", "new"]), tries=1)
    assert await rest.get(SECRETS, "a", "s") is None


@pytest.mark.parametrize(
    "text", [pytest.param("\udcff", id="half a surrogate pair"), pytest.param(1 << 70, id="a huge number")]
)
async def test_a_body_that_cannot_be_written_as_json_is_invalid_and_not_sent(api, client, text):
    with pytest.raises(r.Invalid, match="cannot be written as JSON"):
        await client.create(SECRETS, "a", {"metadata": {"name": "s", "annotations": {"a": text}}})
    assert api.requests == []


# Cancellation.

CALLS = [
    pytest.param(lambda rest: rest.get(SECRETS, "a", "s"), id="get"),
    pytest.param(lambda rest: all_pages(rest, SECRETS), id="list"),
    pytest.param(lambda rest: rest.create(SECRETS, "a", secret("a", "t")), id="create"),
    pytest.param(lambda rest: rest.patch(SECRETS, "a", "s", {"data": {}}), id="patch"),
    pytest.param(lambda rest: rest.delete(NAMESPACES, "", "n"), id="delete"),
    pytest.param(lambda rest: read_some(rest), id="watch"),
]


async def read_some(rest: Rest) -> bytes:
    async with rest.watch(SECRETS, "", "1") as chunks:
        return await anext(chunks)


@pytest.mark.parametrize("call", CALLS)
async def test_a_request_can_be_cancelled_at_every_await(api, call):
    api.put(SECRETS, secret("a", "s"))
    rest = api.rest(turns=1)

    async def again() -> None:
        for kind, name in ((NAMESPACES, "n"), (SECRETS, "t")):  # as before each time
            if api.get(kind, "a", name) is not None:
                api.remove(kind, "a", name)
        api.put(NAMESPACES, {"metadata": {"name": "n"}})
        await call(rest)

    count = 0
    async for _ in every_await(again):
        count += 1
        assert await rest.get(SECRETS, "a", "gone") is None  # the only turn is free, the pool works
    assert count > 0
    await rest.access.close()


@pytest.mark.parametrize(("namespace", "name"), [("ns", ""), ("", "a"), ("", "")])
async def test_what_has_no_name_or_no_namespace_is_no_object(api, client, namespace, name):
    """An empty reference of a user must not become a list of everything, nor the deletion of a collection."""
    for call in (
        lambda: client.get(SECRETS, namespace, name),
        lambda: client.patch(SECRETS, namespace, name, {}),
        lambda: client.replace(SECRETS, namespace, name, {}),
        lambda: client.delete(SECRETS, namespace, name),
    ):
        with pytest.raises(Invalid, match="a Secret without a"):
            await call()
    assert api.requests == []


async def test_what_was_sent_and_refused_goes_with_the_error_without_the_collector(api, client):
    """A megabyte that is refused every second is kept by few objects, which the collector does not notice for long."""
    api.fail(Status(422, "Invalid", "no"))
    gc.disable()
    try:
        try:
            await client.create(SECRETS, "a", secret("a", "x"))
        except Invalid as error:
            left = weakref.ref(error)
        assert left() is None
    finally:
        gc.enable()
